"""The machinery of the sweeps: many small runs, each disturbed in one way, each held against the simulator's record.

A case has an instance of its own. Its run is made by a process of its own, forked from one that has everything imported
already; a case that is killed is resumed by another one. ``sweep`` starts this file as a command, so that what is
forked has no threads: each of its workers has a simulator in a further process and does one case after the other.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import random
import select
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.request
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import commands
from tests.simulator.support import call

ROOT = Path(__file__).resolve().parent.parent
SPEED = 60.0
TICK = 4.0
"""Cloud seconds between two looks: half as many as usual, and still enough of them in any settling time."""
DEADLINE = float(os.environ.get("SWEEP_DEADLINE", "40"))
"""Real seconds after which a process is taken for one that never ends."""
_CHUNK = 25
"""Cases of one simulator, since what it remembers grows."""
_LIMITS = {"STOP": "90s", "REINIT": "120s", "START": "90s", "SNAPSHOT": "90s"}
_RETRY = 40.0
"""Cloud seconds for which a retryable refusal of ReInitDisk is asked again."""
ACCEPTED = ("fstab-may-name-disk", "no-recent-snapshot")
"""Risks of every disk here: half of them are blank, and there is no way back; what is lost is counted instead."""
SHAPES = ("running", "two", "stopped", "snapshot")
MEANWHILE = ("nobody", "used", "detached", "snapshot", "locked")
SAFE, UNDO, FORCED = "safe", "undo", "forced"
"""The shapes with a safety snapshot and a lock tag, of an undo, and with a guest that never stops."""
SAFE_MEANWHILE = ("nobody", "used", "deleted", "untagged", "tagged")
UNDO_MEANWHILE = ("nobody", "used", "deleted", "detached", "locked")
_NOT_DONE = ("drop_request", "reset", "html")
"""Faults of the simulator after which a call was not done although it has no error code."""
_OPEN = ("unknown", "not-restarted", "stranded")


@dataclass(frozen=True)
class Case:
    """One run and what happens to it.

    Attributes:
        name: what it is called in a table.
        shape: what there is: a running instance, two disks on one, a stopped instance, a snapshot in progress; a
            run with safety snapshot and lock tag, one that is to be undone, a guest that never stops.
        faults: faults of the simulator; ``I``, ``D`` and ``E`` as subject stand for the instance and its disks.
        kill: where the process is killed: ``begin``, ``commit``, ``act``, ``look`` or ``due again``; which of them;
            ``before`` or ``after`` it.
        meanwhile: what somebody else does between the kill and the resume.
        off: the guards that are switched off.
        pause: real seconds between the kill and the resume.
        timeout: real seconds a call may stay unanswered, where that matters.
        on_unknown: the option of that name.
        odd: what is odd about answers, the call that it begins with (of any action, if none is named), and which one;
            or ``journal lost``, at that call.
    """

    name: str
    shape: str = "running"
    faults: tuple[dict[str, Any], ...] = ()
    kill: tuple[str, int, str] | None = None
    meanwhile: str = "nobody"
    off: tuple[str, ...] = ()
    pause: float = 0.0
    timeout: float | None = None
    on_unknown: str = "ask"
    odd: tuple[str, str, int] | None = None


# ------------------------------------------------------------------------------------------------------- the cases

_FAULTS: dict[str, dict[str, Any]] = {
    "throttled": {"throttle": True},
    "throttled, wait 5": {"throttle": {"retry_after": 5}},
    "500": {"error": {"code": "InternalError", "status": 500}},
    "503": {"error": {"code": "ServiceUnavailable", "status": 503}},
    "HTML 502, not done": {"html": 502},
    "HTML 502, done": {"html_after": 502},
    "reset before": {"reset": True},
    "dropped before": {"drop_request": True},
    "dropped after the act": {"drop_answer": True},
    "past the time-out": {"delay": 1.2 * SPEED},
    "garbled": {"garble": True},
}
_POWER_CODES = (
    "IncorrectInstanceStatus", "InstanceLockedForSecurity", "InstanceExpiredOrInArrears", "InvalidInstanceId.NotFound",
    "Forbidden.RAM", "InvalidSecurityToken.Expired", "InvalidAccessKeyId.Inactive", "OperationConflict",
)  # fmt: skip
_START_CODES = (
    "OperationDenied.NoStock", "LackResource", "InvalidDedicatedHost.NotEnoughResource", "InstanceNotReady",
    "Invalid.PrivatePoolOptions.NoStock", "InsufficientBalance", "InstanceExpired",
)  # fmt: skip
_STATUS = {
    "OperationDenied.NoStock": 403, "InvalidDedicatedHost.NotEnoughResource": 400, "LackResource": 400,
    "InstanceNotReady": 403, "Invalid.PrivatePoolOptions.NoStock": 400, "InsufficientBalance": 403,
    "OperationConflict": 409, "InstanceExpired": 403,
}  # fmt: skip


_SNAPSHOT_CODES = {
    "IncorrectInstanceStatus": 400, "InvalidSnapshotName.Malformed": 400, "DiskCategory.OperationNotSupported": 400,
    "CreateSnapshot.Failed": 400, "IncorrectDiskStatus.CreatingSnapshot": 403,
    "IncorrectDiskStatus.TooManyCreatingSnapshots": 403, "QuotaExceed.ConcurrentSnapshotQuota": 403,
    "IncorrectDiskStatus.NeverAttached": 403, "IncorrectDiskStatus.NeverUsed": 403, "IncorrectDiskStatus": 403,
    "IncorrectDiskStatus.Invalid": 403, "IncorrectDiskStatus.Transferring": 403, "QuotaExceed.Snapshot": 403,
    "QuotaExceed.SnapshotQuota": 403, "DiskInArrears": 403, "DiskId.ValueNotSupported": 403,
    "InvalidAccountStatus.NotEnoughBalance": 403, "InvalidAccountStatus.SnapshotServiceUnavailable": 403,
    "IdempotentParameterMismatch": 403, "IdempotentProcessing": 403, "InvalidClientToken.Malformed": 403,
    "DISK_HAS_CREATING_SNAPSHOT": 403, "HibernationConfigured.InstanceOperationForbidden": 403,
    "InstanceLockedForSecurity": 403, "InvalidParameter.KMSKeyId.CMKNotEnabled": 403, "InvalidDiskId.NotFound": 404,
    "InvalidInstanceId.NotFound": 404, "InvalidDescription.Malformed": 404,
}  # fmt: skip
_TAG_CODES = ("Forbidden.RAM", "InvalidResourceId.NotFound", "OperationDenied.QuotaExceed", "OperationConflict")
_RESET_CODES = (
    "DiskCreatingSnapshot", "IncorrectDiskStatus", "IncorrectInstanceStatus", "InstanceLockedForSecurity",
    "InstanceExpiredOrInArrears", "DiskCategory.OperationNotSupported", "InvalidDiskId.NotFound", "OperationDenied",
    "Forbidden.RAM", "InvalidSecurityToken.Expired",
)  # fmt: skip


def codes_of(action: str) -> dict[str, dict[str, Any]]:
    """Give a fault for each documented refusal of an act, by its code; by its code."""
    from safe_reinit.codes import REINIT_DISK

    if action == "ReInitDisk":
        return {row.code: {"error": {"code": row.code, "status": row.status}} for row in REINIT_DISK}
    if action == "CreateSnapshot":
        return {code: {"error": {"code": code, "status": status}} for code, status in _SNAPSHOT_CODES.items()}
    if action in ("TagResources", "UntagResources"):
        return {code: {"error": {"code": code, "status": 403}} for code in _TAG_CODES}
    if action == "ResetDisk":
        return {code: {"error": {"code": code, "status": 403}} for code in _RESET_CODES}
    names = (*_POWER_CODES, *(_START_CODES if action == "StartInstance" else ()))
    return {name: {"error": {"code": name, **({"status": _STATUS[name]} if name in _STATUS else {})}} for name in names}


def _fault(
    action: str, subject: str, what: dict[str, Any], nth: int | str = 1, *, dry_run: bool = False
) -> dict[str, Any]:
    return {"action": action, "subject": subject, "nth": nth, "dry_run": dry_run, **what}


def single_faults() -> list[Case]:
    """Every changing call with every fault and every documented code, and every kind of look with every fault."""
    cases = []
    acts = {
        "running": (("StopInstance", "I"), ("ReInitDisk", "D"), ("StartInstance", "I")),
        "two": (("StopInstance", "I"), ("ReInitDisk", "D"), ("ReInitDisk", "E"), ("StartInstance", "I")),
        "stopped": (("ReInitDisk", "D"),),
        "snapshot": (("StopInstance", "I"), ("ReInitDisk", "D")),
    }
    for shape, calls in acts.items():
        for action, subject in calls:
            for kind, what in _FAULTS.items():
                if shape == "snapshot" and kind not in ("dropped after the act", "503", "throttled"):
                    continue  # from the stop on such a run is like any other
                late = 0.4 if kind == "past the time-out" else None
                name = f"{shape}: {action} {subject}: {kind}"
                cases.append(Case(name, shape, (_fault(action, subject, what),), timeout=late))
            every = shape == "running" or (shape == "stopped" and action == "ReInitDisk")
            if every and shape == "running":
                cases += [
                    Case(f"{shape}: {action} {subject}: {code}", shape, (_fault(action, subject, what),))
                    for code, what in codes_of(action).items()
                ]
    for code in ("IncorrectDiskStatus", "IncorrectInstanceStatus", "DiskCreatingSnapshot", "Throttling"):
        what = {"error": {"code": code}}
        cases.append(Case(f"running: ReInitDisk D: {code} for ever", "running",
                          (_fault("ReInitDisk", "D", what, "every"),)))  # fmt: skip
        cases.append(Case(f"two: ReInitDisk E: {code} for ever", "two", (_fault("ReInitDisk", "E", what, "every"),)))
    for kind in ("dropped after the act", "dropped before", "503"):
        for action, subject in (("StopInstance", "I"), ("ReInitDisk", "D"), ("StartInstance", "I")):
            faults = ({**_fault(action, subject, _FAULTS[kind], "every"), "times": 4},)
            cases.append(Case(f"running: {action} {subject}: {kind}, 4 times", "running", faults))
    return cases + look_faults()


def look_faults() -> list[Case]:
    """Every kind of look, early, before each act and while waiting, with every fault of a look; and for a while.

    A run observes only what it needs next: it calls DescribeDisks and DescribeInstances about ten times each.
    """
    cases = []
    kinds = ("throttled", "503", "HTML 502, not done", "reset before", "dropped after the act", "past the time-out",
             "garbled")  # fmt: skip
    looks: tuple[tuple[str, str, tuple[int, ...], bool], ...] = (
        ("GetCallerIdentity", "", (1, 2, 3), False),
        ("DescribeDisks", "D", (1, 2, 3, 5, 7, 9), False),
        ("DescribeInstances", "I", (1, 2, 3, 5, 8, 10), False),
        ("DescribeSnapshots", "D", (1, 3, 5), False),
        ("StopInstance", "I", (1, 2), True),
        ("StartInstance", "I", (1, 2), True),
        ("DescribeScalingInstances", "I", (1, 2), False),
        ("DescribeInstanceHistoryEvents", "I", (1, 2), False),
        ("DescribeDiskReplicaPairs", "", (1, 3, 5), False),
    )
    turn = 0
    for action, subject, counts, dry_run in looks:
        for nth in counts:
            for kind in kinds:
                turn += 1
                if nth > 3 and turn % 3:
                    continue  # of the many looks while waiting a third of the kinds each: they are alike
                what = _FAULTS[kind]
                fault = _fault(action, subject, what, nth, dry_run=dry_run)
                late = 0.4 if kind == "past the time-out" else None
                dry = " (dry run)" if dry_run else ""
                name = f"running: look {action}{dry} {nth}: {kind}"
                cases.append(Case(name, "running", (_without_empty(fault),), timeout=late))
    for action, subject in (("DescribeDisks", "D"), ("DescribeInstances", "I")):
        for shape in SHAPES:
            faults = ({**_fault(action, subject, _FAULTS["503"], 5), "times": 12},)
            cases.append(Case(f"{shape}: look {action} from 5: 503, 12 times", shape, faults))
        denied = _fault(action, subject, {"error": {"code": "Forbidden.RAM"}}, 5)
        cases.append(Case(f"running: look {action} 5: Forbidden.RAM", "running", (denied,)))
    for nth in (1, 2, 3):
        fault = _fault("DescribeSnapshots", "D", _FAULTS["503"], nth)
        cases.append(Case(f"snapshot: look DescribeSnapshots {nth}: 503", "snapshot", (fault,)))
    return cases


_TRANSIENT = {
    "IncorrectInstanceStatus.Initializing": 403, "IncorrectDiskStatus.Initializing": 403, "TaskConflict": 400,
    "SystemBusy": 400, "Rejected.Throttling": 400, "InvalidOperation.Conflict": 409, "Operation.Conflict": 403,
}  # fmt: skip
_RENEWED = {"InvalidSecurityToken.Expired": 403, "InvalidTimeStamp.Expired": 400, "SignatureDoesNotMatch": 400}
_ODD = ("unreadable row", "empty list", "endless list")


def odd_faults() -> list[Case]:
    """Give what may pass three times at each call, codes about credentials at looks, odd answers, and a lost journal.

    An answer that drips, or is too large, is no answer to a run: that it counts as none is tested at the connection.
    """
    cases = []
    for shape, action, subject in (
        ("running", "StopInstance", "I"), ("running", "ReInitDisk", "D"), ("running", "StartInstance", "I"),
        (SAFE, "CreateSnapshot", "D"), (SAFE, "TagResources", "I"), (UNDO, "ResetDisk", "D"),
    ):  # fmt: skip
        for code, status in _TRANSIENT.items():
            fault = {**_fault(action, subject, {"error": {"code": code, "status": status}}), "times": 3}
            cases.append(Case(f"{shape}: {action} {subject}: {code}, 3 times", shape, (fault,)))
    for action, subject in (("DescribeDisks", "D"), ("DescribeInstances", "I"), ("GetCallerIdentity", "")):
        for code, status in {**_RENEWED, **_TRANSIENT}.items():
            for nth in (1, 2, 3) if action == "GetCallerIdentity" else (2, 5, 9):
                fault = _without_empty(_fault(action, subject, {"error": {"code": code, "status": status}}, nth))
                cases.append(Case(f"running: look {action} {nth}: {code}", "running", (fault,)))
    for shape in (*SHAPES, SAFE):
        slow = tuple({"action": "*", "subject": each, "nth": "every", "delay": 2} for each in "ID")
        cases.append(Case(f"{shape}: slow, 2 s a call", shape, slow))
        for action in ("DescribeDisks", "DescribeInstances"):
            cases += [
                Case(f"{shape}: {kind} from {action} {nth} on", shape, odd=(kind, action, nth))
                for kind in _ODD
                for nth in (3, 5, 8)
            ]
        cases += [Case(f"{shape}: journal lost at call {nth}", shape, odd=("journal lost", "", nth))
                  for nth in (15, 25, 40)]  # fmt: skip
    return cases


def _without_empty(fault: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fault.items() if not (key == "subject" and value == "")}


def aside_faults() -> list[Case]:
    """Give each call of safety snapshot, lock tag, undo and power cut with every fault and every documented code."""
    cases = []
    for shape, action, subject, nth in (
        (SAFE, "TagResources", "I", 1), (SAFE, "CreateSnapshot", "D", 1), (SAFE, "UntagResources", "I", 1),
        (UNDO, "ResetDisk", "D", 1), (FORCED, "StopInstance", "I", 2),
    ):  # fmt: skip
        for kind, what in {**_FAULTS, **codes_of(action)}.items():
            late = 0.4 if kind == "past the time-out" else None
            name = f"{shape}: {action} {subject}: {kind}"
            cases.append(Case(name, shape, (_fault(action, subject, what, nth),), timeout=late))
    for kind in ("throttled", "503", "dropped before", "dropped after the act"):
        for action, subject in (("TagResources", "I"), ("CreateSnapshot", "D"), ("UntagResources", "I")):
            fault = _fault(action, subject, _FAULTS[kind], "every")
            cases.append(Case(f"{SAFE}: {action} {subject}: {kind}, for ever", SAFE, (fault,)))
        fault = {**_fault("ResetDisk", "D", _FAULTS[kind], 1), "times": 9}
        cases.append(Case(f"{UNDO}: ResetDisk D: {kind}, 9 times", UNDO, (fault,)))
    for nth in (1, 2, 3):
        for kind in ("throttled", "503", "HTML 502, not done", "garbled"):
            fault = _fault("ResetDisk", "D", _FAULTS[kind], nth, dry_run=True)
            cases.append(Case(f"{UNDO}: look ResetDisk (dry run) {nth}: {kind}", UNDO, (fault,)))
    for code in _RESET_CODES:
        fault = _fault("ResetDisk", "D", {"error": {"code": code, "status": 403}}, 3, dry_run=True)
        cases.append(Case(f"{UNDO}: look ResetDisk (dry run) 3: {code}", UNDO, (fault,)))
    for nth in (2, 6, 10, 14):
        fault = _fault("DescribeSnapshots", "D", {**_FAULTS["503"], "times": 3}, nth)
        cases.append(Case(f"{SAFE}: look DescribeSnapshots {nth}: 503, 3 times", SAFE, (fault,)))
    return cases


_ACTS_OF = {SAFE: 6, UNDO: 3, FORCED: 4}
"""How many changing calls a run of each shape makes."""
COMMITS_OF = {SAFE: 29, UNDO: 16, FORCED: 16}
"""How often a run of each shape writes its record down on an idle machine: a busy one leaves some looks out."""


def aside_kills() -> list[Case]:
    """Kill runs of these shapes before and after each changing call and each commit, whatever others do meanwhile."""
    cases = []
    for shape, worlds in ((SAFE, SAFE_MEANWHILE), (UNDO, UNDO_MEANWHILE), (FORCED, ("nobody", "used"))):
        points = [("act", n, side, world) for n in range(1, _ACTS_OF[shape] + 1) for side in ("before", "after")
                  for world in worlds if not (shape == FORCED and n < 3 and world == "used")]  # fmt: skip
        points += [("commit", n, side, "nobody") for n in range(1, COMMITS_OF[shape] + 1)
                   for side in ("before", "after")]  # fmt: skip
        cases += [
            Case(f"{shape}: killed {side} {kind} {n}; {world}", shape, kill=(kind, n, side), meanwhile=world)
            for kind, n, side, world in points
        ]
    return cases


def thinned(cases: Sequence[Case], count: int, seed: int = 0) -> list[Case]:
    """Draw some of the cases by a seed, in their order."""
    chosen = sorted(random.Random(seed).sample(range(len(cases)), min(count, len(cases))))
    return [cases[number] for number in chosen]


COMMITS = 13
"""How often a run of one disk of a running instance writes its record down, its end included."""


def crash_points(worlds: Sequence[str] = MEANWHILE) -> list[Case]:
    """Kill before and after each commit and each changing call, and around some looks, in each of these worlds."""
    points = [(kind, n, side) for kind, count in (("begin", 1), ("commit", COMMITS), ("act", 3)) for n in
              range(1, count + 1) for side in ("before", "after")]  # fmt: skip
    points += [("look", n, "after") for n in (10, 16, 24, 30, 40)]
    cases = [
        Case(f"running: killed {side} {kind} {n}; {world}", kill=(kind, n, side), meanwhile=world)
        for kind, n, side in points
        for world in worlds
    ]
    for shape in ("two", "stopped"):
        acts = 4 if shape == "two" else 1
        cases += [
            Case(f"{shape}: killed {side} act {n}; {world}", shape, kill=("act", n, side), meanwhile=world)
            for n in range(1, acts + 1)
            for side in ("before", "after")
            for world in worlds
            if world in ("nobody", "used")
        ]
    return cases


def due_again(on_unknown: str = "ask") -> list[Case]:
    """Lose the answer to a wipe, kill when it is proven not done and due again, and resume later."""
    lost = (_fault("ReInitDisk", "D", _FAULTS["dropped before"]),)
    return [
        Case(f"{shape}: killed when a lost wipe is due again; {world}; {on_unknown}", shape, lost,
             ("due again", 1, "after"), world, pause=0.6, on_unknown=on_unknown)
        for shape in ("running", "stopped")
        for world in ("nobody", "used")
    ]  # fmt: skip


def pairs(count: int, seed: int = 0) -> list[Case]:
    """Draw a fault and then a kill, and somebody else in between, by a seed."""
    rng = random.Random(seed)
    cases = []
    for number in range(count):
        shape = rng.choice(("running", "running", "two", "stopped"))
        targets = [("ReInitDisk", "D"), ("ReInitDisk", "D")]
        targets += [] if shape == "stopped" else [("StopInstance", "I"), ("StartInstance", "I")]
        targets += [("ReInitDisk", "E")] if shape == "two" else []
        action, subject = rng.choice(targets)
        kind = rng.choice([kind for kind in _FAULTS if kind != "past the time-out"])
        point = rng.choice((("commit", rng.randint(3, 20)), ("act", rng.randint(1, 4)), ("look", rng.randint(12, 50))))
        side, world = rng.choice(("before", "after")), rng.choice(MEANWHILE)
        cases.append(
            Case(
                f"{number}: {shape}: {action} {subject}: {kind}; killed {side} {point[0]} {point[1]}; {world}",
                shape,
                (_fault(action, subject, _FAULTS[kind]),),
                (*point, side),
                world,
                on_unknown=rng.choice(("ask", "ask", "retry")),
            )
        )
    return cases


# ---------------------------------------------------------------------------------------------------------- the world


def world(cases: Sequence[Case]) -> dict[str, Any]:
    """Make the world of these cases: of each an instance, one or two disks to wipe, and one that is left alone."""
    instances: dict[str, Any] = {}
    disks: dict[str, Any] = {}
    snapshots: dict[str, Any] = {}
    for number, case in enumerate(cases):
        instance = f"i-{number}"
        instances[instance] = {
            "name": f"n{number}",
            "status": "Stopped" if case.shape == "stopped" else "Running",
            "ignores_stop": case.shape == FORCED,
        }
        for letter in "def":
            disks[f"d-{number}{letter}"] = {"instance": instance, "content": f"precious {letter}"}
        if number % 2:
            snapshots[f"s-{number}"] = {"disk": f"d-{number}s", "released": True}
            disks[f"d-{number}d"]["snapshot"] = f"s-{number}"
    return {
        "durations": {"stop": 6, "wipe": 12, "start": 9, "snapshot": 10},
        "rate_limits": {},
        "instances": instances,
        "disks": disks,
        "snapshots": snapshots,
    }


class Cloud:
    """A simulator in a process of its own."""

    def __init__(self, world: dict[str, Any] | None, speed: float = SPEED) -> None:
        self._folder = tempfile.TemporaryDirectory()
        words = [sys.executable, "-m", "safe_reinit.simulator", "--speed", str(speed)]
        if world is not None:
            path = Path(self._folder.name, "world.yaml")
            path.write_text(json.dumps(world), "utf-8")
            words += ["--world", str(path)]
        self._process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT)
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().decode().split()[-1]

    def __enter__(self) -> Cloud:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._folder.cleanup()

    def state(self) -> dict[str, Any]:
        """Ask what is true."""
        return commands.state(self.url)

    def do(self, **request: object) -> None:
        """Do what another person does at the console."""
        body = json.dumps(request).encode()
        with urllib.request.urlopen(urllib.request.Request(f"{self.url}/_simulator/do", data=body)):
            pass

    def tag(self, instance: str) -> str:
        """Tell which run's lock tag an instance bears; ``""`` for none. It is asked by a call that no fault is for."""
        look = {"RegionId": "cn-hangzhou", "ResourceType": "instance", "ResourceId.1": instance}
        rows = call(self, "ListTagResources", look).json["TagResources"]["TagResource"]  # type: ignore[arg-type]
        return str({row["TagKey"]: row["TagValue"] for row in rows}.get("safe-reinit:run", ""))

    @property
    def endpoint(self) -> str:
        """The address as the simulator's own tests want it."""
        return self.url.removeprefix("http://")

    access_key = ("testid", "testsecret")

    def still(self, instance: str, disks: Sequence[str]) -> dict[str, Any]:
        """Wait until nothing is under way on an instance, and give the state."""
        while True:
            state = self.state()
            moving = state["instances"][instance]["status"] not in ("Running", "Stopped")
            if not moving and all(state["disks"][disk]["status"] != "ReIniting" for disk in disks):
                return state
            time.sleep(0.03)


