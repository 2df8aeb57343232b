"""Texts that are no text, as arguments of the command line and of the library: refused before anything is asked."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

import safe_reinit
from safe_reinit.simulator import Simulator
from tests.blackbox.worlds import DISK
from tests.commands import Command

HALF = "lab\ud800"


@pytest.mark.parametrize(
    "given",
    [
        {"reason": HALF}, {"reason": "two\nlines"}, {"reason": "x" * 5000}, {"reason": 5}, {"key_pair": HALF},
        {"expect_instance": HALF}, {"security_enhancement": "on"},
    ],
    ids=lambda given: next(iter(given)),
)  # fmt: skip
def test_an_argument_of_plan_is_read_as_its_option_is(sim: Simulator, given: dict[str, Any]) -> None:
    """What the command line refuses the library refuses too, names it, and asks nothing."""
    client = safe_reinit.connect(region=sim.region, endpoint=sim.url, credentials=sim.access_key)
    before = len(sim.state()["calls"])
    with pytest.raises(safe_reinit.UsageError, match=next(iter(given))):
        client.plan([DISK], stop_instance=True, **given)

    assert len(sim.state()["calls"]) == before


@pytest.mark.parametrize("option", ["--tag", "--reason", "--report", "--journal", "--expect-instance"])
def test_bytes_that_are_no_text_are_refused(sim: Simulator, run: Command, option: str) -> None:
    """An option whose bytes are not UTF-8 ends 2, with a sentence, and nothing is asked."""
    targets = ("--tag", "env=lab", "--system-disk") if option != "--tag" else ("--system-disk",)
    words = [each.encode() for each in run.words("plan", *targets, "--endpoint", run.url, journal=None)]
    done = subprocess.run(
        [*words, option.encode(), b"env=\xff.json"], env=run.environment(), capture_output=True, check=False
    )

    assert done.returncode == 2, done.stderr
    assert b"Traceback" not in done.stderr
    assert not sim.state()["calls"]
