"""What people do to instances, disks, images and snapshots at the console."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from .calls import Call, Calls, Source
from .errors import Refusal
from .faults import Faults
from .state import power, scaling, snapshots
from .state.clock import second_text
from .state.cloud import Cloud
from .state.model import Attachment, Disk, Instance

_MOVING = ("Stopping", "Starting", "Pending")

Members = Mapping[str, object]


class CannotDo(ValueError):
    """The request is not possible; the text says why in one sentence."""


@dataclass(frozen=True)
class Operator:
    """Who acts now, and on what: somebody at the console, or the world by itself."""

    now: float
    source: Source
    cloud: Cloud
    calls: Calls
    faults: Faults
    default_key_id: str
    new_request_id: Callable[[], str]
    meter: Callable[[str, str, str, float, int], None]
    """Counts calls of an account: see ``Engine.meter``."""

    def log(self, action: str, *subjects: str) -> None:
        """Record it."""
        call = Call(self.now, action, subjects, request_id=self.new_request_id(), source=self.source)
        self.calls.add(call)

    def instance(self, subject: object) -> Instance:
        """Find an instance."""
        instance = self.cloud.instances.find(str(subject))
        if instance is None:
            raise CannotDo(f"There is no instance {subject}.")
        return instance

    def disk(self, subject: object) -> Disk:
        """Find a disk."""
        disk = self.cloud.disks.find(str(subject))
        if disk is None:
            raise CannotDo(f"There is no disk {subject}.")
        return disk


def start(operator: Operator, subject: object, rest: Members) -> None:
    """Make an instance Running: at once, or Starting now and Running after this many seconds."""
    instance = operator.instance(subject)
    if instance.status == "Running":
        return
    _still(operator.cloud, instance)
    seconds = _seconds(rest)
    if seconds is None:
        power.running(operator.cloud, instance.id, operator.now)
    else:
        power.start(operator.cloud, instance, operator.now)
        _ends_in(operator, instance, seconds, lambda at: power.running(operator.cloud, instance.id, at))
    operator.log("StartInstance", instance.id)


def stop(operator: Operator, subject: object, rest: Members) -> None:
    """Make an instance Stopped: at once, or Stopping now and Stopped after this many seconds."""
    instance = operator.instance(subject)
    if instance.status == "Stopped":
        return
    _still(operator.cloud, instance)
    seconds = _seconds(rest)
    if seconds is None:
        power.stopped(operator.cloud, instance.id, operator.now, "KeepCharging")
    else:
        power.stop(operator.cloud, instance, operator.now, mode="KeepCharging", force=False)
        _ends_in(operator, instance, seconds, lambda at: power.stopped(operator.cloud, instance.id, at, "KeepCharging"))
    operator.log("StopInstance", instance.id)


def _ends_in(operator: Operator, instance: Instance, seconds: float, finish: Callable[[float], None]) -> None:
    """Set how long an operation that has just begun takes, instead of its usual duration."""
    operator.cloud.timeline.begin(instance.id, operator.now + seconds, finish)


def _still(cloud: Cloud, instance: Instance) -> None:
    if instance.status in _MOVING:
        raise CannotDo(f"{instance.id} is {instance.status}.")
    for disk in cloud.disks_of(instance.id):
        if disk.status == "ReIniting" or disk.resetting:
            raise CannotDo(f"{disk.id} of {instance.id} is {'being rolled back' if disk.resetting else disk.status}.")


def write(operator: Operator, subject: object, _rest: Members) -> None:
    """Write to a disk, as a guest does."""
    cloud = operator.cloud
    disk = operator.disk(subject)
    owners = [cloud.instances.find(place.instance_id) for place in disk.attachments]
    if not any(owner is not None and owner.status == "Running" for owner in owners):
        raise CannotDo(f"{disk.id} is on no running instance, so nothing can write to it.")
    cloud.put_disk(replace(disk, content=cloud.new_content(), never_used=False), operator.now)
    operator.log("Write", disk.id)


def snapshot(operator: Operator, subject: object, rest: Members) -> None:
    """Begin a snapshot by operator."""
    disk = operator.disk(subject)
    snapshots.create(operator.cloud, disk, snapshots.Wish(name="from-the-console"), operator.now, _seconds(rest))
    operator.log("CreateSnapshot", disk.id)


def auto_snapshot(operator: Operator, subject: object, rest: Members) -> None:
    """Begin an automatic snapshot, unless ECS would not begin one now."""
    disk, seconds = operator.disk(subject), _seconds(rest)
    try:
        snapshots.may_snapshot(operator.cloud, disk)
    except Refusal as refusal:
        raise CannotDo(f"{disk.id} gets no snapshot now: {refusal.code}.") from None
    wish = snapshots.Wish(name=f"auto2.0_{second_text(operator.now)[:10].replace('-', '')}_{disk.id}", kind="auto")
    snapshots.create(operator.cloud, disk, wish, operator.now, seconds)
    operator.log("CreateSnapshot", disk.id)


def _seconds(rest: Members) -> float | None:
    seconds = rest.get("seconds")
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 <= seconds < 1e9:
        raise CannotDo("seconds must be a number of simulated seconds.")
    return seconds


def detach(operator: Operator, subject: object, _rest: Members) -> None:
    """Detach a disk."""
    disk = operator.disk(subject)
    if disk.status != "In_use":
        raise CannotDo(f"{disk.id} is {disk.status}, not In_use.")
    operator.cloud.put_disk(replace(disk, status="Available", attachments=(), detached=operator.now), operator.now)
    operator.log("DetachDisk", disk.id)


def attach(operator: Operator, subject: object, rest: Members) -> None:
    """Attach a disk."""
    disk = operator.disk(subject)
    instance = operator.instance(rest.get("instance"))
    if disk.status != "Available":
        raise CannotDo(f"{disk.id} is {disk.status}, not Available.")
    taken = {place.device for row in operator.cloud.disks_of(instance.id) for place in row.attachments}
    free = [name for name in (f"/dev/xvd{letter}" for letter in "abcdefghijklmnopqrstuvwxyz") if name not in taken]
    if not free:
        raise CannotDo(f"{instance.id} has no place for one more disk.")
    place = Attachment(instance.id, free[0], operator.now)
    operator.cloud.put_disk(replace(disk, status="In_use", attachments=(place,)), operator.now)
    operator.log("AttachDisk", disk.id)


def lock(operator: Operator, subject: object, rest: Members) -> None:
    """Lock an instance or a disk."""
    reason = rest.get("reason", "security")
    if not isinstance(reason, str) or not reason:
        raise CannotDo("reason must be a text such as security or financial.")
    _set_locks(operator, subject, lambda locks: (*(lock for lock in locks if lock != reason), reason))


def unlock(operator: Operator, subject: object, _rest: Members) -> None:
    """Remove all locks."""
    _set_locks(operator, subject, lambda _locks: ())


def _set_locks(operator: Operator, subject: object, new: Callable[[tuple[str, ...]], tuple[str, ...]]) -> None:
    if isinstance(subject, str) and subject.startswith("d-"):
        disk = operator.disk(subject)
        operator.cloud.put_disk(replace(disk, locks=new(disk.locks)), operator.now)
    else:
        instance = operator.instance(subject)
        operator.cloud.put_instance(replace(instance, locks=new(instance.locks)), operator.now)


def delete_image(operator: Operator, subject: object, _rest: Members) -> None:
    """Delete an image."""
    image = operator.cloud.images.get(str(subject))
    if image is None:
        raise CannotDo(f"There is no image {subject}.")
    operator.cloud.images[image.id] = replace(image, status="Deleted")
    operator.log("DeleteImage", image.id)


def delete_snapshot(operator: Operator, subject: object, _rest: Members) -> None:
    """Delete a snapshot."""
    row = operator.cloud.snapshots.find(str(subject))
    if row is None:
        raise CannotDo(f"There is no snapshot {subject}.")
    snapshots.delete(operator.cloud, row, operator.now)
    operator.log("DeleteSnapshot", row.id)


def fail_snapshot(operator: Operator, subject: object, _rest: Members) -> None:
    """Make a snapshot in progress fail, as it may by itself."""
    row = operator.cloud.snapshots.find(str(subject))
    if row is None or row.status != "progressing":
        raise CannotDo(f"There is no snapshot {subject} in progress.")
    snapshots.fail(operator.cloud, row, operator.now)
    operator.log("FailSnapshot", row.id)


def delete_instance(operator: Operator, subject: object, _rest: Members) -> None:
    """Delete an instance, as Auto Scaling does."""
    instance = operator.instance(subject)
    gone = scaling.release(operator.cloud, instance, operator.now)
    operator.log("DeleteInstance", instance.id, *gone)
