"""Faults: each kind, which call they strike, and what is refused about them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from alibabacloud_ecs20140526 import models as ecs
from alibabacloud_tea_openapi.exceptions import ThrottlingException

from safe_reinit.simulator import Simulator
from tests.simulator.support import Simulate, call, refused, sdk

WIPE = ecs.ReInitDiskRequest(disk_id="d-1")
ONE = {
    "instances": {"i-1": {"status": "Stopped"}, "i-2": {}},
    "disks": {"d-1": {"instance": "i-1"}, "d-2": {"instance": "i-2"}},
}


@pytest.mark.parametrize(
    ("fault", "done", "status"),
    [
        ({"drop_answer": True}, True, None),
        ({"delay": 0.05, "drop_answer": True}, True, None),
        ({"drop_request": True}, False, None),
        ({"reset": True}, False, None),
        ({"garble": True}, True, 200),
        ({"html": 502}, False, 502),
        ({"html_after": 503}, True, 503),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, dict) else "",
)
def test_answers_without_content(simulate: Simulate, fault: dict[str, Any], done: bool, status: int | None) -> None:
    """A lost, unreadable or foreign answer raises in the SDK, and the state alone tells whether the act was done."""
    sim = simulate(ONE, faults=[{"action": "ReInitDisk", **fault}])
    with pytest.raises(Exception) as caught:  # noqa: PT011 - the SDK has no common error for these
        sdk(sim).re_init_disk(WIPE)
    assert getattr(caught.value, "code", None) is None
    state = sim.state()
    assert len(state["disks"]["d-1"]["wipes"]) == int(done)
    kind = "drop_answer" if "drop_answer" in fault else next(iter(fault))
    (entry,) = state["calls"]
    assert (entry["http_status"], entry["fault"]) == (status, kind)


def test_an_error(simulate: Simulate) -> None:
    """An error fault answers its code and status with nothing done; a known code brings its own message."""
    faults = [
        {"action": "ReInitDisk", "error": {"code": "InternalError", "status": 500, "message": "Sorry."}},
        {"action": "ReInitDisk", "nth": 2, "error": {"code": "DiskCreatingSnapshot"}},
    ]
    sim = simulate(ONE, faults=faults)
    assert refused(lambda: sdk(sim).re_init_disk(WIPE)) == (500, "InternalError")
    answer = call(sim, "ReInitDisk", {"DiskId": "d-1"})
    assert answer.status == 403
    assert "not completed yet" in answer.json["Message"]
    assert sim.state()["disks"]["d-1"]["wipes"] == []


def test_throttling(simulate: Simulate) -> None:
    """Throttling has its code and, if asked for, the header that makes the SDK raise ThrottlingException."""
    faults = [
        {"action": "ReInitDisk", "throttle": {"retry_after": 7}},
        {"action": "ReInitDisk", "nth": 2, "throttle": True},
    ]
    client = sdk(simulate(ONE, faults=faults))
    with pytest.raises(ThrottlingException) as caught:
        client.re_init_disk(WIPE)
    assert (caught.value.code, caught.value.retry_after) == ("Throttling", 7)
    assert refused(lambda: client.re_init_disk(WIPE)) == (400, "Throttling")
    assert client.re_init_disk(WIPE).status_code == 200


def test_a_delay(simulate: Simulate) -> None:
    """A delay is in simulated seconds: the act is done at once, the answer comes later, no other call is held up."""
    sim = simulate(ONE, faults=[{"action": "ReInitDisk", "delay": 0.02}], speed=0.1)
    begin = time.monotonic()
    assert sdk(sim).re_init_disk(WIPE).status_code == 200
    assert time.monotonic() - begin >= 0.2
    assert len(sim.state()["disks"]["d-1"]["wipes"]) == 1


def test_a_delayed_answer_does_not_keep_the_simulator(simulate: Simulate) -> None:
    """Ending the simulator ends an answer that would come in an hour."""
    del simulate
    with Simulator(ONE, faults=[{"action": "ReInitDisk", "delay": 3600}], speed=1) as sim:
        client = sdk(sim)
        client._read_timeout = 100
        with pytest.raises(Exception, match="timed out"):
            client.re_init_disk(WIPE)


def strikes(sim: Simulator, calls: list[tuple[str, bool]]) -> list[int]:
    """Return the numbers of the stop calls that were struck, from 1."""
    codes = [
        call(sim, "StopInstance", {"InstanceId": name, "DryRun": "true" if dry else "false"}).code
        for name, dry in calls
    ]
    return [number for number, code in enumerate(codes, 1) if code == "Struck"]


@pytest.mark.parametrize(
    ("which", "struck"),
    [
        ({}, [1]),
        ({"nth": 3}, [3]),
        ({"nth": 2, "times": 3}, [2, 3, 4]),
        ({"nth": "every"}, [1, 2, 3, 4, 5, 6]),
        ({"nth": "every", "times": 2}, [1, 2]),
        ({"subject": "i-2"}, [2]),
        ({"subject": "i-2", "nth": 2}, [4]),
        ({"dry_run": True}, [3]),
        ({"dry_run": False, "nth": 3}, [5]),
        ({"dry_run": True, "subject": "i-2"}, [4]),
        ({"subject": "i-9"}, []),
    ],
)
def test_which_call_is_struck(simulate: Simulate, which: dict[str, Any], struck: list[int]) -> None:
    """Only calls that fit the action, the subject and the kind of run are counted, from when the fault was added."""
    sim = simulate(ONE)
    calls = [("i-1", False), ("i-2", False), ("i-1", True), ("i-2", True), ("i-1", False), ("i-2", False)]
    call(sim, "StopInstance", {"InstanceId": "i-1"})
    sim.do({"fault": {"action": "StopInstance", "error": {"code": "Struck", "status": 400}, **which}})
    assert strikes(sim, calls) == struck


def test_the_oldest_fault_strikes_first(simulate: Simulate) -> None:
    """Where two faults fit one call the older strikes; the younger has counted the call all the same."""
    faults = [
        {"action": "ReInitDisk", "error": {"code": "First"}},
        {"action": "ReInitDisk", "nth": "every", "error": {"code": "Second"}},
    ]
    sim = simulate(ONE, faults=faults)
    assert [call(sim, "ReInitDisk", {"DiskId": "d-1"}).code for _ in range(2)] == ["First", "Second"]


def test_a_bad_signature_is_not_counted(simulate: Simulate) -> None:
    """A call whose signature is wrong neither counts nor is struck."""
    sim = simulate(ONE, faults=[{"action": "ReInitDisk", "error": {"code": "Struck"}}])
    assert call(sim, "ReInitDisk", {"DiskId": "d-1"}, ("testid", "wrong")).code == "SignatureDoesNotMatch"
    assert call(sim, "ReInitDisk", {"DiskId": "d-1"}).code == "Struck"


def test_the_seed_decides_what_is_random(simulate: Simulate) -> None:
    """The same seed gives the same request ids and the same garbled bytes, another seed others."""
    found = []
    for seed in (1, 1, 2):
        sim = simulate(ONE, faults=[{"action": "ReInitDisk", "garble": True}], seed=seed)
        found.append(call(sim, "ReInitDisk", {"DiskId": "d-1"}).body)
    assert found[0] == found[1] != found[2]


def lucky(simulate: Simulate, faults: list[dict[str, Any]], seed: int, calls: int = 40) -> list[str]:
    """Return the codes of many looks."""
    sim = simulate(ONE, faults=faults, seed=seed)
    return [call(sim, "DescribeRegions").code for _ in range(calls)]


def test_chance(simulate: Simulate) -> None:
    """The seed decides which calls are struck: the same ones each time, others with another seed, about so many."""
    fault = {"action": "*", "chance": 0.3, "error": {"code": "Struck"}}
    first, again, other = (lucky(simulate, [fault], seed) for seed in (5, 5, 6))
    assert first == again != other
    assert 4 <= first.count("Struck") <= 20
    # Another fault, and a disturbance of the other dice by a garbled body, do not change its luck.
    garble = {"action": "GetCallerIdentity", "garble": True}
    assert lucky(simulate, [fault, garble], 5) == first


def test_chance_of_some_calls(simulate: Simulate) -> None:
    """With nth and times only those calls have a chance, and a chance of 1 is certain."""
    fault = {"action": "DescribeRegions", "nth": 2, "times": 3, "chance": 1, "error": {"code": "Struck"}}
    assert [n for n, code in enumerate(lucky(simulate, [fault], 0, 8), 1) if code] == [2, 3, 4]


def test_chance_over_do(simulate: Simulate) -> None:
    """A fault that is added later has the same luck under the same seed."""
    found = []
    for _ in range(2):
        sim = simulate(ONE, seed=3)
        sim.do({"fault": {"action": "DescribeRegions", "chance": 0.5, "throttle": True}})
        found.append([call(sim, "DescribeRegions").code for _ in range(20)])
    assert found[0] == found[1]
    assert set(found[0]) == {"", "Throttling"}


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"action": "ReInitDisk", "chance": 0, "reset": True}, "fault 1: chance"),
        ({"action": "ReInitDisk", "chance": 1.5, "reset": True}, "fault 1: chance"),
        ({"action": "ReInitDisk"}, "exactly one of"),
        ({"action": "ReInitDisk", "reset": True, "garble": True}, "exactly one of"),
        ({"action": "ReInitDisk", "reset": False}, "fault 1: reset"),
        ({"action": "ReInitDisk", "reset": True, "nht": 2}, "fault 1: nht: this member is not known"),
        ({"action": "ReInitDisk", "error": {"status": 500}}, "fault 1: error.code: Field required"),
        ({"action": "ReInitDisk", "reset": True, "nth": 0}, "fault 1: nth"),
        ({"action": "WipeDisk", "reset": True}, "there is no action WipeDisk here"),
        ("reset", "fault 1: the document"),
    ],
)
def test_faults_that_are_not_valid(simulate: Simulate, fault: object, words: str) -> None:
    """A fault with an unknown key, no kind or two is refused in one sentence that has its path."""
    with pytest.raises(ValueError, match="The faults are not valid") as caught:
        simulate(ONE, faults=[fault])
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_all_mistakes_of_a_fault_file_at_once(simulate: Simulate, tmp_path: Path) -> None:
    """A fault file is YAML, and all its mistakes are told together."""
    file = tmp_path / "faults.yaml"
    file.write_text("- {action: ReInitDisk, reset: true, a: 1}\n- {action: ReInitDisk, b: 2, html: 502}\n")
    with pytest.raises(ValueError, match=r"fault 1: a: .*fault 2: b: "):
        simulate(ONE, faults=file)
    file.write_text("action: ReInitDisk\n")
    with pytest.raises(ValueError, match="they must be a list"):
        simulate(ONE, faults=str(file))
