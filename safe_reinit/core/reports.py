"""The events of a run that people and machines read: gathered in a step, and reported once the states are written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..model import Command, EventName, Failure, Observation, Wait
from .freshness import is_slow, slowly
from .inputs import Emit
from .scheduler import Job
from .story import done_data, shown_disks, statuses, wait_data


class Reports:
    """Gathers events.

    Args:
        rate: the cloud seconds in a real one.

    """

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._gathered: list[Emit] = []

    def taken(self) -> list[Emit]:
        """Return what was gathered, once."""
        gathered, self._gathered = self._gathered, []
        return gathered

    def state(self, job: Job, observation: Observation) -> None:
        """Report what an observation shows of a job, but not twice in a row."""
        if not observation.seen:
            return
        if observation.instance_asked:
            status = observation.instance.status if observation.instance else ""
            self._once(job, "state", {"instance": status, "disks": shown_disks(job.state, observation)})
        else:
            self._once(job, "state", {"instance": job.state.instance_status, "disks": statuses(observation)})

    def done(self, job: Job, observation: Observation | None) -> None:
        """Report the end of a job."""
        self._once(job, "done", done_data(job.state, observation))

    def wait(self, job: Job, wait: Wait, observation: Observation, why: str = "") -> None:
        """Report for what a job waits, and why where that is known."""
        why = observation.why or why or (slowly(observation) if is_slow(observation, self._rate) else "")
        if not why and job.state.error is not None:  # from then on only the power is waited for
            why = job.state.error.message.rstrip(".")
        job.reported_wait = wait_data(wait, job.state, observation, why)
        self._emit("wait", job.state.instance_id, None, job.reported_wait)

    def late(self, jobs: Iterable[Job]) -> None:
        """Report of each wait that ECS has not answered yet, so that nobody takes the last report for the present."""
        for job in jobs:
            if job.reported_wait is not None:
                data = {**job.reported_wait, "why": "ECS has not answered yet"}
                self._emit("wait", job.state.instance_id, None, data)

    def call(self, event: EventName, command: Command, data: Mapping[str, object]) -> None:
        """Report the intention of a call, or its answer."""
        disk = command.subject if command.of_disk else None
        instance = None if disk else command.subject
        self._emit(event, instance, disk, {"action": command.action, "force": command.force, **data})

    def _once(self, job: Job, event: EventName, data: Mapping[str, object]) -> None:
        if job.reported != (event, data):
            job.reported = (event, data)
            self._emit(event, job.state.instance_id, None, data)

    def _emit(self, event: EventName, instance: str | None, disk: str | None, data: Mapping[str, object]) -> None:
        self._gathered.append(Emit(event, instance, disk, data))


def unrecorded(run_id: str, failure: Failure, jobs: Iterable[Job]) -> str:
    """Say that the journal cannot be written any more, and what becomes of the machines."""
    touched = [job.state.instance_id for job in jobs if job.state.touched and not job.ended]
    machines = f"Machines that are not back yet: {', '.join(touched)}. " if touched else ""
    return (
        f"{failure.message} Run {run_id} stops and wipes nothing more, and starts the machines that it stopped unless "
        f"the outcome of a wipe is in doubt. {machines}"
        "What happens from here on may be recorded nowhere else: keep this output."
    )
