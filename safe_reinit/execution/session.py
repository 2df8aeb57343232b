"""One run that this process holds: begun or taken over in the journal, carried out to its end, reported.

A resumed run goes through the same loop as a new one; only the source of its records differs.
"""

from __future__ import annotations

import contextlib
import math
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from .. import logs, report
from ..clock import Clock
from ..cloud.connection import Connection
from ..cloud.interface import Cloud, CloudError
from ..cloud.locate import make_cloud
from ..cloud.retry import Patient, may_pass
from ..core import resuming, state
from ..error_mapping import password_as_planned, refusal_of, taken
from ..errors import RunRefused, UsageError
from ..interrupt import Interrupt
from ..journal import (
    LOCK_WAIT,
    NO_SPOOL,
    AuditAction,
    Journal,
    JournalError,
    JournalLostError,
    Lease,
    LeaseLostError,
    Spool,
    StoredRun,
)
from ..model import Call, Event, JobState, OnUnknown, Plan, Report, Secret, TargetRules
from ..model.codec import decode, members
from ..plans.plan import as_members, from_json
from .driver import Driver
from .records import call_event, first_states, may_have_begun, may_send, parse_time
from .tags import remove_lock_tags
from .verdicts import open_states, refuse_ended, refuse_verdict

_LEASE_WAIT = 35.0
"""Real seconds that a resume waits for the lease of a holder that may be dead."""


@dataclass(frozen=True)
class HeldRun:
    """One run that this process holds and carries out to its end."""

    plan: Plan
    lease: Lease
    states: list[JobState]
    """As they are when the run is taken. The driver takes them over, so that thousands are not kept twice."""
    calls: list[Call]
    begun: report.Started
    closed: frozenset[int] = frozenset()
    """The positions of jobs that had ended before it was resumed."""
    whole: str = ""
    """The run that this is a shard of, or ``""``."""
    none_begins: str = ""
    """Why no further job of it begins; ``""`` if they may."""

    @property
    def name(self) -> str:
        """The name by which people know the run."""
        return self.whole or self.lease.run_id


class HandedOverError(Exception):
    """Another process is to continue a run: this one stops carrying it out."""


