"""The values that everything else speaks about, all frozen.

Texts that ECS did not give are ``""``; times, numbers and objects it did not give are ``None``. Statuses, categories
and lock reasons stay the words ECS used, so that an unknown word can be told and refused. Times are aware UTC
``datetime`` unless a field says "cloud seconds": those are ``Clock.time()`` readings, for intervals.

The parts are imported when something of them is: building the classes takes longer than ``--help`` may.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .cloud import (
        Attachment,
        Caller,
        Disk,
        Image,
        Instance,
        Snapshot,
        SnapshotLink,
        Unseen,
    )
    from .job import (
        Action,
        Evidence,
        Failure,
        Fence,
        Finish,
        Observation,
        OnUnknown,
        Phase,
        PhaseName,
        PhaseResult,
        Record,
        Send,
        Step,
        StepState,
        Wait,
        Wipe,
        WipeState,
    )
    from .plan import (
        Becomes,
        BecomesKind,
        DiskFacts,
        Facts,
        Finding,
        Level,
        Limits,
        Options,
        Plan,
        PlannedDisk,
        PlannedJob,
        Secret,
    )
    from .told import (
        Call,
        DataState,
        DiskReport,
        Event,
        EventName,
        Identity,
        JobReport,
        Operator,
        Outcome,
        PlanReference,
        Report,
    )

_HOME = {
    "Attachment": "cloud",
    "Caller": "cloud",
    "Disk": "cloud",
    "Image": "cloud",
    "Instance": "cloud",
    "Snapshot": "cloud",
    "SnapshotLink": "cloud",
    "Unseen": "cloud",
    "Action": "job",
    "Evidence": "job",
    "Failure": "job",
    "Fence": "job",
    "Finish": "job",
    "Observation": "job",
    "OnUnknown": "job",
    "Phase": "job",
    "PhaseName": "job",
    "PhaseResult": "job",
    "Record": "job",
    "Send": "job",
    "Step": "job",
    "StepState": "job",
    "Wait": "job",
    "Wipe": "job",
    "WipeState": "job",
    "Becomes": "plan",
    "BecomesKind": "plan",
    "DiskFacts": "plan",
    "Facts": "plan",
    "Finding": "plan",
    "Level": "plan",
    "Limits": "plan",
    "Options": "plan",
    "Plan": "plan",
    "PlannedDisk": "plan",
    "PlannedJob": "plan",
    "Secret": "plan",
    "Call": "told",
    "DataState": "told",
    "DiskReport": "told",
    "Event": "told",
    "EventName": "told",
    "Identity": "told",
    "JobReport": "told",
    "Operator": "told",
    "Outcome": "told",
    "PlanReference": "told",
    "Report": "told",
}

__all__ = [
    "Action",
    "Attachment",
    "Becomes",
    "BecomesKind",
    "Call",
    "Caller",
    "DataState",
    "Disk",
    "DiskFacts",
    "DiskReport",
    "Event",
    "EventName",
    "Evidence",
    "Facts",
    "Failure",
    "Fence",
    "Finding",
    "Finish",
    "Identity",
    "Image",
    "Instance",
    "JobReport",
    "Level",
    "Limits",
    "Observation",
    "OnUnknown",
    "Operator",
    "Options",
    "Outcome",
    "Phase",
    "PhaseName",
    "PhaseResult",
    "Plan",
    "PlanReference",
    "PlannedDisk",
    "PlannedJob",
    "Record",
    "Report",
    "Secret",
    "Send",
    "Snapshot",
    "SnapshotLink",
    "Step",
    "StepState",
    "Unseen",
    "Wait",
    "Wipe",
    "WipeState",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the name stands for
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - only when something is asked for

    return getattr(import_module(f".{_HOME[name]}", __name__), name)
