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


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    guard = facts.guard
    if guard.disks <= guard.max_disks:
        return
    of_class = guard.class_ is not None and guard.class_.limits_disks
    yield finding(guard.disks, guard.max_disks, f"the class {guard.class_.name}" if guard.class_ and of_class else "")


def finding(disks: int, max_disks: int, of_class: str = "") -> Finding:
    """Return the finding for a number of disks; ``of_class`` is the class that sets the limit, if one does."""
    how = f"add --max-disks {disks}. If the configuration sets max_disks, raise it there instead."
    if of_class:
        how = f"raise max_disks of {of_class} to {disks} in the configuration."
    return Finding(
        CHECK.name,
        "block",
        RUN,
        f"The run has {disks} disks, but its limit is {max_disks}.",
        fix=f"Read the list. If you mean all {disks} disks, {how}",
        fact={"Disks": disks, "MaxDisks": max_disks},
    )


CHECK = Check("too-many-disks", "block", (), check, of_options=True)
