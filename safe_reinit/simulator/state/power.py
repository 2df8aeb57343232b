"""Stopping and starting instances."""

from __future__ import annotations

import math
from dataclasses import replace

from safe_reinit.simulator.errors import Refusal
from safe_reinit.simulator.state.cloud import Cloud
from safe_reinit.simulator.state.model import Instance

FINANCIAL = frozenset({"financial", "recycling", "refunded", "dedicatedhostfinancial"})
"""Lock reasons that mean unpaid bills."""


def may_stop(instance: Instance, now: float, *, force: bool) -> None:
    """Refuse as StopInstance does.

    A forced stop is taken while the instance is still Stopping (choice: nothing is documented about it).
    """
    _unlocked(instance, now, "InstanceExpiredOrInArrears")
    if instance.status != "Running" and not (force and instance.status == "Stopping"):
        raise Refusal("IncorrectInstanceStatus")


def stop(cloud: Cloud, instance: Instance, now: float, *, mode: str, force: bool) -> None:
    """Begin to stop: Stopping now, Stopped when its time is over, or never for a guest that ignores the request."""
    if instance.charge_type == "PrePaid" or not mode:
        # The economical mode is dropped without an error where it is not supported.
        mode = "KeepCharging" if instance.charge_type == "PrePaid" else cloud.settings.default_stopped_mode
    cloud.put_instance(replace(instance, status="Stopping"), now)
    deaf = instance.ignores_stop and not force
    due = math.inf if deaf else now + instance.stop_seconds
    cloud.begin(instance.id, due, lambda at: stopped(cloud, instance.id, at, mode))


def stopped(cloud: Cloud, instance_id: str, at: float, mode: str) -> None:
    """Make an instance Stopped; in the economical mode its public address is given back."""
    instance = _row(cloud, instance_id)
    address = "" if mode == "StopCharging" else instance.public_ip
    cloud.put_instance(replace(instance, status="Stopped", stopped_mode=mode, public_ip=address), at)


def may_start(cloud: Cloud, instance: Instance, now: float) -> None:
    """Refuse as StartInstance does.

    While one of its disks is ReIniting the instance cannot be started (choice: the reference names no code for it).
    """
    _unlocked(instance, now, "InstanceExpired")
    busy = any(disk.status == "ReIniting" for disk in cloud.disks_of(instance.id))
    if instance.status != "Stopped" or busy:
        raise Refusal("IncorrectInstanceStatus")


def start(cloud: Cloud, instance: Instance, now: float) -> None:
    """Begin to start: Starting now, Running when its time is over."""
    cloud.put_instance(replace(instance, status="Starting", stopped_mode="Not-applicable"), now)
    cloud.begin(instance.id, now + instance.start_seconds, lambda at: running(cloud, instance.id, at))


def running(cloud: Cloud, instance_id: str, at: float) -> None:
    """Make an instance Running: one start more, a new StartTime, and its guest writes to its disks."""
    instance = _row(cloud, instance_id)
    address = instance.public_ip or (cloud.new_address() if instance.wants_public_ip else "")
    cloud.put_instance(
        replace(
            instance,
            status="Running",
            stopped_mode="Not-applicable",
            starts=instance.starts + 1,
            start_time=at,
            public_ip=address,
        ),
        at,
    )
    cloud.write(instance_id, at)


def _unlocked(instance: Instance, now: float, unpaid: str) -> None:
    if "security" in instance.locks:
        raise Refusal("InstanceLockedForSecurity")
    expired = instance.charge_type == "PrePaid" and instance.expires is not None and instance.expires < now
    if expired or FINANCIAL.intersection(instance.locks):
        raise Refusal(unpaid)


def _row(cloud: Cloud, instance_id: str) -> Instance:
    instance = cloud.instances.get(instance_id)
    if instance is None:
        raise Refusal("InvalidInstanceId.NotFound")
    return instance
