"""The simulator inside a program: on its own thread, silent, ended with its `with` block."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar, cast

from . import gateway, witness
from .engine import Engine, Options
from .server import HOST, Server
from .state.clock import SimulatedClock
from .wire.answers import Reply
from .wire.request import RawRequest

_Result = TypeVar("_Result")


class Simulator:
    """A simulated ECS on a free loopback port.

    `world`: None for the packaged one, a path to a YAML file, or a dict of the same shape; `faults`: a path or a list;
    `speed`: simulated seconds in a real one; `access_key`: `ID:SECRET` in the place of the world's first key; `clock`:
    the clock to live by, in the place of one of that speed.
    A world or faults that are not valid raise a ValueError of one sentence.
    """

    def __init__(
        self,
        world: str | Path | dict[str, Any] | None = None,
        faults: str | Path | list[Any] | None = None,
        speed: float = 15.0,
        seed: int = 0,
        access_key: str | None = None,
        clock: SimulatedClock | None = None,
    ) -> None:
        clock = clock or SimulatedClock(check_speed(speed))
        self._options = Options(world, faults, speed, seed, split_access_key(access_key), clock)
        self._engine = Engine(self._options)
        self._server: Server | None = None
        self._port = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Simulator:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to listen."""
        ready: concurrent.futures.Future[int] = concurrent.futures.Future()
        self._thread = threading.Thread(target=self._serve, args=(ready,), name="simulator", daemon=True)
        self._thread.start()
        self._port = ready.result()

    def stop(self) -> None:
        """End all connections and the thread; can be called twice."""
        loop, thread = self._loop, self._thread
        if loop is not None and thread is not None:
            self._loop = self._thread = None
            loop.call_soon_threadsafe(loop.stop)
            thread.join()

    def _serve(self, ready: concurrent.futures.Future[int]) -> None:
        loop = asyncio.new_event_loop()
        try:
            self._server = server = Server(self._engine)
            self._loop = loop
            try:
                ready.set_result(loop.run_until_complete(_started(server)))
            except OSError as error:
                ready.set_exception(error)
                return
            loop.run_forever()
            loop.run_until_complete(_ended(server))
        finally:
            loop.close()

    @property
    def endpoint(self) -> str:
        """The address in the form of an SDK's `endpoint`: `127.0.0.1:PORT`."""
        return f"{HOST}:{self._port}"

    @property
    def url(self) -> str:
        """The address as a URL: `http://127.0.0.1:PORT`."""
        return f"http://{self.endpoint}"

    @property
    def access_key(self) -> tuple[str, str]:
        """Id and secret of the default key."""
        return self._engine.default_key.id, self._engine.default_key.secret

    @property
    def region(self) -> str:
        """The region of the world."""
        return self._engine.cloud.settings.region

    def state(self) -> dict[str, Any]:
        """Return what `GET /_simulator/state` answers."""
        return cast("dict[str, Any]", self._on_loop(lambda: witness.state(self._engine)))

    def do(self, request: dict[str, Any]) -> None:
        """Do what `POST /_simulator/do` does; a ValueError says in one sentence why not."""
        self._on_loop(lambda: self._engine.do(request))

    def respond(self, raw: RawRequest) -> tuple[Reply, dict[str, str]]:
        """Answer a request from this process as the address would, and return the headers of the answer with it."""

        def answer() -> tuple[Reply, dict[str, str]]:
            reply, _ = gateway.respond(self._engine, raw)
            return reply, gateway.headers_of(self._engine, reply)

        return self._on_loop(answer)

    def replace_world(self, world: dict[str, Any]) -> None:
        """Simulate another world at the same address and with the same faults; earlier requests are forgotten."""

        def begin() -> None:
            # its beginning is that of the first world, which has already passed
            engine = Engine(replace(self._options, world={**world, "begins": None}))
            engine.faults = self._engine.faults
            self._engine = engine
            if self._server is not None:
                self._server.engine = engine

        self._on_loop(begin)

    def _on_loop(self, work: Callable[[], _Result]) -> _Result:
        """Run on the simulator's thread, so that nothing is read while it changes."""
        loop = self._loop
        if loop is None:
            return work()

        async def run() -> _Result:
            return work()

        return asyncio.run_coroutine_threadsafe(run(), loop).result()


async def _started(server: Server) -> int:
    return await server.start()


async def _ended(server: Server) -> None:
    """Close the server, and end everything that still waits in it, such as an answer delayed by a fault."""
    await server.close()
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


def check_speed(speed: float) -> float:
    """Refuse a speed at which time would stand still or never end."""
    if not 0 < speed <= 1_000_000:
        raise ValueError("The speed must be a number above 0 and at most 1000000.")
    return speed


def split_access_key(text: str | None) -> tuple[str, str] | None:
    """Split `ID:SECRET`."""
    if text is None:
        return None
    key_id, colon, secret = text.partition(":")
    if not (key_id and colon and secret):
        raise ValueError("The access key must be ID:SECRET.")
    return key_id, secret
