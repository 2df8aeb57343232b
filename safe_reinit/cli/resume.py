"""The command resume, and a person's verdict on an unknown outcome."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..client import Client, connect
from ..config import Settings
from ..core.resuming import Verdict
from ..core.state import outcome
from ..errors import OutcomeUnknown, RunRefused, UsageError
from ..execution.verdicts import refuse_verdict
from ..interrupt import Interrupt
from ..journal import StoredRun
from ..model import Plan, Report
from . import consent, history
from .next import naming_next
from .output import Output
from .progress import Progress
from .session import password_again, set_output
from .wipe import plan_and_run


def command(run_id: str, flags: Mapping[str, Any], output: Output) -> int:
    """Continue a run, and return the exit code."""
    if flags["accept"] and flags["verdict"] != "wipe-again":
        raise UsageError(
            "--accept can be given only with --verdict wipe-again.",
            hint="Leave it out: the run was confirmed when it began.",
        )
    stored, config = history.find_run(run_id, flags)
    set_output(output, config, flags, run_id=run_id)
    password = password_again(stored.plan, config, {**flags, "confirm": run_id}, f"Run {run_id}")
    client = connect(config=config)
    if flags["verdict"] == "wipe-again":
        return _wipe_again(client, stored, config, flags, password, output)
    with Progress.of_command(config, client, output) as progress:
        if stored.shards:
            progress.of(history.plan_of(stored), since=client.clock.now())
        else:
            before = [each.state for each in stored.jobs if not each.open]
            progress.of(history.plan_of(stored), {each.instance_id: outcome(each) for each in before})
        with naming_next(output, client):
            result = _resume_attended(client, stored, flags["verdict"], password, progress, output)
        progress.close()
    output.report(result)
    return result.exit_code


def _resume_attended(
    client: Client,
    stored: StoredRun,
    verdict: Verdict | None,
    password: str | None,
    progress: Progress,
    output: Output,
) -> Report:
    """Resume a run; if that cannot tell what happened, ask the person and resume it with the answer."""
    interrupted: Interrupt | None = None

    def resumed(verdict: Verdict | None) -> Report:
        progress.settle()
        nonlocal interrupted
        with output.signals.run(progress.print_then, progress.note) as interrupt:
            interrupted = interrupt
            return client.resume(
                stored.run_id,
                verdict=verdict,
                password=password,
                on_event=progress.event,
                on_call=progress.call,
                stop=interrupt,
                go_on=lambda summary: consent.go_on(summary, progress, interrupt, waits=bool(stored.shards)),
            )

    try:
        return resumed(verdict)
    except OutcomeUnknown:
        if verdict is not None or (interrupted is not None and interrupted.over):
            raise
        undo = bool(stored.undoes)
        verdict = consent.ask_verdict(stored.run_id, progress, undo=undo, ended=output.signals.enough.is_set)
        if verdict is None:
            raise
    return resumed(verdict)


def _wipe_again(
    client: Client, stored: StoredRun, config: Settings, flags: Mapping[str, Any], password: str | None, output: Output
) -> int:
    """Make the same plan again and ask again; the old run releases its instances once the new plan is confirmed."""
    refuse_verdict(stored, "wipe-again")
    old = history.plan_of(stored)
    with Progress.of_command(config, client, output) as progress:

        def plan() -> Plan:
            pending = _pending_starts(stored)
            made = client.planner.plan_again(
                old,
                stored.run_id,
                accept=flags["accept"],
                pending_starts=pending,
                password=password,
                on_call=progress.call,
            )
            left = sorted(set(pending) - {job.instance_id for job in made.jobs})
            if left and made.runnable:  # the new run would not start them, but closes the old one
                raise RunRefused(
                    f"Run {stored.run_id} stopped {', '.join(left)}, but no disk of the new plan is attached to it, "
                    "so nothing would start it again.",
                    hint="Nothing was changed. Attach the disk again. Or end the run with --verdict reinitialised or "
                    "intact, which starts the machine, and then plan the wipe of the disk where it is attached now.",
                )
            return made

        flags_again = {**flags, "dry_run": None}
        with naming_next(output, client):
            return plan_and_run(client, config, flags_again, plan, output, progress, replacing=stored.run_id)


def _pending_starts(before: StoredRun) -> list[str]:
    """Return the machines that an earlier run stopped: the run that replaces it starts them, as promised."""
    states = [each.state for each in before.jobs if each.state.power_before == "Running"]
    return [each.instance_id for each in states if each.stopped_by_us and each.start.state != "done"]
