"""The reports of the runs of several regions as one document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..errors import exit_code
from ..model import Outcome, Plan, Report
from .build import JOBS_WITH_READS, common_outcome, reference


def of_regions(reports: Sequence[Report], whole: Plan) -> Report:
    """Combine the reports of one command, in the order of its regions.

    Args:
        reports: for each region the report of its run, or of its plan if nothing was begun.
        whole: the combined plan that was confirmed.
    """
    jobs = tuple(job for each in reports for job in each.jobs)
    calls = tuple(call for each in reports for call in each.calls)
    many = len(jobs) > JOBS_WITH_READS
    reads = sum(each.omitted_reads or 0 for each in reports) + sum(call.only_reads for call in calls)
    outcome = _outcome(reports)
    decides = sorted(reports, key=lambda each: each.outcome != outcome)  # the one that decides the outcome
    runs = [each.run_id for each in reports if each.run_id]
    return replace(
        reports[0],
        run_id=",".join(runs) or None,
        simulated=any(each.simulated for each in reports),
        outcome=outcome,
        exit_code=exit_code(outcome),
        started_at=min(each.started_at for each in reports),
        ended_at=max(each.ended_at for each in reports),
        account=whole.account,
        caller=next((each.caller for each in reports if each.caller), None),
        region=",".join(each.region for each in reports),
        plan=reference(whole),
        jobs=jobs,
        error=next((each.error for each in decides if each.error), None) if exit_code(outcome) else None,
        findings=tuple(found for each in reports for found in each.findings),
        calls=tuple(call for call in calls if not many or not call.only_reads),
        omitted_reads=reads if many else None,
        next=tuple(dict.fromkeys(command for each in reports for command in each.next)),
        warnings=tuple(dict.fromkeys(warning for each in reports for warning in each.warnings)),
    )


def _outcome(reports: Sequence[Report]) -> Outcome:
    """Return one outcome: any unknown is that, then a bug, whose effects are not known; else as of several disks."""
    if any(each.outcome == "planned" for each in reports):  # of a dry run; refused ones next to it are left out
        return "planned"
    outcomes = [each.outcome for each in reports] + [job.outcome for each in reports for job in each.jobs]
    if "bug" in outcomes and "unknown" not in outcomes:
        return "bug"
    return common_outcome(outcomes)
