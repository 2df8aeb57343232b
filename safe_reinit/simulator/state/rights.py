"""Access keys and what they may not do: everything is allowed that no denial names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Denial:
    """One denied RAM action, such as `ecs:StopInstance` or `*`, on one resource id or on all (`*`)."""

    action: str
    resource: str = "*"

    def covers(self, action: str, resources: Iterable[str]) -> bool:
        """Whether it forbids the action on any of the resources."""
        if self.action not in ("*", action):
            return False
        return self.resource == "*" or self.resource in resources


@dataclass(frozen=True)
class AccessKey:
    """An access key; with a `token` it is a temporary one of STS, whose token must come with each request."""

    id: str
    secret: str
    account: str
    token: str = ""
    expires: float | None = None
    active: bool = True
    denials: tuple[Denial, ...] = ()

    def denied(self, action: str, resources: Iterable[str]) -> bool:
        """Whether the RAM action is forbidden on any of the resources."""
        return any(denial.covers(action, tuple(resources)) for denial in self.denials)

    @property
    def arn(self) -> str:
        """Who it is: a RAM user, or an assumed role if it is temporary."""
        who = "assumed-role/simulator/session" if self.token else "user/simulator"
        return f"acs:ram::{self.account}:{who}"
