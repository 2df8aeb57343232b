"""What a seed expands into: the world, what is asked of the program, and everything that goes wrong, as plain JSON.

A scenario is a readable set of options and not noise: it can be printed, shrunk by leaving things out, and kept in a
file, since the meaning of a seed changes whenever this file does.

The fault model is stated as five assumptions; each scenario says which of them it keeps.

S1  Start, write and stop by somebody else take at least 25 s.
S2  The visibility lag of Describe calls is at most ``LAG_BOUND`` seconds and constant within a run.
S3  StartTime moves at every start.
S4  A request arrives within its total deadline, or never.
S5  The Date header and StartTime differ by less than 30 s.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

Scenario = dict[str, Any]

ASSUMPTIONS = ("S1", "S2", "S3", "S4", "S5")
SHORTEST_USE = 25.0
"""S1: seconds that start, write and stop by somebody else take at least."""
LAG_BOUND = 5.0
"""S2: seconds by which a Describe call lags at most."""

ACTIONS = ("StopInstance", "ReInitDisk", "StartInstance")
LOOKS = ("DescribeDisks", "DescribeInstances")
REFUSALS: dict[str, tuple[tuple[str, int], ...]] = {
    "StopInstance": (
        ("IncorrectInstanceStatus", 403), ("InstanceLockedForSecurity", 403), ("Throttling", 400),
        ("Throttling.User", 400), ("ServiceUnavailable", 503), ("InternalError", 500), ("NoSuchCodeKnown", 403),
        ("IncorrectInstanceStatus.Initializing", 403), ("OperationConflict", 403),
    ),
    "ReInitDisk": (
        ("DiskCreatingSnapshot", 403), ("IncorrectInstanceStatus", 403), ("IncorrectDiskStatus", 403),
        ("Throttling", 400), ("Throttling.User", 400), ("ServiceUnavailable", 503), ("InternalError", 500),
        ("NoSuchCodeKnown", 403), ("IncorrectDiskStatus.Initializing", 403), ("OperationConflict", 403),
        ("InstanceLockedForSecurity", 403),
    ),
    "StartInstance": (
        ("IncorrectInstanceStatus", 403), ("Throttling", 400), ("ServiceUnavailable", 503), ("InternalError", 500),
        ("NoSuchCodeKnown", 403), ("IncorrectInstanceStatus.Initializing", 403), ("TaskConflict", 403),
        ("OperationDenied.NoStock", 403),
    ),
    "DescribeDisks": (
        ("Throttling", 400), ("Rejected.Throttling", 400), ("ServiceUnavailable", 503), ("InternalError", 500),
        ("InvalidSecurityToken.Expired", 400), ("Forbidden.RAM", 403),
    ),
}  # fmt: skip
REFUSALS["DescribeInstances"] = REFUSALS["DescribeDisks"]
KINDS = ("error", "error", "drop_answer", "drop_request", "reset", "garble", "html", "html_after", "delay")
ACCEPTED = (
    "no-recent-snapshot", "no-login-set", "fstab-may-name-disk", "downtime-shared",
)  # fmt: skip
"""Risks that every run accepts: what they say is not what is tried here."""


def expand(seed: int) -> Scenario:
    """Return the scenario of a seed; the same seed always gives the same one."""
    rng = random.Random(f"scenario {seed}")
    breaks = rng.choices(("", *ASSUMPTIONS), (16, 1, 1, 1, 1, 1))[0]
    scenario: Scenario = {
        "seed": seed,
        "keeps": [each for each in ASSUMPTIONS if each != breaks],
        "world": {},
        "request": {},
        "network": {"there": [0.01, rng.choice((0.05, 0.2, 1.0))], "back": [0.01, rng.choice((0.05, 0.2, 1.0))]},
        "faults": [],
        "people": [],
        "host": [],
    }
    _world(rng, scenario)
    _request(rng, scenario)
    for draw, most in ((_fault, 3), (_person, 2), (_host, 2)):
        for _ in range(rng.choice(range(most + 1))):
            draw(rng, scenario)
    return scenario


def _world(rng: random.Random, scenario: Scenario) -> None:
    count = rng.choices((1, 2, 3, 12), (12, 3, 2, 1))[0]
    world = scenario["world"]
    world["durations"] = {
        "stop": rng.choice((1, 5, 30, 60)),
        "wipe": rng.choice((2, 10, 60, 180)),
        "start": rng.choice((1, 10, 45, 90)),
        "snapshot": rng.choice((5, 60, 200)),
    }
    most = 120.0 if "S2" not in scenario["keeps"] else LAG_BOUND
    world["describe_lag"] = rng.choices((0.0, round(rng.uniform(0.5, most), 1)), (3, 1))[0]
    world["images"] = {"m-1": {}}
    world["instances"], world["disks"], world["snapshots"] = {}, {}, {}
    for number in range(count):
        _machine(rng, world, f"i-{number}")


def _machine(rng: random.Random, world: dict[str, Any], name: str) -> None:
    number = name.partition("-")[2]
    age = rng.choices((172800, rng.randrange(3, 200)), (3, 1))[0]
    world["instances"][name] = {
        "name": f"lab{number}",
        "status": rng.choices(("Running", "Stopped"), (4, 1))[0],
        "started": f"-{age}s",
        "ignores_stop": rng.random() < 0.03,
    }
    world["disks"][f"d-sys{number}"] = {"instance": name, "type": "system", "image": "m-1"}
    disk: dict[str, Any] = {"instance": name}
    if rng.random() < 0.3:
        world["snapshots"][f"s-{number}"] = {"disk": f"d-{number}", "created": "-10d"}
        disk["snapshot"] = f"s-{number}"
    world["disks"][f"d-{number}"] = disk
    if rng.random() < 0.1:
        world["snapshots"][f"s-now{number}"] = {"disk": f"d-{number}", "status": "progressing", "created": "-1s"}


def _request(rng: random.Random, scenario: Scenario) -> None:
    instances = scenario["world"]["instances"]
    scenario["request"] = {
        "disks": [f"d-{name.partition('-')[2]}" for name in instances],
        "snapshot": rng.random() < 0.15,
        "leave_stopped": rng.random() < 0.1,
        "on_unknown": rng.choices(("ask", "retry"), (4, 1))[0],
        "lock_tag": rng.random() < 0.1,
        "canary": 1 if len(instances) > 2 and rng.random() < 0.5 else None,
        "verdict": rng.choices((None, "truth", "reinitialised", "intact"), (4, 3, 1, 1))[0],
    }


# ------------------------------------------------------------------------------------------------------- the cloud


def _fault(rng: random.Random, scenario: Scenario) -> None:
    action = rng.choices((*ACTIONS, *LOOKS), (3, 6, 3, 2, 2))[0]
    look = action in LOOKS
    fault: dict[str, Any] = {"action": action, "nth": rng.randint(3, 40) if look else rng.choice((1, 1, 1, 2))}
    if not look:
        fault["dry_run"] = False
    if rng.random() < 0.4:
        fault["times"] = rng.choice((2, 5, 30, 100)) if look else rng.choice((2, 3, 6))
    kind = rng.choice(KINDS)
    if kind == "error":
        code, status = rng.choice(REFUSALS[action])
        fault["error"] = {"code": code, "status": status, "message": "x"}
    elif kind in ("html", "html_after"):
        fault[kind] = rng.choice((502, 503, 504))
    elif kind == "delay":
        fault["delay"] = rng.choice((2.0, 8.0, 30.0, 90.0))
    else:
        fault[kind] = True
    scenario["faults"].append(fault)


def _moment(rng: random.Random) -> dict[str, Any]:
    """Draw when something happens: so long after a call was sent, had arrived or was answered; or at a time."""
    if rng.random() < 0.15:
        return {"at": round(rng.uniform(0, 240), 2)}
    return {
        "point": rng.choice(("sent", "arrived", "answered")),
        "action": rng.choices((*ACTIONS, *LOOKS), (4, 5, 2, 1, 1))[0],
        "nth": rng.choice((1, 1, 1, 2, 3, 8)),
        "delay": round(rng.choice((0.0, rng.uniform(0, 3), rng.uniform(0, 60))), 2),
    }


# ---------------------------------------------------------------------------------------------------------- people


def _person(rng: random.Random, scenario: Scenario) -> None:
    name = rng.choice(list(scenario["world"]["instances"]))
    disk = f"d-{name.partition('-')[2]}"
    whole = rng.uniform(2.0, 20.0) if "S1" not in scenario["keeps"] else rng.uniform(SHORTEST_USE, 90.0)
    parts = sorted(rng.uniform(0, whole) for _ in range(2))
    use = [
        {"do": {"start": name, "seconds": round(parts[0], 2)}, "wait": round(parts[0] + 0.1, 2)},
        {"do": {"write": disk}, "wait": round(parts[1] - parts[0], 2)},
        {"do": {"stop": name, "seconds": round(whole - parts[1], 2)}},
    ]
    deeds: Sequence[list[dict[str, Any]]] = (
        use,
        use,
        use[:1],
        [{"do": {"stop": name}}],
        [{"do": {"snapshot": disk, "seconds": rng.choice((5, 60, 300))}}],
        [{"do": {"detach": disk}}],
        [{"do": {"detach": disk}, "wait": 3.0}, {"do": {"attach": disk, "instance": name}}],
        [{"do": {"lock": name, "reason": "security"}}],
        [{"do": {"write": disk}}],
        [
            {"do": {"deny": {"action": "ecs:DescribeInstances"}}, "wait": rng.choice((30.0, 90.0))},
            {"do": {"allow": {"action": "ecs:DescribeInstances"}}},
        ],
    )
    scenario["people"].append({"when": _moment(rng), "does": rng.choice(deeds)})


# ------------------------------------------------------------------------------------------------------------ host


def _host(rng: random.Random, scenario: Scenario) -> None:
    draws: Sequence[Callable[[], dict[str, Any]]] = (
        lambda: {"does": "crash", "back_after": round(rng.choice((1.0, 40.0, rng.uniform(0, 600))), 1)},
        lambda: {"does": "pause", "seconds": round(rng.choice((5.0, 40.0, rng.uniform(0, 400))), 1)},
        lambda: {"does": "cut_off", "seconds": round(rng.choice((5.0, 28.0, 90.0, 300.0)), 1)},
        lambda: {"does": "wall_clock", "seconds": rng.choice((-3600.0, -22.0, 22.0, 3600.0))},
        lambda: {"does": "interrupt", "times": rng.choice((1, 1, 2))},
        lambda: {"does": "leave"},
        lambda: {"does": "reader_stops"},
    )
    scenario["host"].append({"when": _moment(rng), **rng.choice(draws)()})
    if "S4" not in scenario["keeps"]:
        scenario["network"]["late"] = {"action": rng.choice(ACTIONS), "nth": 1, "seconds": rng.choice((70.0, 150.0))}
