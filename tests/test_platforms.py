"""Systems that it runs on: Linux, and every other one is refused before anything else happens."""

from __future__ import annotations

import subprocess
import sys

import pytest

PRETEND = {
    "macOS": "sys.platform = 'darwin'; del time.CLOCK_BOOTTIME",
    "Windows": "sys.platform = 'win32'; del time.CLOCK_BOOTTIME; "
    "sys.modules.update(dict.fromkeys(('fcntl', 'grp', 'pwd', 'termios')))",
    "CLOCK_BOOTTIME": "del time.CLOCK_BOOTTIME",
}
"""By what the sentence names: what such a system lacks."""


def ended(name: str, program: str) -> subprocess.CompletedProcess[str]:
    """Run a program on a Python that pretends to be on such a system."""
    text = f"import runpy, sys, time; {PRETEND[name]}; {program}"
    return subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", PRETEND)
def test_the_command_refuses_another_system_in_one_line(name: str) -> None:
    """Exit code 2 and one line that names the system and what to use, whatever the command; no traceback."""
    done = ended(name, "sys.argv[1:] = ['--version']; runpy.run_module('safe_reinit', run_name='__main__')")

    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("safe-reinit: safe-reinit runs only on Linux")
    assert name in done.stderr
    assert "use a Linux machine" in done.stderr


def test_the_library_refuses_another_system() -> None:
    """A program gets the error of usage when it asks for ``connect``, and not an import that fails."""
    done = ended(
        "Windows",
        "import safe_reinit\ntry:\n    safe_reinit.connect\nexcept safe_reinit.UsageError as error:\n    print(error)",
    )

    assert "runs only on Linux, but this is Windows" in done.stdout
    assert done.stderr == ""
