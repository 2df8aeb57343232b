"""One run over many disks through the library, for fleet.py: says when consent was given and when the report was there.

``our_fleet.py ENDPOINT REGION FILE CONFIG``: FILE holds the ids of the disks, one a line; CONFIG says how the run
spreads over them.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import safe_reinit
from safe_reinit.cli import MADE_BEFORE_COLLECTING
from safe_reinit.errors import Error
from safe_reinit.journal import Journal


def wipe_all(endpoint: str, region: str, disks: Sequence[str], config: str, *, dry_run: bool = False) -> dict[str, Any]:
    """Plan, and run unless that is all that is asked for; return what it came to."""
    client = safe_reinit.connect(region=region, endpoint=endpoint, config=config)
    plan = client.plan(list(disks), stop_instance=True)
    against = sorted({found.check for found in plan.blockers})
    if dry_run or against:
        return {"outcome": f"refused: {', '.join(against)}" if against else "planned"}
    consent = time.time()
    try:
        result = client.run(plan, confirm=plan.confirm_with)
    except Error as error:
        if error.report is None:
            raise
        result = error.report
    return {"outcome": result.outcome, "began": consent, "ended": time.time()}


class _Waiting:
    """How long the run has waited for its journal: real seconds of everything that it wrote."""

    def __init__(self) -> None:
        self.seconds = 0.0
        for name in ("begin", "write"):
            setattr(Journal, name, self._timed(getattr(Journal, name)))

    def _timed(self, method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def timed(*given: Any, **more: Any) -> Any:  # noqa: ANN401 - whatever that takes and gives
            began = time.perf_counter()
            try:
                return method(*given, **more)
            finally:
                self.seconds += time.perf_counter() - began

        return timed


def main() -> None:
    """Do it in a process of its own."""
    waiting = _Waiting()
    gc.set_threshold(MADE_BEFORE_COLLECTING)  # as the command line does
    endpoint, region, file, config = sys.argv[1:]
    text = wipe_all(endpoint, region, Path(file).read_text("utf-8").split(), config)
    status = Path("/proc/self/status").read_text("utf-8")
    print(json.dumps({**text, "status": status, "journal": waiting.seconds}))


if __name__ == "__main__":
    main()
