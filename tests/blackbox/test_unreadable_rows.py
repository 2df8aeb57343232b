"""One row that cannot be read, or a list that never ends, is one resource's trouble: no machine stays down for it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from safe_reinit.cloud.aliyun.attempt import Reply, RequestInProgress
from safe_reinit.simulator import Simulator
from safe_reinit.simulator.gateway import MARK
from safe_reinit.simulator.wire.request import RawRequest
from tests import virtual
from tests.commands import Command, command, until
from tests.inprocess import Line
from tests.servers import Request

pytestmark = pytest.mark.virtual_time

FLEET_SIZE = 12
BAD = [None, float("nan"), 1e999, -1, 40.0, "forty", {"GiB": 40}]

Alter = Callable[[Request, dict[str, Any]], None]


class Altered:
    """Carries requests to a simulator, and changes the answers once ``on`` is set."""

    def __init__(self, line: Line, alter: Alter, *, on: bool = True) -> None:
        self._line = line
        self._alter = alter
        self.on = on

    def send(self, attempt: RequestInProgress, raw: RawRequest) -> Reply:
        """Hand a request on, and its answer back."""
        request = Request(raw.method, raw.target, raw.headers, raw.body, b"", 0)
        reply = self._line.send(attempt, raw)
        if self.on and request.params.get("NextToken"):  # one that the simulator did not give
            reply = Reply(200, {MARK.lower(): "1"}, b'{"RequestId": "REQ-1"}')
        if not self.on or not request.action or reply.status != 200:
            return reply
        body = json.loads(reply.body)
        self._alter(request, body)
        return replace(reply, body=json.dumps(body).encode())


def stranger_world() -> dict[str, Any]:
    """Return machines with one data disk each, a snapshot of each, and a stranger's disk with one."""
    numbers = range(FLEET_SIZE)
    return {
        "durations": {"stop": 6, "wipe": 8, "start": 6, "snapshot": 8},
        "instances": {f"i-{n}": {"status": "Running", "key_pair": "ops"} for n in numbers},
        "disks": {**{f"d-{n}": {"instance": f"i-{n}", "type": "data"} for n in numbers}, "d-stranger": {}},
        "snapshots": {**{f"s-{n}": {"disk": f"d-{n}"} for n in numbers}, "s-stranger": {"disk": "d-stranger"}},
    }


@contextmanager
def altered(folder: Path, alter: Alter, *, on: bool = True) -> Iterator[tuple[Simulator, Altered, Command]]:
    """Start a cloud some of whose answers are changed on their way."""
    with virtual.simulate(stranger_world()) as sim:
        lines = virtual.current().connections
        line = lines[sim.endpoint] = Altered(lines[sim.endpoint], alter, on=on)
        yield sim, line, command(sim.url, folder)


def rows(body: dict[str, Any], outer: str) -> list[dict[str, Any]]:
    """Return the rows of a list in an answer; none where it is another's."""
    found: list[dict[str, Any]] = body.get(outer, {}).get(outer.removesuffix("s"), [])
    return found


def bad(outer: str, name: str, key: str, field: str, value: object) -> Alter:
    """Put something into a field of the row of one thing."""

    def alter(_request: Request, body: dict[str, Any]) -> None:
        for row in rows(body, outer):
            if row[key] == name:
                row[field] = value

    return alter


FLEET = (*(word for n in range(FLEET_SIZE) for word in ("--disk", f"d-{n}")), "--max-disks", str(FLEET_SIZE))
ACCEPT = ("--stop-instance", "--accept", "fstab-may-name-disk")


@pytest.mark.parametrize("value", BAD, ids=str)
def test_a_plan_names_the_row_that_cannot_be_read(tmp_path: Path, value: object) -> None:
    """A plan for a disk whose row cannot be read is refused, naming the disk, the field and what was in it."""
    with altered(tmp_path, bad("Disks", "d-3", "DiskId", "Size", value)) as (_, _, run):
        done = run("--disk", "d-3", *ACCEPT, "--dry-run", "--output", "json", journal=tmp_path / "journal.db")
    (found,) = [each for each in json.loads(done.stdout)["findings"] if each["level"] == "block"]

    assert done.returncode == 3
    assert found["check"] == "could-not-check"
    assert "the row of d-3 cannot be read: Size is " in found["message"]
    assert found["fact"]["Field"] == "Size"
    assert "network" not in done.stderr


def test_a_plan_names_the_instance_that_cannot_be_read(tmp_path: Path) -> None:
    """The row of an instance is told in the same way."""
    with altered(tmp_path, bad("Instances", "i-3", "InstanceId", "StartTime", "noon")) as (_, _, run):
        done = run("--disk", "d-3", *ACCEPT, "--dry-run", "--output", "json", journal=tmp_path / "journal.db")
    (found,) = [each for each in json.loads(done.stdout)["findings"] if each["level"] == "block"]

    assert found["check"] == "instance-not-seen"
    assert 'the row of i-3 cannot be read: StartTime is "noon"' in found["message"]


