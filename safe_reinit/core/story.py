"""What the events of a run say: the data of a state, of a wait and of the end of a job."""

from __future__ import annotations

from ..model import JobState, Observation, Wait
from ..model.told import ending
from .snapshots import leaves_tag
from .state import is_pending, outcome


def statuses(observation: Observation) -> dict[str, str]:
    """Return the status of each disk that is shown."""
    return {disk_id: disk.status for disk_id, disk in observation.disks.items()}


def shown_disks(job: JobState, observation: Observation) -> dict[str, str]:
    """Return the status of each disk as last shown, where this observation did not ask for them."""
    return statuses(observation) if observation.disks_asked else {wipe.disk_id: wipe.shown for wipe in job.disks}


def done_data(job: JobState, observation: Observation | None) -> dict[str, object]:
    """Return the data of the event of a job that has ended."""
    came_to = outcome(job)
    failure = job.error if came_to != "done" else None
    tag_left = observation is not None and leaves_tag(job, observation)
    data = {wipe.disk_id: wipe.data for wipe in job.disks}
    return ending(came_to, job.instance_status, failure, data, owed=is_pending(job), tag_left=tag_left)


def wait_data(wait: Wait, job: JobState, observation: Observation, why: str = "") -> dict[str, object]:
    """Return the data of the event of a wait; ``why`` says what keeps the job from going on, where that is known."""
    return {
        "phase": wait.phase,
        "for": wait.what,
        "elapsed": round(max(0.0, observation.at - wait.since), 1),  # it may have been asked for before the answer came
        "limit": wait.limit,
        "why": why,
        "seen": observation.seen,
        "instance": observation.instance.status if observation.instance else job.instance_status,
        "disks": shown_disks(job, observation),
        "progress": [snapshot.progress for snapshot in observation.progressing]
        + [safety.progress for safety in job.snapshots if safety.step.state == "accepted"],
    }
