"""Turns a world file into a cloud."""

from __future__ import annotations

import hashlib
import math
import random
from dataclasses import replace

from .reading import Moment
from .specs import DiskSpec, InstanceSpec, KeySpec, SnapshotSpec, StatementSpec, World
from .state import power, scaling, snapshots, wiping
from .state.clock import SimulatedClock
from .state.cloud import Cloud, Settings
from .state.model import Attachment, AutoSnapshotPolicy, Disk, Event, Image, Instance, KeyPair, Snapshot
from .state.permissions import AccessKey, Denial, RamPolicy, Statement

_EVER = -math.inf
"""Since when the resources of a world exist, so that a lag shows them from the beginning."""


def build(world: World, clock: SimulatedClock, rng: random.Random, access_key: tuple[str, str] | None = None) -> Cloud:
    """Make the cloud of a world. `access_key` replaces the id and secret of the world's first key."""
    cloud = Cloud(_settings(world), clock, rng)
    for index, spec in enumerate(world.keys):
        key = _key(spec, world, clock.start)
        if index == 0 and access_key is not None:
            key = replace(key, id=access_key[0], secret=access_key[1])
        cloud.keys[key.id] = key
    builder = _Builder(world, cloud, clock.start)
    builder.keys_and_policies()
    builder.images()
    builder.instances()
    builder.disks()
    builder.snapshots()
    builder.transitions()
    return cloud


def _settings(world: World) -> Settings:
    return Settings(
        region=world.region,
        regions=tuple(dict.fromkeys((world.region, *world.regions))),
        account=world.account,
        snapshot_seconds=world.durations.snapshot,
        describe_lag=world.describe_lag,
        scaling_groups={name: group.release_after for name, group in world.scaling_groups.items()},
        **world.account_facts(),
    )


def _key(spec: KeySpec, world: World, start: float) -> AccessKey:
    return AccessKey(
        id=spec.id,
        secret=spec.secret,
        account=spec.account or world.account,
        token=spec.token,
        expires=None if spec.expires_after is None else start + spec.expires_after,
        active=spec.active,
        denials=tuple(Denial(denial.action, denial.resource) for denial in spec.deny),
        policy=None if spec.policy is None else RamPolicy(tuple(map(_statement, spec.policy.Statement))),
    )


def _statement(spec: StatementSpec) -> Statement:
    condition = {key: values[0] for key, values in spec.Condition.get("Bool", {}).items()}
    return Statement(spec.Effect, spec.Action, spec.Resource, condition)


