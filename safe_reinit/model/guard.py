"""Which targets a run may have: what is allowed, what is protected, how many, and what the class of the disks allows.

A pattern is a shell pattern (``*``, ``?``, ``[...]``) and must match the whole text. Patterns that allow are
case-sensitive; those that protect are not.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from .cloud import Disk, Instance
from .written import milliseconds

Patterns = tuple[str, ...]
Tags = tuple[tuple[str, str], ...]
"""Keys, each with a pattern of its value."""


@dataclass(frozen=True)
class Match:
    """What a target must match. ``None`` matches everything; all given conditions must be met."""

    accounts: Patterns | None = None
    regions: Patterns | None = None
    tags: Tags | None = None
    """The instance must have each of them; a tag with the same key on the disk must not contradict it."""


@dataclass(frozen=True)
class Allow(Match):
    """What may be a target at all."""

    instances: Patterns | None = None
    """Of instance ids."""
    disks: Patterns | None = None
    """Of disk ids."""
    names: Patterns | None = None
    """Of instance names."""


@dataclass(frozen=True)
class Protect:
    """What must never be a target: a disk for which, or for whose instance, any of this is true. On by default."""

    tag: str = "safe-reinit:protect"
    """``KEY`` (whatever its value) or ``KEY=VALUE`` of a tag that protects what has it."""
    names: Patterns = ()
    """Of the names of instances and disks."""
    terms: tuple[str, ...] = ("prod", "production")
    """Words that such a name must not contain as separate words."""
    instances: Patterns = ()
    disks: Patterns = ()
    tags: Tags = ()


@dataclass(frozen=True)
class Hours:
    """A time window of the day, in minutes since midnight at ``offset``; past midnight if it ends before it begins."""

    begin: int
    end: int
    """Exclusive."""
    offset: int = 0
    """Minutes ahead of UTC."""


@dataclass(frozen=True)
class TargetClass:
    """A class of the configuration: what needs no flag for the disks that match it. ``None`` means no statement."""

    name: str
    sha256: str
    """The digest of its definition: canonical JSON (sorted keys, no spaces, UTF-8)."""
    match: Match
    stop_instance: bool = False
    accept: tuple[str, ...] = ()
    snapshot: bool | None = None
    max_disks: int | None = None
    force_stop_after: float | None = None
    """Cloud seconds."""
    on_unknown: Literal["ask", "retry"] | None = None
    hours: Hours | None = None
    unattended: bool = False
    """Whether its name is consent."""


@dataclass(frozen=True)
class TargetRules:
    """What the configuration says of targets."""

    allow: Allow = Allow()
    protect: Protect = Protect()
    classes: tuple[TargetClass, ...] = ()
    """In the order in which they are tried."""
    max_disks: int | None = None
    limit: int | None = None
    """The configuration's limit for ``max_disks``, if nothing else may raise it."""
    hold: str = ""
    """Why it holds all runs; ``""`` if it does not."""
    whose: str = "the current configuration"
    """The name of the configuration for people."""


@dataclass(frozen=True)
class RunClass:
    """The class of all disks of a run, and what it allowed."""

    name: str
    sha256: str
    match: Match
    hours: Hours | None
    in_force: bool
    """Whether it is within its hours; if not, it allowed nothing."""
    unattended: bool
    allowed: tuple[str, ...] = ()
    """The options that came from it and were not given by hand, as people say them: ``stop_instance``, ``accept NAME``
    ...
    """
    force_stop_after: float | None = milliseconds()
    """Whether it came from the class."""
    on_unknown: Literal["ask", "retry"] | None = None
    """Where the class says so."""

    @property
    def limits_disks(self) -> bool:
        """Whether the class says how many disks a run may have, which no option can raise."""
        return any(each.startswith("max_disks") for each in self.allowed)


@dataclass(frozen=True)
class Guard:
    """What is checked of every target of a run: when the plan is made, and again before each changing call."""

    allow: Allow = Allow()
    protect: Protect = Protect()
    disks: int = 1
    """How many disks the run has, including those of other regions that are confirmed together with it."""
    max_disks: int = 10
    """How many it may have."""
    class_: RunClass | None = None
    """The class that all its disks are in."""
    mixed: tuple[tuple[str, str], ...] = ()
    """Each disk with the name of its class (``""``: none), if they are not all in one class and some are in one."""


ON_BY_DEFAULT = Guard()
"""The target rules if nothing else is given."""


@dataclass(frozen=True)
class TargetFacts:
    """One disk of a run and its instance as they were seen, before the check."""

    disk_id: str
    account: str
    region: str
    now: datetime
    disk: Disk | None
    instance: Instance | None
