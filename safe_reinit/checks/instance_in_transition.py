"""The instance is neither Running nor Stopped.

What it does
    Reads the Status of the instance (DescribeInstances). Pending, Starting and Stopping pass by themselves; a word that
    the documentation does not know stops you too.

Why it stops you
    ReInitDisk needs the instance Stopped and would be refused with IncorrectInstanceStatus. Somebody, or something, is
    starting or stopping this machine right now, and its power state before the wipe could not be told from ours.

How to fix it
    Wait until it is Running or Stopped, then look again with --dry-run.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from ._shared import overwriting, word
from .check import Check


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    instance = facts.instance
    if facts.disk is None or instance is None or instance.status in ("Running", "Stopped"):
        return
    if instance.status in ("Pending", "Starting", "Stopping"):
        message = (
            f"The instance is {instance.status}, so its power state is changing, "
            f"and {overwriting(facts)} needs it Stopped."
        )
        fix = "Wait until it is Running or Stopped, then look again with --dry-run."
    else:
        message = (
            f"The status of the instance is {word(instance.status)}, which the documentation of ECS does not know."
        )
        fix = "Find out in the ECS console what state it is in, and look again once it is Running or Stopped."
    yield Finding(
        CHECK.name,
        "block",
        instance.instance_id,
        message,
        fix=fix,
        fact={"Status": instance.status},
        predicts="IncorrectInstanceStatus",
    )


CHECK = Check("instance-in-transition", "block", ("IncorrectInstanceStatus",), check)
