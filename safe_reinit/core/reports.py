"""The events of a run for people and machines: collected during a step, and reported once the states are written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from ..model import Command, DoneData, EventName, Failure, JobState, Observation, StateData, Wait, WaitData
from ..model.events import done_data
from .decide import decide
from .freshness import is_slow, slowly
from .inputs import Attempt, Emit
from .jobs import Job
from .snapshots import leaves_tag
from .state import is_pending, outcome
from .waits import awaited, next_limit


class Reports:
    """Collects events.

    Args:
        rate: the cloud seconds in a real second.

    """

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._gathered: list[Emit] = []

    def taken(self) -> list[Emit]:
        """Return, once, what was collected."""
        gathered, self._gathered = self._gathered, []
        return gathered

    def state(self, job: Job, observation: Observation) -> None:
        """Report what an observation shows of a job, but not twice in a row."""
        if observation.answered:
            shown = observation.instance.status if observation.instance else ""
            status = shown if observation.instance_requested else job.state.instance_status
            data: StateData = {"instance": status, "disks": _disk_statuses(job.state, observation)}
            if job.reported != data:
                job.reported = data
                self._emit("state", job.state.instance_id, None, data)

    def done(self, job: Job, observation: Observation | None) -> None:
        """Report the end of a job."""
        self._emit("done", job.state.instance_id, None, _done_data(job.state, observation))

    def wait(self, job: Job, wait: Wait, observation: Observation, why: str = "") -> None:
        """Report what a job waits for, and why, if that is known."""
        why = observation.why or why or (slowly(observation) if is_slow(observation, self._rate) else "")
        if not why and job.state.error is not None:  # from then on it waits only for the power
            why = job.state.error.message.rstrip(".")
        self._wait(job, wait, observation, observation.at, why)

    def answered(self, job: Job, attempt: Attempt, answer: Mapping[str, object], at: float) -> None:
        """Report the answer to a call, and what its job waits for from then on."""
        self.call("answer", attempt.command, answer)
        action = decide(job.state, attempt.observation)
        if isinstance(action, Wait):
            outdated = replace(attempt.observation, answered=False, instance=None, disks_requested=False)
            self._wait(job, action, outdated, at)

    def late(self, jobs: Iterable[Job], at: float) -> None:
        """Report for each wait that ECS has not answered yet, so that nobody takes the last report for the present."""
        for job in jobs:
            if job.reported_wait is not None:
                data, reported_at = job.reported_wait
                elapsed = round(data["elapsed"] + at - reported_at, 1)
                more = {"elapsed": elapsed, "why": "ECS has not answered yet"}
                self._emit("wait", job.state.instance_id, None, {**data, **more})

    def _wait(self, job: Job, wait: Wait, observation: Observation, at: float, why: str = "") -> None:
        data = _wait_data(wait, job.state, observation, at, why)
        job.reported_wait = data, at
        self._emit("wait", job.state.instance_id, None, data)

    def call(self, event: EventName, command: Command, data: Mapping[str, object]) -> None:
        """Report a call: its intention, or its answer."""
        disk = command.subject if command.of_disk else None
        instance = None if disk else command.subject
        self._emit(event, instance, disk, {"action": command.action, "force": command.force, **data})

    def _emit(self, event: EventName, instance_id: str | None, disk_id: str | None, data: Mapping[str, object]) -> None:
        self._gathered.append(Emit(event, instance_id, disk_id, data))


def waited_for(run_id: str, failure: Failure, jobs: Iterable[Job], seconds: float) -> str:
    """Return what people must know as soon as the journal cannot be written."""
    return (
        f"{failure.message} Until the journal can be written again, run {run_id} stops, wipes and starts nothing. It "
        f"waits at most {seconds:.0f} s (journal_outage). {_not_back(jobs)}".rstrip()
    )


def written_again(run_id: str) -> str:
    """Return what people must know once the journal can be written again."""
    return f"The journal can be written again: run {run_id} continues."


def unrecorded(run_id: str, failure: Failure, jobs: Iterable[Job]) -> str:
    """Return what people must know once the run stops waiting for the journal: what it does next."""
    return (
        f"{failure.message} Run {run_id} stops and wipes nothing more. It starts the machines that it stopped, unless "
        f"the outcome of a wipe is in doubt. {_not_back(jobs)}"
        "Keep this output: what happens from now on may be missing from the journal."
    )


def _not_back(jobs: Iterable[Job]) -> str:
    touched = [job.state.instance_id for job in jobs if job.state.touched and not job.ended]
    return f"Machines that are not back yet: {', '.join(touched)}. " if touched else ""


def _disk_statuses(job: JobState, observation: Observation) -> dict[str, str]:
    """Return the status of each disk: as last shown, if this observation did not ask for it."""
    if not observation.disks_requested:
        return {wipe.disk_id: wipe.observed_status for wipe in job.disks}
    return {disk_id: disk.status for disk_id, disk in observation.disks.items()}


def _done_data(job: JobState, observation: Observation | None) -> DoneData:
    """Return the data of the event for a job that has ended."""
    came_to = outcome(job)
    failure = job.error if came_to != "done" else None
    tag_left = observation is not None and leaves_tag(job, observation)
    data = {wipe.disk_id: wipe.data for wipe in job.disks}
    return done_data(came_to, job.instance_status, failure, data, pending=is_pending(job), tag_left=tag_left)


def _wait_data(wait: Wait, job: JobState, observation: Observation, at: float, why: str) -> WaitData:
    """Return the data of the event for a wait; ``why`` says what holds the job up, if that is known."""
    most = next_limit(wait, job, observation)
    return {
        "phase": wait.phase,
        "for": awaited(wait, job),
        "elapsed": round(max(0.0, at - (most.since if most else wait.since)), 1),  # it may be older than the answer
        "limit": round(most.seconds, 1) if most else 0.0,
        "limit_of": most.of if most else None,
        "why": why,
        "seen": observation.answered,
        "instance": observation.instance.status if observation.instance else job.instance_status,
        "disks": _disk_statuses(job, observation),
        "progress": [snapshot.progress for snapshot in observation.progressing]
        + [safety.progress for safety in job.snapshots if safety.step.state == "accepted"],
    }
