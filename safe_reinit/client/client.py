"""The library: plan and run, with the same code that the command line uses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, Self

from .. import model, report, temporal
from ..clock import Clock
from ..config.wording import as_arguments, speaks_to_its_maker
from ..error_mapping import done, reporting
from ..errors import Error, RunRefused, UsageError
from ..execution.descriptors import demand_descriptors
from ..execution.runs import Listeners, Runs, already_done
from ..interrupt import Interrupt
from ..journal import AlreadyDone, KeyUnsettled
from ..model import Call, Event, Report, Secret
from ..planning import plan_store, request
from ..planning.plan_store import Plan
from ..planning.planner import Planner, calls_of
from ..planning.request import Request
from ..planning.setup import Setup

if TYPE_CHECKING:
    from ..journal import StoredRun
    from ..planning.discover import Search


@speaks_to_its_maker
class Client:
    """Plans and runs wipes in one region. Safe to use from several threads; made by ``connect``.

    Attributes:
        planner: makes the plans of this client; meant for the commands of this package, not for your programs.
        own_runs: its runs, for the same commands.
        of_program: whether a program made it, and not one of these commands.

    """

    def __init__(self, setup: Setup) -> None:
        self._setup, self.of_program = setup, setup.of_program
        self.planner = Planner(setup)
        self.own_runs = Runs(setup)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing: every call of a client closes what it opened."""

    @property
    def region(self) -> str:
        """The region id."""
        return self._setup.connection.region

    @property
    def endpoint(self) -> str:
        """The loopback endpoint, normalised; ``""`` for the real cloud."""
        return self._setup.connection.local_url

    @property
    def clock(self) -> Clock:
        """The clock that runs use."""
        return self._setup.clock

    @property
    def journal(self) -> str | None:
        """Where runs are recorded: a file, or a database without its password; ``None`` for this process only."""
        return self.own_runs.journal

    def is_simulated(self) -> bool:
        """Return whether every answer so far came from our simulator; ``False`` before the first."""
        return self._setup.connection.origin.simulated

    def discover_disks(self, search: Search, on_call: Callable[[Call], None] | None = None) -> Sequence[str]:
        """Return the ids of the disks that a search finds.

        Raises:
            UsageError: there are no credentials.
            RunRefused: nothing was found, or ECS could not be asked.
        """
        return self.planner.discover_disks(search, on_call)

    def plan(  # noqa: PLR0913 - the options of a run
        self,
        disk_ids: Sequence[str],
        *,
        stop_instance: bool = False,
        leave_stopped: bool | None = None,
        snapshot: bool | None = None,
        pending_starts: Sequence[str] = (),
        accept: Sequence[str] = (),
        max_disks: int | None = None,
        discovered: bool = False,
        elsewhere: int = 0,
        expect_instance: str | None = None,
        key_pair: str | None = None,
        password: str | None = None,
        security_enhancement: str | None = None,
        reason: str | None = None,
        once: str | None = None,
        on_call: Callable[[Call], None] | None = None,
    ) -> Plan:
        """Check the disks and make the plan; findings raise no exception, ``plan.runnable`` says whether it can run.

        You need not pass what the class of the disks allows (``classes`` in the configuration). ``plan.options`` shows
        which options apply.

        Args:
            disk_ids: ids of disks in this region, ``d-...``; one that is named twice counts once.
            stop_instance: whether a Running instance may be stopped.
            leave_stopped: whether the instance stays Stopped after the wipe; by default, as the configuration says.
            snapshot: whether a snapshot of each disk is taken after the stop, before the wipe; by default as the
                configuration, or the class of the disks, says.
            pending_starts: ids of instances that an earlier run stopped; they are started after the wipe.
            accept: names of checks whose risks are accepted.
            max_disks: how many disks the run may have; by default 10, or what the configuration says.
            discovered: whether the disks were found, not named (``discover_disks``, a file): ``max_disks`` is then 1.
            elsewhere: how many disks are planned in other regions for the same purpose: they count for ``max_disks``.
            expect_instance: refuse unless the disks are on this instance.
            key_pair: the key pair to log in with, for a system disk of Linux (ECS API reference, ReInitDisk:
                KeyPairName).
            password: the password to set, for a system disk (Password); in no plan, report or log.
            security_enhancement: ``Active`` or ``Deactive``, for a system disk (SecurityEnhancementStrategy).
            reason: a change ticket, kept in the plan, the journal and the report.
            once: a key under which this plan is run at most once, by whichever process has this journal.
            on_call: is called for each HTTP exchange; its exceptions are ignored.

        Returns:
            the plan, also one that may not be run: ``plan.blockers`` say why.

        Raises:
            UsageError: a disk id is missing or malformed, a name in ``accept`` is not a check, a text is not one line,
                or there are no credentials.
            RunRefused: a name in ``accept`` is a block, or ECS could not be asked.

        """
        given = Request(
            stop_instance=stop_instance, leave_stopped=leave_stopped, snapshot=snapshot, accept=accept,
            max_disks=max_disks, reason=reason, once=once, discovered=discovered, elsewhere=elsewhere,
            pending_starts=pending_starts, expect_instance=expect_instance, key_pair=key_pair, password=password,
            security_enhancement=security_enhancement,
        )  # fmt: skip
        return self.planner.wipe(disk_ids, given, on_call)

    def plan_undo(  # noqa: PLR0913 - the options of a run
        self,
        run_id: str,
        *,
        stop_instance: bool = False,
        leave_stopped: bool | None = None,
        snapshot: bool | None = None,
        accept: Sequence[str] = (),
        max_disks: int | None = None,
        reason: str | None = None,
        on_call: Callable[[Call], None] | None = None,
    ) -> Plan:
        """Plan to roll the disks that a run wiped back to the safety snapshots it took (ResetDisk).

        Data written to them since then is lost. Run the plan like any other; the arguments are those of ``plan``.

        Args:
            run_id: the run, in this client's journal.

        Raises:
            UsageError: there is no such run, or it is of another region or endpoint.
            RunRefused: the run is still open, belongs to another account, wiped nothing, or took no snapshot of a disk
                that it wiped; or ECS did not answer.
        """
        given = Request(
            stop_instance=stop_instance, leave_stopped=leave_stopped, snapshot=snapshot, accept=accept,
            max_disks=max_disks, reason=reason,
        )  # fmt: skip
        return self.planner.undo(self.own_runs.stored(run_id), given, on_call)

    def new_run_id(self) -> str:
        """Return an id for ``run``, so that your program can record it before the run begins."""
        return self.own_runs.new_id()

    def run(  # noqa: PLR0913 - who listens, and who is asked
        self,
        plan: model.Plan,
        *,
        confirm: str,
        run_id: str | None = None,
        on_event: Callable[[Event], None] | None = None,
        on_call: Callable[[Call], None] | None = None,
        stop: Interrupt | None = None,
        go_on: Callable[[str], bool | None] | None = None,
    ) -> Report:
        """Run a plan to its end and report.

        A call is made at most once for each observation that requires it, and its intention is in the journal before it
        is sent. These calls change something: StopInstance (StoppedMode KeepCharging), CreateSnapshot, ReInitDisk or
        ResetDisk, StartInstance, TagResources and UntagResources.

        Args:
            plan: made by ``plan`` or ``plan_undo`` of this client, or loaded by ``Plan.load``; it can be run once.
            confirm: ``plan.confirm_with``, or the name of the disks' class if that is unattended; case does not matter.
            run_id: the run's id, made by ``new_run_id``; by default a new one. From its first event, ``stored`` has it.
            on_event: is called with each event, from threads of the run. An ``Exception`` that it raises is ignored;
                ``SystemExit`` or ``KeyboardInterrupt`` ends the run cleanly, and is raised again then.
            on_call: is called for each HTTP exchange in the same way.
            stop: lets another thread ask the run to end.
            go_on: is called when a rollout pauses, with what has ended so far, and returns whether the next stage
                begins. If workers carry out the run, ``None`` leaves the question open, and the run keeps waiting.

        Returns:
            the report of a run that is ``done``: every disk proven wiped, and the power state as planned. With
            ``already_done`` it is that of an earlier run with the key of the plan, and nothing was done now.

        Raises:
            Error: of the outcome's class, unless that is ``done``; ``error.report`` is the full report.
            UsageError: the journal cannot be used, or the plan is from a file and for another region or cloud; nothing
                was sent.
            RunRefused: the plan may not be run now, or a fact behind it has changed since it was saved.
            BaseException: what was raised from outside during the run (such as ``KeyboardInterrupt``), after the run
                was ended cleanly. It has the attributes ``run_id`` and ``report``, and a note that says how to resume.

        """
        begun = report.started(self.clock.now())
        calls = calls_of(plan)
        interrupt = stop or Interrupt()

        def failed_report(error: Error) -> Report:
            return error.report or self.own_runs.report_of(plan, begun, calls, dry_run=False, error=error)

        with reporting(failed_report):
            if (earlier := self.own_runs.done_before(plan)) is not None:
                return earlier
            refused = request.not_runnable(plan, confirm, self._setup.target_rules) or request.held(
                self._setup.settings
            )
            if refused is not None:
                raise refused
            if isinstance(plan, Plan) and plan.path is not None:
                plan = self._compared(plan, plan.path, on_call)
                calls += calls_of(plan)
        demand_descriptors()
        name = self.own_runs.new_id(run_id)

        def carried() -> Report:
            listeners = Listeners(on_event, on_call, interrupt, go_on)
            with (
                self.own_runs.carrying(name, listeners) as session,
                reporting(failed_report, (RunRefused, KeyUnsettled)),
            ):
                on_unknown = request.on_unknown(self._setup.settings, plan)
                if plan.rollout.runner == "temporal":
                    return done(temporal.run_on_workers(session, self._setup.settings, plan, name, calls, on_unknown))
                return done(session.begin(plan, name, calls, on_unknown))

        try:
            return done(interrupt.carry(carried, resumable=self.own_runs.place is not None))
        except AlreadyDone as found:  # the journal may have changed since the last check
            return already_done(found)

    def _compared(self, plan: Plan, path: str, on_call: Callable[[Call], None] | None) -> Plan:
        """Compare a plan from a file with what ECS shows now, and return it as one that can be run."""
        plan_store.refuse_other_region(path, plan, self.region)
        plan_store.refuse_other_place(path, plan.endpoint, self.endpoint)
        now = self.planner.refresh(plan, on_call)
        plan_store.refuse_change(path, plan.expires_at, plan, now, self._setup.settings)
        return replace(plan, making=now.making, caller=now.caller)  # whoever runs it asks now

    def resume(  # noqa: PLR0913 - who listens, and who is asked
        self,
        run_id: str,
        *,
        verdict: Literal["reinitialised", "intact"] | None = None,
        password: str | None = None,
        on_event: Callable[[Event], None] | None = None,
        on_call: Callable[[Call], None] | None = None,
        stop: Interrupt | None = None,
        go_on: Callable[[str], bool | None] | None = None,
    ) -> Report:
        """Continue a run whose process has ended or that is not finished, and return its report.

        A call that was answered is not repeated. If a call was not answered, the run observes what happened. Then it
        restores the power state. No consent is needed, because it was given when the run began.

        Args:
            run_id: its name, as ``runs`` and the report have it.
            verdict: what happened to the disks whose outcome is unknown, if you know it (from ActionTrail). It sends
                no wipe: other disks of the run that were not wiped yet stay as they are.
            password: the password to set, if the plan had one.
            on_event: is called for each event. If workers carry out the run, it is called for past events first.
            on_call: is called for each HTTP exchange, past ones first in the same way.
            stop: lets another thread ask the run to end.
            go_on: is asked as in ``run``, also about a stage that somebody agreed to before.

        Raises:
            UsageError: there is no such run in the journal, or it is of another region or endpoint.
            RunRefused: the run has ended, another process holds it, no disk is in doubt, or the verdict contradicts
                what ECS shows.
            Error: of the outcome's class, unless that is ``done``; ``error.report`` is the full report.
        """
        interrupt = stop or Interrupt()

        def carried() -> Report:
            with self.own_runs.carrying(run_id, Listeners(on_event, on_call, interrupt, go_on)) as session:
                self.own_runs.end_where_held(interrupt)
                stored = session.stored(run_id, jobs=False)
                if stored.shards:
                    return done(temporal.resume_on_workers(session, self._setup.settings, run_id, verdict))
                if stored.whole:
                    raise UsageError(f"{run_id} is a shard of run {stored.whole}.", hint=f"Resume {stored.whole}.")
                return done(session.resume(run_id, verdict, Secret(password) if password else None))

        return done(interrupt.carry(carried, resumable=self.own_runs.place is not None))

    def abandon(self, run_id: str) -> None:
        """Close an open run for a new plan of its instances: its lock tag is removed, its outcome does not change.

        Raises:
            UsageError: there is no such run.
            RunRefused: it has ended, or another process holds it.
            RunFailed: the lock tag could not be removed.
        """
        self.own_runs.abandon(run_id)

    def cancel(self, run_id: str) -> bool:
        """Ask a run to end cleanly: calls in progress end, the power state is restored, no further wipe is sent.

        A run of this client is told directly. Any other run is told through the journal, whichever process, user or
        host carries it out, and reacts within about a second. No signal is sent, and a second request has no further
        effect. This method does not wait for the end of the run; use ``resume`` or ``runs`` to see how it ended.

        Returns:
            whether a process is working on it; if not, ``resume`` starts its machines again and sends no wipe.

        Raises:
            UsageError: there is no such run, or the journal cannot be written.
            RunRefused: it has ended.
        """
        return self.own_runs.cancel(run_id)

    def runs(self, limit: int | None = 20) -> Sequence[StoredRun]:
        """Return the runs in the journal, newest first, including those of other regions.

        Args:
            limit: how many of the runs that have ended to return at least, besides every open one; ``None`` for all.

        Raises:
            UsageError: the journal cannot be read.
        """
        found = self.own_runs.newest(limit)
        return tuple(run.worded(as_arguments) for run in found) if self.of_program else found

    def stored(self, run_id: str) -> StoredRun:
        """Return a run of the journal.

        Raises:
            UsageError: there is no such run, it belongs to another region or endpoint, or the journal was removed or
                replaced while this client carried the run out.
        """
        stored = self.own_runs.stored(run_id)
        return stored.worded(as_arguments) if self.of_program else stored
