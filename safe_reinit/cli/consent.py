"""Consent: the person types what names the thing, after the plan is shown."""

from __future__ import annotations

import contextlib
import os
import select
import sys
import termios
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from ..checks.target_rules import MIN_TYPED, consents, no_consent, quotes
from ..errors import RunRefused
from ..interrupt import Interrupt
from ..model import Plan
from ..model.letters import passes_for_id
from .output import paragraph, print_stderr, write
from .progress import Progress

_MAX_TRIES = 3
_BLANK = frozenset("\u115f\u1160\u2800\ufffd")
"""Letters and symbols that are invisible, or can pass for something else."""
_POLL_INTERVAL = 0.1
"""Real seconds between checks, during a question, whether the run was asked to end: a signal does not end a read."""


def obtain(plan: Plan, confirm: str | None, is_only_one: Callable[[str], bool], digest: str = "") -> None:
    """Check that the person agrees to this plan, which is all on the screen, with the loss right above the question.

    Args:
        plan: what was shown just before.
        confirm: the value from the command line; without it the person is asked.
        is_only_one: returns whether an instance is the only one with its name.
        digest: the digest of the file with the plan; its beginning must be typed.

    Raises:
        RunRefused: ``--confirm`` has another value, nobody can be asked, or three answers were wrong.
        UsageError: the question cannot be written.

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
    question = _question(plan, is_only_one, digest)
    for left in range(_MAX_TRIES, 0, -1):
        _prompt(f"To {'roll back' if plan.options.undo else 'wipe'}, type the {question}")
        answer = _read()
        if answer is not None and question.agrees(unicodedata.normalize("NFC", answer.strip())):
            return
        if answer is None:
            break
        print_stderr(
            f"That does not match. {left - 1} {'try' if left == 2 else 'tries'} left."
            if left > 1
            else "That does not match."
        )
    raise RunRefused("The plan was not confirmed.", hint="Nothing was changed.")


@dataclass(frozen=True)
class _Question:
    """What is to be typed: what ``--confirm`` takes, of a digest its beginning; a name, if it will do, comes first."""

    name: str = ""
    disk_id: str = ""
    digest: str = ""
    what: str = ""
    """What the digest is."""

    def __str__(self) -> str:
        named = f"instance's name: {self.name}" if self.name else ""
        by_digest = f"{self.what}: {self.digest[:MIN_TYPED]}"
        if not named:
            return f"disk's id: {self.disk_id}" if self.disk_id else by_digest
        other = "disk's id" if self.disk_id else by_digest  # the id stands right above the question
        return f"{named} (or the {other})"

    def agrees(self, answer: str) -> bool:
        """Return whether an answer names the thing, in any case of letters."""
        words = {each.casefold() for each in (self.name, self.disk_id) if each}
        return answer.casefold() in words or (self.digest != "" and quotes(answer, self.digest, MIN_TYPED))


def _question(plan: Plan, is_only_one: Callable[[str], bool], digest: str) -> _Question:
    """Return what is asked for: whatever ``--confirm`` takes is an answer, so that there is one rule to remember.

    A name is an answer only if it names one machine, and everybody can read and type it.
    """
    if digest:
        return _Question(digest=digest, what="first 8 characters of the file's digest")
    several = sum(len(job.disks) for job in plan.jobs) > 1
    confirms = _Question(
        disk_id="" if several else plan.confirm_with,
        digest=plan.fingerprint if several else "",
        what="8 characters of this plan",
    )
    job = plan.jobs[0]
    if len(plan.jobs) == 1 and job.instance_id and _is_plain(job.instance_name) and is_only_one(job.instance_id):
        return replace(confirms, name=job.instance_name)
    return confirms


def _is_plain(name: str) -> bool:
    """Return whether a name is what it looks like: at most single spaces inside, no marks, nothing invisible, no id."""
    return (
        name != ""
        and name == unicodedata.normalize("NFKC", name)
        and name == " ".join(name.split())
        and all(letter == " " or unicodedata.category(letter)[0] in "LNPS" for letter in name)
        and not set(name) & _BLANK
        and not passes_for_id(name)
    )


def pausing(plan: Plan) -> Plan:
    """Make a plan without a pause ask after its canary, if somebody can be asked."""
    if plan.rollout.pause is not None or not somebody_there():
        return plan
    return replace(plan, rollout=replace(plan.rollout, pause="canary"))


def go_on(summary: str, progress: Progress, interrupt: Interrupt, *, waits: bool) -> bool | None:
    """Ask whether a rollout continues after a stage; if nobody can be asked, or the run is to end, it does not.

    Args:
        summary: what has ended so far.
        progress: what the question interrupts.
        interrupt: the run's.
        waits: whether the run waits for an answer if nobody gives one here; then the result is ``None``.
    """
    if not somebody_there():
        if waits:
            return None
        progress.print_line(
            f"{summary} The run was to pause here, but there is nobody to ask, so no further job begins."
        )
        return False

    def ended() -> bool:
        return interrupt.over

    question = f'\n{summary} Continue? Type "go" to continue; anything else stops here.'
    answer = progress.asking(lambda: _prompt(question), lambda: _read(ended), ended)
    return None if answer is None and waits else (answer or "").strip().casefold() == "go"


def ask_verdict(
    run_id: str, progress: Progress, *, undo: bool, ended: Callable[[], bool]
) -> Literal["reinitialised", "intact"] | None:
    """Ask what happened to the disks of a run; ``None`` if nobody can be asked or the answer is neither."""
    if not somebody_there():
        return None
    action, done = ("ResetDisk", "reinitialised (it was rolled back)") if undo else ("ReInitDisk", "reinitialised")
    question = (
        f"\nThe run {run_id} cannot see what {action} did. If ActionTrail shows it, type {done} or intact;\n"
        "anything else changes nothing."
    )
    answer = (progress.asking(lambda: _prompt(question), lambda: _read(ended), ended) or "").strip()
    return "reinitialised" if answer == "reinitialised" else "intact" if answer == "intact" else None


def somebody_there() -> bool:
    """Return whether there is a terminal to ask on; a background process must not read from its terminal."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except OSError:  # it is the terminal of another session
        return False


def _prompt(question: str) -> None:
    """Write the complete question; anything typed before it does not count as an answer.

    Raises:
        UsageError: it cannot be written.
    """
    with contextlib.suppress(termios.error):
        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)
    paragraph(sys.stderr, question)
    write(sys.stderr, "> ")


def _read(ended: Callable[[], bool] = lambda: False) -> str | None:
    """Read what is typed up to the end of the line; ``None`` at the end of the input, or once the question is void."""
    try:
        while not ended():
            if select.select([sys.stdin], [], [], _POLL_INTERVAL)[0]:
                return os.read(sys.stdin.fileno(), 4096).decode("utf-8", "replace") or None
    except OSError:
        pass
    return None
