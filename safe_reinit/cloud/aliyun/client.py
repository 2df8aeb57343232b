"""The acts and the dry runs of a run, over the SDK; the Describe calls are in ``describing``."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from ...model import Accepted, Options, error_codes
from ..connection import Where
from ..interface import MaySend, OnCall, Refused, Unanswered
from . import shapes
from .describing import IDS_A_CALL, Describing, parts
from .exchange import Exchange, readable
from .other_products import OtherLooks

_OWNER = {
    "owner_account": "OwnerAccount",
    "owner_id": "OwnerId",
    "resource_owner_account": "ResourceOwnerAccount",
    "resource_owner_id": "ResourceOwnerId",
}


class Aliyun(Describing, OtherLooks):
    """``Cloud`` over the real SDK; see the protocol for what each method means. Safe to use from several threads."""

    def __init__(self, where: Where, on_call: OnCall, may_send: MaySend = lambda _action: "") -> None:
        self._where = where
        self._exchange = Exchange(where, on_call, may_send)

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
            query: dict[str, Any] = {
                "DescribeDisks": {"DiskIds": json.dumps(asked)},
                "DescribeInstances": {"InstanceIds": json.dumps(asked)},
                "DescribeSnapshots": {"SnapshotIds": json.dumps(asked)},
                "DescribeSnapshotsOfDisk": {"DiskId": asked[0]},
                "DescribeImages": {"ImageId": ",".join(asked)},
            }[action]
            code = self._code(name, {"RegionId": self._where.region, **query}, asked)
            if code != "DryRunOperation":
                break
        return code

    def may_stop(self, instance_id: str) -> str:
        """See ``Cloud``."""
        return self._code("StopInstance", {"InstanceId": instance_id, **_stop()}, (instance_id,))

    def may_start(self, instance_id: str) -> str:
        """See ``Cloud``."""
        return self._code("StartInstance", {"InstanceId": instance_id}, (instance_id,))

    def may_many(self, action: str, instance_ids: Sequence[str]) -> str:
        """See ``Cloud``: for many the success of a DryRun is DRYRUN.SUCCESS (ECS API reference, StopInstances).

        Asked AllTogether: with SuccessFirst that is the answer whether or not the request passes.
        """
        query = self._of_many(instance_ids, "AllTogether") | (_stop() if action == "StopInstances" else {})
        code = self._code(action, query, instance_ids)
        return "DryRunOperation" if code == "DRYRUN.SUCCESS" else code

    def may_reset(self, disk_id: str, snapshot_id: str) -> str:
        """See ``Cloud``."""
        return self._code("ResetDisk", {"DiskId": disk_id, "SnapshotId": snapshot_id}, (disk_id,))

    # --------------------------------------------------------------------------------------------------- acts

    def stop(self, instance_id: str, *, force: bool = False, attempt: int = 1) -> Accepted:
        """See ``Cloud``: KeepCharging always, or the start could find no stock (ECS API reference, StopInstances)."""
        return self._act("StopInstance", {"InstanceId": instance_id, **_stop(force=force)}, instance_id, attempt)

    def start(self, instance_id: str, *, attempt: int = 1) -> Accepted:
        """See ``Cloud``."""
        return self._act("StartInstance", {"InstanceId": instance_id}, instance_id, attempt)

    def stop_many(
        self, instance_ids: Sequence[str], *, force: bool = False, attempt: int = 1
    ) -> Mapping[str, Accepted | Refused]:
        """See ``Cloud``: KeepCharging as for one."""
        query = {**self._of_many(instance_ids, "SuccessFirst"), **_stop(force=force)}
        return self._many("StopInstances", query, instance_ids, attempt)

    def start_many(self, instance_ids: Sequence[str], *, attempt: int = 1) -> Mapping[str, Accepted | Refused]:
        """See ``Cloud``."""
        return self._many("StartInstances", self._of_many(instance_ids, "SuccessFirst"), instance_ids, attempt)

    def reinit(self, disk_id: str, options: Options, *, attempt: int = 1, until: float = math.inf) -> Accepted:
        """See ``Cloud``."""
        query = {
            "DiskId": disk_id,
            "KeyPairName": options.key_pair or None,
            "Password": options.password.reveal() if options.password else None,
            "SecurityEnhancementStrategy": options.security_enhancement or None,
            **{_OWNER[name]: value for name, value in options.owner},
        }
        return self._act("ReInitDisk", query, disk_id, attempt, until)

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
        query = {
            "DiskId": disk_id,
            "SnapshotName": name,
            "Description": description,
            "ClientToken": token,
            "RetentionDays": retention_days,
            "Tag": [{"Key": key, "Value": value} for key, value in tags],
        }
        return self._act("CreateSnapshot", query, disk_id, attempt)

    def reset_disk(self, disk_id: str, snapshot_id: str, *, attempt: int = 1, until: float = math.inf) -> Accepted:
        """See ``Cloud``."""
        return self._act("ResetDisk", {"DiskId": disk_id, "SnapshotId": snapshot_id}, disk_id, attempt, until)

    def tag(self, instance_id: str, tag: tuple[str, str], *, attempt: int = 1) -> Accepted:
        """See ``Cloud``."""
        query = {**self._of_resource(instance_id), "Tag": [{"Key": tag[0], "Value": tag[1]}]}
        return self._act("TagResources", query, instance_id, attempt)

    def untag(self, instance_id: str, key: str, *, attempt: int = 1) -> Accepted:
        """See ``Cloud``."""
        return self._act("UntagResources", {**self._of_resource(instance_id), "TagKey": [key]}, instance_id, attempt)

    # ------------------------------------------------------------------------------------------------- within

    def _of_many(self, instance_ids: Sequence[str], batch: str) -> dict[str, Any]:
        return {"RegionId": self._where.region, "InstanceId": list(instance_ids), "BatchOptimization": batch}

    def _of_resource(self, instance_id: str) -> dict[str, Any]:
        return {"RegionId": self._where.region, "ResourceType": "instance", "ResourceId": [instance_id]}

    def _act(
        self, action: str, query: Mapping[str, Any], subject: str, attempt: int, until: float = math.inf
    ) -> Accepted:
        answer = self._exchange.ecs(action, query, (subject,), changing=True, attempt=attempt, until=until)
        with readable(action):
            if action == "CreateSnapshot":
                return Accepted(answer.request_id, answer.body.required("SnapshotId"))
            return Accepted(answer.request_id)

    def _many(
        self,
        action: str,
        query: Mapping[str, Any],
        ids: Sequence[str],
        attempt: int,
    ) -> Mapping[str, Accepted | Refused]:
        """Give how each was answered; one that is not told of, or in two ways, or by a number that is no code, is not.

        200 is the code of success (ECS API reference, StopInstances). No other number is documented.
        """
        answer = self._exchange.ecs(action, query, ids, changing=True, attempt=attempt)
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
            else Refused(code, 403, error_codes.meaning_of(action, code), answer.request_id, action=action)
            for instance_id, code in of_each.items()
            if code == "200" or not code.isdigit()
        }

    def _code(self, action: str, query: Mapping[str, Any], ids: Sequence[str]) -> str:
        """Ask with DryRun, and return the code of the answer.

        A code that may pass at every call is no answer to the question, which is asked again. Of ResetDisk such codes
        say that a roll-back is in progress, or why it is refused now.
        """
        try:
            self._exchange.ecs(action, {**query, "DryRun": True}, ids)
        except Refused as refused:
            may_pass = action != "ResetDisk" and error_codes.passes(
                error_codes.EVERY, refused.code, refused.http_status
            )
            if may_pass or error_codes.throttled(refused.code) or refused.http_status >= 500:
                raise
            return refused.code
        return "OK"


def _stop(*, force: bool = False) -> dict[str, Any]:
    return {"ForceStop": force, "StoppedMode": "KeepCharging"}
