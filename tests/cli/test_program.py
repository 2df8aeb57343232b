"""The commands that are printed run when they are copied: they name the program as it was called."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pytest

from safe_reinit.cli.program import command_rows
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


@pytest.mark.parametrize("width", [20, 40, 80, 200])
@pytest.mark.parametrize(
    "words",
    [
        ["--disk", "d-bp1example", "--reason", "a b  c", "--confirm", "d-bp1example"],
        ["--reason", 'it\'s \\ "quoted" $x', "--password-env", "实验室 的"],
        ["--disk", "d-" + "x" * 60],
    ],
)
def test_a_command_in_rows_is_one_to_a_shell(words: list[str], width: int) -> None:
    """Copied from a terminal of any width, a command has the words that it had; only a longer word is too wide."""
    line = f"next: {shlex.join(['echo', *words])}"
    rows = command_rows(line, width)
    copied = "\n".join(rows).removeprefix("next: ").replace("echo", "printf '%s\\n'", 1)
    read = subprocess.run(["/bin/sh", "-c", copied], capture_output=True, text=True, check=True).stdout

    assert read.splitlines() == words
    assert width < 80 or all(len(row) <= width for row in rows)


def test_what_is_no_command_of_ours_stays_one_row() -> None:
    """A line with a quote that nothing closes is not broken, since no word of it may be lost."""
    line = "next: safe-reinit --disk d-1 it's [--disk ... 29 more] and so on, for longer than a row"

    assert command_rows(line, 40) == [line]
