"""The extra ``temporal`` is no part of the rest: without it everything else works, and what needs it says so."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from safe_reinit import changes
from safe_reinit.model import Failure, Observation, Record, Send
from safe_reinit.temporal import payloads
from tests import values
from tests.cloudlike import ANSWERS, INSTANCE, TinyEcs, TinyRun
from tests.commands import ROOT

_WITHOUT = (
    "import sys; sys.modules['temporalio'] = None\nfrom safe_reinit.cli.app import run\nsys.exit(run(sys.argv[1:]))"
)


def without(tmp_path: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    """Run a command line where temporalio is not installed."""
    return subprocess.run(
        [sys.executable, "-c", _WITHOUT, *argv],
        capture_output=True, text=True, check=False, cwd=tmp_path, timeout=60,
        env={"PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "PATH": "/usr/bin"},
    )  # fmt: skip


@pytest.mark.parametrize(
    "argv",
    [
        ("worker", "--temporal", "127.0.0.1:7233", "--endpoint", "127.0.0.1:9", "--region", "cn-hangzhou"),
        ("--simulate", "--disk", "d-sim-db1-data", "--confirm", "d-sim-db1-data", "--runner", "temporal",
         "--temporal", "127.0.0.1:7233"),
    ],
    ids=["worker", "run"],
)  # fmt: skip
def test_without_the_extra_what_needs_it_says_so(tmp_path: Path, argv: tuple[str, ...]) -> None:
    """A worker and a run on Temporal end with 2 and name the package to install."""
    done = without(tmp_path, *argv)

    assert done.returncode == 2, done.stderr
    assert "pip install 'safe-reinit[temporal]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_the_extra_a_run_works(tmp_path: Path) -> None:
    """The local runner needs none of it."""
    done = without(tmp_path, "--simulate", "--disk", "d-sim-db1-data", "--confirm", "d-sim-db1-data")

    assert done.returncode == 0, done.stderr


def trimmed(seen: Observation) -> Observation:
    """Give a look as it is after it was written and read."""
    return payloads.read_look(payloads.write(seen))


@pytest.mark.parametrize("seed", range(20))
def test_of_a_look_nothing_is_left_out_that_decides(seed: int) -> None:
    """A look that was written down and read leads to the same record as the look itself, whatever happens."""
    runs = []
    for written in (False, True):
        rng = random.Random(seed)
        ecs = TinyEcs()
        look = ecs.look
        if written:
            ecs.look = lambda look=look: trimmed(look())  # type: ignore[misc]
        run, records = TinyRun(ecs), []
        for _ in range(40):
            run.answer = rng.choice(ANSWERS) if rng.random() < 0.3 else "ok"
            if rng.random() < 0.05:
                ecs.somebody(rng.choice(("start", "stop", "detach", "attach")))
            try:
                run.tick()
            except AssertionError:
                break
            records.append(payloads.read(Record, payloads.write(run.record)))
            assert records[-1] == run.record
        runs.append(records)

    assert runs[0] == runs[1]


def a_look() -> Observation:
    """Give a look that shows everything there is."""
    shot = values.a_snapshot()
    return Observation(
        at=1000.5,
        when=values.NOW,
        seen=True,
        instance=values.an_instance(tags=(("safe-reinit:run", "r-1"), ("env", "lab"))),
        disks={"d-1": values.a_disk(disk_id="d-1")},
        progressing=(shot,),
        snapshots={shot.snapshot_id: shot},
        credentials_refused="InvalidAccessKeyId.NotFound",
    )


_SEND, _FAILURE = Send("ReInitDisk", "d-1"), Failure("Code", "Message.", "REQ", "ReInitDisk", "Hint.")
_REFUSE = changes.Refuse(_SEND, _FAILURE, 1001.5, values.NOW, 1003.0)


@pytest.mark.parametrize(
    "change",
    [
        changes.Learn(trimmed(a_look())), changes.Intend(_SEND, trimmed(a_look())),
        changes.Assume(_SEND, trimmed(a_look())), changes.Withdraw(_SEND, 1.5), changes.Stuck(2.5),
        changes.Accept(_SEND, 3.5, "s-1"), _REFUSE, changes.Foresee(_REFUSE, trimmed(a_look())),
        changes.Lose(_SEND, 4.5, 5.5), changes.Fail(_FAILURE), changes.Interrupt(),
    ],
    ids=lambda change: type(change).__name__,
)  # fmt: skip
def test_every_change_is_read_as_it_was_written(change: Any) -> None:
    """Whatever may happen to a record can be written down, and comes back as it was."""
    assert payloads.read_change(payloads.write_change(change)) == change


def test_a_look_shows_of_the_machine_only_what_decides() -> None:
    """A payload has no name, address or foreign tag of a machine."""
    told = str(payloads.write(a_look()))

    assert "r-1" in told
    assert "lab" not in told
    assert INSTANCE not in told
