"""When the clock of this machine is off."""

from __future__ import annotations

import pytest

from safe_reinit.checks.clock_off import CHECK
from tests.checks.tools import assert_finds, assert_silent
from tests.values import disk_facts


@pytest.mark.parametrize("skew", [None, 0.0, 1.5, 300.0, -300.0, float("nan")])
def test_a_clock_that_is_near_enough(skew: float | None) -> None:
    """Up to 5 minutes either way, or unknown, nothing is said."""
    assert_silent(CHECK, disk_facts(clock_skew=skew))


@pytest.mark.parametrize("skew", [300.5, 840.0, -301.0, -840.0])
def test_a_clock_that_is_off_is_reported(skew: float) -> None:
    """Between 5 and 14 minutes it is told and stops nobody."""
    assert_finds(CHECK, disk_facts(clock_skew=skew), "info", "clock")


@pytest.mark.parametrize(("skew", "side"), [(841.0, "14 minutes ahead of"), (-3600.0, "60 minutes behind")])
def test_a_clock_near_the_limit_of_signatures_stops(skew: float, side: str) -> None:
    """Beyond 14 minutes calls are about to be refused, so nothing is begun."""
    found = assert_finds(CHECK, disk_facts(clock_skew=skew), "block", "clock")

    assert side in found.message
    assert "NTP" in found.fix
    assert found.fact == {"SecondsAhead": int(skew)}


def test_the_clock_is_judged_without_a_disk() -> None:
    """A clock that is off is told whether or not the disk was seen."""
    assert_finds(CHECK, disk_facts(disk=None, instance=None, clock_skew=900.0), "block", "clock")
