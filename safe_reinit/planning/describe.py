"""A round of Describe calls, as few as possible: what ECS showed, by id, and why the rest was not seen.

Everything that reads ECS for a run uses a round: the plan, the recheck before a call, and each observation in between,
which only asks for less. So the guards of one are in all of them.

An empty answer to a Describe call may mean "nothing there" or "no right to see it" (ECS API reference,
DescribeInstances). Wherever absence would matter, the same question is asked again with DryRun: only
``DryRunOperation`` makes the absence a fact; any other answer makes it something that was not seen.

A few ids are asked for one by one. For many, the region is listed if that takes no more calls than asking one by one;
what the listing leaves open is then asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from ..clock import Clock
from ..cloud.interface import Cloud, CloudError, Described, Refused
from ..cloud.retry import Ask, may_pass
from ..model import Caller, Disk, Image, Instance, Snapshot, SnapshotLink, UnreadableRow, Unseen, error_codes
from .parallel import ask_parallel

T = TypeVar("T")

ONE_BY_ONE_LIMIT = 10
"""Up to this many things are asked for one by one if ECS has no call for several."""
IDS_PER_CALL = 100
"""Ids per call, if ECS accepts several."""
_MAX_PARALLEL = 32
"""Questions that are asked at the same time."""
_NO_RIGHT = "the permission for it is missing"
_NOBODY = Described((Caller("", "", ""),), None)


@dataclass(frozen=True)
class _Question:
    ask: Callable[[], Any]
    take: Callable[[Any], None]
    fail: Callable[[CloudError], None]


@dataclass
class Round:
    """What was asked, and what ECS showed.

    An id that was asked for and answered has an entry: ``None`` if ECS does not list it. An id without an entry was not
    seen, and ``unseen`` says why. The methods add questions; ``ask_all`` asks them in parallel and processes the
    answers in one thread.

    Attributes:
        ask: how a question is asked: patiently, or once.
        disk_ids: the ids of the disks it is about.
        tolerant: a failed question takes from each id only what it would have shown, and absences are not proven, since
            an observation is repeated. Otherwise every failure is raised except a missing permission.
        at: the cloud seconds before the first call: the answers are at least that new.
        when: the same as local time.

    """

    cloud: Cloud
    clock: Clock
    ask: Ask
    disk_ids: Sequence[str] = ()
    tolerant: bool = False

    disks: dict[str, Disk | None] = field(default_factory=dict)
    instances: dict[str, Instance | None] = field(default_factory=dict)
    snapshots: dict[str, Snapshot | None] = field(default_factory=dict)
    """The snapshots that were asked for by their ids."""
    images: dict[str, Image | None] = field(default_factory=dict)
    snapshots_of: dict[str, tuple[Snapshot, ...]] = field(default_factory=dict)
    """By disk: all its snapshots."""
    progressing: dict[str, tuple[Snapshot, ...]] = field(default_factory=dict)
    """By disk: its snapshots that are being created."""
    attached: dict[str, tuple[Disk, ...]] = field(default_factory=dict)
    """By instance: its disks."""
    key_pairs: tuple[str, ...] = ()
    resets: dict[str, str] = field(default_factory=dict)
    """By disk: the answer to the dry run of its roll-back."""
    caller: Described[Caller] = _NOBODY
    """Whose credentials these are; empty if STS could not say."""

    date: datetime | None = None
    """The ``Date`` of the last answer from ECS."""
    dates: dict[str, datetime | None] = field(default_factory=dict)
    """By id that was asked for: the ``Date`` of its answer."""
    unseen: dict[str, list[Unseen]] = field(default_factory=dict)
    """By id: what could not be seen about it."""
    unreadable_disks: dict[str, list[Unseen]] = field(default_factory=dict)
    """By instance: what was not seen of its disks that are not targets."""
    unrelated: list[Unseen] = field(default_factory=list)
    """What was not seen although no target depends on it."""

    def __post_init__(self) -> None:
        self.at, self.when = self.clock.time(), self.clock.now()
        self._own_ids = set(self.disk_ids)
        self._open: list[_Question] = []
        self._absent: list[tuple[str, list[str], dict[str, Any]]] = []
        """By action, what was not listed, and where that is noted until it is proven."""

    # --------------------------------------------------------------------------------------------------- the asking

    def put(
        self, ask: Callable[[], T], take: Callable[[T], None], fail: Callable[[CloudError], None] | None = None
    ) -> None:
        """Add a question; ``take`` gets its answer, and ``fail`` its failure, which is raised without ``fail``."""
        self._open.append(_Question(ask, take, fail or _raise))

    def ask_all(self) -> None:
        """Ask the questions that were added, and those that the answers lead to.

        Raises:
            CloudError: the failure of the first question, in order, that is not noted.
        """
        while self._open or self._absent:
            if not self._open:
                self._put_proofs()
            some, self._open = self._open[:_MAX_PARALLEL], self._open[_MAX_PARALLEL:]
            for question, answer in zip(some, ask_parallel([each.ask for each in some], self.ask.limit), strict=True):
                if isinstance(answer, CloudError):
                    question.fail(answer)
                else:
                    question.take(answer)

    def _describe(
        self,
        action: str,
        subjects: Sequence[str],
        question: Callable[[], Described[T]],
        take: Callable[[Described[T]], None],
        without_right: Callable[[], None] | None = None,
    ) -> None:
        """Add a question about these ids; what cannot be seen of them is noted, and never taken for an absence."""

        def taken(answer: Described[T]) -> None:
            self.date = answer.date or self.date
            take(answer)

        def failed(error: CloudError) -> None:
            lacks_right = isinstance(error, Refused) and error_codes.lacks_right(error.code)
            if lacks_right and without_right is not None:
                without_right()
                return
            if not (lacks_right or self.tolerant):
                raise error
            why = error.trouble if self.tolerant else _NO_RIGHT
            for subject in subjects:
                self._note_unseen(action, subject, why, error.credentials_refused)

        self.put(lambda: self.ask(question), taken, failed)

    def _by_id(
        self,
        action: str,
        ids: Iterable[str],
        question: Callable[[Sequence[str]], Described[T]],
        key: Callable[[T], str],
        into: dict[str, T | None],
    ) -> None:
        """Ask for things by their ids; what is not listed is proven absent, or noted as not seen."""
        new = [each for each in distinct(ids) if each not in into]

        def take(some: Sequence[str], answer: Described[T]) -> None:
            self.dates |= dict.fromkeys(some, answer.date)
            listed = {key(each): each for each in answer.items}
            absent = [each for each in some if each not in listed]
            unread: set[str] = set()
            for row in answer.unreadable:  # a row that names nothing may be any of those that are not shown
                for each in (row.subject,) if row.subject else absent:
                    self._note_row(each, row)
                    unread.add(each)
            absent = [each for each in absent if each not in unread]
            into.update({each: listed.get(each) for each in (*listed, *absent) if each not in unread})
            if absent and not self.tolerant:
                self._absent.append((action, absent, into))

        for start in range(0, len(new), IDS_PER_CALL):
            some = new[start : start + IDS_PER_CALL]
            self._describe(action, some, partial(question, some), partial(take, some))

    def _put_proofs(self) -> None:
        """Ask with DryRun whether the caller may see what is not listed, in one call for all of a kind."""
        probes: dict[str, tuple[list[str], dict[str, Any]]] = {}
        for probe, ids, into in self._absent:
            probes.setdefault(probe, ([], into))[0].extend(ids)
        self._absent = []
        for probe, (ids, into) in probes.items():
            self._prove(probe, ids, into)

    def _prove(self, probe: str, ids: Sequence[str], *into: dict[str, Any]) -> None:
        def take(code: str) -> None:
            if code != error_codes.PROVEN:
                why = _NO_RIGHT if error_codes.of_credentials(code) else f"ECS answered {code}"
                for each in ids:
                    self._note_unseen(probe.removesuffix("OfDisk"), each, why)
                    for entries in into:
                        del entries[each]

        self.put(lambda: self.ask(lambda: self.cloud.dry_run(probe, ids)), take)

    def _note_unseen(self, action: str, subject: str, why: str, credentials_refused: str | None = None) -> None:
        gone = Unseen(action, subject, f"ecs:{action}", why, credentials_refused=credentials_refused)
        self.unseen.setdefault(subject, []).append(gone)

    def _note_row(self, subject: str, row: UnreadableRow) -> None:
        """Note that something counts as not seen because a row about it cannot be read."""
        self.unseen.setdefault(subject, []).append(replace(_unread(row), subject=subject))

    def why_unseen(self, action: str, subject: str) -> Unseen:
        """Return why an id has no entry."""
        reasons = (gone for gone in self.unseen.get(subject, ()) if gone.action == action)
        return next(reasons, Unseen(action, subject, "", f"ECS was not asked for {subject} ({action})"))

    # -------------------------------------------------------------------------------------------------- by their ids

    def describe_disks(self, ids: Iterable[str]) -> None:
        """Ask for disks."""
        self._by_id("DescribeDisks", ids, self.cloud.describe_disks, lambda disk: disk.disk_id, self.disks)

    def describe_instances(self, ids: Iterable[str]) -> None:
        """Ask for instances."""
        self._by_id("DescribeInstances", ids, self.cloud.describe_instances, lambda it: it.instance_id, self.instances)

    def describe_snapshots(self, ids: Iterable[str]) -> None:
        """Ask for snapshots."""
        self._by_id("DescribeSnapshots", ids, self.cloud.describe_snapshots, lambda it: it.snapshot_id, self.snapshots)

    def describe_images(self, ids: Iterable[str]) -> None:
        """Ask for images."""
        self._by_id("DescribeImages", ids, self.cloud.describe_images, lambda image: image.image_id, self.images)

    def describe_key_pair(self, name: str) -> None:
        """Ask whether there is a key pair of this name."""

        def take(answer: Described[str]) -> None:
            self.key_pairs = answer.items

        if name:
            self._describe("DescribeKeyPairs", (name,), lambda: self.cloud.describe_key_pairs(name), take)

    def describe_caller(self, *, needed: bool, shortly: bool) -> None:
        """Ask STS who the credentials belong to.

        Args:
            needed: whether it is a failure if STS cannot say so now; otherwise that is noted.
            shortly: whether to give up soon.
        """

        def take(answer: Described[Caller]) -> None:
            self.caller = answer

        def fail(error: CloudError) -> None:
            if needed or not may_pass(error):
                raise error
            self.unrelated.append(Unseen("GetCallerIdentity", "", "", why_unanswered(error, "STS")))

        ask = self.ask.shortly if shortly else self.ask
        self.put(lambda: ask(self.cloud.get_caller), take, fail)

    # ----------------------------------------------------------------------------------------------------- snapshots

    def describe_snapshots_of(self, disk_ids: Sequence[str]) -> None:
        """Ask for all snapshots of these disks."""
        if len(disk_ids) <= ONE_BY_ONE_LIMIT:
            for each in disk_ids:
                self._describe_snapshots_of(each)
            return

        def take(listing: Described[Snapshot]) -> None:
            by_disk = _group_by(listing.items, lambda shot: (shot.source_disk_id,))
            unread = _group_by(listing.unreadable, lambda row: row.owners)
            open_: dict[str, list[Snapshot]] = {}
            for each in disk_ids:
                shots = by_disk.get(each, [])
                if each in unread:
                    self._describe_snapshots_of(each)
                elif listing.complete and shots:
                    self._take_snapshots(each, shots)
                else:
                    open_[each] = shots
            self._count_snapshots(open_)

        self._list("DescribeSnapshots", disk_ids, lambda: self.cloud.list_snapshots(len(disk_ids) // 2), take)

    def _count_snapshots(self, listed: Mapping[str, Sequence[Snapshot]]) -> None:
        """Compare the listed snapshots of disks with the counts of their chains (which have no DryRun)."""

        def take(links: Described[SnapshotLink]) -> None:
            counts: dict[str, int] = {row.subject: -1 for row in links.unreadable}  # no such count: each is asked for
            for link in links.items:
                counts[link.source_disk_id] = counts.get(link.source_disk_id, 0) + link.total_count
            for each, shots in listed.items():
                if counts.get(each, 0) == len(shots):
                    self._take_snapshots(each, shots)
                else:
                    self._describe_snapshots_of(each)

        ids = list(listed)
        if ids:
            self._describe("DescribeSnapshotLinks", ids, lambda: self.cloud.describe_snapshot_links(ids), take)

    def _describe_snapshots_of(self, disk_id: str) -> None:
        def take(answer: Described[Snapshot]) -> None:
            self._take_snapshots(disk_id, answer.items, answer.unreadable)
            if not (answer.items or answer.unreadable or self.tolerant):
                self._prove("DescribeSnapshotsOfDisk", (disk_id,), self.snapshots_of, self.progressing)

        self._describe("DescribeSnapshots", (disk_id,), lambda: self.cloud.describe_snapshots_of(disk_id), take)

    def _take_snapshots(
        self, disk_id: str, shots: Iterable[Snapshot], unreadable: Sequence[UnreadableRow] = ()
    ) -> None:
        self.snapshots_of[disk_id] = tuple(shots)
        self._take_progressing(disk_id, (shot for shot in shots if shot.status.lower() == "progressing"), unreadable)

    def _take_progressing(
        self, disk_id: str, shots: Iterable[Snapshot], unreadable: Sequence[UnreadableRow] = ()
    ) -> None:
        """Note the snapshots of a disk that are being created, unless a row about it cannot be read."""
        for row in unreadable:
            self._note_row(disk_id, row)
        if not unreadable:
            self.progressing[disk_id] = tuple(shots)

    def describe_progressing(self, disk_ids: Sequence[str], *, list_region: bool = False) -> None:
        """Ask for the snapshots of these disks that are being created.

        Args:
            disk_ids: the disks.
            list_region: whether they are some of many, so that the region is listed however few they are.
        """
        self._of_each(
            "DescribeSnapshots", disk_ids, partial(self.cloud.list_snapshots, len(disk_ids), "progressing"),
            lambda each: self.cloud.describe_snapshots_of(each, "progressing"), lambda shot: shot.source_disk_id,
            self._take_progressing, one_by_one_limit=0 if list_region else ONE_BY_ONE_LIMIT,
        )  # fmt: skip

    def _of_each(  # noqa: PLR0913 - two ways to ask, and what comes of them
        self,
        action: str,
        owners: Sequence[str],
        listing: Callable[[], Described[T]],
        alone: Callable[[str], Described[T]],
        owner: Callable[[T], str],
        take: Callable[[str, Sequence[T], Sequence[UnreadableRow]], None],
        *,
        one_by_one_limit: int = ONE_BY_ONE_LIMIT,
    ) -> None:
        """Ask what belongs to each owner: for a few one by one, otherwise by listing the region if that is complete.

        ``owner`` says who owns a listed thing; ``take`` gets, for each owner, what is shown and what cannot be read.
        """

        def one_by_one() -> None:
            for each in owners:

                def taken(answer: Described[T], each: str = each) -> None:
                    take(each, answer.items, answer.unreadable)

                self._describe(action, (each,), partial(alone, each), taken)

        def listed(answer: Described[T]) -> None:
            if not answer.complete:
                one_by_one()
                return
            by_owner = _group_by(answer.items, lambda thing: (owner(thing),))
            unread = _group_by(answer.unreadable, lambda row: row.owners)
            for each in owners:
                take(each, by_owner.get(each, ()), unread.get(each, ()))

        if len(owners) <= one_by_one_limit:
            one_by_one()
        else:
            self._list(action, owners, listing, listed)

    def _list(
        self,
        action: str,
        subjects: Sequence[str],
        question: Callable[[], Described[T]],
        take: Callable[[Described[T]], None],
    ) -> None:
        """List the region; without permission, or with a row that names nothing, the list is not complete."""

        def taken(answer: Described[T]) -> None:
            for row in answer.unreadable:
                if not set(row.names) & self._own_ids and _unread(row) not in self.unrelated:
                    self.unrelated.append(_unread(row))
            complete = answer.complete and not any("" in row.owners for row in answer.unreadable)
            take(replace(answer, complete=complete))

        self._describe(action, subjects, question, taken, lambda: take(Described((), None, complete=False)))

    # ------------------------------------------------------------------------------------- what else a plan stands on

    def describe_disks_of(self, instance_ids: Sequence[str]) -> None:
        """Ask for all disks of these instances."""

        def take(instance_id: str, disks: Sequence[Disk], unreadable: Sequence[UnreadableRow]) -> None:
            self.unreadable_disks[instance_id] = [_unread(row) for row in unreadable]
            self.attached[instance_id] = tuple(disks)

        listing = partial(self.cloud.list_disks, len(instance_ids) // 2)
        alone = self.cloud.describe_disks_of
        self._of_each("DescribeDisks", instance_ids, listing, alone, lambda it: it.instance_id, take)

    def dry_run_resets(self, snapshot_ids: Mapping[str, str]) -> None:
        """Ask with DryRun whether each disk could be rolled back to its snapshot now."""
        for disk_id, snapshot_id in snapshot_ids.items():

            def fail(error: CloudError) -> None:
                if not self.tolerant:
                    raise error

            may_reset = partial(self.cloud.dry_run_reset, disk_id, snapshot_id)
            self.put(partial(self.ask, may_reset), partial(self.resets.__setitem__, disk_id), fail)


def distinct(ids: Iterable[str]) -> list[str]:
    """Return each id once, without empty ones."""
    return [each for each in dict.fromkeys(ids) if each]


def why_unanswered(error: CloudError, product: str) -> str:
    """Return why another product did not answer."""
    if isinstance(error, Refused):
        text = f"{product} answered {error.code}"
        return f"{_NO_RIGHT}: {text}" if error_codes.of_credentials(error.code) else text
    return getattr(error, "why", "") or "no readable answer came"


def _raise(error: CloudError) -> None:
    raise error


def _unread(row: UnreadableRow) -> Unseen:
    return Unseen(row.action, row.subject, "", row.why, row)


def _group_by(rows: Iterable[T], keys: Callable[[T], Iterable[str]]) -> dict[str, list[T]]:
    groups: dict[str, list[T]] = {}
    for each in rows:
        for key in keys(each):
            groups.setdefault(key, []).append(each)
    return groups