# ------------------------------------------------------------------------------------------------- processes and kills


def in_child(work: Callable[[], dict[str, Any]], deadline: float = DEADLINE) -> dict[str, Any]:
    """Do work in a forked process and give what it gives; ``{"end": "killed"}`` or ``"hangs"`` if it gives nothing."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        try:
            with os.fdopen(writing, "w") as pipe:
                json.dump(work(), pipe)
        except BaseException:
            traceback.print_exc()
            raise
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        ready, _, _ = select.select([pipe], [], [], deadline)
        if not ready:
            os.kill(pid, signal.SIGKILL)
        text = pipe.read() if ready else b""
    _, status = os.waitpid(pid, 0)
    if not ready:
        return {"end": "hangs"}
    return json.loads(text) if text else {"end": "killed" if os.WIFSIGNALED(status) else "died"}


def client(url: str, journal: str, rate: float = SPEED, *, tagged: bool = False) -> Any:
    """Make a client of the library for a simulator; ``tagged`` as with ``lock_tag: true`` in a configuration file."""
    import safe_reinit
    from safe_reinit.clock import Clock
    from safe_reinit.config import Config, resolve

    usual = resolve({"region": "cn-hangzhou", "endpoint": url, "journal": journal}, os.environ)
    settings = {name: usual.of(name) for name in usual}
    settings["lock_tag"] = dataclasses.replace(settings["lock_tag"], value=tagged)
    return safe_reinit.connect(config=Config(settings), credentials=("testid", "testsecret"), clock=Clock(rate))


def told(work: Callable[..., Any]) -> dict[str, Any]:
    """Run or resume, and tell of the end what a case is judged by; ``work`` takes what is told events."""
    from safe_reinit.errors import Error

    left: list[bool] = []

    def on_event(event: Any) -> None:
        if event.event == "done":
            left.append(bool(event.data["tag_left"]))

    try:
        report, error = work(on_event), None
    except Error as raised:
        report, error = raised.report, raised
    if report is None:
        return {"end": "refused", "error": str(error), "class": type(error).__name__}
    return {
        "end": "reported",
        "run_id": report.run_id,
        "outcome": report.outcome,
        "error": str(error) if error else "",
        "data": {disk.disk_id: disk.data for job in report.jobs for disk in job.disks},
        "safety": {disk.disk_id: disk.safety_snapshot for job in report.jobs for disk in job.disks},
        "tag_left": any(left),
        "power": {job.instance_id: job.power_after for job in report.jobs},
        "promised": {job.instance_id: job.power_promised for job in report.jobs},
    }


def kill_at(kind: str, nth: int, side: str) -> None:
    """Let this process be killed before or after its nth commit, changing call or look."""
    from safe_reinit.aliyun.exchange import Exchange
    from safe_reinit.codes import ACTS
    from safe_reinit.journal.file import Journal

    seen: Counter[str] = Counter()

    def at(this: str, when: str) -> None:
        if this == kind:
            seen[when] += 1
            if when == side and seen[when] == nth:
                os.kill(os.getpid(), signal.SIGKILL)

    write, begin, sent = Journal.write, Journal.begin, Exchange._reply

    def writing(self: Journal, lease: Any, statements: Any, **words: Any) -> Any:
        those = list(statements)
        if those:
            at("commit", "before")
        holder = write(self, lease, those, **words)
        if those:
            at("commit", "after")
        if any(statement.startswith("UPDATE jobs SET record") and _due_again(values[0]) for statement, values in those):
            at("due again", "after")
        return holder

    def beginning(self: Journal, *args: Any) -> Any:
        at("begin", "before")
        lease = begin(self, *args)
        at("begin", "after")
        return lease

    def replying(self: Exchange, endpoint: Any, api: Any, query: Any, *args: Any) -> Any:
        this = "act" if api.action in ACTS and not query.get("DryRun") else "look"
        at(this, "before")
        reply = sent(self, endpoint, api, query, *args)
        at(this, "after")
        return reply

    Journal.write, Journal.begin, Exchange._reply = writing, beginning, replying  # type: ignore[method-assign]


def make_odd(kind: str, action: str, nth: int, journal: str) -> None:
    """Let answers be odd in this process from the nth call of an action on, or the journal go at it."""
    from safe_reinit.aliyun.exchange import Exchange

    seen: Counter[str] = Counter()
    since: list[float] = []
    sent = Exchange._reply

    def replying(self: Exchange, endpoint: Any, api: Any, query: Any, *args: Any) -> Any:
        reply = sent(self, endpoint, api, query, *args)
        seen[api.action] += 1
        if not since and (seen[action] if action else seen.total()) >= nth:
            since.append(time.monotonic())
            if kind == "journal lost":
                for ending in ("", "-wal", "-shm"):
                    Path(f"{journal}{ending}").unlink(missing_ok=True)
        if not since or api.action != action or reply.status != 200:
            return reply
        if kind == "empty list" and time.monotonic() - since[0] > 20.0 / SPEED:
            return reply
        return dataclasses.replace(reply, body=_odd(kind, action, reply.body, seen[action]))

    Exchange._reply = replying  # type: ignore[method-assign]


def _odd(kind: str, action: str, body: bytes, turn: int) -> bytes:
    said = json.loads(body)
    outer = action.removeprefix("Describe")
    inner = outer.removesuffix("s")
    if kind == "endless list":
        said["NextToken"] = f"token{turn}"
    elif kind == "empty list":
        said[outer][inner] = []
    else:
        for row in said[outer][inner]:
            row["Size" if action == "DescribeDisks" else "StartTime"] = {"not": "one"}
    return json.dumps(said).encode()


def _due_again(known: object) -> bool:
    """Tell whether a disk of a state is to be wiped again because the answer to the first call was lost."""
    return any(wipe.get("state") == "resend" for wipe in json.loads(str(known)).get("disks", ()))


def switch_off(guards: Sequence[str]) -> None:  # noqa: C901 - each of the guards
    """Switch guards off in this process, to see that they are needed."""
    from safe_reinit.core import decide, observations, state, wipes
    from safe_reinit.core.inputs import Committed, Input
    from safe_reinit.core.steps import outstanding
    from safe_reinit.execution import recheck
    from safe_reinit.execution.store import StateStore
    from safe_reinit.journal.file import Journal
    from safe_reinit.journal.lease import LEASE, Lease

    for guard in guards:
        if guard == "fence":
            decide._fence_holds = lambda *_: True
            wipes._may_resend = lambda wipe, job: (
                wipe.losses <= state.RESENDS and not job.turned_back and job.start.state == "none"
            )
        elif guard == "drift":
            recheck.drift_of = lambda *_: ()
            observations._evolve_restart = lambda job, _observation: job  # each tick holds one of these facts too
        elif guard == "intention":

            def answered(self: StateStore, states: Any, commit: Any = StateStore.commit) -> Input:
                """Write nothing down of a job while an answer is outstanding."""
                known = [(position, job) for position, job in states if not outstanding(job)]
                return commit(self, known) if known else Committed()  # type: ignore[no-any-return]

            StateStore.commit = answered  # type: ignore[method-assign]
        elif guard == "snapshot":

            def believed(job: Any, _observation: Any) -> Any:
                done = [
                    dataclasses.replace(each, step=dataclasses.replace(each.step, state="done"))
                    if each.snapshot_id
                    else each
                    for each in job.snapshots
                ]
                return dataclasses.replace(job, snapshots=tuple(done))

            observations.learn_safety = believed
            decide.is_backed_up = lambda *_: True
        elif guard == "lease":

            def unfenced(self: Journal, lease: Lease, statements: Any, **_: Any) -> Any:
                with self._transaction():
                    holder = self._holder(lease.run_id)
                    for statement, values in statements:
                        self._db.execute(statement, values)
                    self._db.execute("UPDATE leases SET until=until+? WHERE run_id=?", (LEASE, lease.run_id))
                return holder

            Journal.write = unfenced  # type: ignore[method-assign]
            Lease.check = lambda _: True  # type: ignore[method-assign]
        else:
            raise ValueError(guard)


# ------------------------------------------------------------------------------------------------------- one case


def do_case(cloud: Cloud, number: int, case: Case, folder: Path) -> dict[str, Any]:
    """Carry one case out from its plan to the closing of its job, and list what is wrong with it."""
    began = time.monotonic()
    instance = f"i-{number}"
    disks = [f"d-{number}d", f"d-{number}e"][: 2 if case.shape == "two" else 1]
    journal = str(folder / f"{number}.db")
    names = {"I": instance, "D": disks[0], "E": disks[-1]}
    if case.shape == UNDO:
        in_child(lambda: first_of_two(cloud.url, journal, disks))
        time.sleep(60.0 / SPEED)  # StartTime tells minutes only, and a machine is not started twice in one
    before = cloud.state()
    for fault in case.faults:
        subject = {"subject": names[fault["subject"]]} if "subject" in fault else {}
        cloud.do(fault={**fault, **subject})
    if case.shape == "snapshot":
        cloud.do(snapshot=disks[0], seconds=15)

    def first() -> dict[str, Any]:
        prepare(case)
        disturb(case, journal)
        return told(lambda on_event: begin(cloud.url, journal, disks, case, on_event))

    def again(verdict: str | None = None) -> dict[str, Any]:
        prepare(case)
        name = next(run.run_id for run in runs_of(journal) if run.open)
        return told(lambda on_event: client(cloud.url, journal).resume(name, verdict=verdict, on_event=on_event))

    def abandon() -> dict[str, Any]:
        name = next(run.run_id for run in runs_of(journal) if run.open)
        client(cloud.url, journal).abandon(name)
        return {"end": "refused"}

    ends = [in_child(first)]
    killed = ends[0]["end"] == "killed"
    if killed:
        time.sleep(case.pause)
        somebody(cloud, case.meanwhile, instance, disks)
        if is_open(journal):
            ends.append(in_child(again))
    problems = ended(cloud, before, case, instance, disks, journal, ends[-1])
    if is_open(journal) and not problems:
        problems += way_out(cloud, before, case, instance, disks, journal, again, abandon)
    state = cloud.state()
    return {
        "case": dataclasses.asdict(case),
        "killed": killed,
        "outcome": ends[-1].get("outcome", ends[-1].get("class", ends[-1]["end"])),
        "data": sorted(set(ends[-1].get("data", {}).values())),
        "wipes": [len(overwrites(case.shape, before, state, disk)) for disk in disks],
        "problems": problems,
        "error": ends[-1].get("error", ""),
        "seconds": round(time.monotonic() - began, 2),
    }


def ended(  # noqa: PLR0917 - the parts of one case
    cloud: Cloud,
    before: dict[str, Any],
    case: Case,
    instance: str,
    disks: Sequence[str],
    journal: str,
    end: dict[str, Any],
) -> list[str]:
    """List what is wrong at the end of a run or of its resume."""
    problems = [] if end["end"] in ("reported", "refused", "killed") else [f"the process {end['end']}"]
    problems += judge(case, before, cloud.state(), end, instance, disks)
    owed = end.get("outcome") in _OPEN
    stopped_since = "and not by this run" in end.get("error", "")  # others stopped it, and it is left to them
    theirs = case.meanwhile == "used" and (end.get("outcome") == "stranded" or stopped_since)
    lost = case.odd is not None and case.odd[0] == "journal lost"
    gone = (
        "InvalidInstanceId.NotFound" in case.name and "StartInstance" in case.name
    )  # which proves that it was released
    if end["end"] == "reported" and is_open(journal) != owed and not (theirs or lost or gone):
        problems.append("the job is open" if not owed else "the job is closed")
    if not is_open(journal):
        problems += tag_problems(cloud, case, instance, end, owed=owed)
    return problems


def prepare(case: Case) -> None:
    """Set this process up for a case."""
    from safe_reinit.aliyun import exchange
    from safe_reinit.core import polling, run, scheduler

    for module in (polling, run, scheduler):
        module.TICK = TICK  # type: ignore[attr-defined]
    random.seed(case.name)
    if case.timeout is not None:
        exchange.ACT_TIMEOUT = exchange.LOOK_TIMEOUT = exchange.QUICK_TIMEOUT = case.timeout
    switch_off(case.off)


def disturb(case: Case, journal: str) -> None:
    """Set the first process of a case up for what happens to it."""
    if case.kill:
        kill_at(*case.kill)
    if case.odd:
        make_odd(*case.odd, journal)


def begin(url: str, journal: str, disks: Sequence[str], case: Case, on_event: Callable[[Any], None]) -> Any:
    """Plan and run."""
    os.environ["SAFE_REINIT_ON_UNKNOWN"] = case.on_unknown
    ours = client(url, journal, tagged=case.shape == SAFE)
    if case.shape == UNDO:
        plan = ours.plan_undo(runs_of(journal)[0].run_id, stop_instance=True, accept=ACCEPTED)
    else:
        plan = ours.plan(disks, stop_instance=case.shape != "stopped", snapshot=case.shape == SAFE, accept=ACCEPTED)
    force = 8.0 if case.shape == FORCED else None
    plan = dataclasses.replace(plan, limits=dataclasses.replace(plan.limits, retry=_RETRY, force_stop_after=force))
    return ours.run(plan, confirm=plan.confirm_with, on_event=on_event)


def first_of_two(url: str, journal: str, disks: Sequence[str]) -> dict[str, Any]:
    """Make the run that is undone."""
    prepare(Case("the run that is undone"))
    ours = client(url, journal)
    plan = ours.plan(disks, stop_instance=True, snapshot=True, accept=ACCEPTED)
    return told(lambda _on_event: ours.run(plan, confirm=plan.confirm_with))


def runs_of(journal: str) -> Any:
    """Read the runs of a journal."""
    from safe_reinit.journal.file import Journal

    with Journal(Path(journal)) as opened:
        return opened.runs()


def is_open(journal: str) -> bool:
    """Tell whether a job of it is open."""
    return any(run.open for run in runs_of(journal))


def somebody(cloud: Cloud, what: str, instance: str, disks: Sequence[str]) -> None:
    """Let somebody else do something with the machine, once nothing is under way on it."""
    if what == "nobody":
        return
    cloud.still(instance, disks)
    if what == "used":
        cloud.do(stop=instance)  # of a machine that was never stopped nothing is lost but what it wrote until then
        cloud.do(start=instance)
        for disk in disks:
            cloud.do(write=disk)
        cloud.do(stop=instance)
    elif what == "detached":
        cloud.do(detach=disks[0])
    elif what == "deleted":
        for name, row in cloud.state()["snapshots"].items():
            if row["disk_id"] in disks and row["status"] != "Deleted":
                cloud.do(delete_snapshot=name)
    elif what in ("tagged", "untagged"):
        cloud.do(change=instance, to={"tags": {"safe-reinit:run": "r-other"} if what == "tagged" else {}})
    elif what == "snapshot":
        cloud.do(snapshot=disks[0], seconds=15)
    else:
        cloud.do(lock=instance, reason="security")


def judge(  # noqa: C901 - each of the rules
    case: Case, before: dict[str, Any], after: dict[str, Any], end: dict[str, Any], instance: str, disks: Sequence[str]
) -> list[str]:
    """List what must never be, by the simulator's own record."""
    problems = harm(case, before, after, instance, disks)
    for disk, said in end.get("data", {}).items():
        wiped = bool(overwrites(case.shape, before, after, disk))
        if said not in ("unknown", *(("reinitialised",) if wiped else ("intact", "untouched"))):
            problems.append(f"{disk} is said to be {said}, and it has {'' if wiped else 'not '}been wiped")
    if end["end"] == "reported":
        power, truth = end["power"].get(instance, ""), after["instances"][instance]["status"]
        further = {"Stopping": "Stopped", "Starting": "Running"}
        calls = acts(before, after, instance, disks)
        left = not any("Instance" in one["action"] for one in calls)
        unseen = power == "" and (left or end["outcome"] in ("unknown", "stranded"))  # which is what is said of it
        if truth not in (power, further.get(power)) and not unseen:
            problems.append(f"the power is said to be {power!r}, and it is {truth}")
        moved = end["outcome"] == "done" or not left
        if end["outcome"] in ("done", "failed") and truth != end["promised"][instance] and moved:
            problems.append(f"the power is {truth}, and {end['promised'][instance]} was promised")
        if end["outcome"] == "bug":
            problems.append(f"a bug: {end['error']}")
        if end["outcome"] == "refused" and [one for one in acts(before, after, instance, disks) if not one["fault"]]:
            problems.append("refused is said, and a changing call was sent")
    elif any(one["code"] == "" for one in acts(before, after, instance, disks)) and end["end"] == "refused":
        problems.append("no report, and a changing call was done")
    if not case.off:
        for action in ("StopInstance", "StartInstance"):
            done = [
                one
                for one in acts(before, after, instance, disks)
                if one["action"] == action and one["code"] == "" and one["fault"] not in _NOT_DONE
            ]
            allowed = 2 if case.shape == FORCED and action == "StopInstance" else 1
            if len(done) > allowed and case.meanwhile != "used":
                problems.append(f"{action} was done twice")
    return problems


