"""The instance is neither Running nor Stopped.

What it does
    Reads the Status of the instance (DescribeInstances). Pending, Starting and Stopping pass by themselves; an
    undocumented status stops the run too.

Why it matters
    ReInitDisk needs the instance to be Stopped and would be refused with IncorrectInstanceStatus. Somebody or something
    is starting or stopping this machine right now, so the tool could not tell which power state it had before the run.

How to fix it
    Wait until it is Running or Stopped, then check again with --dry-run.
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
            f"The instance is {instance.status}: its power state is changing, "
            f"and {overwriting(facts)} works only while it is Stopped."
        )
        fix = "Wait until it is Running or Stopped, then check again with --dry-run."
    else:
        message = f"The status of the instance is {word(instance.status)}, which is not a documented status."
        fix = "Find out its state in the ECS console, and check again once it is Running or Stopped."
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
