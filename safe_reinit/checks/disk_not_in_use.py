"""The disk is not In_use.

What it does
    Reads the disk's Status (DescribeDisks). ReInitDisk works only on a disk that is In_use, that is, attached to an
    instance and in no transition.

Why it stops you
    ECS would refuse the wipe with IncorrectDiskStatus, or the disk is changing hands right now. A word that the
    documentation does not know stops you too, since nobody can say what a wipe would do to it.

How to fix it
    Attach the disk to its instance, or wait until it is In_use again, and look once more with --dry-run. While a disk
    is ReIniting ECS names no instance of it: somebody is wiping it or rolling it back already.
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
        "A wipe or a rollback of it is under way already: see whose it is (safe-reinit runs), and wait until it is"
    )
    attach = "Attach it to its instance or wait until it is"
    yield Finding(
        CHECK.name,
        "block",
        disk.disk_id,
        f"The disk is {word(disk.status, 'in no status')}, "
        f"and {overwriting(facts)} works only on a disk that is In_use.",
        fix=f"{by_others if disk.status == 'ReIniting' else attach} In_use, then look again with --dry-run.",
        fact={"Status": disk.status},
        predicts="IncorrectDiskStatus",
    )


CHECK = Check("disk-not-in-use", "block", ("IncorrectDiskStatus",), check)
