"""Kills a Temporal worker at every place, whatever others do meanwhile: ``python bench/temporalsweep.py --part 1/12``.

The tests of the runner draw a few of these cases; here are all of them, or a part of so many (12 take a minute or two
each). Of each: a worker is killed before or after
its nth changing call, or its nth look; somebody uses the machine, or nobody does; another worker goes on. What must
never be is held against the simulator's record: a wipe after the machine was started again, a power call done twice, a
report that says what is not so. ``--off fence,drift`` switches guards off, to see that harm is found then.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.temporal.stage import MEANWHILE, PLACES, OnTemporal, problems
from tests.temporals import Nursery, Temporal, simulated


def main() -> None:
    """Do the cases, print what came of them, and end with 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", default="1/1", help="which part of how many: 1/12 is the first of twelve")
    parser.add_argument("--off", default="", help="guards that are switched off: fence,drift")
    given = parser.parse_args()
    off = tuple(each for each in given.off.split(",") if each)
    part, parts = (int(each) for each in given.part.split("/"))
    cases = [(place, world) for place in PLACES for world in MEANWHILE][part - 1 :: parts]
    found: list[str] = []
    outcomes: Counter[str] = Counter()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name, Nursery() as nursery:
        temporal = Temporal(Path(name))
        temporal.start()
        try:
            for number, (place, world) in enumerate(cases):
                folder = Path(name, str(number))
                folder.mkdir()
                with simulated() as sim:
                    stage = OnTemporal(temporal, nursery, folder, sim)
                    done = stage.killed_and_replaced(place, world, off)
                    wrong = problems(stage, done, world)
                outcomes[done.outcome] += 1
                found += [f"{place} {world}: {each}" for each in wrong]
                took = time.monotonic() - began
                print(f"{took:4.0f} s  {number + 1}/{len(cases)} {place} {world}: {done.outcome} {'; '.join(wrong)}",
                      flush=True)  # fmt: skip
        finally:
            temporal.stop()
    print(dict(outcomes), f"{len(found)} problems")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
