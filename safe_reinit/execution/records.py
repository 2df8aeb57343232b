"""What the journal has of a run at its beginning and of each call, and when it allows a call to be sent."""

from __future__ import annotations

from datetime import datetime

from ..core import state
from ..journal import JournalError, Lease, LeaseLostError, Spool
from ..model import Call, CallEvent, JobState, OnUnknown, Plan, ReadEvent, error_codes
from ..model.codec import members, to_moment


def may_send(lease: Lease, action: str) -> str:
    """Return why a changing call may not be sent (any more), immediately before its first byte.

    A call that brings a machine back is sent as long as nobody else has the run, even while the journal is unavailable.
    """
    try:
        held = lease.check()
    except LeaseLostError:
        return f"this process no longer holds run {lease.run_id}"
    except JournalError as error:
        held, why = False, str(error)
    else:
        if lease.held and action not in error_codes.BRINGS_BACK:
            return f"all runs are held by {lease.held}"
        why = f"the lease of run {lease.run_id} had expired, and earlier observations are too old"
    return "" if held or action in error_codes.BRINGS_BACK else why


def first_states(plan: Plan, run_id: str, on_unknown: OnUnknown, at: float) -> list[JobState]:
    """Return the states of a run for which nothing has been done; ``at`` is when it was confirmed (cloud seconds)."""
    return [
        state.begin(job, plan.limits, at=at, on_unknown=on_unknown, run_id=run_id, options=plan.options)
        for job in plan.jobs
    ]


def call_event(run_id: str, call: Call, plan: Plan) -> dict[str, object]:
    """Return the record of a call for the journal."""
    kind = ReadEvent if call.only_reads else CallEvent
    return {"schema": 1, **members(kind(at=call.at, run_id=run_id, data=call, simulated=plan.simulated))}


def parse_time(text: str) -> datetime:
    """Parse a time from the journal."""
    return to_moment(text, "$.started_at")


def may_have_begun(lease: Lease, spool: Spool) -> bool:
    """Return whether a shard may have been begun before: a journal that failed over or was restored may not say so.

    Raises:
        UsageError: what this host keeps of it cannot be read.
    """
    return lease.epoch > 1 or lease.server_changed or spool.read(lease.run_id) is not None
