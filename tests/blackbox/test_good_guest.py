"""A program that uses the library keeps its own SDK clients, loggers and modules as they were, and may fork."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
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
    gateway(server.url).cloud.disks(["d-1"])

    theirs(server.url, http_proxy=proxy.url)

    assert (len(server.requests), len(proxy.requests)) == (1, 1)


def test_their_client_keeps_its_trust(gateway: Connect, serve: Serve, test_authority: Authority) -> None:
    """After we trusted a CA bundle, the program's own client trusts the host no more than before, and as it is told."""
    server = serve(answer(200, NO_DISKS), tls=test_authority.server)
    gateway(server.url, ca_bundle=str(test_authority.bundle)).cloud.disks(["d-1"])

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
    gateway(server.url).cloud.disks(["d-1"])

    assert theirs(server.url).request_id == "REQ-1"
    assert len(elsewhere.requests) == 1


def test_their_loggers_still_speak(gateway: Connect, serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """The program's own requests are logged by urllib3 as before, and ours are not logged at all."""
    server = serve(answer(200, NO_DISKS))
    caplog.set_level(logging.DEBUG)
    gateway(server.url).cloud.reinit("d-secret", Options())
    assert [record.name for record in caplog.records if not record.name.startswith("safe_reinit")] == []

    theirs(server.url)

    assert any(record.name == "urllib3.connectionpool" and "POST" in record.getMessage() for record in caplog.records)


# ------------------------------------------------------------------------------------------------------- the process


WORLD = recoverable(
    {
        "durations": {"wipe": 5, "snapshot": 3},
        "instances": {"i-1": {"status": "Stopped"}, "i-2": {"status": "Stopped"}},
        "disks": {"d-1": {"instance": "i-1"}, "d-2": {"instance": "i-2"}},
    }
)
"""Stopped machines, on which nothing takes long: these runs go on in real time."""


def run(program: str, **environment: str) -> str:
    """Run a program that uses the library, and return what it prints."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ALIBABA_", "SAFE_"))}
    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-c", dedent(program)], env={**kept, **environment},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.strip()


WIPE = f"""
    from safe_reinit import connect

    WORLD = {WORLD}

    def client_of(sim, journal=None):
        return connect(region=sim.region, endpoint=sim.url, credentials=sim.access_key, journal=journal)

    def wipe(client):
        plan = client.plan(["d-1"])
        return client.run(plan, confirm=plan.confirm_with)
"""


def test_a_run_changes_nothing_of_the_process() -> None:
    """After a plan and a run all that a process has once is as it was: loggers, sessions, modules, signals and more."""
    program = """
    import locale, logging, os, signal, socket, sys, threading, warnings
    import alibabacloud_credentials.provider
    import alibabacloud_ecs20140526.client
    import requests, Tea.core, darabonba.core
    from safe_reinit.simulator import Simulator

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

    PACKAGES = ("alibabacloud_", "darabonba", "Tea", "requests", "urllib3")
    MODULES = {name for name in sys.modules if name.startswith(PACKAGES)}
    NAMES = [name for name in logging.root.manager.loggerDict if not name.startswith("safe_reinit")]
    with Simulator(WORLD, speed=1) as sim:
        before = state()
        wipe(client_of(sim))
        after = state()
    print([name for name in before if before[name] != after[name]])
    """
    assert run(WIPE + dedent(program).replace("\n", "\n    ")) == "[]"


@pytest.mark.parametrize("outcome", ["failed", pytest.param("done", marks=pytest.mark.slow)])
def test_connecting_loads_all_that_a_run_needs(tmp_path: Path, outcome: str) -> None:
    """Nothing is imported by a plan, a run or an undo, which fails or is done: a fork could happen meanwhile.

    No roll-back shows, so one that is done takes its time to settle.
    """
    program = """
    import os, sys
    from safe_reinit import Error
    from safe_reinit.simulator import Simulator
    with Simulator(WORLD, speed=1) as sim:
        client = client_of(sim, os.environ["JOURNAL"])
        before = set(sys.modules)
        plan = client.plan(["d-1"], snapshot=True)
        report = client.run(plan, confirm=plan.confirm_with)
        undo = client.plan_undo(report.run_id)
        if os.environ["OUTCOME"] == "failed":
            sim.do({"fault": {"action": "ResetDisk", "dry_run": False, "error": {"code": "Forbidden.RAM"}}})
        try:
            outcome = client.run(undo, confirm=undo.confirm_with).outcome
        except Error as error:
            outcome = error.report.outcome
        loaded = set(sys.modules) - before
        print(outcome, sorted(name for name in loaded if name.startswith("safe_reinit") or "aliba" in name))
    """
    assert (
        run(WIPE + dedent(program).replace("\n", "\n    "), JOURNAL=str(tmp_path / "journal.db"), OUTCOME=outcome)
        == f"{outcome} []"
    )


# -------------------------------------------------------------------------------------------------------------- forks

FORKS = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")


@FORKS
def test_a_forked_child_uses_no_connection_of_its_parent(gateway: Connect, serve: Serve) -> None:
    """A gateway used on both sides of a fork has its own connections on each, and each side gets its own answers."""
    server = serve(lambda request: answer(200, {"RequestId": f"R-{request.params['InstanceId']}"}))
    to = gateway(server.url)
    to.cloud.start("i-parent")

    child = os.fork()
    if not child:
        code = 1
        try:
            code = 0 if to.cloud.start("i-child").request_id == "R-i-child" else 2
        finally:
            os._exit(code)
    ended = os.waitpid(child, 0)[1]
    again = to.cloud.start("i-parent").request_id

    assert (os.waitstatus_to_exitcode(ended), again) == (0, "R-i-parent")
    of_child = {request.connection for request in server.requests if request.params["InstanceId"] == "i-child"}
    of_parent = {request.connection for request in server.requests if request.params["InstanceId"] == "i-parent"}
    assert not of_child & of_parent


@FORKS
def test_children_that_are_forked_while_a_run_goes_on_can_plan() -> None:
    """At each call of a run another thread forks a child that plans: each comes to its end, and so does the run."""
    program = """
    import os, queue, threading
    from safe_reinit.simulator import Simulator

    with Simulator(WORLD, speed=1) as sim:
        client = client_of(sim)
        plan = client.plan(["d-1"], snapshot=True)
        asked, reports = queue.Queue(), []

        def go():
            told = lambda call: asked.put(call) if not call.is_look else None
            try:
                reports.append(client.run(plan, confirm=plan.confirm_with, on_call=told))
            finally:
                asked.put(None)

        thread = threading.Thread(target=go)
        thread.start()
        ends = []
        while asked.get() is not None:
            child = os.fork()
            if not child:
                code = 1
                try:
                    code = 0 if client.plan(["d-2"]).runnable else 2
                finally:
                    os._exit(code)
            ends.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        thread.join()
        wipes = sim.state()["disks"]["d-1"]["wipes"]
        print(reports[0].outcome, len(wipes), len(ends) >= 2, set(ends))
    """
    assert run(WIPE + dedent(program).replace("\n", "\n    ")) == "done 1 True {0}"
