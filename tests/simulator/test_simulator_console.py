"""What another person does (`/_simulator/do`) and what is true afterwards (`/_simulator/state`)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from alibabacloud_ecs20140526 import models as ecs

from safe_reinit.simulator import Simulator
from tests.simulator.support import Simulate, call, refused, sdk, send

WORLD = {
    "keys": [{"id": "testid", "secret": "testsecret"}, {"id": "other", "secret": "s"}],
    "images": {"m-1": {}, "m-2": {"owner": "others"}},
    "instances": {
        "i-run": {"key_pair": "k", "public_ip": "203.0.113.7"},
        "i-off": {"status": "Stopped"},
        "i-ing": {"status": "Stopping"},
        "i-wipe": {"status": "Stopped"},
    },
    "disks": {
        "d-run": {"instance": "i-run", "type": "system", "image": "m-1"},
        "d-off": {"instance": "i-off"},
        "d-free": {},
        "d-wipe": {"instance": "i-wipe", "status": "ReIniting"},
    },
    "snapshots": {"s-1": {"disk": "d-off", "created": "2026-01-02T03:04:05Z"}},
}


@pytest.fixture
def still(simulate: Simulate) -> Simulator:
    """Start a world that hardly moves."""
    return simulate(WORLD, speed=0.001)


def test_shape_of_the_state(still: Simulator) -> None:
    """The state has exactly the members that are promised, over HTTP and embedded alike."""
    call(still, "DescribeDisks", {"RegionId": "cn-hangzhou", "DiskIds": '["d-off"]', "DryRun": "true"})
    state = json.loads(send(still, "GET", "/_simulator/state").body)
    assert still.state() == {**state, "now": still.state()["now"]}
    assert sorted(state) == sorted(
        ["schema", "now", "speed", "seed", "account", "instances", "disks", "snapshots", "images", "calls"]
    )
    assert (state["schema"], state["speed"], state["seed"]) == (1, 0.001, 0)
    assert state["account"] == "1000000000000001"
    instance = state["instances"]["i-run"]
    assert {**instance, "start_time": ""} == {
        "status": "Running",
        "starts": 1,
        "stopped_mode": "Not-applicable",
        "start_time": "",
        "name": "run",
        "public_ip": "203.0.113.7",
    }
    assert state["disks"]["d-free"] == {
        "status": "Available",
        "instance_id": None,
        "type": "data",
        "content": "initial",
        "wipes": [],
        "resets": [],
    }
    assert state["snapshots"]["s-1"] == {
        "status": "accomplished",
        "disk_id": "d-off",
        "content": state["disks"]["d-off"]["content"],
        "created_at": "2026-01-02T03:04:05Z",
        "progress": "100%",
    }
    assert state["images"] == {
        "m-1": {"status": "Available", "shared": False},
        "m-2": {"status": "Available", "shared": True},
    }
    (entry,) = state["calls"]
    assert {**entry, "at": "", "real_at": "", "request_id": ""} == {
        "at": "",
        "real_at": "",
        "action": "DescribeDisks",
        "subject": ["d-off"],
        "http_status": 400,
        "code": "DryRunOperation",
        "request_id": "",
        "dry_run": True,
        "fault": None,
        "source": "api",
    }


def test_start_and_stop_at_once(still: Simulator) -> None:
    """A start ends in Running and a stop in Stopped at once; asked again nothing is counted."""
    for _ in range(2):
        still.do({"start": "i-off"})
        still.do({"stop": "i-run"})
    state = still.state()
    assert (state["instances"]["i-off"]["status"], state["instances"]["i-off"]["starts"]) == ("Running", 2)
    assert state["instances"]["i-run"]["status"] == "Stopped"
    assert [(entry["action"], entry["source"]) for entry in state["calls"]] == [
        ("StartInstance", "console"),
        ("StopInstance", "console"),
    ]
    assert state["disks"]["d-off"]["content"] not in ("initial", "data:2")


def test_writing(still: Simulator) -> None:
    """A write gives the disk a content nobody had before; numbers count up over the world."""
    before = still.state()["disks"]["d-run"]["content"]
    still.do({"write": "d-run"})
    after = still.state()["disks"]["d-run"]["content"]
    assert int(after.removeprefix("data:")) > int(before.removeprefix("data:"))


def test_a_snapshot_by_hand(still: Simulator) -> None:
    """A snapshot at the console is in progress first, so that a wipe meanwhile is refused."""
    still.do({"snapshot": "d-off", "seconds": 1800})
    made = [row for key, row in still.state()["snapshots"].items() if key != "s-1"]
    assert [(row["status"], row["disk_id"]) for row in made] == [("progressing", "d-off")]
    wipe = ecs.ReInitDiskRequest(disk_id="d-off")
    assert refused(lambda: sdk(still).re_init_disk(wipe)) == (403, "DiskCreatingSnapshot")


def test_detach_and_attach(still: Simulator) -> None:
    """A detached disk is Available with a DetachedTime; attached elsewhere it is In_use with a new AttachedTime."""
    client = sdk(still)
    reading = ecs.DescribeDisksRequest(region_id="cn-hangzhou", disk_ids='["d-off"]')
    still.do({"detach": "d-off"})
    (disk,) = client.describe_disks(reading).body.disks.disk
    assert (disk.status, disk.instance_id, disk.device) == ("Available", "", "")
    assert disk.detached_time
    still.do({"attach": "d-off", "instance": "i-run"})
    (disk,) = client.describe_disks(reading).body.disks.disk
    assert (disk.status, disk.instance_id, disk.device) == ("In_use", "i-run", "/dev/xvdb")
    assert disk.attached_time == disk.detached_time or disk.attached_time > disk.detached_time


def test_locks(still: Simulator) -> None:
    """A lock on the instance or on the disk refuses the wipe until it is taken away."""
    client, wipe = sdk(still), ecs.ReInitDiskRequest(disk_id="d-off")
    still.do({"lock": "i-off"})
    assert refused(lambda: client.re_init_disk(wipe)) == (403, "InstanceLockedForSecurity")
    still.do({"unlock": "i-off"})
    still.do({"lock": "d-off", "reason": "financial"})
    assert refused(lambda: client.re_init_disk(wipe)) == (403, "InstanceExpiredOrInArrears")
    still.do({"unlock": "d-off"})
    assert client.re_init_disk(wipe).status_code == 200


def test_deleting(still: Simulator) -> None:
    """What is deleted stays in the state with the status Deleted, and is in no list any more."""
    still.do({"delete_image": "m-1"})
    still.do({"delete_snapshot": "s-1"})
    state = still.state()
    assert (state["images"]["m-1"]["status"], state["snapshots"]["s-1"]["status"]) == ("Deleted", "Deleted")
    client = sdk(still)
    images = client.describe_images(ecs.DescribeImagesRequest(region_id="cn-hangzhou")).body.images.image
    assert [image.image_id for image in images] == ["m-2"]
    still.do({"stop": "i-run"})
    wipe = ecs.ReInitDiskRequest(disk_id="d-run")
    assert refused(lambda: client.re_init_disk(wipe)) == (404, "InvalidImageId.NotFound")


def test_a_snapshot_that_fails(still: Simulator) -> None:
    """A snapshot in progress can be kept from ending, and can fail; what has failed is never accomplished."""
    still.do({"snapshot": "d-off", "seconds": 0.01})
    (snapshot,) = [name for name, row in still.state()["snapshots"].items() if row["status"] == "progressing"]
    still.do({"hold": {"snapshot": snapshot}})
    assert still.state()["snapshots"][snapshot]["status"] == "progressing"
    still.do({"fail_snapshot": snapshot})
    still.do({"release": {"snapshot": snapshot}})
    assert still.state()["snapshots"][snapshot]["status"] == "failed"


def test_keys(still: Simulator) -> None:
    """A key that is expired or deactivated is refused from then on, others are not."""
    still.do({"expire_key": "testid"})
    assert call(still, "DescribeRegions").code == "InvalidSecurityToken.Expired"
    assert call(still, "DescribeRegions", key=("other", "s")).status == 200
    still.do({"deactivate_key": "other"})
    assert call(still, "DescribeRegions", key=("other", "s")).code == "InvalidAccessKeyId.Inactive"


def test_rights_of_another_key(still: Simulator) -> None:
    """A denial is of one key only."""
    still.do({"deny": {"key": "other", "action": "ecs:DescribeInstanceAttribute", "resource": "i-off"}})
    reading = {"InstanceId": "i-off"}
    assert call(still, "DescribeInstanceAttribute", reading, ("other", "s")).code == "Forbidden.RAM"
    assert call(still, "DescribeInstanceAttribute", reading).status == 200


@pytest.mark.parametrize(
    "request_body",
    [
        {},
        [],
        "start",
        {"dance": "i-off"},
        {"start": "i-off", "stop": "i-run"},
        {"start": "i-nobody"},
        {"start": "i-ing"},
        {"stop": "i-ing"},
        {"start": "i-wipe"},
        {"start": "i-off", "why": "fun"},
        {"write": "d-off"},
        {"write": "d-free"},
        {"write": "d-nobody"},
        {"snapshot": "d-nobody"},
        {"snapshot": "d-off", "seconds": "long"},
        {"detach": "d-free"},
        {"detach": "d-wipe"},
        {"attach": "d-off", "instance": "i-run"},
        {"attach": "d-free"},
        {"lock": "i-nobody"},
        {"lock": "i-off", "reason": 7},
        {"delete_image": "m-nobody"},
        {"delete_snapshot": "s-nobody"},
        {"fail_snapshot": "s-nobody"},
        {"fail_snapshot": "s-1"},
        {"hold": {"snapshot": "s-nobody"}},
        {"fault": {"action": "ReInitDisk"}},
        {"deny": "ecs:StopInstance"},
        {"deny": {"resource": "*"}},
        {"deny": {"action": "ecs:StopInstance", "key": "nobody"}},
        {"allow": {"action": "ecs:StopInstance"}},
        {"expire_key": "nobody"},
        {"hold": "i-off"},
        {"release": {"instance": "i-nobody"}},
    ],
    ids=json.dumps,
)
def test_what_cannot_be_done(still: Simulator, request_body: Any) -> None:
    """What is malformed or not possible now is 400 with one sentence, a ValueError embedded, and changes nothing."""
    before = still.state()
    answer = send(still, "POST", "/_simulator/do", body=json.dumps(request_body).encode())
    assert answer.status == 400
    sentence = answer.json["error"]
    assert sentence.endswith(".")
    assert "\n" not in sentence
    with pytest.raises(ValueError, match=r"\.$"):
        still.do(request_body)
    assert {**still.state(), "now": before["now"]} == before


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://somebody.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:8000", "Content-Type": "application/json"},
        {"Sec-Fetch-Site": "cross-site", "Content-Type": "text/plain"},
        {"Sec-Fetch-Site": "same-site"},
        {"Host": "somebody.example"},
        {"Host": "somebody.example:80"},
        {"Host": "192.0.2.1"},
    ],
    ids=str,
)
@pytest.mark.parametrize(("method", "path"), [("POST", "/_simulator/do"), ("GET", "/_simulator/state")])
def test_a_web_page_changes_and_reads_nothing(
    still: Simulator, method: str, path: str, headers: dict[str, str]
) -> None:
    """What a browser sends for a page, also one whose own name leads to this machine, is 403 and does nothing."""
    before = still.state()
    answer = send(still, method, path, headers=headers, body=b'{"write": "d-run"}')

    assert answer.status == 403
    assert set(answer.json) == {"error"}
    assert "access-control-allow-origin" not in answer.headers
    assert {**still.state(), "now": before["now"]} == before


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Sec-Fetch-Site": "none"},
        {"Host": "localhost:1"},
        {"Host": "[::1]:1"},
        {"Host": "127.1.2.3"},
    ],
    ids=str,
)
def test_a_program_is_obeyed(still: Simulator, headers: dict[str, str]) -> None:
    """curl, a script and an address that somebody typed are no web page."""
    assert send(still, "POST", "/_simulator/do", headers=headers, body=b'{"write": "d-run"}').json == {"ok": True}


def test_over_http(still: Simulator) -> None:
    """A success is {"ok": true}; what is not JSON is refused; other paths are 404."""
    answer = send(still, "POST", "/_simulator/do", body=b'{"write": "d-run"}')
    assert (answer.status, answer.json) == (200, {"ok": True})
    assert send(still, "POST", "/_simulator/do", body=b"write").json == {"error": "The body is not JSON."}
    assert send(still, "GET", "/_simulator/do").status == 404
