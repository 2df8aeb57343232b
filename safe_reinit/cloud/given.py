"""Credentials that a program gives: a key that never changes, or an object that is asked for the key of now."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

from ..errors import UsageError
from ..model import Secret

AccessKey: TypeAlias = tuple[str, str] | tuple[str, str, str]
"""An AccessKey id, its secret and, of a temporary key of STS, its token."""
SecretKey: TypeAlias = tuple[str, Secret] | tuple[str, Secret, Secret]
"""The same, as it is kept."""
KeySource: TypeAlias = Callable[[], AccessKey]
"""Returns the key of now; it may ask somebody, and may fail."""


class Credential(Protocol):
    """A key of Alibaba Cloud's SDK; also the SDK's own clients, ``alibabacloud_ecs20140526.client.Client``."""

    def get_access_key_id(self) -> str:
        """Return the AccessKey id."""

    def get_access_key_secret(self) -> str:
        """Return its secret."""

    def get_security_token(self) -> str | None:
        """Return the token of a temporary key; of any other nothing."""


class CredentialsClient(Protocol):
    """What gives keys and renews them, such as ``alibabacloud_credentials.client.Client``."""

    def get_credential(self) -> Credential:
        """Return the key of now."""


def given(credentials: Any) -> SecretKey | KeySource | None:  # noqa: ANN401 - it is asked what it is
    """Return what a program gives as credentials: a key as it is kept, or a function that returns the key of now.

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
        pass  # a class has the methods, too, but no key
    elif hasattr(credentials, "get_credential"):
        return lambda: _key_of(credentials.get_credential())
    elif hasattr(credentials, "get_access_key_id"):
        return lambda: _key_of(credentials)
    elif callable(credentials):
        source: KeySource = credentials
        return source
    raise UsageError(
        "credentials is neither an AccessKey (an id and a secret, with or without a token) nor what returns one.",
        hint="Give ('ID', 'SECRET'), ('ID', 'SECRET', 'TOKEN') for a temporary key of STS, a function that returns "
        "one of these, or a client of alibabacloud_credentials.",
    )


def is_key(value: Any) -> bool:  # noqa: ANN401 - it is asked what it is
    """Return whether a value is a whole key."""
    whole = isinstance(value, (tuple, list)) and len(value) in (2, 3)
    return whole and all(isinstance(each, str) and each for each in value)


def _key_of(credential: Credential) -> AccessKey:
    key_id, secret, token = (
        credential.get_access_key_id(), credential.get_access_key_secret(), credential.get_security_token(),
    )  # fmt: skip
    return (key_id, secret, token) if token else (key_id, secret)
