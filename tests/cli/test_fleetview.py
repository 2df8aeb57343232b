"""What is seen of a run over many machines while it goes on: the counts, the table, the lines where nobody looks."""

from __future__ import annotations

import io
import json
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import safe_reinit
from safe_reinit.cli.fleetview import PHASES, FleetView
from safe_reinit.cli.live import Forgiving, table
from safe_reinit.cli.progress import Progress
from safe_reinit.clock import Clock
from safe_reinit.config import resolve
from safe_reinit.model import Call, Event, EventName, Plan, Rollout
from safe_reinit.model.events import make_event
from safe_reinit.simulator import Simulator
from tests import virtual
from tests.commands import Command
from tests.conftest import KEY, CommandLine
from tests.fleets import a_plan
from tests.terminals import TERMINAL_TIMEOUT, Open, Terminal, where_is
from tests.values import NOW, recoverable


def happened(event: EventName, instance: str | None, disk: str | None, data: Any, at: datetime = NOW) -> Event:
    """Make an event; of a job that has ended nothing is left unless its data says so."""
    data = {"tag_left": False, **data} if event == "done" else data
    return make_event(event, at=at, run_id="r-1", instance_id=instance, disk_id=disk, data=data)


class Seen:
    """A view, and what happens to its jobs."""

    def __init__(self, plan: Plan, **ended: str) -> None:
        self.view = FleetView(plan, {name.replace("_", "-"): outcome for name, outcome in ended.items()} or None)

    def report(self, number: int, event: EventName, at: float, *, disk: bool = False, **data: Any) -> Any:
        """Report one event of a job, or of its disk."""
        instance, disk_id = (None, f"d-{number}") if disk else (f"i-{number}", None)
        return self.view.event(happened(event, instance, disk_id, data), at)

    def wait(self, number: int, phase: str, at: float) -> None:
        """Report that a job waits."""
        self.report(number, "wait", at, phase=phase)

    def done(self, number: int, at: float, outcome: str = "done", **why: Any) -> Any:
        """Report that a job has come to its end."""
        return self.report(number, "done", at, outcome=outcome, power="Running", **why)

    @property
    def counts(self) -> dict[str, int]:
        """Where any job is."""
        return {name: count for name, count in self.view.counts() if count}


# ------------------------------------------------------------------------------------------------------- the counts


def test_a_job_goes_through_its_phases() -> None:
    """A job is counted where its last event says, whether that is of the instance or of its disk."""
    seen = Seen(a_plan(2))
    found = [seen.counts]
    for act, phase, of_disk in (("StopInstance", "stop", False), ("CreateSnapshot", "snapshot", True),
                                ("ReInitDisk", "reinit", True), ("StartInstance", "start", False)):  # fmt: skip
        seen.report(1, "intend", 1.0, disk=of_disk, action=act, attempt=1)
        found.append(seen.counts)
        assert seen.counts == {"waiting to begin": 1, phase: 1}
    seen.done(1, 2.0)

    assert found[0] == {"waiting to begin": 2}
    assert seen.counts == {"waiting to begin": 1, "done": 1}


@pytest.mark.parametrize("late", ["wait-snapshot", "stop", "reinit"])
def test_an_older_observation_takes_no_job_back(late: str) -> None:
    """What a look shows that was made before the last call does not count: a job only goes on."""
    seen = Seen(a_plan(2))
    seen.report(0, "intend", 1.0, action="StartInstance", attempt=1)
    seen.wait(0, late, 2.0)

    assert seen.counts == {"waiting to begin": 1, "start": 1}


def test_every_phase_of_a_wait_has_its_row() -> None:
    """A job that waits is counted in the phase that the event names."""
    seen = Seen(a_plan(len(PHASES)))
    for number, phase in enumerate(PHASES[1:]):
        seen.wait(number, phase, 1.0)

    assert seen.counts == dict.fromkeys(PHASES, 1)


def test_an_event_of_nobody_counts_nothing() -> None:
    """What belongs to no job of the plan, as a finding or a tag of another thing, moves nothing."""
    seen = Seen(a_plan(2))
    seen.report(0, "intend", 1.0, action="TagResources", attempt=1)
    seen.view.event(happened("finding", None, None, {"check": "spot"}), 1.0)
    seen.report(77, "wait", 1.0, phase="stop")

    assert seen.counts == {"waiting to begin": 2}


