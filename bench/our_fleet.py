"""One run over many disks through the library, for fleet.py: says when consent was given and when the report was there.

``our_fleet.py ENDPOINT REGION FILE CONFIG plan|run``: FILE holds the ids of the disks, one a line; CONFIG says how the
run spreads over them.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from pathlib import Path

import safe_reinit
from safe_reinit.cli import MADE_BEFORE_COLLECTING
from safe_reinit.errors import Error


def main() -> None:
    """Plan, and run where that is asked for."""
    gc.set_threshold(MADE_BEFORE_COLLECTING)  # as the command line does
    endpoint, region, file, config, what = sys.argv[1:]
    client = safe_reinit.connect(region=region, endpoint=endpoint, config=config)
    plan = client.plan(Path(file).read_text("utf-8").split(), stop_instance=True)
    against = sorted({found.check for found in plan.blockers})
    if what == "plan" or against:
        print(json.dumps({"outcome": f"refused: {', '.join(against)}" if against else "planned"}))
        return
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
