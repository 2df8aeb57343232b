"""One HTTP exchange through the SDK: sent once, reported once, and ended in one of four ways.

No text of the SDK or the transport leaves this file: such texts contain the Authorization header, after a signature
error every parameter, after a connection error the whole URL.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any

from alibabacloud_tea_openapi.utils import Utils
from alibabacloud_tea_openapi.utils_models import Config, OpenApiRequest, Params
from darabonba.utils.xml import XML

from ... import logs
from ...clock import boottime
from ...model import Call, Caller, error_codes
from ..connection import Connection
from ..endpoints import Endpoint
from ..interface import CloudError, MaySend, NoCredentials, NotSent, OnCall, OtherCaller, Refused, Unanswered
from .answers import SigningKey
from .attempt import LostError, NotLeftError, Reply, RequestInProgress, cannot_make
from .credentials import Credentials, CredentialsError, OtherCallerError
from .row import Row, UnreadableAnswerError
from .sdk import Api, EcsClient, SdkClient
from .transport import Connections

READ_TIMEOUT = 10.0
"""Real seconds from the first byte of a read to the last one of its answer."""
OTHER_PRODUCT_TIMEOUT = 3.0
"""The same for a read of another product, and the seconds to connect to it: a plan can do without it."""
CHANGE_TIMEOUT = 60.0
"""The same for a changing call: it is sent only once, so it gets more time."""
PAGES_TIMEOUT = 60.0
"""Real seconds for all the pages of one list."""
MAX_PAGES = 1000
"""Maximum pages of one list, if nothing else limits them."""
_TOO_OLD = "the earlier observations had become too old, because this process was paused or delayed"
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,127}")
_REQUEST_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_XML = "text/xml;charset=utf-8"
"""The type with which the SDK, too, reports an error that is not JSON."""


@dataclass(frozen=True)
class Answer:
    """A successful answer."""

    body: Row
    request_id: str
    date: datetime | None


@contextmanager
def readable_body(action: str) -> Iterator[None]:
    """Treat a body that does not have the documented form as no answer.

    Raises:
        Unanswered: what was read in the block is not as documented.
    """
    try:
        yield
    except UnreadableAnswerError as error:
        raise Unanswered(action, str(error)) from None


def pages(action: str, read_page: Callable[[str], Answer], most: int = MAX_PAGES) -> Iterator[tuple[Answer, bool]]:
    """Follow NextToken: yield each page, and whether it is the last.

    Args:
        action: the API that is asked.
        read_page: requests the page of a token; ``""`` for the first.
        most: the number of pages from which on the list cannot be real.

    Raises:
        Unanswered: a token cannot be read, or the list does not end.
    """
    tokens = {""}
    token = ""
    began = boottime()
    while True:
        answer = read_page(token)
        with readable_body(action):
            token = answer.body.text("NextToken")
        yield answer, not token
        if not token:
            return
        if token in tokens or len(tokens) >= most:
            raise Unanswered(action, f"its list does not end (NextToken, {len(tokens)} pages)")
        if boottime() - began > PAGES_TIMEOUT:
            raise Unanswered(action, f"its list did not end within {PAGES_TIMEOUT:.0f} s ({len(tokens)} pages)")
        tokens.add(token)


class Exchange:
    """Sends requests for all products over one connection, and reports each.

    Args:
        connection: the argument.
        on_call: is called for every exchange.
        may_send: is asked immediately before the first byte of a changing call.

    Attributes:
        connection: as given.

    """

    def __init__(self, connection: Connection, on_call: OnCall, may_send: MaySend = lambda _action: "") -> None:
        self.connection = connection
        self._on_call = on_call
        self._may_send = may_send
        self._credentials = connection.credentials or Credentials(connection)
        self._connections = Connections(
            ca_bundle=connection.ca_bundle, proxy=connection.proxy, direct=connection.loopback
        )
        self._clients: dict[str, SdkClient] = {}
        self._typed: dict[str, EcsClient] = {}
        self._ecs: Endpoint | None = None

    def ecs(
        self,
        action: str,
        query: Mapping[str, Any],
        subject: Sequence[str],
        *,
        changing: bool = False,
        attempt: int = 1,
        until: float = math.inf,
    ) -> Answer:
        """Send an ECS request in this region; see ``_ended`` for what is raised.

        Args:
            action: the API.
            query: its parameters.
            subject: the ids that it is about.
            changing: whether it changes something, so that it is sent once and may be forbidden.
            attempt: how often it was intended.
            until: real seconds since boot after which it must not be sent any more.
        """
        endpoint = self.ecs_endpoint
        api = Api("ecs", "2014-05-26", action, typed=True)
        back = action in error_codes.BRINGS_BACK
        called = Called(tuple(subject), attempt, strict=changing and not back, unchecked=changing and back)

        def send() -> Answer:
            forbidden = partial(self._forbidden, action, until)
            limit = (
                RequestInProgress(CHANGE_TIMEOUT, forbidden=forbidden) if changing else RequestInProgress(READ_TIMEOUT)
            )
            return self._ended(endpoint, api, query, limit, called)

        return self._signed(send, called, again=not changing)

    def _forbidden(self, action: str, until: float) -> str:
        """Return why a changing call must not be sent (any more); its age comes last, since the others may wait."""
        why = self._may_send(action)
        return why or (_TOO_OLD if boottime() > until else "")

    def other(
        self, api: Api, default: str, query: Mapping[str, str], subject: Sequence[str] = (), *, quick: bool = False
    ) -> Answer:
        """Send a read to another product; see ``_ended`` for what is raised.

        Args:
            default: the host if the configuration has none for the product.
            quick: whether to give up early, since the plan can do without the answer.

        """
        endpoint = self.connection.of(api.product) or Endpoint("https", default)
        limits = (OTHER_PRODUCT_TIMEOUT, OTHER_PRODUCT_TIMEOUT) if quick else (READ_TIMEOUT,)
        called = Called(tuple(subject))
        return self._signed(
            lambda: self._ended(endpoint, api, query, RequestInProgress(*limits), called), called, again=True
        )

    def get_caller(self) -> tuple[Caller, datetime | None]:
        """Ask STS who the present credentials of the source belong to; see ``_ended`` for what is raised.

        Raises:
            OtherCaller: not the same caller as the first time.
        """
        try:
            caller, date = self._caller(Called(strict=True))
        except CloudError:
            self._credentials.record_unknown_caller()
            raise
        try:
            self._credentials.belongs_to(caller)
        except OtherCallerError as error:
            raise OtherCaller("GetCallerIdentity", str(error), error.hint) from None
        return replace(caller, source=self._credentials.source), date

    def _caller(self, called: Called) -> tuple[Caller, datetime | None]:
        endpoint = self.connection.of("sts") or Endpoint("https", "sts.aliyuncs.com")
        api = Api("sts", "2015-04-01", "GetCallerIdentity")
        given = called.key is not None
        answer = self._signed(
            lambda: self._ended(endpoint, api, {}, RequestInProgress(READ_TIMEOUT), called), called, again=not given
        )
        with readable_body(api.action):
            row = answer.body
            return Caller(row.required("AccountId"), row.required("Arn"), row.text("IdentityType")), answer.date

    def _signed(self, send: Callable[[], Answer], called: Called, *, again: bool) -> Answer:
        """Send; if a read was refused because of its key or the clock, repeat it with the source's present key."""
        try:
            return send()
        except Refused as refused:
            if not error_codes.renews(refused.code):
                raise
            if called.key is not None and not error_codes.of_clock(refused.code):
                self._credentials.refused(called.key)
            if not again:
                raise
        called.key = None
        return self._signed(send, called, again=False)

    def _ended(
        self, endpoint: Endpoint, api: Api, query: Mapping[str, Any], limit: RequestInProgress, called: Called
    ) -> Answer:
        """Send, report the exchange, and return the answer.

        Raises:
            Refused: ECS answered with an error code.
            Unanswered: no readable answer arrived.
            NotSent: no byte of the request left this machine.

        """
        at = datetime.now(UTC)
        ended = self._sent(endpoint, api, query, limit, called)
        if isinstance(ended, (NotSent, Unanswered)) and ended.hint == CloudError.hint:
            ended.hint = self._reach(api.product)
        call = Call(
            at=at,
            action=api.action,
            subject=called.subject,
            dry_run=bool(query.get("DryRun")),
            http_status=limit.status,
            request_id=getattr(ended, "request_id", None),
            code=_code(ended),
            attempt=called.attempt,
        )
        logs.call(call)
        self._on_call(call)
        if isinstance(ended, Answer):
            return ended
        raise ended from None

    def _reach(self, product: str) -> str:
        """Return what to check if the host of a product gave no answer: only what determines that host."""
        if self.connection.loopback:
            return "Check --endpoint."
        if product != "ecs":
            return (
                "Check the network and the proxy. Another host for this product is set in the configuration, "
                f"endpoints: {{{product}: HOST}}."
            )
        if self.connection.of("ecs"):
            return "Check the network, the proxy and the endpoint of ECS (--endpoint)."
        return f"Check the network, the proxy, and that {self.connection.region} is the id of the region (--region)."

    def _key(self, called: Called) -> SigningKey:
        return self._credentials.key(
            lambda key: self._caller(Called(key=key))[0], strict=called.strict, unchecked=called.unchecked
        )

    def _sent(
        self, endpoint: Endpoint, api: Api, query: Mapping[str, Any], limit: RequestInProgress, called: Called
    ) -> Answer | CloudError:
        """Send once, and return how that ended: nothing that the SDK raises may leave this method."""
        action, host = api.action, endpoint.host
        try:
            if called.key is None:
                called.key = self._key(called)
            reply = self._reply(endpoint, api, query, limit, called.key)
            self.connection.origin.answered(endpoint, reply.headers)
        except OtherCallerError as error:
            return OtherCaller(action, str(error), error.hint)
        except CredentialsError as error:
            return NoCredentials(action, str(error), error.hint, was_asked=error.was_asked)
        except CloudError as error:
            return NotSent(
                action, f"the owner of the renewed credentials could not be determined ({str(error).rstrip('.')})"
            )
        except NotLeftError as error:
            return NotSent(action, str(error), host, error.hint)
        except LostError as error:
            return Unanswered(action, str(error), host)
        except Exception as error:  # noqa: BLE001 - see above
            if limit.left:
                return Unanswered(action, "its answer could not be read", host)
            why = cannot_make(error)
            return NotSent(action, str(why), host, why.hint)
        try:
            return _read(reply) if reply.status == 200 else _refused(reply, action)
        except (UnreadableAnswerError, ValueError, RecursionError):
            return Unanswered(action, f"the response (HTTP {reply.status}) is not an answer of this API", host)

    def _reply(
        self, endpoint: Endpoint, api: Api, query: Mapping[str, Any], limit: RequestInProgress, key: SigningKey
    ) -> Reply:
        """Send ECS's own API with the SDK's typed client, and that of another product with its generic call."""
        if api.typed:
            return self._ecs_client(endpoint).ask(api.action, query, limit, key)
        client = self._clients.setdefault(endpoint.url, SdkClient(self._config(endpoint), self._connections))
        params = Params(
            action=api.action, version=api.version, protocol=endpoint.scheme.upper(), pathname="/", method="POST",
            auth_type="AK", style="RPC", req_body_type="formData", body_type="json",
        )  # fmt: skip
        return client.send(params, OpenApiRequest(query=Utils.query(dict(query))), limit, key)

    def _ecs_client(self, endpoint: Endpoint) -> EcsClient:
        return self._typed.setdefault(endpoint.url, EcsClient(self._config(endpoint), self._connections))

    @property
    def ecs_endpoint(self) -> Endpoint:
        """The endpoint of ECS: from the configuration, otherwise from the SDK's own table for the region."""
        if self._ecs is None:
            given = self.connection.of("ecs")
            self._ecs = given or Endpoint("https", EcsClient(self._config(None), self._connections).host)
        return self._ecs

    def _config(self, endpoint: Endpoint | None) -> Config:
        return Config(
            region_id=self.connection.region,
            endpoint=endpoint.host if endpoint else None,
            protocol=endpoint.scheme if endpoint else "https",
            user_agent="safe-reinit",
        )

    def close(self) -> None:
        """Close the connections; a request that was not sent by now never will be."""
        self._connections.close()


