"""What a run over many machines costs: ``python bench/fleet.py [--disks N] [--write]``.

N running instances with one disk each, wiped by the library (our_fleet.py) with its journal in SQLite and in PostgreSQL
(``--no-postgresql`` leaves that out), and by the script that one would write with the raw SDK (raw_fleet.py;
``--no-script`` leaves it out):

1. On virtual time, in this process: calls, time, throttled answers and downtime, and the calls of a dry run. Nothing is
   waited for, and the figures are the same however busy the machine is.
2. Each in a process of its own, over HTTP, five simulated seconds in a real one: CPU time, memory, and how long it
   waited for its journal. SQLite and PostgreSQL both wait for the disk at each commit.

Everything is counted in the simulator's own record, and both sides are held against it: each disk wiped once, each
machine running again. ``--write`` puts the figures into docs/performance.md, where there is a place for this N.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import subprocess
import sys
import tempfile
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import our_fleet
import raw_fleet

from safe_reinit.simulator.calls import Call
from tests import postgresql, virtual

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "performance.md"
CLOCK_SPEED = 5
"""Simulated seconds in a real one, where each side is a process of its own."""
EXCHANGE_TIME = 0.1
"""Seconds that a request and its answer take on virtual time, together."""
STOP, WIPE, START = 30, 60, 45
"""Simulated seconds."""
WIPE_QUOTA = 500
"""Wipes in any 60 simulated seconds."""
REGION = "cn-hangzhou"
CONFIG = "{{max_disks: {count}, max_parallel: {count}, canary: 0, quota_share: 1.0}}\n"
KEY = {"ALIBABA_CLOUD_ACCESS_KEY_ID": "testid", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "testsecret"}


@dataclass(frozen=True)
class Counted:
    """What one side took on virtual time."""

    calls: float
    """ECS calls a disk, all of the record."""
    wall: float
    """Seconds, by the clock of the side itself."""
    throttled: int
    downtime: float
    """Seconds from the first stop call to Running, on average."""


@dataclass(frozen=True)
class Used:
    """What the process of one side used."""

    cpu: float
    """Milliseconds a disk."""
    memory: float
    """MiB, at most."""
    journal: float | None
    """Milliseconds a disk for which the run waited for its journal; ``None`` where it has none."""


@dataclass(frozen=True)
class Side:
    """One of those who do the work."""

    name: str
    module: ModuleType
    wipe_all: Callable[..., dict[str, Any]]
    words: Sequence[str]
    """What its own process is told after the endpoint, the region and the disks."""
    journal: str = ""
    """Where its journal is."""


def fleet_world(
    count: int, *, stop: float = STOP, wipe: float = WIPE, start: float = START, quota: int = WIPE_QUOTA
) -> dict[str, Any]:
    """Return a world of running machines with a data disk each that was made from a snapshot and has a fresh one."""
    names = [f"{number:05}" for number in range(1, count + 1)]
    return {
        "durations": {"stop": stop, "wipe": wipe, "start": start},
        "rate_limits": {"ReInitDisk": quota},
        "instances": {f"i-fleet{name}": {"name": f"fleet-{name}"} for name in names},
        "disks": {f"d-fleet{name}": {"instance": f"i-fleet{name}", "snapshot": "s-origin"} for name in names},
        "snapshots": {
            "s-origin": {"disk": "d-origin", "released": True, "created": "-40d"},
            **{f"s-fleet{name}": {"disk": f"d-fleet{name}"} for name in names},
        },
    }


@contextmanager
def simulator(path: Path) -> Iterator[str]:
    """Run a simulator of a world in a process of its own, on a core of its own where there are two."""
    command = [sys.executable, "-m", "safe_reinit.simulator", "--world", str(path), "--speed", str(CLOCK_SPEED)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout
            url = process.stdout.readline().rpartition(" ")[2].strip()
            os.sched_setaffinity(process.pid, {min(os.sched_getaffinity(0))})
            yield url
        finally:
            process.terminate()


def environment(folder: Path) -> dict[str, str]:
    """Return the environment of a side."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SAFE_", "ALIBABA_"))}
    return {**kept, **KEY, "SAFE_REINIT_JOURNAL": str(folder / "journal.db"), "HOME": str(folder)}


