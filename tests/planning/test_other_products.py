"""Looks at other products: asked where they matter, once, and never the end of a plan."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from safe_reinit import config
from safe_reinit.checks import check_disk
from safe_reinit.cloud.interface import CloudError, NotSent, Refused, Unanswered
from safe_reinit.model import (
    AutoSnapshotPolicy,
    DiskFacts,
    Finding,
    Key,
    Options,
    ReplicaPair,
    ScalingMember,
    SystemEvent,
    Unseen,
)
from safe_reinit.model.other_products import OTHER_PRODUCT_CALLS
from safe_reinit.planning import other_products
from safe_reinit.simulator import Simulator
from tests import values, virtual
from tests.cloudlike import (
    DATA,
    INSTANCE,
    TinyClock,
    TinyCloud,
    accepted,
    assert_true,
    client,
    facts_for,
    lab_world,
    once,
    run_plan,
    simulated,
)
from tests.conftest import Connect, Serve
from tests.servers import Answer, Request, forward, http

pytestmark = pytest.mark.virtual_time

STOPPING = Options(stop_instance=True)
NAMES = {
    "describe_scaling_members": "DescribeScalingInstances",
    "describe_replica_pairs": "DescribeDiskReplicaPairs",
    "describe_key": "DescribeKey",
    "describe_system_events": "DescribeInstanceHistoryEvents",
    "describe_auto_snapshot_policy": "DescribeAutoSnapshotPolicyEx",
}
MEMBER = ScalingMember(values.INSTANCE_ID, "asg-1", "InService")
KEY = Key("k-1", "Disabled")
PAIR = ReplicaPair("pair-1", values.DISK_ID, "d-far", "normal")
EVENT = SystemEvent("e-1", values.INSTANCE_ID, "SystemMaintenance.Reboot", "Scheduled", values.TOMORROW)
POLICY = AutoSnapshotPolicy("sp-1", (3,), (1,), "Normal")


def a_cloud(*disks: Any, status: str = "Stopped", **more: Any) -> TinyCloud:
    """Return a cloud with an encrypted disk under a policy, of which everybody has something to tell."""
    rich = values.a_disk(encrypted=True, kms_key_id="k-1", auto_snapshot_policy_id="sp-1")
    result = {"members": [MEMBER], "keys": [KEY], "pairs": [PAIR], "events": [EVENT], "policies": [POLICY]}
    return TinyCloud(disks or [rich], [values.an_instance(status=status)], **{**result, **more})


def seen(cloud: TinyCloud, options: Options = STOPPING, *disk_ids: str, **more: Any) -> tuple[DiskFacts, ...]:
    """Return what is seen of the disks."""
    return facts_for(cloud, TinyClock(), values.REGION, disk_ids or [values.DISK_ID], options, **more).disks


def asked(cloud: TinyCloud) -> list[tuple[str, tuple[str, ...]]]:
    """List what was asked of other products, and about what."""
    return [(name, ids) for name, ids in cloud.asked if name in NAMES]


@pytest.mark.parametrize("status", ["Stopped", "Running"])
def test_each_product_is_asked_once_and_tells_of_the_disk(status: str) -> None:
    """Of a disk whose instance stands still, group, key, pairs, events and policy are looked at with one call each."""
    cloud = a_cloud(status=status)
    result = seen(cloud)[0].other_products

    assert sorted(asked(cloud)) == [
        ("describe_auto_snapshot_policy", ("sp-1",)),
        ("describe_key", ("k-1",)),
        ("describe_replica_pairs", ()),
        ("describe_scaling_members", (values.INSTANCE_ID,)),
        ("describe_system_events", (values.INSTANCE_ID,)),
    ]
    assert (result.members, result.keys, result.pairs, result.events) == ((MEMBER,), (KEY,), (PAIR,), (EVENT,))
    assert (result.auto_snapshot_policy, result.unanswered) == (POLICY, ())


def test_a_plain_disk_is_asked_about_less() -> None:
    """Without a key and a policy neither is asked for, also where a key is named on a disk that is not encrypted."""
    cloud = a_cloud(values.a_disk(kms_key_id="k-1"))
    seen(cloud)

    assert sorted(name for name, _ in asked(cloud)) == [
        "describe_replica_pairs",
        "describe_scaling_members",
        "describe_system_events",
    ]


@pytest.mark.parametrize(
    ("status", "options"),
    [("Running", Options()), ("Starting", STOPPING), ("Stopping", STOPPING), ("Pending", STOPPING), ("", STOPPING)],
)
def test_an_instance_that_does_not_stand_still_is_not_asked_about(status: str, options: Options) -> None:
    """Who stops nothing and finds nothing stopped need not know of groups and events."""
    cloud = a_cloud(status=status)
    result = seen(cloud, options)[0].other_products

    assert {name for name, _ in asked(cloud)} == {
        "describe_replica_pairs",
        "describe_key",
        "describe_auto_snapshot_policy",
    }
    assert result.members == result.events == ()


def test_a_disk_that_is_not_there_is_not_asked_about() -> None:
    """Without a disk there is nothing to know of it."""
    cloud = TinyCloud([], [])
    facts = seen(cloud)[0]

    assert asked(cloud) == []
    assert facts.other_products == type(facts.other_products)()


def test_many_disks_are_asked_about_together() -> None:
    """Instances are asked about in one call, keys and policies once each, pairs once for all."""
    disks = [
        values.a_disk(
            disk_id=f"d-{n}",
            instance_id=f"i-{n}",
            encrypted=True,
            kms_key_id=f"k-{n % 2}",
            auto_snapshot_policy_id="sp-1",
        )
        for n in range(4)
    ]
    cloud = TinyCloud(
        disks,
        [values.an_instance(instance_id=f"i-{n}") for n in range(4)],
        members=[ScalingMember("i-2", "asg-1", "InService")],
        keys=[Key("k-0", "Enabled"), Key("k-1", "Disabled")],
        pairs=[ReplicaPair("pair-1", "d-far", "d-3", "normal")],
        events=[SystemEvent("e-1", "i-0", "SystemMaintenance.Reboot", "Scheduled", None)],
        policies=[POLICY],
    )
    result = [facts.other_products for facts in seen(cloud, STOPPING, *(f"d-{n}" for n in range(4)))]

    assert sorted(asked(cloud)) == [
        ("describe_auto_snapshot_policy", ("sp-1",)),
        ("describe_key", ("k-0",)),
        ("describe_key", ("k-1",)),
        ("describe_replica_pairs", ()),
        ("describe_scaling_members", ("i-0", "i-1", "i-2", "i-3")),
        ("describe_system_events", ("i-0", "i-1", "i-2", "i-3")),
    ]
    assert [len(each.members) for each in result] == [0, 0, 1, 0]
    assert [len(each.events) for each in result] == [1, 0, 0, 0]
    assert [len(each.pairs) for each in result] == [0, 0, 0, 1]
    assert [each.keys[0].state for each in result] == ["Enabled", "Disabled", "Enabled", "Disabled"]


@pytest.mark.parametrize(("status", "keys"), [("Running", ["k-own", "k-other"]), ("Stopped", ["k-own"])])
def test_the_keys_of_other_disks_matter_where_the_instance_starts_again(status: str, keys: list[str]) -> None:
    """A start needs the keys of all disks; where nothing is stopped nothing is started."""
    own = values.a_disk(encrypted=True, kms_key_id="k-own")
    other = values.a_disk(disk_id="d-other", encrypted=True, kms_key_id="k-other")
    cloud = a_cloud(own, other, status=status)
    result = seen(cloud)[0].other_products

    assert sorted(ids[0] for name, ids in asked(cloud) if name == "describe_key") == sorted(keys)
    assert [key.key_id for key in result.keys] == keys


FAILURES: dict[str, Callable[[str], CloudError]] = {
    "no right": lambda action: Refused("Forbidden.RAM", 403, "", "r", action=action),
    "KMS's word for it": lambda action: Refused("Forbidden.NoPermission", 403, "", "r", action=action),
    "throttled": lambda action: Refused("Throttling.User", 400, "", "r", action=action),
    "unknown code": lambda action: Refused("InvalidAction.NotFound", 404, "", "r", action=action),
    "failure": lambda action: Refused("InternalError", 500, "", "r", action=action),
    "dead credentials": lambda action: Refused("InvalidSecurityToken.Expired", 403, "", "r", action=action),
    "no answer": Unanswered,
    "not sent": lambda action: NotSent(action, "the name of the endpoint cannot be resolved"),
}


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("name", NAMES)
def test_a_read_that_fails_is_reported_and_nothing_else(name: str, failure: str) -> None:
    """Whatever comes in the place of an answer, the plan goes on and names the right; what passes is asked again."""
    cloud = a_cloud(failing={name: [FAILURES[failure](NAMES[name])] * 9})
    facts = seen(cloud)[0]
    found = [each for each in check_disk(facts) if each.check == "not-checked"]

    again = len(asked(cloud)) - 5
    assert 1 < again < 6 if failure in ("throttled", "failure") else again == 0
    assert facts.unseen == ()
    assert [(each.action, each.right.partition(":")[2]) for each in facts.other_products.unanswered] == [
        (NAMES[name],) * 2
    ]
    assert [(each.level, each.subject) for each in found] == [("info", NAMES[name])]
    assert facts.other_products.unanswered[0].right in found[0].fix
    assert ("permission for it is missing" in found[0].message) == (
        failure in ("no right", "KMS's word for it", "dead credentials")
    )


def test_all_of_them_may_fail() -> None:
    """Without any other product the plan stands on ECS alone, and says five times what is not known."""
    cloud = a_cloud(failing={name: [Unanswered(NAMES[name])] for name in NAMES})
    found = check_disk(seen(cloud)[0])

    assert sorted(each.subject for each in found if each.check == "not-checked") == sorted(NAMES.values())
    assert [each for each in found if each.level == "block"] == []


def test_rights_are_named_after_their_products() -> None:
    """Each right is that of the product that would have to grant it."""
    cloud = a_cloud(failing={name: [Unanswered(NAMES[name])] for name in NAMES})

    assert {each.right for each in seen(cloud)[0].other_products.unanswered} == {
        "ess:DescribeScalingInstances",
        "ebs:DescribeDiskReplicaPairs",
        "kms:DescribeKey",
        "ecs:DescribeInstanceHistoryEvents",
        "ecs:DescribeAutoSnapshotPolicyEx",
    }


@pytest.mark.parametrize("word", OTHER_PRODUCT_CALLS)
def test_a_required_read_is_repeated_for_longer_and_blocks(word: str) -> None:
    """What the configuration requires is asked again, and refuses the plan where it is never answered."""
    name = next(each for each, action in NAMES.items() if action == OTHER_PRODUCT_CALLS[word])
    options = Options(stop_instance=True, require_answers=(word,))
    patient = a_cloud(failing={name: [Unanswered(NAMES[name])] * 2})
    never = a_cloud(failing={name: [Unanswered(NAMES[name])] * 9})

    assert seen(patient, options)[0].other_products.unanswered == ()
    found = check_disk(seen(never, options)[0])
    assert [(each.level, each.subject) for each in found if each.check == "could-not-check"] == [("block", NAMES[name])]
    assert [each for each in found if each.check == "not-checked"] == []


def test_another_read_is_not_required() -> None:
    """Only what is listed is required."""
    cloud = a_cloud(failing={"describe_key": [Unanswered("DescribeKey")]})
    found = check_disk(seen(cloud, Options(stop_instance=True, require_answers=("ess", "ebs", "events")))[0])

    assert {each.check for each in found if each.subject == "DescribeKey"} == {"not-checked"}


def test_the_words_of_the_configuration_are_those_of_the_reads() -> None:
    """What can be required is what is looked at."""
    assert config.Settings.require_answers.read([*OTHER_PRODUCT_CALLS, "sts"]) == (*OTHER_PRODUCT_CALLS, "sts")
    assert set(OTHER_PRODUCT_CALLS) == set(other_products.EVERY) - {"policy"}


def test_a_policy_that_is_not_shown_is_not_looked_at() -> None:
    """An empty list may mean that the permission for it is missing, and then nothing is known of it."""
    result = seen(a_cloud(policies=[]))[0].other_products

    assert result.auto_snapshot_policy is None
    assert [each.action for each in result.unanswered] == ["DescribeAutoSnapshotPolicyEx"]


def test_only_the_reads_that_are_requested_are_made() -> None:
    """Before a call some of them are left out, and what is left out is not told as missing."""
    cloud = a_cloud()
    result = seen(cloud, STOPPING, again=["ebs"])[0].other_products

    assert asked(cloud) == [("describe_replica_pairs", ())]
    assert (result.pairs, result.members, result.unanswered) == ((PAIR,), (), ())


def not_checked(action: str) -> Finding:
    """Return the finding of a plan that could not make a look."""
    facts = values.disk_facts(other_products=values.products(unanswered=(Unseen(action, "x", "r", "w"),)))
    (found,) = (each for each in check_disk(facts) if each.check == "not-checked")
    return found


@pytest.mark.parametrize(
    ("findings", "begun", "reads"),
    [
        ([], False, {"ess", "ebs", "kms", "events"}),
        ([], True, {"ebs"}),
        (["DescribeKey", "DescribeScalingInstances"], False, {"ebs", "events"}),
        (["DescribeDiskReplicaPairs"], True, set()),
        (["DescribeAutoSnapshotPolicyEx"], False, {"ess", "ebs", "kms", "events"}),
    ],
)
def test_which_reads_are_repeated(findings: list[str], begun: bool, reads: set[str]) -> None:
    """Before the first change all that can refuse, after it the pairs alone, and never one that failed in the plan."""
    assert other_products.products_to_reread([not_checked(action) for action in findings], begun=begun) == reads


# ------------------------------------------------------------------------------------------ through the real SDK


@pytest.mark.parametrize(
    ("right", "disk_id"),
    [
        ("ess:DescribeScalingInstances", "d-sim-web1-data"),
        ("ebs:DescribeDiskReplicaPairs", "d-sim-web1-data"),
        ("ecs:DescribeInstanceHistoryEvents", "d-sim-web1-data"),
        ("kms:DescribeKey", "d-sim-encryption-key-unusable"),
        ("ecs:DescribeAutoSnapshotPolicyEx", "d-sim-auto-snapshot-due"),
    ],
)
def test_a_missing_right_is_reported_by_its_name(
    gateway: Connect, simulator: Simulator, right: str, disk_id: str
) -> None:
    """Without one right the simulator's world is judged as far as it can be seen."""
    simulator.do({"deny": {"action": right}})
    (facts,) = facts_for(gateway(simulator.url).cloud, TinyClock(), "cn-hangzhou", [disk_id], STOPPING).disks

    assert [(each.right, each.why.partition(":")[0]) for each in facts.other_products.unanswered] == [
        (right, "the permission for it is missing")
    ]
    assert {each.level for each in check_disk(facts)} == {"info"}


