"""Going on: runs, show, resume and its verdicts, Ctrl-C, and the ways out of every doubt, by the command line."""

from __future__ import annotations

import contextlib
import json
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from alibabacloud_ecs20140526 import models as ecs

import safe_reinit
from safe_reinit.client import Client
from safe_reinit.clock import Clock
from safe_reinit.cloud.aliyun import exchange
from safe_reinit.core import resuming
from safe_reinit.errors import UsageError
from safe_reinit.execution import session
from safe_reinit.interrupt import Interrupt
from safe_reinit.journal import open_to_read, open_to_write
from safe_reinit.model import Step
from safe_reinit.simulator import Simulator
from tests import virtual
from tests.commands import Command, quit_now, until
from tests.conftest import ended_by
from tests.simulator import support
from tests.values import recoverable

pytestmark = pytest.mark.virtual_time

DISK, INSTANCE = "d-sim-web1-data", "i-sim-web1"
RUN = ("--disk", DISK, "--stop-instance", "--confirm", DISK)
WORLD: dict[str, Any] = recoverable(
    {
        "durations": {"stop": 9, "wipe": 15, "start": 9},
        "instances": {INSTANCE: {"name": "web1"}, "i-sim-db1": {"status": "Stopped"}},
        "disks": {DISK: {"instance": INSTANCE}, "d-sim-db1-data": {"instance": "i-sim-db1"}},
    }
)
TWO_KEYS: dict[str, Any] = recoverable(
    {
        "keys": [
            {"id": "testid", "secret": "testsecret"},
            {"id": "second", "secret": "secondsecret"},
            {"id": "other", "secret": "othersecret", "account": "2000000000000002"},
        ],
        "durations": {"stop": 6, "wipe": 12, "start": 9},
        "instances": {"i-1": {}},
        "disks": {"d-1": {"instance": "i-1"}},
    }
)
DROPPED: dict[str, Any] = {"action": "ReInitDisk", "drop_answer": True}


