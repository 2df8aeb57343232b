"""An offline simulator of Alibaba Cloud ECS on loopback, which real SDKs talk to over real HTTP.

It knows nothing of the rest of the package and so can witness what the rest does. In a program:

    with Simulator() as sim:
        ...  # sim.endpoint, sim.access_key, sim.state(), sim.do({"write": "d-sim-web1-data"})

On the command line: `python -m safe_reinit.simulator`. The world it begins with is described in `world`, faults in
`faults`, what other people do in `console`, what is true afterwards in `witness`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .embedded import Simulator

__all__ = ["Simulator"]


def __getattr__(name: str) -> object:
    """Load the simulator, and with it aiohttp and pydantic, only when it is asked for."""
    if name == "Simulator":
        from .embedded import Simulator  # noqa: PLC0415

        return Simulator
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
