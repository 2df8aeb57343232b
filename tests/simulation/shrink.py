"""Make a failing scenario as small as it can be while it still fails in the same way."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator

from tests.simulation.options import Scenario

_PLAIN = {
    "snapshot": False, "leave_stopped": False, "on_unknown": "ask", "lock_tag": False, "canary": None, "verdict": None,
}  # fmt: skip
Fails = Callable[[Scenario], bool]


def shrink(scenario: Scenario, fails: Fails, most: int = 200) -> Scenario:
    """Return a smaller scenario that ``fails`` too; at most ``most`` are tried."""
    tried = 0
    smaller = True
    while smaller and tried < most:
        smaller = False
        for candidate in _smaller(scenario):
            tried += 1
            if tried > most:
                break
            if fails(candidate):
                scenario, smaller = candidate, True
                break
    return scenario


def _smaller(scenario: Scenario) -> Iterator[Scenario]:  # noqa: C901 - a list of steps
    """Give every scenario that is one step smaller, the largest steps first."""
    seen = {json.dumps(scenario, sort_keys=True)}

    def new(change: Callable[[Scenario], None]) -> Iterator[Scenario]:
        candidate = copy.deepcopy(scenario)
        change(candidate)
        text = json.dumps(candidate, sort_keys=True)
        if text not in seen:
            seen.add(text)
            yield candidate

    instances = list(scenario["world"]["instances"])
    for name in instances if len(instances) > 1 else ():
        yield from new(lambda candidate, name=name: _without_machine(candidate, name))  # type: ignore[misc]
    for part in ("faults", "people", "host"):
        for index in range(len(scenario[part])):
            yield from new(lambda candidate, part=part, index=index: candidate[part].pop(index))  # type: ignore[misc]
    for index, person in enumerate(scenario["people"]):
        for step in range(len(person["does"])):
            yield from new(lambda candidate, index=index, step=step: candidate["people"][index]["does"].pop(step))  # type: ignore[misc]
    for name, value in _PLAIN.items():
        yield from new(lambda candidate, name=name, value=value: candidate["request"].update({name: value}))  # type: ignore[misc]
    yield from new(lambda candidate: candidate["world"].update(describe_lag=0.0))
    yield from new(lambda candidate: candidate.update(network={"there": [0.05, 0.05], "back": [0.05, 0.05]}))
    yield from new(lambda candidate: candidate["world"]["snapshots"].clear() or _without_sources(candidate))
    for index, fault in enumerate(scenario["faults"]):
        if fault.get("times", 1) > 1:
            yield from new(lambda candidate, index=index: candidate["faults"][index].pop("times"))  # type: ignore[misc]


def _without_sources(scenario: Scenario) -> None:
    for disk in scenario["world"]["disks"].values():
        disk.pop("snapshot", None)


def _without_machine(scenario: Scenario, name: str) -> None:
    """Leave a machine out, with its disks and everything that is about them."""
    world = scenario["world"]
    del world["instances"][name]
    disks = [disk_id for disk_id, disk in world["disks"].items() if disk["instance"] == name]
    for disk_id in disks:
        del world["disks"][disk_id]
    world["snapshots"] = {key: each for key, each in world["snapshots"].items() if each["disk"] not in disks}
    request = scenario["request"]
    request["disks"] = [disk_id for disk_id in request["disks"] if disk_id not in disks]
    gone = {name, *disks}
    scenario["people"] = [
        person
        for person in scenario["people"]
        if not any(gone & set(map(str, step["do"].values())) for step in person["does"])
    ]
