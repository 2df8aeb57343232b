"""Credentials that are renewed at their source while a run goes on: later calls are signed with the new ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import safe_reinit
from safe_reinit.model import Event
from safe_reinit.simulator import Simulator
from tests import virtual

pytestmark = pytest.mark.virtual_time

WORLD = """
durations: {stop: 3, wipe: 4, start: 3, snapshot: 4}
keys:
  - {id: STS.old, secret: oldsecret, token: oldtoken}
  - {id: STS.new, secret: newsecret, token: newtoken}
images: {m-1: {}}
instances: {i-1: {name: web1}}
disks:
  d-sys: {instance: i-1, type: system, image: m-1}
  d-1: {instance: i-1}
"""
RISKS = ("no-recent-snapshot", "fstab-may-name-disk", "no-login-set")


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[Simulator]:
    """Start a world with two keys of one account."""
    file = tmp_path / "world.yaml"
    file.write_text(WORLD, "utf-8")
    with virtual.simulate(str(file)) as started:
        yield started


def configure(home: Path, name: str) -> None:
    """Write a profile with an STS token into the configuration of the aliyun CLI."""
    profile = {
        "name": "default",
        "mode": "StsToken",
        "access_key_id": f"STS.{name}",
        "access_key_secret": f"{name}secret",
        "sts_token": f"{name}token",
        "region_id": "cn-hangzhou",
    }
    folder = home / ".aliyun"
    folder.mkdir(exist_ok=True)
    part = folder / "part"
    part.write_text(json.dumps({"current": "default", "profiles": [profile]}), "utf-8")
    part.replace(folder / "config.json")


@pytest.mark.parametrize("after", ["StopInstance", "ReInitDisk", "StartInstance"])
def test_a_token_rewritten_in_its_file_signs_what_follows(simulator: Simulator, own_home: Path, after: str) -> None:
    """A run whose token expires after any of its calls, and was rewritten in the file, ends done."""
    configure(own_home, "old")
    client = safe_reinit.connect(region="cn-hangzhou", endpoint=simulator.url)
    plan = client.plan(["d-1"], stop_instance=True, accept=RISKS)

    def rewrite(event: Event) -> None:
        if event.event == "answer" and event.data["action"] == after:
            configure(own_home, "new")
            simulator.do({"expire_key": "STS.old"})

    report = client.run(plan, confirm=plan.confirm_with, on_event=rewrite)

    assert (report.outcome, report.exit_code) == ("done", 0)
    assert len(simulator.state()["disks"]["d-1"]["wipes"]) == 1
    assert simulator.state()["instances"]["i-1"]["status"] == "Running"


def test_a_plan_outlives_its_token(simulator: Simulator, own_home: Path) -> None:
    """A token that expires while the plan is made, and was rewritten in the file, does not end the plan."""
    configure(own_home, "old")
    client = safe_reinit.connect(region="cn-hangzhou", endpoint=simulator.url)
    seen: list[str] = []

    def rewrite(call: safe_reinit.Call) -> None:
        seen.append(call.code)
        if call.action == "DescribeDisks" and len(seen) == 2:
            configure(own_home, "new")
            simulator.do({"expire_key": "STS.old"})

    plan = client.plan(["d-1"], stop_instance=True, accept=RISKS, on_call=rewrite)

    assert plan.runnable


@pytest.mark.parametrize("code", ["InvalidTimeStamp.Expired", "InvalidSecurityToken.Expired", "InvalidAccessKeyId"])
@pytest.mark.parametrize("action", ["DescribeDisks", "GetCallerIdentity"])
def test_an_observation_refused_for_the_clock_or_the_key_is_made_again(
    simulator: Simulator, own_home: Path, action: str, code: str
) -> None:
    """A plan survives an observation that is refused once for the clock or the credentials."""
    configure(own_home, "old")
    simulator.do({"fault": {"action": action, "nth": 1, "error": {"code": code}}})
    client = safe_reinit.connect(region="cn-hangzhou", endpoint=simulator.url)

    plan = client.plan(["d-1"], stop_instance=True, accept=RISKS)

    assert plan.runnable
    assert [call["code"] for call in simulator.state()["calls"] if call["action"] == action][:1] == [code]
