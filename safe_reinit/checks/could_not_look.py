"""Something the wipe depends on could not be looked at.

What it does
    Tells every Describe call that gave no answer to rely on, and the right that would allow it. DescribeInstances is
    told by instance-not-seen.

Why it stops you
    ECS can answer a Describe call without the right to it with an empty list (ECS API reference, DescribeInstances).
    "No snapshot in progress" and "no right to see snapshots" then look alike, and the machine would be stopped for a
    wipe that nobody could check.

How to fix it
    Grant the right that is named to the credentials, then look again with --dry-run.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from ._shared import word
from .check import Check


def find(facts: DiskFacts) -> Iterator[Finding]:
    """See the module."""
    for unseen in facts.unseen:
        if unseen.action == "DescribeInstances":
            continue
        action, subject = word(unseen.action, "A look"), word(unseen.subject, word(facts.disk_id))
        why = word(unseen.why, "no answer").rstrip(".")
        yield Finding(
            CHECK.name,
            "block",
            unseen.action,
            f"{action} showed nothing to rely on for {subject} ({why}), so the wipe cannot be checked.",
            fix=f"Grant {word(unseen.right, action)} to these credentials, then look again with --dry-run.",
            fact={"Subject": unseen.subject, "Right": unseen.right, "Why": unseen.why},
        )


CHECK = Check("could-not-look", "block", (), find)
