"""The rehearsal: tonight's wipe on a simulated copy of the machine, with the very same plan."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from typing import Any, get_args

from .. import report
from ..client import Client, connect
from ..config import resolve
from ..error_mapping import reporting
from ..errors import Error, RunRefused
from ..model import (
    Disk,
    Facts,
    Image,
    Instance,
    OtherProducts,
    Plan,
    ReplicaPair,
    Report,
    ScalingMember,
    Snapshot,
    SystemEvent,
)
from ..model.codec import timestamp
from ..planning.planner import calls_of, facts_of
from ..simulator.reading import Lifecycle
from .next import after_rehearsal
from .output import Output, print_stderr
from .progress import Progress
from .selection import selection_of
from .session import password_of, set_output, simulated


def command(flags: Mapping[str, Any], output: Output) -> int:
    """Read the real disks, build their copies, run the plan on those, and return the exit code."""
    config = resolve(flags, os.environ, flags.get("config"))
    set_output(output, config, flags)
    password = password_of(config, {**flags, "confirm": "rehearsal"})
    selection = selection_of(flags)
    real = connect(config=config)
    disk_ids = selection(real, None)
    plan = selection.plan(real, flags, password, None, disk_ids)
    world = world_of(facts_of(plan))
    if not config.quiet:
        if plan.runnable:
            print_stderr("REHEARSAL: nothing is done to the real machines. This is the plan for them.")
        output.plan(plan, sys.stderr)
    if not plan.runnable:
        begun = report.started(output.began, real.region, config.reason)

        def refused(error: Error) -> Report:
            result = real.own_runs.report_of(plan, begun, calls_of(plan), dry_run=True, error=error)
            return replace(result, next=after_rehearsal(result, output.argv, plan, real))

        with reporting(refused):
            raise report.refusal(plan)
    if not config.quiet:
        print_stderr(
            "REHEARSAL: what follows happens on a simulated copy of these machines. The real ones were only read."
        )
    with ExitStack() as stack:
        client = simulated(config, stack, world)
        progress = stack.enter_context(Progress.of_command(config, client, output))
        twin = selection.plan(client, flags, password, progress.call, disk_ids)
        products = _run_twin(client, twin, plan, progress, output)
        progress.close()
    output.report(replace(products, next=after_rehearsal(products, output.argv, plan, real)))
    return products.exit_code


def _run_twin(client: Client, twin: Plan, plan: Plan, progress: Progress, output: Output) -> Report:
    if twin.fingerprint != plan.fingerprint:
        checks = ", ".join(finding.check for finding in twin.blockers) or "other facts"
        raise RunRefused(
            f"The simulated copy differs from the machine ({checks}), so a rehearsal would prove nothing.",
            hint="Please report this; the real disks were only read.",
        )
    progress.of(twin)
    progress.settle()
    with output.signals.run(progress.print_then, progress.note) as interrupt:
        try:
            return client.run(
                twin, confirm=twin.confirm_with, on_event=progress.event, on_call=progress.call, stop=interrupt
            )
        except Error as error:
            if error.report is None:
                raise
            print_stderr(output.sentence(error))
            return error.report


def world_of(facts: Facts) -> dict[str, Any]:
    """Build the simulator's world from what ECS showed: the same ids, names, statuses, times, sources and tags."""
    disks = {each.disk.disk_id: each.disk for each in facts.disks if each.disk}
    disks |= {other.disk_id: other for each in facts.disks for other in each.neighbours}
    instances = {each.instance.instance_id: each.instance for each in facts.disks if each.instance}
    snapshots = {shot.snapshot_id: shot for each in facts.disks for shot in each.snapshots}
    snapshots |= {
        each.source_snapshot.snapshot_id: each.source_snapshot for each in facts.disks if each.source_snapshot
    }
    images = {each.image.image_id: each.image for each in facts.disks if each.image}
    products = [each.other_products for each in facts.disks]
    members = {each.instance_id: each for each_of in products for each in each_of.members}
    events = {each.event_id: each for each_of in products for each in each_of.events}.values()
    pairs = [pair for each_of in products for pair in each_of.pairs]
    return {
        **_products_of(products),
        "begins": timestamp(facts.now),  # by the clock of the cloud, whose times the copy has
        "region": facts.region,
        "regions": [facts.region],
        **({"account": facts.caller.account} if facts.caller.account else {}),
        "key_pairs": sorted(
            {name for each in facts.disks for name in each.key_pairs}
            | {each.key_pair_name for each in instances.values() if each.key_pair_name}
        ),
        "images": {name: _image(image) for name, image in images.items()},
        "instances": {
            name: {
                **_instance(instance),
                **_member(members.get(name)),
                "events": [_event(event) for event in events if event.instance_id == name],
            }
            for name, instance in instances.items()
        },
        "disks": {name: {**_disk(disk, images, snapshots), **_replica(name, pairs)} for name, disk in disks.items()},
        "snapshots": {name: _snapshot(shot, disks) for name, shot in snapshots.items()},
    }


_RELEASE_AFTER = 7 * 86400
"""Simulated seconds after which the group of the copy releases it. How long the real one would take is not known; in a
plan that runs, the member is in Standby, or was stopped all along and accepted as such.
"""


