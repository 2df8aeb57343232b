"""The disk is on another instance than in the run that is undone or planned anew.

What it does
    In an undo, and in a plan that takes the place of an open run (resume --verdict wipe-again), compares the instance
    of the disk (DescribeDisks, InstanceId) with the one that it was on in that run, as the journal has that.

Why it stops you
    ResetDisk and ReInitDisk follow the disk: the machine that the disk is on now is stopped, not the one of the run,
    and loses what it has on the disk. Somebody moved the disk there for a reason, and may rely on what is on it.

How to fix it
    Find out who moved the disk, and why. Attach it to its instance again, or, if that other machine may be stopped and
    loses what it has on the disk, accept that with --accept disk-moved-since-run.
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
        f"In run {options.undo or options.run_id} the disk was on {word(was_on)}, and it is on "
        f"{word(disk.instance_id)} now: {'that machine is stopped, and ' if stopped else 'that machine '}"
        "loses what it has on the disk.",
        fix="Find out who moved the disk, and why; or accept it with --accept disk-moved-since-run.",
        fact={"InstanceId": disk.instance_id},
    )


CHECK = Check("disk-moved-since-run", "risk", (), check, of_options=True)
