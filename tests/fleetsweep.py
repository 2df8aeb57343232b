"""The sweep over fleets: fifty machines in one run, faults at random, kills and resumes, each job judged by itself.

A fleet has a simulator of its own. Its run, and each resume, is made by a forked process, as in ``sweep``; the faults,
the kills and what somebody else does meanwhile are drawn by a seed. ``sweep`` starts this file as a command.
"""

from __future__ import annotations

import dataclasses
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import sweep
from tests.sweep import ACCEPTED, ROOT, Case, Cloud

COUNT = 50
SPEED = 40.0
"""Simulated seconds in a real one: two looks must not be further apart than the fence allows, on a busy machine too."""
DEADLINE = 120.0
"""Real seconds after which a process is taken for one that never ends."""
_ACTS = ("StopInstances", "StopInstance", "ReInitDisk", "ReInitDisk", "StartInstances", "StartInstance")
_LOOKS = ("DescribeDisks", "DescribeInstances", "DescribeSnapshots", "GetCallerIdentity")
_OF_ACTS: tuple[dict[str, Any], ...] = (
    {"drop_answer": True}, {"drop_request": True}, {"reset": True}, {"garble": True}, {"throttle": True},
    {"html": 502}, {"html_after": 502}, {"error": {"code": "InternalError", "status": 500}},
)  # fmt: skip
_OF_LOOKS: tuple[dict[str, Any], ...] = ({"drop_answer": True}, {"reset": True}, {"html": 502}, {"throttle": True})
_REFUSED = {
    "ReInitDisk": ("OperationDenied", "IncorrectDiskStatus", "DiskCreatingSnapshot"),
    "StopInstances": ("InvalidOperation.Conflict", "InvalidInstanceIds.NotFound"),
    "StartInstances": ("OperationDenied.NoStock", "InvalidOperation.Conflict"),
    "StopInstance": ("IncorrectInstanceStatus",),
    "StartInstance": ("LackResource",),
}


@dataclass(frozen=True)
class FleetCase:
    """One run over many machines and what happens to it.

    Attributes:
        members: its jobs, as cases whose faults and kills are those of the fleet.
        faults: faults of the simulator, with a chance each.
        kills: where the process is killed, and then the one that resumes it.
        rollout: how it spreads.
    """

    seed: int
    members: tuple[Case, ...]
    faults: tuple[dict[str, Any], ...]
    kills: tuple[tuple[str, int, str], ...]
    rollout: dict[str, Any]


