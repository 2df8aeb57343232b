"""The command worker, and what it is told by settings."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from safe_reinit.cli.app import run
from safe_reinit.cli.signals import Signals
from safe_reinit.cloud.connection import Connection
from safe_reinit.execution.runs import Runs
from safe_reinit.journal import open_to_write
from safe_reinit.model import Stage
from safe_reinit.temporal.carrier import WorkflowCarrier
from tests import postgresql
from tests.blocks import ROOT, blocks
from tests.servers import refused_port
from tests.temporal.test_temporal_worker import get
from tests.temporals import DIGEST, Remembering, Run, Temporal, WorkerSettings, having, wait_for, working

PAGE = ROOT / "docs/howto/workers.md"
QUEUE = "safe-reinit-1000000000000001-cn-hangzhou"


def ended(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str]:
    """Run a worker in this process, and return its exit code and what it said."""
    code = run(["worker", *argv])
    return code, capsys.readouterr().err


class Runner:
    """A run that can be ended, left and woken."""

    def __init__(self) -> None:
        self.stop, self.leave, self.wake = threading.Event(), threading.Event(), threading.Event()


@pytest.mark.parametrize(
    ("number", "elsewhere", "ends"),
    [
        (signal.SIGTERM, True, False),
        (signal.SIGHUP, True, False),
        (signal.SIGINT, True, True),
        (signal.SIGTERM, False, True),
        (signal.SIGHUP, False, True),
    ],
)
def test_only_ctrl_c_ends_a_run_that_workers_carry(number: signal.Signals, elsewhere: bool, ends: bool) -> None:
    """A signal to the command that follows it, and a terminal that is closed, leave it to them, and say so."""
    message, runner = list[str](), Runner()
    with (
        Signals() as signals,
        signals.run(lambda text, _: message.append(text)) as interrupt,
        interrupt.ending(runner, lambda: pytest.fail("closed"), lambda _: None, elsewhere=elsewhere),
    ):
        signal.raise_signal(number)

    assert (runner.stop.is_set(), runner.leave.is_set(), runner.wake.is_set()) == (ends, not ends, True)
    assert message[0].startswith(f"{number.name}: {'Stopping' if ends else 'This command ends. The run continues'}")


@pytest.mark.usefixtures("here")
def test_a_worker_serves_the_account_of_its_credentials_until_a_signal(
    temporal: Temporal, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It polls the task queue of its account and region, says what fails, carries a run, and ends with 0 on SIGTERM."""
    left = iter([OSError("password=hunter2")])

    def away(what: str, _shard: int) -> None:
        if what == "carry" and (error := next(left, None)):
            raise error

    shards = Remembering([Stage((0,))], fails=away)
    monkeypatch.setattr(Runs, "shards", lambda _runs, _notify: shards)
    carried = Run(temporal, "run-command", QUEUE)

    def submit() -> None:
        carried.submit()
        carried.result()
        os.kill(os.getpid(), signal.SIGTERM)

    submitting = threading.Thread(target=submit, daemon=True)
    submitting.start()
    code, text = ended(capsys, "--temporal", temporal.server.address)
    submitting.join()

    assert code == 0, text
    assert (
        f"Working for account 1000000000000001 in cn-hangzhou at the Temporal server {temporal.server.address}" in text
    )
    assert "SIGTERM: Stopping: the worker begins no more machines" in text
    assert "run-command, shard 0: An unexpected OSError at safe_reinit.temporal.activities:" in text
    assert not [word for word in ("hunter2", "Traceback") if word in text]
    assert shards.ended == {0}


