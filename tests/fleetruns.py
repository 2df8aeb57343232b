"""Whole runs over many simulated machines through the real SDK, and what each machine came to."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from safe_reinit.client import Client
from safe_reinit.errors import Error, exit_code
from safe_reinit.model import Event, JobReport, Plan, Report, Rollout
from safe_reinit.simulator import Simulator
from tests import cloudlike, values, virtual

BUSY = ("StopInstances", "StartInstances", "StopInstance", "StartInstance", "ReInitDisk")


def instance(number: int) -> str:
    """Name an instance of a fleet."""
    return f"i-{number:02}"


def disk(number: int, letter: str = "") -> str:
    """Name a disk of a fleet: the first of its instance, or the one with this letter."""
    return f"d-{number:02}{letter}"


def fleet(count: int, *, letters: tuple[str, ...] = ("",), **more: Any) -> dict[str, Any]:
    """Return a world of so many running instances, each with these disks and a bystander, ``x``.

    ``instances`` and ``disks`` in ``more`` are members of single ones, by their ids; the rest are members of the world.
    """
    own: dict[str, Any] = more.pop("instances", {})
    of_disks: dict[str, Any] = more.pop("disks", {})
    numbers = range(count)
    names = {disk(n, letter): instance(n) for n in numbers for letter in (*letters, "x")}
    return values.recoverable({
        "instances": {instance(n): {"key_pair": "ops", **own.get(instance(n), {})} for n in numbers},
        "disks": {name: {"instance": on, "snapshot": "s-old", **of_disks.get(name, {})} for name, on in names.items()},
        "snapshots": {"s-old": {"disk": "d-gone", "released": True}},
        "durations": {"stop": 4, "wipe": 8, "start": 6, "snapshot": 8},
        **more,
    })  # fmt: skip


@contextmanager
def simulated(world: dict[str, Any], *faults: dict[str, Any]) -> Iterator[Simulator]:
    """Start a simulator for one test."""
    with virtual.simulate(world, list(faults)) as sim:
        yield sim


@dataclass
class Fleet:
    """What a run over many machines came to, beside what the simulator says is true."""

    run: cloudlike.Run
    state: dict[str, Any]

    @property
    def report(self) -> Report:
        """The report."""
        return self.run.report

    @property
    def jobs(self) -> dict[int, JobReport]:
        """The reports of its jobs, by number."""
        return {int(str(job.instance_id)[2:]): job for job in self.report.jobs}

    @property
    def outcomes(self) -> dict[str, list[int]]:
        """The numbers of the jobs that came to each outcome."""
        found: dict[str, list[int]] = {}
        for number, job in sorted(self.jobs.items()):
            found.setdefault(job.outcome, []).append(number)
        return found

    def calls(self, number: int) -> list[str]:
        """List what was called for an instance or its disk, for many or for one, done or not."""
        own = re.compile(rf"[id]-{number:02}(?!\d)")
        return [
            call["action"].removesuffix("s")
            for call in self.state["calls"]
            if call["source"] == "api" and not call["dry_run"] and call["action"] in BUSY
            and any(own.match(each) for each in call["subject"])
        ]  # fmt: skip

    def sent(self, action: str) -> list[dict[str, Any]]:
        """List the calls of a kind that came over the API, in earnest."""
        every = [call for call in self.state["calls"] if call["source"] == "api" and not call["dry_run"]]
        return [call for call in every if call["action"] == action]

    def order(self, test: Callable[[Event], bool]) -> list[int]:
        """List the jobs in the order of their first event that a test is true of."""
        hit = [event.instance_id or event.disk_id for event in self.run.events if test(event)]
        return list(dict.fromkeys(int(str(each)[2:4]) for each in hit))

    def check(self) -> None:
        """Check that the report says nothing but what is true, and that nothing but its targets was touched."""
        targets = {each.disk_id for job in self.report.jobs for each in job.disks}
        for name, one in self.state["disks"].items():
            assert len(one["wipes"]) <= (name in targets), f"{name} was wiped {len(one['wipes'])} times"
            assert all(wipe["starts_before"] == 1 for wipe in one["wipes"]), f"{name} was wiped after a start"
        for number, job in self.jobs.items():
            self._check_job(number, job)
        assert self.report.exit_code == exit_code(self.report.outcome)

    def _check_job(self, number: int, job: JobReport) -> None:
        shown = self.state["instances"][instance(number)]
        gone = shown["status"] == "Deleted"
        assert gone or job.power_after in (shown["status"], ""), f"{number} is {shown['status']}, not {job.power_after}"
        for each in job.disks:
            true = {"reinitialised"} if self.state["disks"][each.disk_id]["wipes"] else {"intact", "untouched"}
            assert each.data in {*true, "unknown"}, f"{each.disk_id} is one of {true}, not {each.data}"
        done = Counter(self.calls(number))
        if job.outcome == "done":
            assert (shown["status"], shown["starts"]) == ("Running", 2)
            assert {each.data for each in job.disks} == {"reinitialised"}
        elif job.outcome == "refused":
            assert gone or (shown["status"], shown["starts"]) == ("Running", 1)
            assert not any(done.values()), f"{number} is refused, and {done} was called for it"


def denied(*numbers: int) -> list[dict[str, Any]]:
    """Refuse the wipes of these for good."""
    what = {"action": "ReInitDisk", "dry_run": False, "error": {"code": "OperationDenied"}}
    return [{**what, "subject": disk(number)} for number in numbers]


def everything(count: int, letters: tuple[str, ...] = ("",)) -> list[str]:
    """Name all disks that a run over a fleet is for."""
    return [disk(number, letter) for number in range(count) for letter in letters]


def planned(
    using: Client,
    disks: list[str],
    limits: dict[str, float] | None = None,
    options: dict[str, Any] | None = None,
    **rollout: Any,
) -> Plan:
    """Plan a run over these disks; no canary unless it is asked for."""
    plan = using.plan(disks, **{"stop_instance": True, "max_disks": len(disks), **(options or {})})
    return replace(
        plan,
        limits=replace(plan.limits, **(limits or {})),
        rollout=Rollout(**{"canary": 0, "quota_share": 1.0, **rollout}),
    )


def run_fleet(
    sim: Simulator,
    disks: list[str],
    *,
    using: Client | None = None,
    limits: dict[str, float] | None = None,
    options: dict[str, Any] | None = None,
    between: Callable[[], object] = lambda: None,
    on_event: Callable[[Event], None] = lambda _: None,
    **more: Any,
) -> Fleet:
    """Plan, do ``between``, run to the end whatever comes, and see that what is told is true."""
    caller = using or cloudlike.client(sim)
    asked = {name: more.pop(name) for name in ("stop", "on_call", "go_on") if name in more}
    plan = planned(caller, disks, limits, options, **more)
    between()
    events: list[Event] = []

    def result(event: Event) -> None:
        events.append(event)
        on_event(event)

    error = None
    try:
        report = caller.run(plan, confirm=plan.confirm_with, on_event=result, **asked)
    except Error as raised:
        error, report = raised, raised.report  # type: ignore[assignment]
    done = Fleet(cloudlike.Run(report, error, plan, events), sim.state())
    done.check()
    return done