@pytest.fixture
def sim() -> Iterator[Simulator]:
    """Start a world of two machines."""
    with virtual.simulate(WORLD) as simulator:
        yield simulator


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Name a journal."""
    return tmp_path / "j.db"


def client(sim: Simulator, path: Path, key: tuple[str, str] | None = None) -> Client:
    """Make a client of the library."""
    return safe_reinit.connect(
        region=sim.region, endpoint=sim.url, credentials=key or sim.access_key, journal=str(path), clock=Clock(1)
    )


def acts(sim: Simulator) -> list[str]:
    """Name the changing calls that reached the simulator."""
    names = ("StopInstance", "ReInitDisk", "StartInstance")
    calls = sim.state()["calls"]
    return [one["action"] for one in calls if one["action"] in names and not one["dry_run"] and one["source"] == "api"]


def ended(work: Callable[[], Any]) -> Any:
    """Return the report of a run however it ends; an error without one is raised."""
    try:
        return work()
    except safe_reinit.Error as error:
        if error.report is None:
            raise
        return error.report


def names(path: Path) -> list[str]:
    """Name the runs of a journal."""
    with open_to_write(path) as journal:
        return [run.run_id for run in journal.runs()]


def is_open(path: Path) -> bool:
    """Return whether a job of a journal is open."""
    with open_to_write(path) as journal:
        return any(run.open for run in journal.runs())


STOPPING = {"instance": INSTANCE}
"""Held in this, the machine stays on its way down."""
WIPING = {"disk": DISK}
"""Held in this, the disk stays in its wipe."""


def is_so(state: dict[str, Any], held: dict[str, str]) -> bool:
    """Return whether what is held has begun."""
    if held == STOPPING:
        return bool(state["instances"][INSTANCE]["status"] == "Stopping")
    return bool(state["disks"][DISK]["status"] == "ReIniting")


def is_quiet(state: dict[str, Any]) -> bool:
    """Return whether no machine is on its way, and no disk is being wiped."""
    statuses = {each["status"] for kind in ("instances", "disks") for each in state[kind].values()}
    return statuses <= {"Running", "Stopped", "In_use"}


@contextlib.contextmanager
def while_it(run: Command, path: Path, held: dict[str, str], *more: str) -> Iterator[Any]:
    """Start a run and give its process while the machine goes down, or the disk is wiped, for as long as the block."""
    run.do({"hold": held})
    child = run.start(*RUN, *more, journal=path)
    try:
        until(lambda: is_so(run.state(), held))
        yield child
    except BaseException:
        child.kill()
        child.communicate()
        raise
    finally:
        run.do({"release": held})


def killed_while(run: Command, path: Path, held: dict[str, str]) -> str:
    """Start a run, kill it while the machine goes down or the disk is wiped, and give its name."""
    with while_it(run, path, held) as child:
        child.kill()
        child.communicate()
    return names(path)[0]


def in_doubt(sim: Simulator, path: Path, fault: dict[str, Any] | None = None) -> str:
    """Make a run whose wipe was lost while nobody could look, so that its outcome is unknown; gives its name."""
    sim.do({"fault": fault or DROPPED})
    ours = client(sim, path)
    plan = ours.plan([DISK], stop_instance=True)

    def blind(event: Any) -> None:
        if event.event == "intend" and event.data["action"] == "ReInitDisk":
            for action in ("DescribeDisks", "DescribeInstances"):
                sim.do({"fault": {"action": action, "nth": "every", "times": 14, "html": 502}})

    result = ended(lambda: ours.run(plan, confirm=plan.confirm_with, on_event=blind))
    assert (result.outcome, result.jobs[0].disks[0].data) == ("unknown", "unknown")
    assert sim.state()["instances"][INSTANCE]["status"] == "Stopped"
    return str(result.run_id)


# ---------------------------------------------------------------------------------------------------- runs and show


def test_a_killed_run_is_listed_shown_and_resumed(run: Command, path: Path) -> None:
    """A run killed while the machine goes down is open and LEFT STOPPED in runs, told by show, and ended by resume."""
    name = killed_while(run, path, STOPPING)
    listed = run("runs", journal=path).stdout
    document = json.loads(run("runs", "--output", "json", journal=path).stdout)
    shown = run("show", name, journal=path).stdout
    story = json.loads(run("show", name, "--output", "json", journal=path).stdout)
    resumed = run("resume", name, "--output", "json", journal=path)
    report = json.loads(resumed.stdout)
    state = run.state()

    (entry,) = document["runs"]
    (job,) = entry["jobs"]
    assert (entry["run_id"], entry["state"], entry["outcome"], entry["exit_code"]) == (name, "open", None, None)
    assert entry["holder"]["alive"] is False
    assert job == {"instance_id": INSTANCE, "disks": [DISK], "phase": "stop", "left_stopped": True}
    assert "LEFT STOPPED" in listed
    assert f"still to wipe: {DISK}; next: safe-reinit resume {name}" in listed
    assert f"  {DISK}: untouched by this run" in shown
    assert "this WIPES what is not wiped yet" in shown
    assert f"or: safe-reinit cancel {name}" in shown
    assert f"next: safe-reinit resume {name}" in shown
    assert story["jobs"][0]["disks"][0]["data"] == "untouched"
    assert {event["run_id"] for event in story["events"]} == {name}
    assert (resumed.returncode, report["outcome"], report["run_id"]) == (0, "done", name)
    assert len(state["disks"][DISK]["wipes"]) == 1
    assert state["instances"][INSTANCE]["status"] == "Running"


def test_runs_as_json(sim: Simulator, run: Command, path: Path) -> None:
    """The document of runs has the members of the contract and no other, newest first."""
    ours = client(sim, path)
    plan = ours.plan(["d-sim-db1-data"])
    first = ours.run(plan, confirm=plan.confirm_with).run_id
    time.sleep(1.1)  # names and order are by the second
    second = in_doubt(sim, path)
    document = json.loads(run("runs", "--output", "json", journal=path).stdout)

    assert document["schema"] == 1
    assert [entry["run_id"] for entry in document["runs"]] == [second, first]
    for entry in document["runs"]:
        assert set(entry) == {
            "run_id", "state", "outcome", "exit_code", "started_at", "ended_at", "holder", "region", "account", "jobs",
            "simulated", "waits",
        }  # fmt: skip
        assert entry["waits"] is None
        assert (entry["region"], entry["account"]) == (sim.region, sim.state()["account"])
        assert [set(job) for job in entry["jobs"]] == [{"instance_id", "disks", "phase", "left_stopped"}]
    doubtful, done = document["runs"]
    assert (done["state"], done["outcome"], done["exit_code"], done["holder"]) == ("ended", "done", 0, None)
    assert (doubtful["state"], doubtful["outcome"], doubtful["exit_code"]) == ("open", "unknown", 5)
    assert doubtful["holder"] is None
    assert [job["left_stopped"] for job in doubtful["jobs"]] == [True]
    assert [job["left_stopped"] for job in done["jobs"]] == [False]


def test_show_says_which_calls_are_missing(run: Command, path: Path) -> None:
    """The states know that a call was made; where its answer is not among the events, that is said."""
    name = killed_while(run, path, STOPPING)
    with open_to_write(path) as journal, journal._db.transaction():
        journal._db.execute("DELETE FROM events WHERE event LIKE '%\"answer\"%'")
    (missing,) = json.loads(run("show", name, "--output", "json", journal=path).stdout)["missing"]

    assert missing.startswith(
        f"any answer to StopInstance of {INSTANCE}. The journal was not available then, or the process was"
    )
    assert f"MISSING here: {missing}" in run("show", name, journal=path).stdout
    assert f"may be in spool/{name}.json, on the host of the run, in the folder where its journal was then." in missing


def test_show_names_the_file_with_what_the_journal_lacks(run: Command, path: Path) -> None:
    """Where this host keeps what could not be written, for example since the journal was moved, that file is named."""
    name = killed_while(run, path, STOPPING)
    file = path.parent / "spool" / f"{name}.json"
    file.parent.mkdir()
    file.write_text("{}", "utf-8")
    moved = path.with_name("moved.db")
    for suffix in ("", "-wal", "-shm"):
        if (part := path.with_name(path.name + suffix)).exists():
            part.rename(moved.with_name(moved.name + suffix))
    shown = run("show", name, journal=moved).stdout

    assert f"MISSING here: what is only in {file}: safe-reinit resume {name}" in shown


def test_a_held_run_says_by_whom(run: Command, path: Path) -> None:
    """While a process is at work on a run, runs names its user, host and process, and a second run is refused by it."""
    with while_it(run, path, STOPPING) as child:
        holder = json.loads(run("runs", "--output", "json", journal=path).stdout)["runs"][0]["holder"]
        before = acts_of(run)
        refused = run("--disk", DISK, "--accept", "instance-in-transition", "--confirm", DISK, journal=path)
        after = acts_of(run)
    child.communicate()

    assert (holder["pid"], holder["alive"], holder["silent"]) == (child.pid, True, False)
    assert set(holder) == {"user", "host", "pid", "alive", "silent", "silent_for"}
    assert child.returncode == 0
    assert (refused.returncode, after) == (3, before)


def acts_of(run: Command) -> list[str]:
    """Name the changing calls that reached the simulator of these commands."""
    return [one["action"] for one in run.calls() if not one["action"].startswith(("Describe", "Get"))]


def test_the_story_of_a_run_as_json(sim: Simulator, run: Command, path: Path) -> None:
    """Show as JSON is the report that the run ended with, and the events, intention before answer, looks included."""
    ours = client(sim, path)
    plan = ours.plan([DISK], stop_instance=True)
    result = ours.run(plan, confirm=plan.confirm_with)
    shown = json.loads(run("show", str(result.run_id), "--output", "json", journal=path).stdout)
    events = shown.pop("events")
    ordered = [(event["event"], event["data"].get("action")) for event in events]

    assert shown == {**json.loads(json.dumps(safe_reinit_json(result))), "missing": [], "file": None}
    assert {event["event"] for event in events} >= {"read", "intend", "call", "answer", "state", "done"}
    assert all(
        set(event) == {"schema", "at", "run_id", "instance_id", "disk_id", "event", "data", "simulated"}
        for event in events
    )
    for action in ("StopInstance", "ReInitDisk", "StartInstance"):
        real = [event for event in ordered if event[1] == action and event[0] != "read"]
        positions = [ordered.index((kind, action)) for kind in ("intend", "answer")]
        assert positions == sorted(positions)
        assert ("call", action) in real


def safe_reinit_json(result: Any) -> Any:
    """Write a report as the journal keeps it."""
    from safe_reinit.model.codec import encode

    return encode(result)


def test_the_text_of_a_story_has_every_call(sim: Simulator, run: Command, path: Path) -> None:
    """Show --verbose has a line for every call that reached ECS, with what it answered and the id of the request."""
    ours = client(sim, path)
    plan = ours.plan([DISK], stop_instance=True)
    result = ours.run(plan, confirm=plan.confirm_with)
    shown = run("show", str(result.run_id), "--verbose", journal=path).stdout

    for call in sim.state()["calls"]:
        assert call["request_id"] in shown


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("resume", "r-20260101T000000Z-ffff"), 2),
        (("show", "r-20260101T000000Z-ffff"), 2),
        (("show", "nonsense"), 2),
        (("resume", "nonsense"), 2),
        (("resume", "r-20260101T000000Z-ffff", "--verdict", "perhaps"), 2),
    ],
)
def test_a_run_that_is_not_there(run: Command, path: Path, words: tuple[str, ...], code: int) -> None:
    """A run that the journal does not have, or what is no run, is refused with 2, and nothing is sent."""
    done = run(*words, journal=path)

    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert run.calls() == []


def test_a_run_that_has_ended(sim: Simulator, run: Command, path: Path) -> None:
    """A run that has ended is not resumed: 3, with its outcome, and nothing is sent."""
    ours = client(sim, path)
    plan = ours.plan(["d-sim-db1-data"])
    name = str(ours.run(plan, confirm=plan.confirm_with).run_id)
    before = len(run.calls())
    ends = [run("resume", name, *more, journal=path) for more in ((), ("--verdict", "intact"))]

    assert [end.returncode for end in ends] == [3, 3]
    assert "has ended: done. Nothing was changed." in ends[0].stderr
    assert len(run.calls()) == before


@pytest.mark.parametrize("other", [("--region", "cn-beijing"), ("--endpoint", "http://127.0.0.1:9")])
def test_a_run_of_another_place(sim: Simulator, run: Command, path: Path, other: tuple[str, str]) -> None:
    """Another region or endpoint than the run's is refused with 2, and the run is as it was."""
    name = in_doubt(sim, path)
    before = acts(sim)
    done = run("resume", name, *other, journal=path)

    assert done.returncode == 2
    assert acts(sim) == before
    assert is_open(path)


