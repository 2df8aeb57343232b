"""What several test files share: a clean environment, gateways, simulators, and the command line as a child process."""

from __future__ import annotations

import gc
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from safe_reinit.cloud import aliyun, connection, endpoints
from safe_reinit.cloud.aliyun.client import Aliyun
from safe_reinit.journal import place as places
from safe_reinit.model import Call, Secret
from safe_reinit.simulator import Simulator
from tests import postgresql, processes, virtual
from tests.servers import Authority, Server, authority


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a person have a new interpreter for each command, as ``tests.processes`` says."""
    parser.addoption("--new-interpreters", action="store_true", help="fork no command: start an interpreter for each")


# However busy the machine is: no example has to end in a time, or to be drawn in one.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

gc.disable()  # until all is collected, which takes twice as long with it: what is imported and collected stays


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Let the collector of garbage begin, and pass over what is there by now."""
    yield
    gc.freeze()
    gc.set_threshold(100_000)  # a run makes many values and hardly a cycle: to look for some took a tenth of its time
    gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Let a worker that is done take tests over from the others: one test takes a thousand times as long as another."""
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log) if config.option.dist == "load" else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave slow tests out, unless ``-m`` names their mark; any other ``-m`` chooses among the rest.

    A slow test has half an hour: it may need a minute of a processor, and much longer for it on a busy machine.
    """
    slow = [item for item in items if item.get_closest_marker("slow")]
    if re.search(r"\bslow\b", config.option.markexpr):
        for item in slow:
            item.add_marker(pytest.mark.timeout(1800))
    elif slow:
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in slow]


@pytest.fixture(autouse=True)
def _interpreters(request: pytest.FixtureRequest) -> Iterator[None]:
    """Start new interpreters for a test that is marked so."""
    marked = request.node.get_closest_marker("new_interpreter") is not None
    processes.always_new(marked or request.config.getoption("--new-interpreters"))
    yield
    processes.always_new(False)


@pytest.fixture(autouse=True)
def _virtual_time(request: pytest.FixtureRequest) -> Iterator[virtual.VirtualTime | None]:
    """Put virtual time under a test that is marked so."""
    marked = request.node.get_closest_marker
    if marked("virtual_time") is None or marked("real_time") is not None:
        yield None
        return
    with virtual.virtual_time(request.module) as time:
        yield time


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    """Let no test leave a thread of the program: it would go on in the tests that follow, and read their clocks."""
    before = {*threading.enumerate()}
    yield
    left = [each for each in threading.enumerate() if each not in before and each.name.startswith("safe-reinit")]
    assert not left, "a lease was neither released nor left"


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test on virtual time as a task of its scheduler."""
    time = pyfuncitem.funcargs.get("_virtual_time")
    if time is None:
        return None
    expected = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    time.run(lambda: pyfuncitem.obj(**expected))
    return True


_OURS = ("SAFE_REINIT_", "ALIBABA_CLOUD_", "ALICLOUD_")
_THEIRS = (
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "DEBUG",
    "NO_COLOR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
)


def _strange(name: str) -> bool:
    return name.upper().startswith(_OURS) or name.upper() in _THEIRS


_journals = itertools.count()


@pytest.fixture(autouse=True)
def _clean_environment(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Keep what the caller's environment says out of every test, and every test's runs out of the machine's journal.

    The command is in the path, as where it is installed, so that what it prints of itself is its name.
    """
    for name in list(os.environ):
        if _strange(name):
            monkeypatch.delenv(name)
    if "tmp_path" in request.fixturenames:
        journal = request.getfixturevalue("tmp_path") / "journal.db"
    else:  # a folder for each test is made and taken away more slowly than most tests run
        journal = tmp_path_factory.getbasetemp() / f"journal-{next(_journals)}.db"
    monkeypatch.setenv("SAFE_REINIT_JOURNAL", str(journal))
    of_machine = places.default_journal  # next to it is the spool of a database
    monkeypatch.setattr(places, "default_journal", lambda own: journal if own is os.environ else of_machine(own))
    monkeypatch.setenv("PATH", os.pathsep.join((os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath))))


@pytest.fixture
def own_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Keep the caller's own configuration and credentials out; give the empty home instead."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return tmp_path


@dataclass
class Gateway:
    """A gateway and what it told of its exchanges."""

    cloud: Aliyun
    calls: list[Call] = field(default_factory=list)


Connect = Callable[..., Gateway]


@pytest.fixture
def gateway() -> Iterator[Connect]:
    """Make gateways to an endpoint with a fixed key; they are closed after the test."""
    with ExitStack() as stack:

        def connect(endpoint: str, *, key: tuple[str, str] = ("testid", "testsecret"), **more: Any) -> Gateway:
            where = connection.Connection(
                region="cn-hangzhou",
                endpoint=endpoints.parse(endpoint),
                access_key=(key[0], Secret(key[1])),
                **more,
            )
            calls: list[Call] = []
            made = Gateway(aliyun.make_gateway(where, calls.append), calls)
            stack.callback(made.cloud.close)
            return made

        yield connect