@pytest.mark.usefixtures("here")
def test_a_worker_of_a_deployment_says_how_it_becomes_current(
    temporal: Temporal, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is sent to a version that is not current: it and the run say so, with the command that makes it so."""
    monkeypatch.setattr(Runs, "shards", lambda _runs, _notify: Remembering([Stage((0,))]))
    port = refused_port()

    server = having(temporal.server, temporal_namespace="of-a-team")
    assert temporal.program("operator", "namespace", "create", "--namespace", server.namespace)
    carrier = WorkflowCarrier(server, QUEUE, "run-d", DIGEST, "1", "cn-hangzhou", 1)
    result: list[str] = []

    def end() -> None:
        wait_for(lambda: answers(port))
        carrier.submit()
        wait_for(lambda: "none has the current version of deployment wipes" in carrier.describe().text, 0.3)
        result.append(carrier.describe().hint.partition(": ")[2])
        wait_for(lambda: temporal.program(*shlex.split(result[0])[1:], "--yes"), 0.5)
        wait_for(lambda: carrier.describe().status == "ended", 0.3)
        os.kill(os.getpid(), signal.SIGTERM)

    ending = threading.Thread(target=end, daemon=True)
    ending.start()
    code, text = ended(
        capsys, "--temporal", temporal.server.address, "--temporal-namespace", server.namespace,
        "--temporal-deployment", "wipes", "--worker-health", f"127.0.0.1:{port}",
    )  # fmt: skip
    ending.join()

    assert code == 0, text
    assert result[0].startswith("temporal worker deployment set-current-version --address ")
    assert f"is current: {result[0]}\n" in text


def answers(port: int) -> bool:
    """Whether a worker tells its health there; it handles signals by then."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


@pytest.mark.usefixtures("here")
def test_a_worker_tells_its_health_in_a_process_of_its_own(temporal: Temporal) -> None:
    """In a new interpreter, where nothing but the command was imported, what serves HTTP is there all the same."""
    port = refused_port()
    words = ["worker", "--temporal", temporal.server.address, "--worker-health", f"127.0.0.1:{port}"]
    with subprocess.Popen([sys.executable, "-m", "safe_reinit", *words], stderr=subprocess.PIPE, text=True) as child:
        try:
            wait_for(lambda: child.poll() is not None or (answers(port) and get(port, "/healthz")[0] == 200), 0.3)
            child.terminate()
            text = child.communicate()[1]
        finally:
            child.kill()

    assert child.returncode == 0, text


@pytest.mark.parametrize(
    ("place", "code", "says"),
    [
        ("{home}/journal.db", 2, "Temporal workers cannot use a journal that is a file on this host."),
        ("postgresql://safe@127.0.0.1:1/nodb", 3, "cannot be used"),
    ],
    ids=["a file", "a database that is away"],
)
def test_a_worker_takes_nothing_without_a_journal_that_it_can_write(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], place: str, code: int, says: str
) -> None:
    """It is refused before it polls, with the sentence that a run gets there: else it would use up attempts."""
    monkeypatch.setattr(Connection, "loopback", property(lambda _: False))
    monkeypatch.delenv("SAFE_REINIT_TIME_SCALE", raising=False)
    place = place.format(home=here)
    ended_with, text = ended(capsys, "--temporal", f"127.0.0.1:{refused_port()}", "--journal", place)

    assert (ended_with, says in text) == (code, True), text
    assert "Working for" not in text


