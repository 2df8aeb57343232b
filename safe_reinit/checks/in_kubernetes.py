"""The instance or the disk belongs to a Kubernetes cluster.

What it does
    Looks for the tags ack.aliyun.com, ack.alibabacloud.com/nodepool-id, k8s.io/cluster-autoscaler and k8s.aliyun.com on
    the instance and the disk, and for createdby=alibabacloud-csi-plugin on the disk, which marks the volume of a
    workload (DescribeInstances, DescribeDisks). It stops the run if the instance would be stopped for the wipe, and is
    a risk if the instance is already Stopped.

Why it matters
    The cluster places workloads on the node and does not know about the wipe. It replaces the operating system of a
    node only by draining it and through its node pool, and the volume of a workload holds data that the workload needs.

How to fix it
    Drain the node and replace its system disk through the node pool.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding, Level
from ._shared import level_of_standstill
from .check import Check

_NODE_TAGS = ("ack.aliyun.com", "ack.alibabacloud.com/nodepool-id", "k8s.io/cluster-autoscaler", "k8s.aliyun.com")
_VOLUME_TAG = ("createdby", "alibabacloud-csi-plugin")


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    disk, instance, level = facts.disk, facts.instance, level_of_standstill(facts)
    if disk is None or instance is None or level is None:
        return
    node = _node_tag(instance.tags)
    if node:
        yield _finding(level, instance.instance_id, "The instance is a node of a Kubernetes cluster", node)
    if _VOLUME_TAG in disk.tags:
        yield _finding(level, disk.disk_id, "The disk is the volume of a Kubernetes workload", _VOLUME_TAG)
    elif not node and (tag := _node_tag(disk.tags)):
        yield _finding(level, disk.disk_id, "The disk belongs to a Kubernetes cluster", tag)


def _node_tag(tags: tuple[tuple[str, str], ...]) -> tuple[str, str] | None:
    return next((tag for tag in tags if tag[0] in _NODE_TAGS), None)


def _finding(level: Level, subject: str, what: str, tag: tuple[str, str]) -> Finding:
    if level == "block":
        message = (
            f"{what} (tag {tag[0]}), and the cluster does not expect the instance to be stopped and a disk to be wiped."
        )
        fix = "Drain the node and replace its system disk through the node pool."
    else:
        message = f"{what} (tag {tag[0]}), and the cluster does not expect a disk to be wiped."
        fix = (
            "Drain the node and replace its system disk through the node pool, or accept the risk with --accept "
            "in-kubernetes."
        )
    return Finding(CHECK.name, level, subject, message, fix=fix, fact={"TagKey": tag[0], "TagValue": tag[1]})


CHECK = Check("in-kubernetes", "block", (), check, milder=("risk",))