def test_garbled_answers_end_no_plan(gateway: Connect, serve: Serve, simulator: Simulator) -> None:
    """A proxy's page in the place of each other product leaves what ECS itself shows as it is."""

    def respond(request: Request) -> Answer:
        if request.headers.get("x-acs-version") in ("2014-08-28", "2016-01-20", "2021-07-30"):
            return Answer(http(200, "<html>Log in</html>", kind="text/html"))
        return forward(request, simulator.endpoint)

    cloud = gateway(serve(respond).url).cloud
    facts = facts_for(cloud, TinyClock(), "cn-hangzhou", ["d-sim-encryption-key-unusable"], STOPPING).disks[0]

    assert [each.action for each in facts.other_products.unanswered] == [
        "DescribeScalingInstances", "DescribeKey", "DescribeDiskReplicaPairs"
    ]  # fmt: skip
    assert {each.level for each in check_disk(facts)} == {"info"}


# ------------------------------------------------------------------------------------------------- in a whole run

MEMBERSHIP = {"scaling_groups": {"asg-1": {}}, "instance": {"scaling_group": "asg-1", "lifecycle": "Standby"}}


def count(sim: Simulator, action: str) -> int:
    """Count how often the cloud was asked this."""
    return sum(call["action"] == action for call in sim.state()["calls"])


