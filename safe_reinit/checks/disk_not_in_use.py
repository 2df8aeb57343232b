"""The disk is not In_use.

What it does
    Reads the disk's Status (DescribeDisks). ReInitDisk works only on a disk that is In_use, that is, attached to an
    instance and not in transition.

Why it matters
    Either ECS would refuse the wipe with IncorrectDiskStatus, or the disk is being attached or detached right now. An
    undocumented status stops the run too, because the effect of a wipe on such a disk is unknown.

How to fix it
    Attach the disk to its instance, or wait until it is In_use again, then check again with --dry-run. While a disk is
    ReIniting, ECS names no instance for it: somebody is already wiping it or rolling it back.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from ._shared import overwriting, word
from .check import Check


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    disk = facts.disk
    if disk is None or disk.status == "In_use":
        return
    by_others = (
        "The disk is already being wiped or rolled back: find out by which run (safe-reinit runs), and wait until it is"
    )
    attach = "Attach the disk to its instance, or wait until it is"
    yield Finding(
        CHECK.name,
        "block",
        disk.disk_id,
        f"The disk is {word(disk.status, 'without a status')}, "
        f"and {overwriting(facts)} works only on a disk that is In_use.",
        fix=f"{by_others if disk.status == 'ReIniting' else attach} In_use, then check again with --dry-run.",
        fact={"Status": disk.status},
        predicts="IncorrectDiskStatus",
    )


CHECK = Check("disk-not-in-use", "block", ("IncorrectDiskStatus",), check)
