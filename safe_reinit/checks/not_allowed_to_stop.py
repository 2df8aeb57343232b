"""These credentials may not stop the instance.

What it does
    Reads the answer to a DryRun of StopInstance if the instance would be stopped for the wipe. Forbidden and
    NoPermission stop the run, DryRunOperation proves the permission, and any other answer proves nothing and is
    reported as info.

Why it matters
    ReInitDisk works only while the instance is Stopped. The run would fail before the wipe for lack of a permission
    that can be checked now.

How to fix it
    Grant ecs:StopInstance on the instance to these credentials, then check again with --dry-run.
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
