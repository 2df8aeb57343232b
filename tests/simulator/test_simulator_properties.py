"""What holds in every simulation, whatever is asked and in whatever order; and that nothing asked can end it."""

from __future__ import annotations

import contextlib
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from safe_reinit.simulator import console, witness
from safe_reinit.simulator.engine import Engine, Options
from safe_reinit.simulator.wire.request import RawRequest
from tests.simulator.support import StillClock
from tests.simulator.test_simulator_rpc import signed_parameters

WORLD: dict[str, Any] = {
    "images": {"m-1": {}},
    "scaling_groups": {"asg-1": {"release_after": 300}},
    "instances": {
        "i-1": {},
        "i-2": {"status": "Stopped"},
        "i-3": {"scaling_group": "asg-1", "public_ip": "203.0.113.1"},
    },
    "disks": {
        "d-1": {"instance": "i-1", "type": "system", "image": "m-1"},
        "d-2": {"instance": "i-2"},
        "d-3": {"instance": "i-3", "delete_with_instance": True},
        "d-4": {"detached": "-1d"},
    },
    "snapshots": {"s-1": {"disk": "d-1"}, "s-2": {"disk": "d-2"}},
}  # fmt: skip
INSTANCES = st.sampled_from(["i-1", "i-2", "i-3"])
DISKS = st.sampled_from(["d-1", "d-2", "d-3", "d-4"])
INSTANCE_MOVES = {
    ("Running", "Stopping"),
    ("Running", "Stopped"),
    ("Running", "Starting"),
    ("Stopping", "Stopped"),
    ("Stopped", "Starting"),
    ("Stopped", "Running"),
    ("Starting", "Running"),
    *((status, "Deleted") for status in ("Running", "Stopping", "Stopped", "Starting")),
}
DISK_MOVES = {
    ("In_use", "ReIniting"),
    ("ReIniting", "In_use"),
    ("In_use", "Available"),
    ("Available", "In_use"),
    *((status, kind) for status in ("In_use", "ReIniting") for kind in ("Deleted", "Available")),
}


def ask(engine: Engine, action: str, /, **params: str) -> int:
    """Make one signed call and return its status."""
    values = signed_parameters("GET", "testsecret", {"Action": action, **params})
    reply, _ = engine.handle(RawRequest("GET", f"/?{urlencode(values)}", {}, b""))
    return reply.status


class Machine(RuleBasedStateMachine):
    """Calls, the console and time, in any order; after each the state is held against the one before."""

    @initialize()
    def begin(self) -> None:
        """Start a simulation whose time stands still."""
        self.engine = Engine(Options(WORLD))
        self.clock = StillClock(1.0)
        self.engine.cloud.clock = self.clock
        self.before = witness.state(self.engine)

    def _do(self, request: dict[str, Any]) -> None:
        with contextlib.suppress(console.CannotDo):
            self.engine.do(request)

    @rule(seconds=st.sampled_from([1, 20, 40, 70, 400]))
    def wait(self, seconds: int) -> None:
        """Let time pass, one second after another so that no state is missed."""
        for _ in range(seconds):
            self.clock.moved += 1
            self._compare()

    @rule(name=INSTANCES, force=st.sampled_from(["true", "false"]))
    def stop(self, name: str, force: str) -> None:
        """Stop."""
        ask(self.engine, "StopInstance", InstanceId=name, ForceStop=force)

    @rule(name=INSTANCES, action=st.sampled_from(["StartInstance", "RebootInstance"]))
    def start(self, name: str, action: str) -> None:
        """Start or restart."""
        ask(self.engine, action, InstanceId=name)

    @rule(name=DISKS, auto=st.sampled_from(["true", "false"]))
    def wipe(self, name: str, auto: str) -> None:
        """Wipe: accepted only from In_use on a machine that is Stopped."""
        state: Any = witness.state(self.engine)
        disk = state["disks"][name]
        owner = state["instances"].get(disk["instance_id"] or "", {"status": ""})
        status = ask(self.engine, "ReInitDisk", DiskId=name, AutoStartInstance=auto)
        if status == 200:
            assert (disk["status"], owner["status"]) == ("In_use", "Stopped")
        after: Any = witness.state(self.engine)
        assert len(after["disks"][name]["wipes"]) == len(disk["wipes"]) + (status == 200)

    @rule(name=DISKS, snapshot=st.sampled_from(["s-1", "s-2"]))
    def reset(self, name: str, snapshot: str) -> None:
        """Roll back."""
        ask(self.engine, "ResetDisk", DiskId=name, SnapshotId=snapshot)

    @rule(name=DISKS)
    def snapshot(self, name: str) -> None:
        """Make a snapshot."""
        ask(self.engine, "CreateSnapshot", DiskId=name)

    @rule(verb=st.sampled_from(["start", "stop"]), name=INSTANCES)
    def power_by_hand(self, verb: str, name: str) -> None:
        """Start or stop at the console."""
        self._do({verb: name})

    @rule(verb=st.sampled_from(["write", "detach", "snapshot"]), name=DISKS)
    def touch_by_hand(self, verb: str, name: str) -> None:
        """Do something to a disk at the console."""
        self._do({verb: name})

    @rule(disk=DISKS, name=INSTANCES)
    def attach_by_hand(self, disk: str, name: str) -> None:
        """Attach at the console."""
        self._do({"attach": disk, "instance": name})

    @invariant()
    def holds(self) -> None:
        """Compare after each rule."""
        if hasattr(self, "engine"):
            self._compare()

    def _compare(self) -> None:
        before: Any = self.before
        after: Any = witness.state(self.engine)
        self.before = after
        for name, row in after["instances"].items():
            old = before["instances"][name]
            moves = {(old["status"], row["status"])}
            assert moves <= INSTANCE_MOVES | {(row["status"], row["status"])}, (name, moves)
            assert row["starts"] - old["starts"] == ((row["status"] == "Running") and (old["status"] != "Running"))
        for name, row in after["disks"].items():
            self._compare_disk(name, before["disks"][name], row, before, after)

    def _compare_disk(self, name: str, old: Any, row: Any, before: Any, after: Any) -> None:
        assert (old["status"], row["status"]) in DISK_MOVES | {(row["status"], row["status"])}, name
        new_wipes, new_resets = row["wipes"][len(old["wipes"]) :], row["resets"][len(old["resets"]) :]
        assert row["wipes"][: len(old["wipes"])] == old["wipes"]
        if row["status"] == "ReIniting":
            owner = after["instances"][row["instance_id"]]
            assert (row["content"], owner["status"]) == ("initial", "Stopped")
        if row["content"] == old["content"]:
            return
        owner = after["instances"].get(row["instance_id"] or "", {"status": "", "starts": 0})
        was = before["instances"].get(row["instance_id"] or "", {"starts": 0})
        written = row["content"].startswith("data:") and owner["status"] == "Running"
        assert new_wipes or new_resets or written, (name, old["content"], row["content"], was)
        for done in [*new_wipes, *new_resets]:
            assert done["content_before"] == old["content"]


