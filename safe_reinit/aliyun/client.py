"""The acts and the dry runs of a run, over the SDK; the looks are beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from .. import codes
from ..cloud import Accepted, OnCall, Refused, Unanswered
from ..model import Options
from . import shapes
from .endpoints import Where
from .exchange import Exchange, readable
from .looks import IDS_A_CALL, Looks, method_of, parts, request_of
from .others import OtherLooks
from .sdk import models


class Aliyun(Looks, OtherLooks):
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

    # ------------------------------------------------------------------------------------------------ dry runs

    def may(self, action: str, ids: Sequence[str]) -> str:
        """See ``Cloud``: of several calls the first answer that is not of a permitted one."""
        name = action.removesuffix("OfDisk")
        code = ""
        for asked in parts(ids, IDS_A_CALL):
            fields: dict[str, Any] = {
                "DescribeDisks": {"disk_ids": json.dumps(asked)},
                "DescribeInstances": {"instance_ids": json.dumps(asked)},
                "DescribeSnapshots": {"snapshot_ids": json.dumps(asked)},
                "DescribeSnapshotsOfDisk": {"disk_id": asked[0]},
                "DescribeImages": {"image_id": ",".join(asked)},
            }[action]
            request = request_of(name)(region_id=self._where.region, dry_run=True, **fields)
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

    def may_many(self, action: str, instance_ids: Sequence[str]) -> str:
        """See ``Cloud``: for many the success of a DryRun is DRYRUN.SUCCESS (ECS API reference, StopInstances)."""
        if action == "StopInstances":
            request = self._stop_many(instance_ids, dry_run=True)
        else:
            request = self._start_many(instance_ids, dry_run=True)
        code = self._code(action, request, instance_ids)
        return "DryRunOperation" if code == "DRYRUN.SUCCESS" else code

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

    def stop_many(
        self, instance_ids: Sequence[str], *, force: bool = False, attempt: int = 1
    ) -> Mapping[str, Accepted | Refused]:
        """See ``Cloud``: KeepCharging as for one."""
        return self._many("StopInstances", self._stop_many(instance_ids, force=force), instance_ids, attempt)

    def start_many(self, instance_ids: Sequence[str], *, attempt: int = 1) -> Mapping[str, Accepted | Refused]:
        """See ``Cloud``."""
        return self._many("StartInstances", self._start_many(instance_ids), instance_ids, attempt)

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

    def _stop_many(self, ids: Sequence[str], *, force: bool = False, dry_run: bool = False) -> Any:  # noqa: ANN401
        return models.StopInstancesRequest(
            region_id=self._where.region,
            instance_id=list(ids),
            force_stop=force,
            stopped_mode="KeepCharging",
            batch_optimization="SuccessFirst",
            dry_run=dry_run or None,
        )

    def _start_many(self, ids: Sequence[str], *, dry_run: bool = False) -> Any:  # noqa: ANN401
        return models.StartInstancesRequest(
            region_id=self._where.region,
            instance_id=list(ids),
            batch_optimization="SuccessFirst",
            dry_run=dry_run or None,
        )

    def _act(self, action: str, request: Any, subject: str, attempt: int) -> Accepted:  # noqa: ANN401
        answer = self._exchange.ecs(action, method_of(action), request, (subject,), changing=True, attempt=attempt)
        with readable(action):
            if action == "CreateSnapshot":
                return Accepted(answer.request_id, answer.body.required("SnapshotId"))
            return Accepted(answer.request_id)

    def _many(
        self,
        action: str,
        request: Any,  # noqa: ANN401
        ids: Sequence[str],
        attempt: int,
    ) -> Mapping[str, Accepted | Refused]:
        """Give how each was answered; one that is not told of, or in two ways, or by a number that is no code, is not.

        200 is the code of success (ECS API reference, StopInstances). No other number is documented.
        """
        answer = self._exchange.ecs(action, method_of(action), request, ids, changing=True, attempt=attempt)
        said: dict[str, set[str]] = {}
        with readable(action):
            items = answer.body.list("InstanceResponses", "InstanceResponse")
        told, unreadable = shapes.rows(action, items, shapes.instance_response)
        for instance_id, code in told:
            said.setdefault(instance_id, set()).add(code)
        doubtful = {row.subject for row in unreadable}
        if not set(said) | doubtful <= {*ids, ""}:
            raise Unanswered(action, "a row is of something that was not asked for")
        of_each = {
            instance_id: min(found)
            for instance_id, found in said.items()
            if len(found) == 1 and instance_id not in doubtful
        }
        return {
            instance_id: Accepted(answer.request_id)
            if code == "200"
            else Refused(code, 403, codes.meaning_of(code), answer.request_id, action=action)
            for instance_id, code in of_each.items()
            if code == "200" or not code.isdigit()
        }

    def _code(self, action: str, request: Any, ids: Sequence[str]) -> str:  # noqa: ANN401
        try:
            self._exchange.ecs(action, method_of(action), request, ids)
        except Refused as refused:
            if codes.throttled(refused.code) or refused.http_status >= 500:
                raise  # no answer to the question; it may be asked again
            return refused.code
        return "OK"
