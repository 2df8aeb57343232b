"""One HTTP exchange through the SDK: sent once, told of once, and ended in one of four ways.

Nothing of the SDK's or the transport's own words gets out of here: their texts hold the Authorization header, on a
signature error every parameter, on a connection error the whole URL.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any

from alibabacloud_tea_openapi.client import Client as OpenApiClient
from alibabacloud_tea_openapi.exceptions import AlibabaCloudException
from alibabacloud_tea_openapi.utils_models import Config, OpenApiRequest, Params
from darabonba.exceptions import UnretryableException
from darabonba.runtime import RuntimeOptions

from .. import codes, logs
from ..clock import boottime
from ..cloud import CloudError, NoCredentials, NotSent, OnCall, Refused, Unanswered
from ..model import Call
from . import transport
from .credentials import Credentials, NothingFoundError
from .endpoints import Endpoint, Where
from .row import Row, UnreadableError
from .sdk import EcsClient

_CONNECT_TIMEOUT = 5.0
LOOK_TIMEOUT = 10.0
"""Real seconds a look may stay unanswered."""
QUICK_TIMEOUT = 3.0
"""Real seconds, to connect and to answer, of a look at another product: a plan can do without it."""
ACT_TIMEOUT = 60.0
"""Real seconds an act may stay unanswered: it is sent once, so it is given time."""
PAGES_TIMEOUT = 60.0
"""Real seconds that the pages of one list may take together."""
MOST_PAGES = 1000
"""Pages of one list at most, where nothing else limits them."""

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,127}")
_REQUEST_ID = re.compile(r"[A-Za-z0-9-]{1,64}")


@dataclass(frozen=True)
class Answer:
    """An answer of success."""

    body: Row
    request_id: str
    date: datetime | None


class _Ecs(EcsClient):  # type: ignore[misc] # the SDK has no types
    """The SDK's client, giving the body as it came: its models would turn a wrong body into an empty one."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.came = threading.local()

    def call_api(self, params: Params, request: OpenApiRequest, runtime: RuntimeOptions) -> dict[str, Any]:
        self.came.answer = super().call_api(params, request, runtime)
        return {}


@dataclass(frozen=True)
class Api:
    """An API of a product, told at the endpoint by its version."""

    product: str
    """As the configuration's ``endpoints`` name it."""
    version: str
    action: str


@contextmanager
def readable(action: str) -> Iterator[None]:
    """Take a body that is not of the documented shape for no answer.

    Raises:
        Unanswered: what was read within is not as documented.
    """
    try:
        yield
    except UnreadableError as error:
        raise Unanswered(action, str(error)) from None


