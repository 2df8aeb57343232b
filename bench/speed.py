"""How much the tool adds to what the cloud takes, as ratios measured in one run: ``python bench/speed.py``.

1. ``--help``, ``explain`` and a configuration error beside ``python -c pass`` (at most 10x).
2. A dry run of one disk beside a ten-line script that makes the same looks with the raw SDK (at most 1.25x).
3. A run at 10x, from the first changing call to the last proof, beside what the simulated stop, wipe and start take
   (at most 1.1x).

Each command is a whole process; figures are medians of pairs taken in turn, so that a slow machine slows both sides.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from safe_reinit.simulator import Simulator

RAW = Path(__file__).with_name("raw_looks.py")


def wall(command: Sequence[str], environment: dict[str, str]) -> float:
    """Time one command as a whole process, in seconds."""
    began = time.perf_counter()
    subprocess.run(
        command,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
        cwd=os.path.expanduser("~"),
    )
    return time.perf_counter() - began


def ratio(
    ours: Sequence[str], other: Sequence[str], environment: dict[str, str], pairs: int
) -> tuple[float, float, float]:
    """Time two commands in turn: the median of the ratios, and the median of each."""
    took = [(wall(ours, environment), wall(other, environment)) for _ in range(pairs + 1)][1:]
    return (
        statistics.median(a / b for a, b in took),
        statistics.median(a for a, _ in took),
        statistics.median(b for _, b in took),
    )


def startup(environment: dict[str, str]) -> None:
    """Print how the commands that send nothing compare with a bare interpreter."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as bad:
        bad.write("no_such_setting: 1\n")
        bad.flush()
        commands = {
            "--help": ["--help"],
            "explain never-started": ["explain", "never-started"],
            "explain DiskCreatingSnapshot": ["explain", "DiskCreatingSnapshot"],
            "a configuration error": ["config", "check", "--config", bad.name],
        }
        for name, words in commands.items():
            times, ours, bare = ratio(
                [sys.executable, "-m", "safe_reinit", *words], [sys.executable, "-c", "pass"], environment, 11
            )
            print(f"{name:<32} {times:5.1f}x  ({ours * 1000:.0f} ms beside {bare * 1000:.0f} ms; at most 10x)")


def dry_run(environment: dict[str, str]) -> None:
    """Print how a dry run compares with a script that makes the same looks."""
    with Simulator(speed=1.0) as simulator:
        key, secret = simulator.access_key
        environment = {
            **environment, "ALIBABA_CLOUD_ACCESS_KEY_ID": key, "ALIBABA_CLOUD_ACCESS_KEY_SECRET": secret
        }  # fmt: skip
        ours = [
            sys.executable, "-m", "safe_reinit", "--endpoint", simulator.url, "--region", simulator.region,
            "--disk", "d-sim-web1-data", "--stop-instance", "--dry-run",
        ]  # fmt: skip
        raw = [sys.executable, str(RAW), simulator.endpoint, simulator.region, "d-sim-web1-data"]
        before = len(simulator.state()["calls"])
        wall(ours, environment)
        looks = [call["action"] for call in simulator.state()["calls"][before:]]
        before = len(simulator.state()["calls"])
        wall(raw, environment)
        raw_looks = [call["action"] for call in simulator.state()["calls"][before:]]
        assert sorted(looks) == sorted(raw_looks), (looks, raw_looks)
        times, mine, theirs = ratio(ours, raw, environment, 9)
    print(
        f"{'a dry run (' + str(len(looks)) + ' calls)':<32} {times:5.2f}x  "
        f"({mine:.2f} s beside {theirs:.2f} s; at most 1.25x)"
    )


def run(environment: dict[str, str]) -> None:
    """Print how long a run takes beside the simulated work itself, by the simulator's own record."""
    with Simulator(speed=10.0) as simulator:
        key, secret = simulator.access_key
        environment = {
            **environment, "ALIBABA_CLOUD_ACCESS_KEY_ID": key, "ALIBABA_CLOUD_ACCESS_KEY_SECRET": secret,
            "SAFE_REINIT_TIME_SCALE": "10",
        }  # fmt: skip
        done = subprocess.run(
            [
                sys.executable, "-m", "safe_reinit", "--endpoint", simulator.url, "--region", simulator.region,
                "--disk", "d-sim-web1-data", "--stop-instance", "--confirm", "d-sim-web1-data", "--output", "json",
            ],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        report = json.loads(done.stdout)
        assert report["outcome"] == "done", done.stderr
        calls = simulator.state()["calls"]
    acts = [call for call in calls if call["action"] == "StopInstance" and not call["dry_run"]]
    began, ended = _seconds(acts[0]["real_at"]), _seconds(calls[-1]["real_at"])
    work = (30 + 60 + 45) / 10
    print(
        f"{'a run of 135 s at 10x':<32} {(ended - began) / work:5.3f}x  "
        f"({ended - began:.2f} s beside {work:.2f} s; at most 1.1x)"
    )


def _seconds(real_at: str | float) -> float:
    if isinstance(real_at, str):
        return datetime.fromisoformat(real_at.replace("Z", "+00:00")).timestamp()
    return real_at


def main() -> None:
    """Measure everything."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SAFE_", "ALIBABA_"))}
    startup(environment)
    dry_run(environment)
    run(environment)


if __name__ == "__main__":
    main()
