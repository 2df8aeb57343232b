"""One simulation: requests in, replies out, and the record of both. No sockets here."""

from __future__ import annotations

import random
import uuid
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from . import actions, console
from .actions.context import Context
from .build import build
from .calls import Call, Calls, Source
from .errors import Refusal
from .faults import Fault, Faults, load_faults
from .operator_actions import Operator
from .specs import ScheduleSpec, World
from .state.clock import SimulatedClock, real_now
from .state.cloud import Cloud
from .state.permissions import AccessKey
from .wire import acs3, answers, rpc
from .wire.answers import Reply
from .wire.params import Params
from .wire.request import RawRequest, Request
from .world import WorldError, load_world

_NONCE_MEMORY = 30 * 60
"""Real seconds for which a nonce stays used: both sides of the 15 minutes in which a date is valid."""


@dataclass(frozen=True)
class Options:
    """How to simulate: the world and faults (paths, parsed YAML or None), simulated seconds per real second, a seed."""

    world: World | str | Path | dict[str, Any] | None = None
    faults: str | Path | list[object] | None = None
    speed: float = 1.0
    seed: int = 0
    access_key: tuple[str, str] | None = None
    clock: SimulatedClock | None = None
    """The clock to use, for a program that shares it; by default one that runs at `speed` from the present."""


