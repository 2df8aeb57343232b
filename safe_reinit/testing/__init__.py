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
| ``public`` | the public names of this folder |
"""

from __future__ import annotations

TYPE_CHECKING = False  # as in the package: pytest imports this at each start
if TYPE_CHECKING:
    from .public import *  # noqa: F403 - it is the list of the public names
else:  # a type checker would take every other name, misspelt ones too, for one of any type

    def _public() -> dict[str, object]:
        """Return what ``public`` names, once somebody asks for it."""
        from importlib import import_module  # noqa: PLC0415 - only when something is asked for

        named = vars(import_module(".public", __name__)).items()
        return {name: value for name, value in named if name.isalnum()}  # without what pytest adds

    def __dir__() -> list[str]:
        return sorted(_public())

    def __getattr__(name: str) -> object:
        if name == "__all__":
            return __dir__()
        if name != name.lower() and name in (public := _public()):  # a lower-case name is a module
            return public[name]
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
