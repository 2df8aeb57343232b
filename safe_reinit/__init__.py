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
    from .cloud.interface import Cloud, CloudFactory
    from .errors import (
        Error,
        NotRestarted,
        OutcomeUnknown,
        PartlyDone,
        RunFailed,
        RunRefused,
        Stranded,
        UsageError,
    )
    from .interrupt import Interrupt
    from .model import Event, Finding, Plan, Report

__all__ = [
    "Client",
    "Cloud",
    "CloudFactory",
    "Error",
    "Event",
    "Finding",
    "Interrupt",
    "NotRestarted",
    "OutcomeUnknown",
    "PartlyDone",
    "Plan",
    "Report",
    "RunFailed",
    "RunRefused",
    "Stranded",
    "UsageError",
    "connect",
]


PARTS = ("errors", "interrupt", "model", "cloud.interface", "client")
"""Where the names above are looked for, those first that the others are built on."""


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the name stands for
    if name in __all__:  # what else is asked for is a module, which Python imports by itself
        from importlib import import_module  # noqa: PLC0415 - only when something is asked for

        for part in PARTS:
            if part == "client":  # which imports what other systems than Linux do not have
                from .clock import refuse_platform  # noqa: PLC0415 - see above

                refuse_platform()
            module = import_module(f".{part}", __name__)
            if hasattr(module, name):
                return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