def harm(case: Case, before: dict[str, Any], after: dict[str, Any], instance: str, disks: Sequence[str]) -> list[str]:
    """List the harm that was done: data lost that nobody agreed to lose, or lost without its safety snapshot."""
    problems = []
    number = disks[0].removeprefix("d-").rstrip("def")
    for disk in dict.fromkeys((*disks, f"d-{number}f", f"d-{number}e")):
        was = before["disks"][disk]
        made = overwrites(case.shape, before, after, disk)
        other = overwrites("wipe" if case.shape == UNDO else UNDO, before, after, disk)
        if other or (disk not in disks and made):
            problems.append(f"{disk} was overwritten, and nobody asked for it")
        for each in made:
            if each["starts_before"] != before["instances"][instance]["starts"]:
                problems.append(f"{disk} was wiped after a start")
            if each["content_before"] not in (was["content"], made[0]["content_after"]):
                problems.append(f"{disk} lost {each['content_before']}, which was written after the consent")
            if case.shape == UNDO and each["content_after"] != was["wipes"][-1]["content_before"]:
                problems.append(f"{disk} was rolled back to {each['content_after']}")
        if case.shape == SAFE:
            problems += unsafe(before, after, disk, made)
    return problems


def overwrites(shape: str, before: dict[str, Any], after: dict[str, Any], disk: str) -> list[dict[str, Any]]:
    """Give what a run of this shape did to a disk: its wipes, in an undo its roll-backs."""
    kind = "resets" if shape == UNDO else "wipes"
    rows: list[dict[str, Any]] = after["disks"][disk][kind][len(before["disks"][disk][kind]) :]
    return rows


