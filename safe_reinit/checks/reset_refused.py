"""ECS would refuse to roll the disk back.

What it does
    In an undo, asks ResetDisk with DryRun=true. An answer other than DryRunOperation stops you, unless the instance is
    Running and the answer is IncorrectInstanceStatus: ResetDisk works only while it is Stopped, so that answer proves
    nothing, and the same question is put again after the stop, before the disk is touched.

Why it stops you
    Stopping a machine for an undo that cannot succeed buys downtime for nothing.

How to fix it
    Look the code up (safe-reinit explain CODE), mend what it names, and look again with --dry-run.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from ._shared import word
from .check import Check


def find(facts: DiskFacts) -> Iterator[Finding]:
    """See the module."""
    code = facts.rights.get("ResetDisk")
    if facts.disk is None or code is None or code == "DryRunOperation":
        return
    running = facts.instance is not None and facts.instance.status == "Running"
    open_question = code == "IncorrectInstanceStatus" and running
    if open_question and not facts.will_stop:
        return  # that it may not be stopped is said by instance-running
    yield Finding(
        CHECK.name,
        "info" if open_question else "block",
        facts.disk_id,
        "Whether ECS would roll the disk back can be asked only once the instance is Stopped; it is asked again then."
        if open_question
        else f"ECS would refuse ResetDisk: a DryRun of it answered {word(code)}.",
        fix="Nothing to do." if open_question else f"See safe-reinit explain {word(code)}, then look again.",
        fact={"Code": code},
    )


CHECK = Check("reset-refused", "block", (), find, of_options=True, milder=("info",))
