"""A simulated ECS for the tests of a program, its record, and its failures."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

from ..clock import Clock
from ..cloud.endpoints import parse
from ..cloud.simulation import Simulation, only
from ..model import Secret
from ..simulator.embedded import Simulator
from ..simulator.state.clock import SimulatedClock
from .clock import VirtualClock
from .guard import no_real_cloud
from .records import RecordedCall, SimulatedDisk, SimulatedInstance, SimulatedSnapshot, call_of, disk_of
from .wire import in_process
from .world import EcsWorld

_SIMULATION_SPEED = 15.0
"""Simulated seconds per real second, if the clock is not virtual: as with ``--simulate``."""
_ALL_CALLS = 1_000_000_000
"""So many calls in a row that they never end."""
_REMOVED = ("SAFE_REINIT_", "ALIBABA_CLOUD_", "ALICLOUD_")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


class _SimulatorClock(SimulatedClock):
    """The clock of the simulator, on the virtual time of its clients."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(1.0)
        self._clock = clock
        self._start = clock.time()

    def begin(self, moment: float) -> None:
        super().begin(moment)
        self._clock.advance(moment - self._clock.time())

    def now(self) -> float:
        return self._clock.time()

    async def sleep(self, seconds: float) -> None:
        self._clock.advance(seconds)


