"""A command that a sentence names does what it says when it is typed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from safe_reinit.simulator import Simulator
from tests.blackbox.worlds import RUN, STOPPING, held, killed, power
from tests.commands import Command, until

pytestmark = pytest.mark.virtual_time


def test_each_command_of_a_run_names_the_journal_that_has_the_run(sim: Simulator, run: Command, path: Path) -> None:
    """Where --journal was given, what goes on with a run has it, too: the default journal does not know that run."""
    with held(sim, STOPPING):
        run_id = killed(sim, run, path)
    until(lambda: power(sim) == "Stopped")  # while it is Stopping, a plan is refused for that
    refused = run(*RUN, journal=path)
    texts = [run("runs", journal=path).stdout, run("show", run_id, journal=path).stdout]
    texts += [refused.stderr, refused.stdout]

    assert refused.returncode == 3
    for text in texts:
        named = re.findall(rf"safe-reinit (?:show|resume) {run_id}( --journal \S+)?", text)
        assert named, text
        assert all(journal.startswith(f" --journal {path}") for journal in named), text
