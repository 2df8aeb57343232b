"""DescribeInstanceHistoryEvents."""

from __future__ import annotations

from ..errors import Refusal
from ..state.clock import second_text
from ..state.model import Event
from ..wire.answers import Body
from .context import Context
from .listing import Listing, of_region

_ENDED = ("Avoided", "Executed", "Canceled", "Failed")
"""What is listed if no status is given."""
_CYCLE = {"Scheduled": 32, "Executing": 16, "Inquiring": 64, "Executed": 0, "Avoided": 8, "Canceled": 4, "Failed": 2}
"""The codes of the statuses: those of Executed and Avoided are documented, the others are our choice."""


def describe_instance_history_events(ctx: Context) -> Body:
    """List the system events of instances; future ones only if their status is given."""
    params = ctx.params
    region = ctx.in_region()
    ids = params.repeated("ResourceId") or ([params.text("InstanceId")] if params.given("InstanceId") else [])
    if len(ids) > 100:
        raise Refusal("InvalidParameter", status=403)
    kind = params.choice("ResourceType", ("instance", "ddh", "managedhost"), "InvalidParameter") or "instance"
    statuses = _values(ctx, "InstanceEventCycleStatus", "EventCycleStatus") or list(_ENDED)
    types = _values(ctx, "InstanceEventType", "EventType")
    ctx.require(*ids)
    shown = ctx.cloud.instances.described(ctx.now, ids or None) if kind == "instance" else []
    instances = of_region(region, shown)
    events = [event for instance in instances for event in instance.events]
    return _EVENTS.answer(
        ctx, [event for event in events if event.status in statuses and (not types or event.type in types)]
    )


def _values(ctx: Context, several: str, one: str) -> list[str]:
    """Read a list; the parameter for a single value counts only without a list."""
    found = ctx.params.repeated(several)
    return found or ([ctx.params.text(one)] if ctx.params.given(one) else [])


def _shape(_ctx: Context, event: Event) -> Body:
    return {
        "EventId": event.id,
        "InstanceId": event.instance_id,
        "ResourceType": "instance",
        "EventType": {"Code": 1, "Name": event.type},
        "EventCycleStatus": {"Code": _CYCLE[event.status], "Name": event.status},
        "EventPublishTime": second_text(event.published),
        "NotBefore": second_text(event.not_before),
        "EventFinishTime": second_text(event.not_before) if event.status in _ENDED else "",
        "ImpactLevel": "100",
        "Reason": "System maintenance.",
    }


_EVENTS = Listing[Event](
    outer="InstanceSystemEventSet",
    inner="InstanceSystemEventType",
    key=lambda event: event.id,
    shape=_shape,
    resources=lambda event: (event.instance_id,),
    has_dry_run=False,
)
