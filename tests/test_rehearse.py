"""The rehearsal: another simulator plays the real cloud, and is only ever looked at."""

from __future__ import annotations

from pathlib import Path

import pytest

import safe_reinit
from safe_reinit.cli.rehearse import world_of
from safe_reinit.simulator import Simulator
from tests.conftest import KEY, CommandLine, changing

DATA = ("--disk", "d-sim-web1-data", "--stop-instance")


def where(simulator: Simulator) -> dict[str, str]:
    """Say in the environment that this simulator is the cloud."""
    return {**KEY, "SAFE_REINIT_ENDPOINT": simulator.url, "SAFE_REINIT_REGION": "cn-hangzhou"}


def test_a_rehearsal_runs_the_same_plan_on_a_twin_and_only_looks_at_the_cloud(
    command_line: CommandLine, simulator: Simulator
) -> None:
    """The run ends as on the machine itself, with the same fingerprint, and the cloud saw no changing call."""
    env = where(simulator)
    planned = command_line("plan", *DATA, "--output", "json", env=env).document
    ended = command_line("rehearse", *DATA, "--output", "json", env=env)

    assert ended.code == 0
    assert ended.document["outcome"] == "done"
    assert ended.document["plan"]["fingerprint"] == planned["plan"]["fingerprint"]
    assert [call["action"] for call in ended.document["calls"] if call["action"] == "ReInitDisk"]
    assert changing(simulator) == []
    assert "REHEARSAL" in ended.err


def test_faults_befall_the_twin_alone(command_line: CommandLine, simulator: Simulator, tmp_path: Path) -> None:
    """A fault file makes the rehearsal end as the real run would, and the cloud saw no changing call."""
    faults = tmp_path / "faults.yaml"
    faults.write_text("- {action: ReInitDisk, error: {code: OperationDenied}}\n", "utf-8")
    ended = command_line("rehearse", *DATA, "--faults", str(faults), "--output", "json", env=where(simulator))

    assert ended.code == 4
    assert ended.document["jobs"][0]["disks"][0]["data"] == "intact"
    assert changing(simulator) == []


def test_what_would_be_refused_is_refused_before_any_twin_is_built(
    command_line: CommandLine, simulator: Simulator
) -> None:
    """A plan that could not run is told as it is, and nothing is simulated."""
    ended = command_line("rehearse", "--disk", "d-sim-disk-locked", "--output", "json", env=where(simulator))

    assert ended.code == 3
    assert "disk-locked" in ended.err
    assert "REHEARSAL" not in ended.err


@pytest.mark.parametrize(
    "disk_ids",
    [
        ["d-sim-web1-sys", "d-sim-web1-data"],
        ["d-sim-db1-data"],
        ["d-sim-never-started"],
        ["d-sim-instant-access-snapshot"],
        ["d-sim-snapshot-in-progress"],
        ["d-sim-key-pair-on-windows"],
        ["d-sim-category-unknown"],
        ["d-sim-source-image-not-available"],
        ["d-sim-public-ip"],
        ["d-sim-dedicated-host"],
        ["d-sim-capacity-reservation"],
        ["d-sim-image-cannot-take-login"],
        ["d-sim-release-or-expiry-soon"],
        ["d-sim-spot"],
        ["d-sim-local-disks-on-instance"],
        ["d-sim-no-recent-snapshot"],
        ["d-sim-deletion-protection"],
        ["d-sim-shared-source-image"],
    ],
)
def test_a_twin_is_judged_as_its_machine_is(simulator: Simulator, disk_ids: list[str]) -> None:
    """The plan for the twin has the machine's fingerprint and findings."""
    real = safe_reinit.connect(region="cn-hangzhou", endpoint=simulator.url, credentials=simulator.access_key)
    plan = real.plan(disk_ids, stop_instance=True)
    with Simulator(world=world_of(real.facts_of(plan)), speed=60) as twin:
        copy = safe_reinit.connect(region=twin.region, endpoint=twin.url, credentials=twin.access_key)
        planned = copy.plan(disk_ids, stop_instance=True)

    assert planned.fingerprint == plan.fingerprint
    assert [(found.check, found.level) for found in planned.findings] == [
        (found.check, found.level) for found in plan.findings
    ]
