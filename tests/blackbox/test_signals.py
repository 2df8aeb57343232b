"""Signals: one wish is one request, Ctrl-C stops the shell around it too, and what was ignored stays ignored."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import safe_reinit
from safe_reinit.clock import Clock
from safe_reinit.simulator import Simulator
from tests import virtual
from tests.blackbox.worlds import (
    COMMAND_TIMEOUT,
    DISK,
    RUN,
    RUN_YOUNG,
    SECOND,
    STOPPING,
    TARGET,
    WAITS,
    WIPING,
    WORLD,
    comes_to,
    held,
    killed,
    listed,
    power,
    wipes,
)
from tests.commands import QUIT_HINT, Command, command, quit_now, read_until, until
from tests.terminals import Open

pytestmark = pytest.mark.virtual_time

BY_SIGINT = -signal.SIGINT
ENDING = "Stopping: finishing the current call"
"""What a run says that a signal asked to end."""


def kill(child: subprocess.Popen[Any], *numbers: int) -> None:
    """Send signals, one right after the other."""
    for number in numbers:
        child.send_signal(number)


def document(out: str) -> dict[str, Any]:
    """Read the one JSON document."""
    result: dict[str, Any] = json.loads(out)
    return result


# ------------------------------------------------------------------------------- line 7: the command dies of SIGINT


@pytest.mark.real_time
def test_ctrl_c_stops_the_loop_of_a_shell(young: Simulator, real: Command, path: Path, terminal: Open) -> None:
    """Ctrl-C in a loop over disks ends the run in order and the loop with it: the next machine is never touched."""
    words = shlex.join(real.words("--stop-instance", "--accept", "no-recent-snapshot", journal=path))
    script = f'for disk in {DISK} {SECOND}; do {words} --disk "$disk" --confirm "$disk"; done; echo the loop went on'
    person = terminal(young, program=["bash", "-c", script])
    person.wait_for(WAITS)
    person.type("\x03")
    person.wait_for(QUIT_HINT)
    person.end()

    assert "the loop went on" not in person.shown
    assert person.child.returncode == BY_SIGINT, person.shown
    assert (power(young), wipes(young)) == ("Running", 0)
    assert not [call for call in young.state()["calls"] if "i-second" in call["subject"] or SECOND in call["subject"]]
    assert [each["exit_code"] for each in listed(real, path)] == [3]


@pytest.mark.parametrize(("hold", "code"), [(STOPPING, 4), (WIPING, 0)], ids=["stopping", "wiping"])
def test_a_run_that_got_a_sigint_ends_by_it(
    sim: Simulator, run: Command, path: Path, hold: dict[str, str], code: int
) -> None:
    """After the orderly end the process ends by SIGINT; the code of the table is in the report and in the journal."""
    with held(sim, hold):
        child = run.start(*RUN, "--output", "json", journal=path)
        until(lambda: wipes(sim) == 1 if hold == WIPING else power(sim) == "Stopping", COMMAND_TIMEOUT)
        kill(child, signal.SIGINT)
        text = read_until(child.stderr, QUIT_HINT)
    out, err = child.communicate(timeout=COMMAND_TIMEOUT)

    assert child.returncode == BY_SIGINT, text + err
    assert (document(out)["exit_code"], listed(run, path)[0]["exit_code"]) == (code, code)
    assert power(sim) == "Running"


def test_the_screen_says_which_exit_code_a_shell_shows(sim: Simulator, run: Command, path: Path) -> None:
    """After Ctrl-C the screen names the code of the report and the one that the shell shows; else only the first."""
    with held(sim, STOPPING):
        child = run.start(*RUN, journal=path)
        comes_to(sim, "Stopping")
        kill(child, signal.SIGINT)
        read_until(child.stderr, QUIT_HINT)
    out, _ = child.communicate(timeout=COMMAND_TIMEOUT)
    other = run("--disk", SECOND, "--stop-instance", "--confirm", SECOND, journal=path)

    assert "failed (exit code 4)" in out
    assert "Ended by Ctrl-C: the shell shows 130, and the report and the journal 4." in out
    assert "130" not in other.stdout


def hang_reads(sim: Simulator, times: int = 1000) -> None:
    """Let looks at disks hang for longer than any test."""
    sim.do({"fault": {"action": "DescribeDisks", "times": times, "delay": 36_000.0}})


def asked(sim: Simulator, action: str) -> bool:
    """Return whether the simulator got this call: one that hangs in it, too."""
    return any(call["action"] == action for call in sim.state()["calls"])


@pytest.mark.parametrize("words", [RUN, ("plan", *TARGET), ("policy", "--disk", DISK)], ids=["run", "plan", "policy"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_the_run_ends_a_read_that_hangs(
    sim: Simulator, run: Command, words: tuple[str, ...], number: signal.Signals
) -> None:
    """While the command still looks, a signal ends it at once: 3, nothing changed; SIGINT ends it by SIGINT."""
    hang_reads(sim)
    child = run.start(*words, "--endpoint", sim.url, "--output", "json", journal=None)
    until(lambda: asked(sim, "GetCallerIdentity"), COMMAND_TIMEOUT)
    kill(child, number)
    out, err = child.communicate(timeout=COMMAND_TIMEOUT)

    assert child.returncode == (BY_SIGINT if number == signal.SIGINT else 3), err
    assert document(out)["exit_code"] == 3
    assert "Traceback" not in err
    assert power(sim) == "Running"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_at_the_question_changes_nothing(sim: Simulator, terminal: Open, number: signal.Signals) -> None:
    """At the question a signal is a no: nothing is changed, and Ctrl-C ends the process by SIGINT."""
    person = terminal(sim, *TARGET)
    person.wait_for("> ")
    kill(person.child, number)

    assert person.end() == (BY_SIGINT if number == signal.SIGINT else 3), person.shown
    assert "Traceback" not in person.shown
    assert (power(sim), wipes(sim)) == ("Running", 0)


def killed_and_down(sim: Simulator, run: Command, path: Path) -> str:
    """Kill a run while its machine stops, and give its name once that is down."""
    with held(sim, STOPPING):
        name = killed(sim, run, path)
    comes_to(sim, "Stopped")
    return name


def done_with_snapshot(run: Command, path: Path) -> str:
    """Wipe with a safety snapshot, and give the name of the run."""
    done = run(*RUN, "--snapshot", "--output", "json", journal=path)
    assert done.returncode == 0, done.stderr
    run_id: str = document(done.stdout)["run_id"]
    return run_id


def saved(run: Command, sim: Simulator, folder: Path) -> list[str]:
    """Save a plan, and give the words that apply it."""
    file = folder / "plan.json"
    planned = run("plan", *TARGET, "--endpoint", sim.url, "--save", str(file), "--output", "json", journal=None)
    (command,) = document(planned.stdout)["next"]
    return shlex.split(command)[1:]


@pytest.mark.parametrize("name", ["resume", "undo", "apply", "rehearse", "regions"])
def test_every_command_that_runs_ends_by_sigint(
    sim: Simulator, run: Command, path: Path, tmp_path: Path, name: str
) -> None:
    """resume, undo, apply, rehearse and a run over regions end by SIGINT, too, with the machine running."""
    starts = {
        "resume": lambda: ["resume", killed_and_down(sim, run, path)],
        "undo": lambda: ["undo", done_with_snapshot(run, path), "--stop-instance", "--confirm", DISK],
        "apply": lambda: saved(run, sim, tmp_path),
        "rehearse": lambda: ["rehearse", *TARGET, "--endpoint", sim.url],
        "regions": lambda: [*RUN, "--region", "cn-hangzhou", "--region", "cn-beijing"],
    }
    words = starts[name]()
    with held(sim, STOPPING):
        child = run.start(*words, journal=None if name == "rehearse" else path)
        read_until(child.stderr, f"web1 is Stopp{'ed' if name in ('resume', 'rehearse') else 'ing'}")
        kill(child, signal.SIGINT)
        text = read_until(child.stderr, QUIT_HINT)
    _, err = child.communicate(timeout=COMMAND_TIMEOUT)

    assert child.returncode == BY_SIGINT, text + err
    assert power(sim) == "Running"


def test_the_library_raises_ctrl_c_again(sim: Simulator, path: Path) -> None:
    """In a program that uses the library, Ctrl-C ends the run in order and is raised again, with the run and report."""
    client = safe_reinit.connect(
        region=sim.region, endpoint=sim.url, credentials=sim.access_key, journal=str(path), clock=Clock()
    )
    plan = client.plan([DISK], stop_instance=True)
    scheduler = virtual.current().scheduler
    main, pressed = scheduler.this(), list[str]()

    def press(event: safe_reinit.Event) -> None:
        if event.event == "answer" and not pressed:  # the stop was sent: a run that is ended before sends none
            pressed.append(event.event)
            scheduler.signal(main, lambda: signal.default_int_handler(signal.SIGINT, None))

    with pytest.raises(KeyboardInterrupt) as caught:
        client.run(plan, confirm=plan.confirm_with, on_event=press)

    result = caught.value.report  # type: ignore[attr-defined]
    assert (result.outcome, result.exit_code) == ("failed", 4)
    assert caught.value.run_id == result.run_id  # type: ignore[attr-defined]
    assert result.run_id in "".join(caught.value.__notes__)
    assert (power(sim), wipes(sim)) == ("Running", 0)


# ----------------------------------------------------------------------------- line 10: two signals for one wish


MIXES = {
    "HUP twice, from the kernel and from the shell": (signal.SIGHUP, signal.SIGHUP),
    "TERM then HUP": (signal.SIGTERM, signal.SIGHUP),
    "QUIT twice": (signal.SIGQUIT, signal.SIGQUIT),
    "many": (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT) * 10,
}


@pytest.mark.parametrize("numbers", MIXES.values(), ids=MIXES)
def test_any_number_of_signals_is_one_request(
    sim: Simulator, run: Command, path: Path, numbers: tuple[signal.Signals, ...]
) -> None:
    """SIGTERM, SIGHUP and SIGQUIT, however many, also after the line that says so, leave no machine down."""
    with held(sim, STOPPING):
        child = run.start(*RUN, "--output", "json", journal=path)
        comes_to(sim, "Stopping")
        kill(child, *numbers)
        text = read_until(child.stderr, ENDING)
        time.sleep(1.1)  # the time after which a Ctrl-C would be another wish
        kill(child, *numbers)
    out, err = child.communicate(timeout=COMMAND_TIMEOUT)

    assert child.returncode == 4, text + err
    assert document(out)["jobs"][0]["power_after"] == "Running"
    assert (power(sim), wipes(sim)) == ("Running", 0)


def test_the_first_ctrl_c_after_another_signal_quits_nothing(sim: Simulator, run: Command, path: Path) -> None:
    """A run that SIGTERM asked to end says how to quit at the first Ctrl-C, and goes on bringing its machine back."""
    with held(sim, STOPPING):
        child = run.start(*RUN, journal=path)
        comes_to(sim, "Stopping")
        kill(child, signal.SIGTERM)
        text = read_until(child.stderr, ENDING)
        time.sleep(1.1)  # the time after which a second Ctrl-C is another wish
        kill(child, signal.SIGINT)
        hint = read_until(child.stderr, QUIT_HINT)
    _, err = child.communicate(timeout=COMMAND_TIMEOUT)

    assert "Ctrl-C" not in text, "nobody who sends SIGTERM has pressed it"
    assert "SIGINT: " in hint
    assert child.returncode == BY_SIGINT, err
    assert (power(sim), wipes(sim)) == ("Running", 0)


@pytest.mark.real_time
def test_ctrl_backslash_ends_a_real_run_in_order(young: Simulator, path: Path, terminal: Open) -> None:
    """SIGQUIT from the keyboard is a request to end like SIGTERM: the run says so, and reports how it ended."""
    person = terminal(young, *RUN_YOUNG, "--journal", str(path))
    person.wait_for(WAITS)
    person.type("\x1c")

    assert person.end() == 3, person.shown
    assert "SIGQUIT: Stopping" in person.shown
    assert "refused (exit code 3)" in person.shown


def test_cancel_twice_is_one_request(sim: Simulator, run: Command, path: Path) -> None:
    """Who types cancel twice gets the machine back, as who types it once."""
    with held(sim, STOPPING):
        child = run.start(*RUN, journal=path)
        comes_to(sim, "Stopping")
        (open_run,) = listed(run, path)
        for _ in range(2):
            assert run("cancel", open_run["run_id"], journal=path).returncode == 0
        kill(child, signal.SIGTERM)
    _, err = child.communicate(timeout=COMMAND_TIMEOUT)

    assert child.returncode == 4, err
    assert (power(sim), wipes(sim)) == ("Running", 0)


def test_ctrl_c_after_a_cancel_says_how_to_quit(sim: Simulator, run: Command, path: Path) -> None:
    """Somebody else's cancel takes nothing from the person at the terminal: Ctrl-C is heard, and says what quits."""
    with held(sim, STOPPING):
        child = run.start(*RUN, journal=path)
        comes_to(sim, "Stopping")
        assert run("cancel", listed(run, path)[0]["run_id"], journal=path).returncode == 0
        read_until(child.stderr, "asked this run to end")
        quit_now(child)
        _, err = child.communicate(timeout=COMMAND_TIMEOUT)
        left = power(sim)

    assert child.returncode == BY_SIGINT, err
    assert left == "Stopping"