def test_the_endpoint_of_a_run_however_it_is_written(sim: Simulator, run: Command, path: Path) -> None:
    """The run's own endpoint is accepted in another spelling: without its scheme."""
    name = killed_while(run, path, STOPPING)
    done = run("resume", name, "--endpoint", sim.endpoint, journal=path)

    assert done.returncode == 0, done.stderr


# ------------------------------------------------------------------------------------------------------- verdicts


@pytest.mark.parametrize(
    ("verdict", "code", "data", "evidence"),
    [("reinitialised", 0, "reinitialised", "operator"), ("intact", 4, "intact", None)],
)
def test_a_persons_word(  # noqa: PLR0917 - a table
    sim: Simulator, run: Command, path: Path, verdict: str, code: int, data: str, evidence: str | None
) -> None:
    """A person's word ends an unknown outcome: the machine starts as promised, no wipe is sent, the job is closed."""
    name = in_doubt(sim, path)
    before = acts(sim)
    done = run("resume", name, "--verdict", verdict, "--output", "json", journal=path)
    report = json.loads(done.stdout)
    disk = report["jobs"][0]["disks"][0]

    assert (done.returncode, disk["data"], disk["evidence"]) == (code, data, evidence)
    assert acts(sim) == [*before, "StartInstance"]
    assert sim.state()["instances"][INSTANCE]["status"] == "Running"
    assert not is_open(path)


