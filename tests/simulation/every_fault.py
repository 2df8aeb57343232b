"""Every call with every fault, and something at every moment of a run: enumerated, where seeds draw.

A shape is a small world and what is asked of it. The calls of a run and the moments at which something can happen to it
are those that a run of its shape makes when nothing goes wrong; faults, codes, and what a host does are those that the
simulator, the table of codes and the options name. What is added to any of these is tried without a change here.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from safe_reinit.model.error_codes import EVERY, TABLE
from safe_reinit.simulator.faults import _KINDS
from tests.simulation.harness import Moment, Result, simulate
from tests.simulation.options import ASSUMPTIONS, DESCRIBES, HOST, Scenario

Fault = dict[str, Any]

BEFORE_A_RELEASE = 1200
"""How many cases the slow tests run; ``bench/simulation.py --every-fault`` runs all of them."""


@dataclass(frozen=True, eq=False)
class Case:
    """One scenario, and what it must meet so that it tries anything at all.

    Attributes:
        name: the shape, and what befalls it.
        pair: the call and the fault, or what else: the slow tests run at least one case of each.
        kind: the same with the code, the value and what others do.
        scenario: what happens.
        meets: the names under which ``Result.covered`` counts it.

    """

    name: str
    pair: str
    kind: str
    scenario: Scenario
    meets: tuple[str, ...]

    def missed(self, result: Result) -> list[str]:
        """Name what the run has not met."""
        met = {fault for _, fault in result.covered}
        return [each for each in self.meets if each not in met]


# ------------------------------------------------------------------------------------------------------------ shapes


def _shape(disks: Mapping[str, str] | None = None, machine: Fault | None = None, **asked: Any) -> Scenario:
    """Return a scenario in which nothing goes wrong, over these disks, each on the machine of its name."""
    disks = disks or {"d-0": "i-0"}
    plain = dict.fromkeys(("snapshot", "undo", "leave_stopped", "lock_tag"), False)
    plain |= dict.fromkeys(("force_stop_after", "canary", "waves", "verdict"))
    running = {"name": "lab", "status": "Running", "started": "-2d"}
    return {
        "seed": 1,
        "keeps": list(ASSUMPTIONS),
        "beyond": {},
        "world": {
            "durations": {"stop": 5, "wipe": 10, "start": 10, "snapshot": 5, "reset": 10},
            "describe_lag": 0.0,
            "images": {"m-1": {}},
            "instances": {name: {**running, **(machine or {})} for name in dict.fromkeys(disks.values())},
            "disks": {disk_id: {"instance": name} for disk_id, name in disks.items()},
            "snapshots": {},
        },
        "request": {"disks": list(disks), "on_unknown": "ask", **plain, **asked},
        "network": {"there": [0.01, 0.2], "back": [0.01, 0.2]},
        **{part: [] for part in ("faults", "answers", "people", "host")},
    }


def _snapshot(name: str, disk_id: str, *, source: bool) -> Scenario:
    """Return a shape whose disk has a snapshot: it was made from it, or the snapshot is being created."""
    scenario = _shape()
    scenario["world"]["snapshots"][name] = {
        "disk": disk_id,
        **({"created": "-10d"} if source else {"status": "progressing", "created": "-1s"}),
    }
    if source:
        scenario["world"]["disks"][disk_id]["snapshot"] = name
    return scenario


SHAPES: Mapping[str, Scenario] = {
    "running": _shape(),
    "two disks": _shape({"d-0": "i-0", "d-0b": "i-0"}),
    "stopped": _shape(machine={"status": "Stopped"}),
    "born of a snapshot": _snapshot("s-0", "d-0", source=True),
    "snapshot in progress": _snapshot("s-now0", "d-0", source=False),
    "snapshot and tag": _shape(snapshot=True, lock_tag=True),
    "undo": _shape(undo=True, snapshot=True),
    "power cut": _shape(machine={"ignores_stop": True}, force_stop_after=45),
    "three machines": {
        **_shape({f"d-{number}": f"i-{number}" for number in range(3)}, canary=1),
        "network": {"there": [0.05, 0.05], "back": [0.05, 0.05]},  # so that two of them are asked for in one call
    },
}
"""By name, runs that differ in the calls that they make. Nothing goes wrong in them."""


@cache
def undisturbed(shape: str) -> Result:
    """Run a shape in which nothing goes wrong; its moments begin before the plan is made."""
    return simulate({**SHAPES[shape], "while_planning": True})


@cache
def calls_of(shape: str, *, while_planning: bool = False) -> Mapping[tuple[str, bool], int]:
    """Return the calls of a shape, and whether each is a dry run, with how often each is made."""
    result = undisturbed(shape)
    counted: dict[tuple[str, bool], int] = {}
    for each in result.moments[0 if while_planning else result.planning :]:
        if each.point == "leaving":
            counted[each.action, each.dry_run] = counted.get((each.action, each.dry_run), 0) + 1
    return counted


def moments_of(shape: str) -> list[Moment]:
    """Return everything at which something can happen to a run of a shape, but for what only looks."""
    every = undisturbed(shape).moments
    return [each for each in every if each.nth and not only_reads(each.action)]


def only_reads(action: str) -> bool:
    """Return whether a call only reads."""
    return action.startswith(("Describe", "Get", "List"))


# ------------------------------------------------------------------------------------------------------------ faults

_VALUES: Mapping[str, Sequence[Any]] = {
    "throttle": (True, {"retry_after": 5}), "delay": (8.0, 90.0), "html": (502,), "html_after": (502,),
}  # fmt: skip
"""What a fault of the simulator is tried with; any other is ``True``."""
ODD: Mapping[str, Fault] = {
    "drips": {"seconds": 75.0}, "adds_rows": {}, "drops_rows": {}, "spoils_rows": {}, "adds_pages": {},
}  # fmt: skip
"""What is odd about an answer below the simulator; of rows only where a call lists disks or instances."""


def spoiled() -> list[Fault]:
    """Return every fault of the simulator but for refusals, as the members of a fault."""
    return [{kind: value} for kind in _KINDS if kind != "error" for value in _VALUES.get(kind, (True,))]


@cache
def refusals(action: str) -> list[Fault]:
    """Return every refusal that the table of codes knows for a call, and one that nobody knows."""
    name = action.removesuffix("s") if action in ("StopInstances", "StartInstances") else action
    rows = [row for row in TABLE if name in row.actions or EVERY in row.actions]
    codes = {row.code.replace("*", "Any").replace("AnyAny", "Any"): row.status for row in rows}
    codes = {code if not code.startswith("Any.") else f"Disk{code[3:]}": status for code, status in codes.items()}
    codes["NoSuchCodeKnown"] = 403
    return [{"error": {"code": code, "status": status, "message": "x"}} for code, status in codes.items()]


def _kind_of(fault: Fault) -> str:
    kind, value = next(iter(fault.items()))
    return value["code"] if kind == "error" else kind if value is True else f"{kind} {value}"


def _struck(count: int, *, reads: bool, first: bool) -> Sequence[int]:
    """Return which calls of so many are struck: each changing one; of those that only look a few."""
    if not reads:
        return range(1, count + 1)
    middle = (count + 1) // 2
    return sorted({1, 2, middle, count} & {*range(1, count + 1)}) if first else (middle,)


def _times(fault: Fault, *, reads: bool, first: bool) -> Sequence[int]:
    """Return how often in a row a call goes wrong; 200 times is for ever."""
    if reads:
        return (1, 12) if first and "error" not in fault else (12,)
    return (1, 4, 200) if first else (1, 200)


def faults() -> Iterator[Case]:
    """Let each call of a run go wrong in each way: once, some times, and for ever."""
    for shape in SHAPES:
        for (action, dry_run), count in calls_of(shape).items():
            reading, first = only_reads(action) or dry_run, shape == _first_with(action, dry_run)
            for fault in (*spoiled(), *(refusals(action) if first else _ERRORS)):
                for nth in _struck(count, reads=reading, first=first and "error" not in fault):
                    for times in _times(fault, reads=reading, first=first):
                        yield _faulty(shape, action, dry_run, fault, nth, times)


def faults_of_retries() -> Iterator[Case]:
    """Let each changing call go wrong where a lost wipe is sent again after a gap, too."""
    for action, dry_run in sorted({each for shape in SHAPES for each in calls_of(shape)}):
        if not dry_run and not only_reads(action):
            for fault in spoiled():
                yield _faulty(_first_with(action, dry_run), action, dry_run, fault, 1, 1, on_unknown="retry")


def faults_while_planning() -> Iterator[Case]:
    """Let each call go wrong from before the plan is made."""
    for shape in SHAPES:
        for (action, dry_run), count in calls_of(shape, while_planning=True).items():
            for fault in (*spoiled(), *_ERRORS):
                yield _faulty(shape, action, dry_run, fault, 1, 1 if count == 1 else 3, while_planning=True)


def odd_answers() -> Iterator[Case]:
    """Let lists be odd: other rows, none, unreadable ones, pages without end; and answers that drip."""
    for shape in SHAPES:
        for action in DESCRIBES:
            for nth in _struck(calls_of(shape)[action, False], reads=True, first=True):
                for does, more in ODD.items():
                    yield _odd(shape, action, does, {"nth": nth, "times": 12 if nth > 2 else 1, **more})


_ERRORS = ({"error": {"code": "IncorrectInstanceStatus", "status": 403, "message": "x"}},
        {"error": {"code": "InternalError", "status": 500, "message": "x"}},
        {"error": {"code": "Forbidden.RAM", "status": 403, "message": "x"}})  # fmt: skip
"""The refusals that are tried of a call where all of them are tried in another shape."""


@cache
def _first_with(action: str, dry_run: bool) -> str:
    """Return the first shape whose run makes a call."""
    return next(shape for shape in SHAPES if (action, dry_run) in calls_of(shape))


def _faulty(
    shape: str, action: str, dry_run: bool, fault: Fault, nth: int, times: int, *, while_planning: bool = False,
    on_unknown: str = "ask",
) -> Case:  # fmt: skip
    scenario = {**SHAPES[shape], "request": {**SHAPES[shape]["request"], "on_unknown": on_unknown}}
    scenario["faults"] = [{"action": action, "dry_run": dry_run, "nth": nth, "times": times, **fault}]
    call = f"{action}{' (dry run)' if dry_run else ''}"
    planning = " while planning" if while_planning else ""
    if while_planning:
        scenario["while_planning"] = True
    kind = f"{call} {_kind_of(fault)}{planning}"
    name = (
        f"{shape}: {call} {nth}{planning}: {_kind_of(fault)}, {times} times{'' if on_unknown == 'ask' else ', retry'}"
    )
    met = next(iter(fault))
    pair = f"{call} {met}" if not while_planning else f"{met} while planning"
    return Case(name, pair, kind, scenario, (f"{_plain(action)}:{met}",))


def _plain(action: str) -> str:
    return action.removesuffix("s") if action.startswith(("Stop", "Start")) else action


def _odd(shape: str, action: str, does: str, more: Fault) -> Case:
    scenario = {**SHAPES[shape], "answers": [{"does": does, "action": action, **more}]}
    name = f"{shape}: {action} {more['nth']}: {does}, {more['times']} times"
    return Case(name, f"{action} {does}", name, scenario, (f"{action}:{does}",))


# ----------------------------------------------------------------------------------------- crashes, people, the host

_CRASH_PAUSE = 12.0
"""Seconds from a crash until somebody else does anything: what was under way has ended."""
_BACK_AFTER = 90.0


def _uses(name: str, disk_id: str) -> list[Fault]:
    """Return a use of a machine; of one that was never stopped nothing is lost but what it wrote until then."""
    return [
        {"do": {"stop": name}, "wait": 1.0}, {"do": {"start": name, "seconds": 4.0}, "wait": 4.1},
        {"do": {"write": disk_id}, "wait": 20.0}, {"do": {"stop": name, "seconds": 4.0}},
    ]  # fmt: skip


MEANWHILE: Mapping[str, list[Fault]] = {
    "nobody": [],
    "used": _uses("i-0", "d-0"),
    "detached": [{"do": {"detach": "d-0"}}],
    "snapshot": [{"do": {"snapshot": "d-0", "seconds": 15}}],
    "locked": [{"do": {"lock": "i-0", "reason": "security"}}],
    "snapshots deleted": [{"do": {"delete_snapshots": "d-0"}}],
    "tag replaced": [{"do": {"tag": "i-0", "to": {"safe-reinit:run": "r-other"}}}],
    "tag removed": [{"do": {"tag": "i-0", "to": {"safe-reinit:run": None}}}],
    "released": [{"do": {"delete_instance": "i-0"}}],
    "wiped": [{"do": {"wipe": "d-0"}}],
}
"""What somebody else does between a crash and the resume."""


_AT_COMMITS = ("nobody", "used", "snapshots deleted", "tag replaced")
"""What of it is tried at the commits, too."""


def _worlds(shape: str) -> list[str]:
    asked = SHAPES[shape]["request"]
    left_out = set() if asked["lock_tag"] else {"tag replaced", "tag removed"}
    left_out |= set() if asked["snapshot"] else {"snapshots deleted"}
    return [each for each in MEANWHILE if each not in left_out]


def crashes() -> Iterator[Case]:
    """Kill the process at every moment of each changing call and each commit, whatever others do before the resume."""
    for shape in SHAPES:
        for moment in moments_of(shape):
            for world in _worlds(shape):
                if moment.action != "journal" or world in _AT_COMMITS:
                    yield _crashed(shape, moment, world)


def _crashed(shape: str, moment: Moment, world: str, fault: Case | None = None) -> Case:
    scenario = {**(fault.scenario if fault else SHAPES[shape])}
    scenario["host"] = [{"when": _when(moment), "does": "crash", "back_after": _BACK_AFTER}]
    if MEANWHILE[world]:
        scenario["people"] = [{"when": {**_when(moment), "delay": _CRASH_PAUSE}, "does": MEANWHILE[world]}]
    what = f"killed at {moment.point} {moment.action} {moment.nth}"
    pair = f"killed at {moment.point} {moment.action}"
    if fault is not None:
        kind = f"{fault.kind}; {pair}; {world}"
        return Case(
            f"{fault.name}; {what}; {world}", f"a fault, then killed at {moment.point}", kind, scenario, fault.meets
        )
    return Case(f"{shape}: {what}; {world}", pair, f"{pair}; {world}", scenario, ("crash",))


def _when(moment: Moment) -> Fault:
    return {"point": moment.point, "action": _plain(moment.action), "nth": moment.nth, "delay": 0.0}


def faults_and_crashes() -> Iterator[Case]:
    """Let a changing call go wrong once, and kill the process at one of the next moments."""
    for shape in ("running", "two disks", "stopped", "snapshot and tag", "undo"):
        every = [each for each in undisturbed(shape).moments if each.nth]
        for position, act in enumerate(every):
            if act.point != "leaving" or only_reads(act.action):
                continue
            counts = {(each.point, each.action): each.nth for each in every[: position + 1]}
            for fault in (each for each in spoiled() if each not in ({"throttle": True}, {"delay": 8.0})):
                faulty = _faulty(shape, act.action, False, fault, act.nth, 1)
                for point, action, later in (
                    ("written", "journal", 1), ("written", "journal", 3), ("answered", "DescribeInstances", 3),
                    ("answered", "DescribeInstances", 6), ("intended", act.action, 1), ("arrived", act.action, 1),
                ):  # fmt: skip
                    moment = Moment(point, action, False, counts.get((point, action), 0) + later)
                    for world in ("nobody", "used"):
                        yield _crashed(shape, moment, world, faulty)


def hosts() -> Iterator[Case]:
    """Let everything that can happen to a process and its host happen around every changing call."""
    for shape in SHAPES:
        for moment in moments_of(shape):
            if moment.action == "journal" or moment.point not in ("intended", "sent", "answered"):
                continue
            for name in HOST:
                if name != "crash" and "when" not in (what := _drawn(name, shape)):
                    scenario = {**SHAPES[shape], "host": [{**what, "when": _when(moment)}]}
                    result = f"{name} at {moment.point} {moment.action} {moment.nth}"
                    kind = f"{name} at {moment.point} {moment.action}"
                    yield Case(f"{shape}: {result}", f"{name}", kind, scenario, (what["does"],))


@cache
def _drawn(name: str, shape: str) -> Fault:
    return HOST[name](random.Random(f"{name} {shape}"), copy.deepcopy(SHAPES[shape]))


# ------------------------------------------------------------------------------------------------------------ fleets

FLEET_COUNT = 20
_FLEET_SIZE = 50
_STRUCK = ("StopInstances", "StopInstance", "ReInitDisk", "ReInitDisk", "StartInstances", "StartInstance")
_MOMENTS = (
    ("arrived", "ReInitDisk"),
    ("answered", "StartInstance"),
    ("intended", "ReInitDisk"),
    ("written", "journal"),
)


def fleets() -> Iterator[Case]:
    """Draw fleets: faults with a chance at every call, up to two kills, and people at some machines before a resume."""
    for number in range(FLEET_COUNT):
        rng, kills = random.Random(f"fleet {number}"), number % 3
        scenario = _shape(
            {disk_id: f"i-{machine}" for machine in range(_FLEET_SIZE) for disk_id in _disks_of(machine)},
            canary=rng.choice((None, 1)), waves=rng.choice((None, [10, 100], [20])),
        )  # fmt: skip
        scenario["seed"] = number
        for name in rng.sample(list(scenario["world"]["instances"]), 8):
            scenario["world"]["instances"][name]["status"] = "Stopped"
        spoilers = [each for each in spoiled() if "delay" not in each]
        scenario["faults"] = [_by_chance(rng, rng.choice(_STRUCK), rng.choice((*spoilers, *_ERRORS))) for _ in range(5)]
        scenario["faults"] += [_by_chance(rng, rng.choice(DESCRIBES), rng.choice(spoilers)) for _ in range(2)]
        for kill in range(kills):
            point, action = rng.choice(_MOMENTS)
            when = {"point": point, "action": action, "nth": rng.randint(1, 20) + 20 * kill, "delay": 0.0}
            scenario["host"].append({"when": when, "does": "crash", "back_after": _BACK_AFTER})
            does = MEANWHILE[rng.choice(("used", "detached", "locked", "nobody"))]
            scenario["people"] += [{"when": {**when, "delay": _CRASH_PAUSE}, "does": does}] if does else []
        result = f"a fleet, killed {kills} times"
        yield Case(
            f"fleet {number}: {_FLEET_SIZE} machines, killed {kills} times",
            result,
            result,
            scenario,
            ("crash",)[:kills],
        )


def _disks_of(machine: int) -> list[str]:
    """Return the disks of a machine of a fleet: every fourth has two."""
    return [f"d-{machine}", f"d-{machine}b"][: 2 if machine % 4 == 3 else 1]


def _by_chance(rng: random.Random, action: str, fault: Fault) -> Fault:
    return {"action": action, "dry_run": False, "chance": round(rng.uniform(0.02, 0.12), 3), **fault}


@cache
def cases() -> tuple[Case, ...]:
    """Return every case, in a fixed order."""
    every = (
        *faults(), *faults_of_retries(), *faults_while_planning(), *odd_answers(), *crashes(), *faults_and_crashes(),
        *hosts(), *fleets(),
    )  # fmt: skip
    return tuple({each.name: each for each in every}.values())


def spread(count: int = BEFORE_A_RELEASE) -> list[Case]:
    """Return so many cases, always the same: one of each pair, and then of as many kinds as there is room for."""
    every = cases()
    mixed = random.Random("spread").sample(every, len(every))
    pairs, kinds = ({getattr(each, name): each for each in mixed} for name in ("pair", "kind"))
    chosen = dict.fromkeys(pairs.values())
    more = [each for each in kinds.values() if each not in chosen]
    return [*chosen, *more[: max(0, count - len(chosen))]]


def in_suite() -> list[Case]:
    """Return the cases of the test suite: one of each pair of a wipe, and of every third pair of the others.

    Three does not divide the number of faults, so each call meets some of them, and each fault befalls some calls.
    """
    pairs = sorted(spread(0), key=lambda each: each.pair)
    wipes = [each for each in pairs if "ReInitDisk" in each.pair]
    return [*wipes, *[each for each in pairs if each not in wipes][::3]]
