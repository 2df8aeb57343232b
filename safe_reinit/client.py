"""The library: look, judge, plan and run, with the same code that the command line uses."""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from . import aliyun, report, wanted, where
from .aliyun.endpoints import Where
from .clock import Clock
from .cloud import CloudError
from .config import Config, resolve
from .errors import RunRefused, UsageError
from .failing import error_of, refusal_of
from .interrupt import Interrupt
from .look import observe, require
from .model import Call, Event, Facts, Limits, Options, Plan, Report, Secret
from .plan import make_plan

if TYPE_CHECKING:
    from .execution import Execution
    from .journal import Journal

T = TypeVar("T")

_OWNER = ("owner_account", "owner_id", "resource_owner_account", "resource_owner_id")


def connect(  # noqa: PLR0913 - each says something else of where and who
    *,
    region: str | None = None,
    profile: str | None = None,
    endpoint: str | None = None,
    config: str | Config | None = None,
    credentials: tuple[str, str] | None = None,
    journal: str | None = None,
    clock: Clock | None = None,
    owner: Mapping[str, str | int] | None = None,
) -> Client:
    """Make a client for one region. Nothing is sent yet.

    Args:
        region: the region id, ``cn-hangzhou``; else from the environment, the configuration or the aliyun CLI profile.
        profile: the aliyun CLI profile whose credentials are used; else Alibaba's default credential chain.
        endpoint: ``[http://|https://]HOST[:PORT]`` of ECS; a loopback one serves every product.
        config: the path of a configuration file, or settings that are resolved already; a file found by itself if none.
        credentials: an AccessKey id and its secret, for a simulator.
        journal: the journal file; else that of the configuration, of root or of the user. On loopback with fixed
            ``credentials`` it is kept in memory unless it is named.
        clock: the clock that waits run on.
        owner: the legacy owner parameters of ReInitDisk: ``owner_account``, ``owner_id``, ``resource_owner_account``,
            ``resource_owner_id``.

    Raises:
        UsageError: a setting is not usable, or no region is known.

    """
    flags = {"region": region, "profile": profile, "endpoint": endpoint, "journal": journal}
    settings = config if isinstance(config, Config) else resolve(flags, os.environ, config)
    unknown = sorted(set(owner or {}) - set(_OWNER))
    if unknown:
        raise UsageError(f"{unknown[0]} is no owner parameter of ReInitDisk.", hint=f"Use {', '.join(_OWNER)}.")
    access_key = (credentials[0], Secret(credentials[1])) if credentials else None
    place = where.locate(settings, os.environ, access_key)
    clock = clock or Clock(where.time_scale(os.environ, loopback=place.loopback))
    return Client(place, settings, clock, dict(owner or {}))


