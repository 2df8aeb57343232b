"""Explore the program by simulation: seeds a second, what was covered, and each failing seed made small.

    python bench/simulation.py --seeds 1000 --jobs 2            seeds 0 to 999
    python bench/simulation.py --first 5000 --seconds 600       as many as fit into ten minutes
    python bench/simulation.py --replay 57                      one seed, with its options and a readable trace
    python bench/simulation.py --replay FILE.json               a kept scenario, without the guard that it names
    python bench/simulation.py --without own-lease              with a guard turned off: seeds until it is missed
    python bench/simulation.py --through-sdk --seeds 1000       over the real SDK, which signs each request
    python bench/simulation.py --save DIR                       keep each failing seed, shrunk, as a scenario file
    python bench/simulation.py --journal postgresql             the journal in PostgreSQL, with troubles of its own
    python bench/simulation.py --sharded                    each run cut into shards, which several workers carry
    python bench/simulation.py --every-fault --jobs 2           every call with every fault, and a crash at every moment

A seed that fails with nothing turned off is a defect of the program, or of the judge: look at its trace with --replay.
The exit code is 1 if anything failed, and with --without if nothing did.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import random
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests import postgresql
from tests.simulation import every_fault
from tests.simulation.guards import GUARDS, turned_off
from tests.simulation.harness import simulate
from tests.simulation.judge import Violation
from tests.simulation.options import ASSUMPTIONS, Scenario, expand, names
from tests.simulation.shrink import shrink

_servers: list[postgresql.Server] = []
"""What has the journals of scenarios in PostgreSQL, begun before the processes that run seeds."""


def _one(scenario: Scenario, guard: str | None, *, through_sdk: bool) -> tuple[list[Violation], Any]:
    """Run a scenario; what breaks the simulation itself counts as a failure, too."""
    try:
        with turned_off(guard) if guard else contextlib.nullcontext():
            result = simulate(scenario, through_sdk=through_sdk, server=next(iter(_servers), None))
    except Exception as error:
        return [Violation("harness", f"{error!r}: {traceback.format_exc(limit=-2)}")], None
    return result.violations, result


def _work(task: tuple[int, argparse.Namespace]) -> dict[str, Any]:
    seed, options = task
    began = time.process_time()
    scenario = expand(seed, options.journal, sharded=options.sharded)
    violations, result = _one(scenario, options.without, through_sdk=options.through_sdk)
    reported: dict[str, Any] = {"seed": seed, "violations": violations, "cpu": time.process_time() - began}
    reported |= {"names": names(scenario), "keeps": scenario["keeps"]}
    if result is not None:
        reported |= {
            "outcomes": result.outcomes, "covered": result.covered, "simulated": result.simulated,
            "calls": result.calls,
        }  # fmt: skip
    if violations and options.save:
        reported["kept"] = _save(seed, violations[0].kind, options)
    return reported


def _results(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    tasks = ((seed, options) for seed in range(options.first, options.first + options.seeds))
    ends = time.monotonic() + options.seconds if options.seconds else None
    with multiprocessing.get_context("fork").Pool(options.jobs, maxtasksperchild=200) as pool:
        for result in pool.imap_unordered(_work, tasks):
            yield result
            if ends is not None and time.monotonic() > ends:
                pool.terminate()
                return


@dataclass
class _Sum:
    """What all seeds came to."""

    count: int = 0
    failed: int = 0
    simulated: float = 0.0
    calls: int = 0
    cpu: float = 0.0
    outcomes: Counter[str] = field(default_factory=Counter)
    covered: Counter[tuple[str, str]] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    names: Counter[str] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)

    def add(self, result: dict[str, Any]) -> None:
        """Count one seed."""
        self.count, self.cpu = self.count + 1, self.cpu + result["cpu"]
        self.names.update(set(result["names"]))
        self.broken.update([each for each in ASSUMPTIONS if each not in result["keeps"]] or ["none"])
        if "outcomes" in result:
            self.outcomes[" then ".join(result["outcomes"]) or "no report"] += 1
            self.covered.update(result["covered"])
            self.simulated, self.calls = self.simulated + result["simulated"], self.calls + result["calls"]
        self.failed += bool(result["violations"])
        self.kinds.update({each.kind for each in result["violations"]})

    def print_all(self, took: float, jobs: int) -> None:
        """Print it."""
        print(
            f"\n{self.count} seeds in {took:.0f} s with {jobs} jobs: {self.count / took:.2f} a second, "
            f"{self.count / self.cpu:.2f} a second of one core; {self.simulated / 3600:.1f} hours simulated, "
            f"{self.calls} calls."
        )
        print(f"Failed: {self.failed}. " + ", ".join(f"{kind} {number}" for kind, number in self.kinds.most_common()))
        print("Assumptions broken: " + ", ".join(f"{name} {number}" for name, number in sorted(self.broken.items())))
        print("Seeds that drew: " + ", ".join(f"{name} {number}" for name, number in self.names.most_common()))
        print("\nOutcomes of the processes of a run:")
        for name, number in self.outcomes.most_common(25):
            print(f"{number:7}  {name}")
        faults: Counter[str] = Counter()
        for (_, fault), number in self.covered.items():
            faults[fault] += number
        print(f"\nCovered: {len(self.covered)} pairs of state and fault, of {len(faults)} faults:")
        for name, number in faults.most_common():
            states = sum(1 for _, fault in self.covered if fault == name)
            print(f"{number:7}  {name} in {states} states")


def _explore(options: argparse.Namespace) -> int:
    began = time.monotonic()
    total = _Sum()
    for result in _results(options):
        total.add(result)
        for each in result["violations"]:
            print(f"seed {result['seed']}: {each.kind}: {each.text}", flush=True)
        if "kept" in result:
            print(f"  kept as {result['kept']}", flush=True)
        if result["violations"] and options.without and not options.seeds_all:
            print(f"Without {options.without}: missed after {total.count} seeds.")
            return 0
    total.print_all(time.monotonic() - began, options.jobs)
    if options.without:
        print(f"Without {options.without}: not missed in {total.count} seeds.")
    return 1 if total.failed or options.without else 0


def _try(number: int) -> tuple[int, list[str], dict[str, Any]]:
    case = every_fault.cases()[number]
    violations, result = _one(case.scenario, None, through_sdk=False)
    reported = [f"{each.kind}: {each.text}" for each in violations]
    if result is None:
        return number, reported, {"outcomes": [], "covered": {}}
    reported += [f"has not met {each}" for each in case.missed(result)]
    return number, reported, {"outcomes": result.outcomes, "covered": result.covered}


def _every_fault(options: argparse.Namespace) -> int:
    """Run every case that is enumerated, in a mixed order, and print each with something wrong."""
    began, tried, failed = time.monotonic(), 0, 0
    every = every_fault.cases()
    mixed = random.Random("mixed").sample(range(len(every)), len(every))
    outcomes: Counter[str] = Counter()
    covered: Counter[tuple[str, str]] = Counter()
    with multiprocessing.get_context("fork").Pool(options.jobs, maxtasksperchild=200) as pool:
        for number, reported, result in pool.imap_unordered(_try, mixed):
            tried, failed = tried + 1, failed + bool(reported)
            outcomes[" then ".join(result["outcomes"]) or "no report"] += 1
            covered.update(result["covered"])
            for each in reported:
                print(f"{every[number].name}: {each}", flush=True)
            if options.seconds and time.monotonic() - began > options.seconds:
                pool.terminate()
                break
    took = time.monotonic() - began
    print(f"\n{tried} of {len(every)} cases in {took:.0f} s with {options.jobs} jobs: {tried / took:.1f} a second.")
    print(f"Failed: {failed}. Covered: {len(covered)} pairs of state and fault.")
    for name, number in outcomes.most_common(25):
        print(f"{number:7}  {name}")
    return 1 if failed else 0


def _save(seed: int, kind: str, options: argparse.Namespace) -> str:
    """Keep the scenario of a seed that fails, made small, in the worker: one that is forked meanwhile starts clean."""

    def fails(candidate: Scenario) -> bool:
        violations, _ = _one(candidate, options.without, through_sdk=options.through_sdk)
        return any(each.kind == kind for each in violations)

    kept: dict[str, Any] = {"finds": kind} | ({"without": options.without} if options.without else {})
    kept["scenario"] = shrink(expand(seed, options.journal, sharded=options.sharded), fails)
    file = Path(options.save) / f"{kind}-{seed}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(kept, indent=1) + "\n")
    return str(file)


def _replay(options: argparse.Namespace) -> int:
    name = options.replay
    drawn = {"scenario": expand(int(name), options.journal, sharded=options.sharded)} if name.isdigit() else None
    kept = drawn or json.loads(Path(name).read_text("utf-8"))
    scenario, guard = kept["scenario"], options.without or kept.get("without")
    print(json.dumps(scenario, indent=1))
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(postgresql.server()) if scenario.get("journal") == "postgresql" else None
        stack.enter_context(turned_off(guard) if guard else contextlib.nullcontext())
        result = simulate(scenario, through_sdk=options.through_sdk, server=server)
    print("\n".join(result.trace))
    if guard:
        print(f"(with the guard {guard} turned off)")
    for each in result.violations:
        print(f"BROKEN: {each.kind}: {each.text}")
    return 1 if result.violations else 0


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--seeds", type=int, default=1000, metavar="N", help="how many seeds are run at most (default: 1000)")
    add("--first", type=int, default=0, metavar="SEED", help="the first of them (default: 0)")
    add("--seconds", type=float, metavar="S", help="begin no seed or case after so many seconds")
    add("--jobs", type=int, default=2, metavar="N", help="processes that run seeds at the same time (default: 2)")
    add("--replay", metavar="SEED|FILE", help="run one seed or kept scenario, and print its options and its trace")
    add("--without", choices=sorted(GUARDS), metavar="GUARD", help=f"turn a guard off: {', '.join(sorted(GUARDS))}")
    add("--seeds-all", action="store_true", help="with --without: go on after the first that fails")
    add("--save", metavar="DIR", help="make each failing seed small, and keep it there as a file")
    add("--every-fault", action="store_true", help="run no seeds, but each enumerated case of a fault or a crash")
    add("--through-sdk", action="store_true", help="call over the real SDK, which signs, and not in this process")
    add("--sharded", action="store_true", help="cut each run into shards, and not only some")
    add("--journal", choices=("sqlite", "postgresql"), default="sqlite", help="where seeds have it (default: sqlite)")
    options = parser.parse_args()
    if options.replay:
        return _replay(options)
    if options.every_fault:
        return _every_fault(options)
    with postgresql.server() if options.journal == "postgresql" else contextlib.nullcontext() as server:
        _servers.extend([server] if server else [])
        return _explore(options)


if __name__ == "__main__":
    sys.exit(main())
