"""No test runs on a hurried clock: a busy machine would fail it, though nothing is wrong."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent
CLOCKS = ("Clock", "SimulatedClock", "EmbeddedClock")
"""What takes its speed as its first argument."""
FAST = ("Simulator", "embedded.Simulator")
"""What is fast unless its speed is given: the simulator that listens is made for people who try things out."""
TESTED = {("test_simulator_states.py", "SimulatedClock(60)")}
"""Where the clock is what is tested: the test gives it the time, and waits for nothing."""


def hurried(tree: ast.AST) -> Iterator[str]:
    """Find the calls that make a clock faster than real time, or that leave its speed open."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name, given = ast.unparse(node.func), {each.arg: each.value for each in node.keywords}
        speeds = [given["speed"]] if "speed" in given else node.args[:1] if name in CLOCKS else []
        known = all(isinstance(each, ast.Constant) and each.value <= 1 for each in speeds)
        if not known or (name in FAST and not {"speed", None} & given.keys()):
            yield ast.unparse(node)


def test_no_clock_of_a_test_is_hurried() -> None:
    """Simulators and clocks of tests run at the speed of real time at most; what waits for ECS has virtual time."""
    found = {
        (path.name, call)
        for path in sorted(FOLDER.rglob("*.py"))
        if re.search("speed|Clock|Simulator", text := path.read_text("utf-8"))
        for call in hurried(ast.parse(text))
    }

    assert found == TESTED


@pytest.mark.parametrize(
    ("code", "is_hurried"),
    [
        ("Clock(60)", True),
        ("Clock(SPEED)", True),
        ("virtual.simulate(world, speed=20.0)", True),
        ("virtual.simulate(world, speed=SPEED)", True),
        ("Simulator(world)", True),
        ("Clock()", False),
        ("Clock(1)", False),
        ("Simulator(world, speed=1)", False),
        ("virtual.simulate(world)", False),
        ("simulate(world, speed=0.1)", False),
    ],
)
def test_the_search_finds_what_hurries(code: str, is_hurried: bool) -> None:
    """The search finds a clock or a simulator that is hurried, and no other."""
    assert bool(list(hurried(ast.parse(code)))) == is_hurried
