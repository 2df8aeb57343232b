"""The instance of the disk cannot be seen.

What it does
    Looks up the instance that the disk names (DescribeInstances). It also reports a disk that is In_use and is not
    shared, but for which ECS names no instance.

Why it matters
    ECS accepts the wipe only if the instance is Stopped, not locked and not expired, and the tool must restore the
    power state of the instance afterwards. Without the permission for DescribeInstances, ECS answers with an empty list
    (ECS API reference, DescribeInstances), so an instance that is not shown may well exist.

How to fix it
    Grant the named permission, or find out in the ECS console what the disk is attached to.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from ._shared import repair_of, word
from .check import Check
from .disk_multi_attached import how_shared

_CONSOLE = "Find out in the ECS console what the disk is attached to, then check again with --dry-run."


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
            f"In the answer to DescribeInstances, {_why(unseen.why)}, so the tool cannot check whether the wipe is "
            "safe.",
            fix=repair_of(unseen.row),
            fact={**fact, "Field": unseen.row.field, "Value": unseen.row.value},
        )
    elif disk.instance_id and unseen is not None:
        yield Finding(
            CHECK.name,
            "block",
            disk.instance_id,
            f"DescribeInstances gave no reliable answer for the instance of the disk ({_why(unseen.why)}), "
            "so the tool cannot check whether the wipe is safe.",
            fix=f"Grant {word(unseen.right, 'ecs:DescribeInstances')} to these credentials, "
            "then check again with --dry-run.",
            fact=fact,
        )
    elif disk.instance_id:
        yield Finding(
            CHECK.name,
            "block",
            disk.instance_id,
            "ECS says that the disk is on this instance but shows no such instance, so the tool cannot check "
            "whether the wipe is safe.",
            fix=_CONSOLE,
            fact=fact,
        )
    elif disk.status == "In_use" and not how_shared(disk):
        yield Finding(
            CHECK.name,
            "block",
            disk.disk_id,
            "The disk is In_use but names no instance, so it is not known which machine the wipe would affect.",
            fix=_CONSOLE,
            fact=fact,
        )


def _why(text: str) -> str:
    return word(text, "no answer").rstrip(".")


CHECK = Check("instance-not-seen", "block", (), check)
