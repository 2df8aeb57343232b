"""The disk that an undo rolls back is on another instance than when the run wiped it.

What it does
    In an undo, compares the instance of the disk (DescribeDisks, InstanceId) with the one on which the run wiped it, as
    the journal has that.

Why it stops you
    ResetDisk follows the disk: the undo stops the machine that the disk is on now, not the one of the run, and takes
    from it what it has on the disk. Somebody moved the disk there for a reason, and may rely on what is on it.

How to fix it
    Find out who moved the disk, and why. Attach it to its instance again, or, if that other machine may be stopped and
    loses what it has on the disk, accept that with --accept disk-moved-since-wipe.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from ._shared import word
from .check import Check


def find(facts: DiskFacts) -> Iterator[Finding]:
    """See the module."""
    disk, wiped_on = facts.disk, facts.wiped_on
    if disk is None or not facts.options.undo or not wiped_on or disk.instance_id in ("", wiped_on):
        return
    stopped = facts.instance is not None and facts.instance.status == "Running"
    yield Finding(
        CHECK.name,
        "risk",
        facts.disk_id,
        f"Run {facts.options.undo} wiped the disk on {word(wiped_on)}, and it is on {word(disk.instance_id)} now: "
        f"the undo {'stops that machine and ' if stopped else ''}takes from it what it has on the disk.",
        fix="Find out who moved the disk, and why; or accept it with --accept disk-moved-since-wipe.",
        fact={"InstanceId": disk.instance_id},
    )


CHECK = Check("disk-moved-since-wipe", "risk", (), find, of_options=True)
