"""What people do to instances, disks, images and snapshots at the console."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .calls import Call, Source
from .errors import Refusal
from .state import power, scaling, snapshots
from .state.clock import second_text
from .state.cloud import Cloud
from .state.model import Attachment, Disk, Instance

if TYPE_CHECKING:
    from .engine import Engine

_MOVING = ("Stopping", "Starting", "Pending")

Rest = Mapping[str, object]


class CannotDo(ValueError):
    """What was asked cannot be done; the text is the one sentence that says why."""


@dataclass(frozen=True)
class Hand:
    """Whoever does something now: somebody at the console, or the world by itself."""

    engine: Engine
    now: float
    source: Source

    @property
    def cloud(self) -> Cloud:
        """What it is done to."""
        return self.engine.cloud

    def log(self, action: str, *subjects: str) -> None:
        """Put it on record."""
        call = Call(self.now, action, subjects, request_id=self.engine.new_request_id(), source=self.source)
        self.engine.calls.add(call)

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


def start(hand: Hand, subject: object, rest: Rest) -> None:
    """Make an instance Running: at once, or Starting now and Running after so many seconds."""
    instance = hand.instance(subject)
    if instance.status == "Running":
        return
    _still(hand.cloud, instance)
    seconds = _seconds(rest)
    if seconds is None:
        power.running(hand.cloud, instance.id, hand.now)
    else:
        power.start(hand.cloud, instance, hand.now)
        _ends_in(hand, instance, seconds, lambda at: power.running(hand.cloud, instance.id, at))
    hand.log("StartInstance", instance.id)


def stop(hand: Hand, subject: object, rest: Rest) -> None:
    """Make an instance Stopped: at once, or Stopping now and Stopped after so many seconds."""
    instance = hand.instance(subject)
    if instance.status == "Stopped":
        return
    _still(hand.cloud, instance)
    seconds = _seconds(rest)
    if seconds is None:
        power.stopped(hand.cloud, instance.id, hand.now, "KeepCharging")
    else:
        power.stop(hand.cloud, instance, hand.now, mode="KeepCharging", force=False)
        _ends_in(hand, instance, seconds, lambda at: power.stopped(hand.cloud, instance.id, at, "KeepCharging"))
    hand.log("StopInstance", instance.id)


def _ends_in(hand: Hand, instance: Instance, seconds: float, finish: Callable[[float], None]) -> None:
    """Let what has just begun take so long, whatever it usually takes."""
    hand.cloud.timeline.begin(instance.id, hand.now + seconds, finish)


def _still(cloud: Cloud, instance: Instance) -> None:
    if instance.status in _MOVING:
        raise CannotDo(f"{instance.id} is {instance.status}.")
    for disk in cloud.disks_of(instance.id):
        if disk.status == "ReIniting" or disk.resetting:
            raise CannotDo(f"{disk.id} of {instance.id} is {'being rolled back' if disk.resetting else disk.status}.")


def write(hand: Hand, subject: object, _rest: Rest) -> None:
    """Let a guest write to a disk."""
    cloud = hand.cloud
    disk = hand.disk(subject)
    owners = [cloud.instances.find(place.instance_id) for place in disk.attachments]
    if not any(owner is not None and owner.status == "Running" for owner in owners):
        raise CannotDo(f"{disk.id} is on no running instance, so nothing can write to it.")
    cloud.put_disk(replace(disk, content=cloud.new_content(), never_used=False), hand.now)
    hand.log("Write", disk.id)


def snapshot(hand: Hand, subject: object, rest: Rest) -> None:
    """Begin a snapshot by hand."""
    disk = hand.disk(subject)
    snapshots.create(hand.cloud, disk, snapshots.Wish(name="from-the-console"), hand.now, _seconds(rest))
    hand.log("CreateSnapshot", disk.id)


def auto_snapshot(hand: Hand, subject: object, rest: Rest) -> None:
    """Begin an automatic snapshot, unless ECS would not begin one now."""
    disk, seconds = hand.disk(subject), _seconds(rest)
    try:
        snapshots.may_snapshot(hand.cloud, disk)
    except Refusal as refusal:
        raise CannotDo(f"{disk.id} gets no snapshot now: {refusal.code}.") from None
    wish = snapshots.Wish(name=f"auto2.0_{second_text(hand.now)[:10].replace('-', '')}_{disk.id}", kind="auto")
    snapshots.create(hand.cloud, disk, wish, hand.now, seconds)
    hand.log("CreateSnapshot", disk.id)


def _seconds(rest: Rest) -> float | None:
    seconds = rest.get("seconds")
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 <= seconds < 1e9:
        raise CannotDo("seconds must be a number of simulated seconds.")
    return seconds


def detach(hand: Hand, subject: object, _rest: Rest) -> None:
    """Detach a disk."""
    disk = hand.disk(subject)
    if disk.status != "In_use":
        raise CannotDo(f"{disk.id} is {disk.status}, not In_use.")
    hand.cloud.put_disk(replace(disk, status="Available", attachments=(), detached=hand.now), hand.now)
    hand.log("DetachDisk", disk.id)


def attach(hand: Hand, subject: object, rest: Rest) -> None:
    """Attach a disk."""
    disk = hand.disk(subject)
    instance = hand.instance(rest.get("instance"))
    if disk.status != "Available":
        raise CannotDo(f"{disk.id} is {disk.status}, not Available.")
    taken = {place.device for row in hand.cloud.disks_of(instance.id) for place in row.attachments}
    free = [name for name in (f"/dev/xvd{letter}" for letter in "abcdefghijklmnopqrstuvwxyz") if name not in taken]
    if not free:
        raise CannotDo(f"{instance.id} has no place for one more disk.")
    place = Attachment(instance.id, free[0], hand.now)
    hand.cloud.put_disk(replace(disk, status="In_use", attachments=(place,)), hand.now)
    hand.log("AttachDisk", disk.id)


def lock(hand: Hand, subject: object, rest: Rest) -> None:
    """Lock an instance or a disk."""
    reason = rest.get("reason", "security")
    if not isinstance(reason, str) or not reason:
        raise CannotDo("reason must be a text such as security or financial.")
    _set_locks(hand, subject, lambda locks: (*(lock for lock in locks if lock != reason), reason))


def unlock(hand: Hand, subject: object, _rest: Rest) -> None:
    """Take all locks away."""
    _set_locks(hand, subject, lambda _locks: ())


def _set_locks(hand: Hand, subject: object, new: Callable[[tuple[str, ...]], tuple[str, ...]]) -> None:
    if isinstance(subject, str) and subject.startswith("d-"):
        disk = hand.disk(subject)
        hand.cloud.put_disk(replace(disk, locks=new(disk.locks)), hand.now)
    else:
        instance = hand.instance(subject)
        hand.cloud.put_instance(replace(instance, locks=new(instance.locks)), hand.now)


def delete_image(hand: Hand, subject: object, _rest: Rest) -> None:
    """Delete an image."""
    image = hand.cloud.images.get(str(subject))
    if image is None:
        raise CannotDo(f"There is no image {subject}.")
    hand.cloud.images[image.id] = replace(image, status="Deleted")
    hand.log("DeleteImage", image.id)


def delete_snapshot(hand: Hand, subject: object, _rest: Rest) -> None:
    """Delete a snapshot."""
    row = hand.cloud.snapshots.find(str(subject))
    if row is None:
        raise CannotDo(f"There is no snapshot {subject}.")
    snapshots.delete(hand.cloud, row, hand.now)
    hand.log("DeleteSnapshot", row.id)


def fail_snapshot(hand: Hand, subject: object, _rest: Rest) -> None:
    """Let a snapshot that is being created fail, as it may by itself."""
    row = hand.cloud.snapshots.find(str(subject))
    if row is None or row.status != "progressing":
        raise CannotDo(f"There is no snapshot {subject} in progress.")
    snapshots.fail(hand.cloud, row, hand.now)
    hand.log("FailSnapshot", row.id)


def delete_instance(hand: Hand, subject: object, _rest: Rest) -> None:
    """Delete an instance, as Auto Scaling does."""
    instance = hand.instance(subject)
    gone = scaling.release(hand.cloud, instance, hand.now)
    hand.log("DeleteInstance", instance.id, *gone)
