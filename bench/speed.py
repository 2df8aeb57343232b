"""How much the tool adds to what the cloud takes, as ratios measured in one run: ``python bench/speed.py``.

1. ``--help``, ``explain`` and a configuration error beside ``python -c pass`` (at most 5x, 6x and 10x).
2. A dry run of one disk beside a ten-line script that makes the same looks with the raw SDK (at most 0.7x).
3. A run of one disk, from consent to the report, beside what the simulated stop, wipe and start take (at most 1.1x): on
   virtual time, where the machine has no part in it.

Each command of 1 and 2 is a whole process. Its CPU time counts, since what else the machine does costs none of that;
figures are medians of pairs taken in turn.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import fleet
import our_fleet

from safe_reinit.simulator import Simulator

RAW = Path(__file__).with_name("raw_reads.py")


def cpu(command: Sequence[str], environment: dict[str, str]) -> float:
    """Run one command as a whole process; return the CPU seconds that it took."""
    process = subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=os.path.expanduser("~"),
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return used.ru_utime + used.ru_stime


def ratio(
    ours: Sequence[str], other: Sequence[str], environment: dict[str, str], pairs: int
) -> tuple[float, float, float]:
    """Run two commands in turn: the median of the ratios, and the median of each."""
    took = [(cpu(ours, environment), cpu(other, environment)) for _ in range(pairs + 1)][1:]
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
            "--help": (["--help"], 5),
            "explain never-started": (["explain", "never-started"], 6),
            "explain DiskCreatingSnapshot": (["explain", "DiskCreatingSnapshot"], 6),
            "a configuration error": (["config", "check", "--config", bad.name], 10),
        }
        for name, (words, most) in commands.items():
            times, ours, bare = ratio(
                [sys.executable, "-m", "safe_reinit", *words], [sys.executable, "-c", "pass"], environment, 11
            )
            print(f"{name:<32} {times:5.1f}x  ({ours * 1000:.0f} ms beside {bare * 1000:.0f} ms; at most {most}x)")


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
        cpu(ours, environment)
        reads = [call["action"] for call in simulator.state()["calls"][before:]]
        before = len(simulator.state()["calls"])
        cpu(raw, environment)
        raw_reads = [call["action"] for call in simulator.state()["calls"][before:]]
        assert sorted(reads) == sorted(raw_reads), (reads, raw_reads)
        times, mine, theirs = ratio(ours, raw, environment, 9)
    print(
        f"{'a dry run (' + str(len(reads)) + ' calls)':<32} {times:5.2f}x  "
        f"({mine:.2f} s beside {theirs:.2f} s; at most 0.7x)"
    )


def one_run(environment: dict[str, str]) -> None:
    """Print how long a run takes beside the simulated work itself."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update({**environment, **fleet.environment(Path(folder))})
        config = Path(folder) / "config.yaml"
        config.write_text(fleet.CONFIG.format(count=1), "utf-8")
        config.chmod(0o600)
        took = fleet.counted(1, our_fleet, partial(our_fleet.wipe_all, config=str(config)))
    work = fleet.least(1)
    print(
        f"{'a run of ' + str(work) + ' s':<32} {took.wall / work:5.3f}x  "
        f"({took.wall:.1f} s, {took.calls:.0f} calls, {took.downtime / work:.3f}x the downtime; at most 1.1x)"
    )


def main() -> None:
    """Measure everything."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SAFE_", "ALIBABA_"))}
    startup(environment)
    dry_run(environment)
    one_run(environment)


if __name__ == "__main__":
    main()
