"""Where the cloud is: one loopback endpoint for everything, or one endpoint per product."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..errors import UsageError

if TYPE_CHECKING:
    from .given import KeySource, SecretKey


@dataclass(frozen=True)
class Endpoint:
    """A host with its scheme; ``host`` is ``HOST[:PORT]``."""

    scheme: str
    host: str

    @property
    def loopback(self) -> bool:
        """Whether it is on this machine."""
        return is_loopback(_hostname(self.host))

    @property
    def url(self) -> str:
        """The address, normalised."""
        return f"{self.scheme}://{self.host}"


@dataclass(frozen=True)
class Place:
    """Which cloud it is, and what determines the credentials."""

    region: str
    endpoint: Endpoint | None = None
    """Given by the user; a loopback one serves every product."""
    endpoints: Mapping[str, Endpoint] = field(default_factory=dict)
    """By product: ``ecs``, ``sts``, ``ess``, ``ebs``, ``kms``."""
    profile: str = ""
    """The aliyun CLI profile; empty: the default chain."""
    access_key: SecretKey | None = None
    """Fixed credentials, with the token of a temporary key; the default chain is then never asked."""
    key_source: KeySource | None = field(default=None, repr=False, compare=False)
    """What the program passed in to be asked for credentials, instead of the default chain."""
    ca_bundle: str = ""
    proxy: str = ""
    """For HTTPS; empty: what the environment says."""

    @property
    def loopback(self) -> bool:
        """Whether nothing may leave this machine."""
        return self.endpoint is not None and self.endpoint.loopback

    @property
    def has_given_credentials(self) -> bool:
        """Whether the program gave the credentials, or an object that is asked for them."""
        return self.access_key is not None or self.key_source is not None

    @property
    def local_url(self) -> str:
        """The loopback endpoint, normalised, as in journals and plan files; ``""`` for the real cloud."""
        return self.endpoint.url if self.endpoint and self.loopback else ""

    def of(self, product: str) -> Endpoint | None:
        """Return the endpoint of a product; ``None`` leaves it to the SDK's own table."""
        if self.loopback or (product == "ecs" and self.endpoint):
            return self.endpoint
        return self.endpoints.get(product)


def parse(text: str) -> Endpoint:
    """Read ``[http://|https://]HOST[:PORT]``; the default scheme is https, and http on loopback.

    Raises:
        UsageError: it is not an endpoint, or it is http and not on this machine.

    """
    scheme, host, port = _parts(text)
    loopback = is_loopback(host)
    scheme = scheme or ("http" if loopback else "https")
    if scheme not in ("http", "https"):
        raise UsageError(f"The endpoint has the scheme {scheme}.", hint="Use https://, or http:// on loopback.")
    if scheme == "http" and not loopback:
        raise UsageError(
            f"The endpoint {host} uses http and is not on this machine: credentials and data would be sent "
            "unencrypted.",
            hint="Use https://; http:// is for a simulator on loopback only.",
        )
    name = f"[{host}]" if ":" in host else host
    return Endpoint(scheme, f"{name}:{port}" if port else name)


def _parts(text: str) -> tuple[str, str, int | None]:
    """Split an endpoint into scheme (or ``""``), host and port; with anything else in it, it is not an endpoint."""
    try:
        split = urlsplit(text if "://" in text else f"//{text}")
        port = split.port
    except ValueError:
        raise _malformed() from None
    more = split.username or split.password or split.query or split.fragment or split.path not in ("", "/")
    if more or not split.hostname or port == 0 or split.netloc.endswith(":"):
        raise _malformed()
    return split.scheme, split.hostname, port


def _malformed() -> UsageError:
    return UsageError("The endpoint is not of the form [http://|https://]HOST[:PORT].", hint="Correct --endpoint.")


def _hostname(host: str) -> str:
    return urlsplit(f"//{host}").hostname or ""


@cache  # there are few hosts, and each is looked up before every call
def is_loopback(host: str) -> bool:
    """Return whether a host is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
