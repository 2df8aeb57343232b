"""Records histories for the replay tests: ``python -m tests.temporal.record``, once for each version that is released.

What is there is never recorded anew: a history of an earlier version is what an upgrade meets.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from safe_reinit.version import VERSION
from tests import cloudlike, fleetruns, temporals
from tests.cloudlike import DATA

FOLDER = Path(__file__).parent / "histories"
_LOST = {"action": "ReInitDisk", "dry_run": False, "drop_request": True}
_REFUSED = {"action": "StartInstance", "dry_run": False, "nth": 1, "error": {"code": "Forbidden.RAM", "status": 403}}


def _path(name: str) -> Path:
    return FOLDER / f"{VERSION}-{name}.json"


def _keep(temporal: temporals.Temporal, workflow: str, name: str) -> None:
    async def fetch(client: Any) -> str:
        history = await client.get_workflow_handle(workflow).fetch_history()
        return str(history.to_json())

    path = _path(name)
    if path.exists():
        return
    text = json.dumps(json.loads(temporal.ask(fetch)), separators=(",", ":"))
    path.write_text(text + "\n", "utf-8")
    sys.stdout.write(f"{path} {len(text)}\n")


def main() -> None:
    """Record them."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        temporal = temporals.Temporal(place)
        temporal.start()
        try:
            for name, faults in (("done", []), ("lost", [_LOST]), ("owed", [_REFUSED])):
                if _path(name).exists():
                    continue
                with temporals.simulated(None, faults) as sim, temporals.working(temporal, sim, place / f"{name}.w"):
                    client = temporals.client(temporal, sim, place / f"{name}.db", on_unknown="retry")
                    done = cloudlike.run(sim, (DATA,), using=client)
                    if name == "owed":
                        cloudlike.resumed(sim, done.report.run_id, using=client)
                    _keep(temporal, temporals.job_of(sim), name)
            with temporals.simulated(fleetruns.fleet(4)) as sim, temporals.working(temporal, sim, place / "lane.w"):
                client = temporals.client(temporal, sim, place / "lane.db")
                fleetruns.run(sim, fleetruns.everything(4), using=client, max_parallel=2, canary=1)
                _keep(temporal, f"lane/{temporals.key_of(sim)}", "lane")
                _keep(temporal, temporals.job_of(sim, fleetruns.instance(3)), "paused")
        finally:
            temporal.stop()


if __name__ == "__main__":
    main()
