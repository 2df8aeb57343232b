"""The looks and the acts of a run, over the SDK."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from alibabacloud_ecs20140526 import models

from .. import codes
from ..cloud import Accepted, Look, OnCall, Refused, Unanswered
from ..model import Caller, Disk, Image, Instance, Options, Snapshot, SnapshotLink
from . import shapes
from .endpoints import Where
from .exchange import Answer, Api, Exchange
from .exchange import readable as _readable
from .others import OtherLooks
from .shapes import Row

Shown = TypeVar("Shown")

_IDS_A_CALL = 100
_ROWS_A_PAGE = 100
_IMAGE_STATUSES = "Creating,Waiting,Available,UnAvailable,CreateFailed,Deprecated"


class Aliyun(OtherLooks):
    """``Cloud`` over the real SDK; see the protocol for what each method means. Safe to use from several threads."""

    def __init__(self, where: Where, on_call: OnCall) -> None:
        self._where = where
        self._exchange = Exchange(where, on_call)

    @property
    def loopback(self) -> bool:
        """See ``Cloud``."""
        return self._where.loopback

    def close(self) -> None:
        """Close the connections."""
        self._exchange.close()

    # -------------------------------------------------------------------------------------------------- looks

    def caller(self) -> Look[Caller]:
        """See ``Cloud``."""
        answer = self._exchange.other(Api("sts", "2015-04-01", "GetCallerIdentity"), "sts.aliyuncs.com", {})
        with _readable("GetCallerIdentity"):
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
        with _readable("DescribeKeyPairs"):
            answer.body.must_have("KeyPairs")
            names = [row.required("KeyPairName") for row in answer.body.rows("KeyPairs", "KeyPair")]
        return Look(tuple(found for found in names if found == name), answer.date)

    # ------------------------------------------------------------------------------------------------ dry runs

    def may(self, action: str, ids: Sequence[str]) -> str:
        """See ``Cloud``: of several calls the first answer that is not of a permitted one."""
        name = action.removesuffix("OfDisk")
        code = ""
        for start in range(0, len(ids), _IDS_A_CALL):
            asked = list(ids[start : start + _IDS_A_CALL])
            fields: dict[str, Any] = {
                "DescribeDisks": {"disk_ids": json.dumps(asked)},
                "DescribeInstances": {"instance_ids": json.dumps(asked)},
                "DescribeSnapshots": {"snapshot_ids": json.dumps(asked)},
                "DescribeSnapshotsOfDisk": {"disk_id": asked[0]},
                "DescribeImages": {"image_id": ",".join(asked)},
            }[action]
            request = _request(name)(region_id=self._where.region, dry_run=True, **fields)
            code = self._code(name, request, asked)
            if code != "DryRunOperation":
                break
        return code

    def may_stop(self, instance_id: str) -> str:
        """See ``Cloud``."""
        return self._code("StopInstance", self._stop(instance_id, dry_run=True), (instance_id,))

    def may_start(self, instance_id: str) -> str:
        """See ``Cloud``."""
        request = models.StartInstanceRequest(instance_id=instance_id, dry_run=True)
        return self._code("StartInstance", request, (instance_id,))

    def may_reset(self, disk_id: str, snapshot_id: str) -> str:
        """See ``Cloud``."""
        request = models.ResetDiskRequest(disk_id=disk_id, snapshot_id=snapshot_id, dry_run=True)
        return self._code("ResetDisk", request, (disk_id,))

    # --------------------------------------------------------------------------------------------------- acts

    def stop(self, instance_id: str, *, force: bool = False, attempt: int = 1) -> Accepted:
        """See ``Cloud``: KeepCharging always, or the start could find no stock (ECS API reference, StopInstances)."""
        return self._act("StopInstance", self._stop(instance_id, force=force), instance_id, attempt)

    def start(self, instance_id: str, *, attempt: int = 1) -> Accepted:
        """See ``Cloud``."""
        return self._act("StartInstance", models.StartInstanceRequest(instance_id=instance_id), instance_id, attempt)

    def stop_many(self, instance_ids: Sequence[str], *, force: bool = False) -> Mapping[str, Accepted | Refused]:
        """See ``Cloud``: KeepCharging as for one."""
        request = models.StopInstancesRequest(
            region_id=self._where.region,
            instance_id=list(instance_ids),
            force_stop=force,
            stopped_mode="KeepCharging",
            batch_optimization="SuccessFirst",
        )
        return self._many("StopInstances", request, instance_ids)

    def start_many(self, instance_ids: Sequence[str]) -> Mapping[str, Accepted | Refused]:
        """See ``Cloud``."""
        request = models.StartInstancesRequest(
            region_id=self._where.region, instance_id=list(instance_ids), batch_optimization="SuccessFirst"
        )
        return self._many("StartInstances", request, instance_ids)

    def reinit(self, disk_id: str, options: Options, *, attempt: int = 1) -> Accepted:
        """See ``Cloud``."""
        request = models.ReInitDiskRequest(
            disk_id=disk_id,
            key_pair_name=options.key_pair or None,
            password=options.password.reveal() if options.password else None,
            security_enhancement_strategy=options.security_enhancement or None,
            **dict(options.owner),
        )
        return self._act("ReInitDisk", request, disk_id, attempt)

    def create_snapshot(  # noqa: PLR0913 - the parameters of CreateSnapshot
        self,
        disk_id: str,
        *,
        name: str,
        description: str,
        token: str,
        retention_days: int | None,
        tags: Sequence[tuple[str, str]],
        attempt: int = 1,
    ) -> Accepted:
        """See ``Cloud``: instant access is never asked for, since it can make ReInitDisk refuse."""
        request = models.CreateSnapshotRequest(
            disk_id=disk_id,
            snapshot_name=name,
            description=description,
            client_token=token,
            retention_days=retention_days,
            tag=[models.CreateSnapshotRequestTag(key=key, value=value) for key, value in tags],
        )
        return self._act("CreateSnapshot", request, disk_id, attempt)

    def reset_disk(self, disk_id: str, snapshot_id: str, *, attempt: int = 1) -> Accepted:
        """See ``Cloud``."""
        request = models.ResetDiskRequest(disk_id=disk_id, snapshot_id=snapshot_id)
        return self._act("ResetDisk", request, disk_id, attempt)

    def tag(self, instance_id: str, tag: tuple[str, str], *, attempt: int = 1) -> Accepted:
        """See ``Cloud``."""
        key, value = tag
        request = models.TagResourcesRequest(
            region_id=self._where.region,
            resource_type="instance",
            resource_id=[instance_id],
            tag=[models.TagResourcesRequestTag(key=key, value=value)],
        )
        return self._act("TagResources", request, instance_id, attempt)

    def untag(self, instance_id: str, key: str, *, attempt: int = 1) -> Accepted:
        """See ``Cloud``."""
        request = models.UntagResourcesRequest(
            region_id=self._where.region, resource_type="instance", resource_id=[instance_id], tag_key=[key]
        )
        return self._act("UntagResources", request, instance_id, attempt)

    # ------------------------------------------------------------------------------------------------- within

    def _stop(self, instance_id: str, *, force: bool = False, dry_run: bool = False) -> Any:  # noqa: ANN401
        return models.StopInstanceRequest(
            instance_id=instance_id, force_stop=force, stopped_mode="KeepCharging", dry_run=dry_run or None
        )

    def _act(self, action: str, request: Any, subject: str, attempt: int) -> Accepted:  # noqa: ANN401
        answer = self._exchange.ecs(action, _method(action), request, (subject,), changing=True, attempt=attempt)
        with _readable(action):
            if action == "CreateSnapshot":
                return Accepted(answer.request_id, answer.body.required("SnapshotId"))
            return Accepted(answer.request_id)

    def _many(self, action: str, request: Any, ids: Sequence[str]) -> Mapping[str, Accepted | Refused]:  # noqa: ANN401
        answer = self._exchange.ecs(action, _method(action), request, ids, changing=True)
        with _readable(action):
            rows = answer.body.rows("InstanceResponses", "InstanceResponse")
            of_each = {row.required("InstanceId"): row.code("Code") for row in rows}
        if not set(of_each) <= set(ids):
            raise Unanswered(action)
        return {
            instance_id: Accepted(answer.request_id)
            if code == "200"
            else Refused(code, 403, codes.meaning_of(code), answer.request_id, action=action)
            for instance_id, code in of_each.items()
        }

    def _code(self, action: str, request: Any, ids: Sequence[str]) -> str:  # noqa: ANN401
        try:
            self._exchange.ecs(action, _method(action), request, ids)
        except Refused as refused:
            if codes.throttled(refused.code) or refused.http_status >= 500:
                raise  # no answer to the question; it may be asked again
            return refused.code
        return "OK"

    def _by_ids(
        self, action: str, ids: Sequence[str], shape: Callable[[Row], Shown], key: Callable[[Shown], str]
    ) -> Look[Shown]:
        """Ask for things by id, 100 ids a call; a row that was not asked for means that the answer is another's."""
        field = {"DescribeDisks": "disk_ids", "DescribeInstances": "instance_ids"}.get(action, "snapshot_ids")
        shown: list[Shown] = []
        date = None
        for start in range(0, len(ids), _IDS_A_CALL):
            asked = list(ids[start : start + _IDS_A_CALL])
            look = self._pages(action, {field: json.dumps(asked)}, shape, asked)
            if not {key(item) for item in look.shown} <= set(asked):
                raise Unanswered(action)
            shown += look.shown
            date = look.date
        return Look(tuple(shown), date)

    def _pages(
        self, action: str, query: dict[str, Any], shape: Callable[[Row], Shown], subject: Sequence[str]
    ) -> Look[Shown]:
        """Follow NextToken to the end."""
        shown: list[Shown] = []
        tokens = [""]
        while True:
            request = _request(action)(
                region_id=self._where.region, max_results=_ROWS_A_PAGE, next_token=tokens[-1] or None, **query
            )
            answer = self._exchange.ecs(action, _method(action), request, subject)
            shown += self._rows(action, answer, shape)
            with _readable(action):
                token = answer.body.text("NextToken")
            if not token:
                return Look(tuple(shown), answer.date)
            if token in tokens:
                raise Unanswered(action)
            tokens.append(token)

    def _numbered_pages(
        self, action: str, field: str, ids: Sequence[str], shape: Callable[[Row], Shown]
    ) -> Look[Shown]:
        """Ask for pages by number: 100 ids a call fit on one."""
        shown: list[Shown] = []
        date = None
        for start in range(0, len(ids), _IDS_A_CALL):
            asked = list(ids[start : start + _IDS_A_CALL])
            request = _request(action)(
                region_id=self._where.region, page_size=_ROWS_A_PAGE, page_number=1, **{field: json.dumps(asked)}
            )
            answer = self._exchange.ecs(action, _method(action), request, asked)
            shown += self._rows(action, answer, shape)
            date = answer.date
        return Look(tuple(shown), date)

    def _images(self, image_ids: Sequence[str], **query: Any) -> Look[Image]:  # noqa: ANN401
        shown: list[Image] = []
        date = None
        for start in range(0, len(image_ids), _IDS_A_CALL):
            asked = list(image_ids[start : start + _IDS_A_CALL])
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
        with _readable(action):
            answer.body.must_have(outer)
            return [shape(row) for row in answer.body.rows(outer, outer.removesuffix("s"))]


def _request(action: str) -> Callable[..., Any]:
    request: Callable[..., Any] = getattr(models, f"{action}Request")
    return request


def _method(action: str) -> str:
    """``DescribeDisks`` -> ``describe_disks``, the SDK's name of the method."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in action).lstrip("_")