Serve = Callable[..., Server]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start little servers that end with the test."""
    with ExitStack() as stack:

        def start(respond: Any, kind: type[Server] = Server, **more: Any) -> Server:
            return stack.enter_context(kind(respond, **more))

        yield start


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """Start the default world."""
    with virtual.simulate() as started:
        yield started


def ended_by(number: int, code: int) -> int:
    """Return how a process ends after this signal, where its run ended with this code: Ctrl-C ends it by SIGINT."""
    return -signal.SIGINT if number == signal.SIGINT else code


def changing(simulator: Simulator) -> list[str]:
    """List the changing calls that came over the API, dry runs left out."""
    reads = ("Describe", "Get")
    return [
        call["action"]
        for call in simulator.state()["calls"]
        if call["source"] == "api" and not call["dry_run"] and not call["action"].startswith(reads)
    ]


@pytest.fixture(scope="session")
def test_authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Make one certificate authority for the whole session."""
    return authority(
        tmp_path_factory.mktemp("authority"), "ecs.test.invalid", "ecs.cn-hangzhou.aliyuncs.com", "sts.aliyuncs.com",
        postgresql.HOST,
    )  # fmt: skip


@dataclass(frozen=True)
class Ended:
    """What became of a command line."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document on stdout."""
        result: dict[str, Any] = json.loads(self.out)
        return result

    @property
    def sentences(self) -> list[str]:
        """The lines on stderr that speak as the program."""
        return [line for line in self.err.splitlines() if line.startswith("safe-reinit: ")]


class CommandLine:
    """Runs ``python -m safe_reinit`` as a child with a home of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment = {name: value for name, value in os.environ.items() if not _strange(name)} | {
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / ".config"),
            "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true",
            "PYTHONWARNINGS": "default",
            "SAFE_REINIT_JOURNAL": str(home / "journal.db"),
        }

    def arguments(self, argv: Sequence[str]) -> list[str]:
        """Return the whole command."""
        return [sys.executable, "-m", "safe_reinit", *argv]

    def start(self, *argv: str, env: Mapping[str, str] | None = None, **more: Any) -> subprocess.Popen[str]:
        """Start it and leave it running."""
        usual = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "cwd": self.home}
        words, environment = self.arguments(argv), {**self.environment, **(env or {})}
        return processes.start(words, env=environment, **{**usual, **more})

    def __call__(
        self, *argv: str, env: Mapping[str, str] | None = None, stdin: str | None = None, **more: Any
    ) -> Ended:
        """Run it to its end."""
        more = {**({"stdin": subprocess.PIPE} if stdin is not None else {}), **more}
        with self.start(*argv, env=env, **more) as child:
            try:
                out, err = child.communicate(stdin, timeout=None if virtual.is_on() else 120)
            finally:
                child.kill()
            assert "ResourceWarning" not in (err or ""), err  # which a child can only tell, and not raise
            return Ended(child.returncode, out or "", err or "")


@pytest.fixture
def command_line(tmp_path: Path) -> CommandLine:
    """Return the command line with an empty home."""
    home = tmp_path / "home"
    home.mkdir()
    return CommandLine(home)


KEY = {"ALIBABA_CLOUD_ACCESS_KEY_ID": "testid", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "testsecret"}
"""The simulator's default key, as the default credential chain finds it."""


def where_is(simulator: Simulator) -> dict[str, str]:
    """Point a child at a simulator."""
    return {
        "SAFE_REINIT_ENDPOINT": simulator.url,
        "SAFE_REINIT_REGION": "cn-hangzhou",
        "SAFE_REINIT_TIME_SCALE": f"{simulator._engine.cloud.clock.speed:g}",
    }


@pytest.fixture
def here(simulator: Simulator, monkeypatch: pytest.MonkeyPatch, own_home: Path) -> Path:
    """Point the command line, run in this process, at a simulator; give a folder to write to."""
    for name, value in {**KEY, **where_is(simulator)}.items():
        monkeypatch.setenv(name, value)
    return own_home


@pytest.fixture
def terminal(command_line: CommandLine) -> Iterator[Any]:
    """Start children on terminals of their own; see ``tests.terminals``."""
    from tests.terminals import terminals

    with terminals(command_line) as start:
        yield start


@pytest.fixture(scope="session")
def postgres() -> Iterator[postgresql.Server]:
    """Start a PostgreSQL for the tests of this process."""
    with postgresql.server_or_skip() as started:
        yield started


@pytest.fixture(scope="session")
def temporal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Start a Temporal server for the tests of this process; see ``tests.temporals``."""
    from tests.temporals import temporal_or_skip

    with temporal_or_skip(tmp_path_factory.mktemp("temporal")) as started:
        yield started


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Name a journal that is not there yet, of each kind."""
    if request.param == "sqlite":
        return str(tmp_path / "j.db")
    server: postgresql.Server = request.getfixturevalue("postgres")
    return server.new()
