"""The tests of reset_lab.py: the real program and the real library on a simulated ECS. Nothing in it takes time."""

from __future__ import annotations

from datetime import timedelta

import pytest
from reset_lab import reset

from safe_reinit.testing import EcsWorld, RecordedCall, SimulatedEcs, VirtualClock


@pytest.fixture
def ecs_world() -> EcsWorld:
    """Return a world with a lab machine that runs, and its data disk."""
    world = EcsWorld()
    world.add_instance("i-lab", tags={"env": "lab"})
    world.add_disk("d-lab", instance="i-lab")
    return world


def names(calls: tuple[RecordedCall, ...]) -> list[str]:
    """Return the names of calls."""
    return [call.action for call in calls]


def test_the_disk_is_wiped_and_the_machine_runs_again(simulated_ecs: SimulatedEcs, virtual_clock: VirtualClock) -> None:
    """A whole run: stop, snapshot, wipe, start. It takes minutes of ECS, and none of the test."""
    began = virtual_clock.now()

    assert reset(["d-lab"]) == 0

    assert simulated_ecs.wiped == ("d-lab",)
    assert names(simulated_ecs.changing_calls) == ["StopInstance", "CreateSnapshot", "ReInitDisk", "StartInstance"]
    assert simulated_ecs.instance("i-lab").status == "Running"
    assert virtual_clock.now() - began > timedelta(minutes=2)


def test_too_many_disks_are_not_touched(
    simulated_ecs: SimulatedEcs, ecs_world: EcsWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    """A test adds to the world what only it needs; a plan that must not run changes nothing."""
    ecs_world.add_disk("d-more", instance="i-lab")

    assert reset(["d-lab", "d-more"], max_disks=1) == 3

    assert simulated_ecs.changing_calls == ()
    assert "nothing done" in capsys.readouterr().out


def test_a_refused_wipe_leaves_the_machine_running(simulated_ecs: SimulatedEcs) -> None:
    """ECS refuses the wipe: the data is as it was, and the machine is started again."""
    simulated_ecs.refuse("ReInitDisk", "OperationDenied")

    assert reset(["d-lab"]) == 4

    assert simulated_ecs.wiped == ()
    assert simulated_ecs.started == ("i-lab",)


def test_a_lost_answer_wipes_only_once(simulated_ecs: SimulatedEcs) -> None:
    """ECS wipes the disk, and the answer is lost: the run observes the wipe, and does not send it again."""
    simulated_ecs.lose_answer("ReInitDisk")

    assert reset(["d-lab"]) == 0

    assert simulated_ecs.disk("d-lab").wipes == 1


def test_a_machine_in_doubt_stays_stopped(simulated_ecs: SimulatedEcs, capsys: pytest.CaptureFixture[str]) -> None:
    """No wipe ever gets an answer, so nobody knows whether one was done: somebody is called."""
    simulated_ecs.lose_request("ReInitDisk", times=None)

    assert reset(["d-lab"]) == 5

    assert simulated_ecs.instance("i-lab").status == "Stopped"
    assert "call somebody" in capsys.readouterr().out
