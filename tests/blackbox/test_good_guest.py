"""A program that uses the library keeps its own SDK clients, loggers and modules as they were, and may fork."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from alibabacloud_ecs20140526 import models
from alibabacloud_ecs20140526.client import Client as Ecs
from alibabacloud_tea_openapi.exceptions import AlibabaCloudException
from alibabacloud_tea_openapi.utils_models import Config
from darabonba.exceptions import UnretryableException
from darabonba.runtime import RuntimeOptions

from safe_reinit.model import Options
from tests.conftest import Connect, Serve
from tests.servers import Answer, Authority, answer, http
from tests.values import recoverable

NO_DISKS = {"RequestId": "REQ-1", "Disks": {"Disk": []}}


def theirs(endpoint: str, **options: Any) -> Any:
    """Ask for disks as the host program does, with an SDK client of its own."""
    scheme, _, host = endpoint.partition("://")
    config = Config(access_key_id="k", access_key_secret="s", region_id="cn-hangzhou", endpoint=host, protocol=scheme)
    request = models.DescribeDisksRequest(region_id="cn-hangzhou")
    return Ecs(config).describe_disks_with_options(request, RuntimeOptions(**options)).body


# ---------------------------------------------------------------------------------------------------- its own client


def test_their_client_keeps_its_proxy(gateway: Connect, serve: Serve) -> None:
    """After we asked a host directly, the program's own client to that host still goes through its own proxy."""
    server, proxy = serve(answer(200, NO_DISKS)), serve(answer(200, NO_DISKS))
    gateway(server.url).cloud.describe_disks(["d-1"])

    theirs(server.url, http_proxy=proxy.url)

    assert (len(server.requests), len(proxy.requests)) == (1, 1)


def test_their_client_keeps_its_trust(gateway: Connect, serve: Serve, test_authority: Authority) -> None:
    """After we trusted a CA bundle, the program's own client trusts the host no more than before, and as it is told."""
    server = serve(answer(200, NO_DISKS), tls=test_authority.server)
    gateway(server.url, ca_bundle=str(test_authority.bundle)).cloud.describe_disks(["d-1"])

    with pytest.raises((UnretryableException, AlibabaCloudException)):
        theirs(server.url)
    assert theirs(server.url, ca=str(test_authority.bundle)).request_id == "REQ-1"


def test_their_client_follows_redirects(gateway: Connect, serve: Serve) -> None:
    """The program's own client follows a redirect, also of a host whose redirects we did not follow."""
    elsewhere = serve(answer(200, NO_DISKS))
    server = serve(
        lambda request: (
            answer(200, NO_DISKS)
            if "safe-reinit" in request.headers["user-agent"]
            else Answer(http(307, "", headers={"Location": f"{elsewhere.url}/"}))
        )
    )
    gateway(server.url).cloud.describe_disks(["d-1"])

    assert theirs(server.url).request_id == "REQ-1"
    assert len(elsewhere.requests) == 1