def test_a_key_that_is_held_down_is_one_request(sim: Simulator, run: Command, path: Path) -> None:
    """Ctrl-C that repeats, also after the line that it was heard, does not quit: the machine comes back."""
    with held(sim, STOPPING):
        child = run.start(*RUN, "--output", "json", journal=path)
        comes_to(sim, "Stopping")
        kill(child, *[signal.SIGINT] * 20)
        text = read_until(child.stderr, QUIT_HINT)
        kill(child, *[signal.SIGINT] * 20)
    out, err = child.communicate(timeout=COMMAND_TIMEOUT)

    assert child.returncode == BY_SIGINT, text + err
    assert document(out)["exit_code"] == 4
    assert (power(sim), wipes(sim)) == ("Running", 0)


@pytest.mark.real_time
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_a_signal_that_was_ignored_at_start_stays_ignored(real: Command, path: Path, number: signal.Signals) -> None:
    """Nohup protects from SIGHUP, and a script's background from SIGINT: the run hears the other signals only."""
    before = signal.signal(number, signal.SIG_IGN)
    try:
        child = real.start(*RUN_YOUNG, journal=path)
    finally:
        signal.signal(number, before)
    read_until(child.stderr, WAITS)
    kill(child, number)
    other = signal.SIGTERM if number == signal.SIGHUP else signal.SIGHUP
    kill(child, other)
    text = read_until(child.stderr, ENDING)
    _, err = child.communicate(timeout=COMMAND_TIMEOUT)

    assert f"{other.name}: " in text
    assert number.name not in text + err
    assert child.returncode == 3, err


