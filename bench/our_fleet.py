"""One run over many disks through the library, for fleet.py: says when consent was given and when the report was there.

``our_fleet.py ENDPOINT REGION FILE CONFIG``: FILE holds the ids of the disks, one a line; CONFIG says how the run
spreads over them.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import safe_reinit
from safe_reinit.cli import MADE_BEFORE_COLLECTING
from safe_reinit.errors import Error


def wipe_all(endpoint: str, region: str, disks: Sequence[str], config: str, *, dry_run: bool = False) -> dict[str, Any]:
    """Plan, and run unless that is all that is asked for; return what it came to."""
    client = safe_reinit.connect(region=region, endpoint=endpoint, config=config)
    plan = client.plan(list(disks), stop_instance=True)
    against = sorted({found.check for found in plan.blockers})
    if dry_run or against:
        return {"outcome": f"refused: {', '.join(against)}" if against else "planned"}
    consent = time.time()
    try:
        told = client.run(plan, confirm=plan.confirm_with)
    except Error as error:
        if error.report is None:
            raise
        told = error.report
    return {"outcome": told.outcome, "began": consent, "ended": time.time()}


def main() -> None:
    """Do it in a process of its own."""
    gc.set_threshold(MADE_BEFORE_COLLECTING)  # as the command line does
    endpoint, region, file, config = sys.argv[1:]
    said = wipe_all(endpoint, region, Path(file).read_text("utf-8").split(), config)
    print(json.dumps({**said, "status": Path("/proc/self/status").read_text("utf-8")}))


if __name__ == "__main__":
    main()
