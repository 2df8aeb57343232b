"""The instance is a member of a scaling group.

What it does
    Looks for the tag acs:autoscaling:scalingGroupId on the instance (DescribeInstances) and on the disk
    (DescribeDisks). It stops you where the instance would be stopped for the wipe, and is a risk where it is Stopped
    already. A member without the tag is not noticed.

Why it stops you
    Auto Scaling holds a member that is not Running for unhealthy, removes it and releases it: the instance and its
    disks are destroyed. Stopping it for a wipe can be enough.

How to fix it
    Put the instance into Standby in its scaling group first: Auto Scaling leaves it alone there, stopped or not. The
    tag does not tell whether it is in Standby, so a Running instance has to be stopped there by yourself; then run
    again with --accept in-scaling-group.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from ._shared import level_of_standstill, word
from .check import Check

_TAG = "acs:autoscaling:scalingGroupId"


def find(facts: DiskFacts) -> Iterator[Finding]:
    """See the module."""
    disk, instance, level = facts.disk, facts.instance, level_of_standstill(facts)
    if disk is None or instance is None or level is None:
        return
    groups = [value for key, value in (*instance.tags, *disk.tags) if key == _TAG]
    if not groups:
        return
    group = word(groups[0], "without a name")
    if level == "block":
        message = f"The instance is in scaling group {group}, and Auto Scaling may release it once it is stopped."
        fix = (
            "Put the instance into Standby in its scaling group and stop it there, "
            "then run again with --accept in-scaling-group."
        )
    else:
        message = f"The instance is Stopped in scaling group {group}, and Auto Scaling may release it at any moment."
        fix = "Put the instance into Standby in its scaling group first, then run again with --accept in-scaling-group."
    yield Finding(
        CHECK.name, level, instance.instance_id, message, fix=fix, fact={"TagKey": _TAG, "TagValue": groups[0]}
    )


CHECK = Check("in-scaling-group", "block", (), find, milder=("risk",))
