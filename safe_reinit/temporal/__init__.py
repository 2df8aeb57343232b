"""The runner for several hosts: Temporal distributes the shards of a run to workers, and decides nothing.

The SDK is an extra: nothing outside this package imports it, and this package is imported only where it is used.

| file | what is in it |
|---|---|
| ``workflow`` | one workflow for each run: asks for the next stage, and has its shards carried out |
| ``activities`` | what a worker does for a workflow |
| ``worker`` | a worker: polls, reads rotated keys again, reports its health, and ends cleanly |
| ``server`` | how the Temporal server is reached, and what is wrong if it is not |
| ``carrier`` | starts the workflow of a run, wakes it up, and says how it is getting on |
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import UsageError

if TYPE_CHECKING:
    from ..config import Settings
    from ..core.resuming import Verdict
    from ..execution.session import Session
    from ..model import Call, OnUnknown, Plan, Report


def demand_sdk(who: str = "The runner temporal") -> None:
    """Check that the SDK is installed, for the given purpose.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import temporalio  # noqa: F401, PLC0415 - an extra
    except ImportError:
        raise UsageError(
            f"{who} needs the Temporal SDK, which is not installed.",
            hint="Install it: pip install temporalio",
        ) from None


def run_on_workers(
    session: Session, settings: Settings, plan: Plan, run_id: str, calls: Sequence[Call], on_unknown: OnUnknown
) -> Report:
    """Record a confirmed plan, have workers carry it out, follow it to its end and report.

    Raises:
        UsageError: the SDK is not installed, the server or the journal cannot be used, or workers could not carry it
            out.
        RunRefused: the server does not answer, another run has one of the instances, or the plan was already run.
    """
    demand_sdk()
    from ..execution import shards  # noqa: PLC0415 - see above
    from .carrier import follow  # noqa: PLC0415 - an extra

    shards.demand_carriable(session, plan)
    return follow(
        session, settings, run_id, lambda: shards.record_shards(session, plan, run_id, calls, on_unknown), joins=False
    )


def resume_on_workers(session: Session, settings: Settings, run_id: str, verdict: Verdict | None) -> Report:
    """Have workers carry out what is open in a run, and follow it; see ``execution.shards.resume_shards``.

    Raises:
        UsageError: the SDK is not installed, or the server or the journal cannot be used.
        RunRefused: the run has ended, the server does not answer, or the verdict applies to nothing or contradicts what
            ECS shows.
    """
    from ..execution import shards  # noqa: PLC0415 - see above

    ended = shards.resume_shards(session, run_id, verdict)
    if ended is not None:
        return ended
    demand_sdk()
    from .carrier import follow  # noqa: PLC0415 - an extra

    return follow(session, settings, run_id, lambda: session.journal.reopen(run_id), joins=True)
