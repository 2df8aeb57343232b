"""Plans as files: the plan itself, where and until when it may be applied, and the digest that names it. Pure.

The file is JSON: the members of the plan and, next to them, ``kind``, ``tool_version``, ``endpoint``, ``expires_at``
and ``digest``, the SHA-256 of all others in canonical form. Quoting the digest means agreeing to every one of them; the
form of the text (spaces, order) does not matter. A password is in no file.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from ..model import Plan, Secret
from ..model.codec import MAX_INTEGER, DecodeError, each_once, timestamp, to_moment
from ..model.letters import printable
from ..version import VERSION
from . import plan_schema
from .plan import SCHEMA, canonical, changed_facts, from_json, plan_to_json

KIND = "safe-reinit plan"
SIMULATION = "simulation"
"""The endpoint of a plan for an embedded simulator, which is a different one each time."""
MAX_BYTES = 64 << 20
"""The maximum size of a plan file in bytes, about 30,000 disks; a larger file is something else."""

_BESIDE = ("kind", "tool_version", "endpoint", "expires_at")
_ENDPOINT = re.compile(r"(simulation|https?://(127(\.[0-9]{1,3}){3}|localhost|\[::1\])(:[0-9]{1,5})?)?", re.ASCII)
_LONGEST = timedelta(hours=999_999)
"""The longest lifetime that can be configured."""


class UnreadablePlanError(ValueError):
    """The file is not a plan, or not one that can be read; the text says why, for people."""


class _OddError(ValueError):
    """Something in a plan file that does not exist in JSON, or that could be read in two ways; its text says what."""


class EditedError(UnreadablePlanError):
    """The file is a plan that was changed after it was saved."""


@dataclass(frozen=True)
class Saved:
    """A plan from a file. One that was made with a password has an empty one until the real one is added."""

    plan: Plan
    endpoint: str
    """The loopback endpoint where it was made, ``SIMULATION``, or ``""`` for the real cloud."""
    expires_at: datetime
    """By the cloud's clock."""

    @property
    def confirm_with(self) -> str:
        """What ``--confirm`` accepts for this file: its digest, or at least the first 32 characters of it."""
        return str(self.plan.digest)

    def with_password(self, password: str | None) -> Plan:
        """Return the plan with its password, or without one."""
        return replace(self.plan, options=replace(self.plan.options, password=Secret(password) if password else None))


def plan_as_text(plan: Plan, endpoint: str, lifetime: float) -> tuple[Plan, str]:
    """Write a plan as the text of a file, and return it with its digest.

    Args:
        plan: any plan, even one that may not be run.
        endpoint: the loopback endpoint, ``SIMULATION``, or ``""`` for the real cloud.
        lifetime: how many seconds after it was made it may be applied.
    """
    content: dict[str, Any] = {
        **plan_to_json(plan),
        "kind": KIND,
        "tool_version": VERSION,
        "endpoint": endpoint,
        "expires_at": timestamp(plan.made_at + timedelta(seconds=lifetime)),
    }
    content["digest"] = digest_of(content)
    text = json.dumps({name: content[name] for name in sorted(content)}, indent=2, ensure_ascii=False)
    return replace(plan, digest=content["digest"]), f"{text}\n"


def digest_of(content: Mapping[str, Any]) -> str:
    """Return the digest of a file's content: 64 hex digits for all its members except ``digest``."""
    return hashlib.sha256(canonical({name: each for name, each in content.items() if name != "digest"})).hexdigest()


def read_content(raw: bytes) -> Saved:
    """Read the content of a plan file.

    Raises:
        EditedError: it was changed after it was saved.
        UnreadableError: it is not the complete content of a plan file, or of one that this version can read.
    """
    content = _content(raw)
    if content.get("kind") != KIND:
        raise UnreadablePlanError("it is JSON, but not a saved plan")
    digest = content.get("digest")
    if not isinstance(digest, str) or digest != _digest(content):
        raise EditedError("it was changed after it was saved: its digest does not match its content")
    if content.get("tool_version") != VERSION:
        made_by = printable(str(content.get("tool_version")))[:32]
        raise UnreadablePlanError(f"it was saved by version {made_by}, but this is {VERSION}")
    try:
        return _decoded(content)
    except (DecodeError, plan_schema.FormError) as error:
        raise EditedError(f"it is not what safe-reinit saves ({printable(str(error))[:400]})") from None


