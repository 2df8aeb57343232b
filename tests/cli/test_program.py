"""The commands that are printed run when they are copied: they name the program as it was called."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pytest

from safe_reinit.simulator import Simulator
from tests.terminals import Open

BIN = Path(sys.executable).parent
DRY = ("plan", "--simulate", "--disk", "d-sim-web1-data", "--stop-instance")
CALLS = {
    "by its path": (["venv/bin/safe-reinit"], "venv/bin/safe-reinit"),
    "as a module": (["venv/bin/python", "-m", "safe_reinit"], "venv/bin/python -m safe_reinit"),
    "by a path with a blank": (["a venv/bin/safe-reinit"], "'a venv/bin/safe-reinit'"),
}


def calling(folder: Path, called: Sequence[str], *, installed: bool) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return what runs command lines in a folder that has the program, which is in the path or not."""
    (folder / called[0].partition("/")[0]).symlink_to(BIN.parent)
    other = folder / "other"
    other.mkdir()
    path = os.pathsep.join([str(BIN if installed else other), os.defpath])
    return partial(
        subprocess.run, cwd=folder, env={**os.environ, "HOME": str(folder), "PATH": path}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


@pytest.mark.new_interpreter
@pytest.mark.parametrize("how", CALLS)
@pytest.mark.parametrize("installed", [True, False], ids=["in the path", "elsewhere"])
def test_a_printed_command_calls_the_program_as_it_was_called(tmp_path: Path, how: str, installed: bool) -> None:
    """In the path it is called by its name; else by what was typed, which runs where the name alone would not."""
    called, prints = CALLS[how]
    call = calling(tmp_path, called, installed=installed)
    name = "safe-reinit" if installed else prints
    refused = call([*called, "show", "nothing"])

    assert refused.stderr.endswith(f"See {name} runs.\n")
    assert call(["sh", "-c", f"{name} --version"]).stdout.startswith("safe-reinit ")


@pytest.mark.new_interpreter
def test_what_to_type_next_names_the_program_and_a_document_does_not(tmp_path: Path) -> None:
    """A person copies the line here; whoever reads the document may be elsewhere."""
    called, prints = CALLS["by its path"]
    call = calling(tmp_path, called, installed=False)
    planned, document = call([*called, *DRY]), call([*called, *DRY, "--output", "json"])

    assert f"\nnext: {prints} --simulate --disk " in planned.stdout
    assert '"safe-reinit --simulate' in document.stdout


@pytest.mark.new_interpreter
def test_another_program_of_that_name_is_not_meant(tmp_path: Path) -> None:
    """Where a shell would find another program by the name, the path is printed."""
    (tmp_path / "safe-reinit").write_text("#!/bin/sh\n")
    (tmp_path / "safe-reinit").chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{BIN}"}
    done = subprocess.run(
        [str(BIN / "safe-reinit"), "show", "nothing"], env=environment, capture_output=True, text=True, check=False
    )

    assert done.stderr.endswith(f"See {BIN / 'safe-reinit'} runs.\n")


@pytest.mark.virtual_time
def test_what_controls_a_terminal_is_written_out_in_a_message(terminal: Open, simulator: Simulator) -> None:
    """An argument with control characters is repeated as they are written, in one line that fakes no other."""
    for words in (("--disk", "d-x\x1b[31m"), ("cancel", "r-1\x1b[31m\nsafe-reinit: done"), ("pl\x1b[31m",)):
        person = terminal(simulator, *words, columns=200)
        person.end()

        assert "\\x1b[31m" in person.shown
        assert "\nsafe-reinit: done" not in person.shown
