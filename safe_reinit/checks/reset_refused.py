"""ECS would refuse to roll the disk back.

What it does
    In an undo, asks ResetDisk with DryRun=true. An answer other than DryRunOperation stops you, with two exceptions.
    IncorrectInstanceStatus of a Running instance: ResetDisk works only while it is Stopped, so that answer proves
    nothing. A code that passes by itself: a snapshot of the disk is being created (DiskCreatingSnapshot), a roll-back
    or another operation is in progress (InvalidOperation.DiskResetInProgress, Operation.Conflict). In both cases the
    same question is put again after the stop, before the disk is touched.

Why it stops you
    Stopping a machine for an undo that cannot succeed buys downtime for nothing.

How to fix it
    Look the code up (safe-reinit explain CODE), mend what it names, and look again with --dry-run.
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
        message = "Whether ECS would roll the disk back can be asked only of a Stopped instance; it is then."
    passes = not power and code not in _STATES and error_codes.verdict("ResetDisk", code, 403) == "again"
    if passes:
        reason = error_codes.meaning_of("ResetDisk", code)
        message = f"ECS does not roll the disk back now ({word(code)}): {reason} It is asked again after the stop."
    open_question = power or passes
    yield Finding(
        CHECK.name,
        "info" if open_question else "block",
        facts.disk_id,
        message,
        fix="Nothing to do." if open_question else f"See safe-reinit explain {word(code)}, then look again.",
        fact={"Code": code},
    )


CHECK = Check("reset-refused", "block", (), check, of_options=True, milder=("info",))
