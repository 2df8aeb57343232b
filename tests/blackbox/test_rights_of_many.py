"""The right to stop and to start is known before anything is stopped, of however many machines."""

from __future__ import annotations

import hashlib
import hmac
import json
import urllib.error
import urllib.parse
import urllib.request
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest

from safe_reinit.simulator import Simulator
from tests.commands import Command, command, state

FLEET_SIZE = 12
WORLD = {
    "instances": {f"i-{number}": {"name": f"lab{number}"} for number in range(FLEET_SIZE)},
    "disks": {f"d-{number}": {"instance": f"i-{number}"} for number in range(FLEET_SIZE)},
}
CHANGING = ("StopInstance", "StopInstances", "ReInitDisk", "StartInstance", "StartInstances")


def denying(*actions: str) -> dict[str, object]:
    """Return a world of twelve running machines whose key may not do these."""
    key = {"id": "testid", "secret": "testsecret", "deny": [{"action": f"ecs:{action}"} for action in actions]}
    return {**WORLD, "keys": [key]}


def changing(run: Command) -> list[str]:
    """Return the changing calls that reached the simulator."""
    return [call["action"] for call in run.calls() if call["action"] in CHANGING and not call["dry_run"]]


@pytest.mark.parametrize("verb", ["Start", "Stop"])
def test_a_key_that_may_not_is_refused_before_anything_is_stopped(tmp_path: Path, verb: str) -> None:
    """Twelve machines whose key may stop but not start them, or the other way round: exit 3, and no call was sent."""
    disks = [word for number in range(FLEET_SIZE) for word in ("--disk", f"d-{number}")]
    with Simulator(world=denying(f"{verb}Instance", f"{verb}Instances"), speed=1) as simulator:
        run = command(simulator.url, tmp_path)
        accept = ["--accept", "no-recent-snapshot", "--accept", "kept-snapshots"]
        done = run(*disks, "--stop-instance", "--dry-run", *accept, journal=tmp_path / "journal.db")

        assert done.returncode == 3, done.stderr
        assert f"not-allowed-to-{verb.lower()}" in done.stdout + done.stderr
        assert changing(run) == []
        assert {each["status"] for each in state(simulator.url)["instances"].values()} == {"Running"}


def sent(simulator: Simulator, action: str, **query: str) -> tuple[int, str]:
    """Send a request as a client of ECS would, signed by ACS3, and return the status and the code of the answer."""
    host, key, secret = simulator.endpoint, *simulator.access_key
    encoded = "&".join(f"{name}={urllib.parse.quote(value, safe='~')}" for name, value in sorted(query.items()))
    headers = {
        "host": host,
        "x-acs-action": action,
        "x-acs-content-sha256": hashlib.sha256(b"").hexdigest(),
        "x-acs-date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "x-acs-signature-nonce": uuid.uuid4().hex,
        "x-acs-version": "2014-05-26",
    }
    names = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    canonical = f"POST\n/\n{encoded}\n{lines}\n{names}\n{headers['x-acs-content-sha256']}"
    text = f"ACS3-HMAC-SHA256\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    headers["Authorization"] = f"ACS3-HMAC-SHA256 Credential={key},SignedHeaders={names},Signature={signature}"
    request = urllib.request.Request(f"{simulator.url}/?{encoded}", data=b"", headers=headers, method="POST")
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer).get("Code", "")
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)["Code"]


@pytest.mark.parametrize("action", ["StopInstances", "StartInstances"])
def test_the_simulator_answers_dry_runs_of_many_as_documented(action: str) -> None:
    """With SuccessFirst a dry run is a success whether or not it would pass; with AllTogether it says what is wrong."""
    query = {"RegionId": "cn-hangzhou", "InstanceId.1": "i-0", "InstanceId.2": "i-nowhere", "DryRun": "true"}
    with Simulator(world=denying(action), speed=1) as simulator:
        first = sent(simulator, action, **query, BatchOptimization="SuccessFirst")
        together = sent(simulator, action, **query, BatchOptimization="AllTogether")
        default = sent(simulator, action, **query)

    assert first[1] == "DRYRUN.SUCCESS"
    assert together == default
    assert together[1].startswith("Forbidden")
