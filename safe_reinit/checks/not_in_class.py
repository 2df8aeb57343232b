"""The disk is no longer in the class that the plan relies on.

What it does
    Compares the account, the region and the tags of the instance and the disk with the `match` of the class again
    before each action.

Why it matters
    Somebody changed a tag after the plan was made. What the class allows was meant for another kind of machine.

How to fix it
    Find out who changed the tag and why, then check again with --dry-run.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from ._shared import word
from .check import Check
from .target_rules import matches, target_of


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    used = facts.guard.class_
    if used is None or not used.in_force or facts.disk is None or facts.instance is None:
        return
    if not matches(used.match, target_of(facts)):
        yield Finding(
            CHECK.name,
            "block",
            facts.disk_id,
            f"The disk is not in the class {word(used.name)} any more, but the plan relies on what that class allows.",
            fix="Find out who changed its tags and why, then check again with --dry-run.",
            fact={"Class": used.name},
        )


CHECK = Check("not-in-class", "block", (), check, of_options=True)
