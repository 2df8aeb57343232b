"""The safe way to wipe an Alibaba Cloud ECS disk back to its initial state (ReInitDisk).

    client = safe_reinit.connect(region="cn-hangzhou")
    plan = client.plan(["d-..."], stop_instance=True, reason="CHG-1")
    report = client.run(plan, confirm=plan.confirm_with, on_event=print)

Importing the package imports nothing heavy; the SDK comes with the first call.
"""

from __future__ import annotations

TYPE_CHECKING = False  # a type checker knows better; to import typing takes longer than all before the first line does
if TYPE_CHECKING:
    from typing import Any

    from .client import Client, connect
    from .clock import Clock
    from .cloud.given import AccessKey, Credential, CredentialsClient
    from .cloud.interface import (
        Cloud,
        CloudError,
        CloudFactory,
        Described,
        MaySend,
        NotSent,
        OnCall,
        Refused,
        Unanswered,
    )
    from .config.arguments import Config, ConfigArguments
    from .errors import Error, NotRestarted, OutcomeUnknown, PartlyDone, RunFailed, RunRefused, Stranded, UsageError
    from .interrupt import Interrupt
    from .journal import Holder, StoredJob, StoredRun
    from .model import (
        Accepted,
        ActionName,
        Allow,
        AnswerData,
        AnswerEvent,
        Attachment,
        AutoSnapshotPolicy,
        Becomes,
        BecomesKind,
        Call,
        Caller,
        CallEvent,
        ClassReference,
        DataState,
        Disk,
        DiskReport,
        DoneData,
        DoneEvent,
        DroppedData,
        DroppedEvent,
        Event,
        EventName,
        Evidence,
        Failure,
        Finding,
        FindingEvent,
        Guard,
        Hours,
        Identity,
        Image,
        Instance,
        IntendData,
        IntendEvent,
        JobReport,
        Key,
        LastRun,
        Level,
        Limits,
        Match,
        Operator,
        Options,
        Outcome,
        Phase,
        PhaseName,
        PhaseResult,
        PlannedDisk,
        PlannedJob,
        PlanReference,
        Protect,
        ReadEvent,
        ReplicaPair,
        Report,
        Rollout,
        RunClass,
        ScalingMember,
        Secret,
        Snapshot,
        SnapshotLink,
        StateData,
        StateEvent,
        SystemEvent,
        UnreadableRow,
        WaitData,
        WaitEvent,
    )
    from .planning.discover import Search
    from .planning.plan_store import Plan
    from .version import VERSION as __version__

# The names are repeated here, since a type checker reads imports and a list that is written out, but at run time
# nothing may be imported yet. Ruff compares the two (F401, F822).
__all__ = [
    "Accepted",
    "AccessKey",
    "ActionName",
    "Allow",
    "AnswerData",
    "AnswerEvent",
    "Attachment",
    "AutoSnapshotPolicy",
    "Becomes",
    "BecomesKind",
    "Call",
    "CallEvent",
    "Caller",
    "ClassReference",
    "Client",
    "Clock",
    "Cloud",
    "CloudError",
    "CloudFactory",
    "Config",
    "ConfigArguments",
    "Credential",
    "CredentialsClient",
    "DataState",
    "Described",
    "Disk",
    "DiskReport",
    "DoneData",
    "DoneEvent",
    "DroppedData",
    "DroppedEvent",
    "Error",
    "Event",
    "EventName",
    "Evidence",
    "Failure",
    "Finding",
    "FindingEvent",
    "Guard",
    "Holder",
    "Hours",
    "Identity",
    "Image",
    "Instance",
    "IntendData",
    "IntendEvent",
    "Interrupt",
    "JobReport",
    "Key",
    "LastRun",
    "Level",
    "Limits",
    "Match",
    "MaySend",
    "NotRestarted",
    "NotSent",
    "OnCall",
    "Operator",
    "Options",
    "Outcome",
    "OutcomeUnknown",
    "PartlyDone",
    "Phase",
    "PhaseName",
    "PhaseResult",
    "Plan",
    "PlanReference",
    "PlannedDisk",
    "PlannedJob",
    "Protect",
    "ReadEvent",
    "Refused",
    "ReplicaPair",
    "Report",
    "Rollout",
    "RunClass",
    "RunFailed",
    "RunRefused",
    "ScalingMember",
    "Search",
    "Secret",
    "Snapshot",
    "SnapshotLink",
    "StateData",
    "StateEvent",
    "StoredJob",
    "StoredRun",
    "Stranded",
    "SystemEvent",
    "Unanswered",
    "UnreadableRow",
    "UsageError",
    "WaitData",
    "WaitEvent",
    "__version__",
    "connect",
]


PARTS = (
    "errors",
    "interrupt",
    "planning.plan_store",
    "model",
    "cloud.given",
    "cloud.interface",
    "client",
    "journal",
    "planning.discover",
    "config.arguments",
)
"""Where the names above are looked up, with the modules that others build on first."""


def __dir__() -> list[str]:
    return sorted(__all__)


if not TYPE_CHECKING:  # this would accept every other name, even a misspelt one, for one of any type

    def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the name stands for
        if name == "__version__":
            from .version import VERSION  # noqa: PLC0415 - only when it is asked for

            return VERSION
        if name in __all__:  # anything else is a module, which Python imports by itself
            from importlib import import_module  # noqa: PLC0415 - only when something is asked for

            for part in PARTS:
                if part in ("client", "planning.plan_store"):  # these import what only Linux has
                    from .clock import refuse_platform  # noqa: PLC0415 - see above

                    refuse_platform()
                module = import_module(f".{part}", __name__)
                if hasattr(module, name):
                    return getattr(module, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
