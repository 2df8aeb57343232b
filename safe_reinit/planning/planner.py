"""The half of the library that looks and judges: it changes nothing."""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from .. import logs
from ..checks.target_rules import ByHand, settle
from ..clock import Clock
from ..cloud.connection import Where
from ..config import Settings
from ..error_mapping import safely
from ..errors import RunRefused, UsageError
from ..model import Call, Facts, Making, Plan, Policy, Secret
from . import request
from .discover import Search
from .pipeline import Asked, find, limits_of, only_one_named, preflight, rollout_of, shown

if TYPE_CHECKING:
    from ..interrupt import Interrupt
    from ..journal import StoredRun


class Planner(ABC):
    """Makes plans in one region; ``Client`` runs them."""

    def __init__(self, place: Where, settings: Settings, clock: Clock, owner: request.Owner, policy: Policy) -> None:
        self._where = place
        self._settings = settings
        self._clock = clock
        self._owner = owner
        self._policy = policy
        self._running: dict[tuple[int, str], Interrupt] = {}
        """By process and run the runs that go on now."""
        self._unrecorded: set[str] = set()
        """Runs whose journal was removed or replaced while they went on."""

    @property
    def region(self) -> str:
        """The region id."""
        return self._where.region

    @property
    def endpoint(self) -> str:
        """The loopback endpoint, normalised; ``""`` for the real cloud."""
        return self._where.local_url

    def is_simulated(self) -> bool:
        """Tell whether every answer so far came from our simulator; ``False`` before the first."""
        return self._where.origin.simulated

    @property
    def clock(self) -> Clock:
        """The clock that runs go by."""
        return self._clock

    @abstractmethod
    def stored(self, run_id: str) -> StoredRun:
        """Give a run of the journal.

        Raises:
            UsageError: there is none, or it is of another region or endpoint.
        """

    def find(self, search: Search, on_call: Callable[[Call], None] | None = None) -> Sequence[str]:
        """Give the ids of the disks that a search means; see ``found.find``.

        Raises:
            UsageError: there are no credentials.
            RunRefused: nothing was found, or ECS could not be asked.
        """
        return find(self._where, self._clock, search, safely(on_call))

    def shown(
        self, disk_ids: Sequence[str], instance_ids: Sequence[str], on_call: Callable[[Call], None] | None = None
    ) -> tuple[frozenset[str], frozenset[str]]:
        """Give those of the disks and of the instances that ECS shows in this region.

        Raises:
            UsageError: there are no credentials, or an id is malformed.
            RunRefused: ECS could not be asked.
        """
        ids = request.disk_ids(disk_ids) if disk_ids else []
        return shown(self._where, self._clock, ids, instance_ids, safely(on_call))

    def plan(  # noqa: PLR0913 - the options of a run
        self,
        disk_ids: Sequence[str],
        *,
        stop_instance: bool = False,
        leave_stopped: bool | None = None,
        snapshot: bool | None = None,
        owed_starts: Sequence[str] = (),
        accept: Sequence[str] = (),
        max_disks: int | None = None,
        found: bool = False,
        elsewhere: int = 0,
        expect_instance: str | None = None,
        key_pair: str | None = None,
        password: str | None = None,
        security_enhancement: str | None = None,
        reason: str | None = None,
        on_call: Callable[[Call], None] | None = None,
    ) -> Plan:
        """Look at the disks and make the plan; findings do not raise, ``plan.runnable`` tells.

        What the class of the disks allows (configuration, ``classes``) needs no argument; ``plan.options`` has what is
        in force.

        Args:
            disk_ids: ids of disks in this region, ``d-...``; one that is named twice counts once.
            stop_instance: whether a Running instance may be stopped.
            leave_stopped: whether it stays Stopped after a wipe; else what the configuration says.
            snapshot: whether a snapshot of each disk is taken after the stop, before the wipe; else what the
                configuration, or the class of the disks, says.
            owed_starts: ids of instances that an earlier run stopped; they are started after the wipe.
            accept: names of checks whose risks are accepted.
            max_disks: how many disks the run may have; else 10, or what the configuration says.
            found: whether the disks were found (by ``find``, a file) rather than named: then 1 unless it is said.
            elsewhere: how many disks are planned in other regions for the same purpose: they count for ``max_disks``.
            expect_instance: refuse unless the disks are on this instance.
            key_pair: the key pair to log in with, for a system disk of Linux (ECS API reference, ReInitDisk:
                KeyPairName).
            password: the password to set, for a system disk (Password); in no plan, report or log.
            security_enhancement: ``Active`` or ``Deactive``, for a system disk (SecurityEnhancementStrategy).
            reason: a change ticket, kept in plan, journal and report.
            on_call: is told every HTTP exchange; what it raises is ignored.

        Returns:
            the plan, also one that may not be run: ``plan.blockers`` say why.

        Raises:
            UsageError: no or a malformed disk id, a name in ``accept`` that is no check, a text that is no line of
                text, no credentials.
            RunRefused: a name in ``accept`` is a block, or ECS could not be asked.

        """
        settings = self._settings
        asked = request.by_hand(
            settings,
            stop_instance=stop_instance,
            leave_stopped=leave_stopped,
            snapshot=snapshot,
            accept=accept,
            max_disks=max_disks,
            found=found,
            elsewhere=elsewhere,
            snapshot_max_age=settings.snapshot_max_age,
            owed_starts=tuple(owed_starts),
            expect_instance=request.argument(settings, Settings.expect_instance, expect_instance) or "",
            key_pair=request.argument(settings, Settings.key_pair, key_pair) or "",
            password=Secret(password) if password else None,
            security_enhancement=request.argument(settings, Settings.security_enhancement, security_enhancement) or "",
            owner=self._owner,
        )
        return self._plan(
            request.disk_ids(disk_ids), asked, request.argument(settings, Settings.reason, reason), on_call
        )

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

        What was written to them since is lost. The plan is run as any other; its options are those of ``plan``.

        Args:
            run_id: the run, in this client's journal.

        Raises:
            UsageError: there is no such run, or it is of another region or endpoint.
            RunRefused: it is still open, of another account, wiped nothing, took no safety snapshot of a disk that it
                wiped, or ECS could not be asked.
        """
        settings = self._settings
        stored = self.stored(run_id)
        asked = request.by_hand(
            settings,
            stop_instance=stop_instance,
            leave_stopped=leave_stopped,
            snapshot=snapshot,
            accept=accept,
            max_disks=max_disks,
            undo=run_id,
            restore=request.to_restore(stored),
            was_on=request.was_on(stored),
        )
        plan = self._plan(
            [disk_id for disk_id, _ in asked.options.restore],
            asked,
            request.argument(settings, Settings.reason, reason),
            on_call,
        )
        if not (plan.account and stored.account):
            raise RunRefused(
                f"STS did not say whose credentials these are, so it is not known whether run {run_id} is theirs.",
                hint="Nothing was changed; try again when GetCallerIdentity is answered.",
            )
        if plan.account != stored.account:
            raise RunRefused(
                f"Run {run_id} is of account {stored.account}, and these credentials are of {plan.account}.",
                hint="Use credentials of that account.",
            )
        return plan

    def plan_again(self, plan: Plan, on_call: Callable[[Call], None] | None = None) -> Plan:
        """Look and judge once more for a plan: its name, its options in force, its guards and its limits are kept.

        Raises:
            RunRefused: ECS could not be asked.
        """
        ids = [disk.disk_id for job in plan.jobs for disk in job.disks]
        kept = plan.options, plan.guard
        asked = Asked(ids, plan.options, plan.limits, plan.reason, plan.plan_id, lambda _: kept, plan.rollout)
        return self._make(asked, on_call)

    def plan_anew(
        self,
        plan: Plan,
        run_id: str,
        *,
        accept: Sequence[str] = (),
        owed_starts: Sequence[str] = (),
        password: str | None = None,
        on_call: Callable[[Call], None] | None = None,
    ) -> Plan:
        """Plan what an open run was to do, anew, with the options that it had; its own lock tag blocks nothing.

        What was asked for by hand is asked for again; what came from a class has to come from it again.

        Args:
            plan: the plan of that run.
            run_id: the run, in this client's journal.
            accept: names of further risks that are accepted.
            owed_starts: ids of the instances that it stopped; they are started after the wipe.
            password: the password to set, where the run was to set one.
            on_call: is told every HTTP exchange.

        Raises:
            UsageError: the run was to set a password, and none is given; a name in ``accept`` is no check.
            RunRefused: ECS could not be asked, or a name in ``accept`` is a block.
        """
        old, used = plan.options, plan.guard.class_
        if old.password is not None and not password:
            raise UsageError(f"Run {run_id} was to set a password.", hint="Give it again, with --password-env.")
        granted = used.allowed if used else ()
        options = replace(
            old,
            run_id=run_id,
            password=Secret(password) if password else None,
            stop_instance=old.stop_instance and "stop_instance" not in granted,
            accept=request.accepted((*(name for name in old.accept if f"accept {name}" not in granted), *accept)),
            owed_starts=tuple(owed_starts),
            was_on=tuple((disk.disk_id, job.instance_id) for job in plan.jobs for disk in job.disks if job.instance_id),
        )
        by_class = any(each.startswith("max_disks") for each in granted)
        asked = ByHand(options, frozenset({"snapshot"}), None if by_class else plan.guard.max_disks)
        disk_ids = [disk.disk_id for job in plan.jobs for disk in job.disks]
        return self._plan(disk_ids, asked, plan.reason, on_call)

    def _plan(
        self, disk_ids: Sequence[str], asked: ByHand, reason: str | None, on_call: Callable[[Call], None] | None
    ) -> Plan:
        chosen = partial(settle, self._policy, asked)
        limits, rollout = limits_of(self._settings), rollout_of(self._settings, self._clock.now())
        skip = self._settings.skip_refused
        made = Asked(disk_ids, asked.options, limits, reason, secrets.token_hex(8), chosen, rollout, skip)
        return self._make(made, on_call)

    def _make(self, asked: Asked, on_call: Callable[[Call], None] | None) -> Plan:
        plan, calls, facts = preflight(self._where, self._clock, asked, safely(on_call))
        logs.plan(plan)
        return replace(plan, making=Making(calls, [facts]))

    def only_one_named(self, plan: Plan, instance_id: str, on_call: Callable[[Call], None] | None = None) -> bool:
        """Tell whether an instance of a plan is seen to be the only one of its name in the region."""
        sure, calls = only_one_named(self._where, self._clock, instance_id, safely(on_call))
        if plan.making is not None:
            plan.making.calls.extend(calls)
        return sure

    def calls_of(self, plan: Plan) -> list[Call]:
        """Return the calls that making this plan took, once."""
        made = plan.making or Making()
        calls = list(made.calls)
        made.calls.clear()
        made.facts.clear()
        return calls

    def facts_of(self, plan: Plan) -> Facts:
        """Return the facts that a plan stands on, until its calls are asked for.

        Raises:
            KeyError: it was read from a file or a journal, or its calls were asked for.
        """
        if plan.making is None or not plan.making.facts:
            raise KeyError(plan.plan_id)
        return plan.making.facts[0]
