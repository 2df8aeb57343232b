"""The runner for several hosts: Temporal carries the shards of a run to workers, and decides nothing.

    workflow    one workflow for each run: asks for the next stage, and has its shards carried
    activities  what a worker does for a workflow
    worker      a worker: polls, follows rotated keys, tells its health, and ends in order
    server      how the Temporal server is reached, and what is wrong where it is not
    carrier     starts the workflow of a run, wakes it up, and says how it is getting on

The SDK is an extra: nothing outside this package imports it, and this package is imported only where it is used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..model import Report
from ..model.codec import decode

if TYPE_CHECKING:
    from ..core.resuming import Verdict
    from ..execution.session import Session
    from ..model import Call, OnUnknown, Plan
    from .server import Server


def demand_sdk(who: str = "The runner temporal") -> None:
    """See that the SDK is installed, for the sake of who needs it.

    Raises:
        UsageError: it is not.
    """
    try:
        import temporalio  # noqa: F401, PLC0415 - an extra
    except ImportError:
        raise UsageError(
            f"{who} needs the Temporal SDK, which is not installed.",
            hint="Install it: pip install 'safe-reinit[temporal]'",
        ) from None


def demand_shared(session: Session) -> None:
    """See that workers on several hosts can have the journal; on loopback, for trials, they are on one.

    Raises:
        UsageError: it is a file.
    """
    if not (session.journal.shared or (session.journal.lasts and session.where.loopback)):
        raise UsageError(
            "The workers of Temporal do not see a journal that is a file of this host.",
            hint="Name a journal in PostgreSQL with --journal.",
        )


def run(
    session: Session, settings: Mapping[str, Any], plan: Plan, run_id: str, calls: Sequence[Call], on_unknown: OnUnknown
) -> Report:
    """Write a confirmed plan down, have workers carry it, follow it to its end and report.

    Raises:
        UsageError: the SDK is not installed, the server or the journal cannot be used, or workers could not carry it.
        RunRefused: the server does not answer, another run has one of the instances, or the plan was run already.
    """
    demand_sdk()
    if plan.options.password is not None:
        raise UsageError(
            "The password to set is never written down, so no worker could set it.",
            hint="Set a key pair with --key-pair instead, or run this plan with --runner local.",
        )
    demand_shared(session)
    from ..execution import shards  # noqa: PLC0415 - see above

    server = _reachable(settings)
    shards.begin(session, plan, run_id, calls, on_unknown)
    return _carried(session, settings, server, run_id, joins=False)


def resume(session: Session, settings: Mapping[str, Any], run_id: str, verdict: Verdict | None) -> Report:
    """Have workers carry what is open of a run, and follow it; with a verdict end it here, without a wipe.

    A run all of whose shards have ended needs neither a server nor a worker: its report is written down here.

    Raises:
        UsageError: the SDK is not installed, or the server or the journal cannot be used.
        RunRefused: the run has ended, the server does not answer, or the verdict is about nothing or against what ECS
            shows.
    """
    from ..execution import shards  # noqa: PLC0415 - see above

    if verdict is not None:
        return shards.judge(session, run_id, verdict)
    session.open_run(run_id)
    shards.finish(session, run_id)
    stored = session.stored(run_id)
    if not stored.open and stored.report is not None:
        return decode(Report, stored.report)
    demand_sdk()
    server = _reachable(settings)
    session.journal.reopen(run_id)
    return _carried(session, settings, server, run_id, joins=True)


def _reachable(settings: Mapping[str, Any]) -> Server:
    """Return the server that the settings name, once it has answered."""
    from .server import server_of  # noqa: PLC0415 - an extra

    server = server_of(settings)
    server.answers()
    return server


def _carried(session: Session, settings: Mapping[str, Any], server: Server, run_id: str, *, joins: bool) -> Report:
    """Have a run of shards carried, follow it to its end, and return its report."""
    from ..execution.following import Following  # noqa: PLC0415 - see above
    from ..plans import shards  # noqa: PLC0415 - see above
    from .carrier import WorkflowCarrier  # noqa: PLC0415 - an extra
    from .server import queue_of  # noqa: PLC0415 - an extra

    run = session.stored(run_id)
    digest = shards.digest_of(each.digest for each in session.journal.shards(run_id))
    queue = queue_of(settings, run.account, run.region)
    carrier = WorkflowCarrier(server, queue, run_id, digest, run.account, run.region, len(run.jobs))
    return Following(session, run, carrier, joins=joins)()
