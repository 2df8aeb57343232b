"""ECS would refuse to roll the disk back.

What it does
    In an undo, sends ResetDisk with DryRun=true. Any answer except DryRunOperation stops the run, with two exceptions.
    The first is IncorrectInstanceStatus for a Running instance: ResetDisk works only while it is Stopped, so that
    answer proves nothing. The second is a code that passes by itself: a snapshot of the disk is being created
    (DiskCreatingSnapshot), or a roll-back or another operation is in progress (InvalidOperation.DiskResetInProgress,
    Operation.Conflict). In both cases the tool asks again after the stop, before it touches the disk.

Why it matters
    Stopping a machine for an undo that cannot succeed causes downtime for nothing.

How to fix it
    Look up the code (safe-reinit explain CODE), fix what it names, and check again with --dry-run.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding, error_codes
from ._shared import word
from .check import Check

_STATES = ("IncorrectDiskStatus", "IncorrectInstanceStatus")
"""What is refused for a state that the plan knows of and does not change."""


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    code = facts.dry_run_codes.get("ResetDisk")
    if facts.disk is None or code is None or code == error_codes.PROVEN:
        return
    running = facts.instance is not None and facts.instance.status == "Running"
    power = code == "IncorrectInstanceStatus" and running
    if power and not facts.will_stop:
        return  # that it may not be stopped is said by instance-running
    message = f"ECS would refuse ResetDisk: a DryRun of it answered {word(code)}."
    if power:
        message = (
            "ECS can say whether it would roll the disk back only while the instance is Stopped; it is asked then."
        )
    passes = not power and code not in _STATES and error_codes.verdict_of_code("ResetDisk", code, 403) == "again"
    if passes:
        reason = error_codes.meaning_of("ResetDisk", code)
        message = f"ECS refuses to roll the disk back now ({word(code)}): {reason} The run asks again after the stop."
    open_question = power or passes
    yield Finding(
        CHECK.name,
        "info" if open_question else "block",
        facts.disk_id,
        message,
        fix="Nothing needs to be done."
        if open_question
        else f"See safe-reinit explain {word(code)}, then check again.",
        fact={"Code": code},
    )


CHECK = Check("reset-refused", "block", (), check, of_options=True, milder=("info",))
