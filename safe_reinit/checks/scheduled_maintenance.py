"""ECS has scheduled an event for the instance.

What it does
    Reads the system events of the instance that have not ended (DescribeInstanceHistoryEvents: Scheduled, Executing,
    Inquiring). If the instance would be stopped for the wipe, every such event is a risk. If the instance is already
    Stopped, only events that may start it are a risk, that is, all events except those that stop or release an
    instance.

Why it matters
    Maintenance by ECS may restart or move the instance between the stop and the wipe: then the wipe is refused, or the
    machine starts when nobody expects it. An expired or unpaid instance may not start again.

How to fix it
    Respond to the event in the ECS console, or wait until it has ended, then check again with --dry-run. To continue
    despite the event, run again with --accept scheduled-maintenance.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding, SystemEvent
from ._shared import moment, word
from .check import Check

_ENDED = ("Avoided", "Executed", "Canceled", "Failed")
_STARTS_NOTHING = (".Stop", ".Delete")


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    if facts.disk is None or facts.instance is None or not facts.stands_still:
        return
    for event in facts.other_products.events:
        if event.status in _ENDED or (not facts.will_stop and event.type.endswith(_STARTS_NOTHING)):
            continue
        yield Finding(
            CHECK.name,
            "risk",
            facts.instance.instance_id,
            f"ECS has the event {word(event.type)} for the instance ({_when(event)}), "
            f"which may {'restart or stop' if facts.will_stop else 'start'} it while the disk is wiped.",
            fix="Respond to the event or wait until it has ended, or run again with --accept scheduled-maintenance.",
            fact={
                "EventType": event.type,
                "EventCycleStatus": event.status,
                "NotBefore": moment(event.not_before) if event.not_before else None,
            },
        )


def _when(event: SystemEvent) -> str:
    status = word(event.status)
    return f"{status}, not before {moment(event.not_before)}" if event.not_before else status


CHECK = Check("scheduled-maintenance", "risk", (), check)
