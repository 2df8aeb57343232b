"""What a run over many machines costs, as ratios measured in one run: ``python bench/fleet.py [--disks N] [--write]``.

N running instances with one disk each, in a simulator in a process of its own, ten simulated seconds in a real one:

1. A dry run: the calls that judging them takes (at most 60 for 1,000).
2. A run, beside the script that one would write with the raw SDK (raw_fleet.py; ``--no-script`` leaves it out): calls,
   time, throttled answers, CPU time, memory and downtime.

Everything is counted in the simulator's own record, and both sides are held against it: each disk wiped once, each
machine running again. ``--write`` puts the figures into docs/performance.md, where there is a place for this N.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "performance.md"
SPEED = 10
STOP, WIPE, START = 30, 60, 45
"""Simulated seconds."""
QUOTA = 500
"""Wipes in any 60 simulated seconds."""
REGION = "cn-hangzhou"
CONFIG = "{{max_disks: {count}, max_parallel: {count}, canary: 0, quota_share: 1.0}}\n"
KEY = {"ALIBABA_CLOUD_ACCESS_KEY_ID": "testid", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "testsecret"}


@dataclass(frozen=True)
class Measured:
    """What one side took."""

    calls: float
    """ECS calls a disk, all of the record."""
    wall: float
    """Simulated seconds, by the clock of the side itself."""
    throttled: int
    cpu: float
    """Milliseconds a disk, of the whole process."""
    memory: float
    """MiB, at most."""
    downtime: float
    """Simulated seconds from the first stop call to Running, on average."""


def world(count: int) -> dict[str, Any]:
    """Give a world of running machines with a data disk each that was made from a snapshot and has a fresh one."""
    names = [f"{number:05}" for number in range(1, count + 1)]
    return {
        "durations": {"stop": STOP, "wipe": WIPE, "start": START},
        "rate_limits": {"ReInitDisk": QUOTA},
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
    command = [sys.executable, "-m", "safe_reinit.simulator", "--world", str(path), "--speed", str(SPEED)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout
            url = process.stdout.readline().rpartition(" ")[2].strip()
            os.sched_setaffinity(process.pid, {min(os.sched_getaffinity(0))})
            yield url
        finally:
            process.terminate()


def state(url: str) -> dict[str, Any]:
    """Ask the simulator what is true."""
    with urllib.request.urlopen(f"{url}/_simulator/state") as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def ours(url: str, folder: Path, what: str = "run") -> list[str]:
    """Give the command of our side."""
    files = [str(folder / "disks"), str(folder / "config.yaml")]
    return [sys.executable, str(HERE / "our_fleet.py"), url, REGION, *files, what]


def script(url: str, folder: Path) -> list[str]:
    """Give the command of the script."""
    return [sys.executable, str(HERE / "raw_fleet.py"), url, REGION, str(folder / "disks"), str(SPEED)]


def did(command: Sequence[str], folder: Path) -> tuple[dict[str, Any], resource.struct_rusage]:
    """Run a side to its end; give what it says on its last line, and what the whole process used."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SAFE_", "ALIBABA_"))}
    environment = {
        **kept, **KEY, "SAFE_REINIT_TIME_SCALE": str(SPEED), "SAFE_REINIT_JOURNAL": str(folder / "journal.db"),
        "HOME": str(folder),
    }  # fmt: skip
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    os.sched_setaffinity(process.pid, {max(os.sched_getaffinity(0))})
    assert process.stdout
    with process.stdout:
        said = process.stdout.read().splitlines()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, said
    found: dict[str, Any] = json.loads(said[-1])
    return found, used


def measured(count: int, command: Sequence[str], url: str, folder: Path) -> Measured:
    """Let a side do the work, see that it is done, and count what it took."""
    said, used = did(command, folder)
    assert said["outcome"] == "done", said
    found = state(url)
    assert all(len(disk["wipes"]) == 1 for name, disk in found["disks"].items() if name.startswith("d-fleet"))
    assert {each["status"] for each in found["instances"].values()} == {"Running"}
    calls = [call for call in found["calls"] if call["source"] == "api"]
    print(f"  {dict(Counter(call['action'] for call in calls).most_common())}")
    return Measured(
        calls=len(calls) / count,
        wall=(said["ended"] - said["began"]) * SPEED,
        throttled=sum(call["code"].startswith("Throttling") for call in calls),
        cpu=(used.ru_utime + used.ru_stime) * 1000 / count,
        memory=used.ru_maxrss / 1024,
        downtime=downtime(calls),
    )