# --------------------------------------------------------------------------------- line 42: a second Ctrl-C quits


HANGS = {"action": "StopInstance", "dry_run": False, "delay": 36_000.0}


@pytest.mark.real_time
def test_the_second_ctrl_c_quits_a_real_process(tmp_path: Path, path: Path) -> None:
    """While a call of it hangs, a second Ctrl-C ends the process by SIGINT, and it says how to continue."""
    with Simulator(world=WORLD, faults=[HANGS], speed=1) as sim:
        run = command(sim.url, tmp_path)
        child = run.start(*RUN, "--output", "json", journal=path)
        comes_to(sim, "Stopping")
        quit_now(child)
        out, err = child.communicate(timeout=COMMAND_TIMEOUT)
        (left,) = listed(run, path)

    assert child.returncode == BY_SIGINT, err
    assert f"resume {left['run_id']}" in " ".join(document(out)["next"])


def test_the_second_ctrl_c_quits_inside_a_read_that_hangs(sim: Simulator, run: Command, path: Path) -> None:
    """While every look hangs, a second Ctrl-C ends the process; the run is whole in the journal, and is resumed."""
    child = quit_at_a_hung_read(sim, run, path)
    out, err = child.communicate(timeout=COMMAND_TIMEOUT)

    assert child.returncode == BY_SIGINT, err
    result = document(out)
    run_id = result["run_id"]
    assert result["outcome"] in ("stranded", "unknown")
    assert f"resume {run_id}" in " ".join(result["next"])
    resumed = run("resume", run_id, journal=path)
    assert resumed.returncode == 4, resumed.stderr
    assert "waiting at most" not in resumed.stderr
    assert (power(sim), wipes(sim)) == ("Running", 0)


