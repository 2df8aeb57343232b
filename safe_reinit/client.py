"""The library: look, judge, plan and run, with the same code that the command line uses."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, TypeVar

from . import report, temporal
from .clock import Clock, time_scale
from .cloud.locate import locate
from .config import Settings
from .error_mapping import done, safely
from .errors import Error, RunRefused, UsageError
from .execution.descriptors import demand_descriptors, load_all
from .interrupt import Interrupt
from .model import Call, Event, Plan, Report, Secret
from .planning import request
from .planning.planner import Planner

if TYPE_CHECKING:
    from .cloud.interface import CloudFactory
    from .execution.session import Session
    from .execution.shards import Shards
    from .journal import Journal, Reader, Role, Spool, StoredRun
    from .planning.ram_check import Proof

T = TypeVar("T")


def connect(  # noqa: PLR0913 - each says something else of where and who
    *,
    region: str | None = None,
    profile: str | None = None,
    endpoint: str | None = None,
    config: str | os.PathLike[str] | Settings | None = None,
    credentials: tuple[str, str] | tuple[str, str, str] | None = None,
    journal: str | os.PathLike[str] | None = None,
    cloud: CloudFactory | None = None,
    clock: Clock | None = None,
    owner: Mapping[str, str | int] | None = None,
) -> Client:
    """Make a client for one region. Nothing is sent yet.

    Of several regions each has its own client, its own plans and its own runs: make all plans (to ``plan`` say with
    ``elsewhere`` how many disks those of the others have), and run none before every one is runnable.

    Args:
        region: the region id, ``cn-hangzhou``; else from the environment, the configuration or the aliyun CLI profile.
        profile: the aliyun CLI profile whose credentials are used; else Alibaba's default credential chain.
        endpoint: ``[http://|https://]HOST[:PORT]`` of ECS; a loopback one serves every product.
        config: the path of a configuration file, or settings that are resolved already; a file found by itself if none.
            What another argument says counts instead of what the settings say.
        credentials: an AccessKey id and its secret, and the token of STS where the key is temporary.
        journal: the journal file; else that of the configuration, of root or of the user. On loopback with fixed
            ``credentials`` it is kept in memory unless it is named.
        cloud: makes the cloud that is called, in the place of the one over Alibaba Cloud's SDK: your own SDK client, or
            a fake one. It knows by itself where it is and who calls. The journal is to be named then; a cloud that is
            not Alibaba Cloud needs one of its own, so that its runs never stand in the way of real ones.
        clock: the clock that waits run on; else one at the speed of real time.
        owner: the legacy owner parameters of ReInitDisk (ECS API reference): ``owner_account``, ``owner_id``,
            ``resource_owner_account``, ``resource_owner_id``.

    Raises:
        UsageError: an argument or a setting is not usable, two of them contradict each other, no region is known, or
            there is a cloud and no journal is named.
        RunRefused: the process may open too few files for a run.

    """
    key = request.access_key(credentials)
    if key is not None and profile is not None:
        raise UsageError("connect got both a profile and credentials.", hint="Give one of them.")
    path = os.path.abspath(journal) if isinstance(journal, os.PathLike) else journal  # which is never an address
    flags = {"region": region, "profile": profile, "endpoint": endpoint, "journal": path}
    settings = request.settings(config, flags)
    owners = request.owner_parameters(owner or {})
    if cloud is not None:
        request.refuse_places(settings, profile=profile, endpoint=endpoint, credentials=credentials)
    place = locate(settings, os.environ, key, cloud)
    clock = clock or Clock(time_scale(os.environ, loopback=place.loopback))
    demand_descriptors()
    load_all(settings.journal)
    return Client(place, settings, clock, owners, request.policy_of(settings))


class Client(Planner):
    """Plans and runs reinitialisations in one region. Safe to use from several threads; made by ``connect``."""

    def run(
        self,
        plan: Plan,
        *,
        confirm: str,
        on_event: Callable[[Event], None] | None = None,
        on_call: Callable[[Call], None] | None = None,
        stop: Interrupt | None = None,
        go_on: Callable[[str], bool | None] | None = None,
    ) -> Report:
        """Run a plan to its end and report.

        Each call is made at most once for each observation that shows it to be due, and what is intended is in the
        journal before it is sent. ECS is called as its API reference has it: StopInstance (StoppedMode KeepCharging),
        CreateSnapshot, ReInitDisk or ResetDisk, StartInstance, TagResources and UntagResources.

        Args:
            plan: made by ``plan`` or ``plan_undo`` of this client; it can be run once.
            confirm: ``plan.confirm_with``, or the name of the class of all its disks where that is unattended; in any
                case of letters.
            on_event: is told what happens, from threads of the run. An ``Exception`` that it raises is ignored; an exit
                (``SystemExit``, ``KeyboardInterrupt``) ends the run in order, and is raised again then.
            on_call: is told every HTTP exchange, likewise.
            stop: lets another thread ask the run to end.
            go_on: is asked, with what has ended so far, whether the next stage of a rollout that pauses begins. Where
                workers carry the run, ``None`` leaves the question open, and the run waiting for an answer.

        Returns:
            the report of a run that is ``done``: every disk proven reinitialised, and the power as promised.

        Raises:
            Error: of the class of the outcome unless it is ``done``; ``error.report`` is the whole truth.
            UsageError: the journal cannot be used; nothing was sent.
            BaseException: what was raised from outside while the run went on (``KeyboardInterrupt``): the run was ended
                in order first. It has the attributes ``run_id`` and ``report``, and a note that says how to resume.

        """
        begun = report.started(self._clock.now())
        calls = self.calls_of(plan)
        refused = request.not_runnable(plan, confirm, self._policy) or request.held(self._settings)
        if refused is not None:
            refused.report = self.report_of(plan, begun, calls, dry_run=False, error=refused)
            raise refused
        demand_descriptors()
        run_id = f"r-{begun.at.strftime('%Y%m%dT%H%M%SZ')}-{secrets.token_hex(2)}"
        interrupt = stop or Interrupt()

        def carried() -> Report:
            with self._carrying(run_id, interrupt) as journal:
                session = self._session(journal, on_event, on_call, interrupt, go_on)
                on_unknown = request.on_unknown(self._settings, plan)
                try:
                    if plan.rollout.runner == "temporal":
                        return done(temporal.run(session, self._settings, plan, run_id, calls, on_unknown))
                    return done(session.begin(plan, run_id, calls, on_unknown))
                except RunRefused as error:
                    if error.report is None:
                        error.report = self.report_of(plan, begun, calls, dry_run=False, error=error)
                    raise

        return done(interrupt.carry(carried, resumable=self._journal_place is not None))

    def shards(self, say: Callable[[str], None] | None = None) -> Shards:
        """Return what carries the shards of runs in this process; ``say`` is told what their events do not tell."""
        from .execution.shards import Shards  # noqa: PLC0415 - most runs are carried here

        whose = f"the configuration of the worker on {socket.gethostname()}"

        @contextlib.contextmanager
        def opened(interrupt: Interrupt, hand_over: threading.Event) -> Iterator[Session]:
            with self._journal() as journal:
                self._end_where_held(interrupt)
                session = self._session(journal, None, None, interrupt, whose=whose)
                yield replace(session, hand_over=hand_over)

        return Shards(opened, say or (lambda _: None))

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
        """Go on with a run whose process is gone, or that left something owed, and report.

        Nothing that was answered is repeated; the outcome of what was not is observed, behind the fence; the power
        comes back as promised. No consent is needed: the run had it.

        Args:
            run_id: its name, as ``runs`` and the report have it.
            verdict: what became of the disks whose outcome is unknown, where you know it (from ActionTrail). It sends
                no wipe: other disks of the run that were not wiped yet stay as they are.
            password: the password to set, where the plan had one.
            on_event: is called for each event. If workers carry the run, it is called for past events first.
            on_call: is called for each HTTP exchange, past ones first in the same way.
            stop: lets another thread ask the run to end.
            go_on: is asked as in ``run``, also about a stage that somebody agreed to before.

        Raises:
            UsageError: there is no such run in the journal, or it is of another region or endpoint.
            RunRefused: it has ended, somebody holds it, or the verdict is about nothing or against what ECS shows.
            Error: of the class of the outcome unless it is ``done``; ``error.report`` is the whole truth.
        """
        interrupt = stop or Interrupt()

        def carried() -> Report:
            with self._carrying(run_id, interrupt) as journal:
                session = self._session(journal, on_event, on_call, interrupt, go_on)
                self._end_where_held(interrupt)
                stored = session.stored(run_id, jobs=False)
                if stored.shards:
                    return done(temporal.resume(session, self._settings, run_id, verdict))
                if stored.whole:
                    raise UsageError(f"{run_id} is a shard of run {stored.whole}.", hint=f"Resume {stored.whole}.")
                return done(session.resume(run_id, verdict, Secret(password) if password else None))

        return done(interrupt.carry(carried, resumable=self._journal_place is not None))

    def abandon(self, run_id: str) -> None:
        """Let an open run's instances go, because you plan anew; its lock tag comes off, its outcome stays as it is.

        Raises:
            UsageError: there is no such run.
            RunRefused: it has ended, or somebody holds it.
            RunFailed: its lock tag could not be taken off.
        """
        from .execution import shards  # noqa: PLC0415 - a plan runs nothing

        with self._journal() as journal:
            session = self._session(journal, None, None, None)
            shards.close(session, run_id)

    def cancel(self, run_id: str) -> bool:
        """Ask a run to end in order: calls in flight end, the power comes back, no wipe is sent.

        A run of this client is asked directly. Any other is asked through the journal, whichever process, user or host
        carries it out: it hears that within a second or so. No process is signalled, and asking twice is asking once.
        The end is not waited for: ``resume`` or ``runs`` tell how it ends.

        Returns:
            whether a session is at work on it; if not, ``resume`` brings its machines back, and sends no wipe.

        Raises:
            UsageError: there is no such run, or the journal cannot be written.
            RunRefused: it has ended.
        """
        own = self._running.get((os.getpid(), run_id))
        if own is not None:
            own.ask("Client.cancel")
            return True
        with self._journal() as journal:
            return journal.cancel(run_id)

    def stored(self, run_id: str) -> StoredRun:
        """Give a run of the journal.

        Raises:
            UsageError: there is none, it is of another region or endpoint, or what the journal has is not this run's:
                it was removed or replaced while this client carried the run out.
        """
        if run_id in self._unrecorded:
            raise UsageError(
                f"The journal was removed or replaced while run {run_id} went on: how it ended is not recorded.",
                hint="Look at the machine with --dry-run.",
            )
        with self._journal() as journal:
            return self._session(journal, None, None, None).stored(run_id)

    @contextlib.contextmanager
    def _carrying(self, run_id: str, interrupt: Interrupt) -> Iterator[Journal]:
        """Open the journal for a run, and let ``cancel`` of this client, in this process, reach the run directly."""
        name = (os.getpid(), run_id)
        self._running[name] = interrupt
        try:
            with self._journal() as journal:
                for said in self._spool().tidy(journal):
                    interrupt.say(said)
                try:
                    yield journal
                finally:
                    if journal.is_replaced():
                        self._unrecorded.add(run_id)
        finally:
            self._running.pop(name, None)

    def _end_where_held(self, interrupt: Interrupt) -> None:
        """Ask a run to end where the configuration holds all runs: it may bring machines back, and nothing else."""
        if request.held(self._settings):
            interrupt.ask("the configuration, which holds all runs")

    def _journal(self, role: Role = "worker") -> Journal:
        from .journal import open_to_write  # noqa: PLC0415 - a plan writes nothing down

        return open_to_write(self._journal_place, role)

    def _session(
        self,
        journal: Journal,
        on_event: Callable[[Event], None] | None,
        on_call: Callable[[Call], None] | None,
        stop: Interrupt | None,
        go_on: Callable[[str], bool | None] | None = None,
        whose: str = "the configuration of now",
    ) -> Session:
        from .execution.session import Session  # noqa: PLC0415 - a plan runs nothing

        interrupt = stop or Interrupt()

        def goes_on(said: str) -> bool | None:
            try:
                return go_on is None or go_on(said)
            except Exception:
                raise
            except BaseException as error:  # noqa: BLE001 - an exit: the machines come back first
                interrupt.raised(error)
                return False

        return Session(
            self._where,
            self._clock,
            journal,
            safely(on_event, interrupt.raised),
            safely(on_call, interrupt.raised),
            interrupt,
            goes_on,
            replace(self._policy, whose=whose),
            self._settings.plan_expires,
            self._settings.journal_outage,
            self._spool(),
        )

    def _spool(self) -> Spool:
        from .journal import NO_SPOOL, Spool  # noqa: PLC0415 - a plan writes nothing down
        from .journal.place import spool_of  # noqa: PLC0415 - a plan writes nothing down

        place = self._journal_place
        return NO_SPOOL if place is None else Spool(spool_of(place, os.environ))

    @property
    def journal(self) -> str | None:
        """Where runs are written down: a file, or a database without its password; ``None`` for this process only."""
        from .journal.place import shown  # noqa: PLC0415 - a plan writes nothing down

        place = self._journal_place
        return None if place is None else shown(place)

    @property
    def _journal_place(self) -> str | None:
        if self._settings.journal is None and self._where.access_key is not None and self._where.loopback:
            return None
        from .journal.place import journal_of  # noqa: PLC0415 - a plan writes nothing down

        return journal_of(self._settings.journal, os.environ)

    def report_of(
        self, plan: Plan, begun: report.Started, calls: Sequence[Call], *, dry_run: bool, error: Error | None = None
    ) -> Report:
        """Report a plan that was not run.

        Of each disk it names the run that the journal knows of; where that cannot be read, none.

        Args:
            plan: the plan.
            begun: when that began, and why.
            calls: what was asked of the cloud for it.
            dry_run: whether nothing more was wanted than the plan.
            error: why it was not run; without one, what the checks found decides.

        """
        told = report.of_plan(begun, self._clock.now(), plan, calls, dry_run=dry_run, error=error)
        return self._as_read(lambda journal: report.with_last_runs(told, journal, self.endpoint), told)

    def _as_read(self, read: Callable[[Reader], T], otherwise: T) -> T:
        """Return what is read of the journal; ``otherwise`` where there is none yet, or it cannot be read."""
        with contextlib.suppress(UsageError, OSError):
            from .journal.place import is_there  # noqa: PLC0415 - only where it is named

            place = self._journal_place
            if place is not None and is_there(place):
                from .journal import open_to_read  # noqa: PLC0415 - only where there is one

                with open_to_read(place) as journal:
                    return read(journal)
        return otherwise

    def check_journal(self, plan: Plan | None = None) -> None:
        """See that runs can be written down and may begin, and that this plan was not run yet, before anything else.

        Raises:
            UsageError: they cannot be written down.
            RunRefused: the plan was run, or all runs are held.
        """
        if (held := request.held(self._settings)) is not None:
            raise held
        with self._journal("operator") as journal:
            journal.demand_right("begin")
            journal.refuse_hold()
            if plan is not None:
                journal.refuse_used(plan.plan_id)

    def check_worker_journal(self) -> None:
        """Check that a worker can use the journal, before it takes a shard.

        Raises:
            UsageError: it cannot be written, or it is a file, which workers on other hosts do not have.
        """
        from .execution.shards import demand_shared  # noqa: PLC0415 - most runs are carried here

        with self._journal() as journal:
            demand_shared(self._session(journal, None, None, None))
            journal.demand_right("carry")

    def why_not_now(self, plan: Plan) -> Error | None:
        """Return why a run of this plan may not begin now, as far as the configuration and the journal say.

        All runs may be held, or an open run may have one of the instances. ``run`` checks it again.
        """
        refused = request.held(self._settings)
        if refused is None:
            try:
                self._as_read(lambda journal: self._refuse_now(journal, plan), None)
            except RunRefused as error:
                return error
        return refused

    def check_free(self, plan: Plan) -> None:
        """See that no open run has an instance of this plan, and that runs may begin; ``run`` sees it again.

        Raises:
            RunRefused: one has, or all runs are held.
        """
        with self._journal() as journal:
            self._refuse_now(journal, plan)

    def _refuse_now(self, journal: Reader, plan: Plan) -> None:
        journal.refuse_hold()
        ids = [job.instance_id for job in plan.jobs if job.instance_id]
        journal.refuse_open(self.endpoint, plan.account, plan.region, ids)

    def prove(
        self, plan: Plan, calls: Sequence[Call], on_call: Callable[[Call], None] | None = None
    ) -> Sequence[Proof]:
        """Tell which RAM rights a run of a plan has, asked with DryRun where an API has one; see ``rights.prove``.

        Raises:
            RunRefused: ECS could not be asked.
        """
        from .planning.ram_check import prove  # noqa: PLC0415 - a run does not ask

        return prove(self._where, self._clock, plan, calls, safely(on_call))
