"""The RAM policy for exactly one run, and which of its permissions these credentials have."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from .. import report
from ..config import Settings, resolve
from ..errors import RunRefused
from ..model import Call, Plan
from ..planning.planner import calls_of
from ..planning.ram_check import Proof
from ..plans import ram_policy
from ..report import Line
from .output import Output, print_lines, print_stderr, print_stdout
from .progress import Progress
from .selection import selection_of
from .session import client_of, password_of

_STYLE = {"allowed": "green", "missing": "bold red", "unproven": "dark_orange3", "optional": "dark_orange3"}


def command(flags: Mapping[str, Any], output: Output) -> int:
    """Print the policy, or with --check the missing permissions, and return the exit code."""
    config = resolve(flags, os.environ, flags.get("config"))
    output.with_form_of({Settings.output.name: config.output})
    password = password_of(config, {**flags, "dry_run": True})
    selection = selection_of(flags)
    with ExitStack() as stack:
        client = client_of(config, stack)
        progress = stack.enter_context(Progress.of_command(config, client, output))
        plan = selection.plan(client, flags, password, progress.call)
        calls = calls_of(plan)
        if flags["check"]:
            return _check(plan, client.planner.prove(plan, calls, progress.call), output)
        if not _is_seen(plan):
            raise _refusal(plan)
        _print(plan, calls, config, output)
    return 0


def _is_seen(plan: Plan) -> bool:
    """Return whether the disks and their instances were seen; otherwise it is not known what a run would do."""
    return all(job.power_before and all(disk.type for disk in job.disks) for job in plan.jobs)


def _refusal(plan: Plan) -> RunRefused:
    why = report.refusal(plan)
    return RunRefused(f"The permissions that the run needs are not known: {why}", hint=why.hint)


def _print(plan: Plan, calls: Sequence[Call], config: Settings, output: Output) -> None:
    needed = ram_policy.needed_permissions(plan, calls)
    made = ram_policy.document(needed, password=plan.options.password is not None)
    if output.json:
        output.document(made)
    else:
        print_stdout(json.dumps(made, indent=2))
    if config.quiet:
        return
    if not plan.options.password:
        print_stderr("The policy denies setting a password, because this run sets none.")
    if not plan.runnable:
        print_stderr(f"Even with these permissions, the run would be refused now: {report.refusal(plan)}")


def _check(plan: Plan, proofs: Sequence[Proof], output: Output) -> int:
    missing = [proof.right.action for proof in proofs if proof.state == "missing"]
    if output.json:
        output.document({"schema": 1, "rights": [_proof_members(proof) for proof in proofs], "missing": missing})
    else:
        print_lines((_line(proof) for proof in proofs), sys.stdout)
    if missing:
        more = "" if _is_seen(plan) else " Once they are granted, the others can be checked."
        print_stderr(f"safe-reinit: Missing: {', '.join(missing)}.{more} To print the policy, leave out --check.")
        return RunRefused.exit_code
    if not _is_seen(plan):
        print_stderr(f"safe-reinit: {_refusal(plan)} {_refusal(plan).hint}")
        return RunRefused.exit_code
    return 0


def _proof_members(proof: Proof) -> dict[str, Any]:
    return {
        "action": proof.right.action,
        "resources": list(proof.right.resources),
        "state": proof.state,
        "why": proof.why,
    }


def _line(proof: Proof) -> Line:
    resources = " ".join(proof.right.resources)
    return Line(f"{proof.state:<8}  {proof.right.action:<24}  {resources}  ({proof.why})", _STYLE[proof.state])