def test_another_disk_is_planned_all_the_same(tmp_path: Path) -> None:
    """Of twelve disks one cannot be read: the other eleven can be wiped without it."""
    with altered(tmp_path, bad("Disks", "d-3", "DiskId", "Size", None)) as (_, _, run):
        words = (*FLEET, *ACCEPT, "--skip-refused", "--dry-run", "--output", "json")
        done = run(*words, journal=tmp_path / "journal.db")
    result = json.loads(done.stdout)

    assert done.returncode == 0, done.stderr
    planned = [job for job in result["jobs"] if job["outcome"] == "planned"]
    assert {disk["disk_id"] for job in planned for disk in job["disks"]} == {
        f"d-{n}" for n in range(FLEET_SIZE) if n != 3
    }


def test_a_strangers_row_refuses_no_plan(tmp_path: Path) -> None:
    """A snapshot of somebody else that cannot be read is named, and refuses nothing."""
    with altered(tmp_path, bad("Snapshots", "s-stranger", "SnapshotId", "CreationTime", 5)) as (_, _, run):
        done = run(*FLEET, *ACCEPT, "--dry-run", "--output", "json", journal=tmp_path / "journal.db")
    found = [each for each in json.loads(done.stdout)["findings"] if "s-stranger" in each["message"]]

    assert done.returncode == 0, done.stderr
    assert [each["level"] for each in found] == ["info"]
    assert "the row of s-stranger cannot be read: CreationTime is 5" in found[0]["message"]


def test_one_row_strands_no_fleet(tmp_path: Path) -> None:
    """Where one disk cannot be read any more after the stops, its machine comes back and the others are wiped."""
    with altered(tmp_path, bad("Disks", "d-3", "DiskId", "Size", None), on=False) as (sim, answers, run):
        words = (*FLEET, *ACCEPT, "--output", "json", "--canary", "0")
        agreed = json.loads(run(*words, "--dry-run", journal=tmp_path / "journal.db").stdout)["plan"]["confirm_with"]
        child = run.start(*words, "--confirm", agreed, journal=tmp_path / "journal.db")
        until(lambda: sim.state()["instances"]["i-3"]["status"] in ("Stopping", "Stopped"))
        answers.on = True
        out, err = child.communicate()
        state = sim.state()
    result = {job["instance_id"]: job for job in json.loads(out)["jobs"]}

    assert {each["status"] for each in state["instances"].values()} == {"Running"}, err
    assert child.returncode == 7
    assert [len(state["disks"][f"d-{n}"]["wipes"]) for n in range(FLEET_SIZE)] == [n != 3 for n in range(FLEET_SIZE)]
    assert result["i-3"]["outcome"] == "failed"
    assert "the row of d-3 cannot be read: Size is null" in result["i-3"]["error"]["message"]


def test_a_list_by_id_that_never_ends_ends_a_run_well(tmp_path: Path) -> None:
    """By id one page suffices, so a NextToken that never ends changes nothing."""

    def endless(request: Request, body: dict[str, Any]) -> None:
        if any(name in request.params for name in ("DiskIds", "InstanceIds", "SnapshotIds")):
            body["NextToken"] = f"more-{len(body['RequestId'])}-{request.params.get('NextToken', '')}"

    with altered(tmp_path, endless) as (sim, _, run):
        done = run("--disk", "d-0", *ACCEPT, "--confirm", "d-0", journal=tmp_path / "journal.db")
        state = sim.state()

    assert done.returncode == 0, done.stderr
    assert state["instances"]["i-0"]["status"] == "Running"
    assert len(state["disks"]["d-0"]["wipes"]) == 1


def test_a_list_that_never_ends_keeps_no_machine_down(tmp_path: Path) -> None:
    """Where the snapshots of a disk never end after its stop, the run ends and the machine runs."""

    def endless(request: Request, body: dict[str, Any]) -> None:
        if request.action == "DescribeSnapshots":
            time.sleep(0.5)  # as a page takes, so that a few hundred of them fill the time until the run gives up
            body["NextToken"] = f"{request.params.get('NextToken', '')}x"
            body.setdefault("Snapshots", {"Snapshot": []})

    with altered(tmp_path, endless, on=False) as (sim, answers, run):
        child = run.start("--disk", "d-0", *ACCEPT, "--confirm", "d-0", journal=tmp_path / "journal.db")
        until(lambda: sim.state()["instances"]["i-0"]["status"] in ("Stopping", "Stopped"))
        answers.on = True
        _, err = child.communicate()
        state = sim.state()

    assert child.returncode == 4, err
    assert state["instances"]["i-0"]["status"] == "Running"
    assert state["disks"]["d-0"]["wipes"] == []
    assert "its list does not end" in err


@pytest.mark.parametrize("code", ["InvalidSecurityToken.Expired", "SignatureDoesNotMatch", "IllegalTimestamp"])
def test_refused_reads_do_not_end_a_run(tmp_path: Path, code: str) -> None:
    """Looks that are refused for credentials or the clock for a while are made again, and the run goes on."""
    with virtual.simulate(stranger_world()) as sim:
        child = command(sim.url, tmp_path).start(
            "--disk", "d-0", *ACCEPT, "--confirm", "d-0", journal=tmp_path / "journal.db"
        )
        until(lambda: sim.state()["instances"]["i-0"]["status"] in ("Stopping", "Stopped"))
        sim.do({"fault": {"action": "DescribeInstances", "times": 12, "error": {"code": code, "status": 403}}})
        _, err = child.communicate()
        state = sim.state()

    assert child.returncode == 0, err
    assert state["instances"]["i-0"]["status"] == "Running"
    assert len(state["disks"]["d-0"]["wipes"]) == 1
