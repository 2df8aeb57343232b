"""The documents that commands print as JSON, other than the report and events, and the schema of each."""

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, NotRequired, get_origin, get_type_hints, is_typeddict

from ..journal import AuditEntry
from ..model import EVENTS, Finding, Report
from ..model.written import UNWRITTEN
from ..verification.document import Verification
from .explain import Checks, Explained


@dataclass(frozen=True)
class ListedHolder:
    """Who holds an open run."""

    user: str
    host: str
    pid: int
    alive: bool
    """Whether nobody else may take the run yet."""
    silent: bool
    """Whether a holder with a valid lease may still be dead: it should have renewed its lease, but has not."""
    silent_for: float
    """Seconds since it renewed its lease."""


@dataclass(frozen=True)
class ListedJob:
    """One instance of a run."""

    instance_id: str
    disks: tuple[str, ...]
    phase: str
    """The last phase that it began; ``""`` if there was none."""
    left_stopped: bool
    """Whether the run still has to start it."""


@dataclass(frozen=True)
class ListedRun:
    """One run, as ``runs`` lists it."""

    run_id: str
    state: Literal["open", "ended"]
    outcome: str | None
    exit_code: int | None
    started_at: str
    ended_at: str | None
    holder: ListedHolder | None
    region: str
    account: str
    simulated: bool
    """Whether the answers came from a simulator, so that no real machine was affected."""
    jobs: tuple[ListedJob, ...]
    waits: str | None = None
    """What an open run is waiting for, as a sentence: an answer, or room beside other runs."""


@dataclass(frozen=True)
class RunsDocument:
    """What ``runs --output json`` prints, newest first."""

    runs: tuple[ListedRun, ...]
    held: str | None = None
    """Why nothing may be stopped or wiped now, who said so, and since when."""
    unreadable: tuple[str, ...] = ()
    """The ids of the runs that cannot be listed because their records in the journal are damaged."""


@dataclass(frozen=True)
class Audit:
    """What ``audit --output json`` prints, newest first."""

    entries: tuple[AuditEntry, ...]


@dataclass(frozen=True)
class PlanFile:
    """The plan file that ``show`` shows."""

    path: str
    digest: str
    confirm_with: str
    """What ``--confirm`` takes."""
    endpoint: str
    """The loopback endpoint that it is for, ``simulation``, or ``""`` for the real cloud."""
    expires_at: str
    expired: bool
    used_by: str | None
    """The run that ran it; ``None`` if none is known."""


@dataclass(frozen=True)
class ShowDocument(Report):
    """What ``show --output json`` prints: the report as it is now, and what belongs to it."""

    events: tuple[Any, ...]
    """What happened in the run, in order, each an ``Event``; empty for a plan file."""
    missing: tuple[str, ...]
    """What is known to be missing, or may be missing, among the events: one sentence each."""
    file: PlanFile | None
    """``None`` for a run."""


@dataclass(frozen=True)
class SettingDocument:
    """One setting, as ``config show`` lists it."""

    path: str
    value: Any
    """As people write it; the type depends on the setting."""
    source: Literal["flag", "env", "file", "default"]
    location: str
    """The option, the variable, or the file and the key; ``""`` for a default."""


@dataclass(frozen=True)
class ConfigDocument:
    """What ``config show --output json`` prints."""

    values: tuple[SettingDocument, ...]


@dataclass(frozen=True)
class ConfigCheck:
    """What ``config check --output json`` prints about a configuration that can be used."""

    file: str | None
    problems: tuple[str, ...]
    """Empty: for a configuration that cannot be used, the command prints the report and ends with exit code 2."""
    warnings: tuple[str, ...]
    """What can be used but is probably a mistake."""


@dataclass(frozen=True)
class CheckedRight:
    """One RAM permission that the run needs."""

    action: str
    resources: tuple[str, ...]
    state: Literal["allowed", "missing", "unproven", "optional"]
    why: str


