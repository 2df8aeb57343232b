"""What a run costs that is cut into shards, beside one process: ``python bench/shards.py [--disks N] [--write]``.

Both on virtual time, in this process: nothing is waited for, and the figures are the same however busy the computer is.
What Temporal adds is in hosts.py. ``--write`` puts the figures into docs/performance.md.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import fleet

from tests import cloudlike, fleetruns, shardruns, virtual

Carry = Callable[[virtual.Simulator, Path, list[str]], float]


def alone(simulator: virtual.Simulator, journal: Path, disks: list[str]) -> float:
    """Carry the run in one process, and return when it began."""
    client = cloudlike.client(simulator, journal=journal)
    plan = fleetruns.planned(client, disks, max_parallel=len(disks))
    began = virtual.current().scheduler.now
    client.run(plan, confirm=plan.confirm_with)
    return began


def in_shards(simulator: virtual.Simulator, journal: Path, disks: list[str]) -> float:
    """Carry each shard in a process of its own, all of them at once, and return when the run began."""
    engine = shardruns.Engine(simulator, journal).begin(disks, max_parallel=len(disks))
    began = virtual.current().scheduler.now
    engine.carry()
    return began


def counted(count: int, carry: Carry, journal: Path) -> fleet.Counted:
    """Let a run be carried on virtual time, and count what it took after its plan."""

    def work() -> fleet.Counted:
        built = fleet.fleet_world(count)
        with virtual.Simulator(built, travel=fleet.EXCHANGE_TIME) as simulator:
            began = carry(simulator, journal, list(built["disks"]))
            wall = virtual.current().scheduler.now - began
            fleet.check(simulator.state())
            calls = [call for call in simulator.engine.calls if call.source == "api" and call.at >= began]
        throttled = sum(call.code.startswith("Throttling") for call in calls)
        return fleet.Counted(len(calls) / count, wall, throttled, fleet.downtime(calls))

    with virtual.virtual_time(shardruns) as time:
        result: fleet.Counted = time.run(work)
    return result


def main() -> None:
    """Measure both, print it, and write it down where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--disks", type=int, default=1000)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    count: int = given.disks
    found = []
    for carry in (alone, in_shards):
        with tempfile.TemporaryDirectory() as name:
            os.environ.update(fleet.environment(Path(name)))
            found.append(counted(count, carry, Path(name) / "journal.db"))
    local, shards = found
    lines = [
        f"{count:,} disks. Made by `python bench/shards.py --disks {count}`.",
        "",
        "| | in one process | in shards | at most |",
        "|---|---|---|---|",
        f"| time | {local.wall:.0f} s | {shards.wall:.0f} s | {1.15 * local.wall:.0f} s |",
        f"| ECS calls per disk | {local.calls:.2f} | {shards.calls:.2f} | 2.5 |",
        f"| throttled answers | {local.throttled} | {shards.throttled} | 0 |",
        f"| average downtime | {local.downtime:.0f} s | {shards.downtime:.0f} s | |",
    ]
    print("\n".join(lines))
    if given.write:
        fleet.write("shards", lines)


if __name__ == "__main__":
    main()
