"""Consent: the person types the name of the thing, after the plan is shown."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from ..errors import RunRefused
from ..interrupt import Interrupt
from ..model import Plan
from ..targets import consents, no_consent
from .output import say
from .progress import Progress

_TRIES = 3
_LISTENS = 0.1
"""Real seconds after which a question looks whether the run was asked to end: a signal does not end a read."""


def obtain(plan: Plan, confirm: str | None) -> None:
    """See that the person agrees to this plan.

    Raises:
        RunRefused: ``--confirm`` is another word, nobody can be asked, or three answers were wrong.

    """
    if confirm is not None:
        if not consents(plan, confirm):
            raise RunRefused(
                f"--confirm: {no_consent(plan, confirm)}",
                hint="Nothing was changed; read the plan with --dry-run first.",
            )
        return
    if not somebody_there():
        raise RunRefused(
            "There is no terminal to ask on and no --confirm.",
            hint=f"Nothing was changed; read the plan with --dry-run, then add --confirm {plan.confirm_with}.",
        )
    name, kind = _question(plan)
    for left in range(_TRIES, 0, -1):
        say(f"\nTo {'roll back' if plan.options.undo else 'reinitialise'}, type the {kind}: {name}")
        answer = _ask()
        if answer is not None and answer.strip().casefold() == name.casefold():
            return
        if answer is None:
            break
        say(f"That is not it; {left - 1} more {'try' if left == 2 else 'tries'}." if left > 1 else "That is not it.")
    raise RunRefused("The plan was not confirmed.", hint="Nothing was changed.")


def _question(plan: Plan) -> tuple[str, str]:
    """Tell what is to be typed, and what it is."""
    if len(plan.jobs) > 1:
        return plan.confirm_with, "8 characters of this plan"
    job = plan.jobs[0]
    if job.instance_name:
        return job.instance_name, "instance's name"
    return job.instance_id or plan.confirm_with, "instance's id"


def pausing(plan: Plan) -> Plan:
    """Let a plan that says nothing of pauses ask after its canary, where there is somebody to ask."""
    if plan.rollout.pause is not None or not somebody_there():
        return plan
    return replace(plan, rollout=replace(plan.rollout, pause="canary"))


def go_on(said: str, progress: Progress, interrupt: Interrupt) -> bool:
    """Ask whether a rollout goes on after a stage; where nobody can be asked, or the run is to end, it does not."""

    def answer() -> bool:
        if not somebody_there():
            progress.say(f"{said} A pause was asked for, and nobody can be asked here: no further job begins.")
            return False
        progress.say(f"\n{said} Go on? Type go; anything else begins no further job.")
        return (_ask(lambda: interrupt.asked) or "").strip().casefold() == "go"

    return progress.asking(answer)


def verdict(run_id: str, *, undo: bool) -> Literal["reinitialised", "intact"] | None:
    """Ask what became of the disks of a run; ``None`` where nobody can be asked or the answer is neither."""
    if not somebody_there():
        return None
    act, done = ("ResetDisk", "reinitialised (it was rolled back)") if undo else ("ReInitDisk", "reinitialised")
    say(f"\nWhat {act} of run {run_id} did cannot be seen. If ActionTrail tells you, type {done} or intact;")
    say("anything else leaves it as it is.")
    answer = (_ask() or "").strip()
    return "reinitialised" if answer == "reinitialised" else "intact" if answer == "intact" else None


def somebody_there() -> bool:
    """Whether there is a terminal to ask on; a process can be started without any stdin at all."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr is not None and sys.stderr.isatty()


def _ask(ended: Callable[[], bool] = lambda: False) -> str | None:
    """Read what is typed, up to the end of the line; ``None`` where there is no more input, or it has ended."""
    try:
        sys.stderr.write("> ")
        sys.stderr.flush()
        while not ended():
            if select.select([sys.stdin], [], [], _LISTENS)[0]:
                return os.read(sys.stdin.fileno(), 4096).decode("utf-8", "replace") or None
    except OSError:
        pass
    return None
