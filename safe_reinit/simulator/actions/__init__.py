"""The operations: parameters in, rows out. The rules are in ``state``; a response decides nothing.

| file | what is in it |
|---|---|
| ``context``, ``listing`` | what all operations, and all Describe calls, have in common |
| ``disks``, ``instances``, ``power``, ``snapshots``, ``images`` | the operations of ECS for each of these |
| ``tags``, ``events``, ``account`` | tags, the history of events, and what an account is; STS too |
| ``other_products`` | the operations of Auto Scaling, KMS and EBS |
"""

from __future__ import annotations

from ..errors import Refusal
from ..wire.request import PRODUCTS
from . import account, disks, events, images, instances, other_products, power, snapshots, tags
from .context import Action

ECS = "2014-05-26"
STS = "2015-04-01"
ESS = "2014-08-28"
KMS = "2016-01-20"
EBS = "2021-07-30"

ACTIONS: dict[str, tuple[str, Action]] = {
    "DescribeDisks": (ECS, disks.describe_disks),
    "DescribeInstances": (ECS, instances.describe_instances),
    "DescribeInstanceAttribute": (ECS, instances.describe_instance_attribute),
    "DescribeInstanceStatus": (ECS, instances.describe_instance_status),
    "DescribeSnapshots": (ECS, snapshots.describe_snapshots),
    "DescribeSnapshotLinks": (ECS, snapshots.describe_snapshot_links),
    "DescribeImages": (ECS, images.describe_images),
    "DescribeKeyPairs": (ECS, account.describe_key_pairs),
    "DescribeRegions": (ECS, account.describe_regions),
    "StopInstance": (ECS, power.stop_instance),
    "StopInstances": (ECS, power.stop_instances),
    "StartInstance": (ECS, power.start_instance),
    "StartInstances": (ECS, power.start_instances),
    "RebootInstance": (ECS, power.reboot_instance),
    "ReInitDisk": (ECS, disks.reinit_disk),
    "ResetDisk": (ECS, disks.reset_disk),
    "CreateSnapshot": (ECS, snapshots.create_snapshot),
    "DeleteSnapshot": (ECS, snapshots.delete_snapshot),
    "TagResources": (ECS, tags.tag_resources),
    "UntagResources": (ECS, tags.untag_resources),
    "ListTagResources": (ECS, tags.list_tag_resources),
    "DescribeInstanceHistoryEvents": (ECS, events.describe_instance_history_events),
    "DescribeAutoSnapshotPolicyEx": (ECS, snapshots.describe_auto_snapshot_policy_ex),
    "GetCallerIdentity": (STS, account.get_caller_identity),
    "DescribeScalingInstances": (ESS, other_products.describe_scaling_instances),
    "DescribeKey": (KMS, other_products.describe_key),
    "DescribeDiskReplicaPairs": (EBS, other_products.describe_disk_replica_pairs),
}
"""Every operation by name, with the API version that identifies its product."""


def find(action: str, version: str) -> Action:
    """Return the operation, or raise the gateway's refusal of an unknown one."""
    if version not in PRODUCTS:
        raise Refusal("InvalidVersion")
    known_version, found = ACTIONS.get(action, ("", None))
    if found is None or known_version != version:
        raise Refusal("InvalidAction.NotFound")
    return found