def _decoded(content: Mapping[str, Any]) -> Saved:
    body = {name: each for name, each in content.items() if name not in _BESIDE}
    options = body.get("options")
    had_password = isinstance(options, dict) and bool(options.get("password"))
    plan = from_json(body, Secret("") if had_password else None)
    if canonical(plan_to_json(plan)) != canonical(body):
        raise DecodeError("At $: a member is missing, or is not as safe-reinit writes it.")
    plan_schema.check(plan, body)
    endpoint, expires_at = content.get("endpoint"), to_moment(content.get("expires_at"), "$.expires_at")
    if not isinstance(endpoint, str) or not _ENDPOINT.fullmatch(endpoint):
        raise DecodeError("At $.endpoint: not an endpoint on this machine.")
    in_time = plan.made_at < expires_at <= plan.made_at + _LONGEST
    if not in_time or timestamp(expires_at) != content["expires_at"]:
        raise DecodeError("At $.expires_at: not after the plan was made.")
    return Saved(plan, endpoint, expires_at)


def _content(raw: bytes) -> dict[str, Any]:
    try:
        content = json.loads(
            raw.decode("utf-8-sig"), object_pairs_hook=each_once, parse_float=_whole, parse_constant=_no_number
        )
    except json.JSONDecodeError as error:
        what = "it is empty" if not raw.strip() else f"it is not valid JSON at line {error.lineno} (cut short?)"
        raise UnreadablePlanError(what) from None
    except UnicodeDecodeError:
        raise UnreadablePlanError("it is not UTF-8") from None
    except (ValueError, RecursionError) as error:
        why = str(error) if isinstance(error, (_OddError, DecodeError)) else "it is not readable JSON"
        raise UnreadablePlanError(why) from None
    if not isinstance(content, dict):
        raise UnreadablePlanError("it is JSON, but not a saved plan")
    return content


def _whole(number: str) -> int:
    """Read a whole number that a tool has written in another form: 600.0 or 6e2."""
    value = float(number)
    if not value.is_integer() or abs(value) > MAX_INTEGER:
        raise ValueError(f"{number[:32]} is not a whole number")
    return int(value)


def _no_number(word: str) -> None:
    raise _OddError(f"{word} in it is not a JSON number")


def _digest(content: Mapping[str, Any]) -> str:
    try:
        return digest_of(content)
    except ValueError:  # half a character, which JSON can write and UTF-8 cannot
        raise UnreadablePlanError("it contains half a character (a lone surrogate)") from None


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a plan file."""
    made = plan_schema.schema_of_plan()
    beside = {
        "schema": {"const": SCHEMA},
        "kind": {"const": KIND},
        "tool_version": {"type": "string"},
        "endpoint": {"type": "string", "pattern": f"^(?:{_ENDPOINT.pattern})$"},
        "expires_at": made["properties"]["made_at"],
        "digest": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
    }
    members = {**made["properties"], **beside}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "PlanFile",
        "description": "What ``plan --save FILE`` writes and ``apply FILE`` takes. It has no fractions.",
        **made,
        "properties": members,
        "required": sorted(members),
    }


def stale(planned: Plan, now: Plan) -> tuple[str, ...]:
    """Return what has changed since a plan was made: changed facts, and new findings.

    Args:
        planned: the plan as it was shown.
        now: the same intention, from facts just read.

    Returns:
        ``field: planned -> now`` of each fact, then each new block and risk, accepted or not, since nobody saw it.
    """
    before = {(finding.check, finding.subject, finding.level) for finding in planned.findings}
    new = [
        printable(f"{finding.level} {finding.check} ({finding.subject}): {finding.message.rstrip('.')}")
        for finding in now.findings
        if finding.level != "info" and (finding.check, finding.subject, finding.level) not in before
    ]
    changes = (*changed_facts(_facts(planned), _facts(now)), *new)
    if not changes and now.fingerprint != planned.fingerprint:  # nothing known of it, and still another intention
        return changed_facts({"fingerprint": planned.fingerprint}, {"fingerprint": now.fingerprint})
    return changes


def _facts(plan: Plan) -> dict[str, str]:
    """List the facts that a plan is based on, as a flat mapping; who shares the downtime is among them."""
    facts: dict[str, str] = {}
    for job in plan.jobs:
        facts.update(job.expected)
        if job.instance_id:
            facts[f"{job.instance_id}.OtherDisks"] = ",".join(sorted(job.sharing))
        for disk in job.disks:
            facts[f"{disk.disk_id}.becomes"] = f"{disk.becomes.kind} {disk.becomes.id or ''}".rstrip()
    return facts
