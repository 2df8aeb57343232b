"""Test a program that wipes disks with safe_reinit, without an account and without waiting.

    def test_the_disk_is_wiped(ecs_world, simulated_ecs):
        ecs_world.add_instance("i-lab")
        ecs_world.add_disk("d-lab", instance="i-lab")
        my_program.reset("d-lab")
        assert simulated_ecs.wiped == ("d-lab",)

With pytest these are fixtures (``safe_reinit.testing.plugin``). Without it, ``with SimulatedEcs(world) as ecs:`` does
the same. While it lasts, every client of the process reaches the simulated ECS and nothing else.

| file | what is in it |
|---|---|
| ``ecs``, ``records`` | the simulated ECS and what goes wrong in it; its record, typed |
| ``world``, ``members`` | what there is at the beginning, and the members that each thing takes |
| ``clock``, ``wire`` | virtual time; requests that reach the simulator without a socket |
| ``guard`` | no way to the real cloud, also for other libraries |
| ``plugin`` | the fixtures for pytest |
"""

from __future__ import annotations

TYPE_CHECKING = False  # as in the package: pytest imports this at each start
if TYPE_CHECKING:
    from .clock import VirtualClock
    from .ecs import SimulatedEcs
    from .guard import RealCloudError
    from .members import DiskMembers, ImageMembers, InstanceMembers, SnapshotMembers
    from .records import RecordedCall, SimulatedDisk, SimulatedInstance, SimulatedSnapshot
    from .world import EcsWorld

__all__ = [
    "DiskMembers",
    "EcsWorld",
    "ImageMembers",
    "InstanceMembers",
    "RealCloudError",
    "RecordedCall",
    "SimulatedDisk",
    "SimulatedEcs",
    "SimulatedInstance",
    "SimulatedSnapshot",
    "SnapshotMembers",
    "VirtualClock",
]

_PARTS = ("ecs", "world", "clock", "records", "guard", "members")


def __dir__() -> list[str]:
    return sorted(__all__)


if not TYPE_CHECKING:  # this would accept every other name, even a misspelt one, for one of any type

    def __getattr__(name: str) -> object:
        if name in __all__:
            from importlib import import_module  # noqa: PLC0415 - only when something is asked for

            for part in _PARTS:
                module = import_module(f".{part}", __name__)
                if hasattr(module, name):
                    return getattr(module, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
