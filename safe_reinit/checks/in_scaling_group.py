"""The instance is a member of a scaling group.

What it does
    Reads what Auto Scaling tells of the instance (DescribeScalingInstances), and looks for the tag
    acs:autoscaling:scalingGroupId on the instance (DescribeInstances) and on the disk (DescribeDisks), which counts
    where Auto Scaling could not be asked or names no group. It stops you where the instance would be stopped for the
    wipe, and is a risk where it is Stopped already. A member in Standby or Protected is only told.

Why it stops you
    Auto Scaling holds a member that is not Running for unhealthy, removes it and releases it: the instance and its
    disks are destroyed. Stopping it for a wipe can be enough. It leaves members in Standby and Protected alone.

How to fix it
    Put the instance into Standby in its scaling group first, then look again with --dry-run. Where only the tag tells
    of the group, nothing tells that the instance is in Standby: a Running instance has to be stopped there by yourself;
    then run again with --accept in-scaling-group.
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
        message = f"The instance is in scaling group {group} in {state}, where Auto Scaling leaves it alone."
        fix = "Leave it there until the run has ended."
        return Finding(CHECK.name, "info", instance_id, message, fix=fix, fact=fact)
    if level == "block":
        message = (
            f"The instance is in scaling group {group} (LifecycleState {state}), "
            "and Auto Scaling may release it once it is stopped."
        )
        fix = "Put the instance into Standby in its scaling group, then look again with --dry-run."
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
