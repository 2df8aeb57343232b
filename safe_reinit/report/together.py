"""The reports of the runs of several regions as one document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..errors import exit_code
from ..model import Outcome, Plan, Report
from .build import JOBS_WITH_LOOKS, common_outcome, reference


def of_regions(reports: Sequence[Report], whole: Plan) -> Report:
    """Put the reports of one command together, in the order of its regions.

    Args:
        reports: of each region the report of its run, or of its plan where nothing was begun.
        whole: the plans as they are agreed to, as one.
    """
    jobs = tuple(job for told in reports for job in told.jobs)
    calls = tuple(call for told in reports for call in told.calls)
    many = len(jobs) > JOBS_WITH_LOOKS
    looks = sum(told.looks or 0 for told in reports) + sum(call.only_reads for call in calls)
    outcome = _outcome(reports)
    decides = sorted(reports, key=lambda told: told.outcome != outcome)  # the one that the outcome is about
    runs = [told.run_id for told in reports if told.run_id]
    return replace(
        reports[0],
        run_id=",".join(runs) or None,
        simulated=any(told.simulated for told in reports),
        outcome=outcome,
        exit_code=exit_code(outcome),
        started_at=min(told.started_at for told in reports),
        ended_at=max(told.ended_at for told in reports),
        account=whole.account,
        caller=next((told.caller for told in reports if told.caller), None),
        region=",".join(told.region for told in reports),
        plan=reference(whole),
        jobs=jobs,
        error=next((told.error for told in decides if told.error), None) if exit_code(outcome) else None,
        findings=tuple(found for told in reports for found in told.findings),
        calls=tuple(call for call in calls if not many or not call.only_reads),
        looks=looks if many else None,
        next=tuple(dict.fromkeys(command for told in reports for command in told.next)),
    )


def _outcome(reports: Sequence[Report]) -> Outcome:
    """Return one outcome: any unknown is that, then a bug, whose effects are not known; else as of several disks."""
    if any(told.outcome == "planned" for told in reports):  # of a dry run; what is refused beside it is left out
        return "planned"
    outcomes = [told.outcome for told in reports] + [job.outcome for told in reports for job in told.jobs]
    if "bug" in outcomes and "unknown" not in outcomes:
        return "bug"
    return common_outcome(outcomes)
