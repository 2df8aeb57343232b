"""Credentials that a program gives: a key that never changes, or an object that is asked for the present key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

from ..errors import UsageError
from ..model import Secret

AccessKey: TypeAlias = tuple[str, str] | tuple[str, str, str]
"""An AccessKey id, its secret and, for a temporary STS key, its token."""
SecretKey: TypeAlias = tuple[str, Secret] | tuple[str, Secret, Secret]
"""The same, as it is stored."""
KeySource: TypeAlias = Callable[[], AccessKey]
"""Returns the present key; it may ask a service, and may fail."""


class Credential(Protocol):
    """A key of Alibaba Cloud's SDK; the SDK's own clients also fit (``alibabacloud_ecs20140526.client.Client``)."""

    def get_access_key_id(self) -> str:
        """Return the AccessKey id."""

    def get_access_key_secret(self) -> str:
        """Return its secret."""

    def get_security_token(self) -> str | None:
        """Return the token of a temporary key; nothing for any other key."""


class CredentialsClient(Protocol):
    """An object that gives and renews keys, such as ``alibabacloud_credentials.client.Client``."""

    def get_credential(self) -> Credential:
        """Return the present key."""


def given(credentials: Any) -> SecretKey | KeySource | None:  # noqa: ANN401 - it is asked what it is
    """Return the credentials of a program as a stored key, or as a function that returns the present key.

    Raises:
        UsageError: it is something else, or a part of the key is empty.
    """
    if credentials is None:
        return None
    if isinstance(credentials, (tuple, list)):
        if is_key(credentials):
            key_id, secret, *token = credentials
            return (key_id, Secret(secret), Secret(token[0])) if token else (key_id, Secret(secret))
    elif isinstance(credentials, type):
        pass  # a class has these methods, too, but no key
    elif hasattr(credentials, "get_credential"):
        return lambda: _key_of(credentials.get_credential())
    elif hasattr(credentials, "get_access_key_id"):
        return lambda: _key_of(credentials)
    elif callable(credentials):
        source: KeySource = credentials
        return source
    raise UsageError(
        "credentials must be an AccessKey, or a function or an object that returns one.",
        hint="Give ('ID', 'SECRET'), ('ID', 'SECRET', 'TOKEN') for a temporary key of STS, a function that returns "
        "one of these, or a client of alibabacloud_credentials.",
    )


def is_key(value: Any) -> bool:  # noqa: ANN401 - it is asked what it is
    """Return whether a value is a complete key."""
    whole = isinstance(value, (tuple, list)) and len(value) in (2, 3)
    return whole and all(isinstance(each, str) and each for each in value)


def _key_of(credential: Credential) -> AccessKey:
    key_id, secret, token = (
        credential.get_access_key_id(), credential.get_access_key_secret(), credential.get_security_token(),
    )  # fmt: skip
    return (key_id, secret, token) if token else (key_id, secret)