def drawn(seed: int, count: int = COUNT) -> FleetCase:
    """Draw a fleet by a seed: its machines, its faults, where it is killed, and who meddles then."""
    rng = random.Random(f"fleet {seed}")
    faults = [_fault(rng.choice(_ACTS), rng.uniform(0.03, 0.15), rng.choice(_OF_ACTS)) for _ in range(5)]
    faults += [_fault(action, rng.uniform(0.03, 0.1), {"error": {"code": rng.choice(codes)}})
               for action, codes in _REFUSED.items() if rng.random() < 0.6]  # fmt: skip
    faults += [_fault(rng.choice(_LOOKS), rng.uniform(0.01, 0.04), rng.choice(_OF_LOOKS)) for _ in range(3)]
    points = (("commit", 40), ("act", 2 * count), ("look", 3 * count), ("due again", 2))
    kills = []
    for _ in range(rng.choice((0, 1, 1, 2))):
        kind, most = rng.choice(points)
        kills.append((kind, rng.randint(1, most), rng.choice(("before", "after")) if kind != "due again" else "after"))
    members = tuple(
        Case(
            f"fleet {seed}: {number}",
            rng.choice(("running", "running", "running", "two", "stopped")),
            meanwhile=rng.choice(("used", "detached", "locked")) if kills and rng.random() < 0.1 else "nobody",
            on_unknown="ask",
        )
        for number in range(count)
    )
    rollout = {"canary": rng.choice((0, 0, 1)), "max_parallel": rng.choice((8, count, count)),
               "waves": rng.choice(([], [], [[count // 3, False]]))}  # fmt: skip
    return FleetCase(seed, members, tuple(faults), tuple(kills), rollout)


def _fault(action: str, chance: float, what: dict[str, Any]) -> dict[str, Any]:
    return {"action": action, "dry_run": False, "chance": round(chance, 3), **what}


def disks_of(number: int, case: Case) -> list[str]:
    """Name the disks that a member's job is for."""
    return [f"d-{number}d", f"d-{number}e"][: 2 if case.shape == "two" else 1]


def do_fleet(fleet: FleetCase, folder: Path) -> list[dict[str, Any]]:
    """Carry a fleet out from its plan to its last resume, and judge each job."""
    began = time.monotonic()
    journal = str(folder / "fleet.db")
    with Cloud(sweep.world(fleet.members), SPEED) as cloud:
        before = cloud.state()
        kills = list(fleet.kills)
        ends = [_in_child(lambda: told(lambda: begin(cloud, journal, fleet)), fleet, kills.pop(0) if kills else None)]
        killed = ends[0]["end"] == "killed"
        while ends[-1]["end"] == "killed":
            if len(ends) == 1:
                _meddle(cloud, fleet)
            if not sweep.is_open(journal):
                break
            ends.append(_in_child(lambda: again(cloud, journal), fleet, kills.pop(0) if kills else None))
        after = _in_single_calls(cloud.state())
    results = []
    for number, case in enumerate(fleet.members):
        end = _of_one(ends[-1], number)
        disks = disks_of(number, case)
        problems = [] if end["end"] in ("reported", "refused", "killed") else [f"the process {end['end']}"]
        problems += [
            each for each in sweep.judge(case, before, after, end, f"i-{number}", disks)
            if not (case.meanwhile == "locked" and each.endswith("done twice"))  # in its row of a call for many refused
        ]  # fmt: skip
        starts = after["instances"][f"i-{number}"]["starts"] - before["instances"][f"i-{number}"]["starts"]
        problems += [f"it was started {starts} times"] if starts > 1 and case.meanwhile != "used" else []
        results.append({
            "case": dataclasses.asdict(case),
            "killed": killed,
            "outcome": end.get("outcome", end["end"]),
            "wipes": [len(after["disks"][each]["wipes"]) for each in disks],
            "problems": problems,
            "error": end.get("error", ""),
            "seconds": round(time.monotonic() - began, 2),
        })  # fmt: skip
    return results


def _in_single_calls(state: dict[str, Any]) -> dict[str, Any]:
    """Name a call for many instances as the one for each of them, which is what a job is judged by."""
    names = {f"{name}s": name for name in ("StopInstance", "StartInstance")}
    return {
        **state,
        "calls": [{**call, "action": names.get(call["action"], call["action"])} for call in state["calls"]],
    }


def _in_child(
    work: Callable[[], dict[str, Any]], fleet: FleetCase, kill: tuple[str, int, str] | None
) -> dict[str, Any]:
    def doing() -> dict[str, Any]:
        sweep.prepare(fleet.members[0])
        if kill:
            sweep.kill_at(*kill)
        return work()

    return sweep.in_child(doing, DEADLINE)


def begin(cloud: Cloud, journal: str, fleet: FleetCase) -> Any:
    """Plan, let the faults begin, and run."""
    from safe_reinit.model import Rollout

    ours = sweep.client(cloud.url, journal, SPEED)
    ids = [each for number, case in enumerate(fleet.members) for each in disks_of(number, case)]
    plan = ours.plan(ids, stop_instance=True, accept=ACCEPTED, max_disks=len(ids))
    waves = tuple((size, percent) for size, percent in fleet.rollout["waves"])
    rollout = Rollout(**{**fleet.rollout, "waves": waves, "quota_share": 1.0})
    plan = dataclasses.replace(plan, rollout=rollout, limits=dataclasses.replace(plan.limits, retry=200.0))
    for fault in fleet.faults:
        cloud.do(fault=fault)
    return ours.run(plan, confirm=plan.confirm_with)


def again(cloud: Cloud, journal: str) -> dict[str, Any]:
    """Resume the run."""
    return told(lambda: sweep.client(cloud.url, journal, SPEED).resume(sweep.runs_of(journal)[0].run_id))


def told(call: Callable[[], Any]) -> dict[str, Any]:
    """Run or resume, and tell of the end what each job is judged by."""
    reports: list[Any] = []

    def kept(_on_event: Any) -> Any:
        from safe_reinit.errors import Error

        try:
            reports.append(call())
        except Error as error:
            reports.append(error.report)
            raise
        return reports[0]

    end = sweep.told(kept)
    jobs = reports[0].jobs if reports and reports[0] else ()
    end["jobs"] = {job.instance_id: [job.outcome, job.error.message if job.error else ""] for job in jobs}
    return end


def _of_one(end: dict[str, Any], number: int) -> dict[str, Any]:
    """Give what the end of the run says of one job."""
    outcome, error = end.get("jobs", {}).get(f"i-{number}", (None, end.get("error", "")))
    if end["end"] != "reported" or outcome is None:
        return {name: member for name, member in end.items() if name != "data"}
    own = {name: data for name, data in end["data"].items() if name in (f"d-{number}d", f"d-{number}e")}
    return {**end, "outcome": outcome if end["outcome"] != "bug" else "bug", "error": error, "data": own}


def _meddle(cloud: Cloud, fleet: FleetCase) -> None:
    """Let somebody else use some of the machines between the kill and the resume."""
    for number, case in enumerate(fleet.members):
        sweep.somebody(cloud, case.meanwhile, f"i-{number}", disks_of(number, case))


def fleets(seeds: Sequence[int], workers: int = 2, count: int = COUNT) -> list[dict[str, Any]]:
    """Do the fleets of these seeds, some at once, and give what became of each of their jobs."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SAFE_", "ALIBABA_"))}
    limits = {"STOP": "120s", "REINIT": "120s", "START": "120s", "SNAPSHOT": "90s"}
    environment |= {"PYTHONPATH": str(ROOT), **{f"SAFE_REINIT_TIMEOUT_{name}": text for name, text in limits.items()}}

    def one(seed: int) -> list[dict[str, Any]]:
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                [sys.executable, "-W", "ignore", "-m", "tests.fleetsweep", str(seed), str(count)],
                capture_output=True, text=True, check=False, cwd=ROOT,
                env={**environment, "XDG_CONFIG_HOME": folder, "TMPDIR": folder},
            )  # fmt: skip
        if done.returncode:
            raise RuntimeError(done.stderr[-4000:])
        results: list[dict[str, Any]] = json.loads(done.stdout)
        return results

    with ThreadPoolExecutor(workers) as threads:
        return [each for found in threads.map(one, seeds) for each in found]


def main() -> None:
    """Do the fleet of one seed, and write what became of its jobs to stdout."""
    import safe_reinit.aliyun.client
    import safe_reinit.report  # noqa: F401 - everything is imported before the forks

    seed, count = int(sys.argv[1]), int(sys.argv[2])
    with tempfile.TemporaryDirectory() as folder:
        sweep.client("http://127.0.0.1:9", f"{folder}/warm.db")
        json.dump(do_fleet(drawn(seed, count), Path(folder)), sys.stdout)


if __name__ == "__main__":
    main()