TestStates = Machine.TestCase
TestStates.settings = settings(max_examples=40, stateful_step_count=25, suppress_health_check=list(HealthCheck))

TEXTS = st.text(max_size=12) | st.sampled_from(["", "[]", '["d-1"]', "d-1", "true", "1", "[" * 5000, "\udcff", "\x00"])
NAMES = st.sampled_from(
    ["Action", "Version", "Format", "DiskIds", "DiskId", "InstanceId.1", "Tag.1.Key", "Tag.²", "PageSize", "RegionId"]
) | st.text(max_size=8)


@pytest.fixture(scope="module")
def engine() -> Engine:
    """One simulation for all garbage."""
    return Engine(Options(WORLD))


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "BREW"]),
    target=st.text(max_size=40) | st.sampled_from(["/", "/?", "*", "//", "http://h", "/?A=%ff%00", "/?Format=JSON"]),
    headers=st.dictionaries(
        st.sampled_from(["authorization", "x-acs-action", "x-acs-version", "x-acs-date", "content-type", "host"]),
        TEXTS | st.just("application/x-www-form-urlencoded") | st.just("ACS3-HMAC-SHA256 Credential=testid,="),
    ),
    body=st.binary(max_size=60),
)  # fmt: skip
@example(
    "GET",
    "/?a=\udcff",
    {"authorization": "ACS3-HMAC-SHA256 Credential=testid,SignedHeaders=\udcff,Signature=\udcff"},
    b"",
)
@example("POST", "/", {"authorization": "ACS3-HMAC-SHA256 ,,==,"}, b"")
def test_no_request_ends_it(engine: Engine, method: str, target: str, headers: dict[str, str], body: bytes) -> None:
    """Whatever comes is answered with an error of the gateway, and its line is one line."""
    reply, call = engine.handle(RawRequest(method, target, headers, body))
    assert reply.status >= 400
    assert b"RequestId" in reply.body
    assert "\n" not in call.line()


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(action=st.sampled_from(["DescribeDisks", "DescribeInstances", "DescribeImages", "ReInitDisk", "StopInstances",
                               "CreateSnapshot", "ListTagResources", "TagResources", "DescribeSnapshots"]),
       params=st.dictionaries(NAMES, TEXTS.filter(lambda text: "\udcff" not in text)))  # fmt: skip
@example("DescribeDisks", {"DiskIds": "[" * 100000, "RegionId": "cn-hangzhou"})
@example("TagResources", {"ResourceId.²": "x", "Tag.9999999999999.Key": "x", "RegionId": "cn-hangzhou"})
@example("DescribeDisks", {"PageSize": "9" * 5000, "RegionId": "cn-hangzhou"})
def test_no_parameter_ends_it(engine: Engine, action: str, params: dict[str, str]) -> None:
    """Whatever the parameters are, what is signed is answered, and never as an error of the simulation itself."""
    params = {name: value for name, value in params.items() if name not in ("Action", "Version")}
    assert 200 <= ask(engine, action, **params) < 500
