"""The local runner: one loop over all open jobs, looks on one common tick, acts in a few threads.

The loop keeps looking while a call hangs, so that what the call did is seen even if its answer never comes.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from . import codes, record
from .act import Act
from .clock import Clock
from .cloud import Cloud, CloudError, NoCredentials, Refused
from .decide import decide
from .journal import JournalError, Lease, LeaseLostError
from .look import tick
from .model import Event, EventName, Failure, Observation, Plan, PlannedJob, Record, Send, Wait
from .model.codec import encode

TICK = 2.0
"""Cloud seconds between two looks."""
_ACT_THREADS = 8


@dataclass
class _Job:
    """One job while it is open, and the keeper of its record."""

    planned: PlannedJob
    record: Record
    position: int
    lease: Lease
    stop: threading.Event
    unwritten: bool = False
    """The journal could not be written: no wipe from here on, but the machine still comes back."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    call: Future[None] | None = None
    called: bool = False
    """Whether the last call was made, so that it is worth looking at once; a look that failed waits for its tick."""
    ended: bool = False
    said: object = None

    def keep(self, change: Callable[[Record], Record]) -> Record:
        """See ``act.Keeper``."""
        with self.lock:
            changed = change(self.record)
            try:
                self._write(changed)
            except JournalError as error:
                changed = change(self._unwritable(error))
            self.record = changed
            return changed

    def commit(self, change: Callable[[Record], Record]) -> Record:
        """See ``act.Keeper``."""
        with self.lock:  # whoever asks the run to end before this is written, is heard before the call
            changed = change(_interrupt(self.record) if self.stop.is_set() else self.record)
            try:
                self._write(changed)
            except JournalError as error:
                self.record = self._unwritable(error)
                raise
            self.record = changed
            return changed

    def _write(self, changed: Record) -> None:
        if self.unwritten:
            self.lease.check()
        elif changed != self.record:
            self.lease.save(self.position, encode(changed))

    def _unwritable(self, error: JournalError) -> Record:
        self.unwritten = True
        return record.fail(self.record, Failure(None, str(error), hint="The run is not recorded from here on."))

    def check(self) -> None:
        """See ``act.Keeper``."""
        self.lease.check()


