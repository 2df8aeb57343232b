"""A call of which no byte left was not done: it may be sent, and it is not told as a fault of the network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from safe_reinit import Error, connect
from safe_reinit.clock import boottime
from safe_reinit.cloud import aliyun
from safe_reinit.cloud.aliyun import attempt
from safe_reinit.cloud.aliyun.sdk import Utils
from safe_reinit.cloud.connection import Connection
from safe_reinit.cloud.endpoints import parse
from safe_reinit.cloud.interface import NotSent, Unanswered
from safe_reinit.execution.records import may_send
from safe_reinit.journal import JournalError, LeaseLostError
from safe_reinit.model import Options, Secret
from tests import virtual
from tests.commands import until
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

    with pytest.raises(NotSent, match="access_key_id contains the character"):
        to.cloud.reinit_disk("d-1", Options())

    assert server.requests == []
    assert [call.code for call in to.calls] == ["NotSent"]


def test_a_parameter_that_cannot_be_sent_was_not_sent(gateway: Connect, serve: Serve) -> None:
    """A wipe with half a character in a parameter is NotSent, not lost, and is not told as a fault of the network."""
    server = serve(answer(200, {"RequestId": "R"}))
    to = gateway(server.url)

    with pytest.raises(NotSent, match=r"could not be made \(\w+Error\)") as raised:
        to.cloud.reinit_disk("d-1", Options(security_enhancement="Active\udcff"))

    assert server.requests == []
    assert "the network is not the cause" in raised.value.hint
    assert [call.code for call in to.calls] == ["NotSent"]


@pytest.mark.virtual_time
@each_key
def test_a_plan_with_such_a_key_does_not_speak_of_the_network(key: str) -> None:
    """A plan that cannot be made for its key says that nothing was sent and where to look, and repeats no key."""
    with virtual.simulate() as simulator:
        client = connect(region=simulator.region, endpoint=simulator.url, credentials=(key, "s"))
        with pytest.raises(Error) as raised:
            client.plan([DISK])

        text = f"{raised.value} {raised.value.hint}"
        assert simulator.state()["calls"] == []
    assert "Nothing was changed." in text
    assert "Check the network" not in text
    assert key not in text


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
        to.cloud.reinit_disk("d-1", Options())

    assert server.requests == []
    assert "Check the network" not in raised.value.hint
    assert "testsecret" not in f"{raised.value}{raised.value.hint}"


@pytest.mark.virtual_time
def test_a_wipe_that_could_not_be_signed_once_is_sent_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the wipe cannot be signed, and can a moment later, it is not lost: it is sent once, and the run is done."""
    sign = Utils.get_authorization
    failed: list[str] = []

    def fail_once(request: Any, *more: Any) -> Any:
        if request.headers["x-acs-action"] == "ReInitDisk" and not failed:
            failed.append("ReInitDisk")
            raise SdkError
        return sign(request, *more)

    monkeypatch.setattr(Utils, "get_authorization", fail_once)
    with virtual.simulate() as simulator:
        client = connect(region=simulator.region, endpoint=simulator.url, credentials=simulator.access_key)
        plan = client.plan([DISK], stop_instance=True)
        report = client.run(plan, confirm=plan.confirm_with)
        state = simulator.state()

    assert [call.code for call in report.calls if call.action == "ReInitDisk"] == ["NotSent", "OK"]
    assert (report.outcome, len(state["disks"][DISK]["wipes"])) == ("done", 1)


def test_what_fails_after_the_request_left_is_lost(
    gateway: Connect, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exception that nobody foresaw once the request is on its way is Unanswered, wherever it is raised."""
    server = serve(answer(200, {"RequestId": "R"}))
    to = gateway(server.url)

    def fail(*_: object) -> None:
        raise SdkError

    monkeypatch.setattr(attempt.RequestInProgress, "count", fail)
    with pytest.raises(Unanswered):
        to.cloud.reinit_disk("d-1", Options())

    assert len(server.requests) == 1


# ---------------------------------------------------------------------------------------- until the very last moment


def test_a_changing_call_can_be_forbidden_until_its_first_byte(serve: Serve) -> None:
    """What says whether the run may send is asked once the connection is made; a look is not asked about."""
    server = serve(answer(200, {"RequestId": "R", "Disks": {"Disk": []}}))
    asked: list[str] = []

    def may_send(action: str) -> str:
        until(lambda: server.connections == 1)
        asked.append(action)
        return "the run was given up"

    where = Connection(region="cn-hangzhou", endpoint=parse(server.url), access_key=("k", Secret("s")))
    cloud = aliyun.make_gateway(where, lambda _call: None, may_send)
    with pytest.raises(NotSent, match="the run was given up"):
        cloud.reinit_disk("d-1", Options())
    assert asked == ["ReInitDisk"]
    assert cloud.describe_disks(["d-1"]).items == ()
    cloud.close()

    assert [request.action for request in server.requests] == ["DescribeDisks"]
    assert asked == ["ReInitDisk"]


@pytest.mark.parametrize(
    "wipe",
    [lambda cloud, until: cloud.reinit_disk("d-1", Options(), until=until),
     lambda cloud, until: cloud.reset_disk("d-1", "s-1", until=until)],
    ids=["ReInitDisk", "ResetDisk"],
)  # fmt: skip
def test_a_wipe_that_was_held_up_never_leaves(gateway: Connect, serve: Serve, wipe: Callable[..., object]) -> None:
    """A wipe whose look became too old on the last steps, as in a paused process, is NotSent; in time, it is sent."""
    server = serve(answer(200, {"RequestId": "R"}))
    to = gateway(server.url)

    with pytest.raises(NotSent, match="the earlier observations had become too old"):
        wipe(to.cloud, boottime())
    assert server.requests == []
    wipe(to.cloud, boottime() + 3600)

    assert len(server.requests) == 1


def test_an_attempt_that_was_abandoned_never_leaves() -> None:
    """Abandoned before it left it can never leave; abandoned afterwards it says that it may have."""
    before, after = attempt.RequestInProgress(10.0), attempt.RequestInProgress(10.0)
    for each in (before, after):
        each.begin()
    after.leave()

    assert (before.abandon("given up"), after.abandon("given up")) == (True, False)
    with pytest.raises(attempt.ForbiddenError):
        before.leave()
    assert (before.left, after.left) == (False, True)


def test_an_attempt_whose_time_is_over_never_leaves() -> None:
    """A request that was held up until its time to connect was over is not sent."""
    late = attempt.RequestInProgress(10.0, connect=0.0)
    late.begin()

    with pytest.raises(TimeoutError):
        late.leave()
    assert not late.left


@pytest.mark.parametrize("action", ["StartInstance", "StartInstances", "UntagResources"])
def test_what_brings_a_machine_back_needs_no_journal(action: str) -> None:
    """Without a journal, or behind a lease that had run out, machines still come back; nothing else is sent."""
    for held in (True, False, JournalError("it is away")):
        lease: Any = Lease(held)
        assert may_send(lease, action) == ""
        assert bool(may_send(lease, "ReInitDisk")) is (held is not True)
    lost: Any = Lease(LeaseLostError("r-1"))
    assert may_send(lost, action) == "this process no longer holds run r-1"


class Lease:
    """A lease of which it is said whether it is held."""

    run_id = "r-1"
    held = None

    def __init__(self, held: bool | Exception) -> None:
        self._held = held

    def check(self) -> bool:
        """Tell, or raise."""
        if isinstance(self._held, Exception):
            raise self._held
        return self._held
