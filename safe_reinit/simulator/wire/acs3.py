"""Signature version 3 (ACS3-HMAC-SHA256), used by today's SDKs: everything about the call is in headers.

The order of the checks is a choice: key, date, signature, token, nonce; so a request with a wrong signature does not
use up its nonce. Answers are JSON.
"""

from __future__ import annotations

import hashlib
import hmac

from ..errors import Refusal, missing
from ..state.permissions import AccessKey
from .params import Params
from .request import (
    Keyring,
    RawRequest,
    Request,
    canonical_query,
    check_date,
    check_token,
    octets,
)

ALGORITHM = "ACS3-HMAC-SHA256"

_HEADERS = ("x-acs-action", "x-acs-version", "x-acs-date", "x-acs-signature-nonce")
_MANDATORY = frozenset({"host", *_HEADERS})
"""What must be signed (choice: according to the description, host and all x-acs-* headers; SDKs sign more)."""


def speaks(raw: RawRequest) -> bool:
    """Recognise a version 3 request by its Authorization header, since older requests may have x-acs-* headers too."""
    return raw.headers.get("authorization", "").startswith(ALGORITHM)


def read(raw: RawRequest) -> Request:
    """Read the request, before anything is verified."""
    return Request(
        action=raw.headers.get("x-acs-action", ""),
        version=raw.headers.get("x-acs-version", ""),
        params=Params(raw.pairs),
    )


def verify(raw: RawRequest, keys: Keyring) -> AccessKey:
    """Return the key that signed the request, or raise the gateway's refusal."""
    parts = _authorization(raw.headers["authorization"])
    for header in _HEADERS:
        if not raw.headers.get(header):
            raise missing(header)
    key = keys.key(parts["Credential"])
    check_date(raw.headers["x-acs-date"])
    _check_signature(raw, parts, key)
    check_token(key, raw.headers.get("x-acs-security-token", ""))
    keys.spend(raw.headers["x-acs-signature-nonce"])
    return key


def canonical_request(raw: RawRequest, signed: list[str]) -> str:
    """Build the canonical request from the headers that the request says it signed."""
    query = canonical_query(raw.query_pairs)
    headers = "".join(f"{name}:{raw.headers.get(name, '').strip()}\n" for name in signed)
    payload = hashlib.sha256(raw.body).hexdigest()
    return f"{raw.method}\n{raw.path or '/'}\n{query}\n{headers}\n{';'.join(signed)}\n{payload}"


def sign(canonical: str, secret: str) -> tuple[str, str]:
    """Return the string to sign and its signature."""
    to_sign = f"{ALGORITHM}\n{hashlib.sha256(octets(canonical)).hexdigest()}"
    return to_sign, hmac.digest(secret.encode(), to_sign.encode(), "sha256").hex()


def _authorization(header: str) -> dict[str, str]:
    fields = header[len(ALGORITHM) :].strip().split(",")
    parts = dict(field.strip().partition("=")[::2] for field in fields)
    if not all(parts.get(name) for name in ("Credential", "SignedHeaders", "Signature")):
        raise Refusal("IncompleteSignature")
    return parts


def _check_signature(raw: RawRequest, parts: dict[str, str], key: AccessKey) -> None:
    signed = parts["SignedHeaders"].lower().split(";")
    if not _MANDATORY.issubset(signed):
        raise Refusal("IncompleteSignature")
    canonical = canonical_request(raw, signed)
    to_sign, expected = sign(canonical, key.secret)
    payload = raw.headers.get("x-acs-content-sha256", "")
    honest = payload == canonical.rpartition("\n")[2]
    if not honest or not hmac.compare_digest(expected.encode(), octets(parts["Signature"])):
        # Real gateways echo what they signed, including the parameters; a client must be able to handle that.
        raise Refusal(
            "SignatureDoesNotMatch",
            "Specified signature is not matched with our calculation."
            f" server string to sign is:{to_sign} server CanonicalRequest is:[{canonical}]",
        )
