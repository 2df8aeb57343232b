"""Preflight: read and check everything that a plan is based on, and make the plan; nothing is changed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from .. import report
from ..clock import Clock
from ..cloud.connection import Connection
from ..cloud.interface import Cloud, CloudError
from ..cloud.locate import make_cloud
from ..cloud.retry import Patient
from ..config import Settings
from ..error_mapping import refusal_of, with_report
from ..errors import RunRefused, UsageError
from ..model import Call, Facts, Limits, Options, Plan, Rollout
from ..model.duration import duration
from ..plans.plan import make_plan, without_refused
from . import discover
from .describe import Round
from .discover import Search
from .facts import Settle, read_facts

T = TypeVar("T")


@dataclass(frozen=True)
class PlanRequest:
    """The request for a plan, validated."""

    disk_ids: Sequence[str]
    options: Options
    limits: Limits
    reason: str | None
    plan_id: str
    settle: Settle
    """Decides which options apply once the disks are known; the class of the disks may add some."""
    rollout: Rollout
    skip_refused: bool = False
    """Whether refused jobs are left out, and the rest is planned without them."""


def limits_of(settings: Settings) -> Limits:
    """Read how long each wait may take.

    Raises:
        UsageError: the power would never be cut, although that was asked for.
    """
    limits = Limits(
        stop=settings.timeout_stop,
        snapshot=settings.timeout_snapshot,
        reinit=settings.timeout_reinit,
        start=settings.timeout_start,
        force_stop_after=settings.force_stop_after,
    )
    _refuse_late_cut(limits, "--force-stop-after")
    return limits


def _refuse_late_cut(limits: Limits, named: str) -> None:
    """Refuse a power cut that can never happen: at its time, the run has given up the stop and wipes nothing more.

    Raises:
        UsageError: it is one.
    """
    after = limits.force_stop_after
    if after is not None and after >= limits.stop:
        raise UsageError(
            f"{named} ({duration(after)}) is not shorter than --timeout-stop ({duration(limits.stop)}), so the power "
            "would never be cut.",
            hint=f"Shorten {named} or lengthen --timeout-stop.",
        )


def rollout_of(settings: Settings, now: datetime) -> Rollout:
    """Read how a run spreads over many jobs."""
    return Rollout(
        max_parallel=settings.max_parallel,
        canary=settings.canary,
        waves=settings.waves,
        pause=settings.pause,
        stop_after_failures=settings.stop_after_failures,
        deadline=_moment(settings.deadline, now),
        quota_share=settings.quota_share,
        runner=settings.runner,
    )


def _moment(deadline: datetime | timedelta | None, now: datetime) -> datetime | None:
    return now + deadline if isinstance(deadline, timedelta) else deadline


def discover_disks(connection: Connection, clock: Clock, search: Search, on_call: Callable[[Call], None]) -> list[str]:
    """Return the ids of the disks that a search finds; see ``discover.discover_disks``.

    Raises:
        UsageError: there are no credentials.
        RunRefused: nothing was found, or ECS could not be asked; its report has the exchanges.
    """
    return _read_cloud(connection, clock, on_call, lambda cloud: discover.search_disks(cloud, clock, search))[0]


def existing(
    connection: Connection,
    clock: Clock,
    disk_ids: Sequence[str],
    instance_ids: Sequence[str],
    on_call: Callable[[Call], None],
) -> tuple[frozenset[str], frozenset[str]]:
    """Return those of the disks and instances that ECS shows here; see ``discover.existing``.

    Raises:
        UsageError: there are no credentials.
        RunRefused: ECS could not be asked; its report has the exchanges.
    """
    return _read_cloud(
        connection, clock, on_call, lambda cloud: discover.describe_existing(cloud, clock, disk_ids, instance_ids)
    )[0]


def is_only_one_named(
    connection: Connection, clock: Clock, instance_id: str, on_call: Callable[[Call], None]
) -> tuple[bool, list[Call]]:
    """Return whether an instance is proven to be the only one with its name, and the exchanges that this took."""
    try:
        return _read_cloud(
            connection, clock, on_call, lambda cloud: discover.proves_only_one_named(cloud, clock, instance_id)
        )
    except (RunRefused, UsageError) as error:
        return False, list(error.report.calls) if error.report else []


def _read_cloud(
    connection: Connection,
    clock: Clock,
    on_call: Callable[[Call], None],
    read: Callable[[Cloud], T],
    reason: str | None = None,
) -> tuple[T, list[Call]]:
    """Read from ECS, and return the answers with their exchanges; if ECS could not be asked, the error has them."""
    began = clock.now()
    calls: list[Call] = []

    def both(call: Call) -> None:
        calls.append(call)
        on_call(call)

    with contextlib.closing(make_cloud(connection, both)) as cloud:
        try:
            return read(cloud), calls
        except (CloudError, RunRefused) as error:
            refused = error if isinstance(error, RunRefused) else refusal_of(error, connection.region)
            begun = report.started(began, connection.region, reason, simulated=connection.origin.simulated)
            raise with_report(refused, report.of_error(begun, clock.now(), refused, calls)) from None


def preflight(
    connection: Connection, clock: Clock, request: PlanRequest, on_call: Callable[[Call], None]
) -> tuple[Plan, list[Call], Facts]:
    """Make the plan, and return it with the exchanges that this took and the facts it is based on.

    Raises:
        UsageError: there are no credentials.
        RunRefused: ECS could not be asked; its report has the exchanges.
    """
    facts, calls = _read_cloud(
        connection,
        clock,
        on_call,
        lambda cloud: read_facts(
            Round(cloud, clock, Patient(clock), request.disk_ids),
            connection.region,
            request.options,
            settle=request.settle,
        ),
        request.reason,
    )
    in_force, used = facts.disks[0].options, facts.disks[0].guard.class_
    limits = request.limits
    if used is not None and used.force_stop_after is not None:
        limits = replace(limits, force_stop_after=used.force_stop_after)
        _refuse_late_cut(limits, f"force_stop_after of the class {used.name}")
    made = make_plan(facts, in_force, limits, request.reason, request.plan_id)
    plan = replace(made, rollout=request.rollout, simulated=connection.origin.simulated)
    return without_refused(plan) if request.skip_refused else plan, calls, facts
