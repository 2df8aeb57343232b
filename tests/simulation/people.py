"""Other people and the account: what they do to the simulated ECS, whatever the program does.

Nothing here knows the program. Most of it is what ``POST /_simulator/do`` does; the rest changes the simulator itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from safe_reinit.simulator import operator_actions
from safe_reinit.simulator.engine import Engine
from safe_reinit.simulator.errors import Refusal
from safe_reinit.simulator.operator_actions import CannotDo, Operator
from safe_reinit.simulator.state import wiping
from safe_reinit.simulator.state.model import Instance

LOCK_TAG = "safe-reinit:run"
OTHER_ACCOUNT = "2000000000000002"


def do(engine: Engine, action: Mapping[str, Any]) -> None:
    """Do one thing.

    Raises:
        CannotDo: it cannot be done now; the text says why.
    """
    name = next(iter(action))
    own = _OWN.get(name)
    try:
        if own is None:
            engine.do(action)
        else:
            own(engine.operator(), action)
            engine.tick()
    except Refusal as refusal:
        raise CannotDo(f"ECS refuses with {refusal.code}.") from None


def _wipe(operator: Operator, action: Mapping[str, Any]) -> None:
    """Wipe a disk from elsewhere."""
    disk = operator.disk(action["wipe"])
    wiping.may_reinit(operator.cloud, disk, wiping.WipeOptions(), operator.now)
    wiping.reinit(operator.cloud, disk, wiping.WipeOptions(), operator.now, operator.new_request_id())
    operator.log("ReInitDisk", disk.id)


def _tag(operator: Operator, action: Mapping[str, Any]) -> None:
    """Set tags of an instance, or take away those whose value is null."""
    instance = operator.instance(action["tag"])
    tags = {name: value for name, value in {**instance.tags, **action["to"]}.items() if value is not None}
    operator.cloud.put_instance(replace(instance, tags=tags), operator.now)
    operator.log("TagResources", instance.id)


def _key(operator: Operator, action: Mapping[str, Any]) -> None:
    """Let a key expire, or work again."""
    keys, name, to = operator.cloud.keys, action["key"], action["to"]
    if to not in ("expired", "valid"):
        raise CannotDo(f"A key cannot become {to}.")
    keys[name] = replace(keys[name], expires=operator.now if to == "expired" else None)


def _delete_snapshots(operator: Operator, action: Mapping[str, Any]) -> None:
    """Delete every snapshot of a disk, by whatever name."""
    for row in list(operator.cloud.snapshots):
        if row.disk_id == action["delete_snapshots"] and row.status != "Deleted":
            operator_actions.delete_snapshot(operator, row.id, {})


_OWN: Mapping[str, Callable[[Operator, Mapping[str, Any]], None]] = {
    "wipe": _wipe, "tag": _tag, "key": _key, "delete_snapshots": _delete_snapshots,
}  # fmt: skip
"""What the console does not know, by name."""


def keep_start_time(engine: Engine) -> None:
    """Let StartTime stay as it is at each start by somebody else (S3 broken)."""
    cloud, put = engine.cloud, engine.cloud.put_instance
    shown = {row.id: row.start_time for row in cloud.instances}

    def as_before(row: Instance, at: float) -> None:
        starts = [call for call in engine.calls if call.action.startswith("Start") and row.id in call.subject]
        if row.status == "Running" and starts and starts[-1].source == "console":
            row = replace(row, start_time=shown[row.id])
        shown[row.id] = row.start_time
        put(row, at)

    cloud.put_instance = as_before  # type: ignore[method-assign]


def restore_rights(engine: Engine) -> None:
    """Let every key be good for everything."""
    for name, key in list(engine.cloud.keys.items()):
        engine.cloud.keys[name] = replace(key, expires=None, denials=())


def change_lag(engine: Engine, seconds: float) -> None:
    """Let lists be so many seconds old from now on (S2 broken: the lag is not constant)."""
    cloud = engine.cloud
    for table in (cloud.disks, cloud.instances, cloud.snapshots):
        table._lag = seconds
