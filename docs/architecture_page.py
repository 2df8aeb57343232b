"""The page of the architecture and its pictures: from the core's tables, and from the map in CONTRIBUTING.md."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import drawings

from safe_reinit.core.transitions import EXITS
from safe_reinit.errors import exit_code
from safe_reinit.model import WipeState

ROOT = Path(__file__).resolve().parent.parent

_STEPS = (
    ("Check, plan, confirm", "nothing is changed", False),
    ("TagResources", "with lock_tag: keeps others off", True),
    ("StopInstance", "until Stopped is shown", False),
    ("CreateSnapshot", "with --snapshot: until accomplished", True),
    ("Read the facts again", "if any has changed, nothing is sent", False),
    ("ReInitDisk", "ResetDisk in an undo", False),
    ("Observe the disk", "until ReIniting, then In_use", False),
    ("Observe on, or ask a person", "a lost answer proves nothing", True),
    ("StartInstance", "if it ran before: until Running", False),
    ("UntagResources", "with lock_tag", True),
)
"""The steps of one machine, as the docstring of ``safe_reinit.core`` has them; whether most runs leave a step out."""
_LANES: tuple[tuple[int, str, Sequence[WipeState], Sequence[int]], ...] = (
    (1, "Nothing was sent (the wipe is todo)", ("todo",), (3,)),
    (4, "The wipe was not sent, or certainly not carried out (todo)", ("todo",), (4, 8)),
    (2, "ECS refused the wipe (refused)", ("refused",), (4, 8)),
    (
        1,
        "Not proven (unknown, asked, accepted, lost, resend)",
        ("unknown", "asked", "accepted", "lost", "resend"),
        (5,),
    ),
    (2, "The wipe is proven (done)", ("done",), (0, 6)),
)
"""How many steps a lane spans, its heading, the states of the wipe that end there, and with which exit codes."""


def job_picture() -> str:
    """Draw the steps of one machine with every exit code of a run of one disk."""
    drawn = {(state, code) for _, _, states, codes in _LANES for state in states for code in codes}
    if drawn != {(each.state, exit_code(each.outcome)) for each in EXITS}:
        raise ValueError("the lanes are not the ends of a job")
    lanes = [(span, heading, list(_ends(states[0], codes))) for span, heading, states, codes in _LANES]
    return drawings.steps("The steps of one machine, and how each can end", _STEPS, lanes)


def _ends(state: WipeState, codes: Sequence[int]) -> Iterator[tuple[int, str, str]]:
    for each in EXITS:
        if each.state == state and exit_code(each.outcome) in codes:
            yield exit_code(each.outcome), each.outcome, each.when


def rooms_picture() -> str:
    """Draw which part of the program is built on which; a test holds these arrows against the imports."""
    drawn = re.findall(r'^    (\w+)\["\w+: ([^"]+)"\](?: --> ([\w &]+))?$', _map(), re.M)
    rooms = {name: (words, re.findall(r"\w+", others)) for name, words, others in drawn}
    return drawings.layers("Which part is built on which", rooms)


def architecture() -> str:
    """Write docs/explanation/architecture.md."""
    return f"""# Architecture

safe-reinit is a command and a Python library. It needs no server: it calls the ECS API, and keeps a journal in a local file. You
can also use a [journal in PostgreSQL](../howto/team.md) and [workers on several hosts](../scale.md). The rest of this page also
applies to them.

## One machine, step by step

A run has one job for each machine. The job covers all disks of that machine that the run wipes. The left side shows the steps in
order; dashed steps are part of some runs only. The right side shows how the job ends if it stops at that step, with the [exit
code](../reference/exit-codes.md) of the command.

![The steps of one machine: check, stop, snapshot, wipe, observe, start; and the exit codes 0, 3, 4, 5, 6 and 8](../assets/job.svg)

If several disks or machines end differently, the exit code is 7 (`partial`), or 5 if one of them is unknown. Exit code 2 (`usage`)
means that the run never began, because the command or the configuration is not valid. Exit code 1 (`bug`) can come at any step.

[The states of a run](../reference/states.md) shows what can happen to a single call, and to the wipe of a disk.

## Why you can trust it

- **Everything that can be checked is checked before the stop.** ReInitDisk has no dry run, so safe-reinit makes the checks
  itself, from what the Describe calls show ([Checks](../checks.md)).
- **The core only decides.** It is a pure function: its input is what happened, and its output is the next action. It reads no
  clock, file or network, so tests can try every state with every event.
- **The intention is on disk before the call.** If no answer comes, the run observes what happened and assumes nothing. It sends a
  call again only if it is proven that this does no harm.
- **The facts are read again right before the stop and before the wipe.** If something changed, nothing is sent.
- **One process at a time acts for a run**, under a lease in the journal. A resumed run starts from the journal.

[What keeps your data safe](../safety.md) has these rules in full, and the assumptions behind them.

## From a target to a report

1. **Discover**: disk ids, instances, tags or a file become targets.
2. **Describe**: Describe calls read each disk, its machine, its snapshots and its image.
3. **Check**: each check returns findings. A block stops the run, and so does a risk that is not accepted.
4. **Plan**: the plan says what will be done, and has a fingerprint. You confirm the plan, or a file to which it was saved.
5. **Run**: observe, decide, recheck, record the intention, call. The same loop handles one disk and ten thousand, a resumed run, an
   undo, and a run on several hosts.
6. **Report**: what happened to each disk and machine, as text, JSON, Markdown and HTML ([The report](../reference/report.md)).

## The parts of the program

An arrow means "is built on". Arrows that follow from others are left out.

![Which part of the program is built on which](../assets/rooms.svg)

{_files()}

*`docs/generate.py` makes this page: the pictures from the tables of the core and the map in `CONTRIBUTING.md`.*
"""


def _files() -> str:
    (files,) = re.findall(r"^(The files at the top are .*?\.)\n`tests/", _map(), re.M | re.S)
    return files.replace("The files at the top are", "Besides, there are a few files:")


def _map() -> str:
    return (ROOT / "CONTRIBUTING.md").read_text("utf-8").split("## A map of the code")[1].split("\n### ")[0]
