"""The page of the states of a run, made from the table of the core."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

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
        "Made from the table in `safe_reinit/core/transitions.py` by `docs/generate.py`; tests compare the table with what the",
        "program does, both ways. A run keeps one state for the wipe of each disk, and one for each other call of each machine.",
        "The journal holds these states; nothing but the events below changes one. The diagrams are",
        "[Mermaid](https://mermaid.js.org/) text: GitHub and many editors draw them, and the tables below say the same in words.",
        "",
        "## The wipe of a disk",
        "",
        "ReInitDisk, or ResetDisk in an undo.",
        "",
        *_meanings(WIPE_STATES),
        "",
        *_diagram(WIPE, "todo", exits=True),
        "",
        "| from | to | event | what happened |",
        "|---|---|---|---|",
        *(
            f"| `{row.before}` | `{row.after}` | {_CAUSES[row.cause]} | {row.why} |"
            for row in _by_state(WIPE, WIPE_STATES)
        ),
        "",
        "## Every other call",
        "",
        f"{_list(_CALLS.values())}.",
        "",
        *_meanings(STEP_STATES),
        "",
        *_diagram(STEP, "none"),
        "",
        "| from | to | event | what happened | calls |",
        "|---|---|---|---|---|",
        *(
            f"| `{row.before}` | `{row.after}` | {_CAUSES[row.cause]} | {row.why} | {_calls(row)} |"
            for row in _by_state(STEP, STEP_STATES)
        ),
        "",
        "## How a job ends",
        "",
        "By the state of its wipe, for a job of one disk. Of several disks that differ, any in doubt makes the outcome `unknown`",
        f"({exit_code('unknown')}), else any that is done makes it `partial` ({exit_code('partial')}). [Exit codes](exit-codes.md) says what each means.",
        "",
        "| state | outcome | exit code | when |",
        "|---|---|---|---|",
        *(f"| `{each.state}` | {each.outcome} | {exit_code(each.outcome)} | {each.when} |" for each in EXITS),
    ]
    return "\n".join(lines) + "\n"


def _meanings(states: Mapping[State, str]) -> list[str]:
    return ["| state | meaning |", "|---|---|", *(f"| `{state}` | {meaning} |" for state, meaning in states.items())]


def _by_state(rows: Iterable[Row], states: Iterable[str]) -> list[Row]:
    order: list[str] = list(states)
    return sorted(rows, key=lambda row: order.index(row.before))


def _diagram(rows: Sequence[Row], first: str, *, exits: bool = False) -> list[str]:
    """Draw states and events; what the tables say in words is left out, so that the picture stays readable."""
    events: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        events.setdefault((row.before, row.after), []).append(_CAUSES[row.cause])
    lines: list[str] = ["```mermaid", "stateDiagram-v2", f"    [*] --> {first}"]
    lines += [f"    {before} --> {after}: {', '.join(dict.fromkeys(why))}" for (before, after), why in events.items()]
    if exits:
        reached = {each.outcome: exit_code(each.outcome) for each in EXITS}
        lines += [f'    state "{outcome}, exit code {code}" as exit{code}' for outcome, code in reached.items()]
        lines += [f"    {each.state} --> exit{exit_code(each.outcome)}" for each in EXITS]
    return [*lines, "```"]


def _calls(row: transitions.StepTransition) -> str:
    return "all" if len(row.calls) == len(_CALLS) else ", ".join(_CALLS[each] for each in row.calls)


def _list(names: Iterable[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}"
