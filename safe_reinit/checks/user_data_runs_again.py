"""User data and cloud-init run again at the next start.

What it does
    Reports this for every system disk: the call that shows whether an instance has user data is one that this tool does
    not make.

Why it matters
    It does not stop the run. A wiped system disk boots as if for the first time: cloud-init and the user data of the
    instance do everything again that they did then. They may register the machine a second time, or format data disks.

How to fix it
    Read the user data of the instance before the wipe, and change it if it must not run again.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from ._shared import is_system
from .check import Check


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    if facts.disk is None or facts.instance is None or not is_system(facts.disk):
        return
    yield Finding(
        CHECK.name,
        "info",
        facts.disk.disk_id,
        "At its next start the system runs cloud-init and the user data of the instance again, as at its first start: "
        "these may register the machine again or format data disks.",
        fix="Read the user data of the instance, and change it if it must not run again.",
        fact={"Type": facts.disk.type},
    )


CHECK = Check("user-data-runs-again", "info", (), check, of_reinit=True)
