"""The rehearsal: another simulator plays the real cloud, and is only ever looked at."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

import safe_reinit
from safe_reinit.cli.rehearse import world_of
from safe_reinit.model import Caller, Facts, Key, ReplicaPair
from safe_reinit.planning.planner import facts_of
from safe_reinit.simulator import Simulator
from tests import values, virtual
from tests.conftest import KEY, CommandLine, changing

pytestmark = pytest.mark.virtual_time

DATA = ("--disk", "d-sim-web1-data", "--stop-instance")


def where(simulator: Simulator) -> dict[str, str]:
    """Name this simulator as the cloud in the environment."""
    return {**KEY, "SAFE_REINIT_ENDPOINT": simulator.url, "SAFE_REINIT_REGION": "cn-hangzhou"}


def test_a_rehearsal_runs_the_same_plan_on_a_twin_and_only_reads_the_cloud(
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


def test_after_a_rehearsal_the_real_run_is_named(
    command_line: CommandLine, simulator: Simulator, tmp_path: Path
) -> None:
    """A rehearsal that ends well leads to the same run on the machine itself, one that does not back to the plan."""
    env = where(simulator)
    faults = tmp_path / "faults.yaml"
    faults.write_text("- {action: ReInitDisk, error: {code: OperationDenied}}\n", "utf-8")
    rehearsed, failed, refused = (
        command_line("rehearse", *words, "--output", "json", env=env).document["next"]
        for words in (DATA, (*DATA, "--faults", str(faults)), ("--disk", "d-sim-web1-data"))
    )
    before = changing(simulator)
    done = command_line(*shlex.split(rehearsed[0])[1:], env=env)

    assert failed == [f"safe-reinit plan {shlex.join(DATA)} --output json"]
    assert refused == ["safe-reinit plan --disk d-sim-web1-data --output json --stop-instance"]
    assert rehearsed == [f"safe-reinit {shlex.join(DATA)} --output json --confirm d-sim-web1-data"]
    assert (before, done.code) == ([], 0), done.err


def test_a_twin_lives_by_the_clock_of_its_cloud(command_line: CommandLine) -> None:
    """Where the clock of the cloud is ahead of this host's, the rehearsal runs to its end all the same."""
    machine = {"instance": "i-1", "snapshot": "s-1"}
    world = {
        "begins": "+3h",
        "instances": {"i-1": {"started": "-5m"}},
        "disks": {"d-1": machine, "d-2": machine},
        "snapshots": {"s-1": {"disk": "d-2"}, "s-2": {"disk": "d-1", "created": "-1m"}},
    }
    with virtual.simulate(world) as cloud:
        ended = command_line("rehearse", "--disk", "d-1", "--stop-instance", env=where(cloud))

        assert (ended.code, changing(cloud)) == (0, []), ended.err


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
        ["d-sim-in-scaling-group"],
        ["d-sim-encryption-key-unusable"],
        ["d-sim-in-replication-pair"],
        ["d-sim-scheduled-maintenance"],
        ["d-sim-auto-snapshot-due"],
    ],
)
def test_a_twin_is_judged_as_its_machine_is(simulator: Simulator, disk_ids: list[str]) -> None:
    """The plan for the twin has the machine's fingerprint and findings."""
    real = safe_reinit.connect(region="cn-hangzhou", endpoint=simulator.url, credentials=simulator.access_key)
    plan = real.plan(disk_ids, stop_instance=True)
    with virtual.simulate(world_of(facts_of(plan))) as twin:
        copy = safe_reinit.connect(region=twin.region, endpoint=twin.url, credentials=twin.access_key)
        planned = copy.plan(disk_ids, stop_instance=True)

    assert planned.fingerprint == plan.fingerprint
    assert [(found.check, found.level) for found in planned.findings] == [
        (found.check, found.level) for found in plan.findings
    ]


def test_a_twin_has_what_other_products_know() -> None:
    """Group, key, pair, event and policy are the machine's own, whatever the words they are told in."""
    world = {
        "scaling_groups": {"asg-1": {}},
        "kms_keys": {"k-1": {"state": "PendingDeletion"}},
        "auto_snapshot_policies": {"sp-1": {"hours": [5], "weekdays": [2], "status": "Expire"}},
        "instances": {
            "i-1": {
                "status": "Stopped",
                "scaling_group": "asg-1",
                "lifecycle": "Removing:Wait",
                "events": {"type": "SystemMaintenance.Redeploy", "not_before": "2030-01-02T03:04:05Z"},
            }
        },
        "disks": {
            "d-1": {
                "instance": "i-1", "encrypted": True, "kms_key": "k-1", "auto_snapshot_policy": "sp-1",
                "replicated": True, "replica_site": "backup",
            },
        },
    }  # fmt: skip
    with virtual.simulate(world) as real:
        known = seen(real, ["d-1"])
    with virtual.simulate(world_of(known)) as twin:
        copied = seen(twin, ["d-1"])

    mine, copy = known.disks[0].other_products, copied.disks[0].other_products
    assert (copy.members, copy.keys, copy.auto_snapshot_policy) == (mine.members, mine.keys, mine.auto_snapshot_policy)
    assert [(pair.source_disk_id, pair.destination_disk_id) for pair in copy.pairs] == [("d-1-replica", "d-1")]
    assert [(each.type, each.status, each.not_before) for each in copy.events] == [
        (each.type, each.status, each.not_before) for each in mine.events
    ]


def test_a_twin_is_built_whatever_word_another_product_uses() -> None:
    """A state that is not known, a key that is gone and a pair that is deleted make a world that is valid."""
    facts = values.disk_facts(
        disk=values.a_disk(encrypted=True, kms_key_id="k-1", auto_snapshot_policy_id="sp-1"),
        snapshots=(),
        other_products=values.products(
            members=(values.a_member(lifecycle_state="Asleep"),),
            keys=(Key("k-1", ""),),
            pairs=(ReplicaPair("pair-1", values.DISK_ID, "d-far", "deleted"),),
            events=(values.an_event(status="Pondering", not_before=None),),
            auto_snapshot_policy=values.a_policy(status="Whatever"),
        ),
    )
    caller = Caller("1000000000000001", "arn", "RAMUser")
    with virtual.simulate(world_of(Facts("cn-hangzhou", caller, values.NOW, (facts,)))) as twin:
        result = seen(twin, [values.DISK_ID]).disks[0].other_products

    assert [each.lifecycle_state for each in result.members] == ["InService"]
    assert (result.keys, result.pairs) == ((Key("k-1", ""),), ())
    assert ([each.status for each in result.events], result.auto_snapshot_policy) == (["Scheduled"], values.a_policy())


def seen(simulator: Simulator, disk_ids: list[str]) -> Facts:
    """Return what is seen of disks in a simulator."""
    client = safe_reinit.connect(region=simulator.region, endpoint=simulator.url, credentials=simulator.access_key)
    return facts_of(client.plan(disk_ids, stop_instance=True))
