"""What happens to instances without a request: Auto Scaling removes members, and instances are released."""

from __future__ import annotations

from dataclasses import replace

from .cloud import Cloud
from .model import Disk, Instance

UNMANAGED = ("Standby", "Protected")
"""States of a member in which its group leaves it alone."""


def watch(cloud: Cloud, instance: Instance, now: float) -> None:
    """Make the group of a member that is not Running release it after the group's delay, unless that changes before.

    A member in Standby or Protected is left alone, and one that is already watched keeps its time.
    """
    subject = _health(instance.id)
    if not instance.scaling_group or instance.lifecycle in UNMANAGED or cloud.timeline.busy(subject):
        return
    delay = cloud.settings.scaling_groups[instance.scaling_group]
    cloud.timeline.begin(subject, now + delay, lambda at: _remove(cloud, instance.id, at))


def healthy(cloud: Cloud, instance_id: str) -> None:
    """Record that a member is Running again, or that its group leaves it alone."""
    cloud.timeline.cancel(_health(instance_id))


def _health(instance_id: str) -> str:
    return f"health of {instance_id}"


def _remove(cloud: Cloud, instance_id: str, at: float) -> None:
    instance = cloud.instances.find(instance_id)
    if instance is not None and instance.status != "Running" and instance.lifecycle not in UNMANAGED:
        cloud.record(at, "DeleteInstance", instance.id, *release(cloud, instance, at))


def expire(cloud: Cloud, instance: Instance) -> None:
    """Release an instance at its AutoReleaseTime."""
    if instance.auto_release is None:
        return

    def end(at: float) -> None:
        row = cloud.instances.find(instance.id)
        if row is not None:
            cloud.record(at, "DeleteInstance", row.id, *release(cloud, row, at))

    cloud.timeline.begin(f"end of {instance.id}", instance.auto_release, end)


def release(cloud: Cloud, instance: Instance, at: float) -> list[str]:
    """Delete an instance with its disks, and return them; a disk that is not deleted with it becomes Available."""
    cloud.timeline.cancel(instance.id)
    healthy(cloud, instance.id)
    cloud.put_instance(replace(instance, status="Deleted", public_ip=""), at)
    return [disk.id for disk in cloud.disks_of(instance.id) if _leave(cloud, disk, instance.id, at)]


def _leave(cloud: Cloud, disk: Disk, instance_id: str, at: float) -> bool:
    """Detach a disk from an instance that is deleted; return whether the disk was deleted too."""
    cloud.timeline.cancel(disk.id)
    left = tuple(place for place in disk.attachments if place.instance_id != instance_id)
    gone = disk.delete_with_instance and not left
    status = "Deleted" if gone else "In_use" if left else "Available"
    cloud.put_disk(replace(disk, status=status, attachments=left, detached=at), at)
    return gone
