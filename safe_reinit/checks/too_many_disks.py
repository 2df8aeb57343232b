"""The run has more disks than it may have.

What it does
    Counts the disks of the whole run, over all regions where a command names several. Named by hand there may be 10,
    found by a tag or on an instance 1, in a class as many as its `max_disks` says; `--max-disks` or `max_disks` of the
    configuration says another number, and for a class that has its own only a smaller one on the command line counts.

Why it stops you
    A pattern that matches too much, or a list with a line too many, wipes what nobody meant. The whole run is refused
    and not cut, since nobody could say which disks were meant.

How to fix it
    Read the list. If all of them are meant, say how many: `--max-disks` N, or `max_disks` of their class.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from ._shared import RUN
from .check import Check


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    guard = facts.guard
    if guard.disks <= guard.max_disks:
        return
    of_class = guard.class_ is not None and any(each.startswith("max_disks") for each in guard.class_.allowed)
    where = (
        f"max_disks of the class {guard.class_.name}"
        if guard.class_ and of_class
        else "max_disks of the configuration, or --max-disks where the configuration has none,"
    )
    yield Finding(
        CHECK.name,
        "block",
        RUN,
        f"The run has {guard.disks} disks, and it may have {guard.max_disks}.",
        fix=f"Read the list; if all of them are meant, raise {where} to {guard.disks}.",
        fact={"Disks": guard.disks, "MaxDisks": guard.max_disks},
    )


CHECK = Check("too-many-disks", "block", (), check, of_options=True)
