"""The command undo: rolls the disks that a run wiped back to the safety snapshots that it took."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..client import connect
from ..model import Plan
from . import history
from .next import naming_next
from .output import Output
from .progress import Progress
from .session import set_output
from .wipe import plan_and_run


def command(run_id: str, flags: Mapping[str, Any], output: Output) -> int:
    """Plan the undo, show it, ask, run it and return the exit code."""
    _, config = history.find_run(run_id, flags)
    set_output(output, config, flags)
    client = connect(config=config)
    with Progress.of_command(config, client, output) as progress:

        def plan() -> Plan:
            return client.plan_undo(
                run_id,
                stop_instance=bool(flags["stop_instance"]),
                accept=flags["accept"],
                on_call=progress.call,
            )

        with naming_next(output, client):
            return plan_and_run(client, config, flags, plan, output, progress)
