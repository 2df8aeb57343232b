"""The class of the disks allows nothing at this time of day.

What it does
    Compares ECS's time with the `hours` of the class. 01:00-05:00 is in UTC and includes 01:00 but not 05:00;
    01:00-05:00 +08:00 is in that time zone; if the end is earlier than the start, the hours span midnight. Outside its
    hours the class allows nothing: this is reported, and stops the run if it needs something that the class allows. A
    plan that relies on the class is not started outside them either. A job that has started is completed, because its
    machine is already down.

Why it matters
    The class was written for the hours in which nobody is working on these machines.

How to fix it
    Run within the hours of the class, or give the options by hand if this time is right all the same.
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
        f"The plan relies on the class {name}, which allows nothing {it_is}."
        if used.in_force
        else f"The class {name} of these disks allows nothing {it_is}.",
        fix=f"Run it during {when}, or give the options by hand.",
        fact={"Hours": when},
    )


CHECK = Check("outside-hours", "block", (), check, of_options=True, milder=("info",))