def test_their_loggers_still_speak(gateway: Connect, serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """The program's own requests are logged by urllib3 as before, and ours are not logged at all."""
    server = serve(answer(200, NO_DISKS))
    caplog.set_level(logging.DEBUG)
    gateway(server.url).cloud.reinit_disk("d-secret", Options())
    assert [record.name for record in caplog.records if not record.name.startswith("safe_reinit")] == []

    theirs(server.url)

    assert any(record.name == "urllib3.connectionpool" and "POST" in record.getMessage() for record in caplog.records)


# ------------------------------------------------------------------------------------------------------- the process


WORLD = recoverable(
    {
        "durations": {"wipe": 3, "snapshot": 1},
        "instances": {"i-1": {"status": "Stopped"}, "i-2": {"status": "Stopped"}},
        "disks": {"d-1": {"instance": "i-1"}, "d-2": {"instance": "i-2"}},
    }
)
"""Stopped machines, on which nothing takes long: these runs go on in real time."""

HOST = """
import json, locale, logging, os, queue, signal, socket, sys, threading, warnings
import alibabacloud_credentials.provider
import alibabacloud_ecs20140526.client
import requests, Tea.core, darabonba.core
from safe_reinit import Error, connect
from safe_reinit.simulator import Simulator

WORLD, JOURNAL, OUTCOME = json.loads(sys.argv[1]), *sys.argv[2:]

def logger(one):
    return (one.level, tuple(one.handlers), tuple(one.filters), one.propagate, one.disabled)

def state():
    mask = os.umask(0o22)
    os.umask(mask)
    loggers = {name: logger(logging.getLogger(name)) for name in NAMES}
    theirs = {name: module for name, module in sys.modules.items() if name.startswith(PACKAGES)}
    return {
        "loggers": loggers,
        "root": logger(logging.getLogger()),
        "modules": {name: id(module) for name, module in theirs.items() if name in MODULES},
        "kinds": {type(module) for module in theirs.values()},
        "sessions": (set(darabonba.core.DaraCore._sessions), set(Tea.core.TeaCore._sessions)),
        "do": (darabonba.core.DaraCore.do_action, Tea.core.TeaCore.do_action, requests.Session.send),
        "signals": {one: signal.getsignal(one) for one in signal.valid_signals()},
        "warnings": list(warnings.filters),
        "hooks": (sys.excepthook, threading.excepthook, sys.unraisablehook),
        "environment": dict(os.environ),
        "streams": (sys.stdin, sys.stdout, sys.stderr),
        "rest": (mask, socket.getdefaulttimeout(), locale.setlocale(locale.LC_ALL), os.getcwd()),
    }

def fork_at_each(asked, ends):
    while asked.get() is not None:
        child = os.fork()
        if not child:
            code = 1
            try:
                code = 0 if client.plan(["d-2"]).runnable else 2
            finally:
                os._exit(code)
        ends.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

PACKAGES = ("alibabacloud_", "darabonba", "Tea", "requests", "urllib3")
MODULES = {name for name in sys.modules if name.startswith(PACKAGES)}
NAMES = [name for name in logging.root.manager.loggerDict if not name.startswith("safe_reinit")]
asked, ends = queue.Queue(), []
with Simulator(WORLD, speed=1) as sim:
    before = state()
    client = connect(region=sim.region, endpoint=sim.url, credentials=sim.access_key, journal=JOURNAL)
    loaded = set(sys.modules)
    forking = threading.Thread(target=fork_at_each, args=(asked, ends))
    if hasattr(os, "fork"):
        forking.start()
    plan = client.plan(["d-1"], snapshot=True)
    try:
        report = client.run(
            plan, confirm=plan.confirm_with, on_call=lambda call: asked.put(call) if not call.only_reads else None
        )
    finally:
        asked.put(None)
    undo = client.plan_undo(report.run_id)
    if OUTCOME == "failed":
        sim.do({"fault": {"action": "ResetDisk", "dry_run": False, "error": {"code": "Forbidden.RAM"}}})
    try:
        undone = client.run(undo, confirm=undo.confirm_with).outcome
    except Error as error:
        undone = error.report.outcome
    if hasattr(os, "fork"):
        forking.join()
    after = state()
    found = {
        "outcomes": [report.outcome, undone],
        "wipes": len(sim.state()["disks"]["d-1"]["wipes"]),
        "changed": [name for name in before if before[name] != after[name]],
        "loaded": sorted(name for name in set(sys.modules) - loaded if name.startswith(("safe_reinit", "alibaba"))),
        "ends": ends,
    }
print(json.dumps(found))
"""
"""A program that plans, wipes and undoes with the library, while another thread forks a child at each call."""


def hosted(folder: Path, undone: str) -> dict[str, Any]:
    """Let that program run to its end, where the undo fails or is done; return what it found."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ALIBABA_", "SAFE_"))}
    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-c", HOST, json.dumps(WORLD), folder / "j.db", undone],
        env=kept, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stderr.splitlines() if not line.startswith("Executing <")] == []  # the loop's own
    found: dict[str, Any] = json.loads(done.stdout)
    assert (found["outcomes"], found["wipes"]) == (["done", undone], 1)
    return found


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Let the program run once for all that is asked of it."""
    return hosted(tmp_path_factory.mktemp("host"), "failed")


def test_a_run_changes_nothing_of_the_process(host: dict[str, Any]) -> None:
    """After a plan, a run and an undo all that a process has once is as it was: loggers, modules, signals and more."""
    assert host["changed"] == []


def test_connecting_loads_all_that_a_run_needs(host: dict[str, Any]) -> None:
    """Nothing is imported by a plan, a run or an undo that fails: a fork could happen meanwhile."""
    assert host["loaded"] == []


@pytest.mark.slow
def test_connecting_loads_all_that_an_undo_needs(tmp_path: Path) -> None:
    """Nor by an undo that is done: no roll-back shows, so that one takes its time to settle."""
    assert hosted(tmp_path, "done")["loaded"] == []


# -------------------------------------------------------------------------------------------------------------- forks

FORKS = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")


@FORKS
def test_a_forked_child_uses_no_connection_of_its_parent(gateway: Connect, serve: Serve) -> None:
    """A gateway used on both sides of a fork has its own connections on each, and each side gets its own answers."""
    server = serve(lambda request: answer(200, {"RequestId": f"R-{request.params['InstanceId']}"}))
    to = gateway(server.url)
    to.cloud.start_instance("i-parent")

    child = os.fork()
    if not child:
        code = 1
        try:
            code = 0 if to.cloud.start_instance("i-child").request_id == "R-i-child" else 2
        finally:
            os._exit(code)
    ended = os.waitpid(child, 0)[1]
    again = to.cloud.start_instance("i-parent").request_id

    assert (os.waitstatus_to_exitcode(ended), again) == (0, "R-i-parent")
    of_child = {request.connection for request in server.requests if request.params["InstanceId"] == "i-child"}
    of_parent = {request.connection for request in server.requests if request.params["InstanceId"] == "i-parent"}
    assert not of_child & of_parent


@FORKS
def test_children_that_are_forked_while_a_run_goes_on_can_plan(host: dict[str, Any]) -> None:
    """At each call of a run another thread forks a child that plans: each comes to its end, and so does the run."""
    assert len(host["ends"]) >= 2
    assert set(host["ends"]) == {0}
