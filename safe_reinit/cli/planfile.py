"""Plans as files: saved by ``plan --save``, read for ``apply``, shown by ``show``."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from .. import report
from ..client import Client
from ..config import Settings, resolve
from ..errors import UsageError
from ..journal.place import is_there, journal_of, redacted
from ..model import Plan, Report
from ..model.codec import timestamp
from ..planning import plan_store
from ..plans import plan_file
from ..plans.plan_file import Saved
from .next import apply_command
from .output import Output, print_lines, print_stderr, print_stdout

# ------------------------------------------------------------------------------------------------------------ saving


def save(plan: Plan, path: str, client: Client, config: Settings) -> Plan:
    """Save a plan, and return it with its digest.

    Raises:
        RunRefused: the file cannot be written, or would be too large to be read.
    """
    kept = plan_store.save_plan(plan, path, endpoint(client, config), config.plan_expires)
    until = timestamp(plan.made_at + timedelta(seconds=config.plan_expires))
    if not config.quiet:
        print_stderr(f"Saved to {path}: digest {kept.digest}, can be applied until {until}.")
    return kept


def endpoint(client: Client, config: Settings) -> str:
    """Return the endpoint of a plan as its file has it."""
    return plan_file.SIMULATION if config.simulate or config.world else client.endpoint


# ---------------------------------------------------------------------------------------------------------- showing


def show_plan_file(path: str, flags: Mapping[str, Any], output: Output) -> None:
    """Show the plan in a file, and what can be said about it without asking the cloud.

    Raises:
        UsageError: it is not a plan file, or was changed.
    """
    if not os.path.lexists(path):
        raise UsageError(f"There is neither a run nor a plan file {path!r}.", hint="See safe-reinit runs.")
    saved = plan_store.read_plan(path, trusted=False)
    expired = output.now() >= saved.expires_at
    result = report.of_plan(report.started(saved.plan.made_at), saved.plan.made_at, saved.plan, (), dry_run=True)
    used_by, result, unknown = _with_journal(saved, result, flags)
    usable = saved.plan.runnable and not expired and used_by is None
    result = replace(result, next=(apply_command(path, saved.plan, output.argv, saved.endpoint),) if usable else ())
    if output.json:
        file = {
            "path": path, "digest": saved.plan.digest, "confirm_with": saved.confirm_with, "endpoint": saved.endpoint,
            "expires_at": timestamp(saved.expires_at), "expired": expired, "used_by": used_by,
        }  # fmt: skip
        output.document({**report.to_json(result), "events": [], "missing": [], "file": file})
        return
    print_stdout(f"{path}: a plan of {timestamp(saved.plan.made_at)} by {saved.plan.caller.arn}")
    print_stdout(f"  digest {saved.plan.digest}")
    print_stdout(f"  {_state(saved, used_by, unknown, expired=expired)}")
    print_lines(report.plan_lines(saved.plan, full=output.verbose), sys.stdout)
    for disk in (disk for job in result.jobs for disk in job.disks if disk.last_run):
        if disk.last_run:
            print_stdout(f"  {disk.disk_id}: {report.last_run_text(disk.last_run)}")
    print_lines(report.next_lines(result.next, ""), sys.stdout)


def _state(saved: Saved, used_by: str | None, unknown: str, *, expired: bool) -> str:
    until = timestamp(saved.expires_at)
    states = [f"USED: run {used_by} ran it"] if used_by else []
    states += [f"EXPIRED at {until}, by this machine's clock"] if expired else []
    states += ["REFUSED: it cannot be applied, see below"] if not saved.plan.runnable else []
    text = "; ".join(states) or f"can be applied until {until}, if nothing has changed since"
    return f"{text}{unknown}"


def _with_journal(saved: Saved, result: Report, flags: Mapping[str, Any]) -> tuple[str | None, Report, str]:
    """Ask the journal who ran a plan and its disks; if it cannot be read, the plan is shown all the same."""
    config = resolve(flags, os.environ, flags.get("config"))
    place = journal_of(config.journal, os.environ)
    named = config.of(Settings.journal).source == "flag"
    if not named and not is_there(place):
        return None, result, ""
    from .journals import read_journal  # noqa: PLC0415 - only where there is one

    try:
        with read_journal(flags) as journal:
            return journal.used_by(saved.plan.plan_id), report.with_last_runs(result, journal, saved.endpoint), ""
    except (OSError, UsageError):
        if named and not is_there(place):
            raise
        return None, result, f"; it is unknown whether it was run, because the journal {redacted(place)} cannot be read"
