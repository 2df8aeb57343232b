"""TagResources, UntagResources and ListTagResources."""

from __future__ import annotations

from typing import Any

import pytest

from safe_reinit.simulator import Simulator
from tests.simulator.support import Simulate, call

REGION = {"RegionId": "cn-hangzhou"}
WORLD: dict[str, Any] = {
    "key_pairs": ["ops"],
    "images": {"m-1": {}},
    "instances": {"i-1": {"tags": {"env": "lab", "team": "web"}}, "i-2": {"tags": {"env": "prod"}}},
    "disks": {f"d-{n:02}": {"tags": {"env": "lab"}} for n in range(60)},
    "snapshots": {"s-1": {"disk": "d-01"}},
}


def tags(sim: Simulator, kind: str, **params: str) -> dict[tuple[str, str], str]:
    """Return the tags of one page by resource and key."""
    answer = call(sim, "ListTagResources", {**REGION, "ResourceType": kind, **params})
    assert answer.status == 200, answer.json
    return {(row["ResourceId"], row["TagKey"]): row["TagValue"] for row in answer.json["TagResources"]["TagResource"]}


@pytest.mark.parametrize(
    ("kind", "name"), [("instance", "i-2"), ("disk", "d-05"), ("snapshot", "s-1"), ("image", "m-1"), ("keypair", "ops")]
)
def test_each_type(simulate: Simulate, kind: str, name: str) -> None:
    """A tag is given, replaced, listed and taken away, and what it stands beside stays."""
    sim = simulate(WORLD)
    before = tags(sim, kind, **{"ResourceId.1": name})
    about = {**REGION, "ResourceType": kind, "ResourceId.1": name}
    for value in ("a", "b"):
        assert call(sim, "TagResources", {**about, "Tag.1.Key": "lock", "Tag.1.Value": value}).status == 200
    assert tags(sim, kind, **{"ResourceId.1": name}) == {**before, (name, "lock"): "b"}
    assert call(sim, "UntagResources", {**about, "TagKey.1": "lock", "All": "true"}).status == 200
    assert tags(sim, kind, **{"ResourceId.1": name}) == before
    assert call(sim, "UntagResources", {**about, "All": "true"}).status == 200
    assert tags(sim, kind, **{"ResourceId.1": name}) == {}


def test_tags_are_seen_by_describe_calls(simulate: Simulate) -> None:
    """What TagResources gives Describe calls show and filter."""
    sim = simulate(WORLD)
    call(sim, "TagResources", {**REGION, "ResourceType": "disk", "ResourceId.1": "d-07", "Tag.1.Key": "x"})
    (row,) = call(sim, "DescribeDisks", {**REGION, "Tag.1.Key": "x"}).json["Disks"]["Disk"]
    assert (row["DiskId"], row["Tags"]["Tag"][-1]) == ("d-07", {"TagKey": "x", "TagValue": ""})


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({"ResourceId.1": "i-1"}, {("i-1", "env"), ("i-1", "team")}),
        ({"Tag.1.Key": "team"}, {("i-1", "env"), ("i-1", "team")}),
        ({"Tag.1.Key": "env", "Tag.1.Value": "prod"}, {("i-2", "env")}),
        ({"TagFilter.1.TagKey": "te*"}, {("i-1", "env"), ("i-1", "team")}),
        ({"TagFilter.1.TagKey": "env", "TagFilter.1.TagValues.1": "*ro*"}, {("i-2", "env")}),
        ({"TagFilter.1.TagKey": "env", "ResourceId.1": "i-2"}, {("i-2", "env")}),
        ({"ResourceId.1": "i-9"}, set()),
    ],
)
def test_listing(simulate: Simulate, params: dict[str, str], found: set[tuple[str, str]]) -> None:
    """Tags are listed of resources, by exact tags or by patterns."""
    assert set(tags(simulate(WORLD), "instance", **params)) == found


def test_pages_of_tags(simulate: Simulate) -> None:
    """Fifty rows a page; the token leads on."""
    sim = simulate(WORLD)
    about = {**REGION, "ResourceType": "disk", "Tag.1.Key": "env"}
    first = call(sim, "ListTagResources", about).json
    second = call(sim, "ListTagResources", {**about, "NextToken": first["NextToken"]}).json
    rows = [row["ResourceId"] for page in (first, second) for row in page["TagResources"]["TagResource"]]
    assert rows == sorted(WORLD["disks"])
    assert (len(first["TagResources"]["TagResource"]), second["NextToken"]) == (50, "")


