"""What every command that runs a plan sets up: output, password, client, signals."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..client import Client, connect
from ..clock import Clock, EmbeddedClock
from ..config import Settings
from ..error_mapping import password_as_planned
from ..errors import UsageError
from ..model import Secret
from .consent import somebody_there
from .files import refuse_clashes, refuse_document, refuse_other_report
from .output import Output

if TYPE_CHECKING:
    from ..simulator import Simulator

_SIMULATION_SPEED = 15.0


def set_output(
    output: Output, config: Settings, flags: Mapping[str, Any], *inputs: str, run_id: str | None = None
) -> None:
    """Set the format and the destination of the result, for success and failure.

    Args:
        output: the output to set up.
        config: the settings.
        flags: the options.
        inputs: files that the command reads besides those of its options.
        run_id: the run that continues, whose report may be replaced.

    Raises:
        UsageError: two outputs want stdout, a file cannot be written, or it has another use.
    """
    on_stdout = config.events == "-"
    if on_stdout and config.output != "text":
        raise UsageError(
            "--events - and --output json or markdown both write to stdout.", hint="Write the events to a file."
        )
    for setting in (Settings.report, Settings.events):
        name = config.of(setting).value
        if name and name != "-":
            folder = Path(name).parent
            if not folder.is_dir() or not os.access(folder, os.W_OK) or Path(name).is_dir():
                raise UsageError(
                    f"{name} cannot be written: its folder does not exist, or you may not write to it.",
                    hint=f"Correct {setting.option}.",
                )
    refuse_clashes(config, flags, *inputs)
    if config.events and not on_stdout:
        refuse_document(config.events)
    if config.report:
        refuse_other_report(config.report, run_id, flags.get("once"))
    output.settle(config)


def password_of(config: Settings, flags: Mapping[str, Any]) -> str | None:
    """Read the requested password from the environment, stdin or a person, never from argv.

    Raises:
        UsageError: it is requested in two ways, or missing.
    """
    variable = config.password_env
    switches = [name for name in ("--password-stdin", "--password-prompt") if flags.get(name[2:].replace("-", "_"))]
    asked = [*(["--password-env"] if variable else []), *switches]
    if len(asked) > 1:
        raise UsageError(f"{' and '.join(asked)} are both given.", hint="Give one of them.")
    if variable:
        password = os.environ.get(variable)
        if not password:
            raise UsageError(f"The environment variable {variable} holds no password.", hint="Correct --password-env.")
        return password
    if not asked:
        return None
    return _from_person() if asked == ["--password-prompt"] else _from_stdin(flags)


def password_again(plan: Mapping[str, Any], config: Settings, flags: Mapping[str, Any], what: str) -> str | None:
    """Read the password for a stored plan that was made with one; a superfluous setting is ignored.

    Raises:
        UsageError: it is missing, or the command line gives one that is not needed.
    """
    given = any(flags.get(name) for name in (Settings.password_env.name, "password_stdin", "password_prompt"))
    if not plan["options"]["password"] and not given:
        return None
    password = password_of(config, flags)
    password_as_planned(plan, Secret(password) if password else None, what)
    return password


def _from_stdin(flags: Mapping[str, Any]) -> str:
    if not flags.get("confirm") and not flags.get("dry_run"):
        raise UsageError(
            "--password-stdin needs --confirm, because stdin cannot answer a question.", hint="Add --confirm."
        )
    password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise UsageError("There is no password on stdin.", hint="Write one line to stdin.")
    return password


def _from_person() -> str:
    """Ask twice, without showing the answers, not even the difference."""
    if not somebody_there():
        raise UsageError(
            "--password-prompt needs a terminal to ask on.", hint="Give --password-env or --password-stdin instead."
        )
    password: str = click.prompt("New password", hide_input=True, confirmation_prompt="The same again", err=True)
    return password


def client_of(config: Settings, stack: ExitStack) -> Client:
    """Make the client of the cloud, or of an embedded simulator, which lasts as long as the stack."""
    if config.simulate or config.world:
        return simulated(config, stack)
    if config.faults:
        raise UsageError("--faults is for the simulator only.", hint="Add --simulate, or use safe-reinit rehearse.")
    return connect(config=config)


def simulated(config: Settings, stack: ExitStack, world: dict[str, Any] | None = None) -> Client:
    """Make a client of an embedded simulator, which lasts as long as the stack."""
    return _client_at(_simulator(config, stack, world), config, EmbeddedClock(_SIMULATION_SPEED))


def clients_of(configs: Sequence[Settings], stack: ExitStack) -> list[Client]:
    """Make a client for each region of one cloud, or of one embedded simulator; they share a clock."""
    first, *others = configs
    if first.simulate or first.world:
        simulator, clock = _simulator(first, stack, None), EmbeddedClock(_SIMULATION_SPEED)
        return [_client_at(simulator, config, clock) for config in configs]
    client = client_of(first, stack)
    return [client, *(connect(config=config, clock=client.clock) for config in others)]


def _client_at(simulator: Simulator, config: Settings, clock: Clock) -> Client:
    named = (Settings.region.option, *Settings.region.variables[:1])
    if config.of(Settings.region).location not in named:  # an endpoint for the real cloud is not used here
        config = config.having(Settings.region, simulator.region)
    if config.of(Settings.journal).location == Settings.journal.option:
        raise UsageError(
            "--journal keeps runs so that they can be resumed, but the built-in simulator ends with its command.",
            hint="Leave out --journal, or start safe-reinit simulator and name it with --endpoint.",
        )
    if config.of(Settings.runner).location == Settings.runner.option and config.runner != "local":
        raise UsageError(
            "Temporal's workers cannot reach the built-in simulator, which ends with its command.",
            hint="Leave out --runner, or start safe-reinit simulator and name it with --endpoint.",
        )
    config = config.having(Settings.endpoint, simulator.url).having(Settings.profile, None)
    config = config.having(Settings.runner, "local")
    config = config.having(Settings.journal, None)  # a simulated run must not be in the journal of real runs
    return connect(config=config, credentials=simulator.access_key, clock=clock)


def _simulator(config: Settings, stack: ExitStack, world: dict[str, Any] | None) -> Simulator:
    from ..simulator import Simulator  # noqa: PLC0415 - only where it is asked for

    if world is None and config.of(Settings.endpoint).source == "flag":  # a rehearsal reads the cloud at its endpoint
        raise UsageError(
            "--endpoint names a cloud, but --simulate and --world use the built-in simulator instead.",
            hint="Leave out --endpoint, or leave out the built-in simulator.",
        )
    try:
        simulator = stack.enter_context(
            Simulator(world=world or config.world, faults=config.faults, speed=_SIMULATION_SPEED)
        )
    except (ValueError, OSError) as error:
        given = [name for name, file in (("--world", config.world), ("--faults", config.faults)) if file]
        hint = f"Correct {' or '.join(given)}." if given else "Try again."
        raise UsageError(f"The simulator cannot start: {error}", hint=hint) from None
    return simulator
