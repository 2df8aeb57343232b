"""``--quiet``: a plan or a run that ends 0 prints nothing, so that cron sends no mail of it; any other is told."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from safe_reinit.simulator import Simulator
from tests.blackbox.worlds import DISK, RUN, STOPPING, TARGET, held, killed, listed, wipes
from tests.cli.test_regions import LAB, confirmed, simulated
from tests.commands import Command, command

pytestmark = pytest.mark.virtual_time


def is_silent(done: subprocess.CompletedProcess[str]) -> bool:
    """Return whether a command ended 0 and printed nothing."""
    assert done.returncode == 0, done.stderr
    return (done.stdout, done.stderr) == ("", "")


def test_a_plan_a_run_and_an_undo_are_silent(sim: Simulator, run: Command, path: Path, tmp_path: Path) -> None:
    """Planned, saved, applied, run, rehearsed and rolled back: all of it ends 0 without a word, and is done."""
    file, where = str(tmp_path / "plan.json"), ("--endpoint", sim.url, "--quiet")

    assert is_silent(run("plan", *TARGET, *where, journal=None))
    assert is_silent(run("plan", *TARGET, *where, "--save", file, journal=None))
    assert is_silent(run("plan", "--simulate", *TARGET, "--quiet", journal=None))
    assert is_silent(run("rehearse", *TARGET, *where, journal=None))
    digest = run("show", file, journal=None).stdout.partition("  digest ")[2].split()[0]
    assert is_silent(run("apply", file, "--confirm", digest, "--quiet", journal=path))
    assert is_silent(run(*RUN, "--snapshot", "--quiet", journal=path))
    name = listed(run, path)[0]["run_id"]
    assert is_silent(run("undo", name, "--stop-instance", "--confirm", DISK, "--quiet", journal=path))
    assert wipes(sim) == 2
    assert len(sim.state()["disks"][DISK]["resets"]) == 1


def test_a_resumed_run_is_silent(sim: Simulator, run: Command, path: Path) -> None:
    """A run that goes on and is done says nothing either."""
    with held(sim, STOPPING):
        name = killed(sim, run, path)

    assert is_silent(run("resume", name, "--quiet", journal=path))
    assert wipes(sim) == 1


def test_several_regions_are_silent(tmp_path: Path, path: Path) -> None:
    """A run over two regions, and a plan in which one of them has nothing, say nothing."""
    with simulated() as sim:
        run = command(sim.url, tmp_path)

        assert is_silent(run(*LAB, "--region", "cn-shanghai", "--dry-run", "--quiet", journal=path))
        assert is_silent(run(*confirmed(run, *LAB, journal=path), "--quiet", journal=path))


def test_documents_and_files_are_written_all_the_same(run: Command, path: Path, tmp_path: Path) -> None:
    """What a program asked for by --output json, --report or --events is no message to a person: it is there."""
    events, report = tmp_path / "events.jsonl", tmp_path / "report.json"
    words = ("--quiet", "--output", "json", "--report", str(report), "--events", str(events))
    done = run(*RUN, *words, journal=path)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == report.read_text("utf-8")
    assert '"event":"done"' in events.read_text("utf-8").replace(" ", "")


def test_what_does_not_end_well_is_reported(sim: Simulator, run: Command, path: Path) -> None:
    """A plan that is refused and a run that failed have their result on stdout and their reason on stderr."""
    refused = run("plan", *TARGET[:2], "--endpoint", sim.url, "--quiet", journal=None)
    sim.do({"fault": {"action": "ReInitDisk", "error": {"code": "OperationDenied"}}})
    failed = run(*RUN, "--quiet", journal=path)

    assert (refused.returncode, failed.returncode) == (3, 4)
    assert "instance-running" in refused.stdout
    assert "instance-running" in refused.stderr
    assert "failed (exit code 4)" in failed.stdout
    assert failed.stderr.startswith("safe-reinit: ")
