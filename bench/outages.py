"""What a run does while the PostgreSQL of its journal is away, on a real clock: ``python bench/outages.py``.

In each phase of a run of its own (before the stop, while stopping, before the wipe, while wiping with the answer
outstanding, while starting) the server is killed, and started again after ``--seconds`` (300). All phases go on side by
side, so it takes about a minute more than that. Each is held against the simulator's own record: nothing is stopped or
wiped meanwhile, the machine is up again or said not to be, the report is true, and the resume closes the run.

The exit code is 1 if any of that does not hold. ``tests/blackbox/test_postgres_away.py`` does the same with ten
seconds.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests import outages, postgresql, processes


def measure(phase: str, seconds: float, *, hangs: bool) -> outages.Outage:
    """Let a server of its own go away in a phase."""
    with postgresql.server() as server, tempfile.TemporaryDirectory() as folder:
        return outages.go_through(phase, server, Path(folder), seconds, hangs=hangs)


def main() -> int:
    """Do it in every phase, and print what came of it as a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=300.0, help="for how long the server is away (default: 300)")
    parser.add_argument("--hangs", action="store_true", help="it is not killed, but stands still as on a hung disk")
    given = parser.parse_args()
    seconds: float = given.seconds
    processes.always_new(enabled=True)
    with ThreadPoolExecutor(len(outages.PHASES)) as pool:
        found = list(pool.map(lambda phase: measure(phase, seconds, hangs=given.hangs), outages.PHASES))
    print(f"The server {'hung' if given.hangs else 'was away'} for {seconds:.0f} s.\n")
    print("| away | calls sent meanwhile | machine up after | exit code | of the resume | wipes |")
    print("|---|---|---|---|---|---|")
    for each in found:
        up = "not by itself" if math.isinf(each.up_after) else f"{each.up_after:.0f} s"
        resumed = "nothing to resume" if each.resumed is None else each.resumed
        print(f"| {each.phase} | {', '.join(each.sent) or 'none'} | {up} | {each.code} | {resumed} | {each.wipes} |")
    for each in found:
        for broken in each.broken:
            print(f"BROKEN: {each.phase}: {broken}")
    return 1 if any(each.broken for each in found) else 0


if __name__ == "__main__":
    sys.exit(main())
