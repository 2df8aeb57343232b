"""The runs of a verification: each is planned, checked and guarded like any other, and observed from outside."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ..client import Client
from ..cloud.aliyun.exchange import CHANGE_TIMEOUT
from ..cloud.interface import OnCall
from ..errors import Error, RunRefused
from ..model import Call, Plan
from ..version import VERSION
from . import document
from .assumptions import judge
from .document import DryRun, Verification, masked
from .record import Record
from .watch import Watch

GUARDED_RUNS = 2
"""Guarded runs: the second one starts at a second of the minute that shows more about the clocks."""
_WATCHED_AFTER = 10.0
"""Cloud seconds for which the machine is observed after a run."""
_ARRIVES_LATE = 300.0
"""The same, counted from a call that got no answer."""
_SHOWN_AT = 12.0
"""The second of a minute at which the StartTime of the second run should first be shown."""
_PLANS_IN = 3.0
"""Approximate cloud seconds from planning a run to its stop."""


@dataclass
class Rounds:
    """What is measured on one machine.

    Args:
        client: plans the runs and carries them out.
        instance_id: the machine.
        disk_id: its disk, which is wiped.
        accept: the risks that the user accepts.
        enough: set when the user wants the command to end; there are no further waits then.
        on_call: is called for each HTTP exchange of plans and runs.

    Attributes:
        notes: what else happened.
        failure: how a run ended that did not end well.
        as_found: whether the machine was Running at the end, as before, or nothing was run.

    """

    client: Client
    instance_id: str
    disk_id: str
    accept: Sequence[str]
    enough: threading.Event
    on_call: OnCall
    notes: list[str] = field(default_factory=list)
    failure: Error | None = None
    as_found: bool = True
    _records: list[Record] = field(default_factory=list)
    _dry_runs: list[DryRun] = field(default_factory=list)
    _calls: list[Call] = field(default_factory=list)

    def plan(self) -> Plan:
        """Plan one run.

        After the first run, no snapshot is newer than the last start. Data written since our own wipe is lost again,
        which was agreed to.

        Raises:
            Error: as in ``Client.plan``.
        """
        accept = (*self.accept, "no-recent-snapshot") if self.runs else self.accept
        return self.client.plan(
            (self.disk_id,), stop_instance=True, leave_stopped=False, snapshot=False, accept=accept,
            expect_instance=self.instance_id, on_call=self._call,
        )  # fmt: skip

    def refused(self, plan: Plan) -> RunRefused | None:
        """Return why nothing can be measured with this plan although its checks pass."""
        power = plan.jobs[0].power_before
        if not plan.runnable or power == "Running":
            return None
        return RunRefused(
            f"{self.instance_id} is {power}, but verify-cloud must measure a stop and a start.",
            hint="Nothing was changed; start the machine first.",
        )

    def measure(self, plan: Plan, run: Callable[[Plan, OnCall], object]) -> None:
        """Carry out the runs, as long as they end well and the machine stays as it was found.

        Args:
            plan: the plan of the first run, which was agreed to.
            run: carries one out, and reports each exchange to ``OnCall``.

        """
        self._measured(plan, run)
        while self.runs < GUARDED_RUNS and self._may_go_on():
            try:
                plan = self.plan()
            except Error as error:
                self.notes.append(f"a further run could not be planned: {error}")
                return
            if (power := plan.jobs[0].power_before) != "Running":
                self.as_found = False
                self.notes.append(
                    f"between two runs somebody or something changed its power state: it is {power or 'gone'}"
                )
                return
            if not plan.runnable:
                self.notes.append("a further run was refused: " + "; ".join(each.message for each in plan.blockers))
                return
            self._measured(plan, run)

    def ask_dry_runs(self) -> None:
        """Ask for the answer to a DryRun while nothing is run."""
        with self._watch() as watch:
            self._dry_runs += watch.dry_runs

    def verification(self, plan: Plan, began: str) -> Verification:
        """Return what was measured."""
        return Verification(
            tool_version=VERSION,
            simulated=self.client.is_simulated(),
            region=self.client.region,
            disk=plan.jobs[0].disks[0].type,
            began=began,
            runs=self.runs,
            as_found=self.as_found,
            assumptions=judge(self._records, CHANGE_TIMEOUT * self.client.clock.rate),
            intervals=tuple(document.intervals(self._records)),
            dry_runs=tuple(self._dry_runs),
            dry_run_order=document.order(self._dry_runs),
            refusals=document.refusals(self._calls),
            notes=tuple(map(masked, self.notes)),
        )

    @property
    def runs(self) -> int:
        """How many runs were carried out."""
        return len(self._records)

    def _measured(self, plan: Plan, run: Callable[[Plan, OnCall], object]) -> None:
        with self._watch() as watch:

            def heard(call: Call) -> None:
                watch.call(call)
                self._call(call)

            try:
                run(plan, heard)
            except Error as error:
                self.failure = error
                self.notes.append(f"the run ended {error.outcome}: {error}")
            lost = [each.at for each in watch.record().answers if each.code == "Unanswered"]
            now = self.client.clock.time()
            self.as_found = watch.after(max([_WATCHED_AFTER, *(at + _ARRIVES_LATE - now for at in lost)]), self.enough)
        self._records.append(watch.record())
        self._dry_runs += watch.dry_runs if self.runs == 1 else ()

    def _may_go_on(self) -> bool:
        """Wait for the right second, and return whether another run may begin."""
        if self.failure is not None or not self.as_found:
            return False
        return not self.client.clock.wait(self.enough, before_next(self._records[-1], self.client.clock.time()))

    def _watch(self) -> Watch:
        cloud = self.client.planner.observer(self._call)
        return Watch(cloud, self.client.clock, self.instance_id, self.disk_id)

    def _call(self, call: Call) -> None:
        self._calls.append(call)
        self.on_call(call)


def before_next(record: Record, now: float) -> float:
    """Return how many cloud seconds to wait for the next run, so that its start shows more of the clocks.

    The run then need not wait for the minute of the last start, and its StartTime is first shown in the first half of a
    minute, if it takes as long as this one: so it is known not to be half a minute behind the Date.
    """
    stopped_at, shown, last = record.accepted("StopInstance"), record.restarted, record.samples[-1]
    if stopped_at is None or shown is None or shown.start_time is None or last.date is None:
        return 0.0
    date = last.date.timestamp() + now - last.at
    settled = max(date, shown.start_time.timestamp() + 90.0)
    planned = _SHOWN_AT - (shown.at - stopped_at) - _PLANS_IN
    return settled - date + (planned - settled) % 60.0
