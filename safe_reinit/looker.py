"""One round of looks at all targets, with as few calls as serve.

An empty answer to a Describe call may mean "nothing there" or "no right to see it" (ECS API reference,
DescribeInstances). Wherever absence would matter the same question is put again with DryRun: only ``DryRunOperation``
makes the absence a fact, everything else makes it a look that could not be made.

A few things are asked for one by one. Of many the region is listed, as far as that takes no more calls than asking one
by one would; what the listing leaves open is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from . import codes
from .cloud import Cloud, Look, Refused
from .model import Disk, Image, Instance, Options, Snapshot, Unseen
from .retry import Patient

T = TypeVar("T")

FEW = 10
"""Up to so many things are asked for one by one where ECS has no call for several."""
_IDS_A_CALL = 100


@dataclass
class Looker:
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
            if not codes.lacks_right(refused.code):
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
        if code != codes.PROVEN:
            for subject in absent:
                self.note(probe.removesuffix("OfDisk"), subject, code)

    def note(self, action: str, subject: str, code: str) -> None:
        """Note that something could not be looked at."""
        why = "the right to it is missing" if codes.of_credentials(code) else f"ECS answered {code}"
        self.unseen.setdefault(subject, []).append(Unseen(action, subject, f"ecs:{action}", why))

    def disks(self, ids: Sequence[str]) -> dict[str, Disk]:
        """Give the disks that are shown, by id."""
        shown = {disk.disk_id: disk for disk in self.look("DescribeDisks", ids, lambda: self.cloud.disks(ids))}
        self.prove_absent("DescribeDisks", [each for each in ids if each not in shown and each not in self.unseen])
        return shown

    def instances(self, ids: Sequence[str]) -> dict[str, Instance]:
        """Give the instances that are shown, by id."""
        if not ids:
            return {}
        found = self.look("DescribeInstances", ids, lambda: self.cloud.instances(ids))
        shown = {instance.instance_id: instance for instance in found}
        self.prove_absent("DescribeInstances", [each for each in ids if each not in shown and each not in self.unseen])
        return shown

    def snapshots(self, disk_ids: Sequence[str]) -> dict[str, tuple[Snapshot, ...]]:
        """Give the snapshots of each disk."""
        if len(disk_ids) <= FEW:
            return {each: self._snapshots_of(each) for each in disk_ids}
        listing = self._list(lambda: self.cloud.list_snapshots(len(disk_ids) // 2))
        shown: dict[str, list[Snapshot]] = {each: [] for each in disk_ids}
        for snapshot in listing.shown:
            if snapshot.source_disk_id in shown:
                shown[snapshot.source_disk_id].append(snapshot)
        open_ = [each for each in disk_ids if not (listing.complete and shown[each])]
        counted = self.snapshot_counts(open_)
        return {
            each: self._snapshots_of(each) if each in open_ and counted.get(each, 0) != len(found) else tuple(found)
            for each, found in shown.items()
        }

    def snapshots_that_matter(
        self, disk_ids: Sequence[str], ways_back: Mapping[str, str]
    ) -> dict[str, tuple[Snapshot, ...]]:
        """Give of each disk the snapshots that are being created, which a stop or a wipe has to know of.

        Args:
            ways_back: of a disk the snapshot that the plan counts on. It is given too; where it is gone, or is not what
                it was, all snapshots of the disk are.
        """
        listing = self._list(lambda: self.cloud.list_snapshots(len(disk_ids), "progressing"))
        if not listing.complete:
            return {each: self._snapshots_of(each) for each in disk_ids}
        under_way = _by(listing.shown, lambda shot: shot.source_disk_id)
        kept = self.sources([each for each in ways_back.values() if each])
        return {
            each: (*under_way.get(each, ()), *self._way_back(each, kept.get(ways_back.get(each, "")), ways_back))
            for each in disk_ids
        }

    def _way_back(self, disk_id: str, shown: Snapshot | None, ways_back: Mapping[str, str]) -> tuple[Snapshot, ...]:
        if not ways_back.get(disk_id):
            return ()
        good = shown is not None and shown.status.lower() == "accomplished" and shown.source_disk_id == disk_id
        return (shown,) if good and shown else self._snapshots_of(disk_id)

    def snapshot_counts(self, disk_ids: Sequence[str]) -> dict[str, int]:
        """Count the snapshots of disks by their chains; that an answer came proves the right (it has no DryRun)."""
        if not disk_ids:
            return {}
        links = self.look("DescribeSnapshotLinks", disk_ids, lambda: self.cloud.snapshot_links(disk_ids))
        counts: dict[str, int] = {}
        for link in links:
            counts[link.source_disk_id] = counts.get(link.source_disk_id, 0) + link.total_count
        return counts

    def attached(self, instance_ids: Sequence[str]) -> dict[str, tuple[Disk, ...]]:
        """Give the disks of each instance."""
        if len(instance_ids) > FEW:
            listing = self._list(lambda: self.cloud.list_disks(len(instance_ids) // 2))
            if listing.complete:
                of_each = _by(listing.shown, lambda disk: disk.instance_id)
                return {each: tuple(of_each.get(each, ())) for each in instance_ids}
        return {each: self._disks_of(each) for each in instance_ids}

    def _disks_of(self, instance_id: str) -> tuple[Disk, ...]:
        return self.look("DescribeDisks", (instance_id,), lambda: self.cloud.disks_of(instance_id))

    def _snapshots_of(self, disk_id: str) -> tuple[Snapshot, ...]:
        shown = self.look("DescribeSnapshots", (disk_id,), lambda: self.cloud.snapshots_of(disk_id))
        if not shown and not self.unseen.get(disk_id):
            self.prove_absent("DescribeSnapshotsOfDisk", (disk_id,))
        return shown

    def _list(self, question: Callable[[], Look[T]]) -> Look[T]:
        """List the region; without the right to it nothing is known to be complete."""
        try:
            return self.ask(question)
        except Refused as refused:
            if not codes.lacks_right(refused.code):
                raise
            return Look((), None, complete=False)

    def sources(self, ids: Sequence[str]) -> dict[str, Snapshot]:
        """Give the snapshots that are shown, by id."""
        if not ids:
            return {}
        found = self.look("DescribeSnapshots", ids, lambda: self.cloud.snapshots(ids))
        shown = {snapshot.snapshot_id: snapshot for snapshot in found}
        self.prove_absent("DescribeSnapshots", [each for each in ids if each not in shown and each not in self.unseen])
        return shown

    def images(self, ids: Sequence[str]) -> dict[str, Image]:
        """Give the images that are shown, by id."""
        if not ids:
            return {}
        shown = {image.image_id: image for image in self.look("DescribeImages", ids, lambda: self.cloud.images(ids))}
        self.prove_absent("DescribeImages", [each for each in ids if each not in shown and each not in self.unseen])
        return shown

    def key_pairs(self) -> tuple[str, ...]:
        """Give the key pair that is asked for, if it exists."""
        name = self.options.key_pair
        return self.look("DescribeKeyPairs", (name,), lambda: self.cloud.key_pairs(name)) if name else ()

    def may_reset(self, disk_id: str, snapshot_id: str) -> str:
        """Ask with DryRun whether the disk could be rolled back now."""
        return self.ask(lambda: self.cloud.may_reset(disk_id, snapshot_id))

    def rights(self, instances: Iterable[Instance]) -> dict[str, dict[str, str]]:
        """Ask with DryRun for the right to stop and to start, where the plan would stop an instance."""
        if not self.options.stop_instance:
            return {}
        running = [each.instance_id for each in instances if each.status == "Running"]
        stop, start = self._may(running, "StopInstance"), self._may(running, "StartInstance")
        return {each: {"StopInstance": stop[each], "StartInstance": start[each]} for each in running}

    def _may(self, instance_ids: Sequence[str], action: str) -> dict[str, str]:
        if len(instance_ids) <= FEW:
            ask = self.cloud.may_stop if action == "StopInstance" else self.cloud.may_start
            return {each: self.ask(lambda each=each: ask(each)) for each in instance_ids}  # type: ignore[misc]
        answers: dict[str, str] = {}
        for start in range(0, len(instance_ids), _IDS_A_CALL):
            ids = instance_ids[start : start + _IDS_A_CALL]
            code = self.ask(lambda ids=ids: self.cloud.may_many(f"{action}s", ids))  # type: ignore[misc]
            if codes.lacks_right(code):  # of one of them, or of all
                answers |= {each: code for half in _halves(ids) for each, code in self._may(half, action).items()}
            else:
                answers |= dict.fromkeys(ids, code)
        return answers


def distinct(ids: Iterable[str]) -> list[str]:
    """Give each id once, without those that are empty."""
    return [each for each in dict.fromkeys(ids) if each]


def _by(shown: Iterable[T], key: Callable[[T], str]) -> dict[str, list[T]]:
    groups: dict[str, list[T]] = {}
    for each in shown:
        groups.setdefault(key(each), []).append(each)
    return groups


def _halves(ids: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    return ids[: len(ids) // 2], ids[len(ids) // 2 :]