def unsafe(before: dict[str, Any], after: dict[str, Any], disk: str, made: Sequence[dict[str, Any]]) -> list[str]:
    """List what is wrong with the safety snapshots of a disk: each wipe has one, and no more than one was taken."""
    calls = after["calls"]
    fresh = {
        name: row
        for name, row in after["snapshots"].items()
        if name not in before["snapshots"] and row["disk_id"] == disk
    }
    gone = {one["subject"][0]: turn for turn, one in enumerate(calls) if one["action"] == "DeleteSnapshot"}
    problems = []
    for each in made:
        turn = next(turn for turn, one in enumerate(calls) if one["request_id"] == each["request_id"])
        kept = {
            row["content"] for name, row in fresh.items() if row["status"] == "accomplished" or gone.get(name, 0) > turn
        }
        if each["content_before"] not in (*kept, "initial"):
            problems.append(f"{disk} lost {each['content_before']} without a safety snapshot")
    if len(fresh) > 1:
        problems.append(f"{len(fresh)} snapshots were taken of {disk}")
    return problems


def tag_problems(cloud: Cloud, case: Case, instance: str, end: dict[str, Any], *, owed: bool) -> list[str]:
    """List what is wrong with the lock tag at the end: it stays while something is owed, else it is off, or told of."""
    tag = cloud.tag(instance)
    if case.meanwhile == "tagged":
        return [] if tag == "r-other" else [f"the tag of another run became {tag!r}"]
    if owed or not tag:
        return []
    return [] if end.get("tag_left") else [f"the tag of {tag} stays, and nobody is told"]


