"""The simulator's default world shows every check that a world can show, each on a disk named after it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import safe_reinit
from safe_reinit.checks import CHECKS
from safe_reinit.simulator import Simulator
from safe_reinit.simulator.world import load_world

pytestmark = pytest.mark.virtual_time

NOT_IN_A_WORLD = {"disk-not-found", "clock-off", "just-started"}
IF_A_START_IS_PENDING = {"economical-mode"}
"""What shows only where an earlier run stopped the instance and owes it a start."""
ORDINARY = {"kept-snapshots", "downtime-shared"}
"""What is told of any disk that has a snapshot, and of any instance that has other disks and is stopped."""
WITH = {
    "local-disks-on-instance": {"not-allowed-to-stop"},
    "image-cannot-take-login": {"user-data-runs-again"},
    "image-not-io-optimized": {"user-data-runs-again"},
    "no-login-set": {"user-data-runs-again"},
    "shared-source-image": {"user-data-runs-again"},
    "source-image-deleted": {"user-data-runs-again"},
    "source-image-not-available": {"user-data-runs-again"},
}
"""What else is told of a disk, since it is a system disk, or since a dry run of a stop wants ConfirmStop."""
SHOWN = [check.name for check in CHECKS if not check.of_options and check.name not in NOT_IN_A_WORLD]


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """One simulator for dry runs, which change nothing."""
    with Simulator(speed=1.0) as running:
        yield running


def found_of(simulator: Simulator, disk_id: str, *, stop: bool, pending: tuple[str, ...] = ()) -> dict[str, str]:
    """Plan for one disk and give the level of what is found by its check."""
    client = safe_reinit.connect(region=simulator.region, endpoint=simulator.url, credentials=simulator.access_key)
    plan = client.plan([disk_id], stop_instance=stop, pending_starts=pending)
    return {found.check: found.level for found in plan.findings}


@pytest.mark.parametrize("name", SHOWN)
def test_each_problem_is_shown_by_the_disk_named_after_it_and_by_no_other_check(
    simulator: Simulator, name: str
) -> None:
    """A disk of the default world shows exactly the problem it is named after, at a level its check declares."""
    check = next(each for each in CHECKS if each.name == name)

    pending = (f"i-sim-{name}",) if name in IF_A_START_IS_PENDING else ()
    found = found_of(simulator, f"d-sim-{name}", stop=name != "instance-running", pending=pending)
    stopping = {each: level for each, level in found.items() if level != "info"}

    assert found[name] in (check.level, *check.milder)
    assert list(stopping) == ([name] if found[name] != "info" else [])
    assert set(found) - {name} - set(stopping) <= ORDINARY | WITH.get(name, set())


@pytest.mark.parametrize("name", sorted(IF_A_START_IS_PENDING))
def test_what_shows_where_a_start_is_pending_does_not_show_elsewhere(simulator: Simulator, name: str) -> None:
    """A Stopped machine stays Stopped, so what could go wrong with its start is not held against a wipe."""
    assert set(found_of(simulator, f"d-sim-{name}", stop=True)) <= ORDINARY


@pytest.mark.parametrize(
    ("disk_id", "result"),
    [
        ("d-sim-web1-sys", {"user-data-runs-again", "public-ip"}),
        ("d-sim-web1-data", {"public-ip"}),
        ("d-sim-db1-sys", {"user-data-runs-again"}),
        ("d-sim-db1-data", set()),
    ],
)
def test_the_healthy_disks_may_be_wiped(simulator: Simulator, disk_id: str, result: set[str]) -> None:
    """Nothing stands against wiping the disks that the README uses."""
    found = found_of(simulator, disk_id, stop=True)

    assert set(found.values()) == {"info"}
    assert set(found) - ORDINARY == result


@pytest.mark.parametrize("env", ["lab", "staging"])
def test_the_machines_to_practise_on_may_be_wiped(simulator: Simulator, env: str) -> None:
    """Of all disks of the lab and of staging one has a risk, which --snapshot takes away."""
    machines = {key for key, machine in load_world(None).instances.items() if machine.tags.get("env") == env}
    rows = simulator.state()["disks"].items()
    disks = [disk_id for disk_id, row in rows if row["instance_id"] in machines]
    client = safe_reinit.connect(region=simulator.region, endpoint=simulator.url, credentials=simulator.access_key)
    plan, saved = (
        client.plan(disks, stop_instance=True, max_disks=len(disks), snapshot=snapshot) for snapshot in (False, True)
    )

    result = [(each.check, each.subject) for each in plan.findings if each.level != "info"]
    assert result == ([] if env == "lab" else [("no-recent-snapshot", "d-sim-staging-db-2-data")])
    assert saved.runnable


def test_an_unknown_disk_is_not_found(simulator: Simulator) -> None:
    """A disk that the world does not have is found missing, since the right to look was proven."""
    assert found_of(simulator, "d-nothing", stop=True) == {"disk-not-found": "block"}
