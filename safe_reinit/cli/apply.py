"""The command apply: runs a plan from a file."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from .. import report
from ..checks.target_rules import MIN_QUOTED, class_consents, quotes
from ..client import Client
from ..config import Settings, resolve
from ..error_mapping import reporting
from ..errors import Error, RunRefused, UsageError
from ..model import Report
from ..planning import plan_store
from ..planning.planner import calls_of
from ..plans import plan_file
from ..plans.plan_file import Saved
from . import consent
from .next import after_file, with_next
from .output import Output
from .planfile import endpoint
from .progress import Progress
from .session import client_of, password_again, set_output
from .wipe import run_confirmed


def command(path: str, flags: Mapping[str, Any], output: Output) -> int:
    """Run the plan in a file unless something has changed, and return the exit code."""
    saved = plan_store.read_plan(path, trusted=True)
    config = _settings(path, saved, flags)
    set_output(output, config, {**flags, "once": saved.plan.once}, path)
    with reporting(lambda error: _failed_report(error, path, saved, output)):
        _confirm(path, saved, flags.get("confirm"))
    plain = {"options": {"password": saved.plan.options.password is not None}}
    plan = saved.with_password(password_again(plain, config, flags, f"The plan {path}"))
    with ExitStack() as stack:
        client = client_of(config, stack)
        plan_store.refuse_other_place(path, saved.endpoint, endpoint(client, config))
        progress = stack.enter_context(Progress.of_command(config, client, output))
        interactive = flags.get("confirm") is None
        with reporting(lambda error: _failed_report(error, path, replace(saved, plan=plan), output, client)):
            if (earlier := client.own_runs.done_before(plan)) is not None:
                output.report(earlier)
                return earlier.exit_code
            if not plan.runnable:
                raise report.refusal(plan)
            client.own_runs.demand(plan)
            now = client.planner.refresh(plan, progress.call)
            plan = replace(plan, making=now.making)
            plan_store.refuse_change(path, saved.expires_at, plan, now, config)
            progress.findings(plan)
            plan = replace(plan, caller=now.caller)  # whoever runs it is asked now
            if interactive or not config.quiet:  # a person who is asked sees the plan first
                progress.settle()
                output.plan(plan, sys.stderr)
            if interactive:
                consent.obtain(plan, None, lambda _: False, str(plan.digest))
            return run_confirmed(client, plan, plan.confirm_with, output, progress)


def _failed_report(error: Error, path: str, saved: Saved, output: Output, client: Client | None = None) -> Report:
    """Add the report of its plan to an error, with the commands to continue with."""
    result, plan = error.report, saved.plan
    if result is not None and result.run_id is not None and client is not None:
        return with_next(result, output.argv, client)
    begun = report.started(output.began, plan.region, plan.reason)
    if client is None:
        result = report.of_plan(begun, output.now(), plan, result.calls if result else (), dry_run=False, error=error)
    else:
        calls = result.calls if result else calls_of(plan)
        result = client.own_runs.report_of(plan, begun, calls, dry_run=False, error=error)
        if result.run_id is not None:  # the run that has the key of the plan
            return with_next(result, output.argv, client)
    unread = client is None and not any(word.startswith("--confirm") for word in output.argv)
    return replace(result, next=after_file(path, saved, output.argv, unread=unread))


def _settings(path: str, saved: Saved, flags: Mapping[str, Any]) -> Settings:
    """Resolve the settings: the region comes from the plan, and so does its endpoint if that is on this machine."""
    region = flags.get(Settings.region.name)
    if region and region != saved.plan.region:
        raise UsageError(
            f"The plan {path} is for the region {saved.plan.region}, but --region is {region}.",
            hint="Leave out --region: the plan contains it.",
        )
    local = saved.endpoint if saved.endpoint not in ("", plan_file.SIMULATION) else None
    at = {Settings.region.name: saved.plan.region, Settings.endpoint.name: flags.get(Settings.endpoint.name) or local}
    return resolve({**flags, **at}, os.environ, flags.get("config"))


def _confirm(path: str, saved: Saved, confirm: str | None) -> None:
    """Check that the person names this file, or its unattended class, or can be asked; ``show`` prints its digest."""
    read_it = f"Nothing was changed. Read what is in that file: {shlex.join(['safe-reinit', 'show', path])}"
    if confirm is None:
        if not consent.somebody_there():
            raise RunRefused("A saved plan is applied only with --confirm DIGEST.", hint=read_it)
    elif not quotes(confirm, str(saved.plan.digest)) and not class_consents(saved.plan, confirm):
        raise RunRefused(
            f"--confirm {confirm!r} is neither the digest of {path} nor at least its first {MIN_QUOTED} characters.",
            hint=read_it,
        )