def acts(before: dict[str, Any], after: dict[str, Any], instance: str, disks: Sequence[str]) -> list[dict[str, Any]]:
    """List the changing calls of a run."""
    looking = ("Describe", "Get", "List")
    return [
        one
        for one in after["calls"][len(before["calls"]) :]
        if one["source"] == "api" and not one["dry_run"] and not one["action"].startswith(looking)
        and {instance, *disks} & set(one["subject"])
    ]  # fmt: skip


def way_out(  # noqa: PLR0917 - the parts of one case
    cloud: Cloud,
    before: dict[str, Any],
    case: Case,
    instance: str,
    disks: Sequence[str],
    journal: str,
    again: Callable[..., dict[str, Any]],
    abandon: Callable[[], dict[str, Any]],
) -> list[str]:
    """See that a job which stays open comes to an end: by a resume, else by a person's word."""
    with contextlib.suppress(urllib.error.HTTPError):
        cloud.do(unlock=instance)
    end = in_child(again)
    state = cloud.state()
    problems = judge(case, before, state, end, instance, disks)
    if is_open(journal):
        wiped = all(overwrites(case.shape, before, state, disk) for disk in disks)
        end = in_child(lambda: again("reinitialised" if wiped else "intact"))
        problems += harm(case, before, cloud.state(), instance, disks)
    if is_open(journal):  # no verdict is true of it: it is let go, as --verdict wipe-again does
        end = in_child(abandon)
    if is_open(journal):
        problems.append(f"the job stays locked for ever: {end}")
    else:
        problems += tag_problems(cloud, case, instance, end, owed=False)
    return [f"on the way out: {problem}" for problem in problems]


