"""Access keys and what they may do: everything not denied, or, if a key has a policy, only what it allows.

A policy is a RAM policy: an action needs a statement that allows it on each resource, and none that denies it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True)
class Denial:
    """One denied RAM action, such as `ecs:StopInstance` or `*`, on one resource id or on all (`*`)."""

    action: str
    resource: str = "*"

    def covers(self, action: str, resources: Iterable[str]) -> bool:
        """Return whether it forbids the action on any of the resources."""
        if self.action not in ("*", action):
            return False
        return self.resource == "*" or self.resource in resources


@dataclass(frozen=True)
class Statement:
    """One statement of a RAM policy; `*` in an action or a resource stands for anything."""

    effect: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    condition: Mapping[str, bool]
    """What must be true of the request for the statement to count, by condition key."""

    def covers(self, action: str, resource: str, facts: Mapping[str, bool]) -> bool:
        """Return whether it is about the action on the resource, for a request with these facts."""
        return (
            any(fnmatchcase(action.lower(), pattern.lower()) for pattern in self.actions)
            and any(fnmatchcase(resource, pattern) for pattern in self.resources)
            and all(facts.get(key) == expected for key, expected in self.condition.items())
        )


@dataclass(frozen=True)
class RamPolicy:
    """A RAM policy."""

    statements: tuple[Statement, ...]

    def allows(self, action: str, resources: Iterable[str], facts: Mapping[str, bool]) -> bool:
        """Return whether every one of the resources is allowed by a statement and denied by none."""
        return all(self._effects(action, resource, facts) == {"Allow"} for resource in resources)

    def _effects(self, action: str, resource: str, facts: Mapping[str, bool]) -> set[str]:
        return {each.effect for each in self.statements if each.covers(action, resource, facts)}


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
    policy: RamPolicy | None = None
    """If there is one, only what it allows is allowed."""

    def denied(self, action: str, resources: Iterable[str]) -> bool:
        """Return whether the RAM action is forbidden on any of the resources."""
        return any(denial.covers(action, tuple(resources)) for denial in self.denials)

    @property
    def arn(self) -> str:
        """Who it belongs to: a RAM user, or an assumed role if it is temporary."""
        who = "assumed-role/simulator/session" if self.token else "user/simulator"
        return f"acs:ram::{self.account}:{who}"
