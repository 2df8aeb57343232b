"""A holder that the process table hides (``hidepid``) is alive: nobody takes its run while its lease lasts."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from pathlib import Path

import pytest

from safe_reinit.simulator import Simulator
from tests.blackbox.worlds import COMMAND_TIMEOUT, RUN_YOUNG, WAITS, listed
from tests.commands import Command, read_until


def without(pid: int, words: list[str]) -> list[str]:
    """Return a command line that runs a command where the process table does not show one process."""
    hide = f"mount -t tmpfs none /proc/{pid} && exec {shlex.join(words)}"
    return ["unshare", "--mount", "sh", "-c", hide]


def test_a_holder_that_is_hidden_keeps_its_run(young: Simulator, real: Command, tmp_path: Path) -> None:
    """Resume waits for it and sends nothing; the run is ended by its holder, once."""
    if os.getuid() != 0 or subprocess.run(without(os.getpid(), ["true"]), capture_output=True, check=False).returncode:
        pytest.skip("processes cannot be hidden here")
    journal = tmp_path / "j.db"
    holder = real.start(*RUN_YOUNG, journal=journal)
    read_until(holder.stderr, WAITS)
    name = listed(real, journal)[0]["run_id"]
    words = without(holder.pid, real.words("resume", name, journal=journal))
    other = subprocess.Popen(
        words, env=real.environment(), text=True, cwd=tmp_path, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert other.stderr is not None
    first = other.stderr.readline()
    holder.send_signal(signal.SIGTERM)
    _, text = holder.communicate(timeout=COMMAND_TIMEOUT)
    _, result = other.communicate(timeout=COMMAND_TIMEOUT)

    assert "is held by" in first
    assert holder.returncode == listed(real, journal)[0]["exit_code"] == 3, text
    assert other.returncode == 3, result
    assert not [call for call in young.state()["calls"] if call["action"] == "StopInstance" and not call["dry_run"]]
