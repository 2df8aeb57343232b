"""The command ``verify-cloud``: it agrees with the simulator, and says so where a world breaks an assumption."""

from __future__ import annotations

import json
import shlex
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import safe_reinit
from safe_reinit.cli.examples import EXAMPLES
from safe_reinit.cloud.interface import NotSent
from safe_reinit.model import Options
from safe_reinit.verification import rounds
from tests import virtual
from tests.commands import Command, command, until
from tests.conftest import changing
from tests.values import recoverable

pytestmark = pytest.mark.virtual_time

INSTANCE, DISK = "i-spare", "d-spare"
WORLD: dict[str, Any] = recoverable(
    {
        "durations": {"stop": 14, "wipe": 5, "start": 14},
        "instances": {INSTANCE: {"name": "spare"}},
        "disks": {DISK: {"instance": INSTANCE}},
    }
)
ROUND = ["StopInstance", "ReInitDisk", "StartInstance"]


@dataclass
class Spare:
    """A machine that nobody needs, and the command."""

    simulator: virtual.Simulator
    run: Command
    calls: list[str] = field(default_factory=list)

    def verify(self, *words: str, confirm: str = INSTANCE) -> tuple[int, dict[str, Any], str]:
        """Measure; give the exit code, the document and what was said."""
        consent = ("--confirm", confirm) if confirm else ()
        where = {"SAFE_REINIT_ENDPOINT": self.simulator.url}
        done = self.run(
            "verify-cloud", "--instance", INSTANCE, *consent, "--output", "json", *words,
            journal=self.run.folder / "journal.db", environment=where,
        )  # fmt: skip
        return done.returncode, json.loads(done.stdout), done.stderr

    @property
    def changing(self) -> list[str]:
        """The changing calls that ECS got."""
        return changing(self.simulator)

    @property
    def wipes(self) -> int:
        """How often the disk was wiped."""
        return len(self.simulator.state()["disks"][DISK]["wipes"])

    @property
    def power(self) -> str:
        """Whether the machine runs."""
        status: str = self.simulator.state()["instances"][INSTANCE]["status"]
        return status


@pytest.fixture
def spare(tmp_path: Path) -> Iterator[Any]:
    """Make a machine in a world with these members."""

    @contextmanager
    def made(faults: Sequence[Any] = (), instance: dict[str, Any] | None = None, **more: Any) -> Iterator[Spare]:
        world = {**WORLD, **more}
        world["instances"] = {INSTANCE: {**WORLD["instances"][INSTANCE], **(instance or {})}}
        with virtual.simulate(world, list(faults)) as simulator:
            yield Spare(simulator, command(simulator.url, tmp_path))

    return made


def verdicts(document: dict[str, Any]) -> dict[str, str]:
    """Return the verdict on each assumption."""
    return {each["name"]: each["verdict"] for each in document["assumptions"]}


@pytest.mark.parametrize("line", EXAMPLES["verify-cloud"])
def test_the_examples_of_the_help_are_of_machines_that_can_be_measured(tmp_path: Path, line: str) -> None:
    """Each example of the help comes on the simulator to the question for consent."""
    words = shlex.split(line)[1:]
    done = command("", tmp_path)(*words, *([] if "--simulate" in words else ["--simulate"]), journal=None)

    assert done.returncode == 3, done.stderr
    assert f"verify-cloud stops {words[words.index('--instance') + 1]}" in done.stderr


AGREES = dict.fromkeys(("S1", "S2", "S3", "S4", "S5"), "agrees")


def test_the_simulator_is_as_runs_assume_ecs_to_be(spare: Any, tmp_path: Path) -> None:
    """Every assumption agrees, after two guarded runs that leave the machine Running; no id is in what was saved."""
    with spare() as machine:
        code, document, output = machine.verify("--save", str(tmp_path / "measured.json"))

        assert (code, verdicts(document)) == (0, AGREES), output
        assert machine.changing == ROUND * 2
        assert (machine.wipes, machine.power) == (2, "Running")
    saved = (tmp_path / "measured.json").read_text("utf-8")
    assert json.loads(saved) == document
    assert document["simulated"]
    assert not [each for each in (INSTANCE, DISK, "100000000000", "testid") if each in saved]
    assert output.startswith(f"verify-cloud stops {INSTANCE}, wipes its disk {DISK} ")
    assert "lost for good" in output.splitlines()[0]
    _holds_what_the_simulator_does(document)