ABOUT = {**REGION, "ResourceType": "disk", "ResourceId.1": "d-01", "Tag.1.Key": "k", "Tag.1.Value": "v"}


@pytest.mark.parametrize(
    ("action", "changes", "status", "code"),
    [
        ("TagResources", {"RegionId": ""}, 404, "MissingParameter.RegionId"),
        ("TagResources", {"RegionId": "mars"}, 404, "InvalidRegionId.NotFound"),
        ("TagResources", {"ResourceType": ""}, 404, "MissingParameter.ResourceType"),
        ("TagResources", {"ResourceType": "cat"}, 404, "InvalidResourceType.NotFound"),
        ("TagResources", {"ResourceType": "eni"}, 404, "InvalidResourceId.NotFound"),
        ("TagResources", {"ResourceId.1": "d-99"}, 404, "InvalidResourceId.NotFound"),
        ("TagResources", {"ResourceId.1": ""}, 400, "MissingParameter"),
        ("TagResources", {f"ResourceId.{n}": f"d-{n:02}" for n in range(1, 52)}, 400, "NumberExceed.ResourceIds"),
        ("TagResources", {f"Tag.{n}.Key": f"k{n}" for n in range(1, 22)}, 400, "NumberExceed.Tags"),
        ("TagResources", {f"Tag.{n}.Key": f"k{n}" for n in range(1, 21)}, 400, "OperationDenied.QuotaExceed"),
        ("TagResources", {"Tag.1.Key": "", "Tag.1.Value": ""}, 404, "MissingParameter.Tags"),
        ("TagResources", {"Tag.1.Key": ""}, 400, "InvalidTag.Mismatch"),
        ("TagResources", {"Tag.2.Key": "k"}, 400, "Duplicate.TagKey"),
        ("TagResources", {"Tag.1.Key": "acs:mine"}, 400, "InvalidTagKey.Malformed"),
        ("TagResources", {"Tag.1.Key": "k" * 129}, 400, "InvalidTagKey.Malformed"),
        ("TagResources", {"Tag.1.Value": "see http://x"}, 400, "InvalidTagValue.Malformed"),
        ("UntagResources", {"ResourceId.1": "d-99", "TagKey.1": "k"}, 404, "InvalidResourceId.NotFound"),
        ("UntagResources", {f"TagKey.{n}": f"k{n}" for n in range(1, 22)}, 400, "NumberExceed.Tags"),
        ("ListTagResources", {"ResourceId.1": "", "Tag.1.Key": "", "Tag.1.Value": ""}, 404, "MissingParameter.Tags"),
        ("ListTagResources", {"Tag.1.Key": ""}, 400, "InvalidParameter.TagValue"),
        ("ListTagResources", {"TagFilter.1.TagKey": "k"}, 400, "InvalidParameter"),
        ("ListTagResources", {"NextToken": "made-up"}, 400, "InvalidParameter"),
    ],
)
def test_bad_parameters(simulate: Simulate, action: str, changes: dict[str, str], status: int, code: str) -> None:
    """What cannot be done to tags has its documented code, and no tag is changed."""
    sim = simulate(WORLD)
    answer = call(sim, action, {**ABOUT, **changes})
    assert (answer.status, answer.code) == (status, code)
    assert tags(sim, "disk", **{"ResourceId.1": "d-01"}) == {("d-01", "env"): "lab"}


def test_rights(simulate: Simulate) -> None:
    """Without the right tagging is forbidden and a listing empty; another account finds nothing."""
    keys = [{"id": "testid", "secret": "testsecret"}, {"id": "other", "secret": "s", "account": "2"}]
    sim = simulate({**WORLD, "keys": keys})
    assert call(sim, "TagResources", ABOUT, ("other", "s")).code == "InvalidResourceId.NotFound"
    for action in ("TagResources", "ListTagResources"):
        sim.do({"deny": {"action": f"ecs:{action}", "resource": "d-01"}})
    assert call(sim, "TagResources", ABOUT).code == "Forbidden.RAM"
    assert tags(sim, "disk", **{"ResourceId.1": "d-01"}) == {}