@pytest.mark.parametrize(
    ("age", "before_the_stop"), [(0.0, set()), (60.0, set(OTHER_PRODUCT_CALLS.values()))], ids=["seconds", "a minute"]
)
def test_when_each_is_asked_in_a_run(age: float, before_the_stop: set[str]) -> None:
    """Before the stop all that can refuse a plan that is not new, before the wipe the pairs alone, then nothing."""
    planned = 0
    with simulated(lab_world(disk={"encrypted": True, "kms_key": "k-1", "auto_snapshot_policy": "sp-1"})) as sim:

        def called() -> list[str]:
            return [call["action"] for call in sim.state()["calls"] if not call["dry_run"]]

        def count_the_plans() -> None:
            nonlocal planned
            planned = len(called())
            virtual.current().scheduler.sleep(age)

        done = run_plan(sim, between=count_the_plans)
        calls = called()
    stop, wipe = calls.index("StopInstance"), calls.index("ReInitDisk")

    def others_among(actions: list[str]) -> set[str]:
        return set(actions) & set(NAMES.values())

    assert done.outcome == "done"
    assert others_among(calls[:planned]) == set(NAMES.values())
    assert others_among(calls[planned:stop]) == before_the_stop
    assert others_among(calls[stop:wipe]) == {"DescribeDiskReplicaPairs"}
    assert others_among(calls[wipe:]) == set()


