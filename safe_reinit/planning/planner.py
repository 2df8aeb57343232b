"""Makes plans: the request is validated, the disks are described and checked, and nothing is changed."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from .. import logs, report
from ..checks import too_many_disks
from ..checks.target_rules import TargetRequest, settle, widest_limit
from ..cloud.interface import Cloud, OnCall
from ..cloud.locate import make_cloud
from ..config import Settings
from ..error_mapping import safely, with_report
from ..errors import RunRefused, UsageError
from ..journal import StoredRun
from ..model import Call, Facts, Making, Plan, Secret
from . import plan_store, request
from .describe import IDS_PER_CALL
from .discover import Search
from .pipeline import PlanRequest, discover_disks, existing, is_only_one_named, limits_of, preflight, rollout_of
from .ram_check import Proof, prove
from .setup import Setup


class Planner:
    """Makes the plans of one client. ``on_call`` is called for each HTTP exchange; its exceptions are ignored."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup

    @property
    def max_disks_limit(self) -> int | None:
        """The limit of disks in the configuration, if no option may raise it."""
        return self._setup.settings.of(Settings.max_disks).at_most

    def discover_disks(self, search: Search, on_call: OnCall | None = None) -> Sequence[str]:
        """Return the ids of the disks that a search finds; see ``discover.discover_disks``.

        Raises:
            UsageError: there are no credentials.
            RunRefused: nothing was found, or ECS could not be asked.
        """
        return discover_disks(self._setup.connection, self._setup.clock, search, safely(on_call))

    def existing(
        self, disk_ids: Sequence[str], instance_ids: Sequence[str], on_call: OnCall | None = None
    ) -> tuple[frozenset[str], frozenset[str]]:
        """Return those of the disks and instances that ECS shows in this region.

        Raises:
            UsageError: there are no credentials, or an id is malformed.
            RunRefused: ECS could not be asked.
        """
        ids = request.disk_ids(disk_ids) if disk_ids else []
        return existing(self._setup.connection, self._setup.clock, ids, instance_ids, safely(on_call))

    def refuse_too_many(self, disks: int, given: request.Request) -> None:
        """Refuse far too many disks before it is asked in which region they are; ``wipe`` refuses them like this, too.

        Raises:
            RunRefused: there are too many; its report has the finding.
        """
        target_request = request.to_wipe(self._setup.settings, given, self._setup.owner)
        self._refuse_too_many(disks, target_request, request.reason(self._setup.settings, given))

    def wipe(self, disk_ids: Sequence[str], given: request.Request, on_call: OnCall | None = None) -> plan_store.Plan:
        """Plan to wipe disks; see ``Client.plan``."""
        ids, once = request.disk_ids(disk_ids), request.once(given)
        target_request = request.to_wipe(self._setup.settings, given, self._setup.owner)
        return replace(self._plan(ids, target_request, request.reason(self._setup.settings, given), on_call), once=once)

    def undo(self, stored: StoredRun, given: request.Request, on_call: OnCall | None = None) -> plan_store.Plan:
        """Plan to roll back what a run wiped; see ``Client.plan_undo``."""
        target_request = request.to_undo(self._setup.settings, given, stored)
        disk_ids = [disk_id for disk_id, _ in target_request.options.restore]
        plan = self._plan(disk_ids, target_request, request.reason(self._setup.settings, given), on_call)
        if not (plan.account and stored.account):
            raise RunRefused(
                f"STS did not say whose credentials these are, so it is not known whether run {stored.run_id} belongs "
                "to them.",
                hint="Nothing was changed; try again when GetCallerIdentity is answered.",
            )
        if plan.account != stored.account:
            raise RunRefused(
                f"Run {stored.run_id} belongs to account {stored.account}, but these credentials to {plan.account}.",
                hint="Nothing was changed; use credentials of that account.",
            )
        return plan

    def refresh(self, plan: Plan, on_call: OnCall | None = None) -> plan_store.Plan:
        """Look and judge once more for a plan: its name, its options in force, its guards and its limits are kept.

        Raises:
            RunRefused: ECS could not be asked.
        """
        ids = [disk.disk_id for job in plan.jobs for disk in job.disks]
        kept = plan.options, plan.guard
        plan_request = PlanRequest(
            ids, plan.options, plan.limits, plan.reason, plan.plan_id, lambda _: kept, plan.rollout
        )
        return self._make(plan_request, on_call)

    def plan_again(
        self,
        plan: Plan,
        run_id: str,
        *,
        accept: Sequence[str] = (),
        pending_starts: Sequence[str] = (),
        password: str | None = None,
        on_call: OnCall | None = None,
    ) -> plan_store.Plan:
        """Plan what an open run was to do, anew, with the options that it had; its own lock tag blocks nothing.

        Options that were given by hand are used again; what came from a class must come from it again.

        Args:
            plan: the plan of that run.
            run_id: the run, in this client's journal.
            accept: names of further risks that are accepted.
            pending_starts: ids of the instances that it stopped; they are started after the wipe.
            password: the password to set, if the run was to set one.
            on_call: is called for each HTTP exchange.

        Raises:
            UsageError: the run was to set a password, and none is given; or a name in ``accept`` is not a check.
            RunRefused: ECS could not be asked, or a name in ``accept`` is a block.
        """
        old, used = plan.options, plan.guard.class_
        if old.password is not None and not password:
            raise UsageError(
                f"Run {run_id} sets a password, which is never stored.", hint="Give it again with --password-env."
            )
        granted = used.allowed if used else ()
        options = replace(
            old,
            run_id=run_id,
            password=Secret(password) if password else None,
            stop_instance=old.stop_instance and "stop_instance" not in granted,
            accept=request.accepted_risks((*(name for name in old.accept if f"accept {name}" not in granted), *accept)),
            pending_starts=tuple(pending_starts),
            was_on=tuple((disk.disk_id, job.instance_id) for job in plan.jobs for disk in job.disks if job.instance_id),
        )
        most = None if used and used.limits_disks else plan.guard.max_disks
        target_request = TargetRequest(options, frozenset({"snapshot"}), most)
        disk_ids = [disk.disk_id for job in plan.jobs for disk in job.disks]
        return self._plan(disk_ids, target_request, plan.reason, on_call)

    def is_only_one_named(self, plan: Plan, instance_id: str, on_call: OnCall | None = None) -> bool:
        """Return whether an instance of a plan is proven to be the only one with its name in the region."""
        sure, calls = is_only_one_named(self._setup.connection, self._setup.clock, instance_id, safely(on_call))
        if plan.making is not None:
            plan.making.calls.extend(calls)
        return sure

    def observer(self, on_call: OnCall | None = None) -> Cloud:
        """Make the cloud that plans and runs use, for observing a run from outside: it sends no changing call.

        The caller must close it.
        """
        return make_cloud(
            self._setup.connection, safely(on_call), lambda _action: "this connection is only for observing"
        )

    def prove(self, plan: Plan, calls: Sequence[Call], on_call: OnCall | None = None) -> Sequence[Proof]:
        """Return which permissions a run of a plan has, asked with DryRun if an API has it; see ``ram_check.prove``.

        Raises:
            RunRefused: ECS could not be asked.
        """
        return prove(self._setup.connection, self._setup.clock, plan, calls, safely(on_call))

    def _plan(
        self, disk_ids: Sequence[str], target_request: TargetRequest, reason: str | None, on_call: OnCall | None
    ) -> plan_store.Plan:
        self._refuse_too_many(len(disk_ids), target_request, reason)
        settings = self._setup.settings
        chosen = partial(settle, self._setup.target_rules, target_request)
        limits, rollout = limits_of(settings), rollout_of(settings, self._setup.clock.now())
        name, skip = secrets.token_hex(8), settings.skip_refused
        return self._make(
            PlanRequest(disk_ids, target_request.options, limits, reason, name, chosen, rollout, skip), on_call
        )

    def _refuse_too_many(self, disks: int, target_request: TargetRequest, reason: str | None) -> None:
        """Refuse far too many disks before anything is asked about them: no class can raise the limit so far.

        A shorter list is read all the same, so that its plan names the machines and lists every finding.

        Raises:
            RunRefused: there are too many; its report has the finding.
        """
        rules, disks = self._setup.target_rules, disks + target_request.elsewhere
        most = widest_limit(rules, target_request)
        if disks <= max(most, IDS_PER_CALL):
            return
        by_class = most > widest_limit(replace(rules, classes=()), target_request)
        found = too_many_disks.finding(disks, most, "their class" if by_class else "")
        error = RunRefused(
            f"{found.check}: {found.subject}: {found.message} Nothing was asked of ECS, so no other check was made.",
            hint=found.fix,
        )
        began, connection = self._setup.clock.now(), self._setup.connection
        begun = report.started(began, connection.region, reason, simulated=connection.origin.simulated)
        raise with_report(error, replace(report.of_error(begun, began, error), findings=(found,)))

    def _make(self, plan_request: PlanRequest, on_call: OnCall | None) -> plan_store.Plan:
        plan, calls, facts = preflight(self._setup.connection, self._setup.clock, plan_request, safely(on_call))
        logs.plan(plan)
        made = replace(plan, making=Making(calls, [facts]))
        return plan_store.of_program(made, self._setup.connection.local_url, self._setup.settings.plan_expires)


def calls_of(plan: Plan) -> list[Call]:
    """Return, once, the calls that making a plan took."""
    made = plan.making or Making()
    calls = list(made.calls)
    made.calls.clear()
    made.facts.clear()
    return calls


def facts_of(plan: Plan) -> Facts:
    """Return the facts that a plan is based on, until its calls are asked for.

    Raises:
        KeyError: it was read from a file or a journal, or its calls were already asked for.
    """
    if plan.making is None or not plan.making.facts:
        raise KeyError(plan.plan_id)
    return plan.making.facts[0]
