"""STS does not say whose credentials these are: the plan is made, and no other credentials are used for its run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from safe_reinit.errors import RunRefused
from safe_reinit.simulator import Simulator
from tests.cloudlike import DATA, INSTANCE, accepted, client, killed, lab_world, resumed, run_plan, simulated, wipes
from tests.cloudlike import answered as answer_to

pytestmark = pytest.mark.virtual_time

UNAVAILABLE = {"code": "ServiceUnavailable", "status": 503, "message": "x"}
AWAY: dict[str, dict[str, Any]] = {
    "refused": {"error": UNAVAILABLE},
    "busy": {"error": {"code": "SystemBusy", "status": 400, "message": "x"}},
    "failed inside": {"error": {"code": "InternalError", "status": 500, "message": "x"}},
    "a page of a proxy": {"html": 502},
    "no answer": {"drop_request": True},
}


@contextmanager
def cloud(**fault: Any) -> Iterator[Simulator]:
    """Start a simulator that does so at each GetCallerIdentity, if anything."""
    faults = [{"action": "GetCallerIdentity", "nth": "every", **fault}] if fault else []
    with simulated(lab_world(durations={"stop": 2, "wipe": 6, "start": 2, "snapshot": 2}), faults) as sim:
        yield sim


@pytest.mark.parametrize("kind", AWAY)
def test_a_disk_is_wiped_though_the_caller_is_not_known(kind: str) -> None:
    """The plan says that it does not know the account, the run is done with the one key that there is."""
    with cloud(**AWAY[kind]) as sim:
        done = run_plan(sim, using=client(sim))
        state = sim.state()

    result = [found for found in done.plan.findings if found.subject == "GetCallerIdentity"]
    assert [(found.check, found.level) for found in result] == [("not-checked", "info")]
    assert (done.plan.account, done.report.account, done.report.caller) == ("", "", None)
    assert done.outcome == "done", done.report.error
    assert wipes(state, DATA) == 1
    assert state["instances"][INSTANCE]["status"] == "Running"


@pytest.mark.parametrize("times", [1, 3])
def test_a_caller_that_sts_names_at_last_is_known(times: int) -> None:
    """GetCallerIdentity is asked again within a limit."""
    with cloud() as sim:
        sim.do({"fault": {"action": "GetCallerIdentity", "times": times, "error": UNAVAILABLE}})
        plan = client(sim).plan([DATA], stop_instance=True)

    assert plan.runnable
    assert plan.account == "1000000000000001"


def test_credentials_that_are_refused_are_no_caller_that_is_not_known() -> None:
    """A code about credentials is told at once, and there is no plan."""
    unknown_key = {"code": "InvalidAccessKeyId.NotFound", "status": 404, "message": "x"}
    with cloud(error=unknown_key) as sim, pytest.raises(RunRefused, match="InvalidAccessKeyId"):
        client(sim).plan([DATA], stop_instance=True)


@pytest.mark.parametrize(
    "having",
    [{"require_answers": ("sts",)}, {"allow": {"accounts": ["1000000000000001"]}}],
    ids=["required", "allowed"],
)
def test_who_needs_to_know_the_caller_is_refused(having: dict[str, Any]) -> None:
    """A rule that names accounts allows no account that is not known, and a required look has to be answered."""
    with cloud(**AWAY["refused"]) as sim:
        plan = client(sim, having).plan([DATA], stop_instance=True)

    assert not plan.runnable
    assert {found.check for found in plan.blockers} <= {"could-not-check", "target-not-allowed"}


def test_two_runs_of_one_instance_are_refused_where_one_does_not_know_its_account() -> None:
    """The instance may be the same one, so a second run of it is not begun."""
    with cloud() as sim:
        first = client(sim)
        killed(sim, accepted("StopInstance"), using=first)
        sim.do({"fault": {"action": "GetCallerIdentity", "nth": "every", "error": UNAVAILABLE}})
        done = run_plan(sim, using=client(sim))
        state = sim.state()

    assert (done.report.exit_code, wipes(state, DATA)) == (3, 0)


@pytest.mark.parametrize("known", ["at the plan", "never"])
def test_a_machine_that_is_down_comes_back_though_the_caller_cannot_be_compared(known: str) -> None:
    """A killed run is resumed: ECS lists the machine, so it is started, and no disk is wiped unless callers agree."""
    fault = {"action": "GetCallerIdentity", "nth": "every", "error": UNAVAILABLE}
    with cloud() as sim:
        if known == "never":
            sim.do({"fault": fault})
        name = killed(sim, answer_to("StopInstance"), using=client(sim))
        if known == "at the plan":
            sim.do({"fault": fault})
        report = resumed(sim, name, using=client(sim))
        state = sim.state()

    assert report.outcome == "failed", report.error
    assert wipes(state, DATA) == 0
    assert state["instances"][INSTANCE]["status"] == "Running"
