"""These credentials may not start the instance.

What it does
    Reads the answer to a DryRun of StartInstance if the instance would be stopped for the wipe. Forbidden and
    NoPermission stop the run, and DryRunOperation proves the permission. Any other answer proves nothing, and is
    reported as info, except IncorrectInstanceStatus: that is what ECS always answers for a Running instance.

Why it matters
    The instance was Running before the run and would stay down after the wipe. Even if it is to stay stopped after a
    successful wipe, it must be started again if ECS refuses the wipe.

How to fix it
    Grant ecs:StartInstance on the instance to these credentials, then check again with --dry-run.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from ._shared import not_allowed
from .check import Check


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    if facts.options.leave_stopped:
        consequence = "so it would stay down if ECS refuses the wipe"
    else:
        consequence = "so it would stay down after the wipe"
    yield from not_allowed(CHECK.name, "StartInstance", consequence, facts, expected="IncorrectInstanceStatus")


CHECK = Check("not-allowed-to-start", "block", (), check, milder=("info",))
