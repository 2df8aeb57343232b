"""The safe way to wipe an Alibaba Cloud ECS disk back to its initial state (ReInitDisk).

    client = safe_reinit.connect(region="cn-hangzhou")
    plan = client.plan(["d-..."], stop_instance=True, reason="CHG-1")
    report = client.run(plan, confirm=plan.confirm_with, on_event=print)

Importing the package imports nothing heavy; the SDK comes with the first call.
"""

from __future__ import annotations

TYPE_CHECKING = False  # a type checker knows better; to import typing takes longer than all before the first line does
if TYPE_CHECKING:
    from .client import *  # noqa: F403 - it is the list of the public names

    __version__: str
else:  # a type checker would take every other name, misspelt ones too, for one of any type

    def _public() -> dict[str, object]:
        """Return what ``client`` names, once somebody asks for it."""
        from importlib import import_module  # noqa: PLC0415 - only when something is asked for

        from .clock import refuse_platform  # noqa: PLC0415 - see above

        refuse_platform()  # client imports what other systems than Linux do not have
        named = vars(import_module(".client", __name__)).items()
        return {name: value for name, value in named if name[0] != "_" and not hasattr(value, "__spec__")}

    def __dir__() -> list[str]:
        return sorted(["__version__", *_public()])

    def __getattr__(name: str) -> object:
        if name == "__version__":
            from .version import VERSION  # noqa: PLC0415 - see above

            return VERSION
        if name == "__all__":
            return __dir__()
        if name == "connect" or name != name.lower():  # else a module, which Python imports by itself
            from . import errors  # noqa: PLC0415 - see above

            found = getattr(errors, name, None)  # a program catches them on every system
            if isinstance(found, type):
                return found
            if name in (public := _public()):
                return public[name]
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
