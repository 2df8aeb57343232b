"""Reset the data disks of lab machines: a small program that uses safe_reinit. test_reset_lab.py tests it."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import safe_reinit


def reset(disk_ids: Sequence[str], *, max_disks: int = 10) -> int:
    """Wipe these disks, each after a snapshot of it, and return an exit code: 0 if all are wiped."""
    client = safe_reinit.connect(region="cn-hangzhou", max_disks=max_disks)
    plan = client.plan(disk_ids, stop_instance=True, snapshot=True, accept=["fstab-may-name-disk"])
    if not plan.runnable:
        for finding in plan.blockers:
            print(f"nothing done: {finding.message}")
        return 3
    try:
        report = client.run(plan, confirm=plan.confirm_with)
    except safe_reinit.OutcomeUnknown as error:
        print(f"call somebody, and leave the machine stopped: {error}")
        return 5
    except safe_reinit.Error as error:
        print(f"not wiped: {error}")
        return error.exit_code
    print(f"wiped: {', '.join(disk.disk_id for job in report.jobs for disk in job.disks)}")
    return 0


if __name__ == "__main__":
    sys.exit(reset(sys.argv[1:]))
