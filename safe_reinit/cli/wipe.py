"""The main command: look, judge, show the plan, ask, run, report."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from .. import report
from ..client import Client
from ..config import Config, resolve
from ..errors import Error, RunRefused
from ..model import Plan, Report
from ..where import default_journal
from . import consent, planfile
from .output import Output, lines, say
from .progress import Progress
from .session import client_of, endable, password_of, set_output, signals
from .targets import targets_of


def command(flags: Mapping[str, Any], output: Output) -> int:
    """Do what the command line says and give the exit code."""
    if isinstance(flags.get("region"), tuple):
        from . import regions  # noqa: PLC0415 - most commands are about one

        return regions.command(flags, output)
    config = resolve(flags, os.environ, flags.get("config"))
    set_output(output, config)
    password = password_of(config, flags)
    targets = targets_of(flags)
    if flags.get("save") is not None:
        planfile.refuse_existing(flags["save"])
    endable()
    with ExitStack() as stack:
        client = client_of(config, stack)
        if not flags.get("dry_run"):
            client.check_journal()
        progress = stack.enter_context(Progress(config, client.clock))
        try:

            def plan() -> Plan:
                return client.plan(
                    targets(client, progress.call),
                    found=targets.found,
                    stop_instance=bool(flags["stop_instance"]),
                    accept=flags["accept"],
                    password=password,
                    on_call=progress.call,
                )

            return plan_and_run(client, config, flags, plan, output, progress)
        except Error as error:
            if error.report is not None:
                error.report = replace(error.report, next=after(error.report, output.argv, client))
            raise


def plan_and_run(  # noqa: PLR0913 - the parts of one command
    client: Client,
    config: Config,
    flags: Mapping[str, Any],
    make: Callable[[], Plan],
    output: Output,
    progress: Progress,
    *,
    replacing: str | None = None,
) -> int:
    """Plan, show, ask, run and report.

    Args:
        make: looks and makes the plan.
        replacing: the open run whose place this one takes, once the plan is agreed to.
    """
    begun = report.started(output.began, client.region, config["reason"])
    plan = make()
    progress.findings(plan)
    if flags.get("dry_run"):
        kept = planfile.save(plan, flags["save"], client, config) if flags.get("save") is not None else plan
        return _tell_plan(client, kept, begun, output, flags.get("save"))
    asked = flags.get("confirm") is None and consent.somebody_there()
    if asked or not config["quiet"]:  # whoever is asked is shown what about
        lines(report.plan_lines(plan, full=config["verbose"]), sys.stderr)
    if plan.runnable:
        try:
            consent.obtain(plan, flags.get("confirm"))
        except RunRefused as error:
            calls = client.calls_of(plan)
            error.report = report.of_plan(begun, output.now(), plan, calls, dry_run=False, error=error)
            raise
        if replacing is not None:
            client.abandon(replacing)
    with signals(progress, elsewhere=config["runner"] == "temporal") as interrupt:
        told = client.run(
            consent.pausing(plan),
            confirm=flags.get("confirm") or plan.confirm_with,
            on_event=progress.event,
            on_call=progress.call,
            stop=interrupt,
            go_on=lambda said: consent.go_on(said, progress, interrupt),
        )
    progress.close()
    output.report(told)
    return told.exit_code


def _tell_plan(
    client: Client,
    plan: Plan,
    begun: Any,  # noqa: ANN401 - a note of the beginning
    output: Output,
    saved_to: str | None,
) -> int:
    told = report.of_plan(begun, output.now(), plan, client.calls_of(plan), dry_run=True)
    told = replace(told, next=next_command(told.exit_code, output.argv, plan, saved_to))
    if output.form == "text":
        lines(report.plan_lines(plan, full=output.verbose), sys.stderr if output.events_on_stdout else sys.stdout)
    output.report(told)
    if told.exit_code:
        refused = report.refusal(plan)
        say(f"safe-reinit: {refused} {refused.hint}")
    return told.exit_code


def next_command(
    exit_code: int, argv: Sequence[str], plan: Plan | None, saved_to: str | None = None
) -> tuple[str, ...]:
    """Name the command to go on with: the run of a plan that could run, else another look."""
    if plan is not None and saved_to and exit_code == 0:
        return (planfile.apply_command(saved_to, plan, argv),)
    words = iter(argv[1:] if argv[:1] == ["plan"] else argv)
    kept: list[str] = []
    for word in words:
        if word in ("--confirm", "--save"):
            next(words, None)
        elif word != "--dry-run" and not word.startswith(("--confirm=", "--save=")):
            kept.append(word)
    if plan is not None and exit_code == 0:
        return (shlex.join(["safe-reinit", *kept, "--confirm", plan.confirm_with]),)
    if kept[:1] == ["undo"]:
        return (shlex.join(["safe-reinit", *kept, "--dry-run"]),)
    return (shlex.join(["safe-reinit", "plan", *kept]),)


def after(told: Report, argv: Sequence[str], client: Client) -> tuple[str, ...]:
    """Name the commands to go on with after a run that did not end well: its story, and how to resume it."""
    if told.next:  # it goes on elsewhere
        return told.next
    if told.run_id is None:
        return next_command(told.exit_code, argv, None)
    if client.journal_path is None:
        return ()
    where = ("--journal", str(client.journal_path)) if client.journal_path != default_journal(os.environ) else ()
    words = [["show"]]
    if told.outcome in ("unknown", "not-restarted", "stranded"):
        words.append(["resume"])
    if told.outcome == "unknown":
        words += [["resume", "--verdict", verdict] for verdict in ("reinitialised", "intact", "wipe-again")]
    return tuple(shlex.join(["safe-reinit", word[0], told.run_id, *word[1:], *where]) for word in words)
