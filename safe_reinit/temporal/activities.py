"""What a worker does for a workflow. Threads are never interrupted, and all an activity knows is in the journal."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from .. import logs
from ..error_mapping import unexpected
from ..errors import Error, RunRefused, UsageError
from ..execution.shards import Shards
from ..model import Stage
from .workflow import BEGIN, CANCEL, CARRY, NEXT_STAGE, CarryRequest

Begin = Callable[[str, str], str]
"""Begins the run that the configuration has under a name, for the time in RFC 3339 that it was due; returns its id."""


class Activities:
    """The activities of one worker.

    None of them asks whether it was cancelled: Temporal also says so if the workflow was terminated, a heartbeat came
    late or the worker ends. The lease says who may continue a shard, and the journal who must end it.

    Attributes:
        hand_over: once set, this worker stops working on its shards, and another one takes them over.
    """

    def __init__(self, shards: Shards, begin: Begin) -> None:
        self.hand_over = threading.Event()
        self._shards, self._begin = shards, begin

    @activity.defn(name=NEXT_STAGE, no_thread_cancel_exception=True)
    def next_stage(self, request: CarryRequest) -> Stage:
        """Return what to carry out next."""
        with _failures(f"{request.run_id}, {NEXT_STAGE}"):
            return self._shards.next_stage(request.run_id, request.digest)

    @activity.defn(name=CARRY, no_thread_cancel_exception=True)
    def carry(self, request: CarryRequest, shard: int) -> None:
        """Carry out a shard to its end."""
        with _failures(f"{request.run_id}, shard {shard}"):
            ended = self._shards.carry(request.run_id, shard, request.digest, _heartbeat(), self.hand_over)
        if not ended:
            raise ApplicationError(
                "The worker is stopping and has released the shard: another worker takes it over.", type="handed-over",
                category=ApplicationErrorCategory.BENIGN,
            )  # fmt: skip

    @activity.defn(name=CANCEL, no_thread_cancel_exception=True)
    def cancel(self, request: CarryRequest) -> None:
        """Ask a run to end."""
        with _failures(f"{request.run_id}, {CANCEL}"):
            self._shards.cancel(request.run_id)

    @activity.defn(name=BEGIN, no_thread_cancel_exception=True)
    def begin(self, name: str, due: str) -> str:
        """Begin a run."""
        with _failures(f"scheduled run {name!r}"):
            return self._begin(name, due)


def _heartbeat() -> Callable[[], None]:
    """Return a function that sends a heartbeat of this activity, from any thread."""
    context = contextvars.copy_context()
    return lambda: context.copy().run(activity.heartbeat)


@contextmanager
def _failures(what: str) -> Iterator[None]:
    """Report to the server and the log only what a person may read about a failure."""
    try:
        yield
    except Exception as failed:  # noqa: BLE001 - its text may hold what must not leave this host
        error = failed if isinstance(failed, Error) else unexpected(failed)
        logs.worker(f"{what}: {error} {error.hint}".rstrip())
        # A setting or journal that cannot be used may be so only now, or only for this worker; a refusal applies to
        # all.
        refused = isinstance(error, RunRefused) and not isinstance(error, UsageError)
        raise ApplicationError(str(error), error.hint, type=error.outcome, non_retryable=refused) from None
