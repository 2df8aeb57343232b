"""The page of the states of a run, made from the table of the core."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

import drawings

from safe_reinit.core import transitions
from safe_reinit.core.transitions import EXITS, STEP, STEP_STATES, WIPE, WIPE_STATES
from safe_reinit.errors import exit_code
from safe_reinit.model import StepState, WipeState

State = TypeVar("State", WipeState, StepState)
Row = TypeVar("Row", transitions.WipeTransition, transitions.StepTransition)

_CALLS = {
    "stop": "StopInstance",
    "force": "StopInstance (power cut)",
    "start": "StartInstance",
    "snapshot": "CreateSnapshot",
    "tag": "TagResources",
    "untag": "UntagResources",
}
_CAUSES = {
    "Intended": "intention",
    "Withdrawn": "call not made",
    "CallAccepted": "accepted",
    "CallRefused": "refused",
    "CallUnanswered": "no answer",
    "CallUnclear": "unknown code",
    "Observed": "observation",
    "Resumed": "resume",
    "Verdict": "verdict",
}


def states() -> str:
    """Write docs/reference/states.md."""
    lines = [
        "# The states of a run",
        "",
        "A run keeps one state for the wipe of each disk, and one for each other call of each machine. The journal stores these states,",
        "and only the events below change them. In the pictures, the number on an arrow is that of its row in the table below; several",
        "rows can share an arrow. A state shows the exit codes with which a run can end in it. The *settling time* is 20 seconds and",
        "four observations.",
        "",
        "## The wipe of a disk",
        "",
        "ReInitDisk, or ResetDisk in an undo.",
        "",
        *_meanings(WIPE_STATES),
        "",
        "![The states of the wipe of a disk, with exit codes](../assets/states-wipe.svg)",
        "",
        "| arrow | from | to | event | what happened |",
        "|---|---|---|---|---|",
        *(
            f"| {number} | `{row.before}` | `{row.after}` | {_CAUSES[row.cause]} | {row.why} |"
            for number, row in _numbered(WIPE, WIPE_STATES)
        ),
        "",
        "## Every other call",
        "",
        f"{_list(_CALLS.values())}.",
        "",
        *_meanings(STEP_STATES),
        "",
        "![The states of every other call](../assets/states-call.svg)",
        "",
        "| arrow | from | to | event | what happened | calls |",
        "|---|---|---|---|---|---|",
        *(
            f"| {number} | `{row.before}` | `{row.after}` | {_CAUSES[row.cause]} | {row.why} | {_calls(row)} |"
            for number, row in _numbered(STEP, STEP_STATES)
        ),
        "",
        "## How a job ends",
        "",
        "The outcome of a job with one disk depends on the state of its wipe. If a job has several disks with different states, one disk",
        f"in doubt makes it `unknown` ({exit_code('unknown')}); otherwise one that is done makes it `partial` ({exit_code('partial')}). [Exit codes](exit-codes.md) explains each.",
        "",
        "| state | outcome | exit code | when |",
        "|---|---|---|---|",
        *(f"| `{each.state}` | {each.outcome} | {exit_code(each.outcome)} | {each.when} |" for each in EXITS),
        "",
        "*`docs/generate.py` makes this page from the table in `safe_reinit/core/transitions.py`. Tests compare the table with what the",
        "program does, in both directions.*",
    ]
    return "\n".join(lines) + "\n"


def _meanings(states: Mapping[State, str]) -> list[str]:
    return ["| state | meaning |", "|---|---|", *(f"| `{state}` | {meaning} |" for state, meaning in states.items())]


def _by_state(rows: Iterable[Row], states: Iterable[str]) -> list[Row]:
    order: list[str] = list(states)
    return sorted(rows, key=lambda row: order.index(row.before))


def _numbered(rows: Iterable[Row], states: Iterable[str]) -> Iterator[tuple[int, Row]]:
    """Yield rows with the number of their arrow in the picture; rows that share an arrow share its number."""
    ordered = _by_state(rows, states)
    numbers = {arrow: number for number, arrow in enumerate(_arrows(ordered), 1)}
    return ((numbers[row.before, row.after], row) for row in ordered)


def _arrows(rows: Iterable[Row]) -> list[tuple[str, str]]:
    return list(dict.fromkeys((row.before, row.after) for row in rows))


_WIPE_PLACES = {
    "todo": (130, 300), "asked": (350, 300), "accepted": (580, 110), "lost": (580, 300), "resend": (580, 490),
    "done": (900, 110), "unknown": (900, 300), "refused": (900, 490),
}  # fmt: skip
_WIPE_BENDS = {
    ("asked", "unknown"): 150, ("todo", "refused"): -300, ("todo", "unknown"): 520, ("resend", "accepted"): 230,
}  # fmt: skip
_CALL_PLACES = {
    "none": (130, 300), "asked": (350, 300), "accepted": (620, 110), "lost": (620, 300), "again": (350, 490),
    "resend": (620, 490), "done": (900, 110), "failed": (900, 400),
}  # fmt: skip
_CALL_BENDS = {
    ("resend", "accepted"): 240, ("again", "done"): -160, ("none", "failed"): 640, ("failed", "none"): 560,
    ("asked", "failed"): -50, ("failed", "again"): 220, ("again", "failed"): 90,
}  # fmt: skip


def pictures_of_states() -> dict[str, str]:
    """Draw the states of a wipe and those of every other call."""
    codes: dict[str, list[int]] = {}
    for each in EXITS:
        codes.setdefault(each.state, []).append(exit_code(each.outcome))
    wipe, call = _arrows(_by_state(WIPE, WIPE_STATES)), _arrows(_by_state(STEP, STEP_STATES))
    return {
        "docs/assets/states-wipe.svg": drawings.states(
            "The states of the wipe of a disk, with the exit codes of a run", _WIPE_PLACES, wipe, codes, _WIPE_BENDS
        ),
        "docs/assets/states-call.svg": drawings.states(
            "The states of every other call", _CALL_PLACES, call, {}, _CALL_BENDS
        ),
    }


def _calls(row: transitions.StepTransition) -> str:
    return "all" if len(row.calls) == len(_CALLS) else ", ".join(_CALLS[each] for each in row.calls)


def _list(names: Iterable[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}"