def check(state: dict[str, Any]) -> None:
    """Check in the simulator that the work is done."""
    assert all(len(disk["wipes"]) == 1 for name, disk in state["disks"].items() if name.startswith("d-fleet"))
    assert {each["status"] for each in state["instances"].values()} == {"Running"}


def counted(count: int, module: ModuleType, wipe_all: Callable[..., dict[str, Any]]) -> Counted:
    """Let a side do the work on virtual time, and count what it took."""

    def work() -> tuple[dict[str, Any], list[Call]]:
        built = fleet_world(count)
        with virtual.Simulator(built, travel=EXCHANGE_TIME) as simulator:
            text = wipe_all(simulator.url, REGION, list(built["disks"]))
            if text["outcome"] != "planned":
                assert text["outcome"] == "done", text
                check(simulator.state())
            return text, [call for call in simulator.engine.calls if call.source == "api"]

    with virtual.virtual_time(module) as time:
        text, calls = time.run(work)
    print(f"  {dict(Counter(call.action for call in calls).most_common())}")
    return Counted(
        calls=len(calls) / count,
        wall=text.get("ended", 0.0) - text.get("began", 0.0),
        throttled=sum(call.code.startswith("Throttling") for call in calls),
        downtime=downtime(calls),
    )


def used(count: int, command: Sequence[str], url: str) -> Used:
    """Let a side do the work in a process of its own, see that it is done, and return what that used."""
    there = os.environ | {"SAFE_REINIT_TIME_SCALE": str(CLOCK_SPEED)}
    process = subprocess.Popen([sys.executable, *command], env=there, stdout=subprocess.PIPE, text=True)
    os.sched_setaffinity(process.pid, {max(os.sched_getaffinity(0))})
    assert process.stdout
    with process.stdout:
        lines = process.stdout.read().splitlines()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, lines
    text = json.loads(lines[-1])
    assert text["outcome"] == "done", text
    with urllib.request.urlopen(f"{url}/_simulator/state") as answer:
        check(json.load(answer))
    peak = re.search(r"VmHWM:\s+(\d+) kB", text["status"])  # ru_maxrss counts what began the process, too
    assert peak
    waited = text["journal"] * 1000 / count if "journal" in text else None
    return Used((usage.ru_utime + usage.ru_stime) * 1000 / count, int(peak[1]) / 1024, waited)


def downtime(calls: Sequence[Call]) -> float:
    """Return the average time from the first stop call of a machine to Running, which is exact after its last start."""
    stopped: dict[str, float] = {}
    started: dict[str, float] = {}
    for call in calls:
        if call.dry_run or call.code:
            continue
        for subject in call.subject:
            if call.action.startswith("StopInstance"):
                stopped.setdefault(subject, call.at)
            elif call.action.startswith("StartInstance"):
                started[subject] = call.at + START
    assert set(stopped) == set(started)
    return sum(started[each] - stopped[each] for each in stopped) / max(1, len(stopped))


def least(count: int) -> int:
    """Return the simulated seconds that the work takes at the least, by the quota."""
    return STOP + 60 * (math.ceil(count / WIPE_QUOTA) - 1) + WIPE + START


