"""The whole sweep: every single fault, every kill, all pairs, and the guards switched off: ``python bench/sweep.py``.

It takes some ten minutes on two cores, draws by a seed (``--seed N``), prints its counts and every case with something
wrong, and writes the table of results into docs/safety.md.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests import fleetsweep, sweep, test_model_check  # noqa: E402 - it is run as a script

SAFETY = ROOT / "docs" / "safety.md"
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"
GUARDS = (("fence",), ("drift",), ("fence", "drift"), ("intention",), ("intention", "drift"))
NAMES = {"fence": "the fence", "drift": "the facts of the plan", "intention": "the intention before the call"}


def did(cases: Sequence[sweep.Case], workers: int) -> tuple[list[dict[str, Any]], float]:
    """Do cases, and tell of what went wrong."""
    began = time.monotonic()
    return told(sweep.sweep(cases, workers)), time.monotonic() - began


def fleets(count: int, seed: int, workers: int) -> tuple[list[dict[str, Any]], float]:
    """Do so many fleets, drawn by a seed, and tell of what went wrong; each of their jobs is a run in the table."""
    began = time.monotonic()
    seeds = range(1000 * seed, 1000 * seed + count)
    return told(fleetsweep.fleets(seeds, max(1, workers // 4))), time.monotonic() - began


def told(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Print each case with something wrong."""
    for each in results:
        if each["problems"] and not each["case"]["off"]:
            print(f"  WRONG {each['case']['name']}: {'; '.join(each['problems'])}")
    return results


def row(what: str, results: Sequence[dict[str, Any]], took: float) -> str:
    """Write one line of the table, and print it."""
    outcomes = Counter(each["outcome"] for each in results)
    ends = ", ".join(f"{name} {count}" for name, count in sorted(outcomes.items()))
    twice = sum(max(each["wipes"]) > 1 for each in results)
    wrong = sum(bool(each["problems"]) for each in results)
    killed = sum(each["killed"] for each in results)
    line = f"| {what} | {len(results)} | {killed} | {ends} | {twice} | {wrong} |"
    print(f"{line} {took:.0f} s", flush=True)
    return line


def guards(workers: int) -> list[str]:
    """Switch guards off, and name the cases in which that is seen."""
    lines = ["", "| switched off | cases | with harm or a lie | which: killed ...; meanwhile |", "|---|---|---|---|"]
    for off in GUARDS:
        cases = [
            dataclasses.replace(case, off=off)
            for case in sweep.crash_points(("nobody", "used"))
            if case.shape == "running" and case.kill and case.kill[0] in ("act", "commit")
        ]
        results, took = did(cases, workers)
        bad = [each for each in results if each["problems"] or (max(each["wipes"]) > 1 and "fence" not in off)]
        names = [each["case"]["name"].partition("killed ")[2] for each in bad]
        line = f"| {' and '.join(NAMES[each] for each in off)} | {len(cases)} | {len(bad)} | {', '.join(names)} |"
        lines.append(line)
        print(f"{line} {took:.0f} s", flush=True)
    return lines


def models() -> list[str]:
    """Search the model deeper than the tests do."""
    lines = ["", "| model: disks, power, on unknown | states | depth |", "|---|---|---|"]
    for disks, power, on_unknown, most in (
        (1, "Stopped", "ask", (2, 2, 1)),
        (1, "Stopped", "retry", (2, 1, 1)),
        (1, "Running", "ask", (2, 1, 0)),
    ):
        first = test_model_check.begin(disks, power=power, on_unknown=on_unknown, most=most)
        count, depth, _ = test_model_check.explored(first, 14, limit=1_000_000)
        lines.append(f"| {disks}, {power}, {on_unknown} | {count} | {depth} |")
        print(lines[-1], flush=True)
    for asked, power, most, deep in (
        ("snapshot", "Stopped", (2, 1, 0), 13),
        ("tag", "Stopped", (2, 1, 0), 13),
        ("snapshot, tag", "Running", (1, 0, 0), 20),
        ("undo, snapshot", "Stopped", (1, 0, 1), 13),
    ):
        first = test_model_check.begin(1, power=power, on_unknown="ask", most=most, asked=asked)
        count, depth, _ = test_model_check.explored(first, deep, limit=300_000)
        lines.append(f"| 1, {power}, ask; {asked} | {count} | {depth} |")
        print(lines[-1], flush=True)
    return lines


def main() -> None:
    """Do everything and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--fleets", type=int, default=20, help="draw so many fleets of 50 machines")
    parser.add_argument("--most", type=int, help="draw so many cases of each sweep, and leave the page as it is")
    given = parser.parse_args()
    lines = [
        f"Seed {given.seed}. Made by `python bench/sweep.py`.",
        "",
        "| sweep | runs | killed | ended | wiped twice, harmlessly | wrong |",
        "|---|---|---|---|---|---|",
    ]
    for what, cases in (
        ("one fault", sweep.single_faults()),
        ("what may pass, odd answers, slow answers, a lost journal", sweep.odd_faults()),
        ("one kill, then resumed", sweep.crash_points()),
        ("a fault, then a kill, then resumed", sweep.pairs(given.pairs, given.seed)),
        ("killed when a lost wipe is due again", [*sweep.due_again(), *sweep.due_again("retry")]),
        ("snapshot, tag, undo, power cut: one fault", sweep.aside_faults()),
        ("snapshot, tag, undo, power cut: one kill, then resumed", sweep.aside_kills()),
    ):
        chosen = sweep.thinned(cases, given.most or len(cases), given.seed)
        lines.append(row(what, *did(chosen, given.workers)))
    what = f"{given.fleets} fleets of {fleetsweep.COUNT}: faults at random, killed up to twice, then resumed"
    lines.append(row(what, *fleets(given.fleets, given.seed, given.workers)))
    if given.most:
        return
    lines += guards(given.workers)
    lines += models()
    text = SAFETY.read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    SAFETY.write_text(f"{before}{BEGIN}\n{chr(10).join(lines)}\n{END}{rest.partition(END)[2]}", "utf-8")


if __name__ == "__main__":
    main()
