"""The Describe calls of ECS, over the SDK: by pages, 100 ids per call, each row checked."""

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
from .exchange import MAX_PAGES, Answer, Exchange, pages, readable_body
from .row import Row

Item = TypeVar("Item")

IDS_PER_CALL = 100
_ROWS_PER_PAGE = 100
_DISKS_PER_PAGE = 500
_MAX_SNAPSHOT_PAGES = 20
"""Maximum pages of snapshots of one disk: ECS keeps far fewer for one disk."""
_MAX_DISK_PAGES = 5
"""Maximum pages of disks of one instance: no instance can have as many."""
_IMAGE_STATUSES = "Creating,Waiting,Available,UnAvailable,CreateFailed,Deprecated"


class Reads:
    """The Describe calls of ``Cloud`` to ECS, and the question who calls; ``Cloud`` says what each method means."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._region = exchange.connection.region

    def get_caller(self) -> Described[Caller]:
        """Implement ``Cloud``."""
        caller, date = self._exchange.get_caller()
        return Described((caller,), date)

    def describe_disks(self, disk_ids: Sequence[str]) -> Described[Disk]:
        """Implement ``Cloud``."""
        return self._by_ids("DescribeDisks", disk_ids, shapes.disk, lambda disk: disk.disk_id)

    def describe_disks_of(self, instance_id: str) -> Described[Disk]:
        """Implement ``Cloud``."""
        query = {"InstanceId": instance_id}
        described = self._pages("DescribeDisks", query, shapes.disk, (instance_id,), ending=_MAX_DISK_PAGES)
        for disk in described.items:
            owners = {disk.instance_id, *(each.instance_id for each in disk.attachments)} - {""}
            if owners and instance_id not in owners:
                raise Unanswered("DescribeDisks")
        return described

    def describe_instances(self, instance_ids: Sequence[str]) -> Described[Instance]:
        """Implement ``Cloud``."""
        return self._by_ids("DescribeInstances", instance_ids, shapes.instance, lambda found: found.instance_id)

    def describe_tagged(self, tags: Sequence[tuple[str, str]]) -> Described[Instance]:
        """Implement ``Cloud``: a row without the tags means that the answer belongs to another request."""
        some = [{"Key": key, "Value": value} for key, value in tags]
        described = self._pages("DescribeInstances", {"Tag": some}, shapes.instance, ())
        if not all(set(tags) <= set(instance.tags) for instance in described.items):
            raise Unanswered("DescribeInstances")
        return described

    def list_instances(self, pages: int) -> Described[Instance]:
        """Implement ``Cloud``."""
        return self._pages("DescribeInstances", {}, shapes.instance, (), most=pages)

    def describe_snapshots(self, snapshot_ids: Sequence[str]) -> Described[Snapshot]:
        """Implement ``Cloud``."""
        return self._by_ids("DescribeSnapshots", snapshot_ids, shapes.snapshot, lambda found: found.snapshot_id)

    def describe_snapshots_of(self, disk_id: str, status: str = "") -> Described[Snapshot]:
        """Implement ``Cloud``."""
        query = {"DiskId": disk_id, "Status": status or None}
        described = self._pages("DescribeSnapshots", query, shapes.snapshot, (disk_id,), ending=_MAX_SNAPSHOT_PAGES)
        if any(snapshot.source_disk_id not in ("", disk_id) for snapshot in described.items):
            raise Unanswered("DescribeSnapshots")
        return described

    def list_snapshots(self, pages: int, status: str = "") -> Described[Snapshot]:
        """Implement ``Cloud``."""
        return self._pages("DescribeSnapshots", {"Status": status or None}, shapes.snapshot, (), most=pages)

    def list_disks(self, pages: int) -> Described[Disk]:
        """Implement ``Cloud``."""
        query = {"Status": "In_use", "MaxResults": _DISKS_PER_PAGE}
        return self._pages("DescribeDisks", query, shapes.disk, (), most=pages)

    def describe_snapshot_links(self, disk_ids: Sequence[str]) -> Described[SnapshotLink]:
        """Implement ``Cloud``."""
        return self._numbered_pages("DescribeSnapshotLinks", "DiskIds", disk_ids, shapes.snapshot_link)

    def describe_images(self, image_ids: Sequence[str]) -> Described[Image]:
        """Implement ``Cloud``: community images are shown only if they are requested as such."""
        described = self._images(image_ids)
        absent = set(image_ids) - {image.image_id for image in described.items}
        if not absent:
            return described
        return joined_answers([described, self._images(sorted(absent), IsPublic=True, ImageOwnerAlias="others")])

    def describe_key_pairs(self, name: str) -> Described[str]:
        """Implement ``Cloud``: ECS may treat the name as a pattern, so only an identical one counts."""
        query = {"RegionId": self._region, "KeyPairName": name}
        answer = self._exchange.ecs("DescribeKeyPairs", query, (name,))
        with readable_body("DescribeKeyPairs"):
            answer.body.must_have("KeyPairs")
            names = [row.required("KeyPairName") for row in answer.body.rows("KeyPairs", "KeyPair")]
        return Described(tuple(each for each in names if each == name), answer.date)

    # ------------------------------------------------------------------------------------------------- within

    def _by_ids(
        self, action: str, ids: Sequence[str], shape: Callable[[Row], Item], key: Callable[[Item], str]
    ) -> Described[Item]:
        """Ask for things by id, 100 ids (one page) per call; a row with another id means another request's answer.

        Something that is shown twice, once unreadably, was not seen.
        """
        field = {"DescribeDisks": "DiskIds", "DescribeInstances": "InstanceIds"}.get(action, "SnapshotIds")
        described = []
        for some in parts(ids, IDS_PER_CALL):
            page = self._page(action, {field: json.dumps(some)}, shape, some)
            unread = {row.subject for row in page.unreadable}
            if not {key(item) for item in page.items} | unread <= {*some, ""}:
                raise Unanswered(action, "a row is for a resource that was not asked for")
            described.append(replace(page, items=tuple(item for item in page.items if key(item) not in unread)))
        return joined_answers(described)

    def _page(
        self, action: str, query: dict[str, Any], shape: Callable[[Row], Item], subject: Sequence[str]
    ) -> Described[Item]:
        """Request the first page, and follow no NextToken."""
        return self._read(action, self._read_page(action, query, subject, ""), shape)

    def _pages(
        self,
        action: str,
        query: dict[str, Any],
        shape: Callable[[Row], Item],
        subject: Sequence[str],
        most: int | None = None,
        ending: int = MAX_PAGES,
    ) -> Described[Item]:
        """Follow NextToken to the end, or for a number of pages.

        Args:
            most: the number of pages after which a listing is cut short.
            ending: the number of pages after which a list without an end counts as no answer.
        """
        complete = False
        described = []
        for answer, last in islice(pages(action, partial(self._read_page, action, query, subject), ending), most):
            described.append(self._read(action, answer, shape))
            complete = last
        return replace(joined_answers(described), complete=complete)

    def _read_page(self, action: str, query: dict[str, Any], subject: Sequence[str], token: str) -> Answer:
        fields = {"RegionId": self._region, "MaxResults": _ROWS_PER_PAGE, **query}
        return self._exchange.ecs(action, {**fields, "NextToken": token or None}, subject)

    def _numbered_pages(
        self, action: str, field: str, ids: Sequence[str], shape: Callable[[Row], Item]
    ) -> Described[Item]:
        """Request pages by number: 100 ids per call fit on one."""
        described = []
        for some in parts(ids, IDS_PER_CALL):
            answer = self._exchange.ecs(action, {**self._first_page(), field: json.dumps(some)}, some)
            described.append(self._read(action, answer, shape))
        return joined_answers(described)

    def _images(self, image_ids: Sequence[str], **query: Any) -> Described[Image]:  # noqa: ANN401
        described = []
        for some in parts(image_ids, IDS_PER_CALL):
            fields = {"ImageId": ",".join(some), "Status": _IMAGE_STATUSES, **query}
            answer = self._exchange.ecs("DescribeImages", {**self._first_page(), **fields}, some)
            page = self._read("DescribeImages", answer, shapes.image)
            described.append(replace(page, items=tuple(image for image in page.items if image.image_id in some)))
        return joined_answers(described)

    def _first_page(self) -> dict[str, Any]:
        return {"RegionId": self._region, "PageSize": _ROWS_PER_PAGE, "PageNumber": 1}

    def _read(self, action: str, answer: Answer, shape: Callable[[Row], Item]) -> Described[Item]:
        outer = action.removeprefix("Describe")
        return read_rows(action, answer, outer, outer.removesuffix("s"), shape)


def read_rows(action: str, answer: Answer, outer: str, inner: str, shape: Callable[[Row], Item]) -> Described[Item]:
    """Read the list in an answer, each row separately.

    Raises:
        Unanswered: it does not contain the list.
    """
    with readable_body(action):
        answer.body.must_have(outer)
        items, unreadable = shapes.rows(action, answer.body.list(outer, inner), shape)
    return Described(tuple(items), answer.date, unreadable=tuple(unreadable))


def joined_answers(described: Sequence[Described[Item]]) -> Described[Item]:
    """Combine the answers to several calls; the date is that of the last."""
    return Described(
        tuple(item for each in described for item in each.items),
        described[-1].date if described else None,
        unreadable=tuple(row for each in described for row in each.unreadable),
    )


def parts(ids: Sequence[str], most: int) -> Iterator[list[str]]:
    """Split ids into lists of the maximum length for one call."""
    return (list(ids[start : start + most]) for start in range(0, len(ids), most))
