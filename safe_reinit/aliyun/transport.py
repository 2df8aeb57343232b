"""How requests leave: which proxy, which certificates, no redirect, no log line; and whether one left at all.

The SDK ignores NO_PROXY, would send loopback calls through HTTP_PROXY, follows redirects (which could repeat a call)
and lets urllib3 log whole URLs. It keeps its ``requests`` sessions in a table, and that table is where ours go in.
"""

from __future__ import annotations

import logging
import ssl
import threading
from types import TracebackType
from typing import Any

import requests
from darabonba.core import DEFAULT_POOL_MAXSIZE, DaraCore
from requests.adapters import HTTPAdapter
from requests.exceptions import InvalidSchema, InvalidURL, MissingSchema
from requests.utils import get_environ_proxies
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ClosedPoolError, NameResolutionError, ProxyError

from ..clock import boottime
from .endpoints import Endpoint

_installing = threading.Lock()

_IDLE = 3.0
"""Real seconds that a connection may lie idle and still be used. How long ECS keeps one open is not documented."""

_LEAKY_LOGGERS = (
    "urllib3",
    "urllib3.connection",
    "urllib3.connectionpool",
    "urllib3.poolmanager",
    "urllib3.util.retry",
    "darabonba-core",
    "credentials",
    "alibabacloud_credentials",
)


class _Recent(HTTPConnectionPool):
    """Connections that were used a moment ago: one that lay idle may be closed on its way here, and lose an answer."""

    def _put_conn(self, conn: Any) -> None:  # noqa: ANN401 - theirs
        if conn is not None:
            conn.last_used = boottime()
        super()._put_conn(conn)

    def _get_conn(self, timeout: float | None = None) -> Any:  # noqa: ANN401 - theirs
        conn = super()._get_conn(timeout)
        if boottime() - getattr(conn, "last_used", 0.0) > _IDLE:
            conn.close()  # it connects anew when it is used
        return conn


class _RecentTls(_Recent, HTTPSConnectionPool):
    """The same over TLS."""


_RECENT = {"http": _Recent, "https": _RecentTls}


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - theirs
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _RECENT

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - theirs
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = _RECENT
        return manager


class Session(requests.Session):
    """A session that decides for itself where a request may go."""

    def __init__(self, endpoint: Endpoint, ca_bundle: str) -> None:
        super().__init__()
        self._direct = endpoint.loopback
        self.ca_bundle = ca_bundle
        self.used = False
        """Whether the SDK sent anything through this session: if not, our rules did not hold."""
        self.came = threading.local()
        """``status`` of the last answer on this thread, also of one that the SDK cannot read."""
        adapter = _Adapter(pool_maxsize=DEFAULT_POOL_MAXSIZE)
        self.mount("https://", adapter)
        self.mount("http://", adapter)

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:  # noqa: ANN401 - theirs
        """Send one request once, by our rules whatever the SDK asks for."""
        self.used = True
        kwargs["proxies"] = {} if self._direct else get_environ_proxies(request.url or "")
        kwargs["verify"] = self.ca_bundle or True
        kwargs["allow_redirects"] = False
        self.came.status = None
        response = super().send(request, **kwargs)
        self.came.status = response.status_code
        return response


def install(endpoint: Endpoint, ca_bundle: str) -> Session:
    """Put a session of ours where the SDK will look for the one of this endpoint, and give it."""
    key = f"{endpoint.scheme}://{endpoint.host}:80:pool={DEFAULT_POOL_MAXSIZE}"
    with _installing:
        session = DaraCore._sessions.get(key)
        if not isinstance(session, Session) or session.ca_bundle != ca_bundle:
            session = DaraCore._sessions[key] = Session(endpoint, ca_bundle)
        return session


def silence() -> None:
    """Keep the loggers that write URLs, headers or credentials quiet, whatever their level is set to later."""
    for name in _LEAKY_LOGGERS:
        logger = logging.getLogger(name)
        if _drop not in logger.filters:
            logger.addFilter(_drop)


def _drop(_record: logging.LogRecord) -> bool:
    return False


def why_not_sent(error: BaseException | None) -> str | None:
    """Tell why no byte of a request left, from the exception the SDK gave up on; ``None`` where one may have left.

    The SDK turns every ``OSError`` of the transport into a message and keeps the original as ``__context__``. Whatever
    was raised while the connection was still being made, came before the request was written.
    """
    failed = error.__context__ if error is not None else None
    if not isinstance(failed, requests.RequestException):
        return None
    if isinstance(failed, (InvalidURL, InvalidSchema, MissingSchema)):
        return "the address of the endpoint or of the proxy cannot be used"
    chain = _parts(failed)
    if any(isinstance(part, ClosedPoolError) for part in chain):  # the run let them go before this call got any
        return "the connections were being made anew"
    if not any(_while_connecting(part.__traceback__) for part in chain):
        return None
    if any(isinstance(part, NameResolutionError) for part in chain):
        return "the name of the endpoint cannot be resolved"
    if any(isinstance(part, ProxyError) or _passed(part.__traceback__, "_tunnel") for part in chain):
        return "the proxy did not let it through"
    if any(isinstance(part, ssl.SSLError) for part in chain):
        return "no trusted TLS connection could be made"
    return "no connection could be made"


def _parts(error: BaseException) -> list[BaseException]:
    """Collect what the transport wrapped, from the outside in; never what happened to be handled around the call."""
    parts, queue = [], [error]
    while queue:
        part = queue.pop()
        parts.append(part)
        inner = [*part.args, getattr(part, "reason", None), getattr(part, "original_error", None), part.__cause__]
        queue += [item for item in inner if isinstance(item, BaseException) and item not in parts]
    return parts


def _while_connecting(traceback: TracebackType | None) -> bool:
    return _passed(traceback, "connect") or _passed(traceback, "do_handshake")


def _passed(traceback: TracebackType | None, function: str) -> bool:
    while traceback is not None:
        if traceback.tb_frame.f_code.co_name == function:
            return True
        traceback = traceback.tb_next
    return False