class Engine:
    """A cloud, its keys and faults, and all requests to it. Not safe for use from several threads."""

    def __init__(self, options: Options) -> None:
        self.seed = options.seed
        self._rng = random.Random(options.seed)  # noqa: S311 - repeatable on purpose
        self.faults = Faults(load_faults(options.faults, actions.ACTIONS), options.seed)
        world = load_world(options.world)
        clock = options.clock or SimulatedClock(options.speed)
        if world.begins is not None:
            clock.begin(world.begins.at(clock.start))
        self.cloud: Cloud = build(world, clock, self._rng, options.access_key)
        self.default_key = next(iter(self.cloud.keys.values()))
        self.calls = Calls()
        self._nonces: OrderedDict[str, float] = OrderedDict()
        self._used: dict[tuple[str, str, str], tuple[int, int]] = {}
        for number, spec in enumerate(world.schedule):
            self._plan(number, spec, spec.at.at(clock.start))

    def handle(self, raw: RawRequest) -> tuple[Reply, Call]:
        """Answer one request as ECS would, or as a fault requires."""
        protocol = acs3 if acs3.speaks(raw) else rpc

        def signed() -> AccessKey:
            raw.check_method()
            verified: AccessKey = protocol.verify(raw, self)
            return verified

        return self._answer(protocol.read(raw), signed)

    def ask(self, request: Request, key_id: str) -> tuple[Reply, Call]:
        """Answer a request of a key in this process, where nothing is signed."""
        return self._answer(request, lambda: self.key(key_id))

    def _answer(self, request: Request, verified: Callable[[], AccessKey]) -> tuple[Reply, Call]:
        request_id = self.new_request_id()
        now = self.tick()
        try:
            key = verified()
        except Refusal as refusal:
            return self._done(request, self._failure(request, refusal, request_id), refusal.code, request_id, None)
        fault = self.faults.take(request.action, request.subjects, dry_run=request.dry_run)
        if fault is not None and fault.late is not None:
            arrive = partial(self._arrive_late, request, key, request_id)
            self.cloud.timeline.begin(f"request {request_id}", now + fault.late, arrive)
        reply, code = self._carry_out(Context(self.cloud, key, request, now, request_id), fault)
        if fault is not None and _acts(fault):
            reply = fault.spoil(reply, self._rng)
        return self._done(request, reply, code, request_id, fault)

    def crash(self, raw: RawRequest) -> tuple[Reply, Call]:
        """Answer a request for which the simulation itself failed: ECS, too, then answers InternalError."""
        asked = Request(raw.headers.get("x-acs-action", ""), "", Params([]))
        request_id = self.new_request_id()
        reply = self._failure(asked, Refusal("InternalError"), request_id)
        return self._done(asked, reply, "InternalError", request_id, None)

    def _carry_out(self, ctx: Context, fault: Fault | None) -> tuple[Reply, str]:
        """Carry out the request, unless a fault prevents that."""
        instead = fault.instead() if fault else None
        if instead is not None:
            return instead, ""
        try:
            refusal = fault.refusal() if fault else None
            if refusal is not None:
                raise refusal
            action = actions.find(ctx.action, ctx.request.version)
            self.meter(ctx.key.account, ctx.region, ctx.action, ctx.now)
            return answers.success(ctx.request, action(ctx), ctx.request_id), ""
        except Refusal as refusal:
            return self._failure(ctx.request, refusal, ctx.request_id), refusal.code

    def _arrive_late(self, request: Request, key: AccessKey, request_id: str, at: float) -> None:
        """Carry out a request that was delayed on its way; nobody gets its answer."""
        _, code = self._carry_out(Context(self.cloud, key, request, at, request_id), None)
        self.calls.add(
            Call(at, request.action, request.subjects, None, code, request_id, request.dry_run, "late", "world")
        )

    def meter(self, account: str, region: str, action: str, now: float, calls: int = 1) -> None:
        """Count calls by account, region, action and minute: over the limit, they are refused until the next minute."""
        settings = self.cloud.settings
        limit = settings.rate_limits.get(action)
        if limit is None:
            return
        place = (account, region or settings.region, action)
        minute = int(now // 60)
        counted, used = self._used.get(place, (minute, 0))
        used = used + calls if counted == minute else calls
        self._used[place] = (minute, used)
        if used > limit:
            raise Refusal("Throttling.User")

    def _failure(self, request: Request, refusal: Refusal, request_id: str) -> Reply:
        return answers.failure(
            request, refusal, request_id, f"{request.product}.{self.cloud.settings.region}.aliyuncs.com"
        )

    def _done(
        self, request: Request, reply: Reply, code: str, request_id: str, fault: Fault | None
    ) -> tuple[Reply, Call]:
        call = Call(
            at=self.cloud.clock.now(),
            action=request.action,
            subject=request.subjects,
            http_status=reply.status if reply.ending == "answer" else None,
            code=code,
            request_id=request_id,
            dry_run=request.dry_run,
            fault=fault.kind if fault else None,
        )
        self.calls.add(call)
        return replace(reply, headers={"x-acs-request-id": request_id, **reply.headers}), call

    # What other people do, and what happens by itself.

    def do(self, request: object) -> None:
        """Do now what somebody at the console asks for, or raise CannotDo."""
        console.perform(self.operator(), request)
        self.tick()

    def operator(self) -> Operator:
        """Return somebody at the console, now."""
        return self._operator(self.tick(), "console")

    def _operator(self, now: float, source: Source) -> Operator:
        return Operator(
            now, source, self.cloud, self.calls, self.faults, self.default_key.id, self.new_request_id, self.meter
        )

    def tick(self) -> float:
        """Carry out everything that is due, and return the simulated time."""
        now = self.cloud.now()
        for event in self.cloud.happened:
            self.calls.add(
                Call(event.at, event.action, event.subjects, request_id=self.new_request_id(), source="world")
            )
        self.cloud.happened.clear()
        return now

    def _plan(self, number: int, spec: ScheduleSpec, at: float) -> None:
        """Put one entry of the world's schedule on the timeline."""
        try:
            console.check(spec.do)
        except console.CannotDo as error:
            raise WorldError(f"The world is not valid: schedule.{number}.do: {error}") from None
        self.cloud.timeline.begin(f"schedule {number}", at, partial(self._scheduled, number, spec))

    def _scheduled(self, number: int, spec: ScheduleSpec, at: float) -> None:
        """Carry out one entry of the schedule; if it is not possible at its time, it is skipped."""
        with suppress(console.CannotDo, Refusal):
            console.perform(self._operator(at, "world"), spec.do)
        if spec.every is not None:
            self._plan(number, spec, at + spec.every)

    def new_request_id(self) -> str:
        """Return a request id; the seed decides which."""
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4)).upper()

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