class _Builder:
    """One pass over a world, resource by resource."""

    def __init__(self, world: World, cloud: Cloud, start: float) -> None:
        self._world = world
        self._cloud = cloud
        self._start = start

    def _at(self, moment: Moment | None) -> float | None:
        return None if moment is None else moment.at(self._start)

    def keys_and_policies(self) -> None:
        self._cloud.kms_keys.update({key_id: key.state for key_id, key in self._world.kms_keys.items()})
        for policy_id, spec in self._world.auto_snapshot_policies.items():
            self._cloud.auto_snapshot_policies[policy_id] = AutoSnapshotPolicy(
                id=policy_id,
                name=spec.name or policy_id,
                hours=spec.hours,
                weekdays=spec.weekdays,
                retention_days=spec.retention_days,
                status=spec.status,
                created=self._start - 86400.0,
            )

    def images(self) -> None:
        for name in self._world.key_pairs:
            digest = hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()
            self._cloud.key_pairs[name] = KeyPair(name, self._start - 86400.0, digest)
        accounts = {"self": self._world.account, "others": "1000000000000099"}
        for image_id, spec in self._world.images.items():
            self._cloud.images[image_id] = Image(
                id=image_id,
                name=spec.name or image_id,
                status="Deleted" if spec.deleted else spec.status,
                owner=spec.owner,
                owner_account=accounts.get(spec.owner, "1000000000000000"),
                os_type=spec.os,
                region=self._world.region_of(spec),
                created=spec.created.at(self._start),
                size=spec.size,
                public=spec.public,
                supports_io_optimized=spec.supports_io_optimized,
                cloud_init=spec.cloud_init,
                login_as_non_root=spec.login_as_non_root,
                snapshot_id=spec.snapshot,
                code_when_deleted=spec.code_when_deleted,
                tags=dict(spec.tags),
            )

    def instances(self) -> None:
        system_images = {
            disk.instance[0]: disk.image
            for disk in self._world.disks.values()
            if disk.type == "system" and disk.instance
        }
        for number, (instance_id, spec) in enumerate(self._world.instances.items()):
            image_id = spec.image or system_images.get(instance_id, "")
            self._cloud.put_instance(self._instance(instance_id, spec, image_id, number), _EVER)

    def _instance(self, instance_id: str, spec: InstanceSpec, image_id: str, number: int) -> Instance:
        durations = self._world.durations
        image = self._cloud.images.get(image_id)
        is_economical = spec.status == "Stopped" and spec.stopped_mode == "StopCharging"
        return Instance(
            id=instance_id,
            name=instance_id[2:] if spec.name is None else spec.name,
            status=spec.status,
            os_type=spec.os or (image.os_type if image else "linux"),
            image_id=image_id,
            zone=self._world.zone_of(spec),
            created=spec.created.at(self._start),
            starts=0 if spec.never_started else 1,
            start_time=None if spec.never_started else spec.started.at(self._start),
            shows_start_time=spec.shows_start_time,
            start_time_moves=spec.start_time_moves,
            start_time_off=spec.start_time_off,
            stopped_mode=spec.stopped_mode if spec.status == "Stopped" else "Not-applicable",
            key_pair=spec.key_pair,
            charge_type=spec.charge_type,
            expires=self._at(spec.expires),
            auto_release=self._at(spec.auto_release),
            spot_strategy=spec.spot_strategy,
            deletion_protection=spec.deletion_protection,
            hibernation=spec.hibernation,
            io_optimized=spec.io_optimized,
            instance_type=spec.instance_type,
            public_ip="" if is_economical else spec.public_ip,
            private_ip=f"10.0.{number // 250}.{number % 250 + 2}",
            wants_public_ip=bool(spec.public_ip),
            eip=spec.eip,
            dedicated_host_id=spec.dedicated_host,
            capacity_reservation_id=spec.capacity_reservation,
            ignores_stop=spec.ignores_stop,
            stock=spec.stock or "",
            login_as_non_root=spec.login_as_non_root,
            scaling_group=spec.scaling_group,
            lifecycle=spec.lifecycle,
            events=self._events(instance_id, spec),
            locks=spec.locks,
            tags=self._tags(spec),
            stop_seconds=durations.stop if spec.stop_seconds is None else spec.stop_seconds,
            start_seconds=durations.start if spec.start_seconds is None else spec.start_seconds,
        )

    def _events(self, instance_id: str, spec: InstanceSpec) -> tuple[Event, ...]:
        return tuple(
            Event(
                id=f"e-{instance_id[2:]}-{number}",
                instance_id=instance_id,
                type=event.type,
                status=event.status,
                published=self._start - 86400.0,
                not_before=event.not_before.at(self._start),
            )
            for number, event in enumerate(spec.events, start=1)
        )

    def _tags(self, spec: InstanceSpec) -> dict[str, str]:
        """Return an instance's tags; a group tags its members, unless the world says that it does not."""
        group = self._world.scaling_groups.get(spec.scaling_group)
        own = {"acs:autoscaling:scalingGroupId": spec.scaling_group} if group is not None and group.tags else {}
        return {**own, **spec.tags}

    def disks(self) -> None:
        places: dict[str, int] = {}
        for disk_id, spec in self._world.disks.items():
            attachments = []
            for instance_id in spec.instance:
                place = 0 if spec.type == "system" else places.setdefault(instance_id, 1)
                if spec.type == "data":
                    places[instance_id] += 1
                device = f"/dev/xvd{chr(ord('a') + place % 26)}"
                attachments.append(Attachment(instance_id, device, spec.attached.at(self._start)))
            self._cloud.put_disk(self._disk(disk_id, spec, tuple(attachments)), _EVER)

    def _disk(self, disk_id: str, spec: DiskSpec, attachments: tuple[Attachment, ...]) -> Disk:
        return Disk(
            id=disk_id,
            name=disk_id[2:] if spec.name is None else spec.name,
            status=spec.status or ("In_use" if attachments else "Available"),
            type=spec.type,
            category=spec.category,
            size=spec.size,
            zone=self._world.zone_of(spec),
            created=spec.created.at(self._start),
            content=self._content(spec, attachments),
            attachments=attachments,
            image_id=spec.image,
            source_snapshot_id=spec.snapshot,
            detached=self._at(spec.detached),
            charge_type=spec.charge_type,
            expires=self._at(spec.expires),
            multi_attach=spec.multi_attach,
            delete_with_instance=spec.type == "system"
            if spec.delete_with_instance is None
            else spec.delete_with_instance,
            auto_snapshot_policy_id=spec.auto_snapshot_policy,
            encrypted=spec.encrypted,
            kms_key_id=spec.kms_key,
            kms_refusal=spec.kms or self._kms_refusal(spec),
            never_used=spec.never_used,
            faulty=spec.faulty,
            replicated=spec.replicated,
            replica_site=spec.replica_site,
            locks=spec.locks,
            tags=dict(spec.tags),
            wipe_seconds=self._world.durations.wipe if spec.wipe_seconds is None else spec.wipe_seconds,
            reset_seconds=self._world.durations.reset,
        )

    def _kms_refusal(self, spec: DiskSpec) -> str:
        return "" if self._cloud.kms_keys.get(spec.kms_key, "Enabled") == "Enabled" else "CMKNotEnabled"

    def _content(self, spec: DiskSpec, attachments: tuple[Attachment, ...]) -> str:
        """Return the content of a disk: data if a guest has run on it, that is, unless its instance never started."""
        if spec.content is not None:
            return spec.content
        owners = [self._cloud.instances.get(attachment.instance_id) for attachment in attachments]
        used = any(owner is not None and owner.starts for owner in owners) or spec.detached is not None
        return self._cloud.new_content() if used and not spec.never_used else "initial"

    def snapshots(self) -> None:
        for snapshot_id, spec in self._world.snapshots.items():
            self._cloud.put_snapshot(self._snapshot(snapshot_id, spec), _EVER)

    def _snapshot(self, snapshot_id: str, spec: SnapshotSpec) -> Snapshot:
        disk = self._cloud.disks.get(spec.disk)
        progressing = spec.status == "progressing"
        created = self._start if progressing else spec.created.at(self._start)
        seconds = self._world.durations.snapshot if spec.seconds is None else spec.seconds
        content = disk.content if disk is not None else self._cloud.new_content()
        return Snapshot(
            id=snapshot_id,
            name=spec.name or snapshot_id[2:],
            status="Deleted" if spec.deleted else spec.status,
            disk_id=spec.disk,
            disk_type=disk.type if disk else spec.disk_type,
            disk_size=disk.size if disk else spec.size,
            region=self._world.region_of(spec),
            created=created,
            ends=created + seconds,
            content=content if spec.content is None else spec.content,
            category=spec.category,
            kind=spec.kind,
            instant_access=spec.instant_access,
            instant_access_days=spec.instant_access_days,
            retention_days=spec.retention_days,
            encrypted=disk.encrypted if disk else False,
            code_when_deleted=spec.code_when_deleted,
            tags=dict(spec.tags),
        )

    def transitions(self) -> None:
        """Begin what the world shows as in progress; Pending, Attaching and the like stay as they are."""
        world = self._world
        for table in (world.instances, world.disks, world.snapshots):
            for subject, spec in table.items():
                if spec.held:
                    self._cloud.timeline.hold(subject)
        for instance in list(self._cloud.instances):
            self._power(instance, world.instances[instance.id].stopped_mode)
            scaling.expire(self._cloud, instance)
        for disk in list(self._cloud.disks):
            if disk.status == "ReIniting":
                wiping.reiniting(self._cloud, disk, self._start, auto_start=False)
        for snapshot in self._cloud.snapshots:
            if snapshot.status == "progressing":
                snapshots.progress(self._cloud, snapshot)

    def _power(self, instance: Instance, mode: str) -> None:
        if instance.status != "Running":
            scaling.watch(self._cloud, instance, self._start)
        if instance.status == "Stopping":
            power.stop(self._cloud, instance, self._start, mode=mode, force=False)
        elif instance.status == "Starting":
            power.start(self._cloud, instance, self._start)