def test_a_row_stays_once_it_was_there() -> None:
    """Rows do not come and go with the jobs, so that the table stands still; ``done`` is there from the beginning."""
    seen = Seen(a_plan(1))
    seen.wait(0, "stop", 1.0)
    seen.wait(0, "start", 2.0)

    assert seen.view.counts() == [("waiting to begin", 0), ("stop", 0), ("start", 1), ("done", 0)]


def test_a_job_that_ended_well_is_reported_with_its_time() -> None:
    """The line of a finished job has name, id and how long it took since it began."""
    seen = Seen(a_plan(2))
    seen.wait(1, "stop", 10.0)
    ended = seen.done(1, 145.0)

    assert (ended.text, ended.well) == ("lab-1 done in 2m15s (i-1)", True)


def test_a_job_that_failed_is_reported_with_message_and_code() -> None:
    """The line of a job that went wrong has the outcome, the message, and the code where the message has it not."""
    seen = Seen(a_plan(3))
    for number in range(2):
        seen.wait(number, "stop", 0.0)
    first = seen.done(0, 40.0, "failed", code="DiskError", message="ECS refused StopInstance.")
    second = seen.done(1, 40.0, "stranded", code="X", message="Refused with X.")

    assert first.text == "lab-0 FAILED after 40s (i-0): ECS refused StopInstance. (DiskError)"
    assert second.text == "lab-1 STRANDED after 40s (i-1): Refused with X."
    assert not first.well


def test_a_machine_without_a_name_is_called_by_its_id() -> None:
    """No name is no reason for an empty line."""
    plan = a_plan(1)
    seen = Seen(replace(plan, jobs=(replace(plan.jobs[0], instance_name=""),)))
    seen.wait(0, "stop", 0.0)

    assert seen.done(0, 60.0).text == "i-0 done in 1m"


def test_a_job_that_never_began_has_no_time() -> None:
    """Of a job that ended before anything was seen of it, no time is claimed."""
    ended = Seen(a_plan(2)).done(1, 99.0, "refused", code=None, message="Not begun: the canary did not succeed.")

    assert ended.took is None
    assert ended.text == "lab-1 REFUSED (i-1): Not begun: the canary did not succeed."


def test_only_throttled_answers_count_as_such() -> None:
    """Every code of throttling counts, of looks too, and no other code does."""
    view = FleetView(a_plan())
    for code in ("Throttling", "Throttling.User", "OK", "ServiceUnavailable", "Unanswered"):
        view.call(Call(NOW, "DescribeDisks", (), False, 400, None, code))

    assert view.throttled == 2


def test_the_rate_is_that_of_the_last_minute() -> None:
    """What ended or was wiped more than a minute ago does not count; a wipe counts when ECS has accepted it."""
    seen = Seen(a_plan(3))
    for number, at in enumerate((0.0, 50.0, 100.0)):
        seen.report(number, "answer", at, disk=True, action="ReInitDisk", code="OK")
        seen.report(number, "answer", at, disk=True, action="ReInitDisk", code="Throttling")
        seen.done(number, at + 5.0)

    assert seen.view.rates(106.0) == (2, 2)
    assert seen.view.rates(500.0) == (0, 0)


def test_an_undo_speaks_of_rolling_back() -> None:
    """What an undo does to a disk is not called a wipe."""
    seen = Seen(a_plan(undo="r-20260102T030405Z-4f2a"))
    seen.report(0, "answer", 1.0, disk=True, action="ResetDisk", code="OK")

    assert seen.view.rate_texts(2.0) == ("last minute: 0 machines ended", "last minute: 1 roll-back accepted")


def test_a_run_that_goes_on_counts_what_ended_before() -> None:
    """Jobs that came to their end in an earlier process are counted, and one that goes on after all is moved."""
    seen = Seen(a_plan(4), i_0="done", i_1="unknown")
    before = seen.counts
    seen.wait(1, "start", 1.0)

    assert before == {"waiting to begin": 2, "done": 1, "unknown": 1}
    assert seen.counts == {"waiting to begin": 2, "done": 1, "start": 1}


