"""The runs that a worker begins for a Temporal Schedule, which sends a name and a time, and nothing else."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from ..client import Client, connect
from ..clock import Clock
from ..config import Settings, resolve
from ..errors import Error, RunRefused, UsageError
from ..interrupt import Interrupt
from . import options
from .output import print_stderr
from .selection import selection_of

_MAX_DELAY = timedelta(hours=1)
"""A run that was due earlier than this is not begun: people may be using the machines by now."""


@options.scheduled
def _options() -> None:
    """Bear the options of a scheduled run."""


class ScheduledRuns:
    """The scheduled runs of a worker. Safe to use from several threads.

    Args:
        flags: the command line of the worker.
        config: its settings.

    Raises:
        UsageError: the options of a run are not valid, or do not consent to it.
    """

    def __init__(self, flags: Mapping[str, Any], config: Settings) -> None:
        self._runs = {name: _parsed(name, line, flags) for name, line in config.scheduled_runs.items()}

    def begin(self, name: str, due: str) -> str:
        """Begin a run, as its line would in a crontab with ``--runner temporal`` and ``--once``, and leave it.

        If a run has begun for this name and time already, only check that workers have it.

        Args:
            name: its name in the configuration.
            due: when it was due, in RFC 3339.

        Returns:
            the id of the run that began for this time.

        Raises:
            RunRefused: there is no run of this name, it is too late, or the run is refused.
            UsageError: a setting, the journal or the server cannot be used now; another attempt may begin the run.
        """
        if name not in self._runs:
            raise RunRefused(
                f"The configuration of this worker has no scheduled run {name!r}.",
                hint="Correct the input of the Schedule, or add the name to scheduled_runs on each worker, and restart "
                "the workers.",
            )
        flags, settings = self._runs[name]
        at = datetime.fromisoformat(due).astimezone(UTC)
        key = f"{name}@{at:%Y-%m-%dT%H:%M:%SZ}"
        client, interrupt = connect(config=settings), Interrupt()
        interrupt.note = lambda _: _leave(interrupt)
        try:
            earlier = client.own_runs.of_key(key)
            if earlier is not None and earlier.ended_at is not None:
                return earlier.run_id
            if earlier is not None:
                client.resume(earlier.run_id, stop=interrupt)
            else:
                _begin(client, {**flags, "once": key}, at, interrupt)
        except Error as error:
            if not interrupt.parted:  # workers do not have it
                if isinstance(error, RunRefused) and error.report is not None and error.report.run_id is not None:
                    raise UsageError(str(error), hint=error.hint) from None  # it is recorded: it can be resumed
                raise
        begun = client.own_runs.of_key(key)
        run_id = begun.run_id if begun is not None else ""
        print_stderr(f"Scheduled run {name} of {at:%Y-%m-%dT%H:%M:%SZ}: run {run_id} has begun.")
        return run_id


def _leave(interrupt: Interrupt) -> None:
    """Stop waiting for a run as soon as workers have it: they carry it out, and others follow it."""
    interrupt.part()


def _begin(client: Client, flags: Mapping[str, Any], due: datetime, interrupt: Interrupt) -> None:
    if Clock().now() - due > _MAX_DELAY:
        raise RunRefused(
            f"The run was due at {due:%Y-%m-%dT%H:%M:%SZ}, more than an hour ago, so it was not begun.",
            hint="Begin it by hand if it should still run: trigger the Schedule.",
        )
    client.own_runs.demand()
    plan = selection_of(flags).plan(client, flags, None, None)
    client.run(plan, confirm=flags["confirm"], stop=interrupt)


def _parsed(name: str, line: str, of_worker: Mapping[str, Any]) -> tuple[Mapping[str, Any], Settings]:
    """Return the options of a run, and its settings, in which they come before those of the worker."""
    command = click.Command(name, params=options.made(_options), add_help_option=False)
    try:
        with command.make_context(name, shlex.split(line)) as ctx:
            given = {option: value for option, value in ctx.params.items() if value is not None}
        selection_of(given)
        settings = resolve({**of_worker, **given, "runner": "temporal"}, os.environ, of_worker.get("config"))
    except (click.ClickException, UsageError) as wrong:
        text = wrong.format_message() if isinstance(wrong, click.ClickException) else str(wrong)
        raise UsageError(f"scheduled_runs.{name}: {text}", hint="Correct it in the configuration file.") from None
    if "confirm" not in given:
        raise UsageError(f"scheduled_runs.{name}: There is no --confirm.", hint="Add it: nobody can be asked.")
    return {"stop_instance": None, **given}, settings
