"""One simulation: requests in, replies out, and the record of both. No sockets here."""

from __future__ import annotations

import random
import uuid
from collections import OrderedDict
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from safe_reinit.simulator import actions
from safe_reinit.simulator.actions.context import Context
from safe_reinit.simulator.build import build
from safe_reinit.simulator.errors import Refusal
from safe_reinit.simulator.faults import Fault, Faults, load_faults
from safe_reinit.simulator.state.clock import SimulatedClock, millisecond_text, real_now, second_text
from safe_reinit.simulator.state.cloud import Cloud
from safe_reinit.simulator.state.rights import AccessKey
from safe_reinit.simulator.wire import acs3, answers, rpc
from safe_reinit.simulator.wire.answers import Reply
from safe_reinit.simulator.wire.request import Asked, RawRequest
from safe_reinit.simulator.world import World, load_world

_NONCE_MEMORY = 30 * 60
"""Real seconds for which a nonce stays used: both sides of the 15 minutes in which a date is good."""


@dataclass(frozen=True)
class Call:
    """One call, as `GET /_simulator/state` shows it. `http_status` None: there was no answer."""

    action: str
    subject: list[str]
    http_status: int | None = 200
    code: str = ""
    request_id: str = ""
    dry_run: bool = False
    fault: str | None = None
    source: Literal["api", "console", "world"] = "api"
    at: str = ""
    real_at: str = ""

    def line(self) -> str:
        """Say it in one line: action, subject, answer."""
        answer = "no answer" if self.http_status is None else str(self.http_status)
        words = [self.action or "(no action)", *self.subject, "->", answer, self.code]
        words += ["(dry run)"] if self.dry_run else []
        words += [f"(fault: {self.fault})"] if self.fault else []
        return " ".join(word for word in words if word)


@dataclass(frozen=True)
class Options:
    """How to simulate: the world and faults (paths, parsed YAML or None), simulated seconds in a real one, a seed."""

    world: World | str | Path | dict[str, Any] | None = None
    faults: str | Path | list[object] | None = None
    speed: float = 1.0
    seed: int = 0
    access_key: tuple[str, str] | None = None


class Engine:
    """A cloud, its keys and faults, and everything that was asked of it. Not safe for use from several threads."""

    def __init__(self, options: Options) -> None:
        self.seed = options.seed
        self._rng = random.Random(options.seed)  # noqa: S311 - repeatable on purpose
        self.faults = Faults(load_faults(options.faults, actions.ACTIONS))
        world = load_world(options.world)
        clock = SimulatedClock(options.speed)
        self.cloud: Cloud = build(world, clock, self._rng, options.access_key)
        self.default_key = next(iter(self.cloud.keys.values()))
        self.calls: list[Call] = []
        self._nonces: OrderedDict[str, float] = OrderedDict()
        self._used: dict[tuple[str, str], tuple[int, int]] = {}

    def handle(self, raw: RawRequest) -> tuple[Reply, Call]:
        """Answer one request as ECS would, or as a fault wants it."""
        self.tick()
        request_id = self.new_request_id()
        protocol = acs3 if acs3.speaks(raw) else rpc
        asked = protocol.read(raw)
        try:
            key = protocol.verify(raw, self)
        except Refusal as refusal:
            return self._done(asked, self._failure(asked, refusal, request_id), refusal.code, request_id, None)
        fault = self.faults.take(asked.action, asked.params.subjects(), dry_run=_is_dry_run(asked))
        reply, code = self._act(asked, key, request_id, fault)
        if fault is not None and _acts(fault):
            reply = fault.spoil(reply, self._rng)
        return self._done(asked, reply, code, request_id, fault)

    def _act(self, asked: Asked, key: AccessKey, request_id: str, fault: Fault | None) -> tuple[Reply, str]:
        """Do what is asked, unless the fault keeps it from being done."""
        instead = fault.instead() if fault else None
        if instead is not None:
            return instead, ""
        try:
            refusal = fault.refusal() if fault else None
            if refusal is not None:
                raise refusal
            return answers.success(asked, self._perform(asked, key, request_id), request_id), ""
        except Refusal as refusal:
            return self._failure(asked, refusal, request_id), refusal.code

    def _perform(self, asked: Asked, key: AccessKey, request_id: str) -> answers.Body:
        action = actions.find(asked.action, asked.version)
        now = self.tick()
        self._meter(key.account, asked.action, now)
        return action(Context(self.cloud, key, asked.action, asked.params, now, request_id))

    def _meter(self, account: str, action: str, now: float) -> None:
        """Count calls by account, action and minute: over the limit they are refused until the next minute."""
        limit = self.cloud.settings.rate_limits.get(action)
        if limit is None:
            return
        minute = int(now // 60)
        counted, calls = self._used.get((account, action), (minute, 0))
        calls = calls + 1 if counted == minute else 1
        self._used[account, action] = (minute, calls)
        if calls > limit:
            raise Refusal("Throttling.User")

    def _failure(self, asked: Asked, refusal: Refusal, request_id: str) -> Reply:
        return answers.failure(asked, refusal, request_id, f"ecs.{self.cloud.settings.region}.aliyuncs.com")

    def _done(self, asked: Asked, reply: Reply, code: str, request_id: str, fault: Fault | None) -> tuple[Reply, Call]:
        call = Call(
            action=asked.action,
            subject=asked.params.subjects(),
            http_status=reply.status if reply.ending == "answer" else None,
            code=code,
            request_id=request_id,
            dry_run=_is_dry_run(asked),
            fault=fault.kind if fault else None,
        )
        dated = self.record(call)
        return replace(reply, headers={"x-acs-request-id": request_id, **reply.headers}), dated

    def record(self, call: Call, at: float | None = None) -> Call:
        """Keep one call for `GET /_simulator/state`, as made at a simulated moment (default: now)."""
        moment = self.cloud.clock.now() if at is None else at
        dated = replace(call, at=second_text(moment), real_at=millisecond_text(real_now()))
        self.calls.append(dated)
        return dated

    def tick(self) -> float:
        """Let everything that is due happen, and return the simulated time."""
        now = self.cloud.now()
        for at, instance_id in self.cloud.own_starts:
            self.record(Call("StartInstance", [instance_id], source="world"), at)
        self.cloud.own_starts.clear()
        return now

    def new_request_id(self) -> str:
        """Return a request id; the seed decides which."""
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4)).upper()

    def calls_json(self) -> list[dict[str, object]]:
        """Return all calls, oldest first."""
        return [asdict(call) for call in self.calls]

    # What signatures are checked against.

    def key(self, key_id: str) -> AccessKey:
        """Find a usable key, or raise the gateway's refusal."""
        key = self.cloud.keys.get(key_id)
        if key is None:
            raise Refusal("InvalidAccessKeyId.NotFound")
        if not key.active:
            raise Refusal("InvalidAccessKeyId.Inactive")
        if key.expires is not None and key.expires <= self.cloud.clock.now():
            raise Refusal("InvalidSecurityToken.Expired")
        return key

    def spend(self, nonce: str) -> None:
        """Accept a nonce once."""
        now = real_now()
        while self._nonces and next(iter(self._nonces.values())) < now - _NONCE_MEMORY:
            self._nonces.popitem(last=False)
        if nonce in self._nonces:
            raise Refusal("SignatureNonceUsed")
        self._nonces[nonce] = now


def _acts(fault: Fault) -> bool:
    return fault.refusal() is None and fault.instead() is None


def _is_dry_run(asked: Asked) -> bool:
    return asked.params.text("DryRun").lower() == "true"
