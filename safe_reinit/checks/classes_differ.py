"""The disks of the run are not all in one class, so no class allows anything in it.

What it does
    Compares the classes that the configuration assigns to the disks of the run.

Why it matters
    It does not stop the run by itself. Whether machines are stopped, whether snapshots are taken and which risks are
    accepted applies to the whole run. So what the class of one disk allows must not apply to a disk in another class,
    or in none.

How to fix it
    Run the disks of each class separately, or give the options by hand.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from ._shared import RUN, listed, word
from .check import Check


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    mixed = facts.guard.mixed
    if not mixed:
        return
    by_class: dict[str, list[str]] = {}
    for disk_id, name in mixed:
        by_class.setdefault(name, []).append(disk_id)
    where = "; ".join(f"{word(name, 'in no class')}: {listed(ids)}" for name, ids in by_class.items())
    yield Finding(
        CHECK.name,
        "info",
        RUN,
        f"The disks are not all in one class, so no class allows anything here ({where}).",
        fix="Run the disks of each class separately, or give the options by hand.",
        fact={name or "none": len(ids) for name, ids in by_class.items()},
    )


CHECK = Check("classes-differ", "info", (), check, of_options=True)
