"""One run over many disks through the library, for fleet.py: says when consent was given and the report was there.

``our_fleet.py ENDPOINT REGION FILE plan|run``: FILE holds the ids of the disks, one a line.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import safe_reinit
from safe_reinit.errors import Error
from safe_reinit.model import Rollout

ROLLOUT = Rollout(max_parallel=1000, canary=0, quota_share=1.0)


def main() -> None:
    """Plan, and run where that is asked for."""
    endpoint, region, file, what = sys.argv[1:]
    disks = Path(file).read_text("utf-8").split()
    client = safe_reinit.connect(region=region, endpoint=endpoint)
    plan = client.plan(disks, stop_instance=True, max_disks=len(disks))
    against = sorted({found.check for found in plan.blockers})
    if what == "plan" or against:
        print(json.dumps({"outcome": f"refused: {', '.join(against)}" if against else "planned"}))
        return
    plan = replace(plan, rollout=ROLLOUT)
    consent = time.time()
    try:
        told = client.run(plan, confirm=plan.confirm_with)
    except Error as error:
        if error.report is None:
            raise
        told = error.report
    print(json.dumps({"outcome": told.outcome, "began": consent, "ended": time.time()}))


if __name__ == "__main__":
    main()
