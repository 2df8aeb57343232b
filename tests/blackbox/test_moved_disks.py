"""A disk that somebody has moved to another machine since the run that is undone, or planned anew."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from safe_reinit.simulator import Simulator
from tests.blackbox.worlds import DISK, INSTANCE, RUN, power
from tests.commands import Command

pytestmark = pytest.mark.virtual_time

OTHER = "i-second"


@pytest.mark.parametrize("accepted", [False, True])
def test_another_machine_is_stopped_only_where_that_is_accepted(
    sim: Simulator, run: Command, path: Path, *, accepted: bool
) -> None:
    """The plan says that the disk is on another machine, which is stopped only with --accept disk-moved-since-run."""
    first = json.loads(run(*RUN, "--snapshot", "--output", "json", journal=path).stdout)
    assert first["outcome"] == "done"
    sim.do({"detach": DISK})
    sim.do({"attach": DISK, "instance": OTHER})
    starts = {name: each["starts"] for name, each in sim.state()["instances"].items()}
    words = ["undo", first["run_id"], "--stop-instance", "--confirm", DISK, "--accept", "no-recent-snapshot"]
    if accepted:
        words += ["--accept", "disk-moved-since-run"]

    done = run(*words, "--output", "json", journal=path)

    state = sim.state()
    result = json.loads(done.stdout)
    (found,) = [each for each in result["findings"] if each["check"] == "disk-moved-since-run"]
    assert (found["level"], found["subject"]) == ("risk", DISK)
    assert INSTANCE in found["message"]
    assert OTHER in found["message"]
    assert state["instances"][INSTANCE]["starts"] == starts[INSTANCE]
    if accepted:
        assert result["outcome"] == "done", done.stderr
        assert len(state["disks"][DISK]["resets"]) == 1
    else:
        assert done.returncode == 3, done.stderr
        assert "disk-moved-since-run" in done.stderr
        assert state["instances"][OTHER]["starts"] == starts[OTHER]
        assert not state["disks"][DISK]["resets"]


@pytest.mark.parametrize("accepted", [False, True])
def test_a_run_that_is_planned_again_does_not_follow_a_disk(
    sim: Simulator, run: Command, path: Path, *, accepted: bool
) -> None:
    """With --verdict wipe-again it is a risk, and refused in any case while the run's machine would stay down."""
    sim.do({"fault": {"action": "ReInitDisk", "nth": "every", "drop_request": True}})
    first = json.loads(run(*RUN, "--output", "json", journal=path).stdout)
    assert first["outcome"] == "unknown"
    sim.do({"detach": DISK})
    sim.do({"attach": DISK, "instance": OTHER})
    starts = sim.state()["instances"][OTHER]["starts"]
    words = ["resume", first["run_id"], "--verdict", "wipe-again", "--confirm", DISK, "--accept", "no-recent-snapshot"]
    if accepted:
        words += ["--accept", "disk-moved-since-run"]

    done = run(*words, "--output", "json", journal=path)

    assert done.returncode == 3, done.stderr
    result = json.loads(done.stdout)
    stops = [each for each in sim.state()["calls"] if each["action"] == "StopInstance" and OTHER in each["subject"]]
    assert all(each["dry_run"] for each in stops)
    assert sim.state()["instances"][OTHER]["starts"] == starts
    if accepted:
        assert INSTANCE in result["error"]["message"]
    else:
        (found,) = [each for each in result["findings"] if each["check"] == "disk-moved-since-run"]
        assert (found["level"], found["subject"]) == ("risk", DISK)
        assert first["run_id"] in found["message"]

    ended = run("resume", first["run_id"], "--verdict", "intact", journal=path)
    assert ended.returncode == 4, ended.stderr
    assert power(sim) == "Running"
