"""`python -m safe_reinit.simulator` as a process."""

from __future__ import annotations

import http.client
import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from safe_reinit.simulator.__main__ import main

ROOT = Path(__file__).resolve().parents[2]
COMMAND_TIMEOUT = 120.0
"""Real seconds that nothing here takes, on however busy a machine."""


@contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Start the command and read its first line."""
    command = [sys.executable, "-m", "safe_reinit.simulator", *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            match = re.fullmatch(r"listening on http://127\.0\.0\.1:(\d+)\n", process.stdout.readline())
            assert match
            yield process, int(match[1])
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_and_end(number: signal.Signals, tmp_path: Path) -> None:
    """It says where it listens, logs a line for each request, and ends with 0 though a client keeps its connection."""
    world = tmp_path / "world.yaml"
    world.write_text("account: 42\ninstances: {i-1: }\n")
    faults = tmp_path / "faults.yaml"
    faults.write_text("- {action: StopInstance, delay: 60}\n")
    options = ("--world", str(world), "--faults", str(faults), "--speed", "3", "--seed", "9", "--access-key", "a:b")
    with running(*options) as (process, port):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/_simulator/state")
        state = json.loads(connection.getresponse().read())
        assert (state["account"], state["speed"], state["seed"]) == ("42", 3, 9)
        connection.request("POST", "/?InstanceId=i-1", headers={"x-acs-action": "StopInstance"})
        assert connection.getresponse().read()
        process.send_signal(number)
        out, err = process.communicate(timeout=COMMAND_TIMEOUT)
        connection.close()
    assert (process.returncode, out) == (0, "")
    text = [line for line in err.splitlines() if not line.startswith("Executing <")]  # the loop's, in development mode
    assert text == ["StopInstance i-1 -> 400 MissingParameter"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--port", "many"], "--port"),
        (["--port", "99999"], "65535"),
        (["--speed", "0"], "speed"),
        (["--world", "/nowhere/world.yaml"], "/nowhere/world.yaml"),
        (["--faults", "/nowhere/faults.yaml"], "/nowhere/faults.yaml"),
        (["--access-key", "alone"], "ID:SECRET"),
        (["--dance"], "--dance"),
    ],
)
def test_bad_arguments(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Bad arguments and files end with 2 and one sentence on stderr."""
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert words in captured.err
    assert captured.err.count("\n") == 1


def test_a_port_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    """A port somebody else listens on ends with 2 and one sentence."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["--port", str(taken.getsockname()[1])]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    """--help ends with 0."""
    assert main(["--help"]) == 0
    assert "--world" in capsys.readouterr().out