@dataclass
class Called:
    """What is reported about a call besides what is sent, and the key that signs it."""

    subject: tuple[str, ...] = ()
    attempt: int = 1
    strict: bool = False
    """Whether the source must have the key now."""
    unchecked: bool = False
    """Whether any key is good enough, because the call brings a machine back."""
    key: SigningKey | None = None
    """The key that signs it, once that is known."""


def _read(reply: Reply) -> Answer:
    """Accept a successful answer only if it is one: a JSON object with the RequestId that ECS always sends."""
    body = Row(json.loads(reply.body))
    request_id = body.required("RequestId")
    if not _REQUEST_ID.fullmatch(request_id):
        raise UnreadableAnswerError
    return Answer(body, request_id, _date(reply.headers))


def _refused(reply: Reply, action: str) -> Refused:
    """Read an error in ECS's format."""
    if not 400 <= reply.status < 600:
        raise UnreadableAnswerError
    if reply.headers.get("content-type") == _XML:
        members: Any = XML.parse_xml(reply.body.decode(), None).get("Error")
    else:
        members = json.loads(reply.body)
    if not isinstance(members, dict):
        raise UnreadableAnswerError
    code, request_id = members.get("Code") or members.get("code"), members.get("RequestId") or members.get("requestId")
    if not (isinstance(code, str) and _CODE.fullmatch(code)):
        raise UnreadableAnswerError
    if not (isinstance(request_id, str) and _REQUEST_ID.fullmatch(request_id)):
        raise UnreadableAnswerError
    after = Utils.get_throttling_time_left(reply.headers)
    return Refused(
        code, reply.status, error_codes.meaning_of(action, code), request_id, action=action, retry_after=after
    )


def _date(headers: Mapping[str, str]) -> datetime | None:
    try:
        return parsedate_to_datetime(headers["date"]).astimezone(UTC)
    except (KeyError, TypeError, ValueError):
        return None


def _code(ended: Answer | CloudError) -> str:
    """Return the code with which a call is recorded: ECS's own, or a word for what happened instead."""
    if isinstance(ended, Answer):
        return "OK"
    if isinstance(ended, Refused):
        return ended.code
    return "NotSent" if isinstance(ended, NotSent) else "Unanswered"