def test_without_a_word_and_without_a_terminal(sim: Simulator, run: Command, path: Path) -> None:
    """A resume that can settle nothing ends with 5, changes nothing, and names the commands to go on with."""
    name = in_doubt(sim, path)
    before = acts(sim)
    done = run("resume", name, "--output", "json", journal=path)
    report = json.loads(done.stdout)

    assert (done.returncode, report["outcome"]) == (5, "unknown")
    assert acts(sim) == before
    assert is_open(path)
    for verdict in ("reinitialised", "intact", "wipe-again"):
        assert any(line.endswith(f" --verdict {verdict}") for line in report["next"])
    assert [line.count("--journal") for line in report["next"]] == [1] * len(report["next"])
    assert "ActionTrail" in done.stderr


def test_a_hold_lets_no_run_go_for_a_new_plan(sim: Simulator, run: Command, path: Path) -> None:
    """Where a wipe may not begin again, the run in doubt stays open: it alone tells what became of the disk."""
    name = in_doubt(sim, path)
    assert run("hold", "--reason", "change freeze", journal=path).returncode == 0
    refused = run("resume", name, "--verdict", "wipe-again", "--confirm", DISK, journal=path)
    with open_to_write(path) as journal:
        (stored,) = journal.runs()

    assert refused.returncode == 3, refused.stderr
    assert "All runs are held" in refused.stderr
    assert stored.open
    assert (stored.run_id, stored.outcome) == (name, "unknown")


def test_wiping_again_needs_consent(sim: Simulator, run: Command, path: Path) -> None:
    """wipe-again asks anew: without a terminal and without --confirm it is refused, and the old run stays open."""
    name = in_doubt(sim, path)
    before = acts(sim)
    again = ("resume", name, "--verdict", "wipe-again", "--output", "json")
    done = run(*again, journal=path)

    assert done.returncode == 3
    assert acts(sim) == before
    assert is_open(path)
    assert json.loads(done.stdout)["next"] == [f"safe-reinit {' '.join(again)} --journal {path} --confirm {DISK}"]


def test_wiping_again_that_ends_badly_says_how_to_go_on(sim: Simulator, run: Command, path: Path) -> None:
    """The new run names the command that goes on with it, as every run that is left open."""
    name = in_doubt(sim, path)
    sim.do({"fault": {"action": "ReInitDisk", "error": {"code": "OperationDenied"}}})
    sim.do({"fault": {"action": "StartInstance", "dry_run": False, "error": {"code": "InstanceExpired"}}})
    done = run("resume", name, "--verdict", "wipe-again", "--confirm", DISK, "--output", "json", journal=path)
    result = json.loads(done.stdout)

    assert (done.returncode, result["outcome"]) == (8, "stranded")
    assert result["next"] == [f"safe-reinit resume {result['run_id']} --journal {path}"]


def test_wiping_again_is_a_new_run(sim: Simulator, run: Command, path: Path) -> None:
    """wipe-again with consent makes a new run with its own evidence, and the old one lets its instance go."""
    name = in_doubt(sim, path)
    done = run("resume", name, "--verdict", "wipe-again", "--confirm", DISK, "--output", "json", journal=path)
    report = json.loads(done.stdout)

    assert done.returncode == 0, done.stderr
    assert report["run_id"] != name
    assert report["jobs"][0]["disks"][0]["evidence"] in ("transition", "settled")
    assert len(sim.state()["disks"][DISK]["wipes"]) == 2
    assert not is_open(path)
    with open_to_read(path) as journal:
        assert [(each.action, each.run_id) for each in reversed(journal.audit_entries())] == [
            ("begin", name), ("end", name), ("take-over", name), ("close", name), ("begin", report["run_id"]),
            ("end", report["run_id"]),
        ]  # fmt: skip


