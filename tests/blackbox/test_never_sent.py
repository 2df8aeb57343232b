"""A call of which no byte left was not done: it may be sent, and it is not told as a fault of the network."""

from __future__ import annotations

import os
import threading

import pytest

from safe_reinit import RunRefused, aliyun, connect
from safe_reinit.aliyun import attempt
from safe_reinit.aliyun.endpoints import Where, parse
from safe_reinit.aliyun.sdk import Utils
from safe_reinit.clock import Clock
from safe_reinit.cloud import NotSent, Unanswered
from safe_reinit.model import Call, Options, Secret
from safe_reinit.simulator import Simulator
from tests.conftest import Connect, Serve
from tests.servers import answer

DISK, INSTANCE = "d-sim-web1-data", "i-sim-web1"
ODD_KEYS = {
    "a carriage return at its end": "testid\r",
    "a line end within": "test\nid",
    "a letter outside Latin-1": "testidи",
    "half a character": "testid\udcff",
}
each_key = pytest.mark.parametrize("key", ODD_KEYS.values(), ids=ODD_KEYS)


@each_key
def test_a_key_that_cannot_be_sent_was_not_sent(gateway: Connect, serve: Serve, key: str) -> None:
    """A wipe signed with a key that HTTP cannot carry is NotSent, not lost, and no connection carries a byte of it."""
    server = serve(answer(200, {"RequestId": "R"}))
    to = gateway(server.url, key=(key, "s"))

    with pytest.raises(NotSent, match=r"could not be made \(\w+Error\)"):
        to.cloud.reinit("d-1", Options())

    assert server.requests == []
    assert [call.code for call in to.calls] == ["NotSent"]


@each_key
def test_a_plan_with_such_a_key_does_not_speak_of_the_network(key: str) -> None:
    """A plan that cannot be made for its key says that nothing was sent and where to look, and repeats no key."""
    with Simulator() as simulator:
        client = connect(region=simulator.region, endpoint=simulator.url, credentials=(key, "s"), clock=Clock(1000))
        with pytest.raises(RunRefused) as raised:
            client.plan([DISK])

        said = f"{raised.value} {raised.value.hint}"
        assert simulator.state()["calls"] == []
    assert "was not sent" in said
    assert "Check the network" not in said
    assert key not in said


def test_a_key_that_goes_bad_in_mid_run_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the key cannot be sent at the wipe, and can a moment later, the wipe is sent once and the run is done."""
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "testid")
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "testsecret")
    bad = threading.Event()

    def on_call(call: Call) -> None:
        if call.action == "StopInstance" and call.code == "OK" and not bad.is_set():
            bad.set()
            os.environ["ALIBABA_CLOUD_ACCESS_KEY_ID"] = "testid\r"
        if call.code == "NotSent":
            os.environ["ALIBABA_CLOUD_ACCESS_KEY_ID"] = "testid"

    with Simulator(speed=60) as simulator:
        client = connect(region=simulator.region, endpoint=simulator.url, clock=Clock(60))
        plan = client.plan([DISK], stop_instance=True)
        report = client.run(plan, confirm=plan.confirm_with, on_call=on_call)
        state = simulator.state()

    assert bad.is_set()
    assert "NotSent" in {call.code for call in report.calls}
    assert {call.code for call in report.calls} & {"Unanswered"} == set()
    assert (report.outcome, len(state["disks"][DISK]["wipes"])) == ("done", 1)


class SdkError(Exception):
    """Something that nobody foresaw."""


def test_what_fails_within_the_sdk_is_no_fault_of_the_network(
    gateway: Connect, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exception while a request is made and signed is NotSent, with its kind and without its text."""
    server = serve(answer(200, {"RequestId": "R"}))
    to = gateway(server.url)

    def fail(*_: object) -> str:
        raise SdkError("the secret testsecret")

    monkeypatch.setattr(Utils, "get_authorization", fail)
    with pytest.raises(NotSent, match=r"could not be made \(SdkError\)") as raised:
        to.cloud.reinit("d-1", Options())

    assert server.requests == []
    assert "Check the network" not in raised.value.hint
    assert "testsecret" not in f"{raised.value}{raised.value.hint}"


def test_what_fails_after_the_request_left_is_lost(
    gateway: Connect, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exception that nobody foresaw once the request is on its way is Unanswered, wherever it is raised."""
    server = serve(answer(200, {"RequestId": "R"}))
    to = gateway(server.url)

    def fail(*_: object) -> None:
        raise SdkError

    monkeypatch.setattr(attempt.Attempt, "count", fail)
    with pytest.raises(Unanswered):
        to.cloud.reinit("d-1", Options())

    assert len(server.requests) == 1


# ---------------------------------------------------------------------------------------- until the very last moment


def test_a_changing_call_can_be_forbidden_until_its_first_byte(serve: Serve) -> None:
    """What says whether the run may send is asked once the connection is made; a look is not asked about."""
    server = serve(answer(200, {"RequestId": "R", "Disks": {"Disk": []}}))
    asked: list[int] = []

    def may_send(_action: str) -> str:
        asked.append(server.connections)
        return "the run was given up"

    where = Where(region="cn-hangzhou", endpoint=parse(server.url), access_key=("k", Secret("s")))
    cloud = aliyun.connect(where, lambda _call: None, may_send)
    with pytest.raises(NotSent, match="the run was given up"):
        cloud.reinit("d-1", Options())
    assert asked == [1]
    assert cloud.disks(["d-1"]).shown == ()
    cloud.close()

    assert [request.action for request in server.requests] == ["DescribeDisks"]
    assert asked == [1]


def test_an_attempt_that_was_abandoned_never_leaves() -> None:
    """Abandoned before it left it can never leave; abandoned afterwards it says that it may have."""
    before, after = attempt.Attempt(10.0), attempt.Attempt(10.0)
    for each in (before, after):
        each.begin()
    after.leave()

    assert (before.abandon("given up"), after.abandon("given up")) == (True, False)
    with pytest.raises(attempt.ForbiddenError):
        before.leave()
    assert (before.left, after.left) == (False, True)


def test_an_attempt_whose_time_is_over_never_leaves() -> None:
    """A request that was held up until its time to connect was over is not sent."""
    late = attempt.Attempt(10.0, connect=0.0)
    late.begin()

    with pytest.raises(TimeoutError):
        late.leave()
    assert not late.left
