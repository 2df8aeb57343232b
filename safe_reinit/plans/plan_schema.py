"""What each member of a saved plan can be: the one table for checking plan files and making their schema. Pure.

A digest is worth little if a file has room for text that nobody reads. So every member has a form, every list of words
contains only words that this program knows, and what follows from other members must follow.
"""

from __future__ import annotations

import re
import types
from collections import abc
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from ..checks import by_name
from ..model import (
    Allow,
    Becomes,
    Caller,
    Finding,
    Guard,
    Hours,
    Limits,
    Match,
    Options,
    Plan,
    PlannedDisk,
    PlannedJob,
    Protect,
    Rollout,
    RunClass,
    Secret,
)
from ..model.codec import MAX_INTEGER
from ..model.run_id import RUN_ID
from ..model.written import SUFFIX, UNWRITTEN


class FormError(ValueError):
    """A member does not have its form; the text names it by its path."""


@dataclass(frozen=True)
class Form:
    """The allowed form of a text, a number, or each item of a list."""

    pattern: str = ""
    """The pattern of the whole text."""
    least: int = 0
    most: int = 0
    parts: tuple[Form, ...] = ()
    """The forms of the places in a pair, or of the names and values of a mapping."""


def text(longest: int) -> Form:
    """Return the form of a text that people or ECS chose."""
    return Form(rf"[\s\S]{{0,{longest}}}")


_ID = r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}"
_CHECK = r"[a-z]+(-[a-z]+){0,7}"
KEY = r"[A-Za-z0-9][A-Za-z0-9._:/@+=-]{0,127}"
"""The key under which a plan is run at most once."""
ID, ID_OR_NONE = Form(_ID), Form(rf"({_ID})?")
NAME, LINE, PROSE = text(256), text(4096), text(400_000)
PATTERN = text(1024)
TAGS = Form(parts=(PATTERN, PATTERN))
SHA256 = Form("[0-9a-f]{64}")
COUNT = Form(least=0, most=10_000_000)
SOME = Form(least=1, most=10_000_000)
WAIT = Form(least=0, most=3_600_000_000_000)
"""Milliseconds; a duration has at most six digits of hours."""
FORMS: Mapping[tuple[type, str], Form] = {
    (Plan, "plan_id"): Form("([0-9a-f]{16})?"),
    (Plan, "region"): Form("[a-z]{2,}(-[a-z0-9]+)+"),
    (Plan, "account"): Form("([0-9]{1,32})?"),
    (Plan, "reason"): LINE,
    (Plan, "once"): Form(KEY),
    (Plan, "fingerprint"): SHA256,
    (Plan, "confirm_with"): Form(rf"[0-9a-f]{{64}}|{_ID}"),
    (Plan, "digest"): SHA256,
    (Caller, "account"): Form("([0-9]{1,32})?"),
    (Caller, "arn"): text(1024),
    (Caller, "type"): Form("[A-Za-z]{0,32}"),
    (Caller, "source"): LINE,
    (Options, "expect_instance"): NAME,
    (Options, "key_pair"): NAME,
    (Options, "security_enhancement"): Form("|Active|Deactive"),
    (Options, "snapshot_retention_days"): Form(least=1, most=65_536),
    (Options, "snapshot_max_age_ms"): WAIT,
    (Options, "pending_starts"): ID,
    (Options, "run_id"): Form(rf"({RUN_ID})?"),
    (Options, "undo"): Form(rf"({RUN_ID})?"),
    (Options, "restore"): Form(parts=(ID, ID)),
    (Options, "was_on"): Form(parts=(ID, ID)),
    (Options, "owner"): Form(
        parts=(Form("(resource_)?owner_(account|id)"), Form(r"[\s\S]{0,256}", -MAX_INTEGER, MAX_INTEGER))
    ),
    (Options, "accept"): Form(_CHECK),
    (Options, "require_answers"): Form("ess|ebs|kms|events|sts"),
    **{(Limits, f"{name}_ms"): WAIT for name in ("stop", "snapshot", "reinit", "start", "force_stop_after", "retry")},
    (PlannedJob, "instance_id"): ID,
    (PlannedJob, "instance_name"): LINE,
    (PlannedJob, "power_before"): Form("[A-Za-z]{0,32}"),
    (PlannedJob, "sharing"): ID,
    (PlannedJob, "expected"): Form(parts=(Form(rf"{_ID}\.[A-Z][A-Za-z]{{1,31}}"), LINE)),
    (PlannedDisk, "disk_id"): Form("d-[A-Za-z0-9-]{1,126}"),
    (PlannedDisk, "disk_name"): LINE,
    (PlannedDisk, "serial"): NAME,
    (PlannedDisk, "type"): Form("[a-z_]{0,32}"),
    (PlannedDisk, "device"): NAME,
    (PlannedDisk, "size_gib"): COUNT,
    (PlannedDisk, "waivers"): Form(_CHECK),
    (PlannedDisk, "way_back"): ID_OR_NONE,
    (Becomes, "id"): ID,
    (Finding, "check"): Form(_CHECK),
    (Finding, "subject"): LINE,
    (Finding, "message"): PROSE,
    (Finding, "fix"): PROSE,
    (Finding, "fact"): Form(parts=(NAME, Form(r"[\s\S]{0,4096}", -MAX_INTEGER, MAX_INTEGER))),
    (Finding, "predicts"): Form(r"[A-Za-z0-9._-]{1,128}"),
    **{(kind, name): PATTERN for kind in (Match, Allow) for name in ("accounts", "regions")},
    **{(kind, "tags"): TAGS for kind in (Match, Allow, Protect)},
    **{(kind, name): PATTERN for kind in (Allow, Protect) for name in ("instances", "disks", "names")},
    (Protect, "tag"): PATTERN,
    (Protect, "terms"): PATTERN,
    (Guard, "disks"): COUNT,
    (Guard, "max_disks"): COUNT,
    (Guard, "mixed"): Form(parts=(ID, Form("([A-Za-z][A-Za-z0-9_-]{0,63})?"))),
    (Hours, "begin"): Form(least=0, most=1440),
    (Hours, "end"): Form(least=0, most=1440),
    (Hours, "offset"): Form(least=-900, most=900),
    (RunClass, "name"): Form("(?![Dd]-|[0-9A-Fa-f]{8,}$)[A-Za-z][A-Za-z0-9_-]{0,63}"),
    (RunClass, "sha256"): SHA256,
    (RunClass, "allowed"): Form(
        rf"stop_instance|accept {_CHECK}|snapshot|no snapshot|force_stop_after [0-9]{{1,10}}s|on_unknown (ask|retry)"
        r"|max_disks [0-9]{1,7}"
    ),
    (RunClass, "force_stop_after_ms"): WAIT,
    (Rollout, "max_parallel"): SOME,
    (Rollout, "canary"): COUNT,
    (Rollout, "waves"): Form(parts=(SOME, Form())),
    (Rollout, "stop_after_failures"): SOME,
    (Rollout, "quota_share_permille"): Form(least=1, most=1000),
}