def _holds_what_the_simulator_does(document: dict[str, Any]) -> None:
    """Check that what was measured holds the durations of the world, and what a DryRun and a refusal answer."""
    for what, seconds in {
        "StopInstance accepted until Stopped": 14, "ReIniting shown": 5, "StartInstance accepted until Running": 14,
    }.items():  # fmt: skip
        found = [each for each in document["intervals"] if each["what"] == what]
        assert [each["run"] for each in found] == [1, 2]
        assert all(each["at_least"] <= seconds <= each["at_most"] <= each["at_least"] + 4 for each in found), found
    codes = {(each["action"], each["status"], each["disk_status"]): each["code"] for each in document["dry_runs"]}
    assert {each: codes[each] for each in codes if each[1] == "Running" or each[2] == "ReIniting"} == {
        ("StopInstance", "Running", "In_use"): "DryRunOperation",
        ("StartInstance", "Running", "In_use"): "IncorrectInstanceStatus",
        ("StopInstance", "Stopped", "ReIniting"): "IncorrectInstanceStatus",
        ("StartInstance", "Stopped", "ReIniting"): "IncorrectInstanceStatus",
    }
    refused = [each for each in document["refusals"] if each["code"] == "IncorrectInstanceStatus"]
    assert refused
    assert all((each["http_status"], each["request_id"]) == (403, True) for each in refused)