class SimulatedEcs:
    """A simulated ECS in this process, which every client of the process reaches while its ``with`` block lasts.

    A client needs no change for this: its region and settings stay, while its endpoint, credentials, journal and clock
    are replaced by those of the simulated ECS. A client that names another endpoint, or that was made before the block,
    is refused, and no library of the process can reach a host of Alibaba Cloud.

    Args:
        world: the instances, disks and snapshots at the beginning; else none, until some are added to ``ecs.world``.
        clock: the clock of all clients and of the simulated ECS; else a new one.
        journal: the journal file of all clients; else one that is deleted at the end.
        real_time: wait for real, at 15 times the speed, for a program that runs the command ``safe-reinit``.
        change_environment: whether the block changes ``os.environ`` as ``environment`` says, and changes it back.

    """

    def __init__(
        self,
        world: EcsWorld | None = None,
        *,
        clock: VirtualClock | None = None,
        journal: str | os.PathLike[str] | None = None,
        real_time: bool = False,
        change_environment: bool = True,
    ) -> None:
        if real_time and clock is not None:
            raise ValueError("A simulated ECS in real time has no virtual clock.")
        self._world = EcsWorld() if world is None else world
        self._clock = None if real_time else clock or VirtualClock()
        self._journal = None if journal is None else Path(journal).absolute()
        self._change_environment = change_environment
        self._changed_by_hand = False
        self._stack = ExitStack()
        of_simulator = None if self._clock is None else _SimulatorClock(self._clock)
        self._simulator = Simulator(self._world.to_dict(), speed=_SIMULATION_SPEED, clock=of_simulator)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            if self._journal is None:
                self._journal = Path(stack.enter_context(TemporaryDirectory())) / "journal.db"
            stack.enter_context(self._simulator)
            key_id, secret = self.access_key
            clock = self._clock or Clock(_SIMULATION_SPEED)
            simulation = Simulation(parse(self._simulator.url), (key_id, Secret(secret)), str(self._journal), clock)
            stack.enter_context(only(simulation))
            stack.enter_context(no_real_cloud())
            if self._clock is not None:
                stack.enter_context(in_process(self._simulator, self._clock))
            if self._change_environment:
                stack.enter_context(_changed(self.environment))
            self._world.on_change(self._replace_world)
            stack.callback(self._world.on_change, lambda _world: None)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    # ------------------------------------------------------------------------------------------------- where it is

    @property
    def endpoint(self) -> str:
        """The address for an SDK client of your own: ``127.0.0.1:PORT``, with the protocol http."""
        return self._simulator.endpoint

    @property
    def access_key(self) -> tuple[str, str]:
        """Id and secret of the AccessKey for an SDK client of your own."""
        return self._simulator.access_key

    @property
    def region(self) -> str:
        """The region of the world."""
        return self._simulator.region

    @property
    def journal(self) -> Path | None:
        """The journal file of all clients; ``None`` before the block, where none was given."""
        return self._journal

    @property
    def world(self) -> EcsWorld:
        """The world at the beginning."""
        return self._world

    @property
    def clock(self) -> VirtualClock | None:
        """The clock; ``None`` in real time."""
        return self._clock

    @property
    def environment(self) -> Mapping[str, str | None]:
        """The environment variables for this process and its children; one that is ``None`` is removed.

        A child process has no virtual clock: its command is refused, unless the simulated ECS is in real time.
        """
        key_id, secret = self.access_key
        there = {name: None for name in os.environ if name.upper().startswith(_REMOVED) or name.upper() in _PROXIES}
        return {
            **there,
            "SAFE_REINIT_CONFIG": os.devnull,  # not a file of the person who runs the tests
            "SAFE_REINIT_ENDPOINT": self._simulator.url,
            "SAFE_REINIT_REGION": self.region,
            "SAFE_REINIT_JOURNAL": str(self._journal),
            "SAFE_REINIT_TIME_SCALE": "virtual" if self._clock else f"{_SIMULATION_SPEED:g}",
            "ALIBABA_CLOUD_ACCESS_KEY_ID": key_id,
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET": secret,
            "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true",
        }

    # ------------------------------------------------------------------------------------------------- its record

    @property
    def calls(self) -> tuple[RecordedCall, ...]:
        """All calls in their order, Describe calls and dry runs included."""
        return tuple(map(call_of, self._simulator.state()["calls"]))

    @property
    def changing_calls(self) -> tuple[RecordedCall, ...]:
        """The calls of clients that ask for a change: no Describe calls, and no dry runs."""
        return tuple(call for call in self.calls if call.changing)

    @property
    def wiped(self) -> tuple[str, ...]:
        """The ids of the disks that were wiped, in order; twice for one that was wiped twice."""
        disks = self._simulator.state()["disks"]
        return tuple(name for _, name in sorted((wipe["at"], name) for name in disks for wipe in disks[name]["wipes"]))

    @property
    def stopped(self) -> tuple[str, ...]:
        """The ids of the instances that clients stopped, in order."""
        return self._subjects("StopInstance", "StopInstances")

    @property
    def started(self) -> tuple[str, ...]:
        """The ids of the instances that clients started, in order."""
        return self._subjects("StartInstance", "StartInstances")

    def disk(self, disk_id: str) -> SimulatedDisk:
        """Return a disk as it is now.

        Raises:
            KeyError: there is none.
        """
        return disk_of(disk_id, self._simulator.state()["disks"][disk_id])

    def instance(self, instance_id: str) -> SimulatedInstance:
        """Return an instance as it is now.

        Raises:
            KeyError: there is none.
        """
        row = self._simulator.state()["instances"][instance_id]
        return SimulatedInstance(instance_id, row["status"], row["starts"])

    @property
    def snapshots(self) -> tuple[SimulatedSnapshot, ...]:
        """All snapshots, including those that a run took."""
        return tuple(
            SimulatedSnapshot(name, row["disk_id"], row["status"], row["content"])
            for name, row in self._simulator.state()["snapshots"].items()
        )

    def _subjects(self, *actions: str) -> tuple[str, ...]:
        return tuple(
            name for call in self.changing_calls if call.done and call.action in actions for name in call.subjects
        )

    # ------------------------------------------------------------------------------------------- what goes wrong

    def refuse(
        self, action: str, code: str, *, subject: str | None = None, nth: int = 1, times: int | None = 1
    ) -> None:
        """Answer a call with an error code of ECS, and do not carry it out.

        Args:
            action: the name of the call, such as ``ReInitDisk``; ``*`` for any.
            code: the error code.
            subject: the id that the call must be about; else any.
            nth: from which such call on, counted from now.
            times: how many calls in a row; ``None`` for each one from now on.

        Raises:
            ValueError: there is no such action.
        """
        self._fault({"action": action, "error": {"code": code}}, subject, nth, times)

    def lose_answer(self, action: str, *, subject: str | None = None, nth: int = 1, times: int | None = 1) -> None:
        """Carry a call out, and lose its answer: the program cannot know whether it was done.

        The arguments and errors are those of ``refuse``.
        """
        self._fault({"action": action, "drop_answer": True}, subject, nth, times)

    def lose_request(self, action: str, *, subject: str | None = None, nth: int = 1, times: int | None = 1) -> None:
        """Lose a call before it is carried out: the program cannot know that it was not done.

        The arguments and errors are those of ``refuse``.
        """
        self._fault({"action": action, "drop_request": True}, subject, nth, times)

    def delay(
        self, action: str, seconds: float, *, subject: str | None = None, nth: int = 1, times: int | None = 1
    ) -> None:
        """Carry a call out, and answer so many seconds later.

        Virtual time moves on by them, and no time limit of the connection is reached: use ``lose_answer`` for that.
        The other arguments and the errors are those of ``refuse``.
        """
        self._fault({"action": action, "delay": seconds}, subject, nth, times)

    def do(self, request: Mapping[str, Any]) -> None:
        """Do what other people or ECS do: ``{"stop": "i-lab"}``. The page about the simulator lists everything.

        Raises:
            ValueError: it is not possible now.
        """
        self._changed_by_hand = True
        self._simulator.do(dict(request))

    def _fault(self, fault: dict[str, Any], subject: str | None, nth: int, times: int | None) -> None:
        self._simulator.do({"fault": {**fault, "subject": subject, "nth": nth, "times": times or _ALL_CALLS}})

    def _replace_world(self, world: dict[str, Any]) -> None:
        if self._changed_by_hand or self._simulator.state()["calls"]:
            raise ValueError("The simulated ECS has had its first call, so nothing can be added to its world.")
        self._simulator.replace_world(world)


@contextmanager
def _changed(variables: Mapping[str, str | None]) -> Iterator[None]:
    """Change the environment while the block lasts."""
    before = {name: os.environ.get(name) for name in variables}
    try:
        _set(variables)
        yield
    finally:
        _set(before)


def _set(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
