"""What every test of a check asks: that it stays silent, or that it finds exactly this."""

from __future__ import annotations

from safe_reinit.checks.check import Check
from safe_reinit.model import DiskFacts, Finding, Level


def assert_silent(check: Check, facts: DiskFacts) -> None:
    """Assert that the check finds nothing."""
    assert list(check.run(facts)) == []


def assert_finds(check: Check, facts: DiskFacts, level: Level, subject: str, predicts: str | None = None) -> Finding:
    """Assert that the check finds one thing, of this level, about this subject; give it for a look at its words."""
    findings = list(check.run(facts))

    assert [(each.check, each.level, each.subject, each.predicts) for each in findings] == [
        (check.name, level, subject, predicts)
    ]
    return findings[0]
