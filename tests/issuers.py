"""Whoever gives out temporary keys, on loopback: STS, CloudSSO, OAuth, the metadata service, a credentials URI.

A proxy stands before them, so that the program asks them by their real names; what is for ECS goes on to a simulator.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import safe_reinit
from safe_reinit.errors import Error
from safe_reinit.model import Event, Report
from safe_reinit.simulator import Simulator
from tests import virtual
from tests.servers import Answer, Authority, Proxy, Request, Server, answer, forward, http

ACCOUNT, OTHER_ACCOUNT = "1000000000000001", "2000000000000002"
SIGN_IN = "https://signin-cn-shanghai.alibabacloudsso.com/acme/login"
HOSTS = (
    "ecs.cn-hangzhou.aliyuncs.com", "ecs-cn-hangzhou.aliyuncs.com", "sts.aliyuncs.com", "sts.cn-hangzhou.aliyuncs.com",
    "signin-cn-shanghai.alibabacloudsso.com", "oauth.aliyun.com", "ess.aliyuncs.com", "ebs.cn-hangzhou.aliyuncs.com",
    "kms.cn-hangzhou.aliyuncs.com",
)  # fmt: skip
"""Whom the certificate of the stand-in is for."""
ACTS = ("StopInstance", "StopInstances", "CreateSnapshot", "TagResources", "ReInitDisk", "ResetDisk")
RISKS = ("no-recent-snapshot", "fstab-may-name-disk")
ROLE = f"acs:ram::{ACCOUNT}:role/ops"
WORLD = """
durations: {stop: 3, wipe: 4, start: 3, snapshot: 4}
keys:
  - {id: LTAIfakemain, secret: fakemainsecret}
  - {id: STS.fakerole, secret: fakerolesecret, token: fakeroletoken}
  - {id: STS.fakenext, secret: fakenextsecret, token: fakenexttoken}
  - {id: LTAIfakeother, secret: fakeothersecret, account: "2000000000000002"}
images: {m-1: {}}
instances: {i-1: {name: web1}}
disks:
  d-sys: {instance: i-1, type: system, image: m-1}
  d-1: {instance: i-1}
