"""Looking: from target ids to the facts that checks judge, and from a job to what it sees on a tick.

An empty answer to a Describe call may mean "nothing there" or "no right to see it" (ECS API reference,
DescribeInstances). Wherever absence would matter the same question is put again with DryRun: only ``DryRunOperation``
makes the absence a fact, everything else makes it a look that could not be made.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from . import codes, others
from .clock import Clock
from .cloud import Cloud, Look, Refused
from .model import (
    Disk,
    DiskFacts,
    Facts,
    Image,
    Instance,
    Observation,
    Options,
    Record,
    Snapshot,
    Unseen,
)
from .retry import Patient

T = TypeVar("T")

PROVEN = "DryRunOperation"
"""What a permitted DryRun answers."""


@dataclass
class _Looker:
    """One round of looks at all targets."""

    cloud: Cloud
    ask: Patient
    region: str
    options: Options
    unseen: dict[str, list[Unseen]] = field(default_factory=dict)
    """By the id that could not be seen."""
    date: datetime | None = None

    def look(self, action: str, subjects: Iterable[str], question: Callable[[], Look[T]]) -> tuple[T, ...]:
        """Ask, and note a missing right instead of taking it for an absence."""
        try:
            answer = self.ask(question)
        except Refused as refused:
            if not refused.code.startswith(("Forbidden", "NoPermission")):
                raise
            for subject in subjects:
                self.note(action, subject, refused.code)
            return ()
        self.date = answer.date or self.date
        return answer.shown

    def prove_absent(self, probe: str, absent: Sequence[str]) -> None:
        """Ask with DryRun whether what was not shown may be seen at all."""
        if not absent:
            return
        code = self.ask(lambda: self.cloud.may(probe, absent))
        if code != PROVEN:
            for subject in absent:
                self.note(probe.removesuffix("OfDisk"), subject, code)

    def note(self, action: str, subject: str, code: str) -> None:
        why = "the right to it is missing" if codes.of_credentials(code) else f"ECS answered {code}"
        self.unseen.setdefault(subject, []).append(Unseen(action, subject, f"ecs:{action}", why))

    def disks(self, ids: Sequence[str]) -> dict[str, Disk]:
        shown = {disk.disk_id: disk for disk in self.look("DescribeDisks", ids, lambda: self.cloud.disks(ids))}
        self.prove_absent("DescribeDisks", [each for each in ids if each not in shown and each not in self.unseen])
        return shown

    def instances(self, ids: Sequence[str]) -> dict[str, Instance]:
        if not ids:
            return {}
        found = self.look("DescribeInstances", ids, lambda: self.cloud.instances(ids))
        shown = {instance.instance_id: instance for instance in found}
        self.prove_absent("DescribeInstances", [each for each in ids if each not in shown and each not in self.unseen])
        return shown

    def snapshots_of(self, disk_id: str) -> tuple[Snapshot, ...]:
        shown = self.look("DescribeSnapshots", (disk_id,), lambda: self.cloud.snapshots_of(disk_id))
        if not shown and not self.unseen.get(disk_id):
            self.prove_absent("DescribeSnapshotsOfDisk", (disk_id,))
        return shown

    def sources(self, ids: Sequence[str]) -> dict[str, Snapshot]:
        if not ids:
            return {}
        found = self.look("DescribeSnapshots", ids, lambda: self.cloud.snapshots(ids))
        shown = {snapshot.snapshot_id: snapshot for snapshot in found}
        self.prove_absent("DescribeSnapshots", [each for each in ids if each not in shown and each not in self.unseen])
        return shown

    def images(self, ids: Sequence[str]) -> dict[str, Image]:
        if not ids:
            return {}
        shown = {image.image_id: image for image in self.look("DescribeImages", ids, lambda: self.cloud.images(ids))}
        self.prove_absent("DescribeImages", [each for each in ids if each not in shown and each not in self.unseen])
        return shown

    def key_pairs(self) -> tuple[str, ...]:
        name = self.options.key_pair
        return self.look("DescribeKeyPairs", (name,), lambda: self.cloud.key_pairs(name)) if name else ()

    def may_reset(self, disk_id: str, snapshot_id: str) -> str:
        """Ask with DryRun whether the disk could be rolled back now."""
        return self.ask(lambda: self.cloud.may_reset(disk_id, snapshot_id))

    def rights(self, instance: Instance) -> dict[str, str]:
        """Ask with DryRun for the right to stop and to start, where the plan would stop the instance."""
        if not (self.options.stop_instance and instance.status == "Running"):
            return {}
        instance_id = instance.instance_id
        return {
            "StopInstance": self.ask(lambda: self.cloud.may_stop(instance_id)),
            "StartInstance": self.ask(lambda: self.cloud.may_start(instance_id)),
        }


def observe(
    cloud: Cloud,
    clock: Clock,
    region: str,
    disk_ids: Sequence[str],
    options: Options,
    *,
    also: Collection[str] = others.EVERY,
) -> Facts:
    """Look at everything that a plan for these disks stands on.

    Args:
        also: the looks at other products that are made, by the words of ``others.EVERY``.

    Raises:
        CloudError: a look failed for a reason other than a missing right, also when asked again.

    """
    ask = Patient(clock)
    caller = ask(cloud.caller)
    looker = _Looker(cloud, ask, region, options)
    disks = looker.disks(disk_ids)
    now = looker.date or caller.date or clock.now()
    skew = None if cloud.loopback or looker.date is None else (clock.now() - looker.date).total_seconds()
    instances = looker.instances(_distinct(disk.instance_id for disk in disks.values()))
    sources = looker.sources(_distinct(disk.source_snapshot_id for disk in disks.values() if disk.type == "data"))
    restores = looker.sources([snapshot_id for _, snapshot_id in options.restore])
    images = looker.images(_distinct(disk.image_id for disk in disks.values()))
    key_pairs = looker.key_pairs()
    rights = {each.instance_id: looker.rights(each) for each in instances.values()}
    attached = {
        each: looker.look("DescribeDisks", (each,), lambda each=each: cloud.disks_of(each))  # type: ignore[misc]
        for each in instances
    }

    restore = dict(options.restore)

    def facts_of(disk_id: str) -> DiskFacts:
        disk = disks.get(disk_id)
        snapshots = looker.snapshots_of(disk_id) if disk else ()
        named = [disk_id, restore.get(disk_id, "")]
        named += [disk.instance_id, disk.source_snapshot_id, disk.image_id] if disk else []
        unseen = [each for name in dict.fromkeys((*named, options.key_pair)) for each in looker.unseen.get(name, ())]
        instance = instances.get(disk.instance_id) if disk else None
        return DiskFacts(
            disk_id=disk_id,
            options=options,
            now=now,
            region=region,
            disk=disk,
            instance=instance,
            snapshots=snapshots,
            source_snapshot=sources.get(disk.source_snapshot_id) if disk else None,
            restore_snapshot=restores.get(restore.get(disk_id, "")),
            image=images.get(disk.image_id) if disk else None,
            key_pairs=key_pairs,
            neighbours=tuple(other for other in attached.get(instance.instance_id, ()) if other.disk_id not in disk_ids)
            if instance
            else (),
            rights={
                **(rights.get(instance.instance_id, {}) if instance else {}),
                **({"ResetDisk": looker.may_reset(disk_id, restore[disk_id])} if disk and disk_id in restore else {}),
            },
            unseen=tuple(unseen),
            clock_skew=skew,
        )

    of_ecs = [facts_of(disk_id) for disk_id in disk_ids]
    return Facts(region, caller.shown[0], now, others.add(cloud, ask, of_ecs, options, also))


def tick(cloud: Cloud, clock: Clock, records: Sequence[Record], *, snapshots: bool = False) -> list[Observation]:
    """Look at all open jobs at once: one DescribeDisks and one DescribeInstances for up to 100 ids each.

    Args:
        snapshots: look also for snapshots that are being created, which only matters before a stop.

    Raises:
        CloudError: the look failed; the next tick tries again.

    """
    at, when = clock.time(), clock.now()  # before the looks: what they show is at least as new
    disks = {disk.disk_id: disk for disk in cloud.disks([wipe.disk_id for job in records for wipe in job.disks]).shown}
    found = cloud.instances([job.instance_id for job in records]).shown
    instances = {instance.instance_id: instance for instance in found}
    ids = _safety_of(records)
    safety = {shot.snapshot_id: shot for shot in cloud.snapshots(ids).shown} if ids else {}
    return [
        Observation(
            at=at,
            when=when,
            seen=True,
            instance=instances.get(job.instance_id),
            disks={wipe.disk_id: disks[wipe.disk_id] for wipe in job.disks if wipe.disk_id in disks},
            progressing=_progressing(cloud, job) if snapshots else (),
            snapshots={
                each.snapshot_id: safety[each.snapshot_id] for each in job.snapshots if each.snapshot_id in safety
            },
        )
        for job in records
    ]


def _safety_of(records: Sequence[Record]) -> list[str]:
    """Name the safety snapshots that a wipe is still to come for."""
    ahead = [job for job in records if not job.turned_back and any(wipe.state == "todo" for wipe in job.disks)]
    return [each.snapshot_id for job in ahead for each in job.snapshots if each.snapshot_id]


def _progressing(cloud: Cloud, job: Record) -> tuple[Snapshot, ...]:
    return tuple(shot for wipe in job.disks for shot in cloud.snapshots_of(wipe.disk_id, "progressing").shown)


def _distinct(ids: Iterable[str]) -> list[str]:
    return [each for each in dict.fromkeys(ids) if each]
