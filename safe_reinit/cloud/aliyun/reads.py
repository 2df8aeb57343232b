"""The Describe calls of ECS, over the SDK: paged, by 100 ids a call, each row checked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any, TypeVar

from ...model import Caller, Disk, Image, Instance, Snapshot, SnapshotLink
from ..interface import Described, Unanswered
from . import shapes
from .exchange import MOST_PAGES, Answer, Exchange, pages, readable
from .row import Row

Shown = TypeVar("Shown")

IDS_A_CALL = 100
_ROWS_A_PAGE = 100
_DISKS_A_PAGE = 500
_SNAPSHOT_PAGES = 20
"""Pages that the snapshots of one disk can have at most: ECS keeps far fewer of one disk."""
_DISK_PAGES = 5
"""Pages that the disks of one instance can have at most: no instance takes as many."""
_IMAGE_STATUSES = "Creating,Waiting,Available,UnAvailable,CreateFailed,Deprecated"


class Reads:
    """The Describe calls of ``Cloud`` to ECS, and the question who calls; ``Cloud`` says what each method means."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._region = exchange.where.region

    def caller(self) -> Described[Caller]:
        """Implement ``Cloud``."""
        caller, date = self._exchange.caller()
        return Described((caller,), date)

    def disks(self, disk_ids: Sequence[str]) -> Described[Disk]:
        """Implement ``Cloud``."""
        return self._by_ids("DescribeDisks", disk_ids, shapes.disk, lambda disk: disk.disk_id)

    def disks_of(self, instance_id: str) -> Described[Disk]:
        """Implement ``Cloud``."""
        query = {"InstanceId": instance_id}
        described = self._pages("DescribeDisks", query, shapes.disk, (instance_id,), ending=_DISK_PAGES)
        for disk in described.shown:
            owners = {disk.instance_id, *(each.instance_id for each in disk.attachments)} - {""}
            if owners and instance_id not in owners:
                raise Unanswered("DescribeDisks")
        return described

    def instances(self, instance_ids: Sequence[str]) -> Described[Instance]:
        """Implement ``Cloud``."""
        return self._by_ids("DescribeInstances", instance_ids, shapes.instance, lambda found: found.instance_id)

    def tagged(self, tags: Sequence[tuple[str, str]]) -> Described[Instance]:
        """Implement ``Cloud``: a row without the tags means that the answer is another's."""
        asked = [{"Key": key, "Value": value} for key, value in tags]
        described = self._pages("DescribeInstances", {"Tag": asked}, shapes.instance, ())
        if not all(set(tags) <= set(instance.tags) for instance in described.shown):
            raise Unanswered("DescribeInstances")
        return described

    def list_instances(self, pages: int) -> Described[Instance]:
        """Implement ``Cloud``."""
        return self._pages("DescribeInstances", {}, shapes.instance, (), most=pages)

    def snapshots(self, snapshot_ids: Sequence[str]) -> Described[Snapshot]:
        """Implement ``Cloud``."""
        return self._by_ids("DescribeSnapshots", snapshot_ids, shapes.snapshot, lambda found: found.snapshot_id)

    def snapshots_of(self, disk_id: str, status: str = "") -> Described[Snapshot]:
        """Implement ``Cloud``."""
        query = {"DiskId": disk_id, "Status": status or None}
        described = self._pages("DescribeSnapshots", query, shapes.snapshot, (disk_id,), ending=_SNAPSHOT_PAGES)
        if any(snapshot.source_disk_id not in ("", disk_id) for snapshot in described.shown):
            raise Unanswered("DescribeSnapshots")
        return described

    def list_snapshots(self, pages: int, status: str = "") -> Described[Snapshot]:
        """Implement ``Cloud``."""
        return self._pages("DescribeSnapshots", {"Status": status or None}, shapes.snapshot, (), most=pages)

    def list_disks(self, pages: int) -> Described[Disk]:
        """Implement ``Cloud``."""
        query = {"Status": "In_use", "MaxResults": _DISKS_A_PAGE}
        return self._pages("DescribeDisks", query, shapes.disk, (), most=pages)

    def snapshot_links(self, disk_ids: Sequence[str]) -> Described[SnapshotLink]:
        """Implement ``Cloud``."""
        return self._numbered_pages("DescribeSnapshotLinks", "DiskIds", disk_ids, shapes.snapshot_link)

    def images(self, image_ids: Sequence[str]) -> Described[Image]:
        """Implement ``Cloud``: community images are shown only where they are asked for as such."""
        described = self._images(image_ids)
        absent = set(image_ids) - {image.image_id for image in described.shown}
        if not absent:
            return described
        return joined([described, self._images(sorted(absent), IsPublic=True, ImageOwnerAlias="others")])

    def key_pairs(self, name: str) -> Described[str]:
        """Implement ``Cloud``: the name may be a pattern to ECS, so only the very same one counts."""
        query = {"RegionId": self._region, "KeyPairName": name}
        answer = self._exchange.ecs("DescribeKeyPairs", query, (name,))
        with readable("DescribeKeyPairs"):
            answer.body.must_have("KeyPairs")
            names = [row.required("KeyPairName") for row in answer.body.rows("KeyPairs", "KeyPair")]
        return Described(tuple(found for found in names if found == name), answer.date)

    # ------------------------------------------------------------------------------------------------- within

    def _by_ids(
        self, action: str, ids: Sequence[str], shape: Callable[[Row], Shown], key: Callable[[Shown], str]
    ) -> Described[Shown]:
        """Ask for things by id, 100 ids a call, which are one page; a row of another id means another's answer.

        What is shown in two ways, and in one of them cannot be read, is not seen.
        """
        field = {"DescribeDisks": "DiskIds", "DescribeInstances": "InstanceIds"}.get(action, "SnapshotIds")
        described = []
        for asked in parts(ids, IDS_A_CALL):
            page = self._page(action, {field: json.dumps(asked)}, shape, asked)
            unread = {row.subject for row in page.unreadable}
            if not {key(item) for item in page.shown} | unread <= {*asked, ""}:
                raise Unanswered(action, "a row is of something that was not asked for")
            described.append(replace(page, shown=tuple(item for item in page.shown if key(item) not in unread)))
        return joined(described)

    def _page(
        self, action: str, query: dict[str, Any], shape: Callable[[Row], Shown], subject: Sequence[str]
    ) -> Described[Shown]:
        """Ask for the first page, and follow no NextToken."""
        return self._read(action, self._ask(action, query, subject, ""), shape)

    def _pages(
        self,
        action: str,
        query: dict[str, Any],
        shape: Callable[[Row], Shown],
        subject: Sequence[str],
        most: int | None = None,
        ending: int = MOST_PAGES,
    ) -> Described[Shown]:
        """Follow NextToken to the end, or for so many pages.

        Args:
            most: the pages after which a listing is cut short.
            ending: the pages after which a list that goes on is no answer at all.
        """
        complete = False
        described = []
        for answer, last in islice(pages(action, partial(self._ask, action, query, subject), ending), most):
            described.append(self._read(action, answer, shape))
            complete = last
        return replace(joined(described), complete=complete)

    def _ask(self, action: str, query: dict[str, Any], subject: Sequence[str], token: str) -> Answer:
        fields = {"RegionId": self._region, "MaxResults": _ROWS_A_PAGE, **query}
        return self._exchange.ecs(action, {**fields, "NextToken": token or None}, subject)

    def _numbered_pages(
        self, action: str, field: str, ids: Sequence[str], shape: Callable[[Row], Shown]
    ) -> Described[Shown]:
        """Ask for pages by number: 100 ids a call fit on one."""
        described = []
        for asked in parts(ids, IDS_A_CALL):
            answer = self._exchange.ecs(action, {**self._first_page(), field: json.dumps(asked)}, asked)
            described.append(self._read(action, answer, shape))
        return joined(described)

    def _images(self, image_ids: Sequence[str], **query: Any) -> Described[Image]:  # noqa: ANN401
        described = []
        for asked in parts(image_ids, IDS_A_CALL):
            wanted = {"ImageId": ",".join(asked), "Status": _IMAGE_STATUSES, **query}
            answer = self._exchange.ecs("DescribeImages", {**self._first_page(), **wanted}, asked)
            page = self._read("DescribeImages", answer, shapes.image)
            described.append(replace(page, shown=tuple(image for image in page.shown if image.image_id in asked)))
        return joined(described)

    def _first_page(self) -> dict[str, Any]:
        return {"RegionId": self._region, "PageSize": _ROWS_A_PAGE, "PageNumber": 1}

    def _read(self, action: str, answer: Answer, shape: Callable[[Row], Shown]) -> Described[Shown]:
        outer = action.removeprefix("Describe")
        return read(action, answer, outer, outer.removesuffix("s"), shape)


def read(action: str, answer: Answer, outer: str, inner: str, shape: Callable[[Row], Shown]) -> Described[Shown]:
    """Read the list in an answer, each row for itself.

    Raises:
        Unanswered: there is no such list in it.
    """
    with readable(action):
        answer.body.must_have(outer)
        shown, unreadable = shapes.rows(action, answer.body.list(outer, inner), shape)
    return Described(tuple(shown), answer.date, unreadable=tuple(unreadable))


def joined(described: Sequence[Described[Shown]]) -> Described[Shown]:
    """Put the answers to several calls together; the date is that of the last."""
    return Described(
        tuple(item for each in described for item in each.shown),
        described[-1].date if described else None,
        unreadable=tuple(row for each in described for row in each.unreadable),
    )


def parts(ids: Sequence[str], most: int) -> Iterator[list[str]]:
    """Cut ids into lists of at most so many, which is what one call takes."""
    return (list(ids[start : start + most]) for start in range(0, len(ids), most))
