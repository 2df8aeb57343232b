"""The changing calls, over the SDK: each is sent once, and its answer read strictly."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ...model import Accepted, Options, error_codes
from ..interface import Refused, Unanswered
from . import shapes
from .exchange import Exchange, readable_body

_OWNER = {
    "owner_account": "OwnerAccount",
    "owner_id": "OwnerId",
    "resource_owner_account": "ResourceOwnerAccount",
    "resource_owner_id": "ResourceOwnerId",
}


class ChangingCalls:
    """The changing calls of ``Cloud``; ``Cloud`` says what each method means."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._region = exchange.connection.region

    def stop_instance(self, instance_id: str, *, force: bool = False, attempt: int = 1) -> Accepted:
        """Implement ``Cloud``: always KeepCharging; otherwise a start may find no capacity (ECS API, StopInstances)."""
        return self._change(
            "StopInstance", {"InstanceId": instance_id, **how_to_stop(force=force)}, instance_id, attempt
        )

    def start_instance(self, instance_id: str, *, attempt: int = 1) -> Accepted:
        """Implement ``Cloud``."""
        return self._change("StartInstance", {"InstanceId": instance_id}, instance_id, attempt)

    def stop_instances(
        self, instance_ids: Sequence[str], *, force: bool = False, attempt: int = 1
    ) -> Mapping[str, Accepted | Refused]:
        """Implement ``Cloud``: KeepCharging, as for one instance."""
        query = {**batch_query(self._region, instance_ids, "SuccessFirst"), **how_to_stop(force=force)}
        return self._change_batch("StopInstances", query, instance_ids, attempt)

    def start_instances(self, instance_ids: Sequence[str], *, attempt: int = 1) -> Mapping[str, Accepted | Refused]:
        """Implement ``Cloud``."""
        return self._change_batch(
            "StartInstances", batch_query(self._region, instance_ids, "SuccessFirst"), instance_ids, attempt
        )

    def reinit_disk(self, disk_id: str, options: Options, *, attempt: int = 1, until: float = math.inf) -> Accepted:
        """Implement ``Cloud``."""
        query = {
            "DiskId": disk_id,
            "KeyPairName": options.key_pair or None,
            "Password": options.password.reveal() if options.password else None,
            "SecurityEnhancementStrategy": options.security_enhancement or None,
            **{_OWNER[name]: value for name, value in options.owner},
        }
        return self._change("ReInitDisk", query, disk_id, attempt, until)

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
        """Implement ``Cloud``: instant access is never requested, because it can make ECS refuse ReInitDisk."""
        query = {
            "DiskId": disk_id,
            "SnapshotName": name,
            "Description": description,
            "ClientToken": token,
            "RetentionDays": retention_days,
            "Tag": [{"Key": key, "Value": value} for key, value in tags],
        }
        return self._change("CreateSnapshot", query, disk_id, attempt)

    def reset_disk(self, disk_id: str, snapshot_id: str, *, attempt: int = 1, until: float = math.inf) -> Accepted:
        """Implement ``Cloud``."""
        return self._change("ResetDisk", {"DiskId": disk_id, "SnapshotId": snapshot_id}, disk_id, attempt, until)

    def tag_instance(self, instance_id: str, tag: tuple[str, str], *, attempt: int = 1) -> Accepted:
        """Implement ``Cloud``."""
        query = {**self._of_resource(instance_id), "Tag": [{"Key": tag[0], "Value": tag[1]}]}
        return self._change("TagResources", query, instance_id, attempt)

    def untag_instance(self, instance_id: str, key: str, *, attempt: int = 1) -> Accepted:
        """Implement ``Cloud``."""
        return self._change("UntagResources", {**self._of_resource(instance_id), "TagKey": [key]}, instance_id, attempt)

    def _of_resource(self, instance_id: str) -> dict[str, Any]:
        return {"RegionId": self._region, "ResourceType": "instance", "ResourceId": [instance_id]}

    def _change(
        self, action: str, query: Mapping[str, Any], subject: str, attempt: int, until: float = math.inf
    ) -> Accepted:
        answer = self._exchange.ecs(action, query, (subject,), changing=True, attempt=attempt, until=until)
        with readable_body(action):
            if action == "CreateSnapshot":
                return Accepted(answer.request_id, answer.body.required("SnapshotId"))
            return Accepted(answer.request_id)

    def _change_batch(
        self,
        action: str,
        query: Mapping[str, Any],
        ids: Sequence[str],
        attempt: int,
    ) -> Mapping[str, Accepted | Refused]:
        """Return the answer for each; one that is missing, answered twice, or whose number is not a code, has none.

        200 is the code of success (ECS API reference, StopInstances). No other number is documented.
        """
        answer = self._exchange.ecs(action, query, ids, changing=True, attempt=attempt)
        codes: dict[str, set[str]] = {}
        with readable_body(action):
            items = answer.body.list("InstanceResponses", "InstanceResponse")
        rows, unreadable = shapes.rows(action, items, shapes.instance_response)
        for instance_id, code in rows:
            codes.setdefault(instance_id, set()).add(code)
        doubtful = {row.subject for row in unreadable}
        if not set(codes) | doubtful <= {*ids, ""}:
            raise Unanswered(action, "a row is for a resource that was not asked for")
        of_each = {
            instance_id: min(own) for instance_id, own in codes.items() if len(own) == 1 and instance_id not in doubtful
        }
        return {
            instance_id: Accepted(answer.request_id)
            if code == "200"
            else Refused(code, 403, error_codes.meaning_of(action, code), answer.request_id, action=action)
            for instance_id, code in of_each.items()
            if code == "200" or not code.isdigit()
        }


def batch_query(region: str, instance_ids: Sequence[str], batch: str) -> dict[str, Any]:
    """Return the parameters of a call about several instances."""
    return {"RegionId": region, "InstanceId": list(instance_ids), "BatchOptimization": batch}


def how_to_stop(*, force: bool = False) -> dict[str, Any]:
    """Return the parameters of every stop: always KeepCharging, because otherwise the start may find no capacity."""
    return {"ForceStop": force, "StoppedMode": "KeepCharging"}
