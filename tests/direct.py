"""A cloud that asks the simulator's engine in the same process: no SDK, no signature, no HTTP.

Parameters, the reading of answers and errors, and all limits of an exchange are the program's own. What the SDK adds
(signing, the form of a request) and the source of the key are left out: ``tests/inprocess.py`` has them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from safe_reinit.cloud.aliyun.answers import SigningKey
from safe_reinit.cloud.aliyun.attempt import Reply, RequestInProgress
from safe_reinit.cloud.aliyun.client import Aliyun
from safe_reinit.cloud.aliyun.credentials import Credentials
from safe_reinit.cloud.aliyun.exchange import Exchange
from safe_reinit.cloud.aliyun.profile import Profile
from safe_reinit.cloud.aliyun.sdk import Api
from safe_reinit.cloud.connection import Connection
from safe_reinit.cloud.endpoints import Endpoint, parse
from safe_reinit.cloud.interface import CloudFactory, MaySend, OnCall
from safe_reinit.model import Secret
from safe_reinit.simulator import Simulator, gateway
from safe_reinit.simulator.engine import Engine
from safe_reinit.simulator.wire.params import Params
from safe_reinit.simulator.wire.request import Request
from tests import inprocess

KeyInHand = Callable[[], tuple[str, str]]
"""Returns the id and the secret of the key that calls are made with now."""


class Line(Protocol):
    """What carries questions to an engine."""

    def ask(self, attempt: RequestInProgress, asked: Request, key_id: str) -> Reply:
        """Ask once; see ``Connections.send`` for what is raised."""


class Direct:
    """A line that takes no time."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def ask(self, attempt: RequestInProgress, asked: Request, key_id: str) -> Reply:
        """Ask once."""
        inprocess.leave(attempt)
        reply, _ = self._engine.ask(asked, key_id)
        return inprocess.came(attempt, reply, gateway.headers_of(self._engine, reply))


def over(simulator: Simulator) -> CloudFactory:
    """Return what makes clouds that ask a simulator in this process, by its first key."""
    engine = simulator._engine
    key = engine.default_key
    return factory(Direct(engine), lambda: (key.id, key.secret))


def factory(line: Line, key: KeyInHand, region: str = "cn-hangzhou") -> CloudFactory:
    """Return what makes clouds that ask over a line; all of them have one source of credentials."""
    endpoint = parse(inprocess.HOST)
    where = Connection(region, endpoint, credentials=_Credentials(Connection(region, endpoint), key))
    return lambda on_call, may_send: Aliyun(_Exchange(where, line, on_call, may_send))


class _Exchange(Exchange):
    def __init__(self, where: Connection, line: Line, on_call: OnCall, may_send: MaySend) -> None:
        super().__init__(where, on_call, may_send)
        self._line = line

    def _reply(
        self, _endpoint: Endpoint, api: Api, query: Mapping[str, Any], limit: RequestInProgress, key: SigningKey
    ) -> Reply:
        limit.begin()
        return self._line.ask(limit, Request(api.action, api.version, Params(_pairs(query))), key.key_id)


class _Credentials(Credentials):
    """Credentials whose source is the key in hand; whose it is, is asked as of any other."""

    def __init__(self, where: Connection, key: KeyInHand) -> None:
        super().__init__(where, {})
        self._in_hand = key

    def _obtained(self, _now: float) -> tuple[Profile, SigningKey | None]:
        key_id, secret = self._in_hand()
        same = self._held is not None and self._held.key_id == key_id
        return Profile("AK", {}, "the key in hand"), None if same else SigningKey(key_id, Secret(secret))


def _pairs(query: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Write parameters as a query has them: the members of lists and tables by number and name."""
    for name, value in query.items():
        if isinstance(value, Mapping):
            yield from _pairs({f"{name}.{member}": each for member, each in value.items()})
        elif isinstance(value, (list, tuple)):
            yield from _pairs({f"{name}.{number}": each for number, each in enumerate(value, 1)})
        elif value is not None:
            yield name, str(value).lower() if isinstance(value, bool) else str(value)