def pages(action: str, ask: Callable[[str], Answer], most: int = MOST_PAGES) -> Iterator[tuple[Answer, bool]]:
    """Follow NextToken: give each page, and whether it is the last.

    Args:
        action: the API that is asked.
        ask: asks for the page of a token; ``""`` for the first.
        most: the pages after which the list cannot be a real one.

    Raises:
        Unanswered: a token cannot be read, or the list does not end.
    """
    tokens = {""}
    token = ""
    began = boottime()
    while True:
        answer = ask(token)
        with readable(action):
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
    """Sends requests of all products at one place, and tells of each."""

    def __init__(self, where: Where, on_call: OnCall) -> None:
        transport.silence()
        self._where = where
        self._on_call = on_call
        self._credentials = Credentials(profile=where.profile, local_only=where.loopback, fixed=where.access_key)
        self._ecs = _Ecs(self._config(where.of("ecs")))
        self._sessions: dict[str, transport.Session] = {}
        self._others: dict[str, OpenApiClient] = {}

    @property
    def ecs_host(self) -> str:
        """The host that the SDK's own table has for ECS in this region."""
        host: str = self._ecs._endpoint
        return host

    def ecs(
        self,
        action: str,
        method: str,
        request: Any,  # noqa: ANN401 - the SDK has no types
        subject: Sequence[str],
        *,
        changing: bool = False,
        attempt: int = 1,
    ) -> Answer:
        """Send an ECS request by the SDK's typed client; see ``_ended`` for what is raised."""
        endpoint = _endpoint(self._where.of("ecs"), self.ecs_host)

        def send() -> dict[str, Any]:
            getattr(self._ecs, f"{method}_with_options")(request, _runtime(changing=changing))
            answer: dict[str, Any] = self._ecs.came.answer
            return answer

        dry_run = bool(getattr(request, "dry_run", None))
        return self._ended(send, endpoint, action, subject, dry_run=dry_run, changing=changing, attempt=attempt)

    def other(
        self, api: Api, default: str, query: Mapping[str, str], subject: Sequence[str] = (), *, quick: bool = False
    ) -> Answer:
        """Send a look of another product by the SDK's generic call; see ``_ended`` for what is raised.

        Args:
            default: the host, where the configuration has none for the product.
            quick: give up early, since the plan can do without the answer.

        """
        endpoint = _endpoint(self._where.of(api.product), default)
        client = self._others.setdefault(endpoint.url, OpenApiClient(self._config(endpoint)))
        params = Params(
            action=api.action, version=api.version, protocol=endpoint.scheme.upper(), pathname="/", method="POST",
            auth_type="AK", style="RPC", req_body_type="formData", body_type="json",
        )  # fmt: skip

        def send() -> dict[str, Any]:
            request = OpenApiRequest(query=dict(query))
            answer: dict[str, Any] = client.call_api(params, request, _runtime(changing=False, quick=quick))
            return answer

        return self._ended(send, endpoint, api.action, subject, dry_run=False, changing=False, attempt=1)

    def _config(self, endpoint: Endpoint | None) -> Config:
        return Config(
            credential=self._credentials,
            region_id=self._where.region,
            endpoint=endpoint.host if endpoint else None,
            protocol=endpoint.scheme if endpoint else "https",
            user_agent="safe-reinit",
        )

    def _ended(  # noqa: PLR0913 - what there is to say of one request
        self,
        send: Callable[[], dict[str, Any]],
        endpoint: Endpoint,
        action: str,
        subject: Sequence[str],
        *,
        dry_run: bool,
        changing: bool,
        attempt: int,
    ) -> Answer:
        """Send, tell of it, and give the answer; see ``_once`` for what is raised.

        A look that is refused for its credentials or its clock is asked once more with what their source has now.
        """
        once = partial(self._once, send, endpoint, action, subject, dry_run=dry_run, changing=changing, attempt=attempt)
        try:
            return once()
        except Refused as refused:
            if changing or not codes.renews(refused.code):
                raise
        self._credentials.renew()
        return once()

    def _once(  # noqa: PLR0913 - as above
        self,
        send: Callable[[], dict[str, Any]],
        endpoint: Endpoint,
        action: str,
        subject: Sequence[str],
        *,
        dry_run: bool,
        changing: bool,
        attempt: int,
    ) -> Answer:
        """Send once, tell of it, and give the answer.

        Raises:
            Refused: ECS answered with an error code.
            Unanswered: no answer that can be read came.
            NotSent: no byte of the request left.

        """
        session = self._sessions[endpoint.url] = transport.install(endpoint, self._where.ca_bundle)
        if changing:
            self._credentials.renew()
        at = datetime.now(UTC)
        session.came.status = None
        ended = self._sent(send, action)
        if isinstance(ended, Answer) and not session.used:
            raise RuntimeError("The SDK no longer sends through our session; this version of it is not supported.")
        told = Call(
            at=at,
            action=action,
            subject=tuple(subject),
            dry_run=dry_run,
            http_status=session.came.status,
            request_id=getattr(ended, "request_id", None),
            code=_code(ended),
            attempt=attempt,
        )
        logs.call(told)
        self._on_call(told)
        if isinstance(ended, Answer):
            return ended
        raise ended from None

    def _sent(self, send: Callable[[], dict[str, Any]], action: str) -> Answer | CloudError:
        """Send once, and give how that ended: nothing of what the SDK raises may get out."""
        try:
            return _read(send())
        except UnreadableError:
            return Unanswered(action)
        except Exception as raised:  # noqa: BLE001 - see above
            return _translate(raised, action, self._where.profile)

    def close(self) -> None:
        """Close the connections."""
        for session in self._sessions.values():
            session.close()


def _endpoint(given: Endpoint | None, default: str) -> Endpoint:
    return given or Endpoint("https", default)


def _runtime(*, changing: bool, quick: bool = False) -> RuntimeOptions:
    connect = QUICK_TIMEOUT if quick else _CONNECT_TIMEOUT
    read = ACT_TIMEOUT if changing else QUICK_TIMEOUT if quick else LOOK_TIMEOUT
    return RuntimeOptions(connect_timeout=int(connect * 1000), read_timeout=int(read * 1000))


def _read(came: Mapping[str, Any]) -> Answer:
    """Believe an answer of success only if it is one: 200, a JSON object, with the RequestId that ECS always gives."""
    if came.get("statusCode") != 200:
        raise UnreadableError
    body = Row(came.get("body"))
    request_id = body.required("RequestId")
    if not _REQUEST_ID.fullmatch(request_id):
        raise UnreadableError
    return Answer(body, request_id, _date(came.get("headers")))


def _date(headers: object) -> datetime | None:
    try:
        return parsedate_to_datetime(headers["date"]).astimezone(UTC)  # type: ignore[index]
    except (KeyError, TypeError, ValueError):
        return None


def _translate(raised: Exception, action: str, profile: str) -> CloudError:
    """Turn what the SDK raised into one of our three, by types and codes alone."""
    if isinstance(raised, AlibabaCloudException):
        code, request_id, status = raised.code, raised.request_id, raised.status_code
        if (
            isinstance(status, int)
            and isinstance(code, str)
            and _CODE.fullmatch(code)
            and code != "None"
            and isinstance(request_id, str)
            and _REQUEST_ID.fullmatch(request_id)
            and request_id != "None"
        ):
            after = raised.retry_after if isinstance(raised.retry_after, int) and raised.retry_after > 0 else None
            return Refused(code, status, codes.meaning_of(code), request_id, action=action, retry_after=after)
        return Unanswered(action)
    if isinstance(raised, UnretryableException):
        inner = raised.inner_exception
        if isinstance(inner, NothingFoundError):
            return NoCredentials(action, profile)
        why = transport.why_not_sent(inner)
        return NotSent(action, why) if why else Unanswered(action)
    return Unanswered(action)


def _code(ended: Answer | CloudError) -> str:
    """Give the code by which a call is on record: ECS's own, or a word for what came instead."""
    if isinstance(ended, Answer):
        return "OK"
    if isinstance(ended, Refused):
        return ended.code
    return "NotSent" if isinstance(ended, NotSent) else "Unanswered"
