"""The main command: look, judge, show the plan, ask, run, report."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from .. import report
from ..client import Client, connect
from ..config import Config, resolve
from ..errors import Error, OutcomeUnknown, RunRefused, UsageError
from ..journal import StoredRun, default_path
from ..model import Plan, Record, Report
from ..model.codec import decode
from ..record import Verdict
from . import consent, history
from .output import Output, lines, say
from .progress import Progress
from .session import client_of, endable, password_of, set_output, signals


def command(flags: Mapping[str, Any], output: Output) -> int:
    """Do what the command line says and give the exit code."""
    config = resolve(flags, os.environ, flags.get("config"))
    set_output(output, config)
    password = password_of(config, flags)
    if not flags["disk"]:
        raise UsageError("No disk is named.", hint="Name one with --disk d-...")
    endable()
    with ExitStack() as stack:
        client = client_of(config, stack)
        if not flags.get("dry_run"):
            client.check_journal()
        progress = stack.enter_context(Progress(config, client.region))
        try:
            return _plan_and_run(client, config, flags, password, output, progress)
        except Error as error:
            if error.report is not None:
                error.report = replace(error.report, next=_after(error.report, output.argv, client))
            raise


def resume(run_id: str, flags: Mapping[str, Any], output: Output) -> int:
    """Go on with a run and give the exit code."""
    given = dict(flags)
    with history.open_journal(flags) as journal:
        stored = journal.run(run_id)
    if stored is None:
        raise UsageError(f"The journal has no run {run_id}.", hint="See safe-reinit runs.")
    for name in ("region", "endpoint", "profile"):  # the run's own, unless the command line names others
        given[name] = flags.get(name) or getattr(stored, name) or None
    config = resolve(given, os.environ, flags.get("config"))
    set_output(output, config)
    password = password_of(config, {**flags, "confirm": run_id})
    client = connect(config=config)
    if flags["verdict"] == "wipe-again":
        return _wipe_again(client, stored, config, flags, password, output)
    endable()
    with Progress(config, client.region) as progress:
        try:
            told = _resume(client, run_id, flags["verdict"], password, progress)
        except OutcomeUnknown as error:
            verdict = consent.verdict(run_id) if flags["verdict"] is None else None
            if verdict is None:
                error.report = error.report and replace(error.report, next=_after(error.report, output.argv, client))
                raise
            told = _resume(client, run_id, verdict, password, progress)
        except Error as error:
            error.report = error.report and replace(error.report, next=_after(error.report, output.argv, client))
            raise
        progress.close()
    output.report(told)
    return told.exit_code


def _resume(
    client: Client,
    run_id: str,
    verdict: Verdict | None,
    password: str | None,
    progress: Progress,
) -> Report:
    with signals(progress) as interrupt:
        return client.resume(
            run_id, verdict=verdict, password=password, on_event=progress.event, on_call=progress.call, stop=interrupt
        )


def _wipe_again(
    client: Client, stored: StoredRun, config: Config, flags: Mapping[str, Any], password: str | None, output: Output
) -> int:
    """Plan the same disks anew and ask anew; the old run lets its instances go once the new plan is agreed to."""
    old = stored.plan["options"]
    again = {
        **flags,
        "disk": [disk["disk_id"] for job in stored.plan["jobs"] for disk in job["disks"]],
        "stop_instance": old["stop_instance"],
        "accept": old["accept"],
        "dry_run": None,
    }
    with Progress(config, client.region) as progress:
        return _plan_and_run(client, config, again, password, output, progress, replacing=stored)


def _plan_and_run(  # noqa: PLR0913 - the parts of one command
    client: Client,
    config: Config,
    flags: Mapping[str, Any],
    password: str | None,
    output: Output,
    progress: Progress,
    *,
    replacing: StoredRun | None = None,
) -> int:
    begun = report.started(output.began, client.region, config["reason"])
    plan = client.plan(
        flags["disk"],
        stop_instance=bool(flags["stop_instance"]),
        accept=flags["accept"],
        password=password,
        on_call=progress.call,
    )
    if replacing is not None:
        plan = _keep_promise(plan, replacing)
    progress.findings(plan)
    if flags.get("dry_run"):
        return _tell_plan(client, plan, begun, output)
    asked = flags.get("confirm") is None and consent.somebody_there()
    if asked or not config["quiet"]:  # whoever is asked is shown what about
        lines(report.plan_lines(plan), sys.stderr)
    if plan.runnable:
        try:
            consent.obtain(plan, flags.get("confirm"))
        except RunRefused as error:
            calls = client.calls_of(plan)
            error.report = report.of_plan(begun, output.now(), plan, calls, dry_run=False, error=error)
            raise
        if replacing is not None:
            client.abandon(replacing.run_id)
    with signals(progress) as interrupt:
        told = client.run(
            plan,
            confirm=flags.get("confirm") or plan.confirm_with,
            on_event=progress.event,
            on_call=progress.call,
            stop=interrupt,
        )
    progress.close()
    output.report(told)
    return told.exit_code


def _keep_promise(plan: Plan, before: StoredRun) -> Plan:
    """Owe a machine that an earlier run stopped what that run promised: it is started after this one's wipe."""
    stopped = {
        known.instance_id
        for known in (decode(Record, each) for _, each, _ in before.jobs)
        if known.power_before == "Running" and known.stop.state == "done"
    }
    jobs = tuple(
        replace(job, power_promised="Running", will_start=True)
        if job.instance_id in stopped and job.power_before == "Stopped" and not plan.options.leave_stopped
        else job
        for job in plan.jobs
    )
    return replace(plan, jobs=jobs)


def _tell_plan(client: Client, plan: Plan, begun: Any, output: Output) -> int:  # noqa: ANN401 - a note of the beginning
    told = report.of_plan(begun, output.now(), plan, client.calls_of(plan), dry_run=True)
    told = replace(told, next=_next(told.exit_code, output.argv, plan))
    if output.form == "text":
        lines(report.plan_lines(plan), sys.stderr if output.events_on_stdout else sys.stdout)
    output.report(told)
    if told.exit_code:
        refused = report.refusal(plan)
        say(f"safe-reinit: {refused} {refused.hint}")
    return told.exit_code


def _next(exit_code: int, argv: Sequence[str], plan: Plan | None) -> tuple[str, ...]:
    """Name the command to go on with: the run of a plan that could run, else another look."""
    words = iter(argv[1:] if argv[:1] == ["plan"] else argv)
    kept: list[str] = []
    for word in words:
        if word == "--confirm":
            next(words, None)
        elif word != "--dry-run" and not word.startswith("--confirm="):
            kept.append(word)
    if plan is not None and exit_code == 0:
        return (shlex.join(["safe-reinit", *kept, "--confirm", plan.confirm_with]),)
    return (shlex.join(["safe-reinit", "plan", *kept]),)


def _after(told: Report, argv: Sequence[str], client: Client) -> tuple[str, ...]:
    """Name the commands to go on with after a run that did not end well: its story, and how to resume it."""
    if told.run_id is None:
        return _next(told.exit_code, argv, None)
    if client.journal_path is None:
        return ()
    where = ("--journal", str(client.journal_path)) if client.journal_path != default_path(os.environ) else ()
    words = [["show"]]
    if told.outcome in ("unknown", "not-restarted", "stranded"):
        words.append(["resume"])
    if told.outcome == "unknown":
        words += [["resume", "--verdict", verdict] for verdict in ("reinitialised", "intact", "wipe-again")]
    return tuple(shlex.join(["safe-reinit", word[0], told.run_id, *word[1:], *where]) for word in words)
