"""Records what the workflow of this version does: ``python -m tests.temporalhistories``, for a release that changes it.

``tests/histories`` keeps the files for good: a run may begin on one version and go on with the next.
"""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path

from temporalio.client import WorkflowFailureError

from safe_reinit.model import Stage
from safe_reinit.temporal.worker import build_id
from tests.temporals import Remembering, Run, Temporal, WorkerSettings, temporal_or_skip, working

FOLDER = Path(__file__).parent / "histories"
STAGES = (Stage((0,)), Stage(question="Go on with 199 machines?"), Stage((1, 2, 3), at_once=2))


def record(temporal: Temporal, name: str, *, cancels: bool) -> None:
    """Have a run carried that waits for an answer, or is cancelled in its last stage, and keep its history."""
    shards = Remembering(STAGES, slow=frozenset({2, 3} if cancels else ()))
    run = Run(temporal, f"run-{name}", name)
    with working(temporal.server, shards, WorkerSettings(run.queue)):
        run.submit()
        shards.has("end 0")
        shards.agreed = True
        run.carrier.wake()
        if cancels:
            shards.has("begin 2")
            run.ask(lambda handle: handle.cancel())
        with suppress(WorkflowFailureError):
            run.result()
    history = run.ask(lambda handle: handle.fetch_history())
    (FOLDER / f"{build_id()}-{name}.json").write_text(history.to_json(), "utf-8")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, temporal_or_skip(Path(folder)) as started:
        record(started, "answered", cancels=False)
        record(started, "cancelled", cancels=True)
