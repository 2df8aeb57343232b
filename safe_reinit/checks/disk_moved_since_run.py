"""The disk has moved to another instance since the run that you undo or repeat.

What it does
    In an undo, and in a plan that replaces an open run (resume --verdict wipe-again), compares the current instance of
    the disk (DescribeDisks, InstanceId) with the instance that the journal recorded for that run.

Why it matters
    The run would stop the machine that the disk is on now, not the machine of the earlier run, and that machine would
    lose its data on the disk. Somebody moved the disk there for a reason, and may rely on that data.

How to fix it
    Find out who moved the disk, and why. Attach it to its instance again; or, if the other machine may be stopped and
    may lose its data on the disk, accept that with --accept disk-moved-since-run.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from ._shared import word
from .check import Check


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    disk, was_on, options = facts.disk, facts.was_on, facts.options
    if disk is None or not was_on or disk.instance_id in ("", was_on):
        return
    stopped = facts.instance is not None and facts.instance.status == "Running"
    yield Finding(
        CHECK.name,
        "risk",
        facts.disk_id,
        f"In run {options.undo or options.run_id} the disk was on {word(was_on)}, but now it is on "
        f"{word(disk.instance_id)}: that machine {'would be stopped, and it ' if stopped else ''}"
        "would lose its data on the disk.",
        fix="Find out who moved the disk and why, or accept this with --accept disk-moved-since-run.",
        fact={"InstanceId": disk.instance_id},
    )


CHECK = Check("disk-moved-since-run", "risk", (), check, of_options=True)