@dataclass
class Runner:
    """Runs one confirmed plan to its end.

    Attributes:
        stop: set by somebody who wants the run to end: calls in flight end, machines come back, no wipe is sent.
        leave: set by somebody who cannot wait for that: the run is left as it stands.
        lease: the right to act for this run; every changed record is written through it before what follows is done.
        begun: the records to go on from, in the order of the plan.
        closed: the positions of jobs that came to their end before: nothing is looked at or called for them.
        wake: set to end the wait for the next tick.

    """

    cloud: Cloud
    clock: Clock
    plan: Plan
    run_id: str
    on_event: Callable[[Event], None]
    lease: Lease
    begun: Sequence[Record]
    closed: frozenset[int] = frozenset()
    stop: threading.Event = field(default_factory=threading.Event)
    leave: threading.Event = field(default_factory=threading.Event)
    wake: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._jobs = [
            _Job(planned, known, position, self.lease, self.stop, ended=position in self.closed)
            for position, (planned, known) in enumerate(zip(self.plan.jobs, self.begun, strict=True))
        ]

    @property
    def unfinished(self) -> list[int]:
        """The positions of jobs that have not come to their end."""
        return [job.position for job in self._jobs if not job.ended]

    @property
    def records(self) -> tuple[Record, ...]:
        """The records of the jobs as they stand, in the order of the plan."""
        return tuple(job.record for job in self._jobs)

    def __call__(self) -> None:
        """Run every job to its end.

        Raises:
            LeaseLostError: another process holds the run now; nothing more is called or written.
        """
        jobs = self._jobs
        threads = ThreadPoolExecutor(_ACT_THREADS, thread_name_prefix="safe-reinit-act")
        act = Act(self.cloud, self.clock, self.plan, self.run_id, self._tell_call)
        try:
            while (open_jobs := [job for job in jobs if not job.ended]) and not self.leave.is_set():
                self.lease.check()
                for job, seen in zip(open_jobs, self._look(open_jobs), strict=True):
                    self._step(job, seen, lambda job, send: threads.submit(self._act, act, job, send))
                self._rest(jobs)
        finally:
            threads.shutdown(wait=not self.leave.is_set(), cancel_futures=True)

    def _rest(self, jobs: Sequence[_Job]) -> None:
        """Wait for the next tick, or until a call has ended."""
        self.wake.clear()
        waiting = any(not job.ended for job in jobs) and not self.leave.is_set()
        if waiting and not any(job.called for job in jobs):
            self.clock.wait(self.wake, TICK)

    def _look(self, jobs: Sequence[_Job]) -> Sequence[Observation]:
        """Look at all open jobs at once; a look that fails is no look, and the next tick tries again."""
        snapshots = any(not job.record.touched for job in jobs)
        refused = None
        try:
            return tick(self.cloud, self.clock, [job.record for job in jobs], snapshots=snapshots)
        except NoCredentials:
            refused = "NoCredentials"
        except Refused as answer:
            refused = answer.code if codes.of_credentials(answer.code) else None
        except Exception:  # noqa: BLE001, S110 - also one that nobody foresaw: the machine must come back
            pass
        return [Observation(self.clock.time(), self.clock.now(), seen=False, credentials_refused=refused) for _ in jobs]

    def _step(self, job: _Job, seen: Observation, submit: Callable[[_Job, Send], Future[None]]) -> None:
        """Learn from a look at one job, and do what is decided."""
        known = self._learn(job, seen)
        if seen.seen:
            self._say(
                job,
                "state",
                {"instance": seen.instance.status if seen.instance else "", "disks": _statuses(seen)},
                once=True,
            )
        if job.call is not None and job.call.done():
            job.call, job.called = None, False
        action = decide(known, seen)
        if isinstance(action, Wait):
            self._tell("wait", job.planned.instance_id, None, _wait_data(action, known, seen))
        elif job.call is not None:
            return  # a call is being prepared on its thread; what it decides on its own look counts
        elif isinstance(action, Send):
            job.call = submit(job, action)
        else:
            job.ended = True
            data = {
                "outcome": record.outcome(known),
                "power": known.instance_status,
                "tag_left": record.leaves_tag(known, seen),
            }
            self._say(job, "done", data, once=True)

    def _learn(self, job: _Job, seen: Observation) -> Record:
        if self.stop.is_set():
            job.keep(_interrupt)
        return job.keep(lambda before: record.learn(before, seen))

    def _act(self, act: Act, job: _Job, send: Send) -> None:
        """Make one call on a thread of its own; what goes wrong before it is tried again on the next tick."""
        try:
            job.called = act(job.planned, job, send)
        except NoCredentials:
            self._blind(job, "NoCredentials")
        except CloudError as failed:  # the look before the call; the next tick decides anew
            if isinstance(failed, Refused) and codes.of_credentials(failed.code):
                self._blind(job, failed.code)
            job.keep(lambda before: record.stuck(before, self.clock.time()))
        except (JournalError, LeaseLostError):
            pass  # nothing was sent; the job has turned back, or the loop finds the lease lost
        except Exception as error:  # noqa: BLE001 - whatever it is, the machine must come back
            failure = Failure(None, f"An unexpected {type(error).__name__} ended the run.", hint="Please report this.")
            job.keep(lambda before: record.fail(_lose_asked(before, send, self.clock.time()), failure))
        if job.called:
            self.wake.set()

    def _blind(self, job: _Job, code: str) -> None:
        seen = Observation(self.clock.time(), self.clock.now(), seen=False, credentials_refused=code)
        job.keep(lambda before: record.learn(before, seen))

    def _say(self, job: _Job, event: EventName, data: Mapping[str, object], *, once: bool) -> None:
        """Tell of a state, but not twice in a row."""
        if once and job.said == (event, data):
            return
        job.said = (event, data)
        self._tell(event, job.planned.instance_id, None, data)

    def _tell_call(self, event: str, send: Send, data: dict[str, object]) -> None:
        disk = send.subject if send.of_disk else None
        instance = None if disk else send.subject
        name: EventName = "intend" if event == "intend" else "answer"
        self._tell(name, instance, disk, {"action": send.action, "force": send.force, **data})

    def _tell(self, event: EventName, instance: str | None, disk: str | None, data: Mapping[str, object]) -> None:
        """Tell whoever listens; a listener that fails is no reason to leave a machine stopped."""
        with contextlib.suppress(Exception):
            self.on_event(Event(self.clock.now(), self.run_id, event, instance, disk, data))


def _interrupt(before: Record) -> Record:
    """End a job early: what is wiped already goes on to its end; where nothing is left to wipe that is no failure."""
    if before.interrupted:
        return before
    changed = record.interrupt(before)
    if all(wipe.state != "todo" for wipe in before.disks):
        return changed
    hint = "Look at the machine with --dry-run before another try."
    return record.fail(changed, Failure(None, "The run was interrupted.", hint=hint))


def _lose_asked(before: Record, send: Send, at: float) -> Record:
    """Take the answer of a call that was intended as lost; where none was intended, nothing was sent."""
    return record.lost(before, send, at) if record.is_asked(before, send) else before


def _statuses(seen: Observation) -> dict[str, str]:
    return {disk_id: disk.status for disk_id, disk in seen.disks.items()}


def _wait_data(wait: Wait, known: Record, seen: Observation) -> dict[str, object]:
    return {
        "phase": wait.phase,
        "for": wait.what,
        "elapsed": round(seen.at - wait.since, 1),
        "limit": wait.limit,
        "instance": seen.instance.status if seen.instance else known.instance_status,
        "disks": _statuses(seen),
        "progress": [snapshot.progress for snapshot in seen.progressing]
        + [safety.progress for safety in known.snapshots if safety.step.state == "accepted"],
    }
