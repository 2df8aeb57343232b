"""The operations: parameters in, shaped rows out. Rules are in `state`; a response never decides anything."""

from __future__ import annotations

from safe_reinit.simulator.actions import disks, images, instances, power, snapshots, tags
from safe_reinit.simulator.actions.context import Action
from safe_reinit.simulator.errors import Refusal

ECS = "2014-05-26"
STS = "2015-04-01"

ACTIONS: dict[str, tuple[str, Action]] = {
    "DescribeDisks": (ECS, disks.describe_disks),
    "DescribeInstances": (ECS, instances.describe_instances),
    "DescribeInstanceAttribute": (ECS, instances.describe_instance_attribute),
    "DescribeInstanceStatus": (ECS, instances.describe_instance_status),
    "DescribeSnapshots": (ECS, snapshots.describe_snapshots),
    "DescribeSnapshotLinks": (ECS, snapshots.describe_snapshot_links),
    "DescribeImages": (ECS, images.describe_images),
    "DescribeKeyPairs": (ECS, images.describe_key_pairs),
    "DescribeRegions": (ECS, images.describe_regions),
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
    "GetCallerIdentity": (STS, images.get_caller_identity),
}
"""Every operation by name, with the API version that tells its product."""


def find(action: str, version: str) -> Action:
    """Return the operation, or raise the gateway's refusal of an unknown one."""
    if version not in (ECS, STS):
        raise Refusal("InvalidVersion")
    known_version, found = ACTIONS.get(action, ("", None))
    if found is None or known_version != version:
        raise Refusal("InvalidAction.NotFound")
    return found
