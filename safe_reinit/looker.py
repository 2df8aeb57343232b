"""One round of looks at all targets, with as few calls as serve.

An empty answer to a Describe call may mean "nothing there" or "no right to see it" (ECS API reference,
DescribeInstances). Wherever absence would matter the same question is put again with DryRun: only ``DryRunOperation``
makes the absence a fact, everything else makes it a look that could not be made.

A few things are asked for one by one. Of many the region is listed, as far as that takes no more calls than asking one
by one would; what the listing leaves open is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import TypeVar

from . import codes
from .cloud import Cloud, Look, Refused
from .model import Disk, Image, Instance, Options, Snapshot, UnreadableRow, Unseen
from .parallel import at_once
from .retry import Patient

T = TypeVar("T")

FEW = 10
"""Up to so many things are asked for one by one where ECS has no call for several."""
PATIENT_LIMIT = 300.0
"""Real seconds after which looks that are made again and again count as not answered."""
IDS_A_CALL = 100
"""Ids in one call, where ECS takes several."""


@dataclass
class Looker:
    """One round of looks at all targets."""

    cloud: Cloud
    ask: Patient
    region: str
    options: Options
    unseen: dict[str, list[Unseen]] = field(default_factory=dict)
    """By the id that could not be seen."""
    besides: dict[str, list[Unseen]] = field(default_factory=dict)
    """By instance: disks of it that are not to be wiped, and cannot be read."""
    strange: list[Unseen] = field(default_factory=list)
    """What was not seen though no target depends on it: rows of others that cannot be read, whose key this is."""
    wanted: frozenset[str] = frozenset()
    """The ids of the targets."""
    date: datetime | None = None

    def look(self, action: str, subjects: Iterable[str], question: Callable[[], Look[T]]) -> Look[T]:
        """Ask, and note a missing right instead of taking it for an absence."""
        try:
            answer = self.ask(question)
        except Refused as refused:
            if not codes.lacks_right(refused.code):
                raise
            for subject in subjects:
                self.note(action, subject, refused.code)
            return Look((), None)
        self.date = answer.date or self.date
        return answer

    def by_id(
        self, action: str, ids: Sequence[str], question: Callable[[], Look[T]], key: Callable[[T], str]
    ) -> dict[str, T]:
        """Give what is shown of these, by id; what is not shown is proven absent, or noted as not seen."""
        if not ids:
            return {}
        answer = self.look(action, ids, question)
        shown = {key(each): each for each in answer.shown}
        absent = [each for each in ids if each not in shown and each not in self.unseen]
        for row in answer.unreadable:  # one that names nothing may be any of those that are not shown
            for subject in (row.subject,) if row.subject else absent:
                self.note_row(subject, row)
        self.prove_absent(action, [each for each in absent if each not in self.unseen])
        return shown

    def of_one(self, action: str, subject: str, question: Callable[[], Look[T]]) -> tuple[T, ...]:
        """Give what belongs to one thing; a row that cannot be read means that not all of it is seen."""
        answer = self.look(action, (subject,), question)
        for row in answer.unreadable:
            self.note_row(subject, row)
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

    def note_row(self, subject: str, row: UnreadableRow) -> None:
        """Note that something counts as not seen, since a row about it cannot be read."""
        self.unseen.setdefault(subject, []).append(replace(_unread(row), subject=subject))

    def disks(self, ids: Sequence[str]) -> dict[str, Disk]:
        """Give the disks that are shown, by id."""
        return self.by_id("DescribeDisks", ids, lambda: self.cloud.disks(ids), lambda disk: disk.disk_id)

    def instances(self, ids: Sequence[str]) -> dict[str, Instance]:
        """Give the instances that are shown, by id."""
        return self.by_id("DescribeInstances", ids, lambda: self.cloud.instances(ids), lambda found: found.instance_id)

    def snapshots(self, disk_ids: Sequence[str]) -> dict[str, tuple[Snapshot, ...]]:
        """Give the snapshots of each disk."""
        if len(disk_ids) <= FEW:
            return self._of_each(disk_ids, self._snapshots_of)
        listing = self._list(lambda: self.cloud.list_snapshots(len(disk_ids) // 2))
        shown: dict[str, list[Snapshot]] = {each: [] for each in disk_ids}
        for snapshot in listing.shown:
            if snapshot.source_disk_id in shown:
                shown[snapshot.source_disk_id].append(snapshot)
        unread = _names(listing)
        open_ = [each for each in disk_ids if not (listing.complete and shown[each]) or each in unread]
        counted = self.snapshot_counts(open_)
        return {
            each: self._snapshots_of(each)
            if each in unread or (each in open_ and counted.get(each, 0) != len(found))
            else tuple(found)
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
            return self._of_each(disk_ids, self._snapshots_of)
        unread = _names(listing)
        under_way = _by(listing.shown, lambda shot: shot.source_disk_id)
        kept = self.sources([each for each in ways_back.values() if each])
        return {
            each: self._snapshots_of(each)
            if each in unread
            else (*under_way.get(each, ()), *self._way_back(each, kept.get(ways_back.get(each, "")), ways_back))
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
        counts: dict[str, int] = {row.subject: -1 for row in links.unreadable}  # no such count: each is asked for
        for link in links.shown:
            counts[link.source_disk_id] = counts.get(link.source_disk_id, 0) + link.total_count
        return counts

    def attached(self, instance_ids: Sequence[str]) -> dict[str, tuple[Disk, ...]]:
        """Give the disks of each instance."""
        if len(instance_ids) > FEW:
            listing = self._list(lambda: self.cloud.list_disks(len(instance_ids) // 2))
            if listing.complete:
                of_each = _by(listing.shown, lambda disk: disk.instance_id)
                return {each: tuple(of_each.get(each, ())) for each in instance_ids}
        return self._of_each(instance_ids, self._disks_of)

    def _of_each(self, ids: Sequence[str], ask: Callable[[str], T]) -> dict[str, T]:
        """Ask for each by itself, a few at once."""
        found: dict[str, T] = {}
        for start in range(0, len(ids), FEW):
            some = ids[start : start + FEW]
            found |= zip(some, at_once([partial(ask, each) for each in some], PATIENT_LIMIT), strict=True)
        return found

    def _disks_of(self, instance_id: str) -> tuple[Disk, ...]:
        answer = self.look("DescribeDisks", (instance_id,), lambda: self.cloud.disks_of(instance_id))
        self.besides[instance_id] = [_unread(row) for row in answer.unreadable]
        return answer.shown

    def _snapshots_of(self, disk_id: str) -> tuple[Snapshot, ...]:
        shown = self.of_one("DescribeSnapshots", disk_id, lambda: self.cloud.snapshots_of(disk_id))
        if not shown and not self.unseen.get(disk_id):
            self.prove_absent("DescribeSnapshotsOfDisk", (disk_id,))
        return shown

    def _list(self, question: Callable[[], Look[T]]) -> Look[T]:
        """List the region; without the right to it, or with a row that names nothing, it is not complete."""
        try:
            answer = self.ask(question)
        except Refused as refused:
            if not codes.lacks_right(refused.code):
                raise
            return Look((), None, complete=False)
        for row in answer.unreadable:
            if not set(row.names) & self.wanted and _unread(row) not in self.strange:
                self.strange.append(_unread(row))
        return replace(answer, complete=answer.complete and "" not in _names(answer))

    def sources(self, ids: Sequence[str]) -> dict[str, Snapshot]:
        """Give the snapshots that are shown, by id."""
        return self.by_id("DescribeSnapshots", ids, lambda: self.cloud.snapshots(ids), lambda found: found.snapshot_id)

    def images(self, ids: Sequence[str]) -> dict[str, Image]:
        """Give the images that are shown, by id."""
        return self.by_id("DescribeImages", ids, lambda: self.cloud.images(ids), lambda image: image.image_id)

    def key_pairs(self) -> tuple[str, ...]:
        """Give the key pair that is asked for, if it exists."""
        name = self.options.key_pair
        return self.look("DescribeKeyPairs", (name,), lambda: self.cloud.key_pairs(name)).shown if name else ()

    def resets(self, snapshot_ids: Mapping[str, str]) -> dict[str, str]:
        """Ask with DryRun whether each disk could be rolled back to its snapshot now."""
        return self._of_each(
            list(snapshot_ids), lambda each: self.ask(lambda: self.cloud.may_reset(each, snapshot_ids[each]))
        )

    def rights(self, instances: Iterable[Instance]) -> dict[str, dict[str, str]]:
        """Ask with DryRun for the right to stop and to start, where the plan would stop an instance."""
        if not self.options.stop_instance:
            return {}
        running = [each.instance_id for each in instances if each.status == "Running"]
        asked = [partial(self._may, running, action) for action in ("StopInstance", "StartInstance")]
        stop, start = at_once(asked, PATIENT_LIMIT)
        return {each: {"StopInstance": stop[each], "StartInstance": start[each]} for each in running}

    def _may(self, instance_ids: Sequence[str], action: str) -> dict[str, str]:
        if len(instance_ids) <= FEW:
            ask = self.cloud.may_stop if action == "StopInstance" else self.cloud.may_start
            return self._of_each(instance_ids, lambda each: self._right(lambda: ask(each)))
        answers: dict[str, str] = {}
        for start in range(0, len(instance_ids), IDS_A_CALL):
            ids = instance_ids[start : start + IDS_A_CALL]
            code = self._right(lambda ids=ids: self.cloud.may_many(f"{action}s", ids))  # type: ignore[misc]
            if codes.lacks_right(code):  # of one of them, or of all
                answers |= {each: code for half in _halves(ids) for each, code in self._may(half, action).items()}
            else:
                answers |= dict.fromkeys(ids, code)
        return answers

    def _right(self, ask: Callable[[], str]) -> str:
        """Ask with DryRun; a code that did not pass in time proves nothing, as any other that is no permission."""
        try:
            return self.ask(ask)
        except Refused as refused:
            if codes.throttled(refused.code) or refused.http_status >= 500:
                raise
            return refused.code


def distinct(ids: Iterable[str]) -> list[str]:
    """Give each id once, without those that are empty."""
    return [each for each in dict.fromkeys(ids) if each]


def _unread(row: UnreadableRow) -> Unseen:
    return Unseen(row.action, row.subject, "", row.why, row)


def _names(listing: Look[T]) -> set[str]:
    """Give whose the rows of a listing are that cannot be read; ``""`` where one does not say."""
    return {owner for row in listing.unreadable for owner in row.owners}


def _by(shown: Iterable[T], key: Callable[[T], str]) -> dict[str, list[T]]:
    groups: dict[str, list[T]] = {}
    for each in shown:
        groups.setdefault(key(each), []).append(each)
    return groups


def _halves(ids: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    return ids[: len(ids) // 2], ids[len(ids) // 2 :]
