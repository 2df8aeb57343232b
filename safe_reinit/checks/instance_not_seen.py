"""The instance of the disk cannot be seen.

What it does
    Looks up the instance that the disk names (DescribeInstances). A disk that is In_use, shared by nobody, and names no
    instance at all is told too.

Why it stops you
    Whether the instance is Stopped, locked or expired decides whether ECS accepts the wipe, and its power state is what
    has to be brought back. ECS answers DescribeInstances without the right to it with an empty list (ECS API
    reference, DescribeInstances), so an instance that is not shown may well be there.

How to fix it
    Grant the right that is named, or find out in the ECS console what the disk is attached to.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from ._shared import repair_of, word
from .check import Check
from .disk_multi_attached import how_shared

_CONSOLE = "Find out in the ECS console what the disk is attached to, then look again with --dry-run."


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    disk = facts.disk
    if disk is None or facts.instance is not None:
        return
    unseen = next((each for each in facts.unseen if each.action == "DescribeInstances"), None)
    fact = {"InstanceId": disk.instance_id}
    if disk.instance_id and unseen is not None and unseen.row is not None:
        yield Finding(
            CHECK.name,
            "block",
            disk.instance_id,
            f"In the answer to DescribeInstances {_why(unseen.why)}, so the wipe cannot be checked.",
            fix=repair_of(unseen.row),
            fact={**fact, "Field": unseen.row.field, "Value": unseen.row.value},
        )
    elif disk.instance_id and unseen is not None:
        yield Finding(
            CHECK.name,
            "block",
            disk.instance_id,
            f"DescribeInstances showed nothing to rely on for the instance of the disk ({_why(unseen.why)}), "
            "so the wipe cannot be checked.",
            fix=f"Grant {word(unseen.right, 'ecs:DescribeInstances')} to these credentials, "
            "then look again with --dry-run.",
            fact=fact,
        )
    elif disk.instance_id:
        yield Finding(
            CHECK.name,
            "block",
            disk.instance_id,
            "The disk names this instance, but ECS shows no such instance, so the wipe cannot be checked.",
            fix=_CONSOLE,
            fact=fact,
        )
    elif disk.status == "In_use" and not how_shared(disk):
        yield Finding(
            CHECK.name,
            "block",
            disk.disk_id,
            "The disk is In_use but names no instance, so nobody can tell which machine the wipe would hit.",
            fix=_CONSOLE,
            fact=fact,
        )


def _why(text: str) -> str:
    return word(text, "no answer").rstrip(".")


CHECK = Check("instance-not-seen", "block", (), check)
