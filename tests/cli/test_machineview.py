"""What a person is shown of a run over few machines: what each waits for now, which step that is, and for how long."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from safe_reinit.cli.machineview import MachineView
from safe_reinit.model import Limits, PlannedDisk
from tests.cli.test_fleetview import happened
from tests.fleets import a_plan

NOW = 1000.0
WAIT: dict[str, Any] = {
    "phase": "stop", "for": "Stopped", "elapsed": 12.0, "limit": 600.0, "why": "", "seen": True,
    "instance": "Stopping", "disks": {"d-0": "In_use"}, "progress": [],
}  # fmt: skip


class Seen:
    """A view of a run over machines of one disk each, and what happens to the first of them."""

    def __init__(self, count: int = 1, **changes: Any) -> None:
        self.view = MachineView(replace(a_plan(count), **changes))

    def sent(self, action: str, subject: str = "i-0", at: float = NOW, *, force: bool = False) -> None:
        """Send a call."""
        self._event("intend", subject, {"action": action, "force": force, "attempt": 1}, at)

    def answered(self, action: str, subject: str = "i-0", at: float = NOW, code: str = "OK") -> None:
        """Answer a call."""
        self._event("answer", subject, {"action": action, "force": False, "code": code}, at)

    def accepted(self, action: str, subject: str = "i-0", at: float = NOW) -> None:
        """Send a call, and accept it."""
        self.sent(action, subject, at)
        self.answered(action, subject, at)

    def waits(self, at: float = NOW, **changes: Any) -> None:
        """Report what the run waits for."""
        self._event("wait", "i-0", {**WAIT, **changes}, at)

    def _event(self, kind: Any, subject: str, data: dict[str, Any], at: float) -> None:
        is_disk = subject.startswith("d-")
        event = happened(kind, None if is_disk else subject, subject if is_disk else None, data)
        self.view.event(event, at)

    def line(self, at: float = NOW) -> str:
        """Return the line of the machine."""
        return self.view.line("i-0", at)


@pytest.mark.parametrize(
    ("action", "subject", "text"),
    [
        ("StopInstance", "i-0", "1/3 lab-0: waits until ECS shows it as Stopped, 0s of at most 10m"),
        ("ReInitDisk", "d-0", "2/3 lab-0: waits until ECS shows the wipe of its disk as done, 0s of at most 30m"),
        ("StartInstance", "i-0", "3/3 lab-0: waits until ECS shows it as Running, 0s of at most 15m"),
    ],
)
def test_what_is_waited_for_is_known_from_the_answer_on(action: str, subject: str, text: str) -> None:
    """As soon as ECS accepts a call, the line has the step, what ECS is to show, and the limit of that."""
    seen = Seen()
    seen.sent(action, subject)
    assert seen.line() == f"{text[:3]} lab-0: waits for the answer of ECS to {action}, 0s"

    seen.answered(action, subject)
    assert seen.line() == text


def test_time_passes_without_an_event() -> None:
    """The line counts by the clock, not by what ECS shows."""
    seen = Seen()
    seen.accepted("StopInstance")

    assert seen.line(NOW + 90).endswith("Stopped, 1m30s of at most 10m")


def test_what_ecs_shows_stands_beside_it() -> None:
    """The status that was shown last stands in the line; one that is not of now says so."""
    seen = Seen()
    seen.accepted("StopInstance")
    seen.waits()
    assert seen.line() == "1/3 lab-0 (now Stopping): waits until ECS shows it as Stopped, 12s of at most 10m"

    seen.waits(seen=False, why="ECS has not answered yet")
    assert seen.line() == (
        "1/3 lab-0 (last seen Stopping): waits until ECS shows it as Stopped, 12s of at most 10m; "
        "ECS has not answered yet"
    )


def test_of_a_wipe_the_status_of_the_disk_is_shown() -> None:
    """What is waited for is the disk, so its status stands there; of several each."""
    seen = Seen()
    seen.accepted("ReInitDisk", "d-0")
    wiping = {"phase": "reinit", "for": "In_use", "limit": 1800.0, "instance": "Stopped"}
    seen.waits(**wiping, disks={"d-0": "ReIniting"})
    assert "2/3 lab-0 (now disk ReIniting): waits until ECS shows the wipe of its disk as done" in seen.line()

    seen.waits(**wiping, disks={"d-0": "ReIniting", "d-1": "In_use"})
    assert "(now d-0 ReIniting, d-1 In_use)" in seen.line()


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {"for": "an observation", "phase": "reinit", "instance": ""},
            "is wiped, and waits until ECS shows that it can",
        ),
        ({"for": "an observation", "phase": "reinit", "disks": {"d-0": "ReIniting"}}, "shows its present state"),
        ({"for": "an observation", "phase": "reinit", "seen": False}, "waits until ECS answers"),
        ({"for": "accomplished", "phase": "snapshot", "progress": ["40%"]}, "its safety snapshot is complete (40%)"),
        ({"for": "the snapshot", "phase": "wait-snapshot", "progress": ["9%"]}, "another snapshot of its disk"),
        ({"for": "the tag"}, "waits until ECS shows what became of its lock tag"),
        (
            {"for": "the next try", "why": "ECS throttles"},
            "waits until it can try the next call, 12s of at most 10m; ECS",
        ),
        ({"for": "an answer"}, "waits for the answer of ECS to ReInitDisk"),
        ({"for": "other runs", "limit": 0.0}, "waits for other runs, 12s without a limit; nothing was stopped"),
    ],
)
def test_no_word_of_the_core_is_shown(changes: dict[str, Any], text: str) -> None:
    """Whatever a run waits for is written in words of people."""
    seen = Seen()
    seen.accepted("ReInitDisk", "d-0")
    seen.waits(**changes)

    assert text in seen.line()
    assert "an observation" not in seen.line()


def test_an_observation_after_a_call_is_of_what_that_does() -> None:
    """While what ECS shows is older than its answer, the line says what it is to show next."""
    seen = Seen()
    seen.accepted("StopInstance")
    seen.waits(**{"for": "an observation", "elapsed": 2.0, "instance": "Running"})

    assert seen.line() == "1/3 lab-0 (now Running): waits until ECS shows it as Stopped, 2s of at most 10m"


def test_the_limit_is_the_one_that_applies() -> None:
    """Before the stop only retries count, after it the time until the wipe, after the wipe that of the start."""
    seen = Seen()
    seen.waits(**{"for": "the next try", "elapsed": 0.0, "instance": "Running"})
    assert seen.line(NOW + 30).endswith("30s of at most 5m")

    seen.accepted("StopInstance")
    seen.waits(**{"for": "the next try", "elapsed": 60.0, "instance": "Stopped"})
    assert seen.line().endswith("1m of at most 15m down before the wipe")

    seen.accepted("ReInitDisk", "d-0")
    seen.waits(**{"for": "an observation", "phase": "reinit", "elapsed": 61.0, "limit": 1800.0})
    assert seen.line().endswith("0s of at most 15m")


def test_a_run_that_goes_on_has_the_step_it_is_in() -> None:
    """Where the call that is waited for was sent by an earlier process, the phase tells which step that is."""
    seen = Seen()
    seen.waits(**{"for": "Running", "phase": "start", "elapsed": 30.0, "limit": 900.0, "instance": "Starting"})

    assert seen.line() == "3/3 lab-0 (now Starting): waits until ECS shows it as Running, 30s of at most 15m"


def test_a_power_cut_has_a_step_of_its_own() -> None:
    """A graceful stop is waited for until the power is cut; that is the next step."""
    seen = Seen(limits=Limits(force_stop_after=300.0))
    seen.accepted("StopInstance")
    assert seen.line().startswith("1/4 ")
    assert seen.line().endswith("0s of at most 5m until a forced stop")

    seen.sent("StopInstance", force=True)
    assert seen.line().startswith("2/4 ")


def test_a_start_a_moment_ago_is_reported() -> None:
    """The wait for the minute of the last start counts down to its end, however often it is reported."""
    seen = Seen()
    minute = {"phase": "wait-start", "for": "30s after the minute of the last start", "elapsed": 0.0}
    seen.waits(**minute, limit=40.0, instance="Running")
    seen.waits(NOW + 10, **minute, limit=30.0, instance="Running")

    assert seen.line(NOW + 10) == (
        "1/3 lab-0 (now Running): was started a moment ago, so the run changes nothing until a further start would "
        "show, 10s of at most 40s"
    )


def test_a_refused_call_says_with_what() -> None:
    """An answer that is no yes stands in the line until ECS shows more."""
    seen = Seen()
    seen.sent("StopInstance")
    seen.answered("StopInstance", code="ServiceUnavailable")

    assert seen.line().endswith("0s; ECS answered StopInstance with ServiceUnavailable")


def test_each_machine_has_a_line_until_it_ends() -> None:
    """Machines that have begun have a line each; one that has ended has none."""
    view = Seen(3)
    view.accepted("StopInstance", "i-0")
    view.accepted("StopInstance", "i-2")
    assert [line.split()[1] for line in view.view.lines(NOW)] == ["lab-0:", "lab-2:"]

    view._event("done", "i-0", {"outcome": "done"}, NOW)
    assert [line.split()[1] for line in view.view.lines(NOW)] == ["lab-2:"]


def test_a_call_of_something_else_is_no_step() -> None:
    """What is not of this plan changes nothing, and is no step of it."""
    seen = Seen(1, jobs=(replace(a_plan(1).jobs[0], disks=(PlannedDisk("d-0"), PlannedDisk("d-1"))),))
    seen.accepted("StopInstance", "i-9")

    assert seen.line() == ""
    assert seen.view.step("ReInitDisk", "d-1", force=False) == "3/4"
    assert seen.view.step("ReInitDisk", "d-9", force=False) == ""
