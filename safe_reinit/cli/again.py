"""A command line once more, for one of its regions."""

from __future__ import annotations

from collections.abc import Sequence

from ..model import Plan

_OF_ONE = ("--disk", "--disks-from", "--instance")
"""What names things that are of one region."""
_TARGETS = (*_OF_ONE, "--tag")


def in_region(argv: Sequence[str], plan: Plan) -> list[str]:
    """Give the arguments for the region of a plan alone: a search by tags as it was, else the disks one by one."""
    by_tags = not any(word.partition("=")[0] in _OF_ONE for word in argv)
    gone = ("--region",) if by_tags else ("--region", *_TARGETS)
    switches = () if by_tags else ("--system-disk", "--data-disks")
    words, kept = iter(argv), list[str]()
    for word in words:
        if word in gone:
            next(words, None)
        elif word.partition("=")[0] not in gone and word not in switches:
            kept.append(word)
    disks = [] if by_tags else [disk.disk_id for job in plan.jobs for disk in job.disks]
    return [*kept, "--region", plan.region, *(word for each in disks for word in ("--disk", each))]
