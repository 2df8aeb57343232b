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
    from .server import Server


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

    shards.demand_carriable(session, plan)
    server = _reachable(settings)
    shards.record_shards(session, plan, run_id, calls, on_unknown)
    return _carried(session, settings, server, run_id, joins=False)


def resume_on_workers(session: Session, settings: Settings, run_id: str, verdict: Verdict | None) -> Report:
    """Have workers carry out what is open in a run, and follow it; see ``execution.shards.resume``.

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
    server = _reachable(settings)
    session.journal.reopen(run_id)
    return _carried(session, settings, server, run_id, joins=True)


def _reachable(settings: Settings) -> Server:
    """Return the server that the settings name, once it has answered."""
    import asyncio  # noqa: PLC0415 - most runs are carried here

    from .server import server_of  # noqa: PLC0415 - an extra

    server = server_of(settings)
    asyncio.run(server.connect())
    return server


def _carried(session: Session, settings: Settings, server: Server, run_id: str, *, joins: bool) -> Report:
    """Have a run of shards carried out, follow it to its end, and return its report."""
    from ..execution.following import Following  # noqa: PLC0415 - see above
    from ..plans import shards  # noqa: PLC0415 - see above
    from .carrier import WorkflowCarrier  # noqa: PLC0415 - an extra
    from .server import queue_of  # noqa: PLC0415 - an extra

    run = session.stored(run_id)
    digest = shards.digest_of_shards(each.digest for each in session.journal.shards(run_id))
    queue = queue_of(settings, run.account, run.region)
    carrier = WorkflowCarrier(server, queue, run_id, digest, run.account, run.region, len(run.jobs))
    return Following(session, run, carrier, joins=joins)()
