"""What the simulator's tests share: the real SDK, and requests signed by hand where the SDK is too polite."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from alibabacloud_ecs20140526.client import Client
from alibabacloud_tea_openapi.exceptions import AlibabaCloudException
from alibabacloud_tea_openapi.utils_models import Config

from safe_reinit.simulator import Simulator
from safe_reinit.simulator.state.clock import SimulatedClock

Simulate = Callable[..., "Still"]
"""Starts a simulator that ends with the test: world and the other arguments of Simulator."""

EMPTY = hashlib.sha256(b"").hexdigest()


def sdk(sim: Simulator, key: tuple[str, str] | None = None, token: str | None = None) -> Client:
    """Make a client of the real SDK."""
    key_id, secret = key or sim.access_key
    return Client(
        Config(
            endpoint=sim.endpoint,
            protocol="http",
            region_id=sim.region,
            access_key_id=key_id,
            access_key_secret=secret,
            security_token=token,
            read_timeout=3000,
        )
    )


def refused(call: Callable[[], object]) -> tuple[int, str]:
    """Return status and code of the error an SDK call raises."""
    with pytest.raises(AlibabaCloudException) as caught:
        call()
    return caught.value.status_code, caught.value.code


class StillClock(SimulatedClock):
    """A clock that stands still until somebody lets time pass."""

    moved = 0.0

    def now(self) -> float:
        """Return the start and what passed since."""
        return self.start + self.moved


class Still(Simulator):
    """A simulator whose time passes only where a test lets it pass: nothing is waited for, and nothing is hurried."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self.clock = StillClock(options.get("speed", 15.0))
        super().__init__(*args, clock=self.clock, **options)

    def pass_time(self, seconds: float) -> None:
        """Let simulated seconds pass."""
        self.clock.moved += seconds


def until(sim: Still, test: Callable[[], bool], step: float = 5.0, most: int = 2000) -> None:
    """Let time pass by steps of so many simulated seconds until it is so."""
    for _ in range(most):
        if test():
            return
        sim.pass_time(step)
    raise AssertionError("it did not happen in time")


@dataclass
class Answer:
    """What came back over HTTP."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """The body, decoded."""
        found: dict[str, Any] = json.loads(self.body)
        return found

    @property
    def code(self) -> str:
        """The error code, empty for a success."""
        return str(self.json.get("Code", ""))


def send(sim: Simulator, method: str, target: str, headers: dict[str, str] | None = None, body: bytes = b"") -> Answer:
    """Send one HTTP request as it is."""
    connection = http.client.HTTPConnection(sim.endpoint, timeout=5)
    try:
        connection.request(method, target, body=body, headers=headers or {})
        response = connection.getresponse()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
    finally:
        connection.close()


def signed(
    sim: Simulator,
    action: str,
    params: dict[str, str] | None = None,
    key: tuple[str, str] | None = None,
    method: str = "POST",
    **changes: str,
) -> tuple[str, dict[str, str]]:
    """Sign by the public description of ACS3-HMAC-SHA256, by itself; return target and headers.

    `changes` (underscores for hyphens) replace headers before they are signed; an empty one takes its header away.
    """
    key_id, secret = key or sim.access_key
    headers = {
        "host": sim.endpoint,
        "x-acs-action": action,
        "x-acs-version": "2014-05-26",
        "x-acs-date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "x-acs-signature-nonce": uuid.uuid4().hex,
        "x-acs-content-sha256": EMPTY,
        **{name.replace("_", "-"): value for name, value in changes.items()},
    }
    headers = {name: value for name, value in headers.items() if value}
    query = "&".join(f"{quote(k, safe='~')}={quote(v, safe='~')}" for k, v in sorted((params or {}).items()))
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    canonical = f"{method}\n/\n{query}\n{lines}\n{names}\n{headers.get('x-acs-content-sha256', EMPTY)}"
    to_sign = f"ACS3-HMAC-SHA256\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.new(secret.encode(), to_sign.encode(), hashlib.sha256).hexdigest()
    authorization = f"ACS3-HMAC-SHA256 Credential={key_id},SignedHeaders={names},Signature={signature}"
    return f"/?{query}" if query else "/", {**headers, "Authorization": authorization}


def call(
    sim: Simulator,
    action: str,
    params: dict[str, str] | None = None,
    key: tuple[str, str] | None = None,
    **changes: str,
) -> Answer:
    """Sign by hand and send; see `signed`."""
    target, headers = signed(sim, action, params, key, **changes)
    return send(sim, "POST", target, headers)
