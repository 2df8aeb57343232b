"""The document of a verification. It contains no id of an account, machine, disk or request, so it can be shared."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..model import Call, error_codes
from .assumptions import AssumptionResult
from .record import Record

_ID = re.compile(r"\b(i|d|s|m|r|e|eip|sg|sp|vpc)-[\w*-]+|\b\d{12,}\b|\bacs:[\w:/*@.-]+")


@dataclass(frozen=True)
class Interval:
    """How long something took, in seconds: between two numbers."""

    what: str
    run: int
    """1 for the first run."""
    at_least: float
    at_most: float


@dataclass(frozen=True)
class DryRun:
    """What a DryRun answered."""

    action: str
    status: str
    """Of the instance, when it was asked."""
    disk_status: str
    code: str


@dataclass(frozen=True)
class Refusal:
    """What a refused call looked like."""

    action: str
    dry_run: bool
    http_status: int | None
    code: str
    request_id: bool
    """Whether the answer had a RequestId."""


@dataclass(frozen=True)
class Verification:
    """What ``verify-cloud`` measured."""

    tool_version: str
    simulated: bool
    """Whether a simulator answered, so that nothing was learnt about ECS."""
    region: str
    disk: str
    """Its type: ``system`` or ``data``."""
    began: str
    """The day, by the clock of this machine."""
    runs: int
    """How many guarded runs were observed."""
    as_found: bool
    """Whether the machine was Running at the end, as before the runs, or nothing was run."""
    assumptions: tuple[AssumptionResult, ...]
    intervals: tuple[Interval, ...]
    dry_runs: tuple[DryRun, ...]
    dry_run_order: str
    """In which order a DryRun checks the permission and the state of the machine, as far as that was seen."""
    refusals: tuple[Refusal, ...]
    notes: tuple[str, ...]
    """What else happened, such as why a run ended early."""


def masked(text: str) -> str:
    """Return a text without ids."""
    return _ID.sub(lambda found: f"{found[1]}-***" if found[1] else "***", text)


def intervals(records: Sequence[Record]) -> Iterator[Interval]:
    """Yield what was measured in each run."""
    for number, record in enumerate(records, 1):
        for what, bounds in {
            "StopInstance accepted until shown": record.stop_lag,
            "StopInstance accepted until Stopped": record.stop_took,
            "ReInitDisk accepted until ReIniting is shown": record.wipe_lag,
            "ReIniting shown": record.reiniting,
            "StartInstance accepted until shown": record.start_lag,
            "StartInstance accepted until Running": record.start_took,
        }.items():
            if bounds is not None:
                yield Interval(what, number, round(bounds.at_least, 1), round(bounds.at_most, 1))


def order(dry_runs: Sequence[DryRun]) -> str:
    """Return the order in which a DryRun checks the permission and the state, as far as its answers show."""
    rows = [each for each in dry_runs if each.code != "Unanswered"]
    fits = {"StopInstance": "Running", "StartInstance": "Stopped"}
    denied = {each.action for each in rows if error_codes.lacks_right(each.code)}
    wrong = [each for each in rows if each.status != fits[each.action]]
    if not wrong:
        return "unknown: no DryRun was answered in a state in which the call is not possible"
    if any(each.action in denied and error_codes.lacks_right(each.code) for each in wrong):
        return "the permission before the state"
    if any(each.action in denied for each in wrong):
        return "the state before the permission"
    judged = "the state is checked" if all(each.code != error_codes.PROVEN for each in wrong) else "not every state is"
    return f"unknown ({judged}): these credentials lack no permission that was tried"


def refusals(calls: Sequence[Call]) -> tuple[Refusal, ...]:
    """Return each kind of refusal once."""
    found = [
        Refusal(call.action, call.dry_run, call.http_status, call.code, call.request_id is not None)
        for call in calls
        if call.code not in ("OK", "NotSent", "Unanswered")
    ]
    return tuple(dict.fromkeys(found))


def lines(made: Verification) -> Iterator[str]:
    """Write it as text for people."""
    simulated = "SIMULATED " if made.simulated else ""
    yield f"{simulated}verify-cloud: {made.region}, a {made.disk} disk, {made.runs} runs, {made.began}"
    for each in made.assumptions:
        yield f"  {each.name} {each.verdict}: {each.assumption}"
        yield f"     measured: {each.measured}"
        yield f"     not shown: {each.not_shown}"
    yield "  seconds:"
    for one in made.intervals:
        yield f"     run {one.run}: {one.what}: {one.at_least:.1f} to {one.at_most:.1f}"
    yield "  DryRun:"
    for dry_run in made.dry_runs:
        yield f"     {dry_run.action}, machine {dry_run.status}, disk {dry_run.disk_status}: {dry_run.code}"
    yield f"     checks: {made.dry_run_order}"
    yield "  refused calls:"
    for refusal in made.refusals:
        what = f"{refusal.action}{' (DryRun)' if refusal.dry_run else ''}"
        named = "a RequestId" if refusal.request_id else "no RequestId"
        yield f"     {what}: HTTP {refusal.http_status} {refusal.code}, {named}"
    for note in made.notes:
        yield f"  note: {note}"
    yield f"  the machine {'is Running, as before' if made.as_found else 'was NOT seen Running at the end'}"