def check(plan: Plan, written: Mapping[str, Any]) -> None:
    """Check that a plan is one that this program could have written.

    Args:
        plan: the plan as it was read.
        written: its members, as they are in the file.

    Raises:
        FormError: it is not.
    """
    _value(Plan, None, written, "$")
    for wrong in _contradictions(plan):
        raise FormError(wrong)


# ---------------------------------------------------------------------------------------------------------- each member


def _value(hint: Any, form: Form | None, data: Any, path: str) -> None:  # noqa: ANN401 - JSON
    if data is None or isinstance(data, bool):
        return
    if get_origin(hint) in (Union, types.UnionType):
        hint = next(each for each in get_args(hint) if each is not types.NoneType)
    if isinstance(data, (str, int)):
        _scalar(hint, form, data, path)
    elif is_dataclass(hint) and isinstance(hint, type):
        for name, inner in members_of(hint).items():
            _value(inner, FORMS.get((hint, name)), data.get(name), f"{path}.{name}")
    elif isinstance(data, dict):
        key, value = _of(form, path).parts
        for name, each in data.items():
            _value(str, key, name, f"{path}.{name}")
            _value(get_args(hint)[1], value, each, f"{path}.{name}")
    else:
        kinds = get_args(hint)
        same = kinds[-1] is Ellipsis
        for at, each in enumerate(data):
            part = form if same or form is None or not form.parts else form.parts[at]
            _value(kinds[0] if same else kinds[at], part, each, f"{path}[{at}]")


def _scalar(hint: Any, form: Form | None, data: str | int, path: str) -> None:  # noqa: ANN401 - a type
    if hint is datetime or get_origin(hint) is Literal:
        return  # whoever decoded it has checked it
    if isinstance(data, str) and not re.fullmatch(_of(form, path).pattern, data):
        raise FormError(f"At {path}: not as safe-reinit writes it.")
    if isinstance(data, int) and not _of(form, path).least <= data <= _of(form, path).most:
        raise FormError(f"At {path}: {data} is out of range.")


def _of(form: Form | None, path: str) -> Form:
    if form is None:
        raise FormError(f"At {path}: it has no form.")
    return form


def members_of(kind: type) -> dict[str, Any]:
    """Return the members of a value in their written form, each with its type."""
    hints = get_type_hints(kind)
    members: dict[str, Any] = {}
    for each in fields(kind):
        if UNWRITTEN in each.metadata:
            continue
        hint, suffix = hints[each.name], each.metadata.get(SUFFIX, "")
        whole = int | None if types.NoneType in get_args(hint) else int
        members[each.name.removesuffix("_") + suffix] = whole if suffix else hint
    return members


