"""What a resumed run may do, and what it refuses: verdicts, today's rules for targets, and the age of plan and stop."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from safe_reinit.journal import open_to_write
from safe_reinit.simulator import Simulator
from tests import virtual
from tests.cloudlike import INSTANCE, instance_status
from tests.commands import Command, command, until
from tests.values import recoverable

pytestmark = pytest.mark.virtual_time

DISK, OTHER = "d-web", "d-other"
RUN = ("--disk", DISK, "--stop-instance", "--confirm", DISK)
SOON = {"SAFE_REINIT_TIMEOUT_START": "1m"}
"""Lets a run that cannot start its machine say so after a minute of simulated time."""
CHANGING = ("StopInstance", "CreateSnapshot", "ReInitDisk", "StartInstance", "TagResources")
WORLD: dict[str, Any] = {
    "durations": {"stop": 6, "wipe": 15, "start": 9},
    "instances": {INSTANCE: {"name": "web"}},
    "disks": {DISK: {"instance": INSTANCE}, OTHER: {"instance": INSTANCE}},
}


@contextmanager
def machine(folder: Path) -> Iterator[tuple[Simulator, Command]]:
    """Simulate one machine with two disks, and give the command line against it."""
    with virtual.simulate(recoverable(WORLD)) as sim:
        yield sim, command(sim.url, folder)


def changing(sim: Simulator) -> list[str]:
    """Name the changing calls that came over the API, in order."""
    return [
        each["action"]
        for each in sim.state()["calls"]
        if each["action"] in CHANGING and each["source"] == "api" and not each["dry_run"]
    ]


def run_of(journal: Path) -> str:
    """Name the newest run of a journal."""
    with open_to_write(journal) as opened:
        return opened.runs()[0].run_id


def is_open(journal: Path) -> bool:
    """Return whether a job of a journal is open."""
    with open_to_write(journal) as opened:
        return any(run.open for run in opened.runs())


def killed_stopped(sim: Simulator, run: Command, journal: Path, *words: str) -> str:
    """Kill a run while the machine goes down, let it go down, and name the run."""
    sim.do({"hold": {"instance": INSTANCE}})
    child = run.start(*(words or RUN), journal=journal)
    try:
        until(lambda: instance_status(sim) == "Stopping")
    finally:
        child.kill()
        child.communicate()
    sim.do({"release": {"instance": INSTANCE}})
    until(lambda: instance_status(sim) == "Stopped")
    return run_of(journal)


def killed_wiping(sim: Simulator, run: Command, journal: Path, *words: str) -> str:
    """Kill a run while ECS wipes the disk, which goes on until it is released, and name the run."""
    sim.do({"hold": {"disk": DISK}})
    child = run.start(*(words or RUN), journal=journal)
    try:
        until(lambda: sim.state()["disks"][DISK]["status"] == "ReIniting")
    finally:
        child.kill()
        child.communicate()
    return run_of(journal)


def in_doubt(sim: Simulator, run: Command, journal: Path) -> list[list[str]]:
    """Run for both disks, all ReInitDisk of one lost and of the other throttled; give the commands that are printed."""
    sim.do({"fault": {"action": "ReInitDisk", "subject": DISK, "nth": "every", "drop_request": True}})
    sim.do({"fault": {"action": "ReInitDisk", "subject": OTHER, "nth": "every", "throttle": True}})
    words = ("--disk", DISK, "--disk", OTHER, "--stop-instance")
    planned = json.loads(run("plan", *words, "--endpoint", sim.url, "--output", "json", journal=None).stdout)
    confirm = planned["plan"]["confirm_with"]
    done = run(*words, "--confirm", confirm, "--output", "json", journal=journal)
    assert done.returncode == 5, done.stderr
    return [shlex.split(each)[1:] for each in json.loads(done.stdout)["next"]]


@pytest.mark.parametrize("verdict", ["reinitialised", "intact"])
def test_a_verdict_without_doubt_is_refused(tmp_path: Path, verdict: str) -> None:
    """Where no disk is in doubt a verdict is refused: no call is sent, nothing is changed, and resume still works."""
    journal = tmp_path / "j.db"
    with machine(tmp_path) as (sim, run):
        name = killed_stopped(sim, run, journal)
        before = len(sim.state()["calls"])
        done = run("resume", name, "--verdict", verdict, "--output", "json", journal=journal)

        assert done.returncode == 3, done.stderr
        assert "an unknown outcome" in done.stderr
        assert len(sim.state()["calls"]) == before
        assert "--verdict" not in " ".join(json.loads(done.stdout)["next"])
        assert is_open(journal)
        assert run("resume", name, journal=journal).returncode == 0
        assert len(sim.state()["disks"][DISK]["wipes"]) == 1


@pytest.mark.parametrize("verdict", ["reinitialised", "intact"])
def test_a_verdict_against_what_is_visible_is_refused(tmp_path: Path, verdict: str) -> None:
    """While the disk shows ReIniting no verdict is taken; the run stays open, and resume ends it with the truth."""
    journal = tmp_path / "j.db"
    with machine(tmp_path) as (sim, run):
        sim.do({"hold": {"disk": DISK}})
        left = run(*RUN, journal=journal, environment={"SAFE_REINIT_TIMEOUT_REINIT": "1m"})
        assert left.returncode == 5, left.stderr
        name, before = run_of(journal), changing(sim)
        done = run("resume", name, "--verdict", verdict, journal=journal)

        assert done.returncode == 3, done.stderr
        assert "ReIniting" in done.stderr or verdict == "intact", done.stderr
        assert changing(sim) == before
        assert is_open(journal)
        sim.do({"release": {"disk": DISK}})
        assert run("resume", name, journal=journal).returncode == 0
        assert (len(sim.state()["disks"][DISK]["wipes"]), instance_status(sim)) == (1, "Running")


@pytest.mark.parametrize("verdict", ["reinitialised", "intact"])
def test_a_verdict_on_what_no_report_asked_about_is_refused(tmp_path: Path, verdict: str) -> None:
    """A run that was killed while its wipe was under way has told nobody which disk is in doubt: resume tells first."""
    journal = tmp_path / "j.db"
    with machine(tmp_path) as (sim, run):
        name = killed_wiping(sim, run, journal)
        sim.do({"release": {"disk": DISK}})
        before = changing(sim)
        done = run("resume", name, "--verdict", verdict, journal=journal)

        assert done.returncode == 3, done.stderr
        assert f"has not reported the outcome of {DISK}" in done.stderr
        assert changing(sim) == before
        assert run("resume", name, journal=journal).returncode == 0
        assert (len(sim.state()["disks"][DISK]["wipes"]), instance_status(sim)) == (1, "Running")


@pytest.mark.parametrize(("verdict", "code"), [("reinitialised", 7), ("intact", 4)])
def test_a_verdict_sends_no_wipe_for_the_other_disks(tmp_path: Path, verdict: str, code: int) -> None:
    """The verdict that was printed about one disk is taken; the other disk is not wiped, and the machine comes back."""
    journal = tmp_path / "j.db"
    with machine(tmp_path) as (sim, run):
        printed = in_doubt(sim, run, journal)
        sent = changing(sim).count("ReInitDisk")
        (line,) = [each for each in printed if each[0] == "resume" and verdict in each]
        done = run(*line, "--output", "json", journal=None)
        data = {disk["disk_id"]: disk["data"] for disk in json.loads(done.stdout)["jobs"][0]["disks"]}

        assert done.returncode == code, done.stderr
        assert changing(sim).count("ReInitDisk") == sent
        assert data[DISK] == verdict
        assert data[OTHER] in ("intact", "untouched")
        assert instance_status(sim) == "Running"
        assert not is_open(journal)


@pytest.mark.parametrize("how", ["protect", "allow"])
def test_what_today_protects_is_not_wiped_by_a_resumed_run(tmp_path: Path, how: str) -> None:
    """A target that the current configuration refuses is not wiped; since the run stopped it, it is started again."""
    journal, config = tmp_path / "j.db", tmp_path / "c.yaml"
    rule = f"protect: {{disks: [{DISK}]}}" if how == "protect" else "allow: {disks: [d-another]}"
    with machine(tmp_path) as (sim, run):
        name = killed_stopped(sim, run, journal)
        config.write_text(f"{rule}\n")
        config.chmod(0o600)
        done = run("resume", name, "--config", str(config), journal=journal)

        assert done.returncode == 4, done.stderr
        assert "by the current configuration" in done.stderr
        assert sim.state()["disks"][DISK]["wipes"] == []
        assert instance_status(sim) == "Running"
        assert not is_open(journal)


def test_a_stop_that_is_too_old_is_followed_by_no_wipe(tmp_path: Path) -> None:
    """A run resumed after plan_expires only brings the power back."""
    journal, config = tmp_path / "j.db", tmp_path / "c.yaml"
    with machine(tmp_path) as (sim, run):
        name = killed_stopped(sim, run, journal)
        config.write_text("plan_expires: 1s\n")
        config.chmod(0o600)
        done = run("resume", name, "--config", str(config), journal=journal)

        assert done.returncode == 4, done.stderr
        assert "plan_expires" in done.stderr
        assert sim.state()["disks"][DISK]["wipes"] == []
        assert instance_status(sim) == "Running"


def test_a_run_that_did_not_restart_stays_open_and_its_resume_line_works(tmp_path: Path) -> None:
    """While the power is owed the run stays open, also after resume; each resume line that is printed is accepted."""
    journal = tmp_path / "j.db"
    refused = {
        "action": "StartInstance",
        "nth": "every",
        "dry_run": False,
        "error": {"code": "OperationDenied.NoStock"},
    }
    with machine(tmp_path) as (sim, run):
        sim.do({"fault": refused})
        done = run(*RUN, "--output", "json", journal=journal, environment=SOON)
        commands = [shlex.split(each)[1:] for each in json.loads(done.stdout)["next"]]
        resumes = [each for each in commands if each[0] == "resume"]

        assert done.returncode == 6, done.stderr
        assert resumes
        assert all("--verdict" not in each for each in resumes)
        again = run(*resumes[0], journal=None, environment=SOON)
        assert again.returncode == 6, again.stderr
        assert is_open(journal)


def test_after_a_verdict_the_start_is_still_pending(tmp_path: Path) -> None:
    """A verdict does not close a run whose machine did not start: resume starts it once that is possible."""
    journal = tmp_path / "j.db"
    with machine(tmp_path) as (sim, run):
        in_doubt(sim, run, journal)
        sim.do({"lock": INSTANCE, "reason": "security"})
        name = run_of(journal)
        judged = run("resume", name, "--verdict", "intact", journal=journal)
        pending = is_open(journal)
        sim.do({"unlock": INSTANCE})
        again = run("resume", name, journal=journal)

        assert judged.returncode == 8, judged.stderr
        assert pending
        assert again.returncode == 4, again.stderr
        assert instance_status(sim) == "Running"
        assert not is_open(journal)


def test_a_run_killed_before_its_stop_expires(tmp_path: Path) -> None:
    """A run that never stopped its machine is refused once its plan is too old, and leaves everything as it is."""
    journal, config = tmp_path / "j.db", tmp_path / "c.yaml"
    world = {**WORLD, "instances": {INSTANCE: {"name": "web", "started": "-1s"}}}
    with virtual.simulate(recoverable(world)) as sim:
        run = command(sim.url, tmp_path)
        words = (*RUN, "--accept", "no-recent-snapshot")
        with run.start(*words, journal=journal) as child:
            assert child.stderr is not None
            try:
                assert any("was started a moment ago" in line for line in child.stderr)
            finally:
                child.kill()
        config.write_text("plan_expires: 1s\n")
        config.chmod(0o600)
        killed = time.time()
        until(lambda: time.time() > killed + 1.0)
        done = run("resume", run_of(journal), "--config", str(config), journal=journal)

        assert done.returncode == 3, done.stderr
        assert "plan_expires" in done.stderr
        assert changing(sim) == []
        assert not is_open(journal)
