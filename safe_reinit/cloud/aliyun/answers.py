"""Asks a service for a key, and reads the answer."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from ...model import Secret
from ..endpoints import is_loopback
from .profile import CredentialsError, Profile

if TYPE_CHECKING:
    from .attempt import Reply

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,127}")


@dataclass(frozen=True)
class SigningKey:
    """The key that signs a request."""

    key_id: str
    secret: Secret
    token: Secret | None = None
    expires: float | None = None
    """When it expires, in seconds since the epoch; ``None``: not said."""


class Web(Protocol):
    """Sends requests to services other than ECS."""

    local_only: bool
    """Whether nobody outside this machine may be asked."""

    def sts(self, profile: Profile) -> str:
        """Return the URL of STS for this profile."""

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, until: float, connect: float
    ) -> Reply:
        """Send one request, once.

        Raises:
            NotLeftError: no byte of it left this machine.
            LostError: no complete answer arrived in time.
        """

    def now(self) -> float:
        """Return the real seconds in which ``until`` is counted."""


@dataclass(frozen=True)
class SourceClient:
    """One attempt to get a key from a service."""

    profile: Profile
    web: Web
    environment: Mapping[str, str]
    now: float
    until: float

    def json(
        self, method: str, url: str, who: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Mapping[str, Any]:
        """Ask a service once, and read the answer."""
        return self.read(self.reply(method, url, who, headers or {}, body), who)

    def web_address(self, url: str) -> str:
        """Return an address that can be asked.

        Raises:
            CredentialsError: it is not one.
        """
        with suppress(ValueError):
            at = urlsplit(url)
            if at.scheme in ("http", "https") and at.hostname and (at.port is None or at.port):
                return url
        raise self.failed("its address is not of the form http(s)://HOST[:PORT][/PATH]")

    def reply(self, method: str, url: str, who: str, headers: Mapping[str, str], body: bytes = b"") -> Reply:
        """Ask a service once."""
        from .attempt import LostError, NotLeftError  # noqa: PLC0415 - most sources ask nobody

        if self.web.local_only and not is_loopback(urlsplit(url).hostname or ""):
            raise self.failed(
                f"{who} ({host_of(url)}) is not asked, because the endpoint is on this machine and nothing may be "
                "sent elsewhere",
                "Use a profile with its own key (AK, StsToken), or another endpoint.",
            )
        connect = 1.0 if self.profile.discovered else 5.0
        host = host_of(url)
        try:
            return self.web.send(method, url, {"Accept": "application/json", **headers}, body, self.until, connect)
        except NotLeftError as error:
            failed, hint = f"{who} could not be asked ({host}: {error})", error.hint
        except LostError as error:
            failed, hint = f"{who} gave no answer ({host}: {error})", ""
        raise self.failed(failed, hint or "Check the network and the proxy.", was_asked=True)

    def read(self, reply: Reply, who: str) -> Mapping[str, Any]:
        """Read a successful answer."""
        body = object_of(reply.body)
        if reply.status != 200:
            code = (body or {}).get("Code") or (body or {}).get("ErrorCode")
            error_code = f", {code}" if isinstance(code, str) and _CODE.fullmatch(code) else ""
            raise self.failed(f"{who} refused (HTTP {reply.status}{error_code})", was_asked=True)
        if body is None:
            raise self.failed(f"the answer of {who} cannot be read", was_asked=True)
        return body

    def success(self, body: Mapping[str, Any], who: str) -> SigningKey:
        """Read a temporary key from an answer that says whether it contains one."""
        if body.get("Code") != "Success":
            raise self.failed(f"{who} answered without success", was_asked=True)
        return self.given(body, who)

    def given(self, body: object, who: str) -> SigningKey:
        """Read a temporary key."""
        row = body if isinstance(body, Mapping) else {}
        key_id, secret, token = (row.get(name) for name in ("AccessKeyId", "AccessKeySecret", "SecurityToken"))
        if not (isinstance(key_id, str) and isinstance(secret, str) and isinstance(token, str)):
            raise self.failed(f"there is no temporary key in the answer of {who}", was_asked=True)
        return SigningKey(key_id, Secret(secret), Secret(token), self.time(row.get("Expiration"), who))

    def time(self, text: object, who: str) -> float:
        """Read when a key expires, in seconds since the epoch."""
        with suppress(ValueError, TypeError):
            moment = datetime.fromisoformat(text)  # type: ignore[arg-type] # what is no text is no time
            return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
        raise self.failed(f"the expiration in the answer of {who} cannot be read", was_asked=True)

    def failed(self, why: str, hint: str = "", *, was_asked: bool = False) -> CredentialsError:
        """Return the error that says why the source gives no key."""
        return self.profile.failed(why, hint, was_asked=was_asked)


def host_of(url: str) -> str:
    """Return the host of a URL, for people: nothing else of it may be shown."""
    with suppress(ValueError):
        at = urlsplit(url)
        return f"{at.hostname}:{at.port}" if at.port else at.hostname or "nobody"
    return "nobody"


def object_of(raw: bytes) -> Mapping[str, Any] | None:
    """Read a JSON object; ``None`` if it is not one."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, Mapping) else None
