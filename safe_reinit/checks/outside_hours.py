"""The class of the disks allows nothing at this time of day.

What it does
    Compares the time of ECS with the `hours` of the class (01:00-05:00: UTC, from the first minute to before the last;
    01:00-05:00 +08:00: of that zone; over midnight where the end comes first). Outside them the class allows nothing:
    that is told, and refuses where something was needed of it. A plan that rests on the class is not begun outside them
    either. A job that has begun is carried to its end, since its machine is down already.

Why it stops you
    The class was written for the hours in which nobody is at work on these machines.

How to fix it
    Run it in the hours of the class, or give the options by hand if the time is right all the same.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from ._shared import word
from .check import Check
from .target_rules import window, within


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    used = facts.guard.class_
    if used is None or used.hours is None or within(used.hours, facts.now):
        return
    name, when = word(used.name), window(used.hours)
    it_is = f"outside {when}, and it is {facts.now:%H:%M} UTC"
    yield Finding(
        CHECK.name,
        "block" if used.in_force else "info",
        used.name,
        f"The plan rests on the class {name}, which allows nothing {it_is}."
        if used.in_force
        else f"The class {name} of these disks allows nothing {it_is}.",
        fix=f"Run it in {when}, or give the options by hand.",
        fact={"Hours": when},
    )


CHECK = Check("outside-hours", "block", (), check, of_options=True, milder=("info",))
