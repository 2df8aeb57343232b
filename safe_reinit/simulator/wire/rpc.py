"""Signature version 1 (HMAC-SHA1), used by old SDKs, generic RPC clients and curl scripts: everything is a parameter.

Parameters may be in the query, in a form body, or in both. The order of the checks is a choice: missing parameters,
key, date, signature, token, nonce.
"""

from __future__ import annotations

import base64
import hmac

from ..errors import Refusal, missing
from ..state.permissions import AccessKey
from .params import Params
from .request import (
    Format,
    Keyring,
    RawRequest,
    Request,
    canonical_query,
    check_date,
    check_token,
    encode,
    octets,
)

_MANDATORY = ("Action", "Version", "AccessKeyId", "Signature", "SignatureNonce", "Timestamp")


def read(raw: RawRequest) -> Request:
    """Read the request, before anything is verified. Without Format the answer is XML, as documented."""
    params = Params(raw.pairs)
    answer: Format = "JSON" if params.text("Format").upper() == "JSON" else "XML"
    return Request(
        action=params.text("Action") or raw.headers.get("x-acs-action", ""),
        version=params.text("Version") or raw.headers.get("x-acs-version", ""),
        params=params,
        format=answer,
    )


def verify(raw: RawRequest, keys: Keyring) -> AccessKey:
    """Return the key that signed the request, or raise the gateway's refusal."""
    params = Params(raw.pairs)
    for name in _MANDATORY:
        if not params.given(name):
            raise missing(name)
    if params.text("SignatureMethod", "HMAC-SHA1") != "HMAC-SHA1":
        raise Refusal("InvalidSignatureMethod")
    key = keys.key(params.text("AccessKeyId"))
    check_date(params.text("Timestamp"))
    to_sign = string_to_sign(raw)
    if not hmac.compare_digest(sign(to_sign, key.secret).encode(), octets(params.text("Signature"))):
        # Old SDKs compare the text after the colon with their own, to distinguish a wrong secret from a wrong
        # signature.
        message = "Specified signature is not matched with our calculation. server string to sign is:"
        raise Refusal("SignatureDoesNotMatch", message + to_sign)
    check_token(key, params.text("SecurityToken"))
    keys.spend(params.text("SignatureNonce"))
    return key


def string_to_sign(raw: RawRequest) -> str:
    """Build the string from all parameters except Signature, including empty ones."""
    pairs = [(name, value) for name, value in raw.pairs if name != "Signature"]
    return f"{raw.method}&%2F&{encode(canonical_query(pairs))}"


def sign(to_sign: str, secret: str) -> str:
    """Return the signature of a string."""
    return base64.b64encode(hmac.digest(f"{secret}&".encode(), octets(to_sign), "sha1")).decode()