def test_the_summary_says_everything_in_one_line() -> None:
    """Where nobody sees the table a line has the counts, the rate, throttling and time."""
    seen = Seen(a_plan(3))
    seen.wait(0, "stop", 0.0)
    seen.wait(1, "stop", 0.0)
    seen.done(1, 50.0)

    assert seen.view.summary(60.0) == (
        "3 machines: 1 waiting to begin, 1 stopping, 1 done; last minute: 1 machine ended; "
        "last minute: 0 wipes accepted; "
        "1m so far, end not known"
    )
    seen.report(0, "wait", 61.0, phase="stop", why="ECS does not answer DescribeInstances")
    assert seen.view.summary(61.0).endswith("; 1 machine delayed: ECS does not answer DescribeInstances")


# --------------------------------------------------------------------------------------------------- the time left


def running(seen: Seen, numbers: Sequence[int], since: float) -> None:
    """Let jobs begin."""
    for number in numbers:
        seen.wait(number, "stop", since)


def whole(
    seen: Seen, number: int, since: float, *, stop: float = 40.0, wipe: float = 40.0, start: float = 20.0
) -> None:
    """Let a job begin and come to its end, each phase taking its time."""
    running(seen, (number,), since)
    seen.report(number, "intend", since + stop, disk=True, action="ReInitDisk")
    seen.report(number, "intend", since + stop + wipe, action="StartInstance")
    seen.done(number, since + stop + wipe + start)


def test_nothing_is_estimated_before_a_job_is_done() -> None:
    """While nobody knows how long a job takes, the time left is said to be not known; a failure teaches nothing."""
    seen = Seen(a_plan(4))
    before = seen.view.time_text(0.0)
    running(seen, (0, 1), 0.0)
    seen.done(0, 30.0, "failed")

    assert before == "0s so far, end not known"
    assert seen.view.left(31.0) is None


def test_jobs_in_flight_need_what_is_left_of_the_usual_time() -> None:
    """The last one decides, by the phase that it is in and by those that come after it."""
    seen = Seen(a_plan(3))
    running(seen, (1,), 50.0)
    running(seen, (2,), 70.0)
    whole(seen, 0, 0.0)
    seen.report(1, "intend", 90.0, disk=True, action="ReInitDisk")

    assert seen.view.left(100.0) == 10.0 + 40.0 + 20.0
    assert seen.view.time_text(100.0) == "50s so far, about 1m10s left"


def test_a_machine_that_is_late_is_no_moment_away() -> None:
    """A phase that takes longer than it ever did says nothing of its end, and no made-up time is shown."""
    seen = Seen(a_plan(2))
    running(seen, (1,), 0.0)
    whole(seen, 0, 0.0)

    assert seen.view.left(44.0) == 60.0
    assert seen.view.left(46.0) is None
    assert seen.view.time_text(160.0) == "2m40s so far, end not known"


def test_a_machine_that_stays_in_its_stop_has_its_wipe_and_start_before_it() -> None:
    """A slow stop brings the end of a run no nearer: what comes after it takes its time, too."""
    seen = Seen(a_plan(2))
    whole(seen, 0, 0.0)
    running(seen, (1,), 100.0)

    assert seen.view.left(139.0) == 1.0 + 40.0 + 20.0


def test_the_last_seconds_are_shown_as_such() -> None:
    """Only where every phase but the rest of the last one is over is the end near."""
    seen = Seen(a_plan(2))
    whole(seen, 0, 0.0)
    running(seen, (1,), 100.0)
    seen.report(1, "intend", 140.0, disk=True, action="ReInitDisk")
    seen.report(1, "intend", 180.0, action="StartInstance")

    assert seen.view.time_text(198.0).endswith("a few seconds left")


def test_a_run_that_goes_on_takes_no_half_for_a_whole() -> None:
    """What was under way when a run was resumed is no measure, and has all of its phase before it still."""
    seen = Seen(a_plan(4), i_3="done")
    seen.wait(0, "reinit", 0.0)
    seen.report(0, "intend", 5.0, action="StartInstance")
    seen.done(0, 25.0)
    running(seen, (1,), 0.0)
    assert seen.view.left(26.0) is None

    seen.report(2, "intend", 30.0, action="StopInstance")
    seen.report(2, "intend", 70.0, disk=True, action="ReInitDisk")
    seen.report(2, "intend", 110.0, action="StartInstance")
    seen.done(2, 130.0)

    assert seen.view.left(131.0) == 40.0 + 40.0 + 20.0


