"""Keys with a RAM policy: nothing is allowed but what it allows, by action, resource and condition."""

from __future__ import annotations

from typing import Any

import pytest
from alibabacloud_ecs20140526 import models as ecs

from tests.simulator.support import Simulate, call, refused, sdk

HERE = "acs:ecs:cn-hangzhou:1000000000000001:"
REGION = {"RegionId": "cn-hangzhou"}


def a_world(*statements: dict[str, Any], deny: Any = ()) -> dict[str, Any]:
    """Return two stopped machines with their disks, and a key with this policy."""
    policy = {"Version": "1", "Statement": list(statements)}
    return {
        "keys": [{"id": "testid", "secret": "testsecret", "policy": policy, "deny": list(deny)}],
        "instances": {"i-1": {"status": "Stopped"}, "i-2": {"status": "Stopped"}},
        "disks": {
            "d-1": {"instance": "i-1", "type": "system", "image": "m-1"},
            "d-2": {"instance": "i-2", "type": "system", "image": "m-1"},
        },
        "images": {"m-1": {}},
        "snapshots": {"s-1": {"disk": "d-1"}},
    }


def allow(actions: Any, resources: Any = "*", **condition: str) -> dict[str, Any]:
    """Write a statement that allows."""
    return {"Effect": "Allow", "Action": actions, "Resource": resources, **_condition(condition)}


def deny(actions: Any, resources: Any = "*", **condition: str) -> dict[str, Any]:
    """Write a statement that denies."""
    return {**allow(actions, resources), "Effect": "Deny", **_condition(condition)}


def _condition(condition: dict[str, str]) -> dict[str, Any]:
    facts = {f"ecs:{key}": [value] for key, value in condition.items()}
    return {"Condition": {"Bool": facts}} if facts else {}


def wipe(**more: Any) -> ecs.ReInitDiskRequest:
    """Ask for the wipe of d-1."""
    return ecs.ReInitDiskRequest(disk_id="d-1", **more)


def test_nothing_is_allowed_that_no_statement_allows(simulate: Simulate) -> None:
    """An empty policy allows nothing: lists are empty, dry runs and writes forbidden; who one is can be asked."""
    sim = simulate(a_world())

    assert call(sim, "DescribeDisks", REGION).json["Disks"]["Disk"] == []
    assert call(sim, "DescribeDisks", {**REGION, "DryRun": "true"}).code == "Forbidden.RAM"
    assert call(sim, "DescribeRegions", {}).code == "Forbidden.RAM"
    assert refused(lambda: sdk(sim).re_init_disk(wipe())) == (403, "Forbidden.RAM")
    assert sim.state()["disks"]["d-1"]["wipes"] == []


@pytest.mark.parametrize(
    ("action", "kind", "row"),
    [
        ("DescribeDisks", "disk", "Disks"),
        ("DescribeInstances", "instance", "Instances"),
        ("DescribeSnapshots", "snapshot", "Snapshots"),
        ("DescribeImages", "image", "Images"),
    ],
)
def test_a_list_is_allowed_as_a_whole(simulate: Simulate, action: str, kind: str, row: str) -> None:
    """A list needs the right to its kind; the right to one thing, or to another kind, shows nothing."""
    for resource, shown in (
        (f"{HERE}{kind}/*", True),
        ("*", True),
        (f"{HERE}{kind}/x-1", False),
        (f"{HERE}vpc/*", False),
    ):
        sim = simulate(a_world(allow(f"ecs:{action}", resource)))
        dry = call(sim, action, {**REGION, "DryRun": "true"})

        assert bool(call(sim, action, REGION).json[row][row[:-1]]) == shown
        assert dry.code == ("DryRunOperation" if shown else "Forbidden.RAM")


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        (allow("ecs:ReInitDisk", f"{HERE}disk/d-1"), True),
        (allow("ecs:ReInitDisk", f"{HERE}disk/*"), True),
        (allow(["ecs:StopInstance", "ecs:ReInitDisk"], [f"{HERE}disk/d-2", f"{HERE}disk/d-1"]), True),
        (allow("ecs:*", "acs:ecs:*:*:disk/d-1"), True),
        (allow("*"), True),
        (allow("ecs:reinitdisk"), True),
        (allow("ecs:ReInitDisk", f"{HERE}disk/d-2"), False),
        (allow("ecs:ReInitDisk", f"{HERE}disk/d-"), False),
        (allow("ecs:ReInitDisk", f"{HERE}instance/i-1"), False),
        (allow("ecs:ReInitDisk", "acs:ecs:cn-shanghai:1000000000000001:disk/d-1"), False),
        (allow("ecs:ReInitDisk", "acs:ecs:cn-hangzhou:1000000000000002:disk/d-1"), False),
        (allow("ecs:ResetDisk", f"{HERE}disk/d-1"), False),
        (allow("kms:ReInitDisk"), False),
    ],
)  # fmt: skip
def test_a_write_is_allowed_by_its_id(simulate: Simulate, statement: dict[str, Any], allowed: bool) -> None:
    """Action and resource must both be covered, by name or by a star."""
    sim = simulate(a_world(statement))
    if allowed:
        assert sdk(sim).re_init_disk(wipe()).status_code == 200
    else:
        assert refused(lambda: sdk(sim).re_init_disk(wipe())) == (403, "Forbidden.RAM")