def downtime(calls: Sequence[dict[str, Any]]) -> float:
    """Give the average time from the first stop call of a machine to Running, which is exact after its last start."""
    stopped: dict[str, float] = {}
    started: dict[str, float] = {}
    for call in calls:
        at = datetime.fromisoformat(call["real_at"].replace("Z", "+00:00")).timestamp() * SPEED
        if call["dry_run"] or call["code"]:
            continue
        for subject in call["subject"]:
            if call["action"].startswith("StopInstance"):
                stopped.setdefault(subject, at)
            elif call["action"].startswith("StartInstance"):
                started[subject] = at + START
    assert set(stopped) == set(started)
    return sum(started[each] - stopped[each] for each in stopped) / len(stopped)


def least(count: int) -> int:
    """Give the simulated seconds that the work takes at the least, by the quota."""
    return STOP + 60 * (math.ceil(count / QUOTA) - 1) + WIPE + START


def table(count: int, dry_calls: int, mine: Measured, theirs: Measured | None) -> list[str]:
    """Write the results as lines of Markdown."""
    down = STOP + WIPE + START
    rows: list[tuple[str, str, float, float | None, str]] = [
        ("ECS calls a disk", ".2f", mine.calls, theirs and theirs.calls, "2"),
        (f"time beside the least possible ({least(count)} s)", ".2f", mine.wall / least(count),
         theirs and theirs.wall / least(count), "1.15"),
        ("throttled answers", ".0f", mine.throttled, theirs and theirs.throttled, "0"),
        ("CPU a disk, ms", ".1f", mine.cpu, theirs and theirs.cpu, "6"),
        (f"average downtime beside the least possible ({down} s)", ".2f", mine.downtime / down,
         theirs and theirs.downtime / down, "1.15"),
        ("memory, MiB", ".0f", mine.memory, theirs and theirs.memory, "250" if count >= 10_000 else ""),
    ]  # fmt: skip
    lines = [
        f"{count:,} disks. Made by `python bench/fleet.py --disks {count}`.",
        "",
        "| | safe-reinit | the script | at most |",
        "|---|---|---|---|",
        f"| calls of a dry run of all of them | {dry_calls} | | {'60' if count == 1000 else ''} |",
    ]
    for name, form, own, other, most in rows:
        lines.append(f"| {name} | {own:{form}} | {'' if other is None else format(other, form)} | {most} |")
    return lines


def write(count: int, lines: Sequence[str]) -> None:
    """Put the results into their place on the page."""
    begin, end = f"<!-- {count} disks: begin -->", f"<!-- {count} disks: end -->"
    text = PAGE.read_text("utf-8")
    before, found, rest = text.partition(begin)
    if not found:
        raise SystemExit(f"{PAGE.name} has no place for {count} disks: add the lines {begin} and {end}.")
    results = "\n".join(lines)
    PAGE.write_text(f"{before}{begin}\n{results}\n{end}{rest.partition(end)[2]}", "utf-8")


def main() -> None:
    """Measure everything, print it, and write it down where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--disks", type=int, default=1000)
    parser.add_argument("--no-script", action="store_true")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    count: int = given.disks
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path, built = folder / "world.json", world(count)
        path.write_text(json.dumps(built), "utf-8")
        (folder / "disks").write_text("\n".join(built["disks"]), "utf-8")
        (folder / "config.yaml").write_text(CONFIG.format(count=count), "utf-8")
        (folder / "config.yaml").chmod(0o600)
        with simulator(path) as url:
            said, _ = did(ours(url, folder, "plan"), folder)
            assert said["outcome"] == "planned", said
            dry_calls = len(state(url)["calls"])
            print(f"a dry run: {dry_calls} calls", flush=True)
        with simulator(path) as url:
            mine = measured(count, ours(url, folder), url, folder)
            print(f"safe-reinit: {mine}", flush=True)
        theirs = None
        if not given.no_script:
            with simulator(path) as url:
                theirs = measured(count, script(url, folder), url, folder)
                print(f"the script: {theirs}", flush=True)
    lines = table(count, dry_calls, mine, theirs)
    print("\n".join(lines))
    if given.write:
        write(count, lines)


if __name__ == "__main__":
    main()