def test_nothing_is_estimated_while_ecs_is_in_trouble() -> None:
    """While ECS does not answer, or throttles, nobody knows how long a run still takes."""
    seen = Seen(a_plan(2))
    running(seen, (1,), 90.0)
    whole(seen, 0, 0.0)
    before = seen.view.left(100.0)
    seen.report(1, "wait", 101.0, phase="stop", why="ECS throttles DescribeInstances (Throttling)")

    assert before is not None
    assert seen.view.left(101.0) is None
    assert seen.view.trouble_text() == "1 machine delayed: ECS throttles DescribeInstances (Throttling)"
    seen.wait(1, "stop", 103.0)
    assert seen.view.trouble_text() == ""


def test_the_longest_wait_is_shown_with_its_limit() -> None:
    """Of what is waited for under a limit, the table names the machine that has waited longest, until it is done."""
    seen = Seen(a_plan(3))
    seen.report(0, "wait", 50.0, phase="stop", elapsed=5.0, limit=600.0, limit_of="downtime")
    seen.report(1, "wait", 50.0, phase="reinit", elapsed=30.0, limit=1800.0, limit_of="wait")
    seen.report(2, "wait", 50.0, phase="stop", elapsed=40.0, limit=0.0, limit_of=None)

    assert seen.view.longest_text(60.0) == "longest wait: lab-1, wiping, 40s of at most 30m"
    seen.done(1, 70.0)
    assert seen.view.longest_text(75.0) == "longest wait: lab-0, stopping, 30s of at most 10m down before the wipe"


def test_the_stage_is_shown_where_there_are_several() -> None:
    """The head of the table says whether the canary is out, and then which wave of how many."""
    seen = Seen(a_plan(5, Rollout(canary=1, waves=((2, False),))))
    heads = [seen.view.total_text()]
    for number in range(3):
        seen.done(number, 10.0)
        heads.append(seen.view.total_text())

    assert heads == ["5 machines, canary", "5 machines, wave 1/2", "5 machines, wave 1/2", "5 machines, wave 2/2"]
    assert Seen(a_plan(5, Rollout(canary=0))).view.total_text() == "5 machines"


def test_machines_that_need_no_stop_teach_nothing_of_those_that_do() -> None:
    """What is quick is no measure for a phase that it does not have."""
    quick = Seen(a_plan(3, stopped=(0,)))
    running(quick, (1, 2), 0.0)
    quick.wait(0, "reinit", 0.0)
    quick.done(0, 60.0)

    assert quick.view.left(61.0) is None


def test_what_waits_for_a_place_comes_in_rounds() -> None:
    """Where only so many may be down at once, the others come after them, round by round."""
    seen = Seen(a_plan(8, Rollout(canary=0, max_parallel=2)))
    running(seen, (1, 2), 100.0)
    whole(seen, 0, 0.0)

    assert seen.view.left(100.0) == 100.0 + 3 * 100.0


def test_what_waits_for_the_quota_comes_by_the_minute() -> None:
    """Where there is room but no slot in the quota, the minutes count."""
    seen = Seen(a_plan(1200, Rollout(canary=0, max_parallel=2000, quota_share=1.0)))
    running(seen, range(1, 500), 50.0)
    whole(seen, 0, 0.0, stop=20.0, wipe=20.0, start=10.0)

    assert seen.view.left(50.0) == 50.0 + 2 * 60.0


def test_waves_come_one_after_the_other() -> None:
    """A stage that has not begun takes the usual time once that before it has ended."""
    seen = Seen(a_plan(8, Rollout(canary=0, waves=((2, False), (3, False)))))
    running(seen, (1,), 100.0)
    whole(seen, 0, 0.0)

    assert seen.view.left(110.0) == 90.0 + 2 * 100.0


