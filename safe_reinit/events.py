"""What the events of a run say: the data of a state, of a wait and of the end of a job."""

from __future__ import annotations

from . import record
from .model import Observation, Record, Wait
from .model.told import ending


def statuses(seen: Observation) -> dict[str, str]:
    """Give the status of each disk that is shown."""
    return {disk_id: disk.status for disk_id, disk in seen.disks.items()}


def done_data(known: Record, seen: Observation | None) -> dict[str, object]:
    """Give what is told of a job that has come to its end."""
    outcome = record.outcome(known)
    failure = known.error if outcome != "done" else None
    tag_left = seen is not None and record.leaves_tag(known, seen)
    data = {wipe.disk_id: wipe.data for wipe in known.disks}
    return ending(outcome, known.instance_status, failure, data, owed=record.is_owed(known), tag_left=tag_left)


def wait_data(wait: Wait, known: Record, seen: Observation, why: str = "") -> dict[str, object]:
    """Give what is told of a wait; ``why`` says what keeps it from going on, where that is known."""
    return {
        "phase": wait.phase,
        "for": wait.what,
        "elapsed": round(max(0.0, seen.at - wait.since), 1),  # a look that was asked for before the answer came
        "limit": wait.limit,
        "why": why,
        "seen": seen.seen,
        "instance": seen.instance.status if seen.instance else known.instance_status,
        "disks": statuses(seen),
        "progress": [snapshot.progress for snapshot in seen.progressing]
        + [safety.progress for safety in known.snapshots if safety.step.state == "accepted"],
    }
