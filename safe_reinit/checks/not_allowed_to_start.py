"""These credentials may not start the instance.

What it does
    Reads what a DryRun of StartInstance answered, where the instance would be stopped for the wipe. Forbidden and
    NoPermission stop you, and DryRunOperation proves the right. IncorrectInstanceStatus is what ECS answers for an
    instance that is Running and says nothing more; any other answer proves nothing and is only told.

Why it stops you
    The instance was Running before and would stay down after the wipe. Even where it is to be left stopped after a wipe
    that went well, it has to be brought back when ECS refuses the wipe.

How to fix it
    Allow ecs:StartInstance on the instance to these credentials, then look again with --dry-run.
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