def test_what_had_not_begun_when_somebody_quit_never_begins(sim: Simulator, run: Command, path: Path) -> None:
    """Two Ctrl-C take back the consent of the whole run: resumed, it brings back what it stopped, and stops no more."""
    both = (*TARGET, "--disk", SECOND, "--max-parallel", "1")
    planned = run("plan", *both, "--endpoint", sim.url, "--output", "json", journal=None).stdout
    confirmed = (*both, "--confirm", document(planned)["plan"]["confirm_with"])
    child = quit_at_a_hung_read(sim, run, path, confirmed)
    out, err = child.communicate(timeout=COMMAND_TIMEOUT)
    resumed = run("resume", document(out)["run_id"], journal=path)

    assert child.returncode == BY_SIGINT, err
    assert resumed.returncode == 7, resumed.stderr
    assert (power(sim), wipes(sim), wipes(sim, SECOND)) == ("Running", 0, 0)
    stops = [
        call["subject"] for call in sim.state()["calls"] if call["action"] == "StopInstance" and not call["dry_run"]
    ]
    assert ["i-second"] not in stops


def quit_at_a_hung_read(
    sim: Simulator, run: Command, path: Path, words: tuple[str, ...] = RUN
) -> subprocess.Popen[str]:
    """Start a run, let its looks hang once the machine stops, and press Ctrl-C twice."""
    with held(sim, STOPPING):
        child = run.start(*words, "--output", "json", journal=path)
        comes_to(sim, "Stopping")
        hang_reads(sim, 2)
        reads = len(sim.state()["calls"])
        until(lambda: len(sim.state()["calls"]) > reads, COMMAND_TIMEOUT)
        quit_now(child)
        child.wait(COMMAND_TIMEOUT)
    return child


