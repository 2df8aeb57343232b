"""The commands that end or hold runs through the journal, and the audit."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from typing import Any

from ..config import Settings, resolve
from ..errors import UsageError
from ..journal import AuditEntry, EndedError, Reader, StoredRun, readable_record
from ..model import Plan, Secret
from ..model.codec import encode
from ..model.letters import printable
from ..plans.plan import from_json
from .documents import Audit
from .journals import open_journal, read_journal, saying_none
from .output import Output, print_stderr, print_stdout
from .program import naming_journal
from .run_list import left_stopped, some


def find_run(run_id: str, flags: Mapping[str, Any]) -> tuple[StoredRun, Settings]:
    """Find a run, and the settings to continue with: its own region, endpoint and profile unless others are given.

    Raises:
        UsageError: the journal has no such run, or it cannot be read.
    """
    with read_journal(flags) as journal:
        stored = journal.run(run_id)
    if stored is None:
        raise unknown_run(run_id, journal)
    refuse_unreadable(stored)
    own = {Settings.region: stored.region, Settings.endpoint: stored.endpoint, Settings.profile: stored.profile}
    at = {setting.name: flags.get(setting.name) or value or None for setting, value in own.items()}
    return stored, resolve({**flags, **at}, os.environ, flags.get("config"))


def refuse_unreadable(stored: StoredRun) -> None:
    """Check that the plan and the states of a run can be read, before anything is done with it.

    Raises:
        UnreadableError: one cannot.
    """
    with readable_record(f"run {stored.run_id}"):
        plan_of(stored)
        for job in stored.jobs:
            _ = job.state


def unknown_run(run_id: str, journal: Reader) -> UsageError:
    """Return the error for a run that a journal does not have."""
    return UsageError(
        f"The journal {journal.place} has no run {run_id}.",
        hint="safe-reinit runs lists its runs. Root, each user and each --journal FILE have separate journals.",
    )


def cancel(run_id: str, flags: Mapping[str, Any]) -> None:
    """Ask a run, through the journal, to end cleanly."""
    with open_journal(flags, "worker") as journal:
        at_work = journal.cancel(run_id, "safe-reinit cancel")
        stored = journal.run(run_id)
    if at_work or stored is None:
        _print_message(
            flags,
            f"Run {run_id} was asked to stop. The process that is working on it stops within a second or so. If there "
            f"is none any more, start its machines again: safe-reinit resume {run_id}. "
            f"See how it ends: safe-reinit show {run_id}",
        )
    else:
        with readable_record(f"run {stored.run_id}"):
            left = _left_by(stored)
        _print_message(flags, f"No process is working on run {run_id}, so it wipes nothing more. {left}")


def _left_by(run: StoredRun) -> str:
    """Describe what a cancelled run without a holder has left undone, and what to do now."""
    down = [each.instance_id for each in run.jobs if left_stopped(each.state)]
    is_open = [each.state for each in run.jobs if each.open]
    doubtful = [wipe.disk_id for state in is_open for wipe in state.disks if wipe.in_doubt]
    sentences = []
    if down:
        sentences.append(
            f"{some(down)} may be stopped. To start it again (wipes nothing): safe-reinit resume {run.run_id}."
        )
    if doubtful:
        sentences.append(
            f"It is unknown whether {some(doubtful)} was wiped. To check what ECS shows: "
            f"safe-reinit resume {run.run_id}; it says what to do if that is not enough."
        )
    if not sentences:
        sentences.append(f"It left no machine stopped. To record how it ended: safe-reinit resume {run.run_id}.")
    if run.shards and is_open:
        sentences.append("That needs a worker: safe-reinit worker.")
    return " ".join(sentences)


@saying_none(print_stderr)
def cancel_all(flags: Mapping[str, Any]) -> None:
    """Ask every open run to end cleanly."""
    cancelled: list[str] = []
    left: list[str] = []
    with open_journal(flags, "worker") as journal:
        open_runs = journal.runs(0)
        if not open_runs:
            journal.demand_permission("cancel")
        for run in open_runs:
            with contextlib.suppress(EndedError):
                (cancelled if journal.cancel(run.run_id, "safe-reinit cancel --all") else left).append(run.run_id)
    if cancelled:
        _print_message(flags, f"Asked to stop: {', '.join(cancelled)}. See how they end: safe-reinit runs")
    if left:
        _print_message(
            flags,
            f"No process is working on {', '.join(left)}. Resuming one starts its machines again and wipes nothing.",
        )
    if not cancelled and not left:
        _print_message(flags, "No run is open.")


def hold(reason: str, flags: Mapping[str, Any]) -> None:
    """Keep every run of the journal from stopping or wiping anything more."""
    if not reason.strip():
        raise UsageError("The reason is empty.", hint='Give a reason: --reason "change freeze".')
    with open_journal(flags, begin=True) as journal:
        journal.hold_all(printable(reason.strip()))
        stored = journal.runs(0)
    at_work = ", ".join(run.run_id for run in stored if run.attended)
    left = [run.run_id for run in stored if run.open and not run.attended]
    sentences = [f"Held: no run of the journal {journal.place} stops or wipes a machine."]
    if at_work:
        sentences.append(f"These stop cleanly and start their machines again: {at_work}.")
    if left:
        sentences.append(
            f"Possibly no process is working on {', '.join(left)}. Until the hold is lifted, resume starts machines "
            "again and wipes nothing. See safe-reinit runs --needs-me."
        )
    _print_message(flags, " ".join([*sentences, "Lift it: safe-reinit unhold"]))


@saying_none(lambda text: print_stderr(f"No hold is set. {text}"))
def unhold(flags: Mapping[str, Any]) -> None:
    """Lift the hold of the journal."""
    with open_journal(flags) as journal:
        lifted = journal.lift_hold()
        left = [run.run_id for run in journal.runs(0) if run.open and not run.attended]
    sentences = [f"Lifted: {lifted}. Runs can begin again." if lifted else "No hold is set."]
    if lifted and left:
        sentences.append(
            f"Resuming {', '.join(left)} can now wipe the remaining disks. To only start the machines again: "
            f"safe-reinit cancel {left[0]}, then resume it."
        )
    _print_message(flags, " ".join(sentences))


def _print_message(flags: Mapping[str, Any], text: str) -> None:
    """Print a message whose commands name the journal that was given."""
    journal = flags.get(Settings.journal.name)
    print_stderr(naming_journal(text, [Settings.journal.option, journal] if journal else []))


def audit(flags: Mapping[str, Any], run_id: str | None, newest: int, output: Output) -> None:
    """List what was done to runs, by whom, newest first.

    Args:
        flags: the options.
        run_id: only what was done to this run.
        newest: the maximum number of entries.
        output: where to print it.

    """
    entries = list[AuditEntry]()
    with saying_none(print_stderr), read_journal(flags) as journal:
        entries = journal.audit_entries(run_id, newest + 1)
    if len(entries) > newest:
        print_stderr("Older entries are not listed. To list more: --limit N")
    entries = entries[:newest]
    if output.json:
        output.document({"schema": 1, **encode(Audit(tuple(entries)))})
        return
    if not entries:
        print_stdout(f"Nothing is recorded for {run_id}." if run_id else "Nothing is recorded yet.")
    for each in entries:
        who = f"{each.user} (role {each.role})" if each.role else each.user
        print_stdout("  ".join(filter(None, (each.at, who, each.action, each.run_id, each.detail))))


def plan_of(stored: StoredRun) -> Plan:
    """Return the plan of a run for display, without the password that it may have had."""
    had_password = bool(stored.plan["options"]["password"])
    return from_json(stored.plan, Secret("") if had_password else None)
