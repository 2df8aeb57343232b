"""TLS, mTLS and an API key, through a proxy that demands them: who is let in works, and who is not begins nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from safe_reinit.journal import Journal
from safe_reinit.simulator import Simulator
from tests import temporals, tlsproxy
from tests.cloudlike import DATA, changes, wipes
from tests.commands import Command, command
from tests.temporals import Nursery, Temporal, Worker, simulated
from tests.test_secrets import forms
from tests.tlsproxy import Authority, Certificate, Proxy

NAME = "temporal.example.net"
API_KEY = "aPi+Key/0=&%planted"
RUN = ("--disk", DATA, "--stop-instance", "--confirm", DATA, "--runner", "temporal")


@pytest.fixture
def sim() -> Iterator[Simulator]:
    """Start a simulator."""
    with simulated() as started:
        yield started


@pytest.fixture
def door(sim: Simulator, tmp_path: Path) -> Command:
    """Give the command line."""
    return command(sim.url, tmp_path, str(temporals.RATE))


@pytest.fixture
def ca(tmp_path: Path) -> Authority:
    """Make the CA of the server and of who may use it."""
    return Authority(tmp_path, "ours")


@pytest.fixture
def demanding(temporal: Temporal, ca: Authority) -> Iterator[Proxy]:
    """Let the server be reached by those who show a certificate of our CA."""
    with tlsproxy.proxied(temporal.port, ca.issue(NAME), demanded=ca) as proxy:
        yield proxy


def told(proxy: Proxy, ca: Authority | None, mine: Certificate | None, name: str = NAME) -> list[str]:
    """Give the options for a server, as far as they are given."""
    options = ["--temporal", proxy.address]
    options += ["--temporal-tls-ca", str(ca.path)] if ca else []
    options += ["--temporal-tls-cert", str(mine.path), "--temporal-tls-key", str(mine.key)] if mine else []
    return options + (["--temporal-tls-name", name] if name else [])


@pytest.fixture
def serving(nursery: Nursery, sim: Simulator, tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    """Start workers with these options."""
    begun: list[Worker] = []

    def serve(options: list[str], **environment: str) -> Worker:
        argv = ["worker", *options, "--endpoint", sim.url, "--region", temporals.REGION,
                "--journal", str(tmp_path / "worker.db")]  # fmt: skip
        more = {"HOME": str(tmp_path), "SAFE_REINIT_TIME_SCALE": str(temporals.RATE), **environment}
        log = tmp_path / "worker.log"
        begun.append(Worker(nursery.start(argv, log, more), log))
        return begun[-1]

    yield serve
    for each in begun:
        with each:
            pass


def test_a_run_through_mtls(
    sim: Simulator, door: Command, demanding: Proxy, ca: Authority, serving: Callable[..., Worker], tmp_path: Path
) -> None:
    """Worker and run, each with a certificate and its key, the CA and the name: the run is done, all of it by TLS."""
    serving(told(demanding, ca, ca.issue("worker"))).ready()
    done = door(*RUN, *told(demanding, ca, ca.issue("operator")), journal=tmp_path / "j.db")

    assert done.returncode == 0, done.stderr
    assert wipes(sim.state(), DATA) == 1
    paths = {each[":path"].rpartition("/")[2] for each in demanding.requests}
    assert {"StartWorkflowExecution", "PollActivityTaskQueue"} <= paths


WRONG = {
    "no certificate": ("ours", "", NAME),
    "a certificate of another CA": ("ours", "another", NAME),
    "another CA than the server's": ("another", "ours", NAME),
    "the CAs of the system": ("", "ours", NAME),
    "another name": ("ours", "ours", "another.example.net"),
    "no name": ("ours", "ours", ""),
    "no TLS": ("", "", ""),
}
"""Whose CA is trusted, who issued our certificate, and which name is expected."""


@pytest.mark.parametrize("what", WRONG)
def test_who_is_not_let_in_begins_nothing(
    sim: Simulator, door: Command, demanding: Proxy, ca: Authority, tmp_path: Path, what: str
) -> None:
    """Run and worker end with 3 and one sentence; nothing is asked of the server or of ECS but looks."""
    trusted, issuer, name = WRONG[what]
    by = {"ours": ca, "another": Authority(tmp_path, "another")}
    mine = by[issuer].issue("operator") if issuer else None
    options = told(demanding, by.get(trusted), mine, name)
    path = tmp_path / "j.db"
    run = door(*RUN, *options, journal=path)
    worker = door("worker", *options, "--endpoint", sim.url, journal=tmp_path / "w.db")

    for done in (run, worker):
        assert done.returncode == 3, done.stderr
        assert "does not answer, or does not let us in" in " ".join(done.stderr.split())
        assert "Traceback" not in done.stderr
    assert "data intact" in run.stdout
    assert worker.stdout == ""
    assert len(worker.stderr.strip().splitlines()) <= 2, worker.stderr
    assert demanding.requests == []
    assert not changes(sim.state())
    with Journal(path) as journal:
        assert journal.runs() == []


@pytest.mark.parametrize("option", ["--temporal-tls-ca", "--temporal-tls-cert", "--temporal-tls-key"])
def test_a_file_that_is_not_there_or_half_a_certificate_is_said(door: Command, tmp_path: Path, option: str) -> None:
    """A file that cannot be read, or a certificate without its key, is 2, and names what to correct."""
    done = door(*RUN, "--temporal", "127.0.0.1:9", option, str(tmp_path / "none.pem"), journal=tmp_path / "j.db")

    assert done.returncode == 2, done.stderr
    assert option in done.stderr


def test_an_api_key_arrives_and_is_nowhere_else(
    temporal: Temporal, sim: Simulator, door: Command, ca: Authority, serving: Callable[..., Worker], tmp_path: Path
) -> None:
    """The key of the environment is sent with each request, by TLS, and is in no journal, output or history."""
    having = {"SAFE_REINIT_TEMPORAL_API_KEY": API_KEY}
    with tlsproxy.proxied(temporal.port, ca.issue(NAME)) as proxy:
        worker = serving(told(proxy, ca, None), **having).ready()
        path = tmp_path / "j.db"
        done = door(*RUN, *told(proxy, ca, None), "--output", "json", journal=path, environment=having)
        shown = door("runs", journal=path, environment=having)

    assert done.returncode == 0, done.stderr
    assert wipes(sim.state(), DATA) == 1
    sent = {each[":path"].rpartition("/")[2]: each.get("authorization") for each in proxy.requests}
    assert {"StartWorkflowExecution", "PollActivityTaskQueue", "RespondActivityTaskCompleted"} <= set(sent)
    assert set(sent.values()) == {f"Bearer {API_KEY}"}
    said = "".join((done.stdout, done.stderr, shown.stdout, shown.stderr, worker.said))
    stored = b"".join(each.read_bytes() for each in (*temporal.folder.glob("temporal.db*"), *tmp_path.glob("*.db*")))
    for form in forms(API_KEY):
        assert form not in said
        assert form.encode() not in stored