class Client:
    """Plans and runs reinitialisations in one region. Safe to use from several threads; made by ``connect``."""

    def __init__(self, place: Where, settings: Config, clock: Clock, owner: Mapping[str, str | int]) -> None:
        self._where = place
        self._settings = settings
        self._clock = clock
        self._owner = tuple(sorted(owner.items()))
        self._planned: dict[str, tuple[list[Call], Facts]] = {}
        self._lock = threading.Lock()

    @property
    def region(self) -> str:
        """The region id."""
        return self._where.region

    def plan(  # noqa: PLR0913 - the options of a run
        self,
        disk_ids: Sequence[str],
        *,
        stop_instance: bool = False,
        leave_stopped: bool | None = None,
        snapshot: bool | None = None,
        accept: Sequence[str] = (),
        expect_instance: str | None = None,
        key_pair: str | None = None,
        password: str | None = None,
        security_enhancement: str | None = None,
        reason: str | None = None,
        on_call: Callable[[Call], None] | None = None,
    ) -> Plan:
        """Look at the disks and make the plan; findings do not raise, ``plan.runnable`` tells.

        Args:
            disk_ids: ids of disks in this region.
            stop_instance: whether a running instance may be stopped.
            leave_stopped: whether it stays stopped after a wipe.
            snapshot: whether a snapshot of each disk is taken after the stop, before the wipe.
            accept: names of risks that are accepted.
            expect_instance: refuse unless the disks are on this instance.
            key_pair: the key pair to log in with, for a system disk.
            password: the password to set, for a system disk; in no plan, report or log.
            security_enhancement: ``Active`` or ``Deactive``, for a system disk.
            reason: a change ticket, kept in plan and report.
            on_call: is told every HTTP exchange.

        Raises:
            UsageError: no or a malformed disk id, a name in ``accept`` that is no check, no credentials.
            RunRefused: a name in ``accept`` is a block, or ECS could not be asked.

        """
        get = self._settings
        options = Options(
            stop_instance=stop_instance,
            leave_stopped=get["leave_stopped"] if leave_stopped is None else leave_stopped,
            snapshot=get["snapshot"] if snapshot is None else snapshot,
            snapshot_retention_days=get["snapshot_retention"],
            lock_tag=get["lock_tag"],
            expect_instance=expect_instance or get["expect_instance"] or "",
            key_pair=key_pair or get["key_pair"] or "",
            password=Secret(password) if password else None,
            security_enhancement=security_enhancement or get["security_enhancement"] or "",
            owner=self._owner,
            accept=wanted.accepted(accept),
        )
        return self._plan(wanted.disk_ids(disk_ids), options, reason or get["reason"], on_call)

    def plan_undo(  # noqa: PLR0913 - the options of a run
        self,
        run_id: str,
        *,
        stop_instance: bool = False,
        leave_stopped: bool | None = None,
        snapshot: bool | None = None,
        accept: Sequence[str] = (),
        reason: str | None = None,
        on_call: Callable[[Call], None] | None = None,
    ) -> Plan:
        """Plan to roll the disks that a run wiped back to the safety snapshots it took (ResetDisk).

        What was written to them since is lost. The plan is run as any other; its options are those of ``plan``.

        Args:
            run_id: the run, in this client's journal.

        Raises:
            UsageError: there is no such run, or it is of another region or endpoint.
            RunRefused: it is still open, of another account, or took no safety snapshot of a disk that it wiped.
        """
        get = self._settings
        with self._journal() as journal:
            stored = self._execution(journal, None, None, None).stored(run_id)
        options = Options(
            stop_instance=stop_instance,
            leave_stopped=get["leave_stopped"] if leave_stopped is None else leave_stopped,
            snapshot=get["snapshot"] if snapshot is None else snapshot,
            snapshot_retention_days=get["snapshot_retention"],
            lock_tag=get["lock_tag"],
            accept=wanted.accepted(accept),
            undo=run_id,
            restore=wanted.to_restore(stored),
        )
        plan = self._plan([disk_id for disk_id, _ in options.restore], options, reason or get["reason"], on_call)
        if plan.account != stored.account:
            raise RunRefused(
                f"Run {run_id} is of account {stored.account}, and these credentials are of {plan.account}.",
                hint="Use credentials of that account.",
            )
        return plan

    def plan_again(
        self, plan: Plan, run_id: str, *, password: str | None = None, on_call: Callable[[Call], None] | None = None
    ) -> Plan:
        """Plan what an open run was to do, anew, with the options that it had; its own lock tag blocks nothing.

        Args:
            plan: the plan of that run.
            run_id: the run, in this client's journal.
            password: the password to set, where the run was to set one.
            on_call: is told every HTTP exchange.

        Raises:
            UsageError: the run was to set a password, and none is given.
            RunRefused: ECS could not be asked.
        """
        if plan.options.password is not None and not password:
            raise UsageError(f"Run {run_id} was to set a password.", hint="Give it again, with --password-env.")
        options = replace(plan.options, run_id=run_id, password=Secret(password) if password else None)
        disk_ids = [disk.disk_id for job in plan.jobs for disk in job.disks]
        return self._plan(disk_ids, options, plan.reason, on_call)

    def _plan(
        self, disk_ids: Sequence[str], options: Options, reason: str | None, on_call: Callable[[Call], None] | None
    ) -> Plan:
        """Look at the disks and judge them."""
        get = self._settings
        began = self._clock.now()
        calls: list[Call] = []
        told = _safely(on_call)

        def both(call: Call) -> None:
            calls.append(call)
            told(call)

        with contextlib.closing(aliyun.connect(self._where, both)) as cloud:
            try:
                facts = observe(cloud, self._clock, self.region, disk_ids, options)
            except CloudError as error:
                refused = refusal_of(error)
                begun = report.started(began, self.region, reason)
                refused.report = report.of_error(begun, self._clock.now(), refused, calls)
                raise refused from None
        facts = require(facts, get["require_looks"])
        plan = make_plan(facts, options, self._limits(), reason, secrets.token_hex(8))
        with self._lock:
            self._planned[plan.plan_id] = (calls, facts)
        return plan

    def run(
        self,
        plan: Plan,
        *,
        confirm: str,
        on_event: Callable[[Event], None] | None = None,
        on_call: Callable[[Call], None] | None = None,
        stop: Interrupt | None = None,
    ) -> Report:
        """Run a plan to its end and report.

        Args:
            plan: made by ``plan``.
            confirm: ``plan.confirm_with``, in any case of letters.
            on_event: is told what happens, from the thread that runs it and from threads that call.
            on_call: is told every HTTP exchange.
            stop: lets another thread ask the run to end.

        Raises:
            Error: of the class of the outcome unless it is ``done``; ``error.report`` is the whole truth.

        """
        begun = report.started(self._clock.now())
        calls = self.calls_of(plan)
        refused = wanted.not_runnable(plan, confirm)
        if refused is not None:
            refused.report = report.of_plan(begun, self._clock.now(), plan, calls, dry_run=False, error=refused)
            raise refused
        run_id = f"r-{begun.at.strftime('%Y%m%dT%H%M%SZ')}-{secrets.token_hex(2)}"
        with self._journal() as journal:
            execution = self._execution(journal, on_event, on_call, stop)
            try:
                told = execution.begin(plan, run_id, calls, self._settings["on_unknown"])
            except RunRefused as error:
                error.report = report.of_plan(begun, self._clock.now(), plan, calls, dry_run=False, error=error)
                raise
        return _done(told)

    def resume(
        self,
        run_id: str,
        *,
        verdict: Literal["reinitialised", "intact"] | None = None,
        password: str | None = None,
        on_event: Callable[[Event], None] | None = None,
        on_call: Callable[[Call], None] | None = None,
        stop: Interrupt | None = None,
    ) -> Report:
        """Go on with a run whose process is gone, or that left something owed, and report.

        Nothing that was answered is repeated; what was not is settled by looking, behind the fence; the power comes
        back as promised. No consent is needed: the run had it.

        Args:
            run_id: its name, as ``runs`` and the report have it.
            verdict: what became of the disks whose outcome is unknown, where you know it (from ActionTrail): the job
                then ends whatever the power.
            password: the password to set, where the plan had one.
            on_event: is told what happens.
            on_call: is told every HTTP exchange.
            stop: lets another thread ask the run to end.

        Raises:
            UsageError: there is no such run in the journal, or it is of another region or endpoint.
            RunRefused: it has ended, or somebody holds it.
            Error: of the class of the outcome unless it is ``done``.
        """
        with self._journal() as journal:
            execution = self._execution(journal, on_event, on_call, stop)
            told = execution.resume(run_id, verdict, Secret(password) if password else None)
        return _done(told)

    def abandon(self, run_id: str) -> None:
        """Let an open run's instances go, because you plan anew; its lock tag comes off, its outcome stays as it is.

        Raises:
            UsageError: there is no such run.
            RunRefused: it has ended, or somebody holds it.
            RunFailed: its lock tag could not be taken off.
        """
        with self._journal() as journal:
            self._execution(journal, None, None, None).close(run_id)

    def _journal(self) -> Journal:
        from .journal import Journal  # noqa: PLC0415 - a plan writes nothing down

        return Journal(self.journal_path)

    def _execution(
        self,
        journal: Journal,
        on_event: Callable[[Event], None] | None,
        on_call: Callable[[Call], None] | None,
        stop: Interrupt | None,
    ) -> Execution:
        from .execution import Execution  # noqa: PLC0415 - a plan runs nothing

        return Execution(self._where, self._clock, journal, _safely(on_event), _safely(on_call), stop or Interrupt())

    @property
    def journal_path(self) -> Path | None:
        """Where runs are written down; ``None`` in memory."""
        if self._settings["journal"] is None and self._where.access_key is not None and self._where.loopback:
            return None
        return Path(self._settings["journal"] or where.default_journal(os.environ))

    def check_journal(self) -> None:
        """See that runs can be written down, before anything else is done.

        Raises:
            UsageError: they cannot.
        """
        self._journal().close()

    def calls_of(self, plan: Plan) -> list[Call]:
        """Give the calls that making this plan took, once."""
        with self._lock:
            calls, _ = self._planned.pop(plan.plan_id, ([], None))
            return calls

    def facts_of(self, plan: Plan) -> Facts:
        """Give the facts that a plan of this client stands on, until its calls are asked for."""
        with self._lock:
            return self._planned[plan.plan_id][1]

    def _limits(self) -> Limits:
        get = self._settings
        return Limits(
            stop=get["timeout_stop"],
            snapshot=get["timeout_snapshot"],
            reinit=get["timeout_reinit"],
            start=get["timeout_start"],
            force_stop_after=get["force_stop_after"],
        )


def _done(told: Report) -> Report:
    if told.exit_code == 0:
        return told
    raise error_of(told)


def _safely(listener: Callable[[T], None] | None) -> Callable[[T], None]:
    """Keep a listener that fails from making an answer look lost or leaving a machine stopped."""

    def tell(value: T) -> None:
        if listener is not None:
            with contextlib.suppress(Exception):
                listener(value)

    return tell