PROGRAM = """
import signal, sys
import safe_reinit
client = safe_reinit.connect(region={region!r}, endpoint={url!r}, credentials={key!r}, journal={journal!r})
plan = client.plan([{disk!r}], stop_instance=True)
client.run(plan, confirm=plan.confirm_with, on_event=lambda event: print(event.event, flush=True))
"""


@pytest.mark.real_time
def test_a_program_ends_while_a_call_of_the_library_hangs(path: Path) -> None:
    """A second Ctrl-C ends a program that uses the library, though a call of it still hangs."""
    with Simulator(world=WORLD, faults=[HANGS], speed=1) as sim:
        text = PROGRAM.format(region=sim.region, url=sim.url, key=sim.access_key, journal=str(path), disk=DISK)
        words = [sys.executable, "-c", text]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
            read_until(child.stdout, "intend")
            comes_to(sim, "Stopping")
            kill(child, signal.SIGINT)
            time.sleep(1.1)  # what comes sooner is the same wish
            kill(child, signal.SIGINT)
            _, err = child.communicate(timeout=COMMAND_TIMEOUT)

    assert child.returncode == BY_SIGINT, err
    assert "KeyboardInterrupt" in err
    assert "safe-reinit resume r-" in err


EARLY = """
import os, runpy, signal, sys
class Presses:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Presses())
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.argv[1:] = ["--disk", {disk!r}]
runpy.run_module("safe_reinit", run_name="__main__")
"""


@pytest.mark.real_time
@pytest.mark.parametrize("module", ["safe_reinit.cli", "click", "safe_reinit.cli.app", "safe_reinit.config"])
def test_ctrl_c_while_the_program_starts_shows_no_traceback(tmp_path: Path, module: str) -> None:
    """Pressed before the command has begun, Ctrl-C ends the process by SIGINT, and says nothing of Python."""
    ended = subprocess.run(
        [sys.executable, "-c", EARLY.format(module=module, disk=DISK)], env={**os.environ, "HOME": str(tmp_path)},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=COMMAND_TIMEOUT, cwd=tmp_path,
    )  # fmt: skip

    assert ended.returncode == BY_SIGINT, ended.stderr
    assert "Traceback" not in ended.stderr
