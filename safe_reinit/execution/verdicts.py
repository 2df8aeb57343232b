"""A person's verdict on disks whose outcome is unknown, checked against what the run itself has observed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from ..core import resuming
from ..errors import RunRefused
from ..journal import StoredRun
from ..model import JobState


def open_states(stored: StoredRun) -> list[JobState]:
    """Return the states of the open jobs of a run."""
    return [each.state for each in stored.jobs if each.open]


def refuse_ended(stored: StoredRun) -> None:
    """Refuse a run that has ended.

    Raises:
        RunRefused: it has no open job.
    """
    if not stored.open:
        raise RunRefused(
            f"Run {stored.run_id} has ended: {stored.outcome}.",
            hint=f"Nothing was changed. See safe-reinit show {stored.run_id}.",
        )


def refuse_verdict(stored: StoredRun, verdict: resuming.Verdict | Literal["wipe-again"]) -> None:
    """Refuse a verdict on disks that no report asked about, or one that contradicts what the run observed.

    Raises:
        RunRefused: no disk is in doubt, no report names one that is (its process was killed, say), or ECS accepted
            every wipe that is said not to have happened.
    """
    run_id = stored.run_id
    doubtful = [wipe for each in open_states(stored) for wipe in each.disks if wipe.in_doubt]
    if not doubtful:
        raise RunRefused(
            f"No disk of run {run_id} has an unknown outcome, so --verdict {verdict} does not apply.",
            hint=f"Nothing was changed; to continue the run: safe-reinit resume {run_id}.",
        )
    reported = {disk["disk_id"] for job in (stored.report or {"jobs": []})["jobs"] for disk in _doubted(job)}
    if unwritten_events := ", ".join(wipe.disk_id for wipe in doubtful if wipe.disk_id not in reported):
        raise RunRefused(
            f"Run {run_id} has not reported the outcome of {unwritten_events} yet, so --verdict does not apply.",
            hint=f"Nothing was changed; see what ECS shows first: safe-reinit resume {run_id}.",
        )
    if verdict == "intact" and not any(resuming.may_be_intact(wipe) for wipe in doubtful):
        begun = ", ".join(wipe.disk_id for wipe in doubtful)
        raise RunRefused(
            f"ECS accepted the wipe of {begun}, or showed it in progress, so the data cannot be intact.",
            hint=f"Nothing was changed; see how it ends with: safe-reinit resume {run_id}.",
        )


def _doubted(job: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the disks that the report of a job calls unknown."""
    return [disk for disk in job["disks"] if disk["data"] == "unknown"]