def test_a_denial_wins(simulate: Simulate) -> None:
    """What one statement allows and another denies is denied, in whatever order; so is what the key's deny names."""
    for statements in ((allow("*"), deny("ecs:ReInitDisk")), (deny("ecs:ReInitDisk"), allow("*"))):
        client = sdk(simulate(a_world(*statements)))
        assert refused(lambda client=client: client.re_init_disk(wipe()))[1] == "Forbidden.RAM"
    sim = simulate(a_world(allow("*"), deny=({"action": "ecs:ReInitDisk", "resource": "d-1"},)))

    assert refused(lambda: sdk(sim).re_init_disk(wipe()))[1] == "Forbidden.RAM"


def test_a_password_is_a_condition(simulate: Simulate) -> None:
    """ecs:PasswordCustomized is true of a request that sets a password, and of no other."""
    sim = simulate(a_world(allow("*"), deny("ecs:ReInitDisk", PasswordCustomized="true")))

    assert refused(lambda: sdk(sim).re_init_disk(wipe(password="Abcdefg-1")))[1] == "Forbidden.RAM"
    assert sdk(sim).re_init_disk(wipe()).status_code == 200


def test_a_snapshot_needs_its_disk_and_new_snapshots(simulate: Simulate) -> None:
    """CreateSnapshot asks for the disk and for snapshot/*."""
    both = [f"{HERE}disk/d-1", f"{HERE}snapshot/*"]
    request = ecs.CreateSnapshotRequest(disk_id="d-1")
    for resources in ([both[0]], [both[1]]):
        sim = simulate(a_world(allow("ecs:CreateSnapshot", resources)))
        assert refused(lambda sim=sim: sdk(sim).create_snapshot(request))[1] == "Forbidden.RAM"

    assert sdk(simulate(a_world(allow("ecs:CreateSnapshot", both)))).create_snapshot(request).body.snapshot_id


def test_tags_are_given_to_what_is_named(simulate: Simulate) -> None:
    """TagResources is allowed on the instance by its id, and on no other."""
    sim = simulate(a_world(allow("ecs:TagResources", f"{HERE}instance/i-1")))
    for instance, code in (("i-1", ""), ("i-2", "Forbidden.RAM")):
        asked = {**REGION, "ResourceType": "instance", "ResourceId.1": instance, "Tag.1.Key": "k", "Tag.1.Value": "v"}
        assert call(sim, "TagResources", asked).code == code


def test_several_machines_are_allowed_together(simulate: Simulate) -> None:
    """A call about two things needs the right to both."""
    request = ecs.StartInstancesRequest(region_id="cn-hangzhou", instance_id=["i-1", "i-2"], dry_run=True)
    one = simulate(a_world(allow("ecs:StartInstances", f"{HERE}instance/i-1")))
    both = simulate(a_world(allow("ecs:StartInstances", f"{HERE}instance/*")))

    assert refused(lambda: sdk(one).start_instances(request))[1] == "Forbidden.RAM"
    assert refused(lambda: sdk(both).start_instances(request))[1] == "DRYRUN.SUCCESS"


@pytest.mark.parametrize(
    ("policy", "word"),
    [
        ({"Version": "2", "Statement": []}, "Version"),
        ({"Statement": []}, "Version"),
        ({"Version": "1"}, "Statement"),
        ({"Version": "1", "Statement": [{"Effect": "Maybe", "Action": "*", "Resource": "*"}]}, "Effect"),
        ({"Version": "1", "Statement": [{"Effect": "Allow", "Action": "*"}]}, "Resource"),
        ({"Version": "1", "Statement": [allow("*") | {"Condition": {"IpAddress": {}}}]}, "Condition"),
        ({"Version": "1", "Statement": [allow("*") | {"Principal": "*"}]}, "Principal"),
    ],
)
def test_a_policy_that_is_none_is_refused(simulate: Simulate, policy: dict[str, Any], word: str) -> None:
    """A world with a policy that RAM would not take, or that is not known here, does not begin."""
    world = {"keys": [{"id": "k", "secret": "s", "policy": policy}]}

    with pytest.raises(ValueError, match=rf"policy.*{word}"):
        simulate(world)