def test_wiping_again_keeps_the_promise_about_the_power(sim: Simulator, run: Command, path: Path) -> None:
    """A machine that ran before the first of two runs is running again after the second."""
    name = in_doubt(sim, path)
    run("resume", name, "--verdict", "wipe-again", "--confirm", DISK, journal=path)

    assert sim.state()["instances"][INSTANCE]["status"] == "Running"


def test_wiping_again_may_be_given_the_risks_that_are_new(sim: Simulator, run: Command, path: Path) -> None:
    """What somebody did to the machine since is a risk of the start that is owed; it is accepted by name, and kept."""
    name = in_doubt(sim, path)
    sim.do({"start": INSTANCE})
    support.sdk(sim).stop_instance(ecs.StopInstanceRequest(instance_id=INSTANCE, stopped_mode="StopCharging"))
    until(lambda: sim.state()["instances"][INSTANCE]["stopped_mode"] == "StopCharging")
    again = ("resume", name, "--verdict", "wipe-again", "--confirm", DISK, "--output", "json")
    refused = json.loads(run(*again, journal=path).stdout)
    risks = [found["check"] for found in refused["findings"] if found["level"] == "risk"]
    done = run(*again, *(word for risk in risks for word in ("--accept", risk)), journal=path)

    assert (refused["exit_code"], sorted(risks)) == (3, ["economical-mode", "no-recent-snapshot"])
    assert done.returncode == 0, done.stderr
    assert sim.state()["instances"][INSTANCE]["status"] == "Running"


def test_risks_are_accepted_for_a_new_plan_only(sim: Simulator, run: Command, path: Path) -> None:
    """A run that goes on had its consent: --accept without wipe-again is told, and not ignored."""
    name = in_doubt(sim, path)
    done = run("resume", name, "--accept", "no-recent-snapshot", journal=path)

    assert done.returncode == 2
    assert "wipe-again" in done.stderr


def test_a_disk_that_is_still_being_wiped_needs_no_word(run: Command, path: Path) -> None:
    """A run killed while ECS wipes is settled by looking: the wipe is not sent again, and the machine starts."""
    name = killed_while(run, path, WIPING)
    done = run("resume", name, "--output", "json", journal=path)
    report = json.loads(done.stdout)
    state = run.state()

    assert (done.returncode, report["jobs"][0]["disks"][0]["data"]) == (0, "reinitialised")
    assert len(state["disks"][DISK]["wipes"]) == 1
    assert state["instances"][INSTANCE]["starts"] == 2


def test_a_machine_that_would_not_start(sim: Simulator, run: Command, path: Path) -> None:
    """A wiped disk on a machine that could not be started is 6 and open; once it can be, resume starts it: 0."""
    sim.do({"fault": {"action": "StartInstance", "dry_run": False, "error": {"code": "InsufficientBalance"}}})
    failed = run(*RUN, "--output", "json", journal=path)
    name = json.loads(failed.stdout)["run_id"]
    stays_open = is_open(path)
    done = run("resume", name, "--output", "json", journal=path)
    report = json.loads(done.stdout)

    assert (failed.returncode, stays_open) == (6, True)
    assert (done.returncode, report["outcome"]) == (0, "done")
    assert len(sim.state()["disks"][DISK]["wipes"]) == 1
    assert sim.state()["instances"][INSTANCE]["status"] == "Running"
    assert not is_open(path)


def test_a_start_that_fell_back_is_asked_again() -> None:
    """A start that was given up after the machine went back to Stopped is due again once the run is resumed."""
    fallen = replace(record_with_start("failed"), start=Step("failed", tries=1, moving=True))
    resumed = resuming.resume(fallen, 7.0)

    assert (resumed.start.state, resumed.start.moving, resumed.start.due) == ("again", False, 7.0)


@contextlib.contextmanager
def limits(monkeypatch: pytest.MonkeyPatch, limit: str) -> Iterator[None]:
    """Let a client that is made here wait so long for each thing, and not the many minutes that are usual."""
    with monkeypatch.context() as patch:
        for name in ("STOP", "REINIT", "START"):
            patch.setenv(f"SAFE_REINIT_TIMEOUT_{name}", limit)
        yield