@pytest.mark.parametrize(
    ("name", "world"),
    [
        ("S1", {"durations": {"stop": 5, "wipe": 5, "start": 5}}),
        ("S2", {"describe_lag": 9}),
        ("S3", {"instance": {"start_time_moves": False}}),
        ("S4", {"faults": [{"action": "StopInstance", "dry_run": False, "late": 150}]}),
        ("S5", {"instance": {"start_time_off": -300}}),
    ],
    ids=["S1", "S2", "S3", "S4", "S5"],
)  # fmt: skip
def test_an_assumption_that_a_world_breaks_is_contradicted(
    spare: Any, name: str, world: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The verdict on it, after one run, is that ECS contradicts it; no other one is, and the exit code is not 0."""
    monkeypatch.setattr(rounds, "GUARDED_RUNS", 1)
    with spare(**world) as machine:
        code, document, output = machine.verify()
        power = machine.power

    assert [each for each, verdict in verdicts(document).items() if verdict == "contradicts"] == [name], document
    assert code == (1 if power == "Running" else 6)
    assert document["as_found"] == (power == "Running")
    assert code == 6 or f"{name} contradicts" in output


def test_nothing_is_wiped_without_the_id_of_the_machine(spare: Any) -> None:
    """Without --confirm, or with another id, the plan is shown and nothing is changed."""
    with spare() as machine:
        for confirm in ("", "i-other", DISK):
            code, document, output = machine.verify(confirm=confirm)

            assert (code, machine.changing) == (3, [])
            assert set(verdicts(document).values()) == {"unknown"}
            assert f"--confirm {INSTANCE}" in output


def test_a_machine_that_a_check_refuses_is_refused(spare: Any) -> None:
    """It has no way around a check: nothing is changed, nothing counts as measured, and the check is named."""
    with spare() as machine:
        machine.simulator.do({"lock": INSTANCE, "reason": "security"})
        code, document, output = machine.verify()

        assert (code, machine.changing) == (3, [])
    assert "instance-locked" in output
    assert set(verdicts(document).values()) == {"unknown"}


def test_a_stopped_machine_is_not_started(spare: Any) -> None:
    """Where there is nothing to stop there is nothing to measure, so nothing is changed."""
    with spare(instance={"status": "Stopped"}) as machine:
        code, _, output = machine.verify()

        assert (code, machine.changing) == (3, [])
    assert f"{INSTANCE} is Stopped" in output


def test_a_right_that_is_missing_shows_what_a_dry_run_checks_first(spare: Any) -> None:
    """Credentials without the right to start are refused by a check, and show that the right comes before the state."""
    with spare() as machine:
        machine.simulator.do({"deny": {"action": "ecs:StartInstance"}})
        code, document, output = machine.verify()

        assert (code, machine.changing) == (3, [])
    assert "not-allowed-to-start" in output
    assert document["dry_run_order"] == "the permission before the state"


def test_a_run_that_fails_ends_the_measuring(spare: Any) -> None:
    """Its exit code is that of the run, the machine is as it was found, and what was not measured is unknown."""
    with spare([{"action": "ReInitDisk", "error": {"code": "OperationDenied"}}]) as machine:
        code, document, output = machine.verify()

        assert (code, machine.power, machine.wipes) == (4, "Running", 0)
    assert document["runs"] == 1
    assert verdicts(document)["S2"] == "unknown"
    assert "OperationDenied" in output
    assert DISK not in json.dumps(document)


def test_a_machine_that_does_not_come_back_is_named(spare: Any) -> None:
    """Exit code 6, as for every run whose machine is not as promised; the document says that it is not as found."""
    with spare([{"action": "StartInstance", "dry_run": False, "error": {"code": "InstanceExpired"}}]) as machine:
        code, document, output = machine.verify()

        assert (code, machine.power, document["as_found"], document["runs"]) == (6, "Stopped", False, 1)
    assert "resume" in output


def test_a_machine_of_several_disks_needs_one_that_is_named(spare: Any) -> None:
    """Nothing is guessed: the disks are named, and of the one that is given the plan is made."""
    disks = {**WORLD["disks"], "d-other": {"instance": INSTANCE, "snapshot": "s-origin"}}
    with spare(disks=disks) as machine:
        refused = machine.run(
            "verify-cloud", "--instance", INSTANCE, "--confirm", INSTANCE, journal=None,
            environment={"SAFE_REINIT_ENDPOINT": machine.simulator.url},
        )  # fmt: skip

        assert (refused.returncode, machine.changing) == (2, [])
        assert DISK in refused.stderr
        assert "d-other" in refused.stderr
        code, _, output = machine.verify("--disk", DISK, confirm="")
        assert (code, machine.changing) == (3, [])
        assert f"wipes its disk {DISK} " in output


def test_a_machine_that_somebody_stops_between_the_runs_is_not_as_it_was_found(spare: Any) -> None:
    """The second run is not made, the document says why, and the exit code is that of a machine that is down."""
    with spare(schedule=[{"at": "+90s", "do": {"stop": INSTANCE}}]) as machine:
        code, document, output = machine.verify()

        assert (code, machine.wipes, machine.power) == (6, 1, "Stopped")
    assert (document["runs"], document["as_found"]) == (1, False)
    assert "between two runs" in document["notes"][0]
    assert INSTANCE in output.splitlines()[-1]


def test_ctrl_c_between_the_runs_ends_it_with_what_was_measured(spare: Any) -> None:
    """No further run begins, the machine runs, and what the first run showed is told."""
    with spare() as machine:
        child = machine.run.start(
            "verify-cloud", "--instance", INSTANCE, "--confirm", INSTANCE, "--endpoint", machine.simulator.url,
            "--output", "json", journal=machine.run.folder / "journal.db",
        )  # fmt: skip
        until(lambda: machine.wipes == 1 and machine.power == "Running")
        time.sleep(20)
        child.send_signal(signal.SIGINT)
        out, _ = child.communicate()

        assert (machine.wipes, machine.power) == (1, "Running")
    assert json.loads(out)["runs"] == 1
    assert verdicts(json.loads(out))["S3"] == "agrees"


def test_the_second_connection_sends_no_changing_call(spare: Any) -> None:
    """What observes a run cannot stop, start or wipe anything: not a byte of such a call leaves."""
    with spare() as machine:
        client = safe_reinit.connect(
            region="cn-hangzhou", endpoint=machine.simulator.url, credentials=machine.simulator.access_key
        )
        observer = client.planner.observer()
        for change in (partial(observer.stop_instance, INSTANCE), partial(observer.reinit_disk, DISK, Options())):
            with pytest.raises(NotSent, match="only for observing"):
                change()
        observer.close()

        assert machine.changing == []