def test_a_canary_says_nothing_of_what_comes_after_it() -> None:
    """While the canary is out the time left is not known; when it is done and others are on their way it is."""
    seen = Seen(a_plan(12, Rollout(canary=2)))
    whole(seen, 0, 0.0)
    running(seen, (1,), 80.0)
    during = seen.view.left(100.0)
    whole(seen, 1, 80.0)
    between = seen.view.left(181.0)
    running(seen, range(2, 12), 182.0)

    assert (during, between) == (None, None)
    assert seen.view.left(182.0) == 100.0


# ---------------------------------------------------------------------------------------------------------- the table


def drawn(view: FleetView, width: int, **more: Any) -> str:
    """Draw the table on a terminal of this width."""
    console = Console(file=io.StringIO(), width=width, force_terminal=True, _environ={}, highlight=False)
    console.print(table(view, 100.0, console.width, **more))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def full(count: int = 10_000) -> FleetView:
    """Return the view of a large run with something in every row."""
    seen = Seen(a_plan(count, Rollout()), i_0="done", i_1="failed", i_2="not-restarted", i_3="unknown")
    for number, phase in enumerate(PHASES[1:], 10):
        seen.wait(number, phase, 1.0)
    return seen.view


@pytest.mark.parametrize("width", [120, 80, 40, 30])
def test_the_table_fits_its_terminal(width: int) -> None:
    """No line of it is broken or wider than the terminal, and every row and number is whole."""
    view = full()
    lines = re.sub(r"\x1b\[[\d;]*m", "", drawn(view, width)).splitlines()

    assert max(map(len, lines)) <= width
    assert len(lines) == 1 + len(view.counts()) + 3
    assert re.search(r"^waiting to begin +9990 ", "\n".join(lines), re.M)
    assert [line.split()[0] for line in lines[1:-3]] == [view.word(name).split()[0] for name, _ in view.counts()]


def test_what_went_wrong_is_red() -> None:
    """Failures stand out, and what is done is green."""
    shown = drawn(full(), 80)

    assert re.search(r"\x1b\[1;31mfailed", shown)
    assert re.search(r"\x1b\[32mdone", shown)


def test_a_terminal_without_letters_of_its_own_gets_plain_ones() -> None:
    """With an ASCII bar no other letter is in the table."""
    assert drawn(full(), 80, bar="#").isascii()


def test_a_terminal_that_is_gone_is_written_to_in_vain() -> None:
    """Writing to a terminal that was closed does nothing, and raises nothing."""
    stream = io.StringIO()
    forgiving = Forgiving(stream)
    forgiving.write("before ")
    stream.close()

    forgiving.write("after")
    forgiving.flush()


# ----------------------------------------------------------------------------------- the whole command on a terminal


def a_world(count: int, **odd: dict[str, Any]) -> dict[str, Any]:
    """Return a world of so many running machines of one data disk each; ``odd`` is what some of the disks have."""
    return recoverable(
        {
            "instances": {f"i-{number}": {"name": f"lab-{number}"} for number in range(count)},
            "disks": {
                **{f"d-{number}-sys": {"instance": f"i-{number}", "type": "system"} for number in range(count)},
                **{f"d-{number}": {"instance": f"i-{number}", **odd.get(f"d_{number}", {})} for number in range(count)},
            },
        }
    )


@pytest.fixture
def fleet() -> Iterator[Simulator]:
    """Start six running machines, the disk of one of which cannot be wiped."""
    with virtual.simulate(a_world(6, d_4={"faulty": True})) as simulator:
        yield simulator


def command(simulator: Simulator, count: int = 6, *accepted: str) -> list[str]:
    """Return the command line that wipes the first so many machines, with these risks accepted."""
    disks = [f"d-{number}" for number in range(count)]
    client = safe_reinit.connect(region="cn-hangzhou", endpoint=simulator.url, credentials=("testid", "testsecret"))
    plan = client.plan(disks, stop_instance=True, accept=accepted)
    assert plan.runnable, plan.blockers
    options = [*(word for disk in disks for word in ("--disk", disk)), *(f"--accept={name}" for name in accepted)]
    return [*options, "--stop-instance", "--confirm", plan.confirm_with]


def plain(text: str) -> str:
    """Take the colours and the movements of the cursor out."""
    return re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", text)