@dataclass(frozen=True)
class RamPolicyCheck:
    """What ``policy --check --output json`` prints."""

    rights: tuple[CheckedRight, ...]
    missing: tuple[str, ...]
    """The actions of the missing permissions."""


RAM_POLICY: Mapping[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "RamPolicy",
    "description": "What ``policy --output json`` prints: a policy as RAM takes it, so it has no member schema.",
    "type": "object",
    "properties": {
        "Version": {"const": "1"},
        "Statement": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "Effect": {"enum": ["Allow", "Deny"]},
                    "Action": {"type": "array", "items": {"type": "string"}},
                    "Resource": {"type": "array", "items": {"type": "string"}},
                    "Condition": {"type": "object"},
                },
                "required": ["Action", "Effect", "Resource"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["Statement", "Version"],
    "additionalProperties": False,
}


def schemas() -> dict[str, Mapping[str, Any]]:
    """Return the JSON Schema of every document that a command prints or writes, by its name."""
    from ..plans import plan_file  # noqa: PLC0415 - needed for this alone

    kinds = {
        "report": Report, "checks": Checks, "explain": Explained, "runs": RunsDocument, "audit": Audit,
        "show": ShowDocument, "config-show": ConfigDocument, "config-check": ConfigCheck,
        "policy-check": RamPolicyCheck, "verification": Verification,
    }  # fmt: skip
    made = {name: schema_of(kind) for name, kind in kinds.items()}
    event = _schema_of_events()
    made["show"]["properties"]["events"]["items"] = {"anyOf": event["anyOf"]}
    made["show"]["$defs"] |= event["$defs"]
    return {**made, "event": event, "policy": RAM_POLICY, "plan": plan_file.schema()}


def schema_of(kind: Any) -> dict[str, Any]:  # noqa: ANN401 - a class, or several
    """Make the JSON Schema of a document that is one of our values: it always has every member, and no other."""
    from pydantic import TypeAdapter  # noqa: PLC0415 - a quarter of a second, for this alone

    unwritten = {each.name for each in fields(Finding) if UNWRITTEN in each.metadata}
    made: dict[str, Any] = TypeAdapter(kind).json_schema(mode="serialization")
    if "properties" in made:
        made["properties"]["schema"] = {"const": 1}
    for part in (made, *made.get("$defs", {}).values()):
        if "properties" in part:
            members = {name: each for name, each in part["properties"].items() if name not in unwritten}
            part["properties"] = {name.removesuffix("_"): each for name, each in members.items()}
            part.update(required=sorted(part["properties"]), additionalProperties=False)
            for member in part["properties"].values():
                member.pop("default", None)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}


def _schema_of_events() -> dict[str, Any]:
    """Make the JSON Schema of an event: one of several kinds, each with its schema version."""
    made = schema_of(functools.reduce(operator.or_, map(_model, EVENTS.values())))
    for kind in EVENTS.values():
        part, data = made["$defs"][kind.__name__], get_type_hints(kind)["data"]
        part["properties"]["schema"] = {"const": 1}
        part["required"] = sorted(part["properties"])
        if is_typeddict(data):
            hints = get_type_hints(data, include_extras=True)
            needed = sorted(name for name, hint in hints.items() if get_origin(hint) is not NotRequired)
            made["$defs"][data.__name__]["required"] = needed
    return made


def _model(kind: Any) -> Any:  # noqa: ANN401 - pydantic reads no TypedDict of this Python
    """Return a class of events, or a typed dict, as a pydantic model with the same members."""
    from pydantic import create_model  # noqa: PLC0415 - a quarter of a second, for this alone

    hints = get_type_hints(kind)
    members: Any = {name: (_model(hint) if is_typeddict(hint) else hint, ...) for name, hint in hints.items()}
    return create_model(kind.__name__, __doc__=kind.__doc__, **members)