@pytest.mark.usefixtures("here")
def test_a_worker_takes_nothing_with_a_role_that_may_only_read(
    postgres: postgresql.Server, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is told that its role may not do this."""
    place = postgres.new()
    open_to_write(place).close()
    schema = re.findall(r"journal_\d+_\d+", place)[-1]
    postgres.sql("DROP ROLE IF EXISTS only_reads; CREATE ROLE only_reads LOGIN")
    postgres.sql(f"GRANT USAGE ON SCHEMA {schema} TO only_reads")
    postgres.sql(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO only_reads")
    code, text = ended(
        capsys, "--temporal", f"127.0.0.1:{refused_port()}", "--journal", place.replace("safe@", "only_reads@")
    )
    postgres.sql("DROP OWNED BY only_reads; DROP ROLE only_reads")

    assert (code, "may not do this" in text) == (2, True), text


@pytest.mark.usefixtures("here")
def test_a_worker_whose_server_is_away_does_not_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is refused with a sentence, for what supervises it to start it again."""
    monkeypatch.setattr(Runs, "shards", lambda _runs, _notify: Remembering([]))
    address = f"127.0.0.1:{refused_port()}"

    code, text = ended(capsys, "--temporal", address)

    assert code == 3
    assert f"The Temporal server {address} does not answer." in text


ENDS = """
import os
import sys
from safe_reinit.cli import main

class Held:
    def __del__(self, write=os.write):
        write(2, b"taken apart")

sys.held = Held()
main()
"""
"""A command in an interpreter that says so as its modules are taken apart at its end."""


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("name", ["worker", "version"])
def test_a_worker_ends_without_its_interpreter_being_taken_apart(name: str) -> None:
    """Threads of the SDK that Python does not know outlive a worker, and would call into what is not there any more."""
    words = (name, "--temporal", f"127.0.0.1:{refused_port()}") if name == "worker" else (name,)
    child = subprocess.run([sys.executable, "-c", ENDS, *words], capture_output=True, text=True, check=False)

    assert (child.returncode, "taken apart" in child.stderr) == ((3, False) if name == "worker" else (0, True))


@pytest.mark.usefixtures("here")
def test_a_worker_needs_a_server(capsys: pytest.CaptureFixture[str]) -> None:
    """Without the setting nothing is begun."""
    code, text = ended(capsys)

    assert code == 2
    assert "No Temporal server given." in text


@pytest.mark.usefixtures("here")
def test_a_worker_needs_the_extra(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the SDK is not installed the command says how it is."""
    for name in [name for name in sys.modules if name.startswith("safe_reinit.temporal.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "temporalio", None)

    code, text = ended(capsys, "--temporal", "127.0.0.1:7233")

    assert code == 2
    assert "pip install temporalio" in text


@pytest.mark.parametrize("address", ["temporal.example.com", "temporal:0", "http://temporal:7233", "temporal:72330"])
def test_an_address_is_a_host_and_a_port(capsys: pytest.CaptureFixture[str], address: str) -> None:
    """Anything else is refused, with the option."""
    code, text = ended(capsys, "--temporal", address)

    assert code == 2
    assert "The value of --temporal is not HOST:PORT" in text


def test_the_grace_of_a_worker_is_what_a_machine_can_take(own_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is one number: the limits of a machine that has just begun, and a minute."""
    file = own_home / "config.yaml"
    file.write_text("timeout_stop: 2m\ntimeout_snapshot: 10m\ntimeout_reinit: 5m\ntimeout_start: 3m\n")

    assert run(["config", "show", "--grace", "--config", str(file)]) == 0
    assert capsys.readouterr().out == f"{(2 + 10 + 5 + 3) * 60 + 120 + 60}\n"


@pytest.mark.usefixtures("own_home")
def test_the_page_of_workers_is_true(temporal: Temporal, capsys: pytest.CaptureFixture[str]) -> None:
    """Its commands prepare a server for runs and make a version current; its unit has the grace that is printed."""
    by_test = [block for block in blocks(PAGE) if "by" in block.words]
    units = [block.text for block in by_test if block.language == "ini"]
    commands = [each for block in by_test if block.language == "console" for each in block.commands]
    shown = [(words, output) for words, output in commands if words.startswith("safe-reinit ")]
    typed = [words for words, _ in commands if words.startswith("temporal ")]
    assert len(commands) == len(shown) + len(typed)
    for words, output in shown:
        assert run([*words.split()[1:], "--config", "/dev/null"]) == 0
        assert capsys.readouterr().out == output
        assert f"TimeoutStopSec={output}" in units[0]
    *prepares, makes_current = typed
    for words in prepares:  # a namespace that was just made is not found everywhere at once, as the page says
        wait_for(lambda words=words: temporal.program(*shlex.split(words)[1:]), 0.5)  # type: ignore[misc]
    server = having(temporal.server, temporal_namespace="wipes")
    settings = WorkerSettings("queue-page", "safe-reinit", "0.1.0-4a779a10")
    with working(server, Remembering([Stage((0,))]), settings):
        wait_for(lambda: temporal.program(*shlex.split(makes_current.replace("\\\n", " "))[1:]), 0.5)
        carrier = WorkflowCarrier(server, "queue-page", "run-page", DIGEST, "1", "cn-hangzhou", 1)
        carrier.submit()
        wait_for(lambda: carrier.describe().status == "ended", 0.3)