@pytest.mark.parametrize(("when", "outcome"), [("StopInstance", "stranded"), ("ReInitDisk", "unknown")])
def test_credentials_that_expire_in_the_middle(
    path: Path, monkeypatch: pytest.MonkeyPatch, when: str, outcome: str
) -> None:
    """Credentials refused after the stop leave the machine down and the run open; with working ones it is ended."""
    world = {**TWO_KEYS, "durations": {"stop": 6, "wipe": 60, "start": 9}}
    with virtual.simulate(world) as sim:
        with limits(monkeypatch, "2m"):
            ours = client(sim, path)
        plan = ours.plan(["d-1"], stop_instance=True)

        def expire(event: Any) -> None:
            if event.event == "answer" and event.data["action"] == when:
                sim.do({"expire_key": "testid"})

        first = ended(lambda: ours.run(plan, confirm=plan.confirm_with, on_event=expire))
        stays_open = is_open(path)
        again = ended(lambda: client(sim, path, ("second", "secondsecret")).resume(str(first.run_id)))
        state = sim.state()

    assert (first.outcome, stays_open) == (outcome, True)
    assert again.outcome == ("failed" if when == "StopInstance" else "done")
    assert state["instances"]["i-1"]["status"] == "Running"
    assert len(state["disks"]["d-1"]["wipes"]) == (0 if when == "StopInstance" else 1)
    assert not is_open(path)


