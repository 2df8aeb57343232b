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
    "phase": "stop", "for": "Stopped", "elapsed": 12.0, "limit": 600.0, "limit_of": "wait", "why": "", "seen": True,
    "instance": "Stopping", "disks": {"d-0": "In_use"}, "progress": [],
}  # fmt: skip
AFTER: dict[str, dict[str, Any]] = {
    "StopInstance": {},
    "ReInitDisk": {"phase": "reinit", "for": "In_use", "limit": 1800.0},
    "StartInstance": {"phase": "start", "for": "Running", "limit": 900.0},
}
"""What a run says that it waits for once this call was accepted."""


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
        unseen = {"elapsed": 0.0, "seen": False, "instance": "", "disks": {}}
        self._event("wait", "i-0" if subject == "d-0" else subject, {**WAIT, **unseen, **AFTER[action]}, at)

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
    text = "1/3 lab-0 (last seen Stopping): waits until ECS shows it as Stopped, 12s of at most 10m; "
    assert seen.line() == f"{text}ECS has not answered yet"
    seen.waits(seen=False, instance="", why="ECS has not answered yet")
    assert seen.line() == f"{text}ECS has not answered yet"


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
        ({"for": "the start", "phase": "reinit", "instance": ""}, "is wiped, and waits until ECS shows that it can"),
        ({"for": "an observation", "phase": "reinit", "disks": {"d-0": "ReIniting"}}, "shows its present state"),
        ({"for": "an observation", "phase": "reinit", "seen": False}, "waits until ECS answers"),
        ({"for": "accomplished", "phase": "snapshot", "progress": ["40%"]}, "its safety snapshot is complete (40%)"),
        ({"for": "the snapshot", "phase": "wait-snapshot", "progress": ["9%"]}, "another snapshot of its disk"),
        ({"for": "the tag"}, "waits until ECS shows what became of its lock tag"),
        (
            {"for": "the next try", "why": "ECS throttles", "limit": 300.0, "limit_of": "retries"},
            "waits until it can try the next call, 12s of at most 5m of retries; ECS",
        ),
        ({"for": "an answer"}, "waits for the answer of ECS to ReInitDisk"),
        (
            {"for": "other runs", "limit": 0.0, "limit_of": None},
            "waits for other runs, 12s without a limit; nothing was stopped",
        ),
    ],
)
def test_no_word_of_the_core_is_shown(changes: dict[str, Any], text: str) -> None:
    """Whatever a run waits for is written in words of people."""
    seen = Seen()
    seen.accepted("ReInitDisk", "d-0")
    seen.waits(**changes)

    assert text in seen.line()
    assert "an observation" not in seen.line()


@pytest.mark.parametrize(
    ("limit_of", "text"),
    [
        ("wait", "1m of at most 15m"),
        ("graceful-stop", "1m of at most 15m until a forced stop"),
        ("downtime", "1m of at most 15m down before the wipe"),
        ("sending", "1m of at most 15m to send its wipes"),
        ("retries", "1m of at most 15m of retries"),
        ("silence", "1m of at most 15m without an answer"),
    ],
)
def test_a_limit_says_what_it_is_for(limit_of: str, text: str) -> None:
    """The limit is the one that the run says applies, and the line has what it limits."""
    seen = Seen()
    seen.waits(elapsed=60.0, limit=900.0, limit_of=limit_of)

    assert seen.line().endswith(f", {text}")


def test_a_wait_without_a_limit_counts_from_its_first_report() -> None:
    """Where the run has nothing to count from, the time goes on through its reports, and begins again with another."""
    seen = Seen()
    unlimited = {"elapsed": 0.0, "limit": 0.0, "limit_of": None}
    for at in (NOW, NOW + 10):
        seen.waits(at, **{"for": "the next try"}, **unlimited)
    assert seen.line(NOW + 10).endswith("the next call, 10s")

    seen.waits(NOW + 10, **{"for": "the tag"}, **unlimited)
    assert seen.line(NOW + 10).endswith("its lock tag, 0s")


def test_a_run_that_goes_on_has_the_step_it_is_in() -> None:
    """Where the call that is waited for was sent by an earlier process, the phase tells which step that is."""
    seen = Seen()
    seen.waits(**{"for": "Running", "phase": "start", "elapsed": 30.0, "limit": 900.0, "instance": "Starting"})

    assert seen.line() == "3/3 lab-0 (now Starting): waits until ECS shows it as Running, 30s of at most 15m"


def test_a_power_cut_has_a_step_of_its_own() -> None:
    """A graceful stop is one step, and the power cut the next."""
    seen = Seen(limits=Limits(force_stop_after=300.0))
    seen.accepted("StopInstance")
    assert seen.line().startswith("1/4 ")

    seen.sent("StopInstance", force=True)
    assert seen.line().startswith("2/4 ")


def test_a_start_a_moment_ago_is_reported() -> None:
    """The wait for the minute of the last start counts down to its end, however often it is reported."""
    seen = Seen()
    minute = {"phase": "wait-start", "for": "30s after the minute of the last start", "limit": 40.0}
    seen.waits(**minute, elapsed=0.0, instance="Running")
    seen.waits(NOW + 10, **minute, elapsed=10.0, instance="Running")

    assert seen.line(NOW + 10) == (
        "1/3 lab-0 (now Running): was started a moment ago: waits until ECS can tell another start from that one, "
        "10s of at most 40s"
    )


def test_a_refused_call_says_with_what() -> None:
    """An answer that is no yes stands in the line until ECS shows more."""
    seen = Seen()
    seen.sent("StopInstance")
    seen.answered("StopInstance", code="ServiceUnavailable")

    assert seen.line().endswith("0s of at most 10m; ECS answered StopInstance with ServiceUnavailable")
    seen.waits()
    assert seen.line().endswith("12s of at most 10m")


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
