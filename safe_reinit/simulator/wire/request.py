"""A request as it arrived, and as the signature modules pass it on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from typing import Literal, Protocol
from urllib.parse import parse_qsl, quote

from ..errors import Refusal
from ..state.clock import real_now
from ..state.permissions import AccessKey
from .params import Params

Format = Literal["JSON", "XML"]

PRODUCTS = {
    "2014-05-26": "ecs",
    "2015-04-01": "sts",
    "2014-08-28": "ess",
    "2016-01-20": "kms",
    "2021-07-30": "ebs",
}
"""The products by their API version, which shows, at one endpoint, which product a request is for."""

_MAX_CLOCK_SKEW = 15 * 60
"""Maximum seconds between the date of a signature and real time."""


@dataclass(frozen=True)
class RawRequest:
    """One HTTP request: `target` as on the request line, header names in lower case, the body with chunks joined."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @cached_property
    def path(self) -> str:
        """The target without its query, and without the host that a client of a proxy puts before it."""
        path = self.target.partition("?")[0]
        return "/" + path.partition("://")[2].partition("/")[2] if "://" in path else path

    def check_method(self) -> None:
        """Refuse any method other than GET and POST."""
        if self.method not in ("GET", "POST"):
            raise Refusal("UnsupportedHTTPMethod")

    @property
    def query(self) -> str:
        """The target's query."""
        return self.target.partition("?")[2]

    @cached_property
    def pairs(self) -> list[tuple[str, str]]:
        """All parameters from the query and a form body, decoded, with empty values kept."""
        return [*self.query_pairs, *self.form_pairs()]

    @cached_property
    def query_pairs(self) -> list[tuple[str, str]]:
        """The parameters of the query, decoded."""
        return _decoded(self.query)

    def form_pairs(self) -> list[tuple[str, str]]:
        """Decode the body if it is a form."""
        if "x-www-form-urlencoded" not in self.headers.get("content-type", ""):
            return []
        return _decoded(self.body.decode("utf-8", "replace"))


def _decoded(query: str) -> list[tuple[str, str]]:
    """Decode a query or a form; `+` is a space."""
    return parse_qsl(query, keep_blank_values=True)


@dataclass(frozen=True)
class Request:
    """What a request asks for, whoever sends it: known even if its signature is wrong."""

    action: str
    version: str
    params: Params
    format: Format = "JSON"

    @property
    def product(self) -> str:
        """The product with this API version; ECS for an unknown one."""
        return PRODUCTS.get(self.version, "ecs")

    @cached_property
    def subjects(self) -> tuple[str, ...]:
        """The ids that the call is about."""
        return self.params.subjects()

    @cached_property
    def dry_run(self) -> bool:
        """Whether it only asks whether the call would succeed."""
        return self.params.text("DryRun").lower() == "true"


class Keyring(Protocol):
    """What a signature is checked against."""

    def key(self, key_id: str) -> AccessKey:
        """Find a usable key, or raise the gateway's refusal."""
        ...

    def spend(self, nonce: str) -> None:
        """Accept a nonce once."""
        ...


@lru_cache(maxsize=4096)
def encode(text: str) -> str:
    """Percent-encode by RFC 3986: everything except letters, digits, `-`, `_`, `.` and `~`."""
    return quote(text, safe="~", errors="surrogateescape")


def octets(text: str) -> bytes:
    """Turn text back into the original bytes; bytes that were not UTF-8 became lone surrogates."""
    return text.encode("utf-8", "surrogateescape")


def canonical_query(pairs: list[tuple[str, str]]) -> str:
    """Encode and sort parameters the way both signature versions do."""
    return "&".join(f"{name}={value}" for name, value in sorted((encode(name), encode(value)) for name, value in pairs))


def check_date(text: str) -> None:
    """Refuse a signature whose date is not within 15 minutes of real time."""
    try:
        moment = _moment(text)
    except ValueError:
        raise Refusal("InvalidTimeStamp.Format") from None
    if abs(moment - real_now()) > _MAX_CLOCK_SKEW:
        raise Refusal("InvalidTimeStamp.Expired")


@lru_cache(maxsize=1024)
def _moment(text: str) -> float:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()


def check_token(key: AccessKey, token: str) -> None:
    """Refuse a temporary key with a missing or wrong token, and a permanent key with a token."""
    if token != key.token:
        raise Refusal("InvalidSecurityToken.MismatchWithAccessKey")
