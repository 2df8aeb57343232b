"""An undo of a disk that somebody has moved to another machine since the run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from safe_reinit.simulator import Simulator
from tests.blackbox.worlds import DISK, INSTANCE, RUN
from tests.commands import Command

OTHER = "i-second"


@pytest.mark.parametrize("accepted", [False, True])
def test_another_machine_is_stopped_only_where_that_is_accepted(
    sim: Simulator, run: Command, path: Path, *, accepted: bool
) -> None:
    """The plan says that the disk is on another machine, which is stopped only with --accept disk-moved-since-wipe."""
    first = json.loads(run(*RUN, "--snapshot", "--output", "json", journal=path).stdout)
    assert first["outcome"] == "done"
    sim.do({"detach": DISK})
    sim.do({"attach": DISK, "instance": OTHER})
    starts = {name: each["starts"] for name, each in sim.state()["instances"].items()}
    words = ["undo", first["run_id"], "--stop-instance", "--confirm", DISK, "--accept", "no-recent-snapshot"]
    if accepted:
        words += ["--accept", "disk-moved-since-wipe"]

    done = run(*words, "--output", "json", journal=path)

    state = sim.state()
    told = json.loads(done.stdout)
    (found,) = [each for each in told["findings"] if each["check"] == "disk-moved-since-wipe"]
    assert (found["level"], found["subject"]) == ("risk", DISK)
    assert INSTANCE in found["message"]
    assert OTHER in found["message"]
    assert state["instances"][INSTANCE]["starts"] == starts[INSTANCE]
    if accepted:
        assert told["outcome"] == "done", done.stderr
        assert len(state["disks"][DISK]["resets"]) == 1
    else:
        assert done.returncode == 3, done.stderr
        assert "disk-moved-since-wipe" in done.stderr
        assert state["instances"][OTHER]["starts"] == starts[OTHER]
        assert not state["disks"][DISK]["resets"]