def test_what_could_not_be_looked_at_is_not_asked_again() -> None:
    """A product that the plan could not ask is left alone during the run, which goes on to its end."""
    with simulated() as sim:
        for right in (
            "ess:DescribeScalingInstances",
            "ebs:DescribeDiskReplicaPairs",
            "ecs:DescribeInstanceHistoryEvents",
        ):
            sim.do({"deny": {"action": right}})
        done = run_plan(sim)
        asked_for = {action: count(sim, action) for action in NAMES.values()}
        state = sim.state()

    assert done.outcome == "done"
    assert_true(done, state)
    assert set(asked_for.values()) == {0, 1}
    assert {found.check for found in done.report.findings if found.level == "info"} >= {"not-checked"}


def test_a_product_that_falls_silent_during_the_run_does_not_end_it() -> None:
    """A look that was answered in the plan and is not answered any more is no reason to strand a machine."""
    faults = [
        {"action": action, "nth": nth, "times": 50, "drop_request": True}
        for action, nth in (("DescribeScalingInstances", 2), ("DescribeDiskReplicaPairs", 3))
    ]
    with simulated(faults=faults) as sim:
        done = run_plan(sim)
        assert_true(done, sim.state())

    assert done.outcome == "done"


def test_an_instance_that_leaves_standby_is_not_stopped() -> None:
    """What Auto Scaling would do now counts, not what it would have done when the plan was made."""
    with simulated(lab_world(**MEMBERSHIP)) as sim:
        done = run_plan(sim, between=lambda: sim.do({"change": INSTANCE, "to": {"lifecycle": "InService"}}))
        assert_true(done, sim.state())

    assert {found.check: found.level for found in done.plan.findings}["in-scaling-group"] == "info"
    assert done.outcome == "refused"
    assert "in-scaling-group" in str(done.error)