def table(count: int, dry_run: Counted, measured: Sequence[tuple[Side, Counted, Used]]) -> list[str]:
    """Write the results as lines of Markdown."""
    down = STOP + WIPE + START
    has_script = any(side.module is raw_fleet for side, _, _ in measured)
    counts, uses = [each for _, each, _ in measured], [each for _, _, each in measured]
    rows: list[tuple[str, str, list[float | None], str]] = [
        ("ECS calls per disk", ".2f", [each.calls for each in counts], "1.3"),
        (f"time as a multiple of the shortest possible ({least(count)} s)", ".2f",
         [each.wall / least(count) for each in counts], "1.08"),
        ("throttled answers", ".0f", [each.throttled for each in counts], "0"),
        (f"average downtime as a multiple of the shortest possible ({down} s)", ".2f",
         [each.downtime / down for each in counts], "1.05"),
        ("CPU per disk, ms", ".1f", [each.cpu for each in uses], "0.06 of the script's" if has_script else ""),
        ("waiting for the journal per disk, ms", ".2f", [each.journal for each in uses], ""),
        ("memory, MiB", ".0f", [each.memory for each in uses], "250" if count >= 10_000 else ""),
    ]  # fmt: skip
    lines = [
        f"{count:,} disks. Made by `python bench/fleet.py --disks {count}{'' if has_script else ' --no-script'}`.",
        "",
        f"| | {' | '.join(side.name for side, _, _ in measured)} | at most |",
        f"|---|{'---|' * len(measured)}---|",
        f"| calls of a dry run of all of them | {dry_run.calls * count:.0f} |{' |' * (len(measured) - 1)}"
        f" {'60' if count == 1000 else ''} |",
    ]
    for name, form, values, most in rows:
        result = ["" if value is None else format(value, form) for value in values]
        lines.append(f"| {name} | {' | '.join(result)} | {most} |")
    return lines


def write(what: str, lines: Sequence[str]) -> None:
    """Put the results into their place on the page."""
    begin, end = f"<!-- {what}: begin -->", f"<!-- {what}: end -->"
    text = PAGE.read_text("utf-8")
    before, found, rest = text.partition(begin)
    if not found:
        raise SystemExit(f"{PAGE.name} has no place for {what}: add the lines {begin} and {end}.")
    results = "\n".join(lines)
    PAGE.write_text(f"{before}{begin}\n{results}\n{end}{rest.partition(end)[2]}", "utf-8")


@contextmanager
def database(*, enabled: bool) -> Iterator[str | None]:
    """Run a PostgreSQL that waits for its disk at each commit, and give the address of a journal; ``None``: none."""
    if not enabled:
        yield None
        return
    with postgresql.server() as server:
        server.stop()
        server.start(fsync="on")
        yield server.new()


def measured(count: int, side: Side, path: Path, file: Path) -> tuple[Side, Counted, Used]:
    """Let a side do the work in both ways."""
    print(side.name, flush=True)
    os.environ["SAFE_REINIT_JOURNAL"] = side.journal
    counts = counted(count, side.module, side.wipe_all)
    print(f"  {counts}", flush=True)
    with simulator(path) as url:
        uses = used(count, [str(side.module.__file__), url, REGION, str(file), *side.words], url)
    print(f"  {uses}", flush=True)
    return side, counts, uses


def main() -> None:
    """Measure everything, print it, and write it down where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--disks", type=int, default=1000)
    parser.add_argument("--no-script", action="store_true")
    parser.add_argument("--no-postgresql", action="store_true")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    count: int = given.disks
    with tempfile.TemporaryDirectory() as name, database(enabled=not given.no_postgresql) as shared:
        folder = Path(name)
        path, file, config = folder / "world.json", folder / "disks", folder / "config.yaml"
        built = fleet_world(count)
        path.write_text(json.dumps(built), "utf-8")
        file.write_text("\n".join(built["disks"]), "utf-8")
        config.write_text(CONFIG.format(count=count), "utf-8")
        config.chmod(0o600)
        os.environ.update(environment(folder))
        wipe_all = partial(our_fleet.wipe_all, config=str(config))
        dry_run = counted(count, our_fleet, partial(wipe_all, dry_run=True))
        sides = [Side("safe-reinit", our_fleet, wipe_all, [str(config)], str(folder / "journal.db"))]
        if shared is not None:
            sides.append(Side("with PostgreSQL", our_fleet, wipe_all, [str(config)], shared))
        if not given.no_script:
            sides.append(Side("the script", raw_fleet, raw_fleet.wipe_all, [str(CLOCK_SPEED)]))
        lines = table(count, dry_run, [measured(count, side, path, file) for side in sides])
    print("\n".join(lines))
    if given.write:
        write(f"{count} disks", lines)


if __name__ == "__main__":
    main()