@pytest.mark.virtual_time
@pytest.mark.parametrize("columns", [80, 40])
def test_a_fleet_on_a_terminal_is_a_table_and_a_line_for_each(terminal: Open, fleet: Simulator, columns: int) -> None:
    """On a terminal, also on a narrow one, the counts are drawn while it runs, and each job has its line."""
    person = terminal(fleet, *command(fleet), columns=columns)
    person.wait_for("waiting to begin")
    person.wait_for("last minute: ")
    code = person.end()
    shown = " ".join(plain(person.shown).split())

    assert code == 7, person.shown
    for number in (0, 1, 2, 3, 5):
        assert re.search(rf"lab-{number} done in \w+ \(i-{number}\)", shown)
    assert re.search(r"lab-4 FAILED after \w+ \(i-4\): .*DiskError", shown)
    assert re.search("\x1b\\[31m[^\x1b]*lab-4 FAILED", person.shown)
    table_lines = [
        line for line in plain(person.shown).splitlines() if line.startswith(("6 machines", "waiting", "done "))
    ]
    assert max(len(line.rstrip()) for line in table_lines if "lab" not in line) <= 40
    assert "StopInstance i-0" not in shown


@pytest.mark.virtual_time
def test_no_color_is_kept_to(terminal: Open, fleet: Simulator) -> None:
    """With NO_COLOR the table is drawn without a colour."""
    person = terminal(fleet, *command(fleet), NO_COLOR="1")
    person.end()

    assert "waiting to begin" in person.shown
    assert not re.search(r"\x1b\[(\d+;)*3\d", person.shown)


def test_another_size_ends_nothing(terminal: Open) -> None:
    """A real window that becomes narrow, tiny and wide again while it runs changes nothing of the run."""
    world = a_world(6)
    for instance in world["instances"].values():
        instance["started"] = "+1m"  # the run waits for over a minute before it changes anything
    with Simulator(world=world, speed=1) as simulator:
        person = terminal(simulator, *command(simulator, 6, "no-recent-snapshot"), columns=120)
        person.wait_for("waiting to begin")
        for columns, rows in ((40, 24), (9, 3), (1, 1), (100, 40)):
            person.resize(columns, rows)
            person.wait_for("\x1b[2K", after=len(person.shown))  # it is drawn again
        person.type("\x03")

        assert person.end() == -signal.SIGINT, person.shown
        assert not [call for call in simulator.state()["calls"] if call["action"] == "StopInstances"]
    assert "Traceback" not in person.shown
    assert "6 machines" in plain(person.shown)


def all_stopping(simulator: Simulator) -> None:
    """Wait until a machine stops."""
    deadline = time.monotonic() + TERMINAL_TIMEOUT
    while "Stopping" not in {each["status"] for each in simulator.state()["instances"].values()}:
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.virtual_time
def test_a_lost_terminal_brings_all_machines_back(terminal: Open, fleet: Simulator) -> None:
    """Where the terminal is lost while machines stop, all come back, and the run ends with the code of that state."""
    person: Terminal = terminal(fleet, *command(fleet))
    all_stopping(fleet)
    code = person.hang_up()
    state = fleet.state()

    assert code in (4, 7)
    assert {each["status"] for each in state["instances"].values()} == {"Running"}
    assert not any(disk["wipes"] for disk in state["disks"].values())


@pytest.mark.virtual_time
def test_ctrl_c_ends_a_drawn_run_in_order(terminal: Open, fleet: Simulator) -> None:
    """Ctrl-C while the table is drawn says so above it, and the machines come back."""
    person = terminal(fleet, *command(fleet))
    all_stopping(fleet)
    person.type("\x03")
    code = person.end()

    assert code == -signal.SIGINT, person.shown
    assert f"{signal.SIGINT.name}: Stopping: " in " ".join(plain(person.shown).split())
    assert {each["status"] for each in fleet.state()["instances"].values()} == {"Running"}


@pytest.mark.virtual_time
def test_nothing_is_drawn_over_a_question(terminal: Open, fleet: Simulator) -> None:
    """While somebody is asked whether to go on after the canary the table is away; after the answer it is back."""
    person = terminal(fleet, *command(fleet), "--canary", "1")
    asked = person.wait_for("Continue? Type")
    person.wait_for("> ", after=asked)
    time.sleep(1.0)
    person.type("g")
    person.wait_for("g", after=asked)
    before = person.shown[asked:]
    person.type("o\n")

    assert person.end() == 7, person.shown
    assert "waiting to begin" not in before
    assert "waiting to begin" in person.shown[asked:]
    assert "lab-5 done in" in plain(person.shown[asked:])


