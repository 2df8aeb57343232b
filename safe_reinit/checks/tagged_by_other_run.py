"""Another run is working on the instance, or has ended and left its tag.

What it does
    Looks for the tag safe-reinit:run on the instance (DescribeInstances). A run with lock_tag sets it before the stop
    and removes it at its end.

Why it matters
    Two runs on one machine, from two hosts whose journals do not see each other, could interfere: one could start the
    machine that the other is about to wipe.

How to fix it
    Find the run by the value of the tag (safe-reinit show RUN, on the host it runs on) and let it end, or resume it. If
    it has ended and only its tag is left, remove the tag from the instance in the ECS console.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import LOCK_TAG, DiskFacts, Finding
from ._shared import word
from .check import Check


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    instance = facts.instance
    run = dict(instance.tags).get(LOCK_TAG) if instance is not None else None
    if instance is None or run is None or (run and run == facts.options.run_id):
        return
    yield Finding(
        CHECK.name,
        "block",
        instance.instance_id,
        f"The instance has the tag {LOCK_TAG} of run {word(run, 'without a name')}: another run is working on it, "
        "or left its tag.",
        fix=f"Let that run end, or resume it on its host; if it has ended, remove the tag {LOCK_TAG} from the "
        "instance.",
        fact={"TagKey": LOCK_TAG, "TagValue": run},
    )


CHECK = Check("tagged-by-other-run", "block", (), check)