def test_a_wipe_that_was_accepted_is_settled_by_looking(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wipe that ECS accepted before the credentials expired is settled by a later resume, not asked of a person."""
    with virtual.simulate(TWO_KEYS) as sim:
        with limits(monkeypatch, "2m"):
            ours = client(sim, path)
        plan = ours.plan(["d-1"], stop_instance=True)

        def expire(event: Any) -> None:
            if event.event == "answer" and event.data["action"] == "ReInitDisk":
                sim.do({"expire_key": "testid"})

        first = ended(lambda: ours.run(plan, confirm=plan.confirm_with, on_event=expire))
        until(lambda: sim.state()["disks"]["d-1"]["status"] == "In_use")
        time.sleep(30)
        again = ended(lambda: client(sim, path, ("second", "secondsecret")).resume(str(first.run_id)))

    assert first.outcome == "unknown"
    assert again.outcome == "done"


# -------------------------------------------------------------------------------------------- the same, not the other


def test_credentials_of_another_account_are_refused(path: Path) -> None:
    """A run is not resumed with the credentials of another account: 2 or 3, and its record is as it was."""
    with virtual.simulate(TWO_KEYS) as sim:
        sim.do({"fault": {"action": "StartInstance", "dry_run": False, "error": {"code": "InsufficientBalance"}}})
        ours = client(sim, path)
        plan = ours.plan(["d-1"], stop_instance=True)
        first = ended(lambda: ours.run(plan, confirm=plan.confirm_with))
        with open_to_write(path) as journal:
            before = journal.runs()[0].jobs
        with pytest.raises(safe_reinit.Error) as refused:
            client(sim, path, ("other", "othersecret")).resume(str(first.run_id))
        with open_to_write(path) as journal:
            after = journal.runs()[0].jobs

    assert refused.value.exit_code in (2, 3)
    assert after == before


# ---------------------------------------------------------------------------------------- held by somebody who is alive


def test_a_resume_that_cannot_begin_lets_the_run_go(
    monkeypatch: pytest.MonkeyPatch, sim: Simulator, path: Path
) -> None:
    """Where not even a connection can be made, the run is not held for as long as the program lives."""
    name = in_doubt(sim, path)

    def refused(*_: Any) -> Any:
        raise UsageError("No connection can be made.")

    with monkeypatch.context() as patched:
        patched.setattr(session, "make_cloud", refused)
        with pytest.raises(UsageError, match="No connection"):
            client(sim, path).resume(name)
    with open_to_write(path) as journal:
        stored = journal.run(name)

    assert stored is not None
    assert stored.open
    assert stored.holder is not None
    assert not stored.holder.alive


def test_waiting_for_a_holder_that_is_alive(monkeypatch: pytest.MonkeyPatch, run: Command, path: Path) -> None:
    """A resume of a run whose holder lives waits, says for whom, and ends with 3; the holder is unharmed."""
    monkeypatch.setattr(session, "_LEASE_WAIT", 2.0)
    text: list[str] = []
    with while_it(run, path, STOPPING) as child:
        child.pause(10)  # so that every call would be one of the resume
        (name,) = names(path)
        ours = safe_reinit.connect(
            region="cn-hangzhou", endpoint=run.url, credentials=("testid", "testsecret"), journal=str(path),
            clock=Clock(1),
        )  # fmt: skip
        before = len(run.calls())
        with pytest.raises(safe_reinit.RunRefused) as refused:
            ours.resume(name, stop=Interrupt(text.append))
        after = len(run.calls())
    child.communicate()

    assert after == before
    assert str(child.pid) in str(refused.value)
    assert "waiting at most" in text[0]
    assert str(child.pid) in text[0]
    assert child.returncode == 0
    assert len(run.state()["disks"][DISK]["wipes"]) == 1


def test_the_wait_is_the_one_of_the_contract() -> None:
    """A resume waits 35 s: longer than the 30 s of a lease, which is renewed every 10 s."""
    from safe_reinit.journal import lease

    assert (session._LEASE_WAIT, lease.LEASE_DURATION, lease.RENEWAL_INTERVAL) == (35.0, 30.0, 10.0)


# ---------------------------------------------------------------------------------------------------------- signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda each: each.name)
def test_the_first_signal_brings_the_machine_back(run: Command, path: Path, number: signal.Signals) -> None:
    """One signal while the machine goes down: no wipe is sent, the machine is started again, 4, and the job closed."""
    with while_it(run, path, STOPPING, "--output", "json") as child:
        child.send_signal(number)
        until(lambda: interrupted(path))
    out, err = child.communicate()
    state = run.state()

    assert (child.returncode, json.loads(out)["outcome"]) == (ended_by(number, 4), "failed"), err
    assert state["disks"][DISK]["wipes"] == []
    assert state["instances"][INSTANCE]["status"] == "Running"
    assert not is_open(path)


def test_a_signal_during_the_wipe_lets_it_end(run: Command, path: Path) -> None:
    """One signal while the disk is wiped: the wipe is seen to its end, the machine starts, and nothing failed."""
    with while_it(run, path, WIPING, "--output", "json") as child:
        child.send_signal(signal.SIGINT)
        until(lambda: interrupted(path))
    out, err = child.communicate()

    assert (child.returncode, json.loads(out)["outcome"]) == (-signal.SIGINT, "done"), err
    assert run.state()["instances"][INSTANCE]["status"] == "Running"


@pytest.mark.parametrize("held", [STOPPING, WIPING], ids=["stopping", "wiping"])
def test_the_second_signal_leaves_at_once(run: Command, path: Path, held: dict[str, str]) -> None:
    """Two signals: the process leaves the run as it stands and says how to go on; resume goes on."""
    with while_it(run, path, held, "--output", "json") as child:
        quit_now(child)
        out, err = child.communicate()
        left = run.state()["instances"][INSTANCE]["status"]
    name = names(path)[0]
    resumed = run("resume", name, "--output", "json", journal=path)
    state = run.state()

    assert child.returncode == -signal.SIGINT, err
    assert f"resume {name}" in " ".join(json.loads(out)["next"]) + err
    assert left in ("Stopping", "Stopped")
    assert json.loads(resumed.stdout)["outcome"] == ("failed" if held == STOPPING else "done")
    assert len(state["disks"][DISK]["wipes"]) == (0 if held == STOPPING else 1)
    assert state["instances"][INSTANCE]["status"] == "Running"


def interrupted(path: Path) -> bool:
    """Return whether the record of a run says that it was asked to end."""
    with open_to_write(path) as journal:
        return any(each.state.interrupted for run in journal.runs() for each in run.jobs)


def test_the_second_signal_does_not_wait_for_a_call(sim: Simulator, run: Command, path: Path) -> None:
    """Two signals while a call hangs: the process does not wait for its answer, which may take a minute."""
    sim.do({"fault": {"action": "ReInitDisk", "delay": 50}})
    child = run.start(*RUN, journal=path)
    until(lambda: is_so(run.state(), WIPING))
    quit_now(child)
    try:
        child.communicate(timeout=15)
    finally:
        child.kill()
        child.communicate()

    assert child.returncode == -signal.SIGINT


# ----------------------------------------------------------------------------------------- doubts that must have an end


def test_an_answer_is_not_asked_for_again() -> None:
    """A start that ECS accepted is not sent again by a resume, whatever somebody did to the machine since."""
    resumed = resuming.resume(record_with_start("accepted"), 0.0)

    assert resumed.start.state == "accepted"


def record_with_start(state: Any) -> Any:
    """Make a record whose start was asked for."""
    from safe_reinit.model import JobState, Limits, Step, Wipe

    return JobState(
        instance_id="i-1", power_before="Running", may_stop=True, leave_stopped=False, on_unknown="ask",
        limits=Limits(), disks=(Wipe("d-1", state="done", tries=1),), stop=Step("done", tries=1),
        start=Step(state, tries=1, first_at=0.0, at=0.0),
    )  # fmt: skip


def test_abandoning_ends_a_run(sim: Simulator, run: Command, path: Path) -> None:
    """A run that lets its instance go has ended, is refused to resume, and can be pruned like any other."""
    name = killed_while(run, path, STOPPING)
    ours = client(sim, path)
    ours.abandon(name)
    with open_to_write(path) as journal:
        (stored,) = journal.runs()
        journal._db.execute("UPDATE runs SET ended_at='2020-01-01T00:00:00Z' WHERE ended_at IS NOT NULL")
        pruned = journal.prune(3600.0)

    assert (stored.open, pruned) == (False, 1)
    with pytest.raises(safe_reinit.UsageError, match="no run"):
        ours.resume(name)


def test_constants_that_tests_shorten() -> None:
    """The time-outs of calls are those of the design: 10 s for a look, 60 s for an act."""
    assert (exchange.READ_TIMEOUT, exchange.CHANGE_TIMEOUT) == (10.0, 60.0)


# --------------------------------------------------------------------------------------------- guards and classes


def write(run: Command, text: str) -> None:
    """Write the configuration of the home that commands run in."""
    file = run.folder / ".config" / "safe-reinit" / "config.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, "utf-8")


def killed_stopping(run: Command, path: Path, *words: str) -> str:
    """Start a run, kill it while the machine goes down, and give its name."""
    run.do({"hold": STOPPING})
    with run.start(*words, journal=path) as child:
        until(lambda: is_so(run.state(), STOPPING))
        child.kill()
        child.communicate()
    run.do({"release": STOPPING})
    return names(path)[0]


@pytest.mark.parametrize("tag", ["safe-reinit:protect", "keep"])
def test_what_was_protected_when_a_run_began_is_so_when_it_is_resumed(run: Command, path: Path, tag: str) -> None:
    """The guards go with the run: a configuration without them does not help it to wipe, and power comes back."""
    write(run, "protect: {tags: {keep: '*'}}\n")
    name = killed_stopping(run, path, *RUN)
    run.do({"change": DISK, "to": {"tags": {tag: ""}}})
    write(run, "protect: {tag: another, terms: []}\n")
    done = run("resume", name, "--output", "json", journal=path)
    report = json.loads(done.stdout)

    assert (done.returncode, report["jobs"][0]["disks"][0]["data"]) == (4, "untouched"), done.stderr
    assert "target-protected" in report["error"]["message"]
    assert run.state()["instances"][INSTANCE]["status"] == "Running"


CLASS = "classes: {lab: {match: {tags: {env: lab}}, stop_instance: true, unattended: true}}\n"


def test_a_run_by_class_is_resumed_without_its_class(run: Command, path: Path) -> None:
    """What a class allowed is in the plan: a run that has begun goes on to its end whatever became of the file."""
    run.do({"change": INSTANCE, "to": {"tags": {"env": "lab"}}})
    write(run, CLASS)
    name = killed_stopping(run, path, "--disk", DISK, "--confirm", "lab")
    write(run, "")
    done = run("resume", name, journal=path)

    assert done.returncode == 0, done.stderr
    assert len(run.state()["disks"][DISK]["wipes"]) == 1


def unanswered(run: Command, path: Path, *words: str) -> str:
    """Run with all ReInitDisk of the first disk lost, and name the run that does not know what became of it."""
    run.do({"fault": {"action": "ReInitDisk", "subject": DISK, "drop_request": True, "times": 3}})
    done = run(*words, journal=path)
    assert done.returncode == 5, done.stderr
    with open_to_write(path) as journal:
        return journal.runs()[0].run_id


@pytest.mark.parametrize("verdict", ["wipe-again", "intact"])
def test_a_killed_run_is_not_wiped_again_before_it_has_reported(run: Command, path: Path, verdict: str) -> None:
    """Nobody has said yet that a disk is in doubt, and the new run would not know that the machine is to run again."""
    name = killed_stopping(run, path, "--disk", DISK, "--stop-instance", "--confirm", DISK)
    until(lambda: run.state()["instances"][INSTANCE]["status"] == "Stopped")
    refused = run("resume", name, "--verdict", verdict, "--confirm", DISK, journal=path)

    assert refused.returncode == 3
    assert "No disk of run" in refused.stderr
    assert run("resume", name, journal=path).returncode == 0
    assert run.state()["instances"][INSTANCE]["status"] == "Running"


def test_wiping_again_asks_the_class_again(run: Command, path: Path) -> None:
    """What came from a class is no option of the new plan: without the class the running machine is not stopped."""
    run.do({"change": INSTANCE, "to": {"tags": {"env": "lab"}}})
    write(run, CLASS.replace("unattended", "accept: [no-recent-snapshot], unattended"))
    name = unanswered(run, path, "--disk", DISK, "--confirm", "lab")
    run.do({"start": INSTANCE})
    write(run, "")
    before = acts_of(run)
    refused = run("resume", name, "--verdict", "wipe-again", "--confirm", DISK, journal=path)
    unchanged = acts_of(run)
    write(run, CLASS.replace("unattended", "accept: [no-recent-snapshot], unattended"))
    done = run("resume", name, "--verdict", "wipe-again", "--confirm", "lab", journal=path)

    assert (refused.returncode, unchanged) == (3, before)
    assert "instance-running" in refused.stderr
    assert done.returncode == 0, done.stderr


def test_wiping_again_keeps_the_number_of_disks(run: Command, path: Path) -> None:
    """A number that was said for the run holds for its second try."""
    write(run, "max_disks: 1\nmay_be_raised: [max_disks]\n")
    both = ("--disk", DISK, "--disk", "d-sim-db1-data", "--stop-instance", "--max-disks", "2")
    planned = run("plan", *both, "--output", "json", "--endpoint", run.url, journal=None)
    word = json.loads(planned.stdout)["plan"]["confirm_with"]
    name = unanswered(run, path, *both, "--confirm", word)
    done = run("resume", name, "--verdict", "wipe-again", journal=path)

    assert done.returncode == 3
    assert "no --confirm" in done.stderr
    assert "too-many-disks" not in done.stderr
