"""What goes over the Temporal server and stays in its histories: ids, facts and decisions as JSON, never a secret.

Members that are as they are by default are left out, so that a history stays small and a later version may add some.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

from .. import changes
from ..changes import Noted
from ..model import (
    LOCK_TAG,
    Action,
    Disk,
    Event,
    Failure,
    Instance,
    Observation,
    Plan,
    PlannedJob,
    Record,
    Send,
    Snapshot,
)
from ..model.codec import DecodeError, decode, encode, timestamp, to_moment

T = TypeVar("T")
Json = dict[str, Any]

_CHANGES: dict[str, type[Any]] = {
    cls.__name__: cls
    for cls in (
        changes.Learn, changes.Intend, changes.Assume, changes.Withdraw, changes.Stuck, changes.Accept, changes.Refuse,
        changes.Foresee, changes.Lose, changes.Fail, changes.Interrupt,
    )
}  # fmt: skip


def write(value: object) -> Any:  # noqa: ANN401 - JSON
    """Write one of our values, without the members that are as they are by default."""
    if isinstance(value, Observation):
        return _write_look(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {
            each.name.removesuffix("_"): write(getattr(value, each.name))
            for each in fields(value)
            if each.default is MISSING or getattr(value, each.name) != each.default
        }
    if isinstance(value, Mapping):
        return {str(key): write(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [write(item) for item in value]
    return encode(value)


def read(kind: type[T], data: object) -> T:
    """Read a value back.

    Raises:
        DecodeError: it is of another shape.
    """
    return decode(kind, data)


# ------------------------------------------------------------------------------------------------------------ looks


def _write_look(seen: Observation) -> Json:
    """Write what decides of a look, and nothing else of the machine."""
    told: Json = {"at": seen.at, "when": timestamp(seen.when), "seen": seen.seen}
    if seen.instance is not None:
        one = seen.instance
        tag = dict(one.tags).get(LOCK_TAG)
        told["instance"] = {"id": one.instance_id, "status": one.status, "start": _moment(one.start_time), "tag": tag}
    told["disks"] = {
        each.disk_id: {"status": each.status, "on": each.instance_id, "attached": _moment(each.attached_time)}
        for each in seen.disks.values()
    }
    told["progressing"] = [_write_snapshot(each) for each in seen.progressing]
    told["snapshots"] = [_write_snapshot(each) for each in seen.snapshots.values()]
    if seen.credentials_refused:
        told["refused"] = seen.credentials_refused
    return told


def read_look(data: Mapping[str, Any]) -> Observation:
    """Read a look back: of its things only what decides is there."""
    one = data.get("instance")
    shots = [_read_snapshot(each) for each in data["snapshots"]]
    return Observation(
        at=float(data["at"]),
        when=to_moment(data["when"], "$.when"),
        seen=bool(data["seen"]),
        instance=None if one is None else _instance(one),
        disks={name: _disk(name, each) for name, each in data["disks"].items()},
        progressing=tuple(_read_snapshot(each) for each in data["progressing"]),
        snapshots={each.snapshot_id: each for each in shots},
        credentials_refused=data.get("refused"),
    )


def _moment(when: datetime | None) -> str | None:
    return timestamp(when) if when else None


def _when(text: str | None) -> datetime | None:
    return to_moment(text, "$") if text else None


def _write_snapshot(shot: Snapshot) -> Json:
    return {"id": shot.snapshot_id, "of": shot.source_disk_id, "status": shot.status, "progress": shot.progress}


def _read_snapshot(data: Mapping[str, Any]) -> Snapshot:
    return _blank(
        Snapshot,
        snapshot_id=data["id"],
        source_disk_id=data["of"],
        status=data["status"],
        progress=data["progress"],
        tags=(),
    )


def _instance(data: Mapping[str, Any]) -> Instance:
    tags = ((LOCK_TAG, data["tag"]),) if data["tag"] is not None else ()
    return _blank(Instance, instance_id=data["id"], status=data["status"], start_time=_when(data["start"]), tags=tags)


def _disk(name: str, data: Mapping[str, Any]) -> Disk:
    return _blank(
        Disk, disk_id=name, status=data["status"], instance_id=data["on"], attached_time=_when(data["attached"])
    )


def _blank(kind: type[T], **known: Any) -> T:  # noqa: ANN401 - members of a value
    """Make a value of which no other member is looked at."""
    return kind(**{**{each.name: None for each in fields(kind)}, **known})  # type: ignore[arg-type]


# ---------------------------------------------------------------------------------------------- decisions and changes


def write_action(action: Action) -> Json:
    """Write what was decided."""
    return {"kind": type(action).__name__, **write(action)}


def read_send(data: Mapping[str, Any]) -> Send:
    """Read a call back that was decided."""
    return read(Send, {name: each for name, each in data.items() if name != "kind"})


def write_change(change: Noted) -> Json:
    """Write a change of a record."""
    return {"kind": type(change).__name__, **write(change)}


def read_change(data: Mapping[str, Any]) -> Noted:
    """Read a change back.

    Raises:
        DecodeError: it is none that this version knows.
    """
    kind = _CHANGES.get(str(data.get("kind")))
    if kind is None:
        raise DecodeError("At $.kind: not a change.")
    members = {name: each for name, each in data.items() if name != "kind"}
    seen = members.pop("seen", None)
    refuse = members.pop("refuse", None)
    more: Json = {}
    if seen is not None:
        more["seen"] = read_look(seen)
    if refuse is not None:
        more["refuse"] = read(changes.Refuse, refuse)
    if more:
        if "send" in members:
            more["send"] = read(Send, members["send"])
        return kind(**more)  # type: ignore[no-any-return]
    return read(kind, members)  # type: ignore[no-any-return]


def read_event(data: Mapping[str, Any]) -> Event:
    """Read an event back; what it tells is JSON already."""
    named = {name: data.get(name) for name in ("run_id", "instance_id", "disk_id")}
    return Event(to_moment(data["at"], "$.at"), event=data["event"], data=data.get("data", {}), **named)


def turning(known: Record, asked: Mapping[str, Any]) -> Noted | None:
    """Give what turns a job back that is to end, or that was let begin and is not to begin any more."""
    if asked.get("interrupted"):
        return changes.Interrupt()
    if asked.get("never") and not known.touched:
        hint = "Plan these disks anew when you want them wiped."
        return changes.Fail(Failure(None, f"Not begun: {asked['never']}.", hint=hint))
    return None


# ------------------------------------------------------------------------------------------------------------- plans


def head(plan: Plan, job: PlannedJob) -> Json:
    """Write of a plan what one of its jobs needs: its options, guards and limits, and what was found of it alone."""
    own = {job.instance_id, *(disk.disk_id for disk in job.disks)}
    kept = tuple(found for found in plan.findings if found.check == "not-looked-at" or found.subject in own)
    return write(replace(plan, jobs=(job,), findings=kept, skipped=(), skipped_findings=()))  # type: ignore[no-any-return]


def read_head(data: Mapping[str, Any]) -> Plan:
    """Read it back.

    Raises:
        DecodeError: it was made with a password, which goes nowhere.
    """
    if data["options"].get("password"):
        raise DecodeError("At $.options.password: a password is in no payload.")
    return read(Plan, data)
