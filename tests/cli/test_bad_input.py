"""Bad input on the command line: one clear sentence, the right exit code, one document, nothing changed."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
import yaml

from safe_reinit import simulator as simulator_package
from safe_reinit.cloud.aliyun.attempt import Reply, RequestInProgress
from safe_reinit.simulator import Simulator
from safe_reinit.simulator.wire.request import RawRequest
from tests import virtual
from tests.conftest import KEY, CommandLine, Ended, changing, where_is
from tests.servers import Answer, Authority, Proxy, Server, forward, http, refused_port

pytestmark = pytest.mark.virtual_time

MEMBERS = {
    "schema", "tool_version", "run_id", "outcome", "exit_code", "dry_run", "started_at", "ended_at", "region",
    "account", "caller", "operator", "reason", "plan", "jobs", "error", "findings", "calls", "omitted_reads", "next",
    "simulated", "once", "already_done", "warnings",
}  # fmt: skip
OUTCOMES = {2: "usage", 3: "refused"}
DISK = ("--disk", "d-sim-web1-data", "--stop-instance")
CONFIRMED = (*DISK, "--confirm", "d-sim-web1-data")
ELSEWHERE = {"SAFE_REINIT_ENDPOINT": "https://ecs.test.invalid", "SAFE_REINIT_TIME_SCALE": ""}


@dataclass(frozen=True)
class Case:
    """One misuse, and what is to come of it."""

    argv: tuple[str, ...]
    code: int
    words: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    do: tuple[dict[str, Any], ...] = ()


CASES: dict[str, Case] = {
    # Where.
    "unknown-region": Case((*CONFIRMED, "--region", "xx-nowhere-1"), 3, ("InvalidRegion", "--region (xx-nowhere-1)")),
    "malformed-region": Case((*CONFIRMED, "--region", "Hangzhou"), 2, ("--region", "cn-hangzhou")),
    "no-region": Case(CONFIRMED, 2, ("region", "--region"), {"SAFE_REINIT_REGION": ""}),
    "disk-of-another-region": Case((*CONFIRMED, "--region", "cn-shanghai"), 3, ("disk-not-found", "d-sim-web1-data")),
    "plain-http": Case((*CONFIRMED, "--endpoint", "http://ecs.test.invalid"), 2, ("http", "https://")),
    "endpoint-with-password": Case((*CONFIRMED, "--endpoint", "https://u:p@h"), 2, ("--endpoint",)),
    "scale-elsewhere": Case(CONFIRMED, 2, ("SAFE_REINIT_TIME_SCALE",), {**ELSEWHERE, "SAFE_REINIT_TIME_SCALE": "10"}),
    "scale-nonsense": Case(CONFIRMED, 2, ("SAFE_REINIT_TIME_SCALE",), {"SAFE_REINIT_TIME_SCALE": "fast"}),
    "ca-bundle-missing": Case((*CONFIRMED, "--ca-bundle", "no.pem"), 2, ("no.pem", "--ca-bundle")),
    # Who.
    "no-credentials": Case(CONFIRMED, 2, ("credentials",), {"ALIBABA_CLOUD_ACCESS_KEY_ID": ""}),
    "no-such-profile": Case((*CONFIRMED, "--profile", "nobody"), 2, ("credentials",)),
    "wrong-secret": Case(CONFIRMED, 3, ("SignatureDoesNotMatch",), {"ALIBABA_CLOUD_ACCESS_KEY_SECRET": "wrong"}),
    "wrong-key": Case(CONFIRMED, 3, ("InvalidAccessKeyId",), {"ALIBABA_CLOUD_ACCESS_KEY_ID": "wrong"}),
    "no-right-to-look": Case(
        CONFIRMED, 3, ("could-not-check", "ecs:DescribeDisks"), do=({"deny": {"action": "ecs:DescribeDisks"}},)
    ),
    "no-right-to-stop": Case(
        CONFIRMED, 3, ("not-allowed-to-stop",), do=({"deny": {"action": "ecs:StopInstance"}},)
    ),
    "clock-off": Case(
        CONFIRMED, 3, ("InvalidTimeStamp.Expired", "clock"),
        do=({"fault": {"action": "GetCallerIdentity", "nth": "every", "error": {"code": "InvalidTimeStamp.Expired"}}},),
    ),
    # What.
    "no-disk": Case(("--stop-instance",), 2, ("disk", "--disk")),
    "an-instance-id": Case(("--disk", "i-sim-web1"), 2, ("is an instance: use --instance i-sim-web1 with --system",)),
    "a-disk-as-instance": Case(("--instance", "d-1", "--data-disks"), 2, ("d-1 is a disk: use --disk d-1.",)),
    "a-list-of-instances": Case(("--instance", "i-1,i-2", "--data-disks"), 2, ("Repeat --instance for each",)),
    "an-instance-not-there": Case(("--instance", "i-nope", "--data-disks"), 3, ("ECS shows no instance i-nope.",)),
    "a-bare-prefix": Case(("--disk", "d-"), 2, ("--disk",)),
    "spaces-in-the-id": Case(("--disk", "d-sim web1"), 2, ("--disk",)),
    "a-list-of-ids": Case(("--disk", "d-1,d-2"), 2, ("Repeat --disk for each disk.",)),
    "an-empty-id": Case(("--disk", ""), 2, ("--disk",)),
    "not-ascii": Case(("--disk", "d-シム"), 2, ("--disk",)),
    "other-instance": Case((*CONFIRMED, "--expect-instance", "i-sim-db1"), 3, ("disk-on-other-instance",)),
    "stopping-not-allowed": Case((*DISK[:2], "--confirm", DISK[1]), 3, ("instance-running", "--stop-instance")),
    # Consent.
    "wrong-confirm": Case((*DISK, "--confirm", "d-sim-web1-sys"), 3, ("--confirm", "d-sim-web1-data")),
    "empty-confirm": Case((*DISK, "--confirm", ""), 3, ("--confirm",)),
    "nobody-to-ask": Case(DISK, 3, ("terminal", "--confirm d-sim-web1-data")),
    "unknown-accept": Case((*CONFIRMED, "--accept", "everything"), 2, ("everything", "checks")),
    "accept-of-a-block": Case((*CONFIRMED, "--accept", "disk-locked"), 3, ("disk-locked", "block")),
    # The environment consents to nothing.
    "confirm-in-the-environment": Case(DISK, 3, ("terminal",), {"SAFE_REINIT_CONFIRM": "d-sim-web1-data"}),
    "disk-in-the-environment": Case(("--verbose",), 2, ("disk",), {"SAFE_REINIT_DISK": "d-sim-web1-data"}),
    "stop-in-the-environment": Case(
        (*DISK[:2], "--confirm", DISK[1]), 3, ("instance-running",), {"SAFE_REINIT_STOP_INSTANCE": "true"}
    ),
    "accept-in-the-environment": Case(
        ("--disk", "d-sim-category-unknown", "--confirm", "d-sim-category-unknown"), 3, ("category-unknown",),
        {"SAFE_REINIT_ACCEPT": "category-unknown"},
    ),
    # Files.
    "yaml-error": Case((*CONFIRMED, "--config", "broken.yaml"), 2, ("broken.yaml", "line 3")),
    "unknown-key": Case((*CONFIRMED, "--config", "unknown.yaml"), 2, ("unknown.yaml", "speed")),
    "accept-in-the-file": Case((*CONFIRMED, "--config", "accept.yaml"), 2, ("accept.yaml", "accept", "stop_instance")),
    "world-writable": Case((*CONFIRMED, "--config", "writable.yaml"), 2, ("writable.yaml", "chmod")),
    "not-text": Case((*CONFIRMED, "--config", "binary.yaml"), 2, ("binary.yaml",)),
    "no-such-file": Case((*CONFIRMED, "--config", "no.yaml"), 2, ("no.yaml",)),
    "yaml-impossible-date": Case(
        (*CONFIRMED, "--config", "date.yaml"), 2, ("date.yaml",)
    ),
    "misspelt-key": Case((*CONFIRMED, "--config", "misspelt.yaml"), 2, ("max-disk is not", "did you mean max_disks?")),
    "no-faults": Case(
        (*CONFIRMED, "--simulate", "--faults", "unknown.yaml"), 2,
        ("The faults in unknown.yaml are not valid: they must be a list.", "Correct --faults."),
    ),
    "misspelt-fault": Case(
        (*CONFIRMED, "--simulate", "--faults", "fault.yaml"), 2, ("faults in fault.yaml", "fault 1: drop: this member"),
    ),
    "no-such-world": Case((*CONFIRMED, "--world", "no.yaml"), 2, ("no.yaml",)),
    "no-world": Case(
        (*CONFIRMED, "--world", "unknown.yaml"), 2, ("The world in unknown.yaml", "speed", "Correct --world.")
    ),
    # The command line.
    "unknown-option": Case((*CONFIRMED, "--yes"), 2, ("--yes",)),
    "force": Case((*CONFIRMED, "--force"), 2, ("--force",)),
    "unknown-command": Case(("wipe", *CONFIRMED), 2, ("wipe",)),
    "option-before-command": Case((*DISK, "plan"), 2, ("--disk", "plan")),
    "switch-before-command": Case(("--verbose", "checks"), 2, ("--verbose", "checks")),
    "option-without-value": Case(("--disk",), 2, ("--disk",)),
    "plan-with-confirm": Case(("plan", *CONFIRMED), 2, ("--confirm",)),
    "cut-after-the-stop": Case(
        (*CONFIRMED, "--force-stop-after", "20m"), 2,
        ("--force-stop-after (20m) is not shorter than --timeout-stop (10m)", "never be cut"),
    ),
    "unit-of-a-duration": Case((*CONFIRMED, "--timeout-stop", "5min"), 2, ("or 2h: '5min'. Correct the value.",)),
    "no-number": Case((*CONFIRMED, "--max-parallel", "zero"), 2, ("not a whole number of at least 1: 'zero'",)),
    "setting-as-option": Case(
        (*CONFIRMED, "--snapshot-retention", "30d"), 2, ("snapshot_retention is a setting of the configuration file",)
    ),
    "simulate-with-endpoint": Case((*CONFIRMED, "--simulate", "--endpoint", "127.0.0.1:1"), 2, ("Leave out --endp",)),
    "misspelt-action": Case(
        (*CONFIRMED, "--simulate", "--faults", "action.yaml"), 2, ("fault 1: action: ", "(did you mean ReInitDisk?)")
    ),
    "transposed-key": Case((*CONFIRMED, "--config", "regoin.yaml"), 2, ("regoin is not", "did you mean region?")),
    "bare-number": Case((*CONFIRMED, "--timeout-stop", "600"), 2, ("--timeout-stop", "10m")),
    "bare-number-in-the-environment": Case(
        CONFIRMED, 2, ("SAFE_REINIT_TIMEOUT_STOP",), {"SAFE_REINIT_TIMEOUT_STOP": "600"}
    ),
    "report-of-another-kind": Case((*CONFIRMED, "--report", "r.pdf"), 2, ("--report", ".json, .md, .html or .txt")),
    "report-in-no-folder": Case((*CONFIRMED, "--report", "nowhere/r.json"), 2, ("nowhere/r.json", "--report")),
    "report-under-a-file": Case((*CONFIRMED, "--report", "unknown.yaml/r.json"), 2, ("--report",)),
    "events-in-no-folder": Case((*CONFIRMED, "--events", "nowhere/e.jsonl"), 2, ("--events",)),
    "events-and-json-on-stdout": Case((*CONFIRMED, "--events", "-"), 2, ("--events", "stdout")),
    "security-enhancement": Case((*CONFIRMED, "--security-enhancement", "on"), 2, ("Active",)),
    "password-stdin-without-confirm": Case((*DISK, "--password-stdin"), 2, ("--password-stdin", "--confirm")),
    "password-stdin-empty": Case((*CONFIRMED, "--password-stdin"), 2, ("password", "stdin")),
    "password-env-empty": Case((*CONFIRMED, "--password-env", "NO_SUCH"), 2, ("NO_SUCH", "--password-env")),
    "two-passwords": Case((*CONFIRMED, "--password-env", "HOME", "--password-stdin"), 2, ("--password-env",)),
    "password-for-a-data-disk": Case((*CONFIRMED, "--password-env", "KEEP"), 3, ("option-for-system-disk-only",),
                                     {"KEEP": "Abcdef12!"}),
    "explain-nothing": Case(("explain", "everything"), 2, ("everything", "checks")),
    "half-an-endpoint": Case(
        (*CONFIRMED, "--endpoint", "[::1"), 2, ("--endpoint",)
    ),
}  # fmt: skip

FILES = {
    "broken.yaml": b"region: cn-hangzhou\nreason: [\n",
    "unknown.yaml": b"speed: 3\n",
    "misspelt.yaml": b"max-disk: 3\n",
    "regoin.yaml": b"regoin: cn-hangzhou\n",
    "action.yaml": b"- {action: ReInitDsk, reset: true}\n",
    "fault.yaml": b"- {action: ReInitDisk, drop: true}\n",
    "accept.yaml": b"accept: [never-started]\nstop_instance: true\n",
    "writable.yaml": b"quiet: true\n",
    "binary.yaml": b"\xff\xfe\x00\x01",
    "date.yaml": b"reason: 2026-13-45\n",
}


def judge(ended: Ended, code: int, words: tuple[str, ...]) -> dict[str, Any]:
    """Hold what a child said against what every failure owes, and give its document."""
    assert ended.code == code, ended.err
    assert len(ended.sentences) == 1, ended.err
    assert "Traceback" not in ended.err + ended.out
    for word in words:
        assert word in ended.sentences[0]
    document = ended.document
    assert set(document) == MEMBERS
    assert (document["exit_code"], document["outcome"], document["schema"]) == (code, OUTCOMES[code], 1)
    assert document["error"]["message"]
    assert document["error"]["hint"]
    assert "testsecret" not in ended.err + ended.out
    return document


@pytest.mark.parametrize("name", list(CASES))
def test_bad_input_ends_in_one_clear_sentence(command_line: CommandLine, simulator: Simulator, name: str) -> None:
    """One sentence on stderr, the right exit code, one document on stdout, no traceback, and nothing changed."""
    case = CASES[name]
    for file, content in FILES.items():
        (command_line.home / file).write_bytes(content)
    (command_line.home / "writable.yaml").chmod(0o666)
    for action in case.do:
        simulator.do(action)
    where = {**where_is(simulator), "SAFE_REINIT_OUTPUT": "json"}

    judge(command_line(*case.argv, env={**KEY, **where, **case.env}), case.code, case.words)
    assert changing(simulator) == []
    if case.code == 2:
        assert simulator.state()["calls"] == []


# --------------------------------------------------------------------------------------------- no way to the cloud


@contextmanager
def broken(name: str, trusted: Authority) -> Iterator[dict[str, str]]:
    """Break the way to the cloud; give the environment that goes it."""
    page, forbids = (http(status, "<html>", kind="text/html") for status in (200, 403))
    with ExitStack() as stack:
        match name:
            case "dead-proxy":
                yield {"HTTPS_PROXY": f"http://127.0.0.1:{refused_port()}"}
            case "page-of-a-proxy" | "proxy-forbids":
                greeting = page if name == "page-of-a-proxy" else forbids
                yield {"HTTPS_PROXY": stack.enter_context(Proxy(greeting=greeting)).url}
            case "no-such-name":
                yield {}
            case "date-is-off":
                world = stack.enter_context(virtual.simulate())
                cloud = stack.enter_context(Server(lambda request: ahead(forward(request, world.endpoint))))
                proxy = stack.enter_context(Proxy(cloud.endpoint, inner_tls=trusted.server))
                yield {"HTTPS_PROXY": proxy.url, "SAFE_REINIT_CA_BUNDLE": str(trusted.bundle)}
                assert world.state()["calls"]
                assert changing(world) == []
            case "no-credentials":
                proxy = stack.enter_context(Proxy(greeting=b""))
                off = {"ALIBABA_CLOUD_ACCESS_KEY_ID": "", "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true"}
                yield {**off, "HTTPS_PROXY": proxy.url}


def ahead(reply: Answer) -> Answer:
    """Set the clock of an answer ahead."""
    later = format_datetime(datetime.fromtimestamp(time.time(), UTC) + timedelta(minutes=20), usegmt=True).encode()
    return replace(reply, data=re.sub(rb"\r\nDate: [^\r]*", b"\r\nDate: " + later, reply.data))


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("dead-proxy", 3, ("proxy",)),
        ("page-of-a-proxy", 3, ("proxy", "TLS")),
        ("proxy-forbids", 3, ("proxy",)),
        ("no-such-name", 3, ("name of the endpoint cannot be resolved", "--endpoint")),
        ("date-is-off", 3, ("clock-off", "clock")),
        ("no-credentials", 2, ("credentials", "ALIBABA_CLOUD_ACCESS_KEY_ID")),
    ],
)
def test_no_way_to_the_cloud(
    command_line: CommandLine, test_authority: Authority, name: str, code: int, words: tuple[str, ...]
) -> None:
    """A way to the cloud that is broken is named in one sentence, after a few tries and before anything is changed."""
    base = {**KEY, **ELSEWHERE, "SAFE_REINIT_REGION": "cn-hangzhou", "SAFE_REINIT_OUTPUT": "json"}
    with broken(name, test_authority) as way:
        judge(command_line(*CONFIRMED, env={**base, **way}), code, words)


# ------------------------------------------------------------------------------------------------ beside the table


def test_a_dead_proxy_is_no_matter_on_loopback(command_line: CommandLine, simulator: Simulator) -> None:
    """A proxy that is not there is not asked for what is on this machine."""
    dead = f"http://127.0.0.1:{refused_port()}"
    proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"), dead)
    with Server(lambda request: forward(request, simulator.endpoint)) as cloud:
        there = ("--region", "cn-hangzhou", "--endpoint", cloud.url)
        ended = command_line("plan", *DISK, *there, env={**KEY, **proxies})

    assert ended.code == 0, ended.err


def expiring() -> dict[str, Any]:
    """Return the default world with one more key, a temporary one."""
    path = Path(simulator_package.__file__).parent / "default_world.yaml"
    world: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    world["keys"].append({"id": "STS.temporary", "secret": "temporary", "token": "token"})
    return world


TEMPORARY = {
    "ALIBABA_CLOUD_ACCESS_KEY_ID": "STS.temporary",
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "temporary",
    "ALIBABA_CLOUD_SECURITY_TOKEN": "token",
    "SAFE_REINIT_REGION": "cn-hangzhou",
    "SAFE_REINIT_OUTPUT": "json",
    "SAFE_REINIT_TIMEOUT_STOP": "2m",
    "SAFE_REINIT_TIMEOUT_START": "2m",
}


def test_a_token_that_expired_before(command_line: CommandLine) -> None:
    """An expired token ends 3 at the first look, and the machine runs on."""
    with virtual.simulate(expiring()) as simulator:
        simulator.do({"expire_key": "STS.temporary"})
        ended = command_line(*CONFIRMED, env={**TEMPORARY, "SAFE_REINIT_ENDPOINT": simulator.url})

        judge(ended, 3, ("InvalidSecurityToken", "credentials"))
        assert changing(simulator) == []


def assert_stranded(simulator: Simulator, code: int, out: str, err: str) -> None:
    """Hold the end of a run that went blind after its stop against what it owes."""
    ended = Ended(code, out, err)
    document = ended.document

    assert (code, document["outcome"]) == (8, "stranded")
    assert document["jobs"][0]["disks"][0]["data"] == "untouched"
    assert document["jobs"][0]["power_promised"] == "Running"
    assert document["jobs"][0]["power_after"] != "Running"
    assert changing(simulator) == ["StopInstance"]
    assert len(ended.sentences) == 1
    assert "Traceback" not in err


def test_a_token_that_expires_after_the_stop(command_line: CommandLine) -> None:
    """A token that expires while the machine is down ends 8: no wipe, power not as promised, and what to do now."""
    with virtual.simulate({**expiring(), "durations": {"stop": 60}}) as simulator:
        with command_line.start(*CONFIRMED, env={**TEMPORARY, "SAFE_REINIT_ENDPOINT": simulator.url}) as child:
            assert child.stderr is not None
            seen = iter(child.stderr.readline, "")
            before = "".join(takewhile(lambda line: "is Stopping" not in line, seen))
            simulator.do({"expire_key": "STS.temporary"})
            out, err = child.communicate()

        assert_stranded(simulator, child.returncode, out, before + err)


class Late:
    """The way to a simulator on which a look that a run begins while it stops its machine is answered after the stop.

    Attributes:
        held: what such looks were answered.
    """

    def __init__(self, simulator: Simulator) -> None:
        self.held: list[bytes] = []
        self._simulator = simulator
        self._stopping = False
        self._looked, self._stopped = threading.Event(), threading.Event()
        lines = virtual.current().connections
        self._line = lines[simulator.endpoint]
        lines[simulator.endpoint] = self

    def send(self, attempt: RequestInProgress, raw: RawRequest) -> Reply:
        """Send one request; once the machine is stopped all are refused."""
        given = dict(raw.pairs)
        if raw.headers["x-acs-action"] == "StopInstance" and given.get("DryRun", "False") == "False":
            self._stopping = True
            assert self._looked.wait(10)
            text = self._line.send(attempt, raw)
            self._simulator.do({"expire_key": "STS.temporary"})
            self._stopped.set()
            return text
        older = self._stopping and not self._stopped.is_set() and raw.headers["x-acs-action"] == "DescribeInstances"
        text = self._line.send(attempt, raw)
        if older:
            self._looked.set()
            assert self._stopped.wait(10)
            time.sleep(0.3)
            self.held.append(text.body)
        return text


def test_an_observation_that_is_older_than_the_stop_is_not_believed(command_line: CommandLine) -> None:
    """A look that was begun before the stop and answered after it does not make a stopped machine a running one."""
    with virtual.simulate(expiring()) as simulator:
        late = Late(simulator)
        ended = command_line(*CONFIRMED, env={**TEMPORARY, "SAFE_REINIT_ENDPOINT": simulator.url})

        assert [b"Running" in body for body in late.held] == [True]
        assert_stranded(simulator, ended.code, ended.out, ended.err)


@pytest.mark.parametrize("name", ["wrong-confirm", "wrong-secret"])
def test_a_refusal_tells_what_was_asked(command_line: CommandLine, simulator: Simulator, name: str) -> None:
    """The document of a run refused after its looks has these looks and the region, as every exchange is told."""
    where = {"SAFE_REINIT_ENDPOINT": simulator.url, "SAFE_REINIT_REGION": "cn-hangzhou", "SAFE_REINIT_OUTPUT": "json"}

    document = command_line(*CASES[name].argv, env={**KEY, **where, **CASES[name].env}).document

    assert document["region"] == "cn-hangzhou"
    assert "GetCallerIdentity" in [call["action"] for call in document["calls"][:2]]  # and DescribeDisks, at once


@pytest.mark.real_time
def test_a_closed_stdin_is_no_terminal(command_line: CommandLine, simulator: Simulator) -> None:
    """A child without any stdin at all has nobody to ask, which is 3."""
    where = {"SAFE_REINIT_ENDPOINT": simulator.url, "SAFE_REINIT_REGION": "cn-hangzhou", "SAFE_REINIT_OUTPUT": "json"}

    ended = command_line(*DISK, env={**KEY, **where}, preexec_fn=lambda: os.close(0))

    judge(ended, 3, ("--confirm",))
