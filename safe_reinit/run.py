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
from .act import Act, Errand
from .clock import Clock
from .cloud import Cloud, CloudError, NoCredentials, Refused
from .decide import decide
from .gate import Gate, Job
from .journal import JournalError, Lease, LeaseLostError
from .ledger import Ledger
from .look import tick
from .model import ActName, Event, EventName, Failure, Observation, Plan, Record, Send, Wait
from .pace import Pace

TICK = 2.0
"""Cloud seconds between two looks."""
_ACT_THREADS = 8
_BATCH: Mapping[ActName, int] = {"StopInstance": 50, "StartInstance": 50}


@dataclass
class Runner:
    """Runs one confirmed plan to its end.

    Attributes:
        stop: set by somebody who wants the run to end: calls in flight end, machines come back, no wipe is sent.
        leave: set by somebody who cannot wait for that: the run is left as it stands.
        lease: the right to act for this run; every changed record is written through it before what follows is done.
        begun: the records to go on from, in the order of the plan.
        closed: the positions of jobs that came to their end before: nothing is looked at or called for them.
        pace: how many calls may be made.
        ask: asks whether to go on with the next stage of a rollout; told what has ended.
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
    pace: Pace | None = None
    ask: Callable[[str], bool] = lambda _: True
    stop: threading.Event = field(default_factory=threading.Event)
    leave: threading.Event = field(default_factory=threading.Event)
    wake: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._jobs = [
            Job(position, planned, known, ended=position in self.closed)
            for position, (planned, known) in enumerate(zip(self.plan.jobs, self.begun, strict=True))
        ]
        self._ledger = Ledger(self.lease, self.stop)
        self._gate = Gate(self.plan.rollout, self._jobs, self.clock, self.pace or Pace(self.clock), self.ask)

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
        threads = ThreadPoolExecutor(_ACT_THREADS, thread_name_prefix="safe-reinit-act")
        act = Act(self.cloud, self.clock, self.plan, self.run_id, self._ledger, self._tell_call)
        try:
            while any(not job.ended for job in self._jobs) and not self.leave.is_set():
                self.lease.check()
                self._begin()
                self._round(lambda batch: threads.submit(self._act, act, batch))
                self._rest()
        finally:
            threads.shutdown(wait=not self.leave.is_set(), cancel_futures=True)

    def _begin(self) -> None:
        """Let more jobs begin, or end those that never will."""
        closed = "" if self.stop.is_set() else self._gate.open()
        if not closed and not self.stop.is_set():
            return
        failure = Failure(None, f"Not begun: {closed}.", hint="Plan these disks anew when you want them wiped.")
        ending = record.interrupt if self.stop.is_set() else lambda before: record.fail(before, failure)
        never = [job for job in self._jobs if not job.begun and not job.ended]
        self._ledger.keep([(job, ending) for job in never])
        for job in never:
            self._end(job)

    def _round(self, submit: Callable[[Sequence[Errand]], Future[None]]) -> None:
        """Look at the jobs that are due, learn, and do what is decided."""
        due = self._gate.due()
        looks = self._look(due)
        if self.stop.is_set():
            self._ledger.keep([(job, record.interrupt) for job in due])
        self._ledger.keep([(job, _learning(seen)) for job, seen in zip(due, looks, strict=True)])
        decided = [(job, self._step(job, seen)) for job, seen in zip(due, looks, strict=True)]
        errands = [Errand(job, send) for job, send in decided if send is not None]
        for batch in _batches(self._gate.paced(errands), self._gate.most):
            call = submit(batch)
            for errand in batch:
                self._gate.calls(errand, call)

    def _rest(self) -> None:
        """Wait for the next tick, or until a call has ended."""
        self.wake.clear()
        waiting = any(not job.ended for job in self._jobs) and not self.leave.is_set()
        if waiting and not self._gate.in_a_hurry():
            self.clock.wait(self.wake, TICK)

    def _look(self, jobs: Sequence[Job]) -> Sequence[Observation]:
        """Look at these jobs at once; a look that fails is no look, and the next tick tries again."""
        if not jobs:
            return ()
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

    def _step(self, job: Job, seen: Observation) -> Send | None:
        """Tell of a look at one job, and give the call that is decided."""
        known = job.record
        if seen.seen:
            status = seen.instance.status if seen.instance else ""
            self._say(job, "state", {"instance": status, "disks": _statuses(seen)})
        action = decide(known, seen)
        self._gate.looked(job, seen, action)
        if isinstance(action, Wait):
            self._tell("wait", job.job.instance_id, None, _wait_data(action, known, seen))
        elif job.call is not None:
            return None  # a call is being prepared on its thread; what it decides on its own look counts
        elif isinstance(action, Send):
            return action
        else:
            self._end(job, seen)
        return None

    def _end(self, job: Job, seen: Observation | None = None) -> None:
        job.ended = True
        known = job.record
        left = seen is not None and record.leaves_tag(known, seen)
        outcome, error = record.outcome(known), known.error
        why = {"code": error.code, "message": error.message} if error and outcome != "done" else {}
        self._say(job, "done", {"outcome": outcome, "power": known.instance_status, "tag_left": left, **why})

    def _act(self, act: Act, batch: Sequence[Errand]) -> None:
        """Make calls on a thread of their own; what goes wrong before them is tried again on the next tick."""
        try:
            made = act(batch)
            self._gate.called(batch, made)
            if made.calls:
                self.wake.set()
        except NoCredentials:
            self._blind(batch, "NoCredentials")
        except CloudError as failed:  # the look before the call; the next tick decides anew
            if isinstance(failed, Refused) and codes.of_credentials(failed.code):
                self._blind(batch, failed.code)
            at = self.clock.time()
            self._ledger.keep([(errand.entry, lambda before: record.stuck(before, at)) for errand in batch])
        except (JournalError, LeaseLostError):
            pass  # nothing was sent; the jobs have turned back, or the loop finds the lease lost
        except Exception as error:  # noqa: BLE001 - whatever it is, the machines must come back
            failure = Failure(None, f"An unexpected {type(error).__name__} ended the run.", hint="Please report this.")
            at = self.clock.time()
            self._ledger.keep([(errand.entry, _losing(errand.send, at, failure)) for errand in batch])

    def _blind(self, batch: Sequence[Errand], code: str) -> None:
        seen = Observation(self.clock.time(), self.clock.now(), seen=False, credentials_refused=code)
        self._ledger.keep([(errand.entry, _learning(seen)) for errand in batch])

    def _say(self, job: Job, event: EventName, data: Mapping[str, object]) -> None:
        """Tell of a state, but not twice in a row."""
        if job.said == (event, data):
            return
        job.said = (event, data)
        self._tell(event, job.job.instance_id, None, data)

    def _tell_call(self, event: str, send: Send, data: dict[str, object]) -> None:
        disk = send.subject if send.of_disk else None
        instance = None if disk else send.subject
        name: EventName = "intend" if event == "intend" else "answer"
        self._tell(name, instance, disk, {"action": send.action, "force": send.force, **data})

    def _tell(self, event: EventName, instance: str | None, disk: str | None, data: Mapping[str, object]) -> None:
        """Tell whoever listens; a listener that fails is no reason to leave a machine stopped."""
        with contextlib.suppress(Exception):
            self.on_event(Event(self.clock.now(), self.run_id, event, instance, disk, data))


def _batches(errands: Sequence[Errand], most: int) -> list[list[Errand]]:
    """Put calls of one kind together, as many as one look can serve: ``most`` where ECS takes one a call."""
    kinds: dict[tuple[object, ...], list[Errand]] = {}
    for errand in errands:
        alone = errand.entry.position if errand.entry.alone else None
        kinds.setdefault((errand.send.action, errand.send.force, alone), []).append(errand)
    batches = []
    for kind in kinds.values():
        size = _BATCH.get(kind[0].send.action, most)
        batches += [kind[start : start + size] for start in range(0, len(kind), size)]
    return batches


def _learning(seen: Observation) -> Callable[[Record], Record]:
    return lambda before: record.learn(before, seen)


def _losing(send: Send, at: float, failure: Failure) -> Callable[[Record], Record]:
    """Take the answer of a call that was intended as lost; where none was intended, nothing was sent."""

    def lose(before: Record) -> Record:
        asked = record.is_asked(before, send)
        return record.fail(record.lost(before, send, at) if asked else before, failure)

    return lose


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