def _products_of(products: Sequence[OtherProducts]) -> dict[str, Any]:
    """Build what other products know about all disks."""
    groups = {each.group_id for each_of in products for each in each_of.members}
    keys = {key.key_id: {"state": key.state or "Deleted"} for each_of in products for key in each_of.keys}
    policies = {
        each_of.auto_snapshot_policy.policy_id: each_of.auto_snapshot_policy
        for each_of in products
        if each_of.auto_snapshot_policy
    }
    return {
        "scaling_groups": {name: {"tags": False, "release_after": _RELEASE_AFTER} for name in sorted(groups)},
        "kms_keys": keys,
        "auto_snapshot_policies": {
            name: {
                "hours": list(policy.hours),
                "weekdays": list(policy.weekdays),
                "status": "Expire" if policy.status == "Expire" else "Normal",
            }
            for name, policy in policies.items()
        },
    }


def _member(member: ScalingMember | None) -> dict[str, Any]:
    if member is None:
        return {}
    state = member.lifecycle_state if member.lifecycle_state in get_args(Lifecycle) else "InService"
    return {"scaling_group": member.group_id, "lifecycle": state}


def _event(event: SystemEvent) -> dict[str, Any]:
    status = event.status if event.status in ("Scheduled", "Executing", "Inquiring") else "Scheduled"
    return _given(type=event.type, status=status, not_before=event.not_before)


def _replica(disk_id: str, pairs: Sequence[ReplicaPair]) -> dict[str, Any]:
    own = [pair for pair in pairs if disk_id in (pair.source_disk_id, pair.destination_disk_id)]
    if not own or own[0].status == "deleted":
        return {}
    return {"replicated": True, "replica_site": "production" if own[0].source_disk_id == disk_id else "backup"}


def _instance(instance: Instance) -> dict[str, Any]:
    return _given(
        name=instance.instance_name,
        status=instance.status,
        never_started=instance.start_time is None,
        started=instance.start_time,
        created=instance.creation_time,
        stopped_mode=instance.stopped_mode if instance.stopped_mode in ("KeepCharging", "StopCharging") else None,
        os=instance.os_type.lower() if instance.os_type.lower() in ("linux", "windows") else None,
        key_pair=instance.key_pair_name,
        charge_type=instance.charge_type,
        expires=instance.expired_time,
        auto_release=instance.auto_release_time,
        spot_strategy=instance.spot_strategy,
        deletion_protection=instance.deletion_protection,
        hibernation=instance.hibernation_configured,
        io_optimized=instance.io_optimized,
        public_ip=next(iter(instance.public_ips), ""),
        eip=instance.eip,
        dedicated_host=instance.dedicated_host_id,
        capacity_reservation=instance.capacity_reservation_id,
        login_as_non_root=instance.login_as_non_root,
        locks=list(instance.locks),
        tags=dict(instance.tags),
    )


def _disk(disk: Disk, images: Mapping[str, Image], snapshots: Mapping[str, Snapshot]) -> dict[str, Any]:
    """Build one disk; a source of a neighbour was not looked at, and matters to nobody: the neighbour is not wiped."""
    attached = [each.instance_id for each in disk.attachments] or ([disk.instance_id] if disk.instance_id else [])
    return _given(
        instance=attached,
        type=disk.type,
        name=disk.disk_name,
        status=disk.status,
        category=disk.category,
        size=disk.size_gib,
        image=disk.image_id if disk.image_id in images else None,
        snapshot=disk.source_snapshot_id if disk.source_snapshot_id in snapshots else None,
        attached=disk.attached_time,
        detached=disk.detached_time,
        charge_type=disk.charge_type,
        expires=disk.expired_time,
        delete_with_instance=disk.delete_with_instance,
        auto_snapshot_policy=disk.auto_snapshot_policy_id,
        encrypted=disk.encrypted,
        kms_key=disk.kms_key_id,
        locks=list(disk.locks),
        tags=dict(disk.tags),
    )


def _snapshot(shot: Snapshot, disks: Mapping[str, Disk]) -> dict[str, Any]:
    return _given(
        disk=shot.source_disk_id or "d-unknown",
        released=shot.source_disk_id not in disks,
        name=shot.name,
        status=shot.status,
        created=shot.creation_time,
        category=shot.category,
        retention_days=shot.retention_days,
        kind="user" if shot.type == "user" else "auto",
        instant_access=shot.instant_access,
        instant_access_days=shot.instant_access_retention_days,
        seconds=shot.remain_time if shot.status == "progressing" else None,
        tags=dict(shot.tags),
    )


def _image(image: Image) -> dict[str, Any]:
    return _given(
        owner=image.owner_alias,
        public=image.is_public,
        os=image.os_type.lower() if image.os_type.lower() in ("linux", "windows") else None,
        name=image.name,
        status=image.status,
        created=image.creation_time,
        supports_io_optimized=image.io_optimized,
        cloud_init=image.cloud_init,
        login_as_non_root=image.login_as_non_root,
    )


def _given(**members: Any) -> dict[str, Any]:  # noqa: ANN401 - a world is JSON
    """Leave out what ECS did not say, so that the simulator's own default applies."""
    return {
        name: timestamp(value) if isinstance(value, datetime) else value
        for name, value in members.items()
        if value not in (None, "")
    }