@pytest.mark.virtual_time
def test_a_small_fleet_is_reported_step_by_step(terminal: Open, fleet: Simulator) -> None:
    """Up to three machines are shown as one is: each step has its line, and there is no table."""
    person = terminal(fleet, *command(fleet, 3))

    assert person.end() == 0, person.shown
    assert "StopInstance i-0: accepted" in person.shown
    assert "waiting to begin" not in person.shown


@pytest.mark.virtual_time
def test_without_a_terminal_each_job_has_a_line(command_line: CommandLine, fleet: Simulator) -> None:
    """Without a terminal there is a line for each finished job, a summary now and then, and no escape code."""
    ended = command_line(*command(fleet), env={**KEY, **where_is(fleet)})
    lines = [line[9:] for line in ended.err.splitlines() if re.match(r"\d\d:\d\d:\d\d ", line)]
    summaries = [line for line in lines if line.startswith("6 machines: ")]

    assert ended.code == 7, ended.err
    assert "\x1b" not in ended.err
    assert sorted(line.split()[0] for line in lines if line not in summaries) == [f"lab-{n}" for n in range(6)]
    took = [int(m) * 60 + int(s or 0) for line in summaries for m, s in re.findall(r"(\d+)m(?:(\d+)s)? so far", line)]
    of_trouble = [line for line in summaries if re.search(r"machines? waiting: ", line)]  # told when it begins
    assert 1 <= len(summaries) <= 1 + max(took) // 30 + len(of_trouble)


@pytest.mark.virtual_time
@pytest.mark.parametrize(("option", "result"), [("--quiet", False), ("--verbose", True)])
def test_quiet_and_verbose_hold_for_many(
    command_line: CommandLine, fleet: Simulator, option: str, result: bool
) -> None:
    """--quiet tells nothing on the way, --verbose every call too."""
    ended = command_line(*command(fleet), option, env={**KEY, **where_is(fleet)})

    assert ended.code == 7
    assert ("lab-0 done in" in ended.err) == result
    assert bool(re.search(r"ReInitDisk d-0: OK \w", ended.err)) == result
    assert ("DescribeInstances" in ended.err) == result


@pytest.mark.virtual_time
def test_a_dumb_terminal_is_written_lines_to(terminal: Open, fleet: Simulator) -> None:
    """A terminal that cannot move its cursor gets the lines, not the table."""
    person = terminal(fleet, *command(fleet), TERM="dumb")

    assert person.end() == 7
    assert "lab-0 done in" in person.shown
    assert "6 machines: " in person.shown


def test_what_was_never_begun_is_reported_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Jobs that end without having begun share one line for each reason, since there may be a thousand of them."""
    progress = Progress(resolve({}, {}, None), Clock())
    progress.of(a_plan(5))
    closed = {"outcome": "refused", "power": "Running", "code": None, "message": "Not begun: the canary failed."}
    for number in range(1, 5):
        progress.event(happened("done", f"i-{number}", None, closed))
    progress.event(happened("done", "i-0", None, {**closed, "message": "Another reason."}))

    progress.close()

    assert capsys.readouterr().err.splitlines() == [
        "03:04:05 lab-1 and others REFUSED: Not begun: the canary failed.",
        "03:04:05 lab-0 and others REFUSED: Another reason.",
    ]


def test_machines_that_fail_for_one_reason_share_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Of machines that fail one after the other for the same reason, each has a line, and the first one says why."""
    progress = Progress(resolve({}, {}, None), Clock())
    progress.of(a_plan(5))
    stop = {"action": "StopInstance", "force": False, "attempt": 1}
    for number, why in enumerate(("ECS refused StartInstance of {}.",) * 3 + ("{} was released.",)):
        failed = {"outcome": "failed", "power": "Stopped", "code": None, "message": why.format(f"i-{number}")}
        progress.event(happened("intend", f"i-{number}", None, stop))
        progress.event(happened("done", f"i-{number}", None, failed))
    progress.close()
    reasons = [line.partition("): ")[2] for line in capsys.readouterr().err.splitlines() if "FAILED" in line]

    assert reasons == [
        "ECS refused StartInstance of i-0.", "for the same reason", "for the same reason", "i-3 was released.",
    ]  # fmt: skip


