"""Make a failing scenario as small as it can be while it still fails in the same way."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator

from tests.simulation.options import Scenario

_PLAIN = {
    "snapshot": False, "undo": False, "leave_stopped": False, "on_unknown": "ask", "lock_tag": False,
    "force_stop_after": None, "canary": None, "waves": None, "verdict": None,
}  # fmt: skip
_PARTS = ("faults", "answers", "people", "host")
_BREAKS = {"lag_changes": "S2", "silent_starts": "S3", "late": "S4", "date_ahead": "S5"}
Fails = Callable[[Scenario], bool]
Change = Callable[[Scenario], object]


def shrink(scenario: Scenario, fails: Fails, most: int = 200) -> Scenario:
    """Return a smaller scenario that ``fails`` too; at most ``most`` are tried."""
    tried, smaller, seen = 0, True, {_text(scenario)}
    while smaller and tried < most:
        smaller = False
        for change in _changes(scenario):
            candidate = copy.deepcopy(scenario)
            change(candidate)
            if _text(candidate) in seen or tried >= most:
                continue
            seen.add(_text(candidate))
            tried += 1
            if fails(candidate):
                scenario, smaller = candidate, True
                break
    return scenario


def _text(scenario: Scenario) -> str:
    return json.dumps(scenario, sort_keys=True)


def _changes(scenario: Scenario) -> Iterator[Change]:
    """Return every step to a smaller scenario, the largest steps first."""
    world = scenario["world"]
    if len(world["instances"]) > 1:
        yield from (_without_machine(name) for name in world["instances"])
    for part in _PARTS:
        yield lambda each, part=part: each.update({part: []})  # type: ignore[misc]
        yield from (_without(part, index) for index in range(len(scenario[part])))
    yield from (_within_bounds(name) for name in scenario["beyond"])
    for index, person in enumerate(scenario["people"]):
        yield from (_without_step(index, step) for step in range(len(person["does"])))
    yield lambda each: each["request"].update({name: _PLAIN[name] for name in _PLAIN if name in each["request"]})
    yield from (_plain(name) for name in _PLAIN if name in scenario["request"])
    if len(scenario["request"]["disks"]) > 1:
        yield from (_without_disk(disk_id) for disk_id in scenario["request"]["disks"])
    yield lambda each: each["world"].update(describe_lag=0.0)
    yield lambda each: each.update(network={"there": [0.05, 0.05], "back": [0.05, 0.05]})
    yield lambda each: (each["world"]["snapshots"].clear(), _without_sources(each))
    yield lambda each: each["world"]["durations"].update(dict.fromkeys(world["durations"], 5))
    yield from (_ordinary(name) for name in world["instances"])
    for part in ("faults", "answers"):
        yield from (_once(part, index) for index in range(len(scenario[part])))


def _without(part: str, index: int) -> Change:
    return lambda each: each[part].pop(index)


def _within_bounds(name: str) -> Change:
    """Take away what goes beyond an assumption, which then is kept."""

    def change(each: Scenario) -> None:
        del each["beyond"][name]
        if _BREAKS[name] != "S2":
            each["keeps"] = sorted({*each["keeps"], _BREAKS[name]})

    return change


def _without_step(index: int, step: int) -> Change:
    return lambda each: each["people"][index]["does"].pop(step)


def _plain(name: str) -> Change:
    return lambda each: each["request"].update({name: _PLAIN[name]})


def _once(part: str, index: int) -> Change:
    return lambda each: each[part][index].pop("times", None)


def _ordinary(name: str) -> Change:
    """Let a machine be one that has run for two days."""
    return lambda each: each["world"]["instances"].update({name: {"name": "lab", "started": "-2d"}})


def _without_sources(scenario: Scenario) -> None:
    for disk in scenario["world"]["disks"].values():
        disk.pop("snapshot", None)


def _without_disk(disk_id: str) -> Change:
    """Leave a disk out of what is asked for, and of the world."""

    def change(each: Scenario) -> None:
        each["request"]["disks"].remove(disk_id)
        each["world"]["disks"].pop(disk_id)
        snapshots = each["world"]["snapshots"]
        each["world"]["snapshots"] = {key: row for key, row in snapshots.items() if row["disk"] != disk_id}
        _without_deeds(each, {disk_id})

    return change


def _without_machine(name: str) -> Change:
    """Leave a machine out, with its disks and everything that is about them."""

    def change(each: Scenario) -> None:
        world = each["world"]
        del world["instances"][name]
        disks = [disk_id for disk_id, disk in world["disks"].items() if disk["instance"] == name]
        for disk_id in disks:
            del world["disks"][disk_id]
        world["snapshots"] = {key: row for key, row in world["snapshots"].items() if row["disk"] not in disks}
        request = each["request"]
        request["disks"] = [disk_id for disk_id in request["disks"] if disk_id not in disks]
        _without_deeds(each, {name, *disks})

    return change


def _without_deeds(scenario: Scenario, gone: set[str]) -> None:
    """Leave out what people do to things that are not there."""
    scenario["people"] = [
        person
        for person in scenario["people"]
        if not any(gone & set(map(str, step["do"].values())) for step in person["does"])
    ]
