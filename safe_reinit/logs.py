"""What goes to Python's standard logging, for programs that use the library: one logger for each part.

    safe_reinit.plan      a plan that was made, and its findings
    safe_reinit.run       what a run intends, the answers, new states, and how it ends
    safe_reinit.calls     every HTTP exchange
    safe_reinit.retry     a read that failed and is repeated
    safe_reinit.journal   a lease that could not be renewed, or was lost; a journal that is lost with its container
    safe_reinit.worker    what a worker could not do: a step or a shard that failed, a replaced key that is refused

No handler is installed. A line has ids, codes and RequestIds, and no text of ECS, of the SDK or of a person.
"""

from __future__ import annotations

import contextlib
import logging

from .model import AnswerEvent, Call, DoneEvent, Event, IntendEvent, Plan, StateEvent, WaitEvent

_all = logging.getLogger("safe_reinit")
_all.addHandler(logging.NullHandler())  # otherwise Python would print problems where nobody asked for them
_plan = _all.getChild("plan")
_run = _all.getChild("run")
_calls = _all.getChild("calls")
_retry = _all.getChild("retry")
_journal = _all.getChild("journal")
_worker = _all.getChild("worker")


def _log(logger: logging.Logger, level: int, text: str, *values: object) -> None:
    """Write one line; a handler or filter of the program that fails does not make an answer look lost."""
    with contextlib.suppress(Exception):
        logger.log(level, text, *values)


def plan(made: Plan) -> None:
    """INFO: a plan was made. A block or a risk is INFO too, every other finding DEBUG."""
    disks = sum(len(job.disks) for job in made.jobs)
    can = "can run" if made.runnable else "cannot run"
    _log(
        _plan, logging.INFO, "plan %s of %d disks on %d instances %s", made.fingerprint[:8], disks, len(made.jobs), can
    )
    for finding in made.findings:
        level = logging.DEBUG if finding.level == "info" else logging.INFO
        _log(_plan, level, "%s %s: %s", finding.level, finding.check, finding.subject)


def call(call: Call) -> None:
    """DEBUG: a read, or a call with DryRun. INFO: a changing call that was accepted. WARNING: one that was not."""
    reads = call.dry_run or call.only_reads
    level = logging.DEBUG if reads else logging.INFO if call.code == "OK" else logging.WARNING
    name = f"{call.action} (DryRun)" if call.dry_run else call.action
    _log(
        _calls, level, "%s %s: %s, HTTP %s, attempt %d, RequestId %s", name, " ".join(call.subject), call.code,
        call.http_status, call.attempt, call.request_id,
    )  # fmt: skip


def again(action: str, seconds: float) -> None:
    """INFO: a read failed temporarily, and is repeated after a wait."""
    _log(_retry, logging.INFO, "%s is repeated in %.1f s", action or "an observation", seconds)


def event(event: Event) -> None:
    """INFO: an intention, an answer, a new state, an end that is done. WARNING: any other end. DEBUG: a wait."""
    level, what, code = logging.INFO, "", ""
    match event:
        case DoneEvent(data=done):
            level, what = logging.INFO if done["outcome"] == "done" else logging.WARNING, done["outcome"]
        case WaitEvent(data=wait):
            level, what = logging.DEBUG, wait["phase"]
        case StateEvent(data=state):
            what = state["instance"]
        case IntendEvent(data=intended):
            what = intended["action"]
        case AnswerEvent(data=answered):
            what, code = answered["action"], f" {answered['code']}"
    subject = event.disk_id or event.instance_id or ""
    _log(_run, level, "%s %s %s: %s%s", event.run_id, event.event, subject, what, code)


def lease(run_id: str, message: str) -> None:
    """WARNING: the lease of a run could not be renewed, or was lost."""
    _log(_journal, logging.WARNING, "%s: %s", run_id, message)


def journal(message: str) -> None:
    """WARNING: the journal is in a place where it may be lost."""
    _log(_journal, logging.WARNING, "%s", message)


def worker(message: str) -> None:
    """WARNING: a worker could not do something, and continues."""
    _log(_worker, logging.WARNING, "%s", message)
