"""A run that several hosts carry out: its plan is split into shards, and this says which come next. Pure.

A shard is a run of its own, with a plan for up to a hundred machines, a lease and the same core. What spreads over all
shards, such as a canary and waves, is decided here, from the progress of each shard in the journal.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import accumulate, pairwise

from ..core.waves import NOT_CONFIRMED, Release, pauses_after, question, release, stages
from ..model import Finding, Outcome, Plan, PlannedJob, Rollout, ShardProgress, Stage
from .plan import part_of

SHARD_SIZE = 100
"""Maximum machines in a shard."""
_ANSWER_POLL_INTERVAL = 300.0
"""Real seconds after which the journal is checked again for an answer or a cancel that the carrier does not know of."""


def cut(plan: Plan) -> tuple[Plan, ...]:
    """Split a plan into the plans of its shards, each within one stage of the rollout."""
    ends = (0, *stages(plan.rollout, len(plan.jobs)))
    starts = [start for first, end in pairwise(ends) for start in range(first, end, SHARD_SIZE)]
    alone = replace(plan.rollout, canary=0, waves=(), pause="none")
    parts = [plan.jobs[first:end] for first, end in pairwise([*starts, len(plan.jobs)])]
    owner = {each: at for at, jobs in enumerate(parts) for job in jobs for each in _ids_of(job)}
    findings: list[list[Finding]] = [[] for _ in parts]
    for each in plan.findings:  # what does not concern a single machine concerns every shard
        for at in [owner[each.subject]] if each.subject in owner else range(len(parts)):
            findings[at].append(each)
    return tuple(
        replace(
            part_of(plan, jobs), plan_id=f"{plan.plan_id}.{at}", findings=tuple(findings[at]), rollout=alone,
            skipped=(), skipped_findings=(), digest=None,
        )
        for at, jobs in enumerate(parts)
    )  # fmt: skip


def _ids_of(job: PlannedJob) -> Iterable[str]:
    return (job.instance_id or "", *(disk.disk_id for disk in job.disks))


def digest_of_shards(digests: Iterable[str]) -> str:
    """Return one digest for the plans of all shards of a run: 64 hex digits."""
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def next_stage(
    rollout: Rollout, shards: Sequence[ShardProgress], confirmed_stage: int, now: datetime, *, cancelled: bool = False
) -> Stage:
    """Return which shards of a run to carry out now.

    Once no job may begin any more, all remaining shards are carried out: no job begins in any of them.

    Args:
        rollout: the rollout of the run.
        shards: the progress of each.
        confirmed_stage: the last stage that somebody confirmed; -1: none that has not begun.
        now: by the local clock.
        cancelled: whether the run was asked to end.

    """
    released = _release(rollout, shards, now)
    left = [each for each in shards if not each.ended]
    at_once = -(-rollout.max_parallel // SHARD_SIZE)
    if not left:
        return Stage(over=True)
    if released.closed or cancelled or confirmed_stage < 0:
        return Stage(tuple(each.number for each in left), at_once)
    outcomes, stage = _outcomes(shards), released.stage
    if stage > confirmed_stage and pauses_after(rollout, len(outcomes), stage - 1):
        return Stage(question=question(outcomes), number=stage, again_in=_ANSWER_POLL_INTERVAL)
    begins = accumulate((len(each.outcomes) for each in shards), initial=0)
    here = [each.number for each, at in zip(shards, begins, strict=False) if at < released.upto and not each.ended]
    return Stage(tuple(here), at_once, number=stage)


def why_none_begins(rollout: Rollout, shards: Sequence[ShardProgress], confirmed_stage: int, now: datetime) -> str:
    """Return why no further job of a run begins; ``""`` if they may.

    Args:
        rollout: the rollout of the run.
        shards: the progress of each.
        confirmed_stage: the last stage that somebody confirmed; -1: none that has not begun.
        now: by the local clock.

    """
    return _release(rollout, shards, now).closed or (NOT_CONFIRMED if confirmed_stage < 0 else "")


def _release(rollout: Rollout, shards: Sequence[ShardProgress], now: datetime) -> Release:
    return release(rollout, _outcomes(shards), now, sum(each.cannot_end_done for each in shards))


def _outcomes(shards: Sequence[ShardProgress]) -> list[Outcome | None]:
    by_done: dict[bool | None, Outcome | None] = {None: None, True: "done", False: "failed"}
    return [by_done[done] for each in shards for done in each.outcomes]
