"""Stopping, starting and restarting instances."""

from __future__ import annotations

import math
from dataclasses import replace

from ..errors import Refusal
from . import scaling, snapshots
from .cloud import Cloud
from .conditions import keys_work, unlocked
from .model import LOCAL_CATEGORIES, Instance


def may_stop(cloud: Cloud, instance: Instance, now: float, *, force: bool, confirmed: bool = False) -> None:
    """Refuse as StopInstance does, in this order (choice): locks and payment, state, disks, keys, local disks.

    A forced stop is accepted while the instance is still Stopping (choice: nothing is documented about it). An instance
    with local disks requires ConfirmStop.
    """
    unlocked(cloud, [instance], now, "InstanceExpiredOrInArrears", "InstanceExpiredOrInArrears")
    if instance.status != "Running" and not (force and instance.status == "Stopping"):
        raise Refusal("IncorrectInstanceStatus")
    disks = cloud.disks_of(instance.id)
    if any(disk.faulty for disk in disks):
        raise Refusal("DiskError", status=400)
    keys_work(disks)
    if not confirmed and any(disk.category in LOCAL_CATEGORIES for disk in disks):
        raise Refusal("InstanceType.ParameterMismatch")


def stop(cloud: Cloud, instance: Instance, now: float, *, mode: str, force: bool) -> None:
    """Begin to stop: Stopping now, Stopped when its time is over, or never if the guest ignores the request."""
    mode = _mode(cloud, instance, mode)
    cloud.put_instance(replace(instance, status="Stopping"), now)
    _interrupted(cloud, instance, now)
    scaling.watch(cloud, instance, now)
    deaf = instance.ignores_stop and not force
    due = math.inf if deaf else now + instance.stop_seconds
    cloud.timeline.begin(instance.id, due, lambda at: stopped(cloud, instance.id, at, mode))


def _mode(cloud: Cloud, instance: Instance, mode: str) -> str:
    """Decide how it will be Stopped: economical mode is dropped without an error if it is not supported."""
    local = any(disk.category in LOCAL_CATEGORIES for disk in cloud.disks_of(instance.id))
    if instance.charge_type == "PrePaid" or local:
        return "KeepCharging"
    return mode or cloud.settings.default_stopped_mode


def stopped(cloud: Cloud, instance_id: str, at: float, mode: str) -> None:
    """Make an instance Stopped; in economical mode its public address is released."""
    instance = _row(cloud, instance_id)
    address = "" if mode == "StopCharging" else instance.public_ip
    row = replace(instance, status="Stopped", stopped_mode=mode, public_ip=address)
    cloud.put_instance(row, at)
    scaling.watch(cloud, row, at)


def may_start(cloud: Cloud, instance: Instance, now: float) -> None:
    """Refuse as StartInstance does, in this order (choice): locks and payment, state, disks, keys, stock.

    While one of its disks is ReIniting or rolled back, the instance cannot be started (choice: no code is documented).
    Stock is needed only by instances that were stopped in economical mode, and always on a dedicated host or for a spot
    instance, because others may have taken its capacity.
    """
    unlocked(cloud, [instance], now, "InstanceExpired", "InsufficientBalance")
    disks = cloud.disks_of(instance.id)
    if instance.status != "Stopped" or any(disk.status == "ReIniting" or disk.resetting for disk in disks):
        raise Refusal("IncorrectInstanceStatus")
    if any("financial" in disk.locks for disk in disks):
        raise Refusal("DiskInArrears")
    if any(disk.faulty for disk in disks):
        raise Refusal("DiskError")
    keys_work(disks)
    if (instance.stock or cloud.settings.stock) == "none":
        _scarce(instance)


def _scarce(instance: Instance) -> None:
    if instance.dedicated_host_id:
        raise Refusal("InvalidDedicatedHost.NotEnoughResource")
    if instance.spot_strategy != "NoSpot":
        raise Refusal("OperationDenied.SpotPriceLowerThanPublicPrice")
    if instance.stopped_mode == "StopCharging":
        raise Refusal("OperationDenied.NoStock")


def start(cloud: Cloud, instance: Instance, now: float) -> None:
    """Begin to start: Starting now, Running when its time is over."""
    _starting(cloud, instance, now, now + instance.start_seconds)


def _starting(cloud: Cloud, instance: Instance, now: float, due: float) -> None:
    row = replace(instance, status="Starting", stopped_mode="Not-applicable")
    cloud.put_instance(row, now)
    _interrupted(cloud, instance, now)
    scaling.watch(cloud, row, now)
    cloud.timeline.begin(instance.id, due, lambda at: running(cloud, instance.id, at))


def may_reboot(cloud: Cloud, instance: Instance, now: float) -> None:
    """Refuse as RebootInstance does: it requires Running, and otherwise the same as a stop."""
    unlocked(cloud, [instance], now, "InstanceExpiredOrInArrears", "InstanceExpiredOrInArrears")
    if instance.status != "Running":
        raise Refusal("IncorrectInstanceStatus")
    disks = cloud.disks_of(instance.id)
    if any(disk.faulty for disk in disks):
        raise Refusal("DiskError")
    keys_work(disks)


def reboot(cloud: Cloud, instance: Instance, now: float, *, force: bool) -> None:
    """Begin to restart: Starting at once, as documented, for the time of a stop and a start.

    A guest that ignores a graceful stop stays Running (choice).
    """
    if force or not instance.ignores_stop:
        _starting(cloud, instance, now, now + instance.stop_seconds + instance.start_seconds)


def running(cloud: Cloud, instance_id: str, at: float) -> None:
    """Make an instance Running: one more start, usually a new StartTime, and its guest writes to its disks."""
    instance = _row(cloud, instance_id)
    address = instance.public_ip or (cloud.new_address() if instance.wants_public_ip else "")
    cloud.put_instance(
        replace(
            instance,
            status="Running",
            stopped_mode="Not-applicable",
            starts=instance.starts + 1,
            start_time=at + instance.start_time_off if instance.start_time_moves else instance.start_time,
            public_ip=address,
        ),
        at,
    )
    scaling.healthy(cloud, instance_id)
    cloud.write(instance_id, at)


def _interrupted(cloud: Cloud, instance: Instance, now: float) -> None:
    """Spoil snapshots in progress when the instance is stopped or restarted, if the world says so."""
    if cloud.settings.stop_spoils_snapshots:
        for disk in cloud.disks_of(instance.id):
            snapshots.spoil(cloud, disk, now)


def _row(cloud: Cloud, instance_id: str) -> Instance:
    instance = cloud.instances.find(instance_id)
    if instance is None:
        raise Refusal("InvalidInstanceId.NotFound")
    return instance
