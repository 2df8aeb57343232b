"""The run has more disks than its limit.

What it does
    Counts the disks of the whole run, across all regions if a command names several. The limit is 10 for disks named by
    hand, 1 for disks found by a tag or on an instance, and `max_disks` of the class for disks in a class. `--max-disks`
    or `max_disks` in the configuration sets another limit; if the class has its own limit, the command line can only
    lower that limit. If there are more than 100 disks and no class can raise the limit so far, the run is refused
    before anything is asked of ECS, so no other check is made.

Why it matters
    A pattern that matches too much, or a list with one line too many, wipes disks that nobody meant to wipe. The whole
    run is refused rather than shortened, because the tool cannot know which disks were meant.

How to fix it
    Read the list. If all of the disks are meant, raise the limit: `--max-disks` N, or `max_disks` of their class.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from ._shared import RUN
from .check import Check

OF_RUN = "max_disks of the configuration, or --max-disks where the configuration has none,"
"""What sets the limit if no class does."""


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    guard = facts.guard
    if guard.disks <= guard.max_disks:
        return
    of_class = guard.class_ is not None and any(each.startswith("max_disks") for each in guard.class_.allowed)
    where = f"max_disks of the class {guard.class_.name}" if guard.class_ and of_class else OF_RUN
    yield finding(guard.disks, guard.max_disks, where)


def finding(disks: int, max_disks: int, where: str) -> Finding:
    """Return the finding for a number of disks; ``where`` is what sets the limit."""
    return Finding(
        CHECK.name,
        "block",
        RUN,
        f"The run has {disks} disks, but its limit is {max_disks}.",
        fix=f"Read the list; if all of them are meant, raise {where} to {disks}.",
        fact={"Disks": disks, "MaxDisks": max_disks},
    )


CHECK = Check("too-many-disks", "block", (), check, of_options=True)
