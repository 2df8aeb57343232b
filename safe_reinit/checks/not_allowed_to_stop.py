"""These credentials may not stop the instance.

What it does
    Reads what a DryRun of StopInstance answered, where the instance would be stopped for the wipe. Forbidden and
    NoPermission stop you, DryRunOperation proves the right, and any other answer proves nothing and is only told.

Why it stops you
    ReInitDisk works only while the instance is Stopped. The run would end before the wipe, for want of a right that
    can be looked at now.

How to fix it
    Allow ecs:StopInstance on the instance to these credentials, then look again with --dry-run.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from ._shared import not_allowed, overwriting
from .check import Check


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    consequence = f"and {overwriting(facts)} works only while it is Stopped"
    yield from not_allowed(CHECK.name, "StopInstance", consequence, facts)


CHECK = Check("not-allowed-to-stop", "block", (), check, milder=("info",))
