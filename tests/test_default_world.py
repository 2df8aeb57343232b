"""The simulator's default world shows every check that a world can show, each on a disk named after it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import safe_reinit
from safe_reinit.checks import CHECKS
from safe_reinit.simulator import Simulator

NOT_IN_A_WORLD = {"disk-not-found", "clock-off"}
SHOWN = [check.name for check in CHECKS if not check.of_options and check.name not in NOT_IN_A_WORLD]


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """One simulator for dry runs, which change nothing."""
    with Simulator(speed=1.0) as running:
        yield running


def blockers_of(simulator: Simulator, disk_id: str, *, stop: bool) -> dict[str, str]:
    """Plan for one disk and give its block and risk findings by check."""
    client = safe_reinit.connect(region=simulator.region, endpoint=simulator.url, credentials=simulator.access_key)
    plan = client.plan([disk_id], stop_instance=stop)
    return {found.check: found.level for found in plan.findings if found.level != "info"} or {
        found.check: found.level for found in plan.findings if found.check != "not-allowed-to-start"
    }


@pytest.mark.parametrize("name", SHOWN)
def test_each_problem_is_shown_by_the_disk_named_after_it_and_by_no_other_check(
    simulator: Simulator, name: str
) -> None:
    """A disk of the default world shows exactly the problem it is named after, at a level its check declares."""
    check = next(each for each in CHECKS if each.name == name)

    found = blockers_of(simulator, f"d-sim-{name}", stop=name != "instance-running")

    assert list(found) == [name]
    assert found[name] in (check.level, *check.milder)


@pytest.mark.parametrize("disk_id", ["d-sim-web1-sys", "d-sim-web1-data", "d-sim-db1-data"])
def test_the_healthy_disks_may_be_wiped(simulator: Simulator, disk_id: str) -> None:
    """Nothing stands against wiping the disks that the README uses."""
    assert set(blockers_of(simulator, disk_id, stop=True)) <= {"not-allowed-to-start"}


def test_an_unknown_disk_is_not_found(simulator: Simulator) -> None:
    """A disk that the world does not have is found missing, since the right to look was proven."""
    assert blockers_of(simulator, "d-nothing", stop=True) == {"disk-not-found": "block"}
