"""The settings of a credentials source, in the terms of an aliyun CLI profile, and the errors that name the source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MODES = (
    "AK", "StsToken", "RamRoleArn", "EcsRamRole", "RamRoleArnWithRoleName", "ChainableRamRoleArn", "External",
    "CredentialsURI", "OIDC", "CloudSSO", "OAuth",
)  # fmt: skip
"""The modes of aliyun CLI profiles that are supported."""


class CredentialsError(Exception):
    """A configured source gives no credentials; the text says which one and why, and contains no secret.

    Attributes:
        hint: what to do about it.
        was_asked: whether a service was asked for them; otherwise everything was found on this machine.

    """

    def __init__(self, text: str, hint: str = "", *, was_asked: bool = False) -> None:
        super().__init__(text)
        self.hint = hint
        self.was_asked = was_asked


class NothingFoundError(CredentialsError):
    """No source is configured."""


@dataclass(frozen=True)
class Profile:
    """How one source gets its key, in the terms of an aliyun CLI profile; equal as long as nothing changes."""

    mode: str
    members: Mapping[str, Any] = field(repr=False)
    source: str
    """What it is and where it is configured, for people."""
    base: Profile | None = None
    """The profile whose key assumes the role (ChainableRamRoleArn)."""
    discovered: bool = False
    """Whether nobody configured it: it is only tried, and may be absent."""

    def text(self, name: str) -> str:
        """Return a text member; ``""`` if there is none."""
        value = self.members.get(name)
        return value if isinstance(value, str) else ""

    def needed(self, name: str) -> str:
        """Return a member that this mode needs.

        Raises:
            CredentialsError: it is empty, missing, or not a text.
        """
        if not isinstance(self.members.get(name, ""), str | None):
            raise self.failed(f"{name} is not text in quotes")
        value = self.text(name)
        if not value.strip():
            raise self.failed(f"{name} is empty or missing")
        return value

    def number(self, name: str) -> float:
        """Return a number; 0 if there is none.

        Raises:
            CredentialsError: it is not a number.
        """
        value = self.members.get(name)
        if value is None:
            return 0.0
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            raise self.failed(f"{name} is not a number")
        return float(value)

    def failed(self, why: str, hint: str = "", *, was_asked: bool = False) -> CredentialsError:
        """Return the error that says why this source gives no credentials."""
        return CredentialsError(f"{self.source} gives no credentials: {why}.", hint, was_asked=was_asked)