def test_what_happened_before_a_run_is_followed_is_counted_and_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """Who joins a run that others carry sees each machine where it is, and for how long it has been there."""
    clock = Clock()
    joined = clock.now()
    progress = Progress(resolve({}, {}, None), clock)
    progress.of(a_plan(5), since=joined)
    ended = {"outcome": "done", "power": "Running", "code": None, "message": ""}
    stop = {"action": "StopInstance", "force": False, "attempt": 1}
    for number in range(5):
        progress.event(happened("intend", f"i-{number}", None, stop, joined - timedelta(minutes=5)))
    progress.event(happened("done", "i-0", None, ended, joined - timedelta(minutes=2)))
    assert progress._fleet is not None
    counts = dict(progress._fleet.counts())
    progress.event(happened("done", "i-1", None, ended, joined))
    progress.close()

    assert counts == {"waiting to begin": 0, "stop": 4, "done": 1}
    (text,) = capsys.readouterr().err.splitlines()
    assert "lab-1 done in 5m" in text


def test_a_name_moves_no_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever a machine is called, its line is one printable line."""
    plan = a_plan(4)
    odd = replace(plan.jobs[0], instance_name="web\x1b[2J\r\n[red]1")
    progress = Progress(resolve({}, {}, None), Clock())
    progress.of(replace(plan, jobs=(odd, *plan.jobs[1:])))
    for name, data in (("wait", {"phase": "stop"}), ("done", {"outcome": "failed", "power": "", "message": "a\nb"})):
        progress.event(happened(name, "i-0", None, data))  # type: ignore[arg-type]
    progress.close()
    lines = capsys.readouterr().err.splitlines()

    assert len(lines) == 1
    assert lines[0].isprintable()
    assert "[red]1 FAILED" in lines[0]


@pytest.mark.virtual_time
def test_a_run_that_goes_on_is_seen_too(tmp_path: Path) -> None:
    """A fleet whose process was killed is shown as one when it is resumed, with a line for each job."""
    with virtual.simulate(a_world(5)) as simulator:
        run, journal = Command(simulator.url, tmp_path), tmp_path / "journal.db"
        with run.start(*command(simulator, 5), journal=journal) as child:
            all_stopping(simulator)
            child.kill()
            child.communicate()
        run_id = json.loads(run("runs", "--output", "json", journal=journal).stdout)["runs"][0]["run_id"]
        ended = run("resume", run_id, journal=journal)

    assert ended.returncode == 0, ended.stderr
    assert sorted(re.findall(r"lab-\d(?= done in)", ended.stderr)) == [f"lab-{number}" for number in range(5)]


@pytest.mark.virtual_time
def test_events_show_why_a_job_failed(command_line: CommandLine, fleet: Simulator) -> None:
    """The last event of a job that went wrong has its code and message; that of one that is done has not."""
    ended = command_line(*command(fleet), "--events", "-", env={**KEY, **where_is(fleet)})
    done = {
        event["instance_id"]: event["data"]
        for event in map(json.loads, ended.out.splitlines())
        if event["event"] == "done"
    }

    wiped = {"d-0": "reinitialised"}
    assert done["i-0"] == {"outcome": "done", "data": wiped, "power": "Running", "tag_left": False, "owed": False}
    assert done["i-4"]["code"] == "DiskError"
    assert "DiskError" in done["i-4"]["message"]


def test_nothing_is_written_into_an_open_question(capsys: pytest.CaptureFixture[str]) -> None:
    """What is said while a person is asked something comes after the answer, and what is urgent at once."""
    progress = Progress(resolve({}, {}, None), Clock())

    def read() -> str:
        progress.print_line("said meanwhile")
        text = threading.Event()
        progress.print_then("said at once", text.set)
        text.wait()
        return "go"

    answer = progress.asking(lambda: sys.stderr.write("Continue?\n"), read, lambda: False)
    progress.close()

    assert answer == "go"
    assert capsys.readouterr().err.splitlines() == ["Continue?", "said at once", "said meanwhile"]
