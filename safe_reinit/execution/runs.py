"""The runs of one client: their journal, the sessions that carry them, and which of them go on in this process."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from .. import logs, report
from ..error_mapping import safely
from ..errors import Error, RunRefused, UsageError
from ..interrupt import Interrupt
from ..journal import (
    NO_SPOOL,
    AlreadyDone,
    Journal,
    KeyUnsettled,
    NoJournalError,
    Reader,
    Spool,
    StoredRun,
    open_to_read,
    open_to_write,
    refuse_used_key,
)
from ..journal.place import is_there, journal_of, redacted, spool_of, vanishing
from ..model import Call, Event, Plan, Report
from ..model.codec import decode
from ..model.run_id import RUN_ID
from ..planning import request
from ..planning.setup import Setup
from . import shards
from .session import Session

T = TypeVar("T")


@dataclass(frozen=True)
class Listeners:
    """Who is told about a run, is asked about it, and may end it; see ``Client.run``."""

    on_event: Callable[[Event], None] | None = None
    on_call: Callable[[Call], None] | None = None
    stop: Interrupt = field(default_factory=Interrupt)
    go_on: Callable[[str], bool | None] | None = None


def already_done(found: AlreadyDone) -> Report:
    """Return the report of the run that is done under the key of a plan, marked as ``already_done``."""
    return replace(decode(Report, found.document), already_done=True)


class Runs:
    """The runs of one client. Safe to use from several threads."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._going_on: dict[tuple[int, str], Interrupt] = {}
        """By process and run, the runs in progress."""
        self._unrecorded: set[str] = set()
        """Runs whose journal was removed or replaced while they were in progress."""

    @property
    def place(self) -> str | None:
        """Where runs are recorded; ``None`` for this process only. It may contain a password: see ``journal``."""
        settings, where = self._setup.settings, self._setup.connection
        if settings.journal is None and where.has_given_credentials and where.loopback:
            return None
        return journal_of(settings.journal, os.environ)

    @property
    def journal(self) -> str | None:
        """The same for people: a file, or a database without its password."""
        return None if self.place is None else redacted(self.place)

    # ------------------------------------------------------------------------------------------ to carry a run

    @contextlib.contextmanager
    def session(
        self, listeners: Listeners | None = None, whose: str = "the current configuration"
    ) -> Iterator[Session]:
        """Open the journal for one action; ``whose`` names the configuration of this process, for people."""
        with open_to_write(self.place) as journal:
            yield self._session(journal, listeners or Listeners(), whose)

    @contextlib.contextmanager
    def carrying(self, run_id: str, listeners: Listeners) -> Iterator[Session]:
        """Open the journal for a run, so that a ``cancel`` by this client in this process reaches the run directly."""
        name = (os.getpid(), run_id)
        self._going_on[name] = listeners.stop
        try:
            with self.session(listeners) as session:
                if warning := vanishing(self.place):
                    logs.journal(self._setup.sentence(warning))
                    listeners.stop.notify(warning)
                for message in session.spool.tidy(session.journal):
                    listeners.stop.notify(message)
                try:
                    yield session
                finally:
                    if session.journal.is_replaced():
                        self._unrecorded.add(run_id)
        finally:
            self._going_on.pop(name, None)

    def end_where_held(self, interrupt: Interrupt) -> None:
        """Ask a run to end if the configuration holds all runs: it may start machines again, and nothing else."""
        if request.held(self._setup.settings):
            interrupt.ask("the configuration, which holds all runs")

    def shards(self, notify: Callable[[str], None] | None = None) -> shards.Shards:
        """Return what carries out shards in this process; ``notify`` is called with what their events do not say."""
        whose = f"the configuration of the worker on {socket.gethostname()}"

        @contextlib.contextmanager
        def opened(interrupt: Interrupt, hand_over: threading.Event) -> Iterator[Session]:
            with self.session(Listeners(stop=interrupt), whose) as session:
                self.end_where_held(interrupt)
                yield replace(session, hand_over=hand_over)

        return shards.Shards(opened, notify or (lambda _: None))

    def _session(self, journal: Journal, listeners: Listeners, whose: str) -> Session:
        setup, interrupt, go_on, place = self._setup, listeners.stop, listeners.go_on, self.place

        def goes_on(question: str) -> bool | None:
            try:
                return go_on is None or go_on(question)
            except Exception:
                raise
            except BaseException as error:  # noqa: BLE001 - an exit: the machines come back first
                interrupt.raised(error)
                return False

        return Session(
            setup.connection,
            setup.clock,
            journal,
            safely(listeners.on_event, interrupt.raised),
            safely(listeners.on_call, interrupt.raised),
            interrupt,
            goes_on,
            replace(setup.target_rules, whose=whose),
            setup.settings.plan_expires,
            setup.settings.journal_outage,
            NO_SPOOL if place is None else Spool(spool_of(place, os.environ)),
        )

    # ------------------------------------------------------------------------------------ what the journal says

    def cancel(self, run_id: str) -> bool:
        """Ask a run to end cleanly; see ``Client.cancel``."""
        own = self._going_on.get((os.getpid(), run_id))
        if own is not None:
            own.ask("Client.cancel")
            return True
        self._demand_journal()
        with open_to_write(self.place) as journal:
            return journal.cancel(run_id)

    def abandon(self, run_id: str) -> None:
        """Release an open run's instances; see ``Client.abandon``."""
        with self.session() as session:
            shards.close(session, run_id)

    def newest(self, limit: int | None) -> tuple[StoredRun, ...]:
        """Return the runs of the journal, newest first; see ``Client.runs``."""
        return tuple(self._read(lambda journal: journal.runs(limit), []))

    def new_id(self, given: str | None = None) -> str:
        """Return the id for a new run: the one that was given, or a new one.

        Raises:
            UsageError: the given id is not valid.
            RunRefused: the given id belongs to another run.
        """
        if given is None:
            return f"r-{self._setup.clock.now():%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
        if not (isinstance(given, str) and re.fullmatch(RUN_ID, given)):
            raise UsageError("run_id is not a valid run id.", hint="Make one with client.new_run_id().")
        if self._read(lambda journal: journal.run(given), None) is not None:
            raise RunRefused(
                f"Run {given} already exists. Nothing was changed.",
                hint=f"See safe-reinit show {given}, or make another id with client.new_run_id().",
            )
        return given

    def stored(self, run_id: str) -> StoredRun:
        """Return a run of the journal; see ``Client.stored``."""
        if run_id in self._unrecorded:
            raise UsageError(
                f"The journal was removed or replaced during run {run_id}: how the run ended is not recorded.",
                hint="Check the machine with --dry-run.",
            )
        self._demand_journal()
        with self.session() as session:
            return session.stored(run_id)

    def _demand_journal(self) -> None:
        """Check that there is a journal before opening it for a run that must be in it, so that none is created.

        Raises:
            NoJournalError: there is none.
        """
        if self.place is not None and not is_there(self.place):
            raise NoJournalError(self.place)

    def demand(self, plan: Plan | None = None) -> None:
        """Check, before anything else, that runs can be recorded and may begin, and that this plan has not been run.

        Raises:
            UsageError: they cannot be recorded.
            RunRefused: the plan was run, or all runs are held.
        """
        if (held := request.held(self._setup.settings)) is not None:
            raise held
        with open_to_write(self.place, "operator") as journal:
            journal.demand_permission("begin")
            journal.refuse_hold()
            if plan is not None:
                journal.refuse_used(plan.plan_id)

    def demand_shared(self) -> None:
        """Check that a worker can use the journal before it takes a shard.

        Raises:
            UsageError: it cannot be written, or it is a file, which workers on other hosts cannot reach.
        """
        with self.session() as session:
            shards.demand_shared(session)
            session.journal.demand_permission("carry")

    def demand_free(self, plan: Plan) -> None:
        """Check that no open run has an instance of this plan, and that runs may begin; the run checks it again.

        Raises:
            RunRefused: one has, or all runs are held.
        """
        with open_to_write(self.place) as journal:
            self._refuse_now(journal, plan)

    def done_before(self, plan: Plan) -> Report | None:
        """Return the report of the run that is done under the key of this plan; ``None`` if a run may begin.

        If there is no journal yet, or it cannot be read, return ``None``: the run checks it again.

        Raises:
            KeyUnsettled: a run with the key is open, or its outcome is unknown.
            RunRefused: the key belongs to another plan, or a run with it wiped a disk but did not end as done.
        """
        if (key := plan.once) is None:
            return None
        endpoint = self._setup.connection.local_url
        try:
            self._as_read(lambda journal: refuse_used_key(journal, key, plan.fingerprint, endpoint), None)
        except AlreadyDone as found:
            return already_done(found)
        return None

    def of_key(self, key: str) -> StoredRun | None:
        """Return the last run that began under a key, without its jobs; ``None`` if none did, or it was pruned.

        Raises:
            UsageError: the journal cannot be read.
        """
        endpoint = self._setup.connection.local_url

        def read(journal: Reader) -> StoredRun | None:
            use = journal.use_of_key(key)
            return journal.run(use.run_id, jobs=False) if use is not None and use.endpoint == endpoint else None

        return self._read(read, None)

    def why_not_now(self, plan: Plan) -> Error | None:
        """Return why a run of this plan may not begin now, as far as the configuration and the journal say.

        All runs may be held, or an open run may have one of the instances. The run checks this again.
        """
        refused = request.held(self._setup.settings)
        if refused is None:
            try:
                self._as_read(lambda journal: self._refuse_now(journal, plan), None)
            except RunRefused as error:
                return error
        return refused

    def _refuse_now(self, journal: Reader, plan: Plan) -> None:
        journal.refuse_hold()
        ids = [job.instance_id for job in plan.jobs if job.instance_id]
        journal.refuse_open(self._setup.connection.local_url, plan.account, plan.region, ids)

    def report_of(
        self, plan: Plan, begun: report.Started, calls: Sequence[Call], *, dry_run: bool, error: Error | None = None
    ) -> Report:
        """Report a plan that was not run.

        For each disk the report names the run that the journal knows; if the journal cannot be read, none.

        Args:
            plan: the plan.
            begun: when that began, and why.
            calls: the calls that were made for it.
            dry_run: whether only the plan was asked for.
            error: why it was not run; without one, the findings of the checks decide.

        """
        result = report.of_plan(begun, self._setup.clock.now(), plan, calls, dry_run=dry_run, error=error)
        if isinstance(error, KeyUnsettled):
            return report.of_unsettled(result, error.run_id)
        endpoint = self._setup.connection.local_url
        return self._as_read(lambda journal: report.with_last_runs(result, journal, endpoint), result)

    def _read(self, read: Callable[[Reader], T], otherwise: T) -> T:
        """Return what is read from the journal; ``otherwise`` if there is none yet."""
        place = self.place
        if place is not None and not is_there(place):
            return otherwise
        with open_to_write(None) if place is None else open_to_read(place) as journal:
            return read(journal)

    def _as_read(self, read: Callable[[Reader], T], otherwise: T) -> T:
        """Return what is read from the journal; ``otherwise`` if there is none yet or it cannot be read."""
        with contextlib.suppress(UsageError, OSError):
            place = self.place
            if place is not None and is_there(place):
                with open_to_read(place) as journal:
                    return read(journal)
        return otherwise
