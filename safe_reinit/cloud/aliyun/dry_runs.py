"""What ECS says about a call with DryRun: nothing is changed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ...model import error_codes
from ..interface import Refused
from .calls import batch_query, how_to_stop
from .exchange import Exchange
from .reads import IDS_PER_CALL, parts


class DryRuns:
    """The questions of ``Cloud`` about whether a call would be allowed; ``Cloud`` says what each method means."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._region = exchange.connection.region

    def dry_run(self, action: str, ids: Sequence[str]) -> str:
        """Implement ``Cloud``: for several calls, return the first answer that is not a permission."""
        name = action.removesuffix("OfDisk")
        code = ""
        for some in parts(ids, IDS_PER_CALL):
            query: dict[str, Any] = {
                "DescribeDisks": {"DiskIds": json.dumps(some)},
                "DescribeInstances": {"InstanceIds": json.dumps(some)},
                "DescribeSnapshots": {"SnapshotIds": json.dumps(some)},
                "DescribeSnapshotsOfDisk": {"DiskId": some[0]},
                "DescribeImages": {"ImageId": ",".join(some)},
            }[action]
            code = self._code(name, {"RegionId": self._region, **query}, some)
            if code != "DryRunOperation":
                break
        return code

    def dry_run_stop(self, instance_id: str) -> str:
        """Implement ``Cloud``."""
        return self._code("StopInstance", {"InstanceId": instance_id, **how_to_stop()}, (instance_id,))

    def dry_run_start(self, instance_id: str) -> str:
        """Implement ``Cloud``."""
        return self._code("StartInstance", {"InstanceId": instance_id}, (instance_id,))

    def dry_run_batch(self, action: str, instance_ids: Sequence[str]) -> str:
        """Implement ``Cloud``: for many, a successful DryRun answers DRYRUN.SUCCESS (ECS API reference, StopInstances).

        Asked with AllTogether: with SuccessFirst that is the answer whether or not the request would pass.
        """
        query = batch_query(self._region, instance_ids, "AllTogether") | (
            how_to_stop() if action == "StopInstances" else {}
        )
        code = self._code(action, query, instance_ids)
        return "DryRunOperation" if code == "DRYRUN.SUCCESS" else code

    def dry_run_reset(self, disk_id: str, snapshot_id: str) -> str:
        """Implement ``Cloud``."""
        return self._code("ResetDisk", {"DiskId": disk_id, "SnapshotId": snapshot_id}, (disk_id,))

    def _code(self, action: str, query: Mapping[str, Any], ids: Sequence[str]) -> str:
        """Ask with DryRun, and return the code of the answer.

        A code that any call can get temporarily does not answer the question, so it is asked again. For ResetDisk, such
        codes say that a roll-back is in progress, or why it is refused now.
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