@dataclass(frozen=True)
class Session:
    """How runs are carried out: with which cloud, clock and journal, and who listens."""

    connection: Connection
    clock: Clock
    journal: Journal
    on_event: Callable[[Event], None]
    on_call: Callable[[Call], None]
    interrupt: Interrupt
    go_on: Callable[[str], bool | None] = lambda _: True
    """Is asked whether the next stage of a paused rollout begins; ``None``: nobody answers here."""
    target_rules: TargetRules | None = None
    """What the present configuration says about targets; ``None``: nothing."""
    plan_expires: float = math.inf
    """Seconds after which a resumed run wipes nothing more."""
    journal_outage: float = 0.0
    """Real seconds to wait for a journal that cannot be written before the machines are started."""
    spool: Spool = NO_SPOOL
    """Keeps what is missing from the journal after that."""
    hand_over: threading.Event = field(default_factory=threading.Event)
    """Set when another process is to continue a run: no further job begins, and jobs in progress end."""

    @property
    def endpoint(self) -> str:
        """The loopback endpoint as recorded in the journal; ``""`` for the real cloud."""
        return self.connection.local_url

    def begin(self, plan: Plan, run_id: str, calls: list[Call], on_unknown: OnUnknown) -> Report:
        """Record a confirmed plan as a run, carry it out and report.

        Raises:
            RunRefused: another run has one of the instances, or the plan was already run.
            UsageError: the journal cannot be written.
        """
        begun = report.started(self.clock.now())
        records = first_states(plan, run_id, on_unknown, self.clock.time())
        lease = self.journal.begin(
            run_id, as_members(plan), self.endpoint, self.connection.profile,
            [(each.instance_id, [wipe.disk_id for wipe in each.disks], each) for each in records],
            undoes=plan.options.undo or "",
        )  # fmt: skip
        for call in calls:
            lease.emit(call_event(run_id, call, plan))
        return self._carry(HeldRun(plan, lease, records, calls, begun))

    def resume(self, run_id: str, verdict: resuming.Verdict | None, password: Secret | None) -> Report:
        """Take over a run, continue it and report; see ``Client.resume``.

        Raises:
            UsageError: there is no such run, it belongs to another region or endpoint, or its password is missing.
            RunRefused: it has ended, somebody holds it, the credentials belong to another account, or the verdict
                applies to nothing or contradicts what ECS shows.
        """
        stored = self.open_run(run_id)
        password_as_planned(stored.plan, password, f"Run {run_id}")
        if verdict:
            refuse_verdict(stored, verdict)
        return self._gone_on(self.acquire_lease(run_id), verdict, password)

    def carry(self, lease: Lease, none_begins: str) -> Report:
        """Carry out a shard of a run, or continue it, and report.

        Args:
            lease: the lease of the shard.
            none_begins: why no further job of it begins; ``""`` if they may.

        Raises:
            HandedOverError: this process was asked to stop carrying it out.
            UsageError: it belongs to another region or endpoint.
            RunRefused: the credentials belong to another account, or somebody else has taken it.
        """
        try:
            goes_on = may_have_begun(lease, self.spool)
            stored = self.stored(lease.run_id)
            plan, records = from_json(stored.plan), [each.state for each in stored.jobs]
        except BaseException:
            lease.release()
            raise
        if goes_on:
            return self._gone_on(lease, None, None, none_begins)
        begun = report.started(self.clock.now())
        run = HeldRun(plan, lease, records, [], begun, whole=stored.whole, none_begins=none_begins)
        return self._carry(run, self._same_account)

    def _gone_on(
        self, lease: Lease, verdict: resuming.Verdict | None, password: Secret | None, none_begins: str = ""
    ) -> Report:
        run_id = lease.run_id
        try:
            stored = self.open_run(run_id)  # read them again: its holder may have continued until now
            plan = from_json(stored.plan, password)
            calls = self.calls_of(run_id)
            states = [each.state for each in stored.jobs]
            self.spool.add_to(self.journal, lease, states)
        except LeaseLostError:  # a pause since it was taken was long enough for somebody else to take it
            lease.release()
            raise taken(run_id, self.journal) from None
        except BaseException:
            lease.release()
            raise
        closed = frozenset(position for position, each in enumerate(stored.jobs) if not each.open)
        at, age = self.clock.time(), (self.clock.now() - plan.made_at).total_seconds()
        for position in set(range(len(states))) - closed:
            unwatched = not plan.jobs[position].shows_start_time
            gone_on = resuming.resume(states[position], at, lease.follows.unrecorded if lease.follows else "")
            gone_on = resuming.lose_record(gone_on) if lease.server_changed else gone_on
            gone_on = resuming.expire(
                gone_on, at, age, self.plan_expires, unwatched=unwatched, caller_pinned=bool(plan.account)
            )
            states[position] = resuming.accept_verdict(gone_on, verdict) if verdict else gone_on
        check = partial(self._check_verdict, verdict, stored) if verdict else self._same_account
        begun = report.started(parse_time(stored.started_at))
        return self._carry(HeldRun(plan, lease, states, calls, begun, closed, stored.whole, none_begins), check)

    def _check_verdict(self, verdict: resuming.Verdict, stored: StoredRun, cloud: Cloud, run: HeldRun) -> None:
        """Check that a verdict does not contradict what is known and what ECS shows, and record it before it counts."""
        self._same_account(cloud, run)
        refuse_verdict(stored, verdict)
        ids = [wipe.disk_id for known in open_states(stored) for wipe in known.disks if wipe.in_doubt]
        try:
            disks = Patient(self.clock)(lambda: cloud.describe_disks(ids)).items
        except CloudError as error:
            raise refusal_of(error) from None
        wiping = sorted(disk.disk_id for disk in disks if disk.status == "ReIniting")
        if wiping:
            raise RunRefused(
                f"ECS shows {', '.join(wiping)} as ReIniting, so the verdict {verdict} cannot be given yet.",
                hint=f"Nothing was changed; see how it ends with: safe-reinit resume {run.name}.",
            )
        try:
            run.lease.save(*enumerate(run.states), wait=LOCK_WAIT, audited=("verdict", verdict))
        except LeaseLostError:
            raise taken(run.lease.run_id, self.journal) from None
        except JournalError as error:
            raise UsageError(str(error), hint="Nothing was changed; give the verdict again later.") from None

    def close(self, run_id: str) -> None:
        """Release the open jobs of a run, removing only their lock tags, because a person decided to make a new plan.

        Raises:
            RunRefused: there is no such open run, or somebody holds it.
            RunFailed: a lock tag could not be removed.
        """
        self.open_run(run_id)
        lease = self.acquire_lease(run_id)
        try:
            stored = self.open_run(run_id)
            plan = from_json(stored.plan, Secret("") if stored.plan["options"]["password"] else None)
            calls = self.calls_of(run_id)
            states = [each.state for each in stored.jobs]
            tagged = {each.instance_id for each in open_states(stored) if each.tag.tries}
            if tagged:
                with contextlib.closing(make_cloud(self.connection, self.on_call)) as cloud:
                    remove_lock_tags(cloud, self.clock, run_id, sorted(tagged))
        except BaseException:
            lease.release()
            raise
        begun = report.started(parse_time(stored.started_at))
        result = report.of_run(begun, self.clock.now(), plan, states, calls, run_id=run_id)
        self._end(lease, self.naming_runs(result), (), audited=("close", "replaced by a new plan"))

    def calls_of(self, run_id: str) -> list[Call]:
        """Return the calls of a run that are in the journal."""
        events = self.journal.events(run_id)
        return [decode(Call, event["data"]) for event in events if event["event"] in ("read", "call")]

    def open_run(self, run_id: str) -> StoredRun:
        """Return a run that has an open job.

        Raises:
            UsageError: there is no such run, or it belongs to another region or endpoint.
            RunRefused: it has ended: it has no open job.
        """
        stored = self.stored(run_id)
        refuse_ended(stored)
        return stored

    def stored(self, run_id: str, *, jobs: bool = True) -> StoredRun:
        """Return a run from the journal, with or without its jobs.

        Raises:
            UsageError: there is none, or it belongs to another region or endpoint.
        """
        stored = self.journal.run(run_id, jobs=jobs)
        if stored is None:
            raise UsageError(f"The journal has no run {run_id}.", hint="See safe-reinit runs.")
        if stored.region != self.connection.region or stored.endpoint != self.endpoint:
            raise UsageError(
                f"Run {run_id} is of another region or endpoint: {stored.region} {stored.endpoint}".rstrip() + ".",
                hint="Leave out --region and --endpoint: the journal has them.",
            )
        return stored

    def acquire_lease(self, run_id: str) -> Lease:
        """Acquire the lease: at once from a process of this host that no longer exists, otherwise when it has expired.

        Raises:
            RunRefused: somebody holds the run.
        """
        waited = 0.0
        while (lease := self.journal.acquire_lease(run_id)) is None:
            holder = self.open_run(run_id).holder
            who = str(holder) if holder else "nobody"
            if waited >= _LEASE_WAIT:
                hint = f"This command changed nothing. See safe-reinit show {run_id}."
                raise RunRefused(f"Run {run_id} is held by {who}.", hint=hint)
            if not waited:
                self.interrupt.note(f"Run {run_id} is held by {who}; waiting at most {_LEASE_WAIT:.0f}s for its lease.")
            self.interrupt.pause(1.0)
            waited += 1.0
        return lease

    def _carry(self, run: HeldRun, check: Callable[[Cloud, HeldRun], None] = lambda _cloud, _run: None) -> Report:
        run.lease.on_cancel = self._cancelled
        try:
            driver, bug = self._run_all(run, check)
        except BaseException:
            run.lease.release()  # nothing continues here
            raise
        if self.hand_over.is_set() and bug is None and driver.run.unfinished:
            run.lease.release()
            raise HandedOverError
        return self._finish(run, driver, bug)

    def _cancelled(self, why: str) -> None:
        """End the run cleanly, because somebody requested it through the journal."""
        self.interrupt.ask(by="")
        self.interrupt.notify(f"{why}: finishing the current call; machines that were stopped are started again.")

    def _finish(self, run: HeldRun, driver: Driver, bug: Exception | None = None) -> Report:
        """Report a run as it is now, record the report and release the run."""
        if not driver.turn_back() and bug is None:
            bug = taken(run.lease.run_id, self.journal)
        records = list(driver.run.states)
        if isinstance(bug, RunRefused):
            ended = self._ended_elsewhere(run.lease.run_id)
            for position in driver.run.unfinished:
                records[position] = ended.get(position) or state.lose_sight(records[position])
        result = report.of_run(
            run.begun, self.clock.now(), run.plan, records, run.calls, run_id=run.name,
            resumable=self.journal.lasts,
        )  # fmt: skip
        if bug is not None:
            result = report.of_bug(result, bug)
        result = self.naming_runs(result)
        # Pending jobs stay open: they can be resumed, and nobody else begins on their instances.
        still_open = {at for at, each in enumerate(records) if state.is_pending(each)} | set(driver.run.unfinished)
        if not self._end(run.lease, result, sorted(still_open - run.closed), whole=run.whole):
            result = replace(result, next=(f"safe-reinit resume {run.name}",))
        return result

    def _ended_elsewhere(self, run_id: str) -> dict[int, JobState]:
        """Return, by position, how the jobs of a run ended for its new holder, if they did."""
        with contextlib.suppress(UsageError):
            stored = self.journal.run(run_id)
            return {at: each.state for at, each in enumerate(stored.jobs if stored else ()) if not each.open}
        return {}

    def naming_runs(self, result: Report) -> Report:
        """Add to each disk the other run that the journal knows, if it can be read."""
        with contextlib.suppress(UsageError):
            return report.with_last_runs(result, self.journal, self.endpoint)
        return result

    def _run_all(self, run: HeldRun, check: Callable[[Cloud, HeldRun], None]) -> tuple[Driver, Exception | None]:
        """Run the jobs to their end; return their states, and the exception that ended the loop, if any."""
        exchanges: deque[Call] = deque()
        run_id = run.lease.run_id
        saw_call, sending = partial(self._saw_call, run, exchanges), partial(self._may_send, run)
        with contextlib.closing(make_cloud(self.connection, saw_call, sending)) as cloud:
            check(cloud, run)
            driver = Driver(
                cloud, self.clock, run.plan, run.name, partial(self._saw_event, run), run.lease, run.states, run.closed,
                none_begins=run.none_begins, exchanges=exchanges, ask=self.go_on, notify=self.interrupt.notify,
                target_rules=self.target_rules, usual=self._usual(run.plan), journal_outage=self.journal_outage,
                spool=self.spool, hand_over=self.hand_over,
            )  # fmt: skip
            run.states.clear()
            close, audit_cancel = partial(self._finish, run, driver), partial(run.lease.audit, "cancel")
            with self.interrupt.ending(driver, close, audit_cancel):
                try:
                    driver()
                except LeaseLostError:
                    with contextlib.suppress(UsageError):
                        self.journal.keep_late(run_id, driver.accepted)
                        self.spool.forget(run_id)
                    return driver, taken(run_id, self.journal)
                except Exception as error:  # noqa: BLE001 - even then the report says what is known
                    return driver, error
        return driver, None

    def _usual(self, plan: Plan) -> dict[str, float]:
        """Return, by phase, the least time that it took in earlier runs, in cloud seconds, if it can be read."""
        with contextlib.suppress(UsageError):
            took = self.journal.durations(self.endpoint, plan.account, plan.region)
            return {phase: seconds * self.clock.rate for phase, seconds in took.items()}
        return {}

    def _may_send(self, run: HeldRun, action: str) -> str:
        """Return why a changing call may not be sent (any more), immediately before its first byte."""
        if run.plan.simulated and not self.connection.origin.simulated:
            return "the plan is for a simulator, but something else now answers at its endpoint"
        return may_send(run.lease, action)

    def _saw_call(self, run: HeldRun, exchanges: deque[Call], call: Call) -> None:
        """Count an exchange, keep it for the report and the journal, and report it to the listener."""
        exchanges.append(call)
        run.calls.append(call)
        run.lease.emit(call_event(run.name, call, run.plan))
        self.on_call(call)

    def _saw_event(self, run: HeldRun, event: Event) -> None:
        """Log an event, keep it for the journal, and report it to the listener."""
        logs.event(event)
        if event.event != "wait":
            run.lease.emit({"schema": 1, **members(event)})
        self.on_event(event)

    def _same_account(self, cloud: Cloud, run: HeldRun) -> None:
        """Check that the credentials belong to the account of the run, before anything is believed or called.

        If STS does not say so, ECS does: it lists an instance only to callers who may see it. A machine that is down
        must be started again even while STS is unavailable.
        """
        try:
            account = Patient(self.clock)(cloud.get_caller).items[0].account
        except CloudError as error:
            if not may_pass(error) or not self._are_listed(cloud, run):
                raise refusal_of(error) from None
            return
        if not run.plan.account:
            if self._are_listed(cloud, run):
                return
            raise RunRefused(
                f"STS did not say whose credentials run {run.name} was started with, and ECS does not list its "
                "instances for the present ones.",
                hint="Nothing was changed; use the credentials that it was started with.",
            )
        if account != run.plan.account:
            raise RunRefused(
                f"Run {run.name} belongs to account {run.plan.account}, but these credentials belong to {account}.",
                hint="Nothing was changed; use credentials of that account.",
            )

    def _are_listed(self, cloud: Cloud, run: HeldRun) -> bool:
        """Return whether ECS lists every instance of a run's open jobs to these credentials."""
        ids = {each.instance_id for at, each in enumerate(run.states) if at not in run.closed}
        with contextlib.suppress(CloudError):
            disks = Patient(self.clock)(lambda: cloud.describe_instances(sorted(ids))).items
            return {each.instance_id for each in disks} == ids
        return False

    def _end(
        self,
        lease: Lease,
        result: Report,
        still_open: Sequence[int],
        audited: tuple[AuditAction, str] | None = None,
        whole: str = "",
    ) -> bool:
        """Record how a run ended, and release it; return whether nobody needs to do that later."""
        try:
            lease.end(members(result), still_open, audited)
        except JournalError as error:
            lost = isinstance(error, JournalLostError)
            on = f"a worker continues run {whole} automatically." if whole else f"safe-reinit resume {lease.run_id}"
            later = "" if lost else f" Once it can be: {on}"
            self.interrupt.notify(f"The result of the run could not be recorded. {error}{later}")
            lease.release()
            return lost
        except LeaseLostError:
            lease.release()  # its present holder records how it ends
        return True
