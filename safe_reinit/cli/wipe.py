"""The main command: look, judge, show the plan, ask, run, report."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import report
from ..client import Client, Interrupt, connect
from ..clock import Clock
from ..config import Config, resolve
from ..errors import Error, UsageError
from ..model import Plan
from . import consent
from .output import Output, lines, say
from .progress import Progress

if TYPE_CHECKING:
    from ..simulator import Simulator

_SIMULATION_SPEED = 15.0


def command(flags: Mapping[str, Any], argv: Sequence[str]) -> int:
    """Do what the command line says and give the exit code."""
    config = resolve(flags, os.environ, flags.get("config"))
    output = _output(config, argv)
    password = _password(config, flags)
    if not flags["disk"]:
        raise UsageError("No disk is named.", hint="Name one with --disk d-...")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    with ExitStack() as stack:
        client = _client(config, stack)
        progress = stack.enter_context(Progress(config, client.region))
        try:
            return _plan_and_run(client, config, flags, password, output, progress)
        except Error as error:
            if error.report is not None:
                error.report = replace(error.report, next=_next(error.report.exit_code, argv, None))
            raise


def _plan_and_run(
    client: Client, config: Config, flags: Mapping[str, Any], password: str | None, output: Output, progress: Progress
) -> int:
    begun = report.started(output.began, client.region, config["reason"])
    plan = client.plan(
        flags["disk"],
        stop_instance=bool(flags["stop_instance"]),
        accept=flags["accept"],
        password=password,
        on_call=progress.call,
    )
    progress.findings(plan)
    if flags.get("dry_run"):
        return _tell_plan(client, plan, begun, output)
    if not config["quiet"]:
        lines(report.plan_lines(plan), sys.stderr)
    if plan.runnable:
        consent.obtain(plan, flags.get("confirm"))
    with _signals(progress) as interrupt:
        told = client.run(
            plan,
            confirm=flags.get("confirm") or plan.confirm_with,
            on_event=progress.event,
            on_call=progress.call,
            stop=interrupt,
        )
    progress.close()
    output.report(told)
    return told.exit_code


def _tell_plan(client: Client, plan: Plan, begun: Any, output: Output) -> int:  # noqa: ANN401 - a note of the beginning
    told = report.of_plan(begun, output.now(), plan, client.calls_of(plan), dry_run=True)
    told = replace(told, next=_next(told.exit_code, output.argv, plan))
    if output.form == "text":
        lines(report.plan_lines(plan), sys.stderr if output.events_on_stdout else sys.stdout)
    output.report(told)
    if told.exit_code:
        refused = report.refusal(plan)
        say(f"safe-reinit: {refused} {refused.hint}")
    return told.exit_code


def _next(exit_code: int, argv: Sequence[str], plan: Plan | None) -> tuple[str, ...]:
    """Name the command to go on with: the run of a plan that could run, else another look."""
    kept = [word for word in argv if word not in ("--dry-run", "plan")]
    if plan is not None and exit_code == 0:
        return (shlex.join(["safe-reinit", *kept, "--confirm", plan.confirm_with]),)
    looking: list[str] = []
    words = iter(kept)
    for word in words:
        if word == "--confirm":
            next(words, None)
        elif not word.startswith("--confirm="):
            looking.append(word)
    return (shlex.join(["safe-reinit", "plan", *looking]),) if exit_code not in (0, 1, 2) else ()


def _output(config: Config, argv: Sequence[str]) -> Output:
    on_stdout = config["events"] == "-"
    if on_stdout and config["output"] != "text":
        raise UsageError("--events - and --output json or markdown both want stdout.", hint="Write one to a file.")
    for option in ("report", "events"):
        name = config[option]
        if name and name != "-":
            folder = Path(name).parent
            if not folder.is_dir() or not os.access(folder, os.W_OK) or Path(name).is_dir():
                raise UsageError(f"{name} cannot be written.", hint=f"Correct --{option}.")
    return Output(config["output"], argv, on_stdout, config["report"] or "")


def _password(config: Config, flags: Mapping[str, Any]) -> str | None:
    variable = config["password_env"]
    if variable and flags.get("password_stdin"):
        raise UsageError("--password-env and --password-stdin are both given.", hint="Give one of them.")
    if variable:
        password = os.environ.get(variable)
        if not password:
            raise UsageError(f"The environment variable {variable} holds no password.", hint="Correct --password-env.")
        return password
    if not flags.get("password_stdin"):
        return None
    if not flags.get("confirm") and not flags.get("dry_run"):
        raise UsageError("--password-stdin needs --confirm, since stdin cannot be asked.", hint="Add --confirm.")
    password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise UsageError("There is no password on stdin.", hint="Write one line to stdin.")
    return password


def _client(config: Config, stack: ExitStack) -> Client:
    if not (config["simulate"] or config["world"]):
        return connect(config=config)
    simulator = _simulator(config, stack)
    settings = {name: config.of(name) for name in config}
    region = settings["region"]
    if region.where not in ("--region", "SAFE_REINIT_REGION"):  # one that is meant for the real cloud is not meant here
        settings["region"] = replace(region, value=simulator.region)
    settings["endpoint"] = replace(settings["endpoint"], value=simulator.url)
    settings["profile"] = replace(settings["profile"], value=None)
    say("SIMULATION: an embedded simulator answers; no cloud is touched.")
    return connect(config=Config(settings), credentials=simulator.access_key, clock=Clock(_SIMULATION_SPEED))


def _simulator(config: Config, stack: ExitStack) -> Simulator:
    from ..simulator import Simulator  # noqa: PLC0415 - only where it is asked for

    try:
        return stack.enter_context(Simulator(world=config["world"], speed=_SIMULATION_SPEED))
    except (ValueError, OSError) as error:
        raise UsageError(f"The world cannot be used: {error}", hint="Correct --world.") from None


def _interrupt(_number: int, _frame: object) -> None:
    """End as Ctrl-C does, while nothing has been changed yet."""
    raise KeyboardInterrupt


@contextmanager
def _signals(progress: Progress) -> Iterator[Interrupt]:
    """Let Ctrl-C, SIGTERM and a closed terminal end the run in order; a second one leaves at once."""
    interrupt = Interrupt()

    def ask(number: int, _frame: object) -> None:
        interrupt.ask()
        if interrupt.left:
            progress.say("Leaving at once: the run is left as it stands.")
        else:
            progress.say(
                f"{signal.Signals(number).name}: ending the run; the call in flight ends and the power comes back. "
                "Once more leaves at once."
            )

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, ask) for number in numbers}
    try:
        yield interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
