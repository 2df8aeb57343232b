"""The checks: one rule in each file, listed in ``CHECK_NAMES`` in the order in which they run.

A check is pure: it reads the ``DiskFacts`` of one target and returns findings, so it needs no network and never raises.
Each is named after the problem that it finds, and the docstring of its file is its documentation.

| file | what is in it |
|---|---|
| ``check`` | what a check is |
| ``target_rules`` | which targets are allowed, which are protected, and what a class allows |
| ``_shared`` | what several checks have in common |
| all others | one check each |
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, cast

from .check import Check, documentation

if TYPE_CHECKING:
    from ..model import DiskFacts, Finding, Level

    CHECKS: tuple[Check, ...]
    """Every check, in order."""

CHECK_NAMES: tuple[str, ...] = (
    # whether the checks can be relied on at all
    "could-not-check",
    "not-checked",
    "clock-off",
    # whether the disk may be a target at all
    "target-not-allowed",
    "target-protected",
    "too-many-disks",
    "not-in-class",
    "outside-hours",
    "classes-differ",
    # the disk
    "disk-not-found",
    "disk-not-in-use",
    "disk-on-other-instance",
    "disk-multi-attached",
    "category-unsupported",
    "category-unknown",
    "disk-locked",
    "disk-expired",
    "encryption-key-unusable",
    "in-replication-pair",
    # its instance
    "instance-not-seen",
    "instance-in-transition",
    "instance-running",
    "never-started",
    "start-time-not-shown",
    "just-started",
    "instance-locked",
    "instance-expired",
    "instance-hibernated",
    # what it would become
    "source-snapshot-deleted",
    "source-snapshot-too-old",
    "source-image-deleted",
    "source-image-not-available",
    "image-not-io-optimized",
    "shared-source-image",
    # its snapshots
    "no-recent-snapshot",
    "snapshot-in-progress",
    "local-snapshot",
    "instant-access-snapshot",
    "kept-snapshots",
    "auto-snapshot-due",
    # the options
    "option-for-system-disk-only",
    "key-pair-on-windows",
    "key-pair-not-found",
    "key-pair-and-password",
    "security-not-public-image",
    "password-malformed",
    "password-in-query",
    # other runs
    "disk-moved-since-run",
    "safety-snapshot-gone",
    "reset-refused",
    # whether the machine comes back, and whether people can log in
    "no-login-set",
    "image-cannot-take-login",
    "fstab-may-name-disk",
    "economical-mode",
    "spot",
    "release-or-expiry-soon",
    "local-disks-on-instance",
    "dedicated-host",
    "capacity-reservation",
    # other effects of the stop and the wipe
    "user-data-runs-again",
    "downtime-shared",
    "public-ip",
    "deletion-protection",
    # who else owns the machine, and what these credentials may do
    "in-scaling-group",
    "in-kubernetes",
    "tagged-by-other-run",
    "scheduled-maintenance",
    "not-allowed-to-stop",
    "not-allowed-to-start",
)

_LEVELS: tuple[Level, ...] = ("block", "risk", "info")

OF_TARGET: tuple[str, ...] = ("target-not-allowed", "target-protected", "not-in-class")
"""The checks of whether the disk may be a target at all, which apply whatever its state."""


def __getattr__(name: str) -> tuple[Check, ...]:
    if name != "CHECKS":  # they are imported when they run: explaining one needs none of them
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _all()


@cache
def _all() -> tuple[Check, ...]:
    return tuple(_load(name) for name in CHECK_NAMES)


@cache
def _load(name: str) -> Check:
    return cast("Check", import_module(f"{__name__}.{name.replace('-', '_')}").CHECK)


def by_name(name: str) -> Check | None:
    """Return the check with this name, if there is one."""
    return _load(name) if name in CHECK_NAMES else None


def like(name: str, names: Iterable[str] = CHECK_NAMES) -> str:
    """Ask whether the most similar of these names was meant; ``""`` if none is similar."""
    from ..model.similar import similar  # noqa: PLC0415 - only where somebody mistyped

    near = similar(name, names)
    return f"Did you mean {near}? " if near else ""


def check_disk(facts: DiskFacts, *, least: Level = "info") -> tuple[Finding, ...]:
    """Run the checks on one target, in order: those whose worst level is this one or a worse one."""
    checks = _as_bad_as(least, undoing=bool(facts.options.undo))
    return tuple(finding for check in checks for finding in check.run(facts))


@cache
def _as_bad_as(least: Level, *, undoing: bool) -> tuple[Check, ...]:
    levels = _LEVELS[: _LEVELS.index(least) + 1]
    return tuple(check for check in _all() if check.level in levels and not (undoing and check.of_reinit))


def check_target(facts: DiskFacts) -> tuple[Finding, ...]:
    """Run the checks of whether the disk may be a target at all."""
    return tuple(finding for name in OF_TARGET for finding in _load(name).run(facts))


def check_disks(disks: Iterable[DiskFacts]) -> tuple[Finding, ...]:
    """Run every check on every target, in order; a finding that two disks of one instance share is reported once."""
    findings: dict[tuple[object, ...], Finding] = {}
    for facts in disks:
        for finding in check_disk(facts):
            findings.setdefault(_identity(finding), finding)
    return tuple(findings.values())


def _identity(finding: Finding) -> tuple[object, ...]:
    fact = tuple(sorted(finding.fact.items(), key=lambda item: item[0]))
    return (finding.check, finding.level, finding.subject, finding.message, finding.fix, fact, finding.predicts)


__all__ = [
    "CHECKS", "CHECK_NAMES", "Check", "by_name", "check_disk", "check_disks", "check_target", "documentation",
]  # fmt: skip
