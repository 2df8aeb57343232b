"""The main command: check, show the plan, ask, run, report."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from .. import report
from ..client import Client
from ..config import Settings, resolve
from ..error_mapping import reporting
from ..model import Plan
from ..planning import plan_store
from ..planning.planner import calls_of
from . import consent, planfile
from .next import after_plan, naming_next, show_other
from .output import Output, print_stderr
from .progress import Progress
from .selection import selection_of
from .session import client_of, password_of, set_output


def command(flags: Mapping[str, Any], output: Output) -> int:
    """Do what the command line says, and return the exit code."""
    config = resolve(flags, os.environ, flags.get("config"))
    set_output(output, config, flags)
    password = password_of(config, flags)
    selection = selection_of(flags)
    if flags.get("save") is not None:
        plan_store.refuse_existing(flags["save"], "--save")
    with ExitStack() as stack:
        client = client_of(config, stack)
        if not flags.get("dry_run"):
            client.own_runs.demand()
        progress = stack.enter_context(Progress.of_command(config, client, output))

        def plan() -> Plan:
            return selection.plan(client, flags, password, progress.call)

        with naming_next(output, client):
            return plan_and_run(client, config, flags, plan, output, progress)


def plan_and_run(  # noqa: PLR0913 - the parts of one command
    client: Client,
    config: Settings,
    flags: Mapping[str, Any],
    make: Callable[[], Plan],
    output: Output,
    progress: Progress,
    *,
    replacing: str | None = None,
) -> int:
    """Plan, show, ask, run and report.

    Args:
        make: reads the facts and makes the plan.
        replacing: the open run that this one replaces, once the plan is confirmed.
    """
    begun = report.started(output.began, client.region, config.reason)
    with progress.reading():
        plan = make()
    dry_run = bool(flags.get("dry_run"))
    with reporting(lambda error: client.own_runs.report_of(plan, begun, calls_of(plan), dry_run=dry_run, error=error)):
        earlier = client.own_runs.done_before(plan)
    if earlier is not None:
        progress.close()
        output.report(earlier)
        return earlier.exit_code
    progress.findings(plan)
    if dry_run:
        kept = planfile.save(plan, flags["save"], client, config) if flags.get("save") is not None else plan
        return _report_plan(client, kept, begun, output, flags.get("save"))
    asked = flags.get("confirm") is None and consent.somebody_there()
    if asked or not config.quiet:  # a person who is asked sees the plan first
        progress.settle()
        output.plan(plan, sys.stderr)
    with naming_next(output, client, plan):
        if plan.runnable:
            _obtain(client, plan, begun, flags.get("confirm"), progress)
        return run_confirmed(
            client, plan, flags.get("confirm") or plan.confirm_with, output, progress, replacing=replacing
        )


def _obtain(client: Client, plan: Plan, begun: report.Started, confirm: str | None, progress: Progress) -> None:
    """Check that the person agrees to a plan; a refusal has its report."""
    with reporting(lambda error: client.own_runs.report_of(plan, begun, calls_of(plan), dry_run=False, error=error)):
        consent.obtain(
            plan, confirm, lambda instance_id: client.planner.is_only_one_named(plan, instance_id, progress.call)
        )


def run_confirmed(
    client: Client, plan: Plan, confirm: str, output: Output, progress: Progress, *, replacing: str | None = None
) -> int:
    """Run a confirmed plan, report it and return the exit code.

    Args:
        replacing: the open run that this one replaces.

    Raises:
        RunRefused: it is not runnable, or ``confirm`` does not confirm it.
        Error: the error of the exit code, with the report, if the run did not end well.
    """
    progress.settle()
    # Leaving the terminal does not mean no. A run that began without a terminal never waits for an answer.
    waits = plan.rollout.runner == "temporal" and consent.somebody_there()
    with output.signals.run(progress.print_then, progress.note) as interrupt:
        if replacing is not None and plan.runnable:
            client.own_runs.demand(plan)  # once that run is released, only this one tells what happened to its disks
            client.abandon(replacing)
        result = client.run(
            consent.pausing(plan),
            confirm=confirm,
            on_event=progress.event,
            on_call=progress.call,
            stop=interrupt,
            go_on=lambda summary: consent.go_on(summary, progress, interrupt, waits=waits),
        )
    progress.close()
    output.report(result)
    return result.exit_code


def _report_plan(client: Client, plan: Plan, begun: report.Started, output: Output, saved_to: str | None) -> int:
    result = client.own_runs.report_of(plan, begun, calls_of(plan), dry_run=True)
    refused = report.refusal(plan) if result.exit_code else None
    not_now = None if refused else client.own_runs.why_not_now(plan)
    if not_now is not None:  # all runs are held, or another one has a machine: no option of this command changes that
        result = client.own_runs.report_of(plan, begun, calls_of(plan), dry_run=True, error=not_now)
        following = show_other(result, output.argv, client, plan)
    else:
        later = show_other(result, output.argv, client, plan) if refused else ()
        following = later or after_plan(result, output.argv, plan, client, saved_to)
    result, refused = replace(result, next=following), refused or not_now
    if output.form == "text" and output.says(result.exit_code):
        output.plan(plan, output.stream)
    output.report(result)
    if refused is not None and output.says(result.exit_code):
        print_stderr(output.sentence(refused))
    return result.exit_code
