"""Running the command line in the tests of the journal: a real process, a simulator, a journal file."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import processes, virtual

ROOT = Path(__file__).resolve().parent.parent


def until(test: Callable[[], object], seconds: float | None = None) -> None:
    """Look again and again until it is so; what takes no time is waited for longer on virtual time."""
    usual, pause = (3600.0, 0.1) if virtual.is_on() else (120.0, 0.02)
    end = time.monotonic() + (usual if seconds is None else seconds)
    while not test():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(pause)


def state(url: str) -> dict[str, Any]:
    """Ask a simulator in another process what is true."""
    with urllib.request.urlopen(f"{url}/_simulator/state") as answer:
        found: dict[str, Any] = json.load(answer)
        return found


QUIT_HINT = "Press Ctrl-C again to quit now"
"""What a run says once it is asked to end."""


def read_until(stream: Any, text: str) -> str:
    """Read lines until one has this text; give all of them."""
    seen = ""
    while text not in seen:
        line = stream.readline()
        assert line, f"{text!r} is not in {seen!r}"
        seen += line
    return seen


def quit_now(child: subprocess.Popen[str]) -> None:
    """Press Ctrl-C, and again once the command has said that this quits."""
    child.send_signal(signal.SIGINT)
    read_until(child.stderr, QUIT_HINT)
    time.sleep(1.1)  # what comes sooner is the same wish
    child.send_signal(signal.SIGINT)


@dataclass(frozen=True)
class Command:
    """Runs ``safe-reinit`` against one simulator; ``journal`` of a call is its ``--journal``."""

    url: str
    folder: Path

    def environment(self, more: dict[str, str] | None = None) -> dict[str, str]:
        """Return the environment of a command."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SAFE_", "ALIBABA_", "XDG_"))}
        return {
            **kept,
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "default",
            "HOME": str(self.folder),
            "ALIBABA_CLOUD_ACCESS_KEY_ID": "testid",
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "testsecret",
            "SAFE_REINIT_TIME_SCALE": "1",
            "SAFE_REINIT_REGION": "cn-hangzhou",
            "SAFE_REINIT_JOURNAL": str(self.folder / "own-journal.db"),  # never that of whoever runs the tests
            **(more or {}),
        }

    def words(self, *words: str, journal: str | Path | None) -> list[str]:
        """Return the whole command line."""
        where: list[str] = []
        if words[0].startswith("--") and not {"--simulate", "--world"} & {*words}:
            where += ["--endpoint", self.url]
        if journal is not None:
            where += ["--journal", str(journal)]
        return [sys.executable, "-m", "safe_reinit", *words, *where]

    def __call__(
        self, *words: str, journal: str | Path | None, environment: dict[str, str] | None = None, text: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        done = processes.run_to_end(
            self.words(*words, journal=journal), env=self.environment(environment), stdin=text, cwd=self.folder
        )
        assert "ResourceWarning" not in done.stderr, done.stderr  # which a child can only tell, and not raise
        return done

    def start(self, *words: str, journal: str | Path | None) -> subprocess.Popen[str]:
        """Start a command and leave it running."""
        return processes.start(
            self.words(*words, journal=journal), env=self.environment(), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=self.folder,
        )  # fmt: skip

    def state(self) -> dict[str, Any]:
        """Ask the simulator what is true."""
        return virtual.current().simulators[self.url].state() if virtual.is_on() else state(self.url)

    def do(self, request: dict[str, Any]) -> None:
        """Do what another person does at the console."""
        if virtual.is_on():
            virtual.current().simulators[self.url].do(request)
            return
        body = json.dumps(request).encode()
        with urllib.request.urlopen(urllib.request.Request(f"{self.url}/_simulator/do", data=body)):
            pass

    def calls(self) -> list[dict[str, Any]]:
        """Return every call that reached the simulator."""
        calls: list[dict[str, Any]] = self.state()["calls"]
        return calls


def command(url: str, folder: Path) -> Command:
    """Make commands for a simulator, with a home of their own."""
    return Command(url, folder)
