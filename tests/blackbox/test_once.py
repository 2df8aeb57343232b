"""--once KEY: the same command again, after a run that is done, while one goes on, and in two processes at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import safe_reinit
from safe_reinit.errors import OutcomeUnknown
from safe_reinit.journal import open_to_write
from safe_reinit.simulator import Simulator
from tests import postgresql, virtual
from tests.blackbox.worlds import DISK, INSTANCE, RUN, SECOND, STOPPING, TARGET, WORLD, comes_to, held, power, wipes
from tests.commands import Command, command

pytestmark = pytest.mark.virtual_time

KEY = ("--once", "nightly-1")
JSON = ("--output", "json")


@pytest.fixture
def sim() -> Iterator[Simulator]:
    """Start the world."""
    with virtual.simulate(WORLD) as started:
        yield started


def changing(run: Command) -> list[str]:
    """List the changing calls that came over the API."""
    return [
        call["action"]
        for call in run.calls()
        if call["source"] == "api" and not call["dry_run"] and not call["action"].startswith(("Describe", "Get"))
    ]


def test_the_same_command_again_gives_the_first_report_and_changes_nothing(
    sim: Simulator, run: Command, tmp_path: Path
) -> None:
    """After a run that is done it ends 0, says so, and prints the report of that run; nothing is changed."""
    journal = tmp_path / "j.db"
    first = json.loads(run(*RUN, *KEY, *JSON, journal=journal).stdout)
    acts = changing(run)
    sim.do({"write": DISK})
    again = run(*RUN, *KEY, *JSON, journal=journal)
    text = run(*RUN, *KEY, journal=journal)

    assert (first["outcome"], first["once"], first["already_done"]) == ("done", KEY[1], False)
    assert (again.returncode, json.loads(again.stdout)) == (0, {**first, "already_done": True})
    assert text.returncode == 0
    assert f"ALREADY DONE: run {first['run_id']} did this under the key nightly-1" in text.stdout
    assert (changing(run), wipes(sim)) == (acts, 1)


def test_its_report_may_be_written_over_itself(sim: Simulator, run: Command, tmp_path: Path) -> None:
    """The command line of a job that is started again has the same --report: the file then has the same run."""
    words, file = (*RUN, *KEY, "--report", str(tmp_path / "run.json")), tmp_path / "run.json"
    first = run(*words, journal=tmp_path / "j.db")
    before = json.loads(file.read_text())
    again = run(*words, journal=tmp_path / "j.db")
    other = run(*RUN, "--once", "nightly-2", "--report", str(file), journal=tmp_path / "j.db")

    assert (first.returncode, again.returncode, other.returncode) == (0, 0, 2)
    assert json.loads(file.read_text()) == {**before, "already_done": True}
    assert wipes(sim) == 1


def test_a_dry_run_says_what_the_run_would(sim: Simulator, run: Command, tmp_path: Path) -> None:
    """A plan names the key, and after the run it gives the report of that: check mode then finds nothing to do."""
    journal = tmp_path / "j.db"
    planned = run("plan", *TARGET, *KEY, "--endpoint", sim.url, journal=journal)
    done = json.loads(run(*RUN, *KEY, *JSON, journal=journal).stdout)
    again = run("plan", *TARGET, *KEY, *JSON, "--endpoint", sim.url, journal=journal)

    assert "at most once under the key nightly-1" in planned.stdout
    assert (planned.returncode, again.returncode) == (0, 0)
    assert json.loads(again.stdout) == {**done, "already_done": True}


@pytest.mark.parametrize("words", [("--disk", SECOND, "--confirm", SECOND), (*RUN, "--leave-stopped")])
def test_another_plan_under_the_key_is_refused(
    sim: Simulator, run: Command, tmp_path: Path, words: tuple[str, ...]
) -> None:
    """Another disk or another option is another fingerprint: 3, and the run that has the key is named."""
    journal = tmp_path / "j.db"
    first = json.loads(run(*RUN, *KEY, *JSON, journal=journal).stdout)
    other = run(*words, "--stop-instance", *KEY, journal=journal)

    assert other.returncode == 3
    assert f"belongs to another plan, that of run {first['run_id']}" in other.stderr
    assert (wipes(sim), wipes(sim, SECOND)) == (1, 0)


def test_a_run_that_failed_may_be_tried_again(sim: Simulator, run: Command, tmp_path: Path) -> None:
    """Only a run that is done counts as done: after a refused wipe the same key runs again."""
    journal = tmp_path / "j.db"
    sim.do({"fault": {"action": "ReInitDisk", "error": {"code": "OperationDenied", "status": 403}, "nth": 1}})
    words = (*RUN, *KEY, "--accept", "no-recent-snapshot")  # the machine is started once more in between
    failed = run(*words, journal=journal)
    again = run(*words, journal=journal)

    assert (failed.returncode, again.returncode) == (4, 0), (failed.stderr, again.stderr)
    assert wipes(sim) == 1


def test_a_killed_run_keeps_its_key_until_it_is_resumed(sim: Simulator, run: Command, tmp_path: Path) -> None:
    """Nobody knows what it did: 5, and how to end it without a wipe; once it is resumed and done, so is the key."""
    journal = tmp_path / "j.db"
    with held(sim, STOPPING):
        child = run.start(*RUN, *KEY, journal=journal)
        comes_to(sim, "Stopping")
        child.kill()
        child.communicate()
        meanwhile = run(*RUN, *KEY, *JSON, journal=journal)
        printed = run(*RUN, *KEY, journal=journal).stdout
    result: dict[str, Any] = json.loads(meanwhile.stdout)
    resumed = run("resume", result["run_id"], journal=journal)
    again = run(*RUN, *KEY, *JSON, journal=journal)

    assert (meanwhile.returncode, result["exit_code"], result["outcome"]) == (5, 5, "unknown")
    assert [disk["data"] for job in result["jobs"] for disk in job["disks"]] == ["unknown"]
    assert [each.split()[1] for each in result["next"]] == ["show", "resume", "cancel"]
    assert not [each for each in result["next"] if "--verdict" in each]
    assert "this WIPES what is not wiped yet" in printed
    assert "else it changes nothing" not in printed
    assert (resumed.returncode, again.returncode) == (0, 0), (resumed.stderr, again.stderr)
    assert json.loads(again.stdout)["run_id"] == result["run_id"]
    assert (wipes(sim), power(sim)) == (1, "Running")


def test_two_processes_with_one_key_never_both_run(sim: Simulator, run: Command, tmp_path: Path) -> None:
    """Begun at once, one does the work; the other finds the key taken by an open run, and sends nothing."""
    children = [run.start(*RUN, *KEY, journal=tmp_path / "j.db") for _ in range(2)]
    ended = [(child.communicate(), child.returncode) for child in children]

    assert sorted(code for _, code in ended) == [0, 5], ended
    assert changing(run) == ["StopInstance", "ReInitDisk", "StartInstance"]
    assert (wipes(sim), power(sim)) == (1, "Running")


@pytest.mark.real_time
def test_two_real_processes_with_one_key_on_a_shared_journal(postgres: postgresql.Server, tmp_path: Path) -> None:
    """Two hosts with one key in PostgreSQL: one run is begun, and the machine is stopped at most once."""
    world = {**WORLD, "durations": {"stop": 0.1, "wipe": 0.1, "start": 0.1}}
    refuses = {
        "action": "StopInstance",
        "dry_run": False,
        "nth": "every",
        "error": {"code": "Forbidden.RAM", "status": 403},
    }
    place = postgres.new()
    with Simulator(world=world, speed=1) as sim:
        sim.do({"fault": refuses})
        run = command(sim.url, tmp_path)
        children = [run.start(*RUN, *KEY, journal=place) for _ in range(2)]
        text = [child.communicate()[1] for child in children]
    with open_to_write(place) as journal:
        begun = [each.action for each in journal.audit_entries() if each.action == "begin"]

    codes = sorted(child.returncode for child in children)
    assert codes in ([4, 4], [4, 5]), text  # the second one began after the first had failed, or while it went on
    assert len(begun) == codes.count(4)


def test_a_saved_plan_has_its_key_with_it(sim: Simulator, run: Command, tmp_path: Path) -> None:
    """The key is part of the plan file: to apply it again ends 0 with the first report, not 3 as a used plan does."""
    journal, file = tmp_path / "j.db", tmp_path / "plan.json"
    planned = run("plan", *TARGET, *KEY, "--save", str(file), "--endpoint", sim.url, journal=journal)
    digest = json.loads(file.read_text())["digest"]
    applied = [run("apply", str(file), "--confirm", digest, *JSON, journal=journal) for _ in range(2)]
    result = [json.loads(each.stdout) for each in applied]

    assert [planned.returncode, *(each.returncode for each in applied)] == [0, 0, 0]
    assert [each["already_done"] for each in result] == [False, True]
    assert result[0]["run_id"] == result[1]["run_id"]
    assert wipes(sim) == 1


@pytest.mark.parametrize("key", ["", " ", "two words", "x" * 129, "-dash", "line\nline"])
def test_what_is_no_key_is_refused_before_anything_is_asked(run: Command, tmp_path: Path, key: str) -> None:
    """A key that cannot be written in a script without quotes is a mistake: 2."""
    refused = run(*RUN, f"--once={key}", journal=tmp_path / "j.db")

    assert refused.returncode == 2
    assert "The key of once is not" in refused.stderr
    assert run.calls() == []


def test_a_key_is_of_one_region(run: Command, tmp_path: Path) -> None:
    """Each region has a run of its own, so several take no key."""
    refused = run(*RUN, *KEY, "--region", "cn-hangzhou", "--region", "cn-beijing", journal=tmp_path / "j.db")

    assert refused.returncode == 2
    assert "Give --region once" in refused.stderr


def test_a_program_reads_that_it_was_done_before(sim: Simulator, tmp_path: Path) -> None:
    """The library returns the first report with already_done, and raises OutcomeUnknown while that run is open."""
    client = safe_reinit.connect(
        region=sim.region, endpoint=sim.url, credentials=sim.access_key, journal=str(tmp_path / "j.db")
    )

    def plan() -> Any:
        return client.plan([DISK], stop_instance=True, once="of-a-program")

    waiting, inside = plan(), list[Exception]()

    def during(event: Any) -> None:
        if event.event == "intend" and not inside:
            try:
                client.run(waiting, confirm=DISK)
            except OutcomeUnknown as error:
                inside.append(error)

    first = client.run(plan(), confirm=DISK, on_event=during)
    again = client.run(plan(), confirm="not asked for")

    assert (first.once, first.already_done, again.already_done) == ("of-a-program", False, True)
    assert again.run_id == first.run_id
    assert [error.report.run_id for error in inside if isinstance(error, OutcomeUnknown) and error.report] == [
        first.run_id
    ]
    assert (wipes(sim), power(sim, INSTANCE)) == (1, "Running")
