"""What a seed expands into: the world, what is asked of the program, and everything that goes wrong, as plain JSON.

A scenario is a readable set of options and not noise: it can be printed, shrunk by leaving things out, and kept in a
file, since the meaning of a seed changes whenever this file does.

Each seed first draws which kinds of trouble it may have at all (a swarm): a few kinds together meet each other far more
often than all kinds do. What meets the rules most is drawn more often, and one event often follows soon after another.

The fault model is stated as five assumptions; each scenario says which of them it keeps.

S1  Start, write and stop by somebody else take at least 25 s.
S2  The visibility lag of Describe calls is at most ``LAG_BOUND`` seconds and constant within a run.
S3  StartTime moves at every start.
S4  A request arrives within its total deadline, counted from the last check before its first byte, or never.
S5  The Date header and StartTime differ by less than 30 s.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from safe_reinit.simulator.errors import CATALOGUE

Scenario = dict[str, Any]
Draw = Callable[[random.Random, Scenario], dict[str, Any]]

ASSUMPTIONS = ("S1", "S2", "S3", "S4", "S5")
SHORTEST_USE = 25.0
"""S1: seconds that start, write and stop by somebody else take at least."""
LAG_BOUND = 5.0
"""S2: seconds by which a Describe call lags at most."""
DATE_BOUND = 30.0
"""S5: seconds by which Date and StartTime differ at most."""

ACTIONS = ("StopInstance", "ReInitDisk", "StartInstance")
DESCRIBES = ("DescribeDisks", "DescribeInstances")
_PASSING = (("Throttling", 400), ("Throttling.User", 400), ("ServiceUnavailable", 503), ("InternalError", 500))
_DESCRIBE_REFUSALS = (
    *_PASSING, ("Rejected.Throttling", 400), ("InvalidSecurityToken.Expired", 400), ("Forbidden.RAM", 403),
    ("InvalidTimeStamp.Expired", 400), ("SignatureNonceUsed", 400),
)  # fmt: skip
REFUSALS: Mapping[str, tuple[tuple[str, int], ...]] = {
    "StopInstance": (
        *_PASSING, ("IncorrectInstanceStatus", 403), ("InstanceLockedForSecurity", 403), ("NoSuchCodeKnown", 403),
        ("IncorrectInstanceStatus.Initializing", 403), ("OperationConflict", 403), ("Forbidden.RAM", 403),
    ),
    "ReInitDisk": (
        *_PASSING, ("DiskCreatingSnapshot", 403), ("IncorrectInstanceStatus", 403), ("IncorrectDiskStatus", 403),
        ("NoSuchCodeKnown", 403), ("IncorrectDiskStatus.Initializing", 403), ("OperationConflict", 403),
        ("InstanceLockedForSecurity", 403), ("InvalidOperation.Conflict", 403), ("Rejected.Throttling", 400),
        ("Forbidden.RAM", 403),
    ),
    "ResetDisk": (
        *_PASSING, ("DiskCreatingSnapshot", 403), ("IncorrectDiskStatus", 403), ("Operation.Conflict", 403),
        ("InvalidOperation.DiskResetInProgress", 403), ("NoSuchCodeKnown", 403),
    ),
    "StartInstance": (
        *_PASSING, ("IncorrectInstanceStatus", 403), ("NoSuchCodeKnown", 403), ("TaskConflict", 403),
        ("IncorrectInstanceStatus.Initializing", 403), ("OperationDenied.NoStock", 403), ("SystemBusy", 403),
        ("OperationDenied.HostRepairing", 403), ("Forbidden.RAM", 403),
    ),
    "CreateSnapshot": (
        *_PASSING, ("LastTokenProcessing", 400), ("DiskCreatingSnapshot", 403), ("QuotaExceed.Snapshot", 400),
        ("NoSuchCodeKnown", 403),
    ),
    "TagResources": (*_PASSING, ("Forbidden.RAM", 403)),
    "UntagResources": (*_PASSING, ("Forbidden.RAM", 403)),
    "DescribeDisks": _DESCRIBE_REFUSALS,
    "DescribeInstances": _DESCRIBE_REFUSALS,
    "DescribeSnapshots": _DESCRIBE_REFUSALS,
}  # fmt: skip
_EVERY_REFUSAL = tuple(sorted((code, status) for code, (status, _) in CATALOGUE.items()))
ACCEPTED = (
    "no-recent-snapshot", "no-login-set", "fstab-may-name-disk", "downtime-shared", "never-started",
)  # fmt: skip
"""Risks that every run accepts: what they say is not what is tried here."""
VERDICTS = (None, "truth", "reinitialised", "intact", "wipe-again")
"""What the operator says on a resume; ``truth`` is what ActionTrail shows, where a disk is in doubt."""


OFTEN = {
    "uses": 12, "starts": 3, "crash": 8, "pause": 4, "pause at a call": 5, "pause while used": 3, "cut off": 3,
    "reader stops": 2, "signals": 2,
    "worker is killed": 4, "worker is paused": 3, "worker hands over": 2, "heartbeats are lost": 2,
    "lost answer": 4, "lost request": 4, "refused": 4, "late answer": 2,
}  # fmt: skip
"""How many times as often as others these are drawn."""
ANSWER_DELAY = 8.0
"""Seconds by which an answer may be late that still comes within the time limit of a Describe call."""
QUIET_SHARE = 0.04
"""The share of seeds in which nothing happens but pauses."""
ONLY_PAUSES = "nothing but a pause"
UNWATCHED_SHARE = 0.02
"""The share of seeds in which a machine that shows no StartTime is used during a pause."""
PAUSED_UNWATCHED = "pause over a machine without StartTime"
BESIDE_SHARE = 0.03
"""The share of seeds in which a run of other machines uses the same journal, and neither lets two be down at once."""
RUN_BESIDE = "run beside"
SHARDED_SHARE = 0.05
"""The share of seeds whose run is cut into shards, which several workers carry."""
IN_SHARDS = "shards"
DENIED = "OperationDenied"
"""A refusal of a wipe that no time heals."""


def expand(seed: int, journal: str = "sqlite", *, sharded: bool = False) -> Scenario:
    """Return the scenario of a seed with a journal of this kind; the same seed always gives the same one.

    Args:
        seed: the seed.
        journal: ``sqlite`` or ``postgresql``.
        sharded: whether the run is cut into shards in any case; else in some seeds.
    """
    rng = random.Random(f"scenario {seed}")
    breaks = rng.choices(("", *ASSUMPTIONS), (12, 1, 4, 1, 1, 1))[0]
    latency = rng.choices(([0.01, 0.05], [0.01, 0.2], [0.01, 1.0], [0.01, 3.0], [1.6, 2.2]), (8, 6, 4, 2, 1))[0]
    scenario: Scenario = {
        "seed": seed,
        "keeps": [each for each in ASSUMPTIONS if each != breaks],
        "beyond": {},
        "world": {},
        "request": {},
        "network": {"there": latency, "back": latency},
        "faults": [],
        "answers": [],
        "people": [],
        "host": [],
        "journal": journal,
    }
    _world(rng, scenario)
    _request(rng, scenario)
    for part, draws, most in (("cloud", CLOUD, 3), ("people", PEOPLE, 2), ("host", HOST, 2)):
        kinds = sorted(draws)
        swarm = rng.choices(kinds, [OFTEN.get(name, 1) for name in kinds], k=rng.randint(1, 3))
        for _ in range(rng.choices(range(most + 1), (2, 4, 3, 1)[: most + 1])[0]):
            name = rng.choice(swarm)
            drawn = {"name": name, **draws[name](rng, scenario)}
            if part == "cloud":
                scenario["answers" if "does" in drawn else "faults"].append(drawn)
            else:
                scenario[part].append({"when": _moment(rng, scenario), **drawn})
    if rng.random() < QUIET_SHARE:
        _only_pauses(rng, scenario)
    else:
        _break(rng, scenario, breaks)
        if rng.random() < UNWATCHED_SHARE:
            _paused_unwatched(rng, scenario)
        if journal == "postgresql":
            _database(rng, scenario)
    if rng.random() < BESIDE_SHARE:
        _run_beside(rng, scenario)
    if rng.random() < SHARDED_SHARE or sharded:  # last, so that it changes nothing of the other seeds
        _in_shards(rng, scenario)
    return scenario


def _database(rng: random.Random, scenario: Scenario) -> None:
    """Let something happen to the server of the journal, once or twice, mostly around a transaction or a wipe."""
    for _ in range(rng.choice((1, 1, 2))):
        name = rng.choice(sorted(DATABASE))
        when = _moment(rng, scenario)
        if rng.random() < 0.4:
            point, nth = rng.choice(("writing", "written")), rng.choice((1, 2, 3, 4, 5, 6, 8, 12, 20))
            when = {
                "point": point,
                "action": "journal",
                "nth": nth,
                "delay": round(rng.choice((0.0, rng.uniform(0, 10))), 2),
            }
        scenario["host"].append({"when": when, "name": name, **DATABASE[name](rng, scenario)})


def names(scenario: Scenario) -> list[str]:
    """Name everything that a scenario has drawn."""
    drawn = [each["name"] for part in ("faults", "answers", "people", "host") for each in scenario[part]]
    cut = [IN_SHARDS] if scenario.get("shards") else []
    return [*drawn, *(f"beyond {name}" for name in scenario["beyond"]), *cut]


def _only_pauses(rng: random.Random, scenario: Scenario) -> None:
    """Let nothing happen to the run but pauses of its process, often longer than a phase may take."""
    scenario |= {"faults": [], "answers": [], "people": [], "host": [], "keeps": list(ASSUMPTIONS)}
    for _ in range(rng.randint(1, 2)):
        pause = {"does": "pause", "seconds": round(rng.uniform(5.0, 400.0), 1), "host_sleeps": rng.random() < 0.4}
        scenario["host"].append({"when": _moment(rng, scenario), "name": ONLY_PAUSES, **pause})


def _paused_unwatched(rng: random.Random, scenario: Scenario) -> None:
    """Let machines be Stopped and show no StartTime, and one be used during a pause between two looks at it."""
    for machine in scenario["world"]["instances"].values():
        machine |= {"status": "Stopped", "shows_start_time": False}
    when = {
        "point": "answered", "action": rng.choice(DESCRIBES), "nth": rng.randint(1, 4),
        "delay": round(rng.choice((0.0, rng.uniform(0, 3))), 2),
    }  # fmt: skip
    scenario["host"].append({"when": when, "name": PAUSED_UNWATCHED, **_pause_while_used(rng, scenario)})


def _run_beside(rng: random.Random, scenario: Scenario) -> None:
    """Let somebody run the last disk at the same time from the same journal, which is there throughout."""
    asked, disks = scenario["request"], scenario["world"]["disks"]
    machine = disks[asked["disks"][-1]]["instance"]
    theirs = [each for each in asked["disks"] if disks[each]["instance"] == machine]
    if asked["undo"] or len(theirs) == len(asked["disks"]):
        return
    asked |= {"disks": [each for each in asked["disks"] if each not in theirs], "max_parallel": 1}
    kept = [each for each in scenario["host"] if "journal" not in each["does"] and each["does"] != "second_run"]
    moment = {"point": "answered", "action": rng.choice(DESCRIBES), "nth": rng.randint(1, 12), "delay": 0.0}
    beside = {"when": moment, "name": RUN_BESIDE, "does": "second_run", "journal": "same", "disks": theirs}
    scenario["host"] = [*kept, beside]


def _in_shards(rng: random.Random, scenario: Scenario) -> None:
    """Have workers carry the run in two to four shards of a few machines, and lose some of them."""
    asked, world = scenario["request"], scenario["world"]
    for number in range(len(world["instances"]), rng.choice((4, 4, 4, 5, 6))):
        _machine(rng, world, f"i-{number}")
    count = len(world["instances"])
    scenario["shards"] = -(-count // rng.choice((2, 3, 4)))
    beside = [disk_id for each in scenario["host"] for disk_id in each.get("disks", ())]
    data = [disk_id for disk_id, disk in world["disks"].items() if disk.get("type") != "system"]
    asked |= {
        "disks": [disk_id for disk_id in data if disk_id not in beside],
        "undo": False,
        "canary": rng.choice((None, None, 0, 1, 1)),
        "waves": rng.choice((None, None, None, [2], [1, 3])),
        "max_parallel": 1 if beside else rng.choice((None, None, 1, 2, 3)),
        "stop_after_failures": rng.choice((None, None, 1, 2)),
        "pause": rng.choice(("none", "none", "none", "canary", "wave")),
        "agrees": rng.random() < 0.7,
    }
    refusing = rng.choice((0, 0, 0, 1, 2, 3) if asked["stop_after_failures"] else (0, 0, 0, 1))
    for disk_id in rng.sample(asked["disks"], min(refusing, len(asked["disks"]))):
        denial = {"action": "ReInitDisk", "dry_run": False, "subject": disk_id}
        error = {"code": DENIED, "status": 403, "message": "x"}
        scenario["faults"].append({"name": "refused for good", **denial, "error": error})
    if scenario["journal"] == "sqlite":  # in which workers carry nothing but simulated machines, put back or not
        scenario["host"] = [each for each in scenario["host"] if each["does"] != "journal_restored"]
    for each in scenario["host"]:
        each["who"] = rng.choice(("worker", "worker", "worker", "submitter"))
    for _ in range(rng.choice((0, 1, 1, 2, 3))):
        name = rng.choices(sorted(ENGINE), [OFTEN.get(each, 1) for each in sorted(ENGINE)])[0]
        when = _moment(rng, scenario)
        if rng.random() < 0.35:  # also as the run is written down, before anybody carries it
            point, nth = rng.choice(("writing", "written")), rng.choice((1, 1, 2, 3, 4, 5, 6, 8, 12, 20))
            delay = round(rng.choice((0.0, 0.0, rng.uniform(0, 10))), 2)
            when = {"point": point, "action": "journal", "nth": nth, "delay": delay}
        scenario["host"].append({"when": when, "name": name, **ENGINE[name](rng, scenario)})


def has_only_pauses(scenario: Scenario) -> bool:
    """Return whether nothing happens but pauses during which nobody does anything, and which StartTime shows.

    A machine that shows no StartTime is not wiped after a pause: nothing tells that nobody used it meanwhile. Nor is
    one whose worker was paused between an intention and its call: another one cannot know whether it was sent.
    """
    if scenario.get("shards"):
        return False
    nothing = not any(scenario[part] for part in ("faults", "answers", "people", "beyond"))
    idle = all(
        each["does"] == "pause" and not each.get("meanwhile") and each.get("taken_over_after") is None
        for each in scenario["host"]
    )
    shown = all(machine.get("shows_start_time", True) for machine in scenario["world"]["instances"].values())
    return nothing and idle and shown and bool(scenario["host"])


def has_only_slow_reads(scenario: Scenario) -> bool:
    """Return whether nothing happens but Describe calls that are answered late, and before anybody stops waiting."""
    nothing = not any(scenario[part] for part in ("answers", "people", "host", "beyond"))
    slow = all(
        each["action"] in DESCRIBES and each.get("delay", math.inf) <= ANSWER_DELAY for each in scenario["faults"]
    )
    machines = scenario["world"]["instances"].values()
    able = not any(machine.get("ignores_stop") for machine in machines) and scenario["network"]["back"][1] <= 0.2
    return nothing and slow and able and bool(scenario["faults"])


def _break(rng: random.Random, scenario: Scenario, breaks: str) -> None:
    """Go beyond an assumption."""
    beyond = scenario["beyond"]
    if breaks == "S1":
        scenario["people"].append({"when": _moment(rng, scenario), **PEOPLE["uses"](rng, scenario), "name": "uses"})
    elif breaks == "S2":
        scenario["world"]["describe_lag"] = round(rng.uniform(LAG_BOUND, 120.0), 1)
        if rng.random() < 0.4:
            moments = sorted(round(rng.uniform(0, 240), 1) for _ in range(2))
            beyond["lag_changes"] = [[at, round(rng.uniform(0, 120.0), 1)] for at in moments]
    elif breaks == "S3":
        beyond["silent_starts"] = True
    elif breaks == "S4":
        beyond["late"] = {"action": rng.choice(ACTIONS), "nth": 1, "seconds": rng.choice((70.0, 150.0, 400.0))}
    elif breaks == "S5":
        beyond["date_ahead"] = rng.choice((-1, 1)) * round(rng.uniform(DATE_BOUND, 120.0), 1)


# ------------------------------------------------------------------------------------------------------- the world


def _world(rng: random.Random, scenario: Scenario) -> None:
    count = rng.choices((1, 2, 3, 12, 50), (240, 40, 30, 8, 1))[0]
    world = scenario["world"]
    world["durations"] = {
        "stop": rng.choice((1, 5, 30)),
        "wipe": rng.choice((2, 10, 60)),
        "start": rng.choice((1, 10, 45)),
        "snapshot": rng.choice((5, 60)),
        "reset": rng.choice((5, 30)),
    }
    world["describe_lag"] = rng.choices((0.0, round(rng.uniform(0.5, LAG_BOUND), 1)), (3, 1))[0]
    world["images"] = {"m-1": {}}
    world["instances"], world["disks"], world["snapshots"] = {}, {}, {}
    for number in range(count):
        _machine(rng, world, f"i-{number}")


def _machine(rng: random.Random, world: dict[str, Any], name: str) -> None:
    number = name.partition("-")[2]
    age = rng.choices((172800, rng.randrange(3, 90)), (3, 2))[0]
    machine: dict[str, Any] = {
        "name": f"lab{number}",
        "status": rng.choices(("Running", "Stopped"), (4, 1))[0],
        "started": f"-{age}s",
        "ignores_stop": rng.random() < 0.04,
    }
    if rng.random() < 0.01:
        machine["shows_start_time"] = False
    world["instances"][name] = machine
    world["disks"][f"d-sys{number}"] = {"instance": name, "type": "system", "image": "m-1"}
    for extra in ("", "b")[: rng.choices((1, 2), (4, 1))[0]]:
        disk: dict[str, Any] = {"instance": name}
        if rng.random() < 0.3:
            world["snapshots"][f"s-{number}{extra}"] = {"disk": f"d-{number}{extra}", "created": "-10d"}
            disk["snapshot"] = f"s-{number}{extra}"
        if rng.random() < 0.05:
            disk["never_used"] = True
        world["disks"][f"d-{number}{extra}"] = disk
    if rng.random() < 0.08:
        world["snapshots"][f"s-now{number}"] = {"disk": f"d-{number}", "status": "progressing", "created": "-1s"}


def _request(rng: random.Random, scenario: Scenario) -> None:
    world = scenario["world"]
    instances = world["instances"]
    data = [disk_id for disk_id, disk in world["disks"].items() if disk.get("type") != "system"]
    system = [disk_id for disk_id in world["disks"] if disk_id not in data] if rng.random() < 0.08 else []
    many = len(instances) > 2
    undo = not many and rng.random() < 0.06
    scenario["request"] = {
        "disks": data + system[:1],
        "snapshot": undo or rng.random() < 0.15,
        "undo": undo,
        "leave_stopped": rng.random() < 0.1,
        "on_unknown": rng.choices(("ask", "retry"), (4, 1))[0],
        "lock_tag": rng.random() < 0.12,
        "force_stop_after": rng.choice((None, None, None, 45)),
        "canary": 1 if many and rng.random() < 0.4 else None,
        "waves": rng.choice((None, [2], [1, 5])) if many else None,
        "verdict": rng.choices(VERDICTS, (4, 3, 2, 2, 1))[0],
    }


# ------------------------------------------------------------------------------------------------------- the cloud


def _struck(rng: random.Random, scenario: Scenario) -> dict[str, Any]:
    """Draw which call something happens to."""
    asked = scenario["request"]
    acts = [*ACTIONS, "ReInitDisk"]
    if asked["snapshot"]:
        acts += ["CreateSnapshot", "DescribeSnapshots"]
    if asked["lock_tag"]:
        acts += ["TagResources", "UntagResources"]
    if asked["undo"]:
        acts += ["ResetDisk", "ResetDisk"]
    action = rng.choice((*acts, rng.choice(DESCRIBES)))
    reading = action.startswith("Describe")
    struck: dict[str, Any] = {"action": action, "nth": rng.randint(3, 40) if reading else rng.choice((1, 1, 1, 2))}
    if not reading:
        struck["dry_run"] = False
    if rng.random() < 0.35:
        struck["times"] = rng.choice((2, 5, 30, 100)) if reading else rng.choice((2, 3, 6))
    return struck


def _refused(rng: random.Random, scenario: Scenario) -> dict[str, Any]:
    struck = _struck(rng, scenario)
    known = REFUSALS[struck["action"]]
    code, status = rng.choice(_EVERY_REFUSAL if rng.random() < 0.2 else known)
    return {**struck, "error": {"code": code, "status": status, "message": "x"}}


def _throttled(rng: random.Random, scenario: Scenario) -> dict[str, Any]:
    return {**_struck(rng, scenario), "throttle": {"retry_after": rng.choice((1, 5, 30))}}


def _spoiled(key: str, *values: Any) -> Draw:
    return lambda rng, scenario: {**_struck(rng, scenario), key: rng.choice(values)}


def _odd(does: str, *actions: str, seconds: Sequence[float] = ()) -> Draw:
    """Return what draws an answer that is odd below the simulator: on the line, or in its rows."""

    def draw(rng: random.Random, scenario: Scenario) -> dict[str, Any]:
        struck = _struck(rng, scenario) if not actions else {"action": rng.choice(actions), "nth": rng.randint(3, 40)}
        struck.pop("dry_run", None)
        odd = {"does": does, "times": rng.choice((1, 3, 12, 60)), **struck}
        return {**odd, "seconds": rng.choice(seconds)} if seconds else odd

    return draw


def _skewed(rng: random.Random, _scenario: Scenario) -> dict[str, Any]:
    return {"does": "skews_date", "seconds": round(rng.uniform(-DATE_BOUND + 1, DATE_BOUND - 1), 1)}


CLOUD: Mapping[str, Draw] = {
    "refused": _refused,
    "throttled": _throttled,
    "lost request": _spoiled("drop_request", True),
    "lost answer": _spoiled("drop_answer", True),
    "late answer": _spoiled("delay", 2.0, 8.0, 30.0, 90.0, 240.0),
    "reset connection": _spoiled("reset", True),
    "garbled answer": _spoiled("garble", True),
    "page of a proxy": _spoiled("html", 502, 503, 504),
    "page of a proxy after the act": _spoiled("html_after", 502, 504),
    "slow-dripping answer": _odd("drips", seconds=(12.0, 75.0)),
    "rows of others": _odd("adds_rows", *DESCRIBES),
    "empty lists": _odd("drops_rows", *DESCRIBES),
    "rows that cannot be read": _odd("spoils_rows", *DESCRIBES),
    "another page without end": _odd("adds_pages", *DESCRIBES),
    "skewed date": _skewed,
}
"""What the cloud and the line to it do, by name."""


def _moment(rng: random.Random, scenario: Scenario) -> dict[str, Any]:
    """Draw when something happens: so long after a call was sent, had arrived or was answered; or at a time."""
    before = [each["when"] for part in ("people", "host") for each in scenario[part]]
    if before and rng.random() < 0.5:
        when = dict(rng.choice(before))
        name = "at" if "at" in when else "delay"
        return when | {name: round(when[name] + rng.choice((0.0, rng.uniform(0, 5), rng.uniform(0, 40))), 2)}
    if rng.random() < 0.1:
        return {"at": round(rng.uniform(0, 240), 2)}
    wipe = "ResetDisk" if scenario["request"]["undo"] else "ReInitDisk"
    return {
        "point": rng.choice(("sent", "arrived", "answered")),
        "action": rng.choices(("StopInstance", wipe, "StartInstance", *DESCRIBES), (4, 5, 2, 1, 1))[0],
        "nth": rng.choice((1, 1, 1, 2, 3, 8)),
        "delay": round(rng.choice((0.0, rng.uniform(0, 3), rng.uniform(0, 30))), 2),
    }


# ---------------------------------------------------------------------------------------------------------- people


def _place(rng: random.Random, scenario: Scenario) -> tuple[str, str]:
    name = rng.choice(list(scenario["world"]["instances"]))
    return name, f"d-{name.partition('-')[2]}"


def _does(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"does": list(steps)}


def _step(wait: float = 0.0, **action: Any) -> dict[str, Any]:
    return {"do": action, "wait": wait} if wait else {"do": action}


def _uses(rng: random.Random, scenario: Scenario) -> dict[str, Any]:
    """Start a machine, write to its disk, and stop it again."""
    name, disk = _place(rng, scenario)
    whole = rng.uniform(2.0, 20.0) if "S1" not in scenario["keeps"] else rng.uniform(SHORTEST_USE, 90.0)
    parts = sorted(round(rng.uniform(0, whole) * rng.choice((1.0, 0.2)), 2) for _ in range(2))
    return _does(
        _step(round(parts[0] + 0.1, 2), start=name, seconds=parts[0]),
        _step(round(parts[1] - parts[0], 2), write=disk),
        _step(stop=name, seconds=round(whole - parts[1], 2)),
    )


def _starts(rng: random.Random, scenario: Scenario) -> dict[str, Any]:
    name, disk = _place(rng, scenario)
    seconds = round(rng.uniform(1.0, 60.0), 2)
    return _does(_step(round(seconds + 0.1, 2), start=name, seconds=seconds), _step(write=disk))


def _stops(rng: random.Random, scenario: Scenario) -> dict[str, Any]:
    return _does(_step(stop=_place(rng, scenario)[0], seconds=round(rng.uniform(0.0, 60.0), 2)))


def _snapshots(rng: random.Random, scenario: Scenario) -> dict[str, Any]:
    return _does(_step(snapshot=_place(rng, scenario)[1], seconds=rng.choice((5, 60, 300))))


def _moves(rng: random.Random, scenario: Scenario) -> dict[str, Any]:
    name, disk = _place(rng, scenario)
    back = [_step(attach=disk, instance=name)] if rng.random() < 0.5 else []
    return _does(_step(rng.choice((1.0, 30.0)), detach=disk), *back)


def _locks(rng: random.Random, scenario: Scenario) -> dict[str, Any]:
    name, _ = _place(rng, scenario)
    return _does(_step(rng.choice((5.0, 90.0)), lock=name, reason="security"), _step(unlock=name))


def _writes(rng: random.Random, scenario: Scenario) -> dict[str, Any]:
    return _does(_step(write=_place(rng, scenario)[1]))


def _wipes(rng: random.Random, scenario: Scenario) -> dict[str, Any]:
    return _does(_step(wipe=_place(rng, scenario)[1]))


def _tags(rng: random.Random, scenario: Scenario) -> dict[str, Any]:
    name, _ = _place(rng, scenario)
    tags = rng.choice(
        ({"safe-reinit:run": "r-other"}, {"safe-reinit:run": None}, {"safe-reinit:protect": "yes"}, {"team": "x"})
    )
    return _does(_step(tag=name, to=tags))


def _denies(rng: random.Random, _scenario: Scenario) -> dict[str, Any]:
    right = rng.choice(("DescribeInstances", "DescribeDisks", "StartInstance", "ReInitDisk"))
    return _does(
        _step(rng.choice((30.0, 90.0)), deny={"action": f"ecs:{right}"}), _step(allow={"action": f"ecs:{right}"})
    )


def _expires(rng: random.Random, _scenario: Scenario) -> dict[str, Any]:
    """Let the key expire, and another one be there at once, later, or never before the faults end."""
    return _does(_step(rng.choice((0.5, 20.0, 120.0)), key="now", to="expired"), _step(key="next", to="chosen"))


def _rotates(rng: random.Random, _scenario: Scenario) -> dict[str, Any]:
    """Put another key of the same account where the program reads it, and later take the one before away."""
    return _does(_step(rng.choice((5.0, 60.0)), key="next", to="chosen"), _step(key="now", to="expired"))


def _other_identity(rng: random.Random, _scenario: Scenario) -> dict[str, Any]:
    """Put the key of another account where the program reads it, and later the right one again."""
    return _does(_step(rng.choice((10.0, 90.0)), key="other", to="chosen"), _step(key="now", to="chosen"))


def _releases(rng: random.Random, scenario: Scenario) -> dict[str, Any]:
    return _does(_step(delete_instance=_place(rng, scenario)[0]))


def _hides_start_time(rng: random.Random, scenario: Scenario) -> dict[str, Any]:
    return _does(_step(change=_place(rng, scenario)[0], to={"shows_start_time": False}))


def _deletes_snapshot(rng: random.Random, scenario: Scenario) -> dict[str, Any]:
    return _does(_step(delete_snapshot=rng.choice(list(scenario["world"]["snapshots"]) or ["s-none"])))


PEOPLE: Mapping[str, Draw] = {
    "uses": _uses,
    "starts": _starts,
    "stops": _stops,
    "snapshots": _snapshots,
    "detaches": _moves,
    "locks": _locks,
    "writes": _writes,
    "wipes": _wipes,
    "tags": _tags,
    "denies": _denies,
    "expires the key": _expires,
    "rotates the key": _rotates,
    "changes the identity": _other_identity,
    "releases the machine": _releases,
    "hides StartTime": _hides_start_time,
    "deletes a snapshot": _deletes_snapshot,
}
"""What other people do, by name."""


# ------------------------------------------------------------------------------------------------------------ host


def _host(does: str, **values: Sequence[Any]) -> Draw:
    return lambda rng, _scenario: {"does": does} | {name: rng.choice(each) for name, each in values.items()}


def _crash(rng: random.Random, _scenario: Scenario) -> dict[str, Any]:
    return {"does": "crash", "back_after": round(rng.choice((1.0, 40.0, rng.uniform(0, 600))), 1)}


def _pause(rng: random.Random, _scenario: Scenario) -> dict[str, Any]:
    seconds = round(rng.choice((5.0, 40.0, rng.uniform(0, 400))), 1)
    taken = round(rng.uniform(0.0, seconds), 1) if rng.random() < 0.4 else None
    return {"does": "pause", "seconds": seconds, "taken_over_after": taken}


def _pause_at_a_call(rng: random.Random, scenario: Scenario) -> dict[str, Any]:
    """Pause the program between deciding on a call and its first byte, while somebody is at the machine or the run.

    It is paused right after it has read its clock so many times, so between any two of its checks.
    """
    asked = scenario["request"]
    wipe = "ResetDisk" if asked["undo"] else "ReInitDisk"
    acts = ("StopInstance", wipe, "StartInstance", "CreateSnapshot" if asked["snapshot"] else wipe)
    action = rng.choices(acts, (2, 5, 2, 1))[0]
    when = {
        "point": rng.choice(("intended", "intended", "leaving")), "action": action, "nth": rng.choice((1, 1, 1, 2)),
        "delay": 0.0, "readings": rng.randrange(6),
    }  # fmt: skip
    # Less than a lease lasts, and long enough for a use of the machine, is what the lease cannot see.
    lengths = (rng.uniform(25.5, 30.0), rng.uniform(25.5, 60.0), rng.uniform(5.0, 400.0))
    seconds = round(rng.choices(lengths, (2, 1, 1))[0], 1)
    drawn: dict[str, Any] = {"when": when, "does": "pause", "seconds": seconds, "taken_over_after": None}
    if rng.random() < 0.35:
        return {**drawn, "taken_over_after": round(rng.uniform(0.0, seconds), 1)}
    return {**drawn, **_meanwhile(rng, scenario, seconds)}


def _pause_while_used(rng: random.Random, scenario: Scenario) -> dict[str, Any]:
    """Pause the program at any moment for long enough that somebody uses the machine meanwhile."""
    seconds = round(rng.choice((40.0, rng.uniform(25.5, 400.0))), 1)
    return {"does": "pause", "seconds": seconds, "taken_over_after": None, **_meanwhile(rng, scenario, seconds)}


def _meanwhile(rng: random.Random, scenario: Scenario, seconds: float) -> dict[str, Any]:
    """Draw what goes on during a pause: whether the whole host sleeps, and a use of the machine that ends before it."""
    drawn: dict[str, Any] = {"host_sleeps": rng.random() < 0.4}
    if seconds > SHORTEST_USE:
        name, disk = _place(rng, scenario)
        whole = rng.uniform(SHORTEST_USE, min(seconds, 90.0) - 0.3)
        up = round(whole * rng.uniform(0.2, 0.6), 2)
        on = round(rng.uniform(0.1, 1.0), 2)
        drawn["meanwhile"] = [
            _step(round(up + 0.1, 2), start=name, seconds=up),
            _step(on, write=disk),
            _step(stop=name, seconds=round(max(0.0, whole - up - 0.1 - on), 2)),
        ]
    return drawn


def _unanswered(rng: random.Random, _scenario: Scenario) -> dict[str, Any]:
    return {"does": "journal_unanswered", "times": rng.choice((1, 1, 2, 5)), "arrives": rng.random() < 0.7}


def _restored(rng: random.Random, _scenario: Scenario) -> dict[str, Any]:
    """Put back what the journal was before the run, or what it is now, after a while."""
    return {"does": "journal_restored"} | ({"after": rng.choice((15.0, 40.0, 120.0))} if rng.random() < 0.6 else {})


HOST: Mapping[str, Draw] = {
    "crash": _crash,
    "pause": _pause,
    "pause at a call": _pause_at_a_call,
    "pause while used": _pause_while_used,
    "cut off": _host("cut_off", seconds=(5.0, 28.0, 90.0, 300.0)),
    "wall clock steps": _host("wall_clock", seconds=(-3600.0, -22.0, 22.0, 3600.0)),
    "signals": _host("interrupt", times=(1, 1, 2, 5)),
    "leaves": _host("leave"),
    "cancels": _host("cancel", times=(1, 2)),
    "reader stops": _host("reader_stops"),
    "journal locked": _host("journal_locked", seconds=(5.0, 15.0, 60.0)),
    "journal full": _host("journal_full", seconds=(5.0, 60.0, 1000.0)),
    "journal away": _host("journal_away", seconds=(10.0, 60.0, 115.0, 300.0, 1000.0)),
    "journal unanswered": _unanswered,
    "journal removed": _host("journal_removed"),
    "journal restored": _restored,
    "second run": _host("second_run", journal=("same", "other")),
}
"""What happens to the process that carries the run, and to its host, by name."""
DATABASE: Mapping[str, Draw] = {
    **{name: HOST[name] for name in ("journal locked", "journal unanswered", "journal restored")},
    "journal away": _host("journal_away", seconds=(3.0, 10.0, 10.0, 60.0, 300.0)),
    "journal killed": _host("journal_killed", seconds=(1.0, 10.0, 10.0, 60.0, 300.0)),
    "journal fails over": _host("journal_fails_over", lag=(0.0, 0.0, 5.0, 40.0), seconds=(1.0, 10.0, 60.0)),
}
"""What happens to a journal in PostgreSQL besides, by name."""


def _loses_worker(rng: random.Random, scenario: Scenario) -> dict[str, Any]:
    """Kill a worker, or all of them, at any moment."""
    return {**_crash(rng, scenario), "who": "worker", "together": rng.random() < 0.2}


def _pauses_worker(rng: random.Random, _scenario: Scenario) -> dict[str, Any]:
    """Pause a worker, or all of them, for longer than another one is waited for, or not."""
    seconds = round(rng.choice((10.0, 25.0, 40.0, 60.0, rng.uniform(0, 400))), 1)
    paused = {"does": "pause", "seconds": seconds, "taken_over_after": None}
    return {**paused, "who": "worker", "together": rng.random() < 0.2}


def _loses_submitter(rng: random.Random, scenario: Scenario) -> dict[str, Any]:
    return {**_crash(rng, scenario), "who": "submitter"}


def _tampers(rng: random.Random, scenario: Scenario) -> dict[str, Any]:
    """Have the journal name a disk that nobody asked for, in the place of one that was."""
    world, disk_id = scenario["world"], rng.choice(scenario["request"]["disks"])
    world["disks"][f"{disk_id}x"] = dict(world["disks"][disk_id])
    return {"does": "tamper", "disk": disk_id, "for": f"{disk_id}x"}


ENGINE: Mapping[str, Draw] = {
    "worker is killed": _loses_worker,
    "worker is paused": _pauses_worker,
    "worker hands over": _host("hand_over"),
    "submitter is killed": _loses_submitter,
    "heartbeats are lost": _host("heartbeats_lost"),
    "stage asked for twice": _host("ask_again"),
    "workflow is terminated": _host("terminate"),
    "workflow is cancelled": _host("cancel_workflow"),
    "run is cancelled": _host("cancel", times=(1, 2)),
    "plan is tampered with": _tampers,
    "Temporal is away": _host("temporal_away", seconds=(5.0, 30.0, 60.0, 200.0)),
}
"""What happens to whoever carries a run of shards, by name."""
