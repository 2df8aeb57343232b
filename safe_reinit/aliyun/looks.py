"""The looks of a run at ECS, over the SDK: paged, by 100 ids a call, each row checked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

from ..cloud import Look, Unanswered
from ..model import Caller, Disk, Image, Instance, Snapshot, SnapshotLink
from . import shapes
from .endpoints import Where
from .exchange import Answer, Api, Exchange, pages, readable
from .sdk import models
from .shapes import Row

Shown = TypeVar("Shown")

IDS_A_CALL = 100
_ROWS_A_PAGE = 100
_DISKS_A_PAGE = 500
_IMAGE_STATUSES = "Creating,Waiting,Available,UnAvailable,CreateFailed,Deprecated"


class Looks:
    """The looks of ``Cloud`` at ECS and at who asks; see the protocol for what each method means."""

    _where: Where
    _exchange: Exchange

    def caller(self) -> Look[Caller]:
        """See ``Cloud``."""
        answer = self._exchange.other(Api("sts", "2015-04-01", "GetCallerIdentity"), "sts.aliyuncs.com", {})
        with readable("GetCallerIdentity"):
            row = answer.body
            caller = Caller(row.required("AccountId"), row.required("Arn"), row.text("IdentityType"))
        return Look((caller,), answer.date)

    def disks(self, disk_ids: Sequence[str]) -> Look[Disk]:
        """See ``Cloud``."""
        return self._by_ids("DescribeDisks", disk_ids, shapes.disk, lambda disk: disk.disk_id)

    def disks_of(self, instance_id: str) -> Look[Disk]:
        """See ``Cloud``."""
        look = self._pages("DescribeDisks", {"instance_id": instance_id}, shapes.disk, (instance_id,))
        for disk in look.shown:
            owners = {disk.instance_id, *(each.instance_id for each in disk.attachments)} - {""}
            if owners and instance_id not in owners:
                raise Unanswered("DescribeDisks")
        return look

    def instances(self, instance_ids: Sequence[str]) -> Look[Instance]:
        """See ``Cloud``."""
        return self._by_ids("DescribeInstances", instance_ids, shapes.instance, lambda found: found.instance_id)

    def tagged(self, tags: Sequence[tuple[str, str]]) -> Look[Instance]:
        """See ``Cloud``: a row without the tags means that the answer is another's."""
        asked = [models.DescribeInstancesRequestTag(key=key, value=value) for key, value in tags]
        look = self._pages("DescribeInstances", {"tag": asked}, shapes.instance, ())
        if not all(set(tags) <= set(instance.tags) for instance in look.shown):
            raise Unanswered("DescribeInstances")
        return look

    def snapshots(self, snapshot_ids: Sequence[str]) -> Look[Snapshot]:
        """See ``Cloud``."""
        return self._by_ids("DescribeSnapshots", snapshot_ids, shapes.snapshot, lambda found: found.snapshot_id)

    def snapshots_of(self, disk_id: str, status: str = "") -> Look[Snapshot]:
        """See ``Cloud``."""
        query = {"disk_id": disk_id, "status": status or None}
        look = self._pages("DescribeSnapshots", query, shapes.snapshot, (disk_id,))
        if any(snapshot.source_disk_id not in ("", disk_id) for snapshot in look.shown):
            raise Unanswered("DescribeSnapshots")
        return look

    def list_snapshots(self, pages: int, status: str = "") -> Look[Snapshot]:
        """See ``Cloud``."""
        return self._pages("DescribeSnapshots", {"status": status or None}, shapes.snapshot, (), most=pages)

    def list_disks(self, pages: int) -> Look[Disk]:
        """See ``Cloud``."""
        query = {"status": "In_use", "max_results": _DISKS_A_PAGE}
        return self._pages("DescribeDisks", query, shapes.disk, (), most=pages)

    def snapshot_links(self, disk_ids: Sequence[str]) -> Look[SnapshotLink]:
        """See ``Cloud``."""
        return self._numbered_pages("DescribeSnapshotLinks", "disk_ids", disk_ids, shapes.snapshot_link)

    def images(self, image_ids: Sequence[str]) -> Look[Image]:
        """See ``Cloud``: community images are shown only where they are asked for as such."""
        look = self._images(image_ids)
        absent = set(image_ids) - {image.image_id for image in look.shown}
        if not absent:
            return look
        community = self._images(sorted(absent), is_public=True, image_owner_alias="others")
        return Look((*look.shown, *community.shown), community.date)

    def key_pairs(self, name: str) -> Look[str]:
        """See ``Cloud``: the name may be a pattern to ECS, so only the very same one counts."""
        request = models.DescribeKeyPairsRequest(region_id=self._where.region, key_pair_name=name)
        answer = self._exchange.ecs("DescribeKeyPairs", "describe_key_pairs", request, (name,))
        with readable("DescribeKeyPairs"):
            answer.body.must_have("KeyPairs")
            names = [row.required("KeyPairName") for row in answer.body.rows("KeyPairs", "KeyPair")]
        return Look(tuple(found for found in names if found == name), answer.date)

    # ------------------------------------------------------------------------------------------------- within

    def _by_ids(
        self, action: str, ids: Sequence[str], shape: Callable[[Row], Shown], key: Callable[[Shown], str]
    ) -> Look[Shown]:
        """Ask for things by id, 100 ids a call; a row that was not asked for means that the answer is another's."""
        field = {"DescribeDisks": "disk_ids", "DescribeInstances": "instance_ids"}.get(action, "snapshot_ids")
        shown: list[Shown] = []
        date = None
        for asked in parts(ids, IDS_A_CALL):
            look = self._pages(action, {field: json.dumps(asked)}, shape, asked)
            if not {key(item) for item in look.shown} <= set(asked):
                raise Unanswered(action)
            shown += look.shown
            date = look.date
        return Look(tuple(shown), date)

    def _pages(
        self,
        action: str,
        query: dict[str, Any],
        shape: Callable[[Row], Shown],
        subject: Sequence[str],
        most: int | None = None,
    ) -> Look[Shown]:
        """Follow NextToken to the end, or for so many pages."""
        fields = {"max_results": _ROWS_A_PAGE, **query}

        def ask(token: str) -> Answer:
            request = request_of(action)(region_id=self._where.region, next_token=token or None, **fields)
            return self._exchange.ecs(action, method_of(action), request, subject)

        shown: list[Shown] = []
        date = None
        complete = False
        for answer, last in islice(pages(action, ask), most):
            shown += self._rows(action, answer, shape)
            date, complete = answer.date, last
        return Look(tuple(shown), date, complete=complete)

    def _numbered_pages(
        self, action: str, field: str, ids: Sequence[str], shape: Callable[[Row], Shown]
    ) -> Look[Shown]:
        """Ask for pages by number: 100 ids a call fit on one."""
        shown: list[Shown] = []
        date = None
        for asked in parts(ids, IDS_A_CALL):
            request = request_of(action)(
                region_id=self._where.region, page_size=_ROWS_A_PAGE, page_number=1, **{field: json.dumps(asked)}
            )
            answer = self._exchange.ecs(action, method_of(action), request, asked)
            shown += self._rows(action, answer, shape)
            date = answer.date
        return Look(tuple(shown), date)

    def _images(self, image_ids: Sequence[str], **query: Any) -> Look[Image]:  # noqa: ANN401
        shown: list[Image] = []
        date = None
        for asked in parts(image_ids, IDS_A_CALL):
            request = models.DescribeImagesRequest(
                region_id=self._where.region,
                image_id=",".join(asked),
                status=_IMAGE_STATUSES,
                page_size=_ROWS_A_PAGE,
                page_number=1,
                **query,
            )
            answer = self._exchange.ecs("DescribeImages", "describe_images", request, asked)
            shown += [image for image in self._rows("DescribeImages", answer, shapes.image) if image.image_id in asked]
            date = answer.date
        return Look(tuple(shown), date)

    def _rows(self, action: str, answer: Answer, shape: Callable[[Row], Shown]) -> list[Shown]:
        outer = action.removeprefix("Describe")
        with readable(action):
            answer.body.must_have(outer)
            return [shape(row) for row in answer.body.rows(outer, outer.removesuffix("s"))]


def parts(ids: Sequence[str], most: int) -> Iterator[list[str]]:
    """Cut ids into lists of at most so many, which is what one call takes."""
    return (list(ids[start : start + most]) for start in range(0, len(ids), most))


def request_of(action: str) -> Callable[..., Any]:
    """Give the SDK's request of an action."""
    request: Callable[..., Any] = getattr(models, f"{action}Request")
    return request


def method_of(action: str) -> str:
    """``DescribeDisks`` -> ``describe_disks``, the SDK's name of the method."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in action).lstrip("_")
