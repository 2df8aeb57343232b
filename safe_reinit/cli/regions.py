"""One command over several regions: check all of them first, ask for consent once, and run them one after another.

Each region has its own plan, run, journal entry and client. A refusal in one refuses all, before anything is touched.
If a canary did not end as done, too many jobs failed, or somebody ended the command, no later region begins.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from .. import report
from ..client import Client
from ..config import Settings, resolve
from ..core.state import PLAN_AGAIN
from ..error_mapping import error_of, reporting, safely
from ..errors import Error, RunRefused, UsageError
from ..interrupt import Interrupt
from ..model import DoneEvent, Failure, Outcome, Plan, Report
from ..model.events import done_data
from ..planning import request
from ..planning.discover import NoDiskFound
from ..planning.planner import calls_of
from ..plans import regions
from . import consent
from .next import after, after_plan, in_region, naming_next
from .output import Output, print_lines, print_stderr
from .progress import Progress
from .selection import DiskSelection, selection_of
from .session import clients_of, password_of, set_output
from .wipe import plan_and_run

_NAMED_LOSSES = 12
"""Up to so many disks of all regions are named again above the question."""


def command(flags: Mapping[str, Any], output: Output) -> int:
    """Do what the command line says in all its regions, and return the exit code."""
    named: tuple[str, ...] = flags[Settings.region.name]
    configs = [resolve({**flags, Settings.region.name: each}, os.environ, flags.get("config")) for each in named]
    config = configs[0]
    set_output(output, config, flags)
    if flags.get("save") is not None:
        raise UsageError(
            "--save saves the plan of one region only.", hint="Save one plan for each region: give --region once."
        )
    if flags.get("once") is not None:
        raise UsageError(
            "--once is the key of one run, but each region has its own run.",
            hint="Give --region once, with a key for each region.",
        )
    password = password_of(config, flags)
    selection = selection_of(flags)
    with ExitStack() as stack:
        clients = clients_of(configs, stack)
        _refuse_fixed_endpoint(config, clients[0])
        if not flags.get("dry_run"):
            clients[0].own_runs.demand()
        progress = stack.enter_context(Progress.of_command(config, clients[0], output))
        with naming_next(output, clients[0]):
            named_disks = len(set(selection.disk_ids))
            clients[0].planner.refuse_too_many(named_disks, request.Request(discovered=selection.discovered))
            with progress.reading():
                by_region = _discover(clients, selection, progress)
            total = sum(map(len, by_region.values()))

            def plan(client: Client) -> Plan:
                here = by_region[client.region]
                return selection.plan(client, flags, password, progress.call, here, total - len(here))

            clients = [client for client in clients if client.region in by_region]
            if len(clients) == 1:
                return plan_and_run(clients[0], config, flags, lambda: plan(clients[0]), output, progress)
            with progress.reading():
                plans = [plan(client) for client in clients]
            return _Regions(clients, plans, config, flags, output, progress)()


def _refuse_fixed_endpoint(config: Settings, client: Client) -> None:
    """Refuse an ECS endpoint of a single region: a call without RegionId would go to the wrong region."""
    if not client.endpoint and (config.endpoint or config.endpoints.get("ecs")):
        raise UsageError(
            "An ECS endpoint belongs to one region, but --region names several.",
            hint="Leave out --endpoint and endpoints.ecs, so that each region's own is used; or give --region once.",
        )


# ------------------------------------------------------------------------------------------- where everything is


def _discover(clients: Sequence[Client], selection: DiskSelection, progress: Progress) -> dict[str, list[str]]:
    """Return the ids of the requested disks, by region, without regions that have none.

    Raises:
        RunRefused: ECS could not be asked in one region, something that must be in exactly one is not, or no region has
            anything.
    """
    search, named = selection.search, dict.fromkeys(selection.disk_ids)
    existing = {each.region: each.planner.existing(list(named), search.instances, progress.call) for each in clients}
    _refuse_ambiguous(
        [*named, *search.instances], {region: disks | owners for region, (disks, owners) in existing.items()}
    )
    nowhere = set(search.instances).difference(*(owners for _, owners in existing.values()))
    if nowhere:
        raise RunRefused(
            f"No instance {', '.join(sorted(nowhere))} was found in {', '.join(existing)}.",
            hint="Check --instance and --region, and that ecs:DescribeInstances is allowed.",
        )
    unseen = set(named).difference(*(disks for disks, _ in existing.values()))
    if unseen and len(unseen) < 10:
        progress.note(f"None of these regions has: {', '.join(sorted(unseen))}")
    by_region: dict[str, list[str]] = {}
    nothing: NoDiskFound | None = None
    for place, client in enumerate(clients):
        disks, owners = existing[client.region]
        own = [each for each in named if each in disks or (each in unseen and not place)]  # judged: disk-not-found
        here = replace(search, instances=tuple(each for each in search.instances if each in owners))
        try:
            own += client.discover_disks(here, progress.call) if here.any else ()
        except NoDiskFound as error:
            nothing = nothing or error
        if own:
            by_region[client.region] = list(dict.fromkeys(own))
        else:
            progress.note(
                f"{client.region} is left out: nothing was found there, or the permission to read it is missing."
            )
    if not by_region:
        raise nothing or RunRefused("Nothing was found.", hint="Check --region.")
    return by_region


def _refuse_ambiguous(ids: Sequence[str], existing: Mapping[str, frozenset[str]]) -> None:
    for each in ids:
        holding = [region for region, there in existing.items() if each in there]
        if len(holding) > 1:
            raise RunRefused(
                f"{each} was found in {' and '.join(holding)}, but an id belongs to one region.",
                hint="Nothing was changed; give --region once.",
            )


# ------------------------------------------------------------------------------------------------ all of them as one


@dataclass
class _Regions:
    """Several regions, each with its plan, as one command."""

    clients: Sequence[Client]
    plans: Sequence[Plan]
    config: Settings
    flags: Mapping[str, Any]
    output: Output
    progress: Progress

    def __post_init__(self) -> None:
        self._begun = report.started(self.output.began)
        skip = self.config.skip_refused and any(plan.runnable for plan in self.plans)
        out = [skip and not plan.runnable and regions.can_be_left_out(plan) for plan in self.plans]
        self._left_out = [plan for plan, refused in zip(self.plans, out, strict=True) if refused]
        kept = iter(regions.shared([plan for plan, refused in zip(self.plans, out, strict=True) if not refused]))
        self.plans = [plan if refused else next(kept) for plan, refused in zip(self.plans, out, strict=True)]
        self._to_run = [plan for plan, refused in zip(self.plans, out, strict=True) if not refused]
        self._whole = regions.as_one(self._to_run)
        self._rollout = replace(consent.pausing(self._whole).rollout, canary=self.config.canary)
        self._total = len(self._whole.jobs)
        self._outcomes: list[Outcome] = []  # the jobs of the regions that have had their turn
        self._why = ""  # no further region begins once this is set

    def __call__(self) -> int:
        self.progress.findings(replace(self._whole, findings=regions.as_one(self.plans).findings))
        refused = next((plan for plan in self._to_run if not plan.runnable), None)
        why = report.refusal(refused) if refused else None
        if self.flags.get("dry_run"):
            return self._report_plans(why)
        interactive = self.flags.get("confirm") is None and consent.somebody_there()
        if interactive or not self.config.quiet:  # a person who is asked sees the plan first
            self.progress.settle()
            self._show(sys.stderr)
        with (
            naming_next(self.output, self.clients[0], self._whole),
            reporting(partial(self._of_plans, dry_run=False)),
        ):
            if why is not None:
                raise why
            consent.obtain(self._whole, self.flags.get("confirm"), lambda _: False)
            for client, plan in self._each():
                if plan not in self._left_out:
                    client.own_runs.demand_free(plan)
        self.progress.settle()
        with self.output.signals.run(self.progress.print_then, self.progress.note) as interrupt:
            result = report.of_regions(
                [self._run(interrupt, client, plan) for client, plan in self._each()], self._whole
            )
        self.progress.close()
        if result.exit_code:
            raise error_of(result)
        self.output.report(result)
        return 0

    def _each(self) -> list[tuple[Client, Plan]]:
        return list(zip(self.clients, self.plans, strict=True))

    # ------------------------------------------------------------------------------------------------- the plans

    def _show(self, stream: Any) -> None:  # noqa: ANN401 - a text stream
        for plan in self.plans:
            self.output.plan(plan, stream)
            print_lines([report.Line()], stream)
        disks = sum(len(job.disks) for job in self._whole.jobs)
        order = ", then ".join(plan.region for plan in self._to_run)
        out = "".join(f"; left out because everything there is refused: {plan.region}" for plan in self._left_out)
        text = f"In total: {disks} disks on {self._total} instances, one region after the other: {order}{out}"
        lost = report.loss(self._whole, listed=self._total > _NAMED_LOSSES)
        print_lines([report.Line(text, "bold"), *([report.Line(lost, "bold")] if self._to_run else [])], stream)

    def _of_plans(self, why: Error | None, *, dry_run: bool) -> Report:
        result = [self._of_plan(client, plan, why, dry_run=dry_run) for client, plan in self._each()]
        return report.of_regions(result, self._whole)

    def _of_plan(self, client: Client, plan: Plan, why: Error | None, *, dry_run: bool = False) -> Report:
        error = report.refusal(plan) if plan in self._left_out else why
        return client.own_runs.report_of(plan, self._begun, calls_of(plan), dry_run=dry_run, error=error)

    def _report_plans(self, why: Error | None) -> int:
        result = self._of_plans(why, dry_run=True)
        result = replace(result, next=after_plan(result, self.output.argv, self._whole, self.clients[0]))
        if self.output.form == "text" and self.output.says(result.exit_code):
            self._show(self.output.stream)
        self.output.report(result)
        if why is not None:
            print_stderr(self.output.sentence(why))
        return result.exit_code

    # -------------------------------------------------------------------------------------------------- the runs

    def _run(self, interrupt: Interrupt, client: Client, plan: Plan) -> Report:
        """Run one region, unless something keeps it from beginning, and return its report."""
        if plan in self._left_out:
            return self._of_plan(client, plan, None)
        why = self._closed(interrupt, client)
        result = self._not_begun(client, plan, why) if why else self._begin(interrupt, client, plan)
        self._outcomes += [job.outcome for job in result.jobs[: len(plan.jobs)]]
        if not why and (result.run_id is None or result.outcome == "bug"):
            self._why = f"the run in {plan.region} could not continue"
        return result

    def _closed(self, interrupt: Interrupt, client: Client) -> str:
        ended = len(self._outcomes)
        if not self._why and interrupt.over:
            self._why = "the command was ended before"
        if not self._why and ended:
            self._why = regions.closed(self._rollout, self._total, self._outcomes, client.clock.now())
        if not self._why and ended and regions.pauses(self._rollout, self._total, ended):
            done = self._outcomes.count("done")
            text = f"{ended} of {self._total} jobs have ended, {done} of them done. Next: {client.region}."
            if not consent.go_on(text, self.progress, interrupt, waits=False):
                self._why = "the command was ended before" if interrupt.over else "somebody decided not to continue"
        return self._why

    def _begin(self, interrupt: Interrupt, client: Client, plan: Plan) -> Report:
        self.progress.note(f"{plan.region}:")
        pausing = consent.pausing(plan)
        left = replace(pausing, rollout=regions.left_of(pausing.rollout, self._outcomes))
        try:
            result = client.run(
                left,
                confirm=plan.confirm_with,
                on_event=self.progress.event,
                on_call=self.progress.call,
                stop=interrupt,
                go_on=lambda text: consent.go_on(f"{client.region}: {text}", self.progress, interrupt, waits=False),
            )
        except Error as error:
            result = error.report or self._of_plan(client, plan, error)
        except Exception as bug:  # noqa: BLE001 - what the regions before it came to must be told
            result = self._broken(client, plan, bug)
        return replace(result, next=result.next or after(result, self._argv(plan), client) if result.exit_code else ())

    def _broken(self, client: Client, plan: Plan, bug: Exception) -> Report:
        """Report a run whose progress nobody knows: it claims nothing about its disks."""
        error = Error(
            f"An unexpected {type(bug).__name__} ended the run in {plan.region}; the journal has its state.",
            hint="Find the run with safe-reinit runs, continue it with safe-reinit resume RUN, and report this.",
        )
        begun = replace(self._begun, region=plan.region, reason=plan.reason)
        result = report.of_error(begun, self.output.now(), error, calls_of(plan))
        journal = ["--journal", client.journal] if client.journal else []
        return replace(result, next=(shlex.join(["safe-reinit", "runs", *journal]),))

    def _argv(self, plan: Plan) -> Sequence[str]:
        return in_region(self.output.argv, plan)

    def _not_begun(self, client: Client, plan: Plan, why: str) -> Report:
        """Report a region for which nothing was begun; its jobs appear like jobs of a run that never begin."""
        error = RunRefused(f"Not begun: {why}.", hint=PLAN_AGAIN)
        result = self._of_plan(client, plan, error)
        jobs = tuple(replace(job, error=job.error or result.error) for job in result.jobs)
        for job in result.jobs[: len(plan.jobs)]:
            untouched = {disk.disk_id: disk.data for disk in job.disks}
            data = done_data("refused", job.power_before, Failure(None, str(error)), untouched)
            event = DoneEvent(at=client.clock.now(), run_id=None, instance_id=job.instance_id, data=data)
            safely(self.progress.event)(event)  # what the regions before it came to must be told whatever listens
        return replace(result, jobs=jobs, next=after(result, self._argv(plan), client))
