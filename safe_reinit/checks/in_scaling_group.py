"""The instance is a member of a scaling group.

What it does
    Asks Auto Scaling about the instance (DescribeScalingInstances). If Auto Scaling could not be asked or names no
    group, looks for the tag acs:autoscaling:scalingGroupId on the instance (DescribeInstances) and on the disk
    (DescribeDisks). It stops the run if the instance would be stopped for the wipe, and is a risk if the instance is
    already Stopped. A member in Standby or Protected is reported as info.

Why it matters
    Auto Scaling considers a member that is not Running unhealthy, removes it and releases it: the instance and its
    disks are destroyed. Stopping it for a wipe can be enough. Auto Scaling leaves members in Standby and Protected
    alone.

How to fix it
    Put the instance into Standby in its scaling group first, then check again with --dry-run. If only the tag shows the
    group, the tool cannot see whether the instance is in Standby. Put it into Standby; if it is Running, stop it
    yourself; then run again with --accept in-scaling-group.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding, Level, ScalingMember
from ._shared import level_of_standstill, word
from .check import Check

_TAG = "acs:autoscaling:scalingGroupId"
_LEFT_ALONE = ("Standby", "Protected")
"""The states in which Auto Scaling does not manage the life of a member (Auto Scaling API reference)."""
_ACCEPT = "then run again with --accept in-scaling-group."


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    disk, instance, level = facts.disk, facts.instance, level_of_standstill(facts)
    if disk is None or instance is None or level is None:
        return
    for member in facts.other_products.members:
        yield _of_member(member, instance.instance_id, level)
    groups = [value for key, value in (*instance.tags, *disk.tags) if key == _TAG]
    if groups and not facts.other_products.members:
        yield _of_tag(groups[0], instance.instance_id, level)


def _of_member(member: ScalingMember, instance_id: str, level: Level) -> Finding:
    group, state = word(member.group_id, "without a name"), word(member.lifecycle_state)
    fact = {"ScalingGroupId": member.group_id, "LifecycleState": member.lifecycle_state}
    if member.lifecycle_state in _LEFT_ALONE:
        message = (
            f"The instance is in scaling group {group}, in state {state}: Auto Scaling leaves it alone in this state."
        )
        fix = "Leave it there until the run has ended."
        return Finding(CHECK.name, "info", instance_id, message, fix=fix, fact=fact)
    if level == "block":
        message = (
            f"The instance is in scaling group {group} (LifecycleState {state}), "
            "and Auto Scaling may release it once it is stopped."
        )
        fix = "Put the instance into Standby in its scaling group, then check again with --dry-run."
    else:
        message = (
            f"The instance is Stopped in scaling group {group} (LifecycleState {state}), "
            "and Auto Scaling may release it at any moment."
        )
        fix = f"Put the instance into Standby in its scaling group first, {_ACCEPT}"
    return Finding(CHECK.name, level, instance_id, message, fix=fix, fact=fact)


def _of_tag(tag: str, instance_id: str, level: Level) -> Finding:
    group = word(tag, "without a name")
    if level == "block":
        message = f"The instance is in scaling group {group}, and Auto Scaling may release it once it is stopped."
        fix = f"Put the instance into Standby in its scaling group and stop it there, {_ACCEPT}"
    else:
        message = f"The instance is Stopped in scaling group {group}, and Auto Scaling may release it at any moment."
        fix = f"Put the instance into Standby in its scaling group first, {_ACCEPT}"
    return Finding(CHECK.name, level, instance_id, message, fix=fix, fact={"TagKey": _TAG, "TagValue": tag})


CHECK = Check("in-scaling-group", "block", (), check, milder=("risk", "info"))