def test_a_member_in_standby_is_wiped_and_keeps_its_machine() -> None:
    """Auto Scaling leaves the stopped machine alone, as it said."""
    with simulated(lab_world(**MEMBERSHIP)) as sim:
        done = run_plan(sim)
        assert_true(done, sim.state())

    assert done.outcome == "done"


def test_a_disk_that_is_replicated_since_the_stop_is_not_wiped() -> None:
    """The pairs are looked at once more before the wipe, and the machine comes back."""
    with simulated() as sim:
        begin = once(accepted("StopInstance"), lambda: sim.do({"change": DATA, "to": {"replicated": True}}))
        done = run_plan(sim, on_event=begin)
        assert_true(done, sim.state())

    assert done.outcome == "failed"
    assert done.sent("ReInitDisk") == 0
    assert "in-replication-pair" in str(done.error)


def test_a_required_read_that_is_lost_after_the_stop_ends_the_run(tmp_path: Path) -> None:
    """Without what the configuration requires nothing is wiped, and the machine comes back."""
    file = tmp_path / "config.yaml"
    file.write_text("require_answers: [ebs]\n", "utf-8")
    with simulated() as sim:
        begin = once(accepted("StopInstance"), lambda: sim.do({"deny": {"action": "ebs:DescribeDiskReplicaPairs"}}))
        done = run_plan(sim, on_event=begin, using=client(sim, config=str(file)))
        assert_true(done, sim.state())

    assert done.outcome == "failed"
    assert done.sent("ReInitDisk") == 0
    assert "could-not-check" in str(done.error)