# ---------------------------------------------------------------------------------------------------------- the command


def sweep(cases: Sequence[Case], workers: int = 6) -> list[dict[str, Any]]:
    """Do these cases, some at once, and give what became of each in their order."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SAFE_", "ALIBABA_"))}
    environment |= {"PYTHONPATH": str(ROOT), **{f"SAFE_REINIT_TIMEOUT_{name}": text for name, text in _LIMITS.items()}}
    with tempfile.TemporaryDirectory() as folder:
        environment |= {"XDG_CONFIG_HOME": folder, "TMPDIR": folder}
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", "tests.sweep", str(workers)],
            input=json.dumps([dataclasses.asdict(case) for case in cases]),
            capture_output=True, text=True, check=False, env=environment, cwd=ROOT,
        )  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stderr[-4000:])
    results: list[dict[str, Any]] = json.loads(done.stdout)
    return results


def _worker(cases: Sequence[Case], take: int, path: Path, at_a_time: int) -> None:
    """Do the cases whose numbers come through a pipe, until none does."""
    folder = path.parent
    with path.open("w") as results:
        while True:
            chunk = [number for _ in range(at_a_time) if (number := _next(take)) is not None]
            if not chunk:
                return
            with Cloud(world([cases[number] for number in chunk])) as cloud:
                for position, number in enumerate(chunk):
                    place = folder / f"case-{number}"
                    place.mkdir()
                    result = do_case(cloud, position, cases[number], place)
                    results.write(json.dumps({"number": number, **result}) + "\n")
                    results.flush()


def _next(take: int) -> int | None:
    text = os.read(take, 8)
    return int(text) if text else None


def main() -> None:
    """Read cases from stdin, do them in so many workers, and write the results to stdout."""
    cases = [
        Case(**{**each, "faults": tuple(each["faults"]), "off": tuple(each["off"]),
                "kill": tuple(each["kill"]) if each["kill"] else None,
                "odd": tuple(each["odd"]) if each["odd"] else None})
        for each in json.load(sys.stdin)
    ]  # fmt: skip
    import safe_reinit.aliyun.client
    import safe_reinit.report  # noqa: F401 - everything is imported before the forks

    with tempfile.TemporaryDirectory() as folder:
        client("http://127.0.0.1:9", f"{folder}/warm.db")
        take, give = os.pipe()
        count = min(int(sys.argv[1]), len(cases))
        at_a_time = max(1, min(_CHUNK, len(cases) // (2 * count)))
        pids = []
        for number in range(count):
            pid = os.fork()
            if pid == 0:
                os.close(give)
                place = Path(folder, f"worker-{number}")
                place.mkdir()
                status = 1
                try:
                    _worker(cases, take, place / "results", at_a_time)
                    status = 0
                except BaseException:  # noqa: BLE001 - the process ends here
                    import traceback

                    traceback.print_exc()
                finally:
                    sys.stderr.flush()
                    os._exit(status)
            pids.append(pid)
        os.close(take)
        for number in range(len(cases)):
            os.write(give, f"{number:8d}".encode())
        os.close(give)
        if any([os.waitpid(pid, 0)[1] for pid in pids]):  # noqa: C419 - all of them are waited for
            sys.exit("a worker failed")
        results = [json.loads(line) for path in Path(folder).glob("worker-*/results") for line in path.open()]
    results.sort(key=lambda result: result["number"])
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