"""
FIRST = ("STS.fakerole", "fakerolesecret", "fakeroletoken")
NEXT = ("STS.fakenext", "fakenextsecret", "fakenexttoken")
Row = dict[str, Any]


class Issuers(Server):
    """All of them at once.

    Attributes:
        key: what they give out: id, secret, token.
        lifetime: for how long.
        instead: an answer in the place of theirs, by who is asked.
        asked_for: who was asked for a key, in order.
        signers: which key signed each call that went on to ECS, with its action.

    """

    def __init__(self, simulator: Simulator) -> None:
        super().__init__(self._answer)
        self.key = FIRST
        self.lifetime = timedelta(hours=1)
        self.instead: dict[str, Callable[[], Answer]] = {}
        self.asked_for: list[str] = []
        self.signers: list[tuple[str, str]] = []
        self._simulator = simulator

    def _answer(self, request: Request) -> Answer:
        who = _who(request)
        if who == "ecs":
            signer = request.headers.get("authorization", "").partition("Credential=")[2].partition(",")[0]
            self.signers.append((request.action, signer))
            return forward(request, self._simulator.endpoint)
        if who != "imds-token":
            self.asked_for.append(who)
        if who in self.instead:
            return self.instead[who]()
        ends = (datetime.now(UTC) + self.lifetime).strftime("%Y-%m-%dT%H:%M:%SZ")
        given = {"AccessKeyId": self.key[0], "AccessKeySecret": self.key[1], "SecurityToken": self.key[2],
                 "Expiration": ends}  # fmt: skip
        bodies: Mapping[str, object] = {
            "assume": {"RequestId": "R", "Credentials": given},
            "oidc": {"RequestId": "R", "Credentials": given},
            "sso": {"RequestId": "R", "CloudCredential": given},
            "oauth": given,
            "uri": {"Code": "Success", **given},
            "role": {"Code": "Success", **given},
        }
        if who in bodies:
            return answer(200, bodies[who])
        words = {"imds-token": "fakeimdstoken", "roles": "EcsOps"}
        return Answer(http(200 if who in words else 404, words.get(who, ""), kind="text/plain"))

    def by(self, *actions: str) -> set[str]:
        """Return the keys that signed these calls to ECS."""
        return {signer for action, signer in self.signers if action in actions}


def _who(request: Request) -> str:
    """Return who is asked."""
    path, action = urlsplit(request.target).path, request.params.get("Action", "")
    if action in ("AssumeRole", "AssumeRoleWithOIDC"):
        return "assume" if action == "AssumeRole" else "oidc"
    if request.headers.get("host") == "100.100.100.200":
        roles = "/latest/meta-data/ram/security-credentials/"
        known = {"/latest/api/token": "imds-token", roles: "roles", f"{roles}EcsOps": "role"}
        return known.get(path, "nobody")
    return {"/cloud-credentials": "sso", "/v1/exchange": "oauth", "/cred": "uri"}.get(path, "ecs")


@dataclass(frozen=True)
class Surroundings:
    """A home, and an environment in which everything outside is played."""

    issuers: Issuers
    simulator: Simulator
    home: Path
    environment: Mapping[str, str]

    def profile(self, *rows: Row, current: str = "default", name: str = "config.json") -> Path:
        """Write a configuration of the aliyun CLI, all at once."""
        file = self.home / ".aliyun" / name
        file.parent.mkdir(exist_ok=True)
        part = file.with_suffix(".part")
        part.write_text(json.dumps({"current": current, "profiles": list(rows)}), "utf-8")
        part.replace(file)
        return file

    def ini(self, text: str) -> Path:
        """Write a credentials.ini."""
        file = self.home / ".alibabacloud" / "credentials.ini"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, "utf-8")
        return file


@contextmanager
def surroundings(folder: Path, trusted: Authority) -> Iterator[Surroundings]:
    """Play everything outside for as long as this is entered."""
    world, home = folder / "world.yaml", folder / "home"
    home.mkdir()
    world.write_text(WORLD, "utf-8")
    with (
        virtual.simulate(str(world), speed=1) as simulator,
        Issuers(simulator) as issuers,
        Proxy(issuers.endpoint, inner_tls=trusted.server) as proxy,
    ):
        environment = {
            "HOME": str(home),
            "HTTPS_PROXY": proxy.url,
            "HTTP_PROXY": issuers.url,
            "SSL_CERT_FILE": str(trusted.bundle),
            "SAFE_REINIT_REGION": "cn-hangzhou",
        }
        yield Surroundings(issuers, simulator, home, environment)


def ak(name: str = "default", which: str = "main") -> Row:
    """Return a profile with a key of its own."""
    return {"name": name, "mode": "AK", "access_key_id": f"LTAIfake{which}", "access_key_secret": f"fake{which}secret"}


def later(hours: float = 1) -> int:
    """Return a time that is not over."""
    return int((datetime.now(UTC) + timedelta(hours=hours)).timestamp())


def wipe(
    meanwhile: Callable[[], object], after: str = "StopInstance", retry: float = 300.0, *, credentials: Any = None
) -> Report:
    """Wipe a disk; after the first answer to a call something happens. Calls are tried again for ``retry`` seconds."""
    client = safe_reinit.connect(region="cn-hangzhou", credentials=credentials)
    plan = client.plan(["d-1"], stop_instance=True, accept=RISKS)
    plan = replace(plan, limits=replace(plan.limits, retry=retry))
    done: list[bool] = []

    def notify(event: Event) -> None:
        if event.event == "answer" and event.data["action"] == after and not done:
            done.append(True)
            meanwhile()

    try:
        return client.run(plan, confirm=plan.confirm_with, on_event=notify)
    except Error as error:
        if error.report is None:
            raise
        return error.report


def wipes(around: Surroundings) -> int:
    """Count the wipes of the disk."""
    return len(around.simulator.state()["disks"]["d-1"]["wipes"])


def instance_status(around: Surroundings) -> str:
    """Return the status of the machine."""
    return str(around.simulator.state()["instances"]["i-1"]["status"])
