"""An ECS that is only slow costs time, or the wipe, but never a machine; and the screen says so."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from safe_reinit.simulator import Simulator
from tests import virtual
from tests.commands import Command, command, until

pytestmark = pytest.mark.virtual_time

DURATIONS = {"stop": 6, "wipe": 8, "start": 6, "snapshot": 8}


def slow_world(count: int = 1) -> dict[str, Any]:
    """Return machines with one disk each, and a fresh snapshot of it."""
    numbers = range(count)
    return {
        "durations": DURATIONS,
        "instances": {f"i-{n}": {"status": "Running", "key_pair": "ops"} for n in numbers},
        "disks": {f"d-{n}": {"instance": f"i-{n}", "type": "data"} for n in numbers},
        "snapshots": {f"s-{n}": {"disk": f"d-{n}"} for n in numbers},
    }


@contextmanager
def slow(count: int = 1, *faults: dict[str, Any]) -> Iterator[Simulator]:
    """Start a cloud whose answers come late."""
    with virtual.simulate(slow_world(count), list(faults)) as sim:
        yield sim


def every(seconds: float, action: str = "*") -> dict[str, Any]:
    """Delay the answer to every such call by so many simulated seconds."""
    return {"action": action, "nth": "every", "delay": seconds}


Make = Callable[[Simulator], Command]


@pytest.fixture
def run(tmp_path: Path) -> Make:
    """Return the command line against a simulator."""
    return lambda sim: command(sim.url, tmp_path)


def wipe(*more: str) -> tuple[str, ...]:
    """Return the words that wipe the first disk."""
    return ("--disk", "d-0", "--stop-instance", "--confirm", "d-0", "--accept", "fstab-may-name-disk", *more)


def truth(sim: Simulator, number: int = 0) -> tuple[str, int]:
    """Return whether a machine runs, and how often its disk was wiped."""
    state = sim.state()
    return state["instances"][f"i-{number}"]["status"], len(state["disks"][f"d-{number}"]["wipes"])


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        ([every(2.0)], wipe()),
        ([every(3.1, "DescribeInstances")], wipe()),
        ([every(3.1, "DescribeDisks")], wipe()),
        ([every(1.0)], wipe("--snapshot")),
        ([every(5.0)], wipe()),
    ],
    ids=["2 s each", "3.1 s an instance", "3.1 s a disk", "1 s each, with a snapshot", "5 s each"],
)
def test_a_slow_ecs_costs_time_only(run: Make, tmp_path: Path, faults: list[dict[str, Any]], words: Any) -> None:
    """Where every call succeeds and is only slow, the disk is wiped once and the machine runs again."""
    with slow(1, *faults) as sim:
        done = run(sim)(*words, journal=tmp_path / "journal.db")

        assert done.returncode == 0, done.stderr
        assert truth(sim) == ("Running", 1)


def test_a_slow_ecs_leaves_no_machine_of_a_fleet_down(run: Make, tmp_path: Path) -> None:
    """Twelve machines are wiped and run again where each answer takes two seconds."""
    ids = [word for n in range(12) for word in ("--disk", f"d-{n}")]
    words = (*ids, "--stop-instance", "--accept", "fstab-may-name-disk", "--max-disks", "12", "--output", "json")
    with slow(12, every(2.0)) as sim:
        planned = run(sim)(*words, "--dry-run", journal=tmp_path / "journal.db")
        agreed = json.loads(planned.stdout)["plan"]["confirm_with"]
        done = run(sim)(*words, "--confirm", agreed, journal=tmp_path / "journal.db")

        assert done.returncode == 0, done.stderr
        assert [truth(sim, n) for n in range(12)] == [("Running", 1)] * 12


def test_a_killed_run_is_resumed_against_a_slow_ecs(run: Make, tmp_path: Path) -> None:
    """A run that was killed while its machine was down brings it back, though each answer takes two seconds."""
    journal = tmp_path / "journal.db"
    with slow() as sim:
        child = run(sim).start(*wipe(), journal=journal)
        until(lambda: truth(sim)[0] == "Stopping")
        child.kill()
        child.communicate()
        sim.do({"fault": every(2.0)})
        until(lambda: truth(sim)[0] == "Stopped")
        (known,) = json.loads(run(sim)("runs", "--output", "json", journal=journal).stdout)["runs"]
        done = run(sim)("resume", known["run_id"], journal=journal)

        assert done.returncode == 0, done.stderr
        assert truth(sim) == ("Running", 1)


def test_ctrl_c_brings_the_machine_back_from_a_slow_ecs(run: Make, tmp_path: Path) -> None:
    """Asked to end while the machine goes down, the run brings it back, though each answer takes two seconds."""
    with slow(1, every(2.0)) as sim:
        child = run(sim).start(*wipe(), journal=tmp_path / "journal.db")
        until(lambda: truth(sim)[0] == "Stopping")
        child.send_signal(signal.SIGTERM)
        _, text = child.communicate()

        assert child.returncode == 4, text
        assert truth(sim) == ("Running", 0)


def test_a_machine_comes_back_at_once_where_ecs_is_too_slow_for_a_wipe(run: Make, tmp_path: Path) -> None:
    """Where an answer takes longer than a look before a wipe may be old, the machine comes back, and that is why.

    What ECS shows is late by 14 s, so that a look may be no older than 6 s.
    """
    with virtual.simulate({**slow_world(), "describe_lag": 14}) as sim:
        child = run(sim).start(*wipe(), journal=tmp_path / "journal.db")
        until(lambda: truth(sim)[0] == "Stopping")
        sim.do({"fault": every(7.0)})
        _, text = child.communicate()

        assert child.returncode == 4, text
        assert truth(sim) == ("Running", 0)
        assert "ECS answers slowly: 7.0 s per call. ReInitDisk of d-0 was not sent" in text


def test_a_slow_ecs_is_reported(run: Make, tmp_path: Path) -> None:
    """Who watches is told that ECS answers slowly, and how slowly, long before any limit passes."""
    with slow(1, every(2.5)) as sim:
        done = run(sim)(*wipe("--events", str(tmp_path / "events.jsonl")), journal=tmp_path / "journal.db")
        assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text("utf-8").splitlines()]
    text = [event["data"]["why"] for event in events if event["event"] == "wait"]

    assert re.search(r"ECS answers slowly: [2-9]\.\d s per call", done.stderr)
    assert text
    assert text[0].startswith("ECS answers slowly: ")


def test_no_wait_is_shorter_than_nothing(run: Make, tmp_path: Path) -> None:
    """A look that was asked for before the answer to the wipe came, and shows it, has waited for 0 s."""
    with slow(1, every(2.0)) as sim:
        done = run(sim)(*wipe("--events", str(tmp_path / "events.jsonl")), journal=tmp_path / "journal.db")
        assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text("utf-8").splitlines()]

    assert min(event["data"]["elapsed"] for event in events if event["event"] == "wait") == 0.0


def test_a_disk_list_that_hangs_keeps_no_machine_down(run: Make, tmp_path: Path) -> None:
    """Bringing the power back needs DescribeInstances only: a DescribeDisks that fails for good holds nothing up."""
    with slow() as sim:
        child = run(sim).start(*wipe(), journal=tmp_path / "journal.db")
        until(lambda: truth(sim)[0] == "Stopping")
        sim.do({"fault": {"action": "DescribeDisks", "nth": "every", "drop_request": True}})
        child.send_signal(signal.SIGTERM)
        _, text = child.communicate()

        assert child.returncode == 4, text
        assert truth(sim) == ("Running", 0)


def test_a_machine_comes_back_though_nothing_is_shown_any_more(run: Make, tmp_path: Path) -> None:
    """Where no look is answered any more after the stop, the start that is owed is sent all the same."""
    events = tmp_path / "events.jsonl"
    with slow(1, {"action": "ReInitDisk", "nth": "every", "throttle": True}) as sim:
        words = wipe("--timeout-start", "5m", "--events", str(events))
        child = run(sim).start(*words, journal=tmp_path / "journal.db")
        until(lambda: '"instance": "Stopped"' in (events.read_text("utf-8") if events.exists() else ""))
        sim.do({"fault": {"action": "DescribeInstances", "nth": "every", "drop_request": True}})
        child.send_signal(signal.SIGTERM)
        _, text = child.communicate()

        assert child.returncode == 8, text
        assert truth(sim) == ("Running", 0)


def test_an_outage_is_reported(run: Make, tmp_path: Path) -> None:
    """While ECS does not answer the screen says so, and shows what was seen before as such."""
    with slow() as sim:
        child = run(sim).start(*wipe(), journal=tmp_path / "journal.db")
        until(lambda: truth(sim)[0] == "Stopping")
        sim.do({"fault": {"action": "DescribeInstances", "times": 30, "drop_request": True}})
        _, text = child.communicate()

        assert child.returncode == 0, text
        assert truth(sim) == ("Running", 1)
    assert re.search(r"\(last seen \w+\): .*; ECS does not answer DescribeInstances", text)


def test_throttling_is_reported(run: Make, tmp_path: Path) -> None:
    """While ECS throttles what is asked the screen says so."""
    with slow() as sim:
        child = run(sim).start(*wipe(), journal=tmp_path / "journal.db")
        until(lambda: truth(sim)[0] == "Stopping")
        sim.do({"fault": {"action": "DescribeInstances", "times": 10, "throttle": True}})
        _, text = child.communicate()

        assert child.returncode == 0, text
    assert "; ECS throttles DescribeInstances (Throttling)" in text


def test_an_outage_is_reported_for_a_fleet(run: Make, tmp_path: Path) -> None:
    """Of many machines a line says how many wait, and for what, as soon as that is so."""
    ids = [word for n in range(5) for word in ("--disk", f"d-{n}")]
    words = (*ids, "--stop-instance", "--accept", "fstab-may-name-disk", "--canary", "0")
    with slow(5) as sim:
        planned = run(sim)(*words, "--dry-run", "--output", "json", journal=tmp_path / "journal.db")
        agreed = json.loads(planned.stdout)["plan"]["confirm_with"]
        child = run(sim).start(*words, "--confirm", agreed, journal=tmp_path / "journal.db")
        until(lambda: truth(sim)[0] == "Stopping")
        sim.do({"fault": {"action": "DescribeInstances", "times": 30, "drop_request": True}})
        _, text = child.communicate()

        assert child.returncode == 0, text
    assert re.search(r"\d machines? delayed: ECS does not answer DescribeInstances", text)
    assert "a moment left" not in text


@pytest.mark.parametrize("quota", [3, pytest.param(4, marks=pytest.mark.slow)])
def test_no_more_is_stopped_than_the_quota_that_was_seen_allows(tmp_path: Path, quota: int) -> None:
    """Where others use most of the quota, no machine stopped since that was seen waits for more than a minute of it.

    Machines that were stopped before ECS throttled the first wipe wait longer: nobody could know.
    """
    count, parallel = 20, 10
    ids = [word for n in range(count) for word in ("--disk", f"d-{n}")]
    limits = ("--canary", "1", "--max-disks", str(count), "--max-parallel", str(parallel))
    words = (*ids, "--stop-instance", "--accept", "fstab-may-name-disk", *limits, "--output", "json")
    with virtual.simulate({**slow_world(count), "rate_limits": {"ReInitDisk": quota}}) as sim:
        ours = command(sim.url, tmp_path)
        planned = ours(*words, "--dry-run", journal=tmp_path / "journal.db")
        agreed = json.loads(planned.stdout)["plan"]["confirm_with"]
        done = ours(*words, "--confirm", agreed, journal=tmp_path / "journal.db")
        calls = [call for call in sim.state()["calls"] if not call["dry_run"]]
        machines = [truth(sim, n) for n in range(count)]

    assert done.returncode == 0, done.stderr
    assert machines == [("Running", 1)] * count
    first = min(moment(call) for call in calls if call["action"] == "ReInitDisk" and call["code"])
    taken = [call for call in calls if call["code"] == ""]
    wiped = {call["subject"][0]: moment(call) for call in taken if call["action"] == "ReInitDisk"}
    stopped = {each: moment(call) for call in taken if call["action"].startswith("Stop") for each in call["subject"]}
    later = [n for n in range(count) if stopped[f"i-{n}"] > first]
    assert len(later) >= count - 1 - parallel, "the canary, and as many as may be down at once"
    waits = {n: (wiped[f"d-{n}"] - stopped[f"i-{n}"]).total_seconds() for n in later}
    assert max(waits.values()) <= 60.0 + 30.0, f"a machine waited for more than a minute of the quota: {waits}"


def moment(call: dict[str, Any]) -> datetime:
    """Read when a call arrived."""
    return datetime.fromisoformat(call["at"])