# ------------------------------------------------------------------------------------------- what follows from another


def _contradictions(plan: Plan) -> Iterator[str]:
    """Yield what in a plan does not follow from the rest of it."""
    disk_ids = [disk.disk_id for job in plan.jobs for disk in job.disks]
    instance_ids = [job.instance_id for job in plan.jobs if job.instance_id]
    wrong = {
        "$.jobs: there is no disk": not disk_ids or not all(job.disks for job in (*plan.jobs, *plan.skipped)),
        "$.jobs: a disk is listed twice": len(set(disk_ids)) < len(disk_ids),
        "$.jobs: an instance is listed twice": len(set(instance_ids)) < len(instance_ids),
        "$.caller.account: not the account of the plan": plan.account != plan.caller.account,
        "$.rollout.waves: more than all": any(percent and size > 100 for size, percent in plan.rollout.waves),
        "$.guard.disks: fewer than the plan has": plan.guard.disks < len(disk_ids),
    }
    yield from (f"At {each}." for each, is_so in wrong.items() if is_so)
    yield from _unknown_checks(plan)
    for at, job in enumerate((*plan.jobs, *plan.skipped)):
        if (job.will_stop, job.will_start, job.power_promised) != _power(job, plan.options):
            yield f"At $.jobs[{at}]: what is stopped and started does not follow from the options."
        if any(not set(disk.waivers) <= set(plan.options.accept) for disk in job.disks):
            yield f"At $.jobs[{at}]: it waives a risk that was not accepted."


def _unknown_checks(plan: Plan) -> Iterator[str]:
    for name in plan.options.accept:
        known_check = by_name(name)
        if known_check is None or (known_check.level == "block" and not known_check.waivable):
            yield f"At $.options.accept: {name} cannot be accepted."
    for each in (*plan.findings, *plan.skipped_findings):
        known_check = by_name(each.check)
        if known_check is None or each.level not in (known_check.level, *known_check.milder):
            yield f"At $.findings: there is no {each.level} {each.check}."


def _power(job: PlannedJob, options: Options) -> tuple[bool, bool, str]:
    """Return whether a job stops and starts its instance, and its final state, from its first state and the options."""
    runs = job.power_before == "Running"
    stops = runs and options.stop_instance
    pending = job.power_before == "Stopped" and job.instance_id in options.pending_starts
    starts = not options.leave_stopped and (stops or pending)
    return stops, starts, "Running" if starts or (runs and not options.leave_stopped) else "Stopped"


# -------------------------------------------------------------------------------------------------------- as a schema


def schema_of_plan() -> dict[str, Any]:
    """Return the JSON Schema of a plan's members, and under ``$defs`` those of the values in it."""
    parts: dict[str, Any] = {}
    made = _schema_of(Plan, parts)
    return {**made, "$defs": dict(sorted(parts.items()))}


def _schema_of(kind: type, parts: dict[str, Any]) -> dict[str, Any]:
    members = {name: _schema(hint, FORMS.get((kind, name)), parts) for name, hint in members_of(kind).items()}
    return {
        "type": "object",
        "properties": members,
        "required": sorted(members),
        "additionalProperties": False,
    }


def _schema(hint: Any, form: Form | None, parts: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401 - a type
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return {"anyOf": [_schema(each, form, parts) for each in args]}
    if hint is Secret:
        return {"const": True}
    if origin is Literal:
        return {"enum": list(args)}
    if is_dataclass(hint) and isinstance(hint, type):
        if hint.__name__ not in parts:
            parts[hint.__name__] = {}
            parts[hint.__name__] = _schema_of(hint, parts)
        return {"$ref": f"#/$defs/{hint.__name__}"}
    if origin is abc.Mapping:
        key, value = form.parts if form else (None, None)
        return {
            "type": "object",
            "propertyNames": _schema(str, key, parts),
            "additionalProperties": _schema(args[1], value, parts),
        }
    if origin is tuple and args[-1] is Ellipsis:
        return {"type": "array", "items": _schema(args[0], form, parts)}
    if origin is tuple:
        inner = form.parts if form else ()
        return {
            "type": "array",
            "prefixItems": [_schema(each, part, parts) for each, part in zip(args, inner, strict=True)],
            "minItems": len(args),
            "maxItems": len(args),
        }
    return _plain(hint, form or Form())


def _plain(hint: Any, form: Form) -> dict[str, Any]:  # noqa: ANN401 - a type
    if hint is datetime:
        return {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$"}
    if hint is str:
        return {"type": "string", "pattern": f"^(?:{form.pattern})$"}
    if hint is int:
        return {"type": "integer", "minimum": form.least, "maximum": form.most}
    return {"type": "boolean"} if hint is bool else {"type": "null"}
