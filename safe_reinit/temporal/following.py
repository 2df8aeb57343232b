"""Having a run carried by Temporal, and following it in the journal: what people see is what a local run shows."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping
from typing import Any

from .. import report, shards
from ..clock import boottime
from ..errors import Error, RunRefused, UsageError
from ..execution.records import moment
from ..execution.session import Session
from ..journal import StoredRun
from ..model import Call, Event, Report, Rollout
from ..model.codec import decode
from ..plan import from_json
from .server import Server, queue_of, server_of
from .submit import Submitted, describe, look_again, submit

_READS = 1.0
"""Real seconds between two looks at the journal."""
_ASKS = 10.0
"""Real seconds between two questions how the workflow is getting on."""
_LATE = 200
"""So many events back are read again: of two that are written at once, the later one may be seen first."""
_ENDED = ("ended", "cancelled")
_CLOSED = ("failed", "terminated", "missing")


def reachable(settings: Mapping[str, Any]) -> Server:
    """Return the server that the settings name, once it has answered.

    Raises:
        UsageError: it cannot be used as it is set.
        RunRefused: it does not answer, or does not let us in.
    """
    server = server_of(settings)
    server.answers()
    return server


def followed(session: Session, settings: Mapping[str, Any], server: Server, run_id: str) -> Report:
    """Have a run of shards carried by Temporal, follow it to its end, and return its report.

    Whoever ends this asks the run to end in order. A process that is killed leaves it to the workers.

    Raises:
        RunRefused: the server does not answer; the run is in the journal, and can be resumed.
    """
    run = session.stored(run_id)
    digest = shards.digest_of(each.digest for each in session.journal.shards(run_id))
    queue = queue_of(settings, run.account, run.region)
    submitted = Submitted(run_id, digest, run.account, run.region, len(run.jobs))
    following = _Following(session, server, queue, run, submitted)
    try:
        workers = submit(server, queue, submitted)
    except Error as error:
        hint = f"{error.hint} Run {run_id} is written down, and nothing of it is begun: safe-reinit resume {run_id}."
        raise following.refused(RunRefused(str(error), hint=hint)) from None
    session.interrupt.say(f"Run {run_id} is carried by Temporal ({server.address}), task queue {queue}.")
    if not workers:
        following.check()
    with session.interrupt.ending(following, following.report, lambda _by: None):
        following()
    return following.report()


class _Following:
    """Follows one run.

    Attributes:
        stop: set by somebody who wants the run to end in order.
        leave: set by somebody who waits no longer; the run goes on.
        wake: set to end the wait for the next look.

    """

    def __init__(self, session: Session, server: Server, queue: str, run: StoredRun, submitted: Submitted) -> None:
        self.stop, self.leave, self.wake = threading.Event(), threading.Event(), threading.Event()
        self._session = session
        self._server, self._queue = server, queue
        self._submitted = submitted
        self._run_id = run.run_id
        self._rollout = decode(Rollout, run.plan["rollout"])
        self._seen = {number for number, _ in session.journal.events_after(run.run_id, 0)}  # of before
        self._asked_at = boottime()
        self._said = ""
        self._cancelled = False
        self._lost: RunRefused | None = None
        """Why nobody carries the run any more, where that is so."""

    def __call__(self) -> None:
        """Follow it to its end."""
        while not self.leave.is_set() and self._lost is None:
            try:
                if self._has_ended():
                    return
            except UsageError as error:  # workers wait for it, too, and bring their machines back without it
                self._say(f"{error} The run is followed again once the journal can be read.")
            self.wake.wait(_READS)
            self.wake.clear()

    def _has_ended(self) -> bool:
        """Tell what is new of it, ask and pass on what has to be, and return whether it has ended."""
        ended = self._run().ended_at is not None  # read before its events: none comes after
        self._tell_events()
        if ended:
            return True
        if self.stop.is_set():
            self._cancel()
        else:
            self._ask_whether_to_go_on()
        if boottime() - self._asked_at >= _ASKS:
            self.check()
        return False

    def report(self) -> Report:
        """Return its report; of one that has not ended, as it stands."""
        run = self._session.stored(self._run_id)
        if run.report is not None and run.ended_at is not None:
            return decode(Report, run.report)
        plan, states = from_json(run.plan), [each.state for each in run.jobs]
        begun, calls = report.started(moment(run.started_at)), self._session.calls_of(self._run_id)
        told = report.of_run(begun, self._session.clock.now(), plan, states, calls, run_id=self._run_id)
        on = f"See how it ends: safe-reinit show {self._run_id}; to follow it again: safe-reinit resume {self._run_id}."
        return report.of_bug(told, self._lost or RunRefused(f"Run {self._run_id} goes on.", hint=on))

    def refused(self, error: RunRefused) -> RunRefused:
        """Have an error tell of the run, of which nothing is begun."""
        self._lost = error
        error.report = self.report()
        return error

    def check(self) -> None:
        """Say, once, what keeps the run from being carried; note it where nobody will carry it any more."""
        self._asked_at = boottime()
        try:
            carried = describe(self._server, self._queue, self._run_id)
            if carried.status in _ENDED and self._run().ended_at is None:  # it ended as this run was resumed
                submit(self._server, self._queue, self._submitted)
        except Error as error:  # the workers go on with what they have
            self._say(f"{error} What workers carry goes on.")
            return
        self._say(f"{carried.says} {carried.hint}".strip())
        holder = self._run().holder
        if carried.status in _CLOSED and not (holder and holder.alive):
            self._lost = RunRefused(carried.says, hint=carried.hint)

    def _say(self, text: str) -> None:
        if text not in ("", self._said):
            self._session.interrupt.say(text)
        self._said = text

    def _run(self) -> StoredRun:
        return self._session.stored(self._run_id, jobs=False)

    def _tell_events(self) -> None:
        after = max(self._seen, default=0) - _LATE
        for number, event in self._session.journal.events_after(self._run_id, after):
            if number not in self._seen:
                self._seen.add(number)
                self._tell(event)
        self._seen = {number for number in self._seen if number > after}

    def _tell(self, event: Mapping[str, Any]) -> None:
        if event["event"] in ("look", "call"):
            self._session.on_call(decode(Call, event["data"]))
        else:
            told = {name: each for name, each in event.items() if name not in ("schema", "at")}
            self._session.on_event(Event(moment(event["at"]), **told))

    def _cancel(self) -> None:
        if not self._cancelled:
            with contextlib.suppress(RunRefused):  # it has just ended
                self._session.journal.cancel(self._run_id)
            self._cancelled = True
            self._wake_workflow()

    def _ask_whether_to_go_on(self) -> None:
        if self._rollout.pause not in ("canary", "wave"):  # nobody is asked, and how all jobs are need not be read
            return
        journal, now = self._session.journal, self._session.clock.now()
        stage = shards.next_stage(self._rollout, journal.shards(self._run_id), journal.agreed(self._run_id), now)
        if stage.question:
            journal.agree(self._run_id, stage.number if self._session.go_on(stage.question) else -1)
            self._wake_workflow()

    def _wake_workflow(self) -> None:
        with contextlib.suppress(Error):  # the next check says what is wrong
            look_again(self._server, self._run_id)
