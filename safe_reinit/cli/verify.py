"""The command verify-cloud: measures on a spare machine what no document says about ECS."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

from .. import report
from ..client import Client
from ..config import Settings, resolve
from ..errors import Error, NotRestarted, RunRefused, UsageError
from ..model import Call, Plan
from ..model.codec import encode
from ..planning import plan_store
from ..planning.discover import Search
from ..verification import document
from ..verification.document import Verification
from ..verification.rounds import GUARDED_RUNS, Rounds
from .files import replace_keeping_mode
from .next import with_next
from .output import Output, print_lines, print_stderr, write
from .progress import Progress
from .session import client_of, set_output
from .signals import Stopped


def command(flags: Mapping[str, Any], output: Output) -> int:
    """Announce what it does and destroys, measure, write the measurements, and return the exit code."""
    config = resolve(flags, os.environ, flags.get("config")).having(Settings.runner, "local")
    set_output(output, config, flags)
    if flags["save"] is not None:
        plan_store.refuse_existing(flags["save"], "--save")
    with ExitStack() as stack:
        client = client_of(config, stack)
        client.own_runs.demand()
        progress = stack.enter_context(Progress.of_command(config, client, output))
        disk_id = flags["disk"] or _only_disk(client, flags["instance"], progress)
        rounds = Rounds(client, flags["instance"], disk_id, flags["accept"], output.signals.enough, progress.call)
        began = f"{output.now():%Y-%m-%d}"
        plan = rounds.plan()
        ended = _measure(rounds, plan, flags["confirm"], output, progress)
        result = rounds.verification(plan, began)
        progress.close()
        if rounds.failure is not None and rounds.failure.report is not None:
            of_run = with_next(rounds.failure.report, output.argv, client)
            output.last(lambda: print_lines(report.report_lines(of_run), sys.stderr))
    _write(result, flags["save"], output)
    ended = ended or _judged(result, rounds)
    if ended is None:
        return 0
    print_stderr(f"safe-reinit: {ended} {ended.hint}".rstrip())
    return ended.exit_code


def _only_disk(client: Client, instance_id: str, progress: Progress) -> str:
    found = client.discover_disks(Search((instance_id,), system=True, data=True), progress.call)
    if len(found) > 1:
        raise UsageError(
            f"{instance_id} has {len(found)} disks ({', '.join(found)}), but only one can be wiped.",
            hint="Nothing was changed. Choose one with --disk.",
        )
    return found[0]


def _measure(rounds: Rounds, plan: Plan, confirm: str | None, output: Output, progress: Progress) -> Error | None:
    """Ask for consent and make the runs; return how they ended, unless that was well."""
    write(
        sys.stderr,
        f"verify-cloud stops {rounds.instance_id}, wipes its disk {rounds.disk_id} and starts the machine again, "
        f"{GUARDED_RUNS} times: all data on this disk is lost for good.\n",
    )
    progress.findings(plan)
    print_lines(report.plan_lines(plan), sys.stderr)
    if not plan.runnable:
        rounds.ask_dry_runs()
        return report.refusal(plan)
    if (refused := rounds.refused(plan)) is not None:
        return refused
    if confirm != rounds.instance_id:
        return RunRefused(
            f"Nobody confirmed the wipe of the disk {rounds.disk_id} of {rounds.instance_id}.",
            hint=f"Nothing was changed; if nobody needs this machine, add --confirm {rounds.instance_id}",
        )

    def run(plan: Plan, on_call: Callable[[Call], None]) -> None:
        progress.findings(plan)
        progress.settle()
        with output.signals.run(progress.print_then) as interrupt:
            rounds.client.run(plan, confirm=plan.confirm_with, on_event=progress.event, on_call=on_call, stop=interrupt)

    try:
        rounds.measure(plan, run)
    except Stopped:
        if not rounds.runs:  # nothing was changed
            raise
        rounds.notes.append("a further run was interrupted before it began")
    return rounds.failure


def _write(result: Verification, path: str | None, output: Output) -> None:
    """Write the measurements to stdout, and to the requested file."""
    written = {"schema": 1, **encode(result)}
    text = "".join(f"{line}\n" for line in document.lines(result))
    failed = [output.last(lambda: output.document(written) if output.json else write(sys.stdout, text))]
    if path is not None:
        failed.append(output.last(lambda: replace_keeping_mode(path, f"{report.dump_document(written)}\n")))
    for why in filter(None, failed):
        print_stderr(f"safe-reinit: {why}")


def _judged(result: Verification, rounds: Rounds) -> Error | None:
    """Return the exit code for runs that ended well."""
    if not result.as_found:
        return NotRestarted(
            f"{rounds.instance_id} was Running before, but was not seen Running at the end; its runs have ended.",
            hint="Check it in the ECS console, and start it there if nobody else stopped it.",
        )
    open_ = {each.name: each.verdict for each in result.assumptions if each.verdict != "agrees"}
    if not open_:
        return None
    text = ", ".join(f"{name} {verdict}" for name, verdict in open_.items())
    return Error(
        f"The measurements do not show that ECS behaves as runs assume: {text}.",
        hint="The machine is Running, as before, and its disk was wiped. Please send the measurements to the project "
        "(--save FILE has no ids).",
    )
