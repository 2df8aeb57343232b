"""An offline simulator of Alibaba Cloud ECS on loopback. Real SDKs talk to it over real HTTP.

It imports nothing from the rest of the package, so that it is an independent witness of what the rest does. In a
program:

    with Simulator() as sim:
        ...  # sim.endpoint, sim.access_key, sim.state(), sim.do({"write": "d-sim-web1-data"})

On the command line: ``python -m safe_reinit.simulator``.

| file | what is in it |
|---|---|
| ``world``, ``specs``, ``reading``, ``build`` | what there is at the beginning: a world file, and its cloud |
| ``world_ids`` | the ids in a world file, for completion |
| ``engine``, ``actions/``, ``state/`` | one simulation: the operations, and the rules |
| ``errors``, ``faults`` | every refusal that the simulated ECS can give; calls that go wrong |
| ``console``, ``operator_actions``, ``account_actions`` | what other people do, and what happens by itself |
| ``calls``, ``witness`` | the record of all calls, and what is true: to judge a client |
| ``server``, ``gateway``, ``wire/`` | HTTP, signatures and answers |
| ``embedded`` | the simulator inside a program |
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .embedded import Simulator

__all__ = ["Simulator"]


def __getattr__(name: str) -> object:
    """Load the simulator, and with it aiohttp and pydantic, only when it is needed."""
    if name == "Simulator":
        from .embedded import Simulator  # noqa: PLC0415

        return Simulator
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
