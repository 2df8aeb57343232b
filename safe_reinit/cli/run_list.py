"""The command runs: the runs of the journal as a table, one line each, with a second one if it needs somebody."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ..config.readers import duration
from ..errors import UsageError
from ..journal import Holder, NoJournalError, Reader, StoredRun, UnreadableRunError, readable_record
from ..model import JobState
from ..model.codec import encode, to_moment
from ..report import WELL, Line
from ..report.text import time_taken
from .documents import ListedHolder, ListedJob, ListedRun, RunsDocument
from .journals import open_journal, read_journal
from .output import Output, console_of, print_lines, print_stderr, print_stdout
from .program import naming_journal
from .waits import wait_of_run

_MAX_NAMED = 3
"""How many machines or disks a sentence names."""
_HEAD = ("run", "age", "by", "where", "machines", "outcome", "took")
_NARROWEST = {"by": 4, "where": 9, "machines": 8}
"""The columns that may be cut on a narrow terminal, and how many characters of each stay."""
_GAP = "  "
_CUT = "…"


def list_runs(
    flags: Mapping[str, Any], prune: str | None, newest: int, output: Output, *, needs_me: bool = False
) -> int:
    """List the runs, newest first; return the exit code.

    Args:
        flags: the options.
        prune: the age of the runs that are deleted first.
        newest: how many of them, besides every open one.
        output: where to print them.
        needs_me: only those that are open and that no process is working on, or whose holder may be dead.
    """
    try:
        if prune is not None:
            with open_journal(flags) as pruned:
                gone = pruned.prune(_age(prune))
            print_stderr(f"{gone} run{'' if gone == 1 else 's'} forgotten.")
        with read_journal(flags) as journal:
            stored = journal.runs(0 if needs_me else newest)
            count = journal.count()
            begun_by = journal.begun_by([run.run_id for run in stored])
            rows = [_row(journal, run, begun_by.get(run.run_id, "")) for run in stored]
            held = journal.hold()
    except NoJournalError as missing:
        if output.json:
            output.document({"schema": 1, **encode(RunsDocument(()))})
        (print_stderr if output.json else print_stdout)(f"{missing} {missing.hint}")
        return 0
    left_out = 0 if needs_me else count - len(stored)
    if left_out:
        print_stderr(
            f"{left_out} older runs that have ended are not listed. To list all: safe-reinit runs --limit {count}"
        )
    unreadable = [row for row in rows if row.error]
    attended = [row for row in rows if needs_me and row.run.attended and not row.error]
    listed = [row for row in rows if not row.error and not (needs_me and (row.run.attended or not row.run.open))]
    if output.json:
        runs_listed = tuple(listed_run(row.run, row.waits) for row in listed)
        ids = tuple(row.run.run_id for row in unreadable)
        output.document({"schema": 1, **encode(RunsDocument(runs_listed, str(held) if held else None, ids))})
    else:
        text_lines = [Line(f"HELD: {held}", "bold red")] if held else []
        if listed:
            text_lines += _table(listed)
        elif not unreadable:
            text_lines.append(
                Line(_none(attended) if needs_me else f"There are no runs in the journal {journal.place}.")
            )
        text_lines += _at_work(attended)
        print_lines((Line(naming_journal(line.text, output.argv), line.style) for line in text_lines), sys.stdout)
    for row in unreadable:
        print_stderr(naming_journal(f"safe-reinit: {row.error} {UnreadableRunError.hint}", output.argv))
    return UnreadableRunError.exit_code if unreadable else 0


# -------------------------------------------------------------------------------------------------------- the table


@dataclass(frozen=True)
class _Row:
    """A run as it is listed."""

    run: StoredRun
    waits: str = ""
    cells: tuple[str, ...] = ()
    needs: tuple[Line, ...] = ()
    error: str = ""
    """Why none of it can be listed."""


def _row(journal: Reader, run: StoredRun, begun_by: str) -> _Row:
    """Read everything about a run that its row shows: an unreadable run must not hide the others."""
    try:
        with readable_record(f"run {run.run_id}"):
            waits = wait_of_run(journal, run)
            listed_run(run)
            cells = _cells(run, waits, begun_by.rpartition("@")[0], datetime.now(UTC))
            return _Row(run, waits, cells, tuple(_needs(run, waits)))
    except UnreadableRunError as error:
        return _Row(run, error=str(error))


def _table(rows: Sequence[_Row]) -> Iterator[Line]:
    """Show each run in one line, and what it needs in a second one; nothing is cut except on a terminal."""
    table = [_HEAD, *(row.cells for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    if sys.stdout.isatty():
        _cut_to(widths, console_of(sys.stdout).width)
    texts = [_GAP.join(_fit(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
    yield Line(texts[0], "bold")
    for row, text in zip(rows, texts[1:], strict=True):
        yield Line(text, "" if (row.run.outcome or "done") in WELL else "bold")
        yield from row.needs


def _cells(run: StoredRun, waits: str, by: str, now: datetime) -> tuple[str, ...]:
    started = to_moment(run.started_at, "started_at")
    lasted = time_taken(started, to_moment(run.ended_at, "ended_at")) if run.ended_at else "-"
    place = "SIMULATED" if run.plan.get("simulated") else run.region
    state = "at work" if run.attended else "waits" if waits else "open"
    outcome = f"{'undo: ' if run.undoes else ''}{run.outcome or state}"
    return run.run_id, _since((now - started).total_seconds()), by or "-", place, _machines(run), outcome, lasted


def _since(seconds: float) -> str:
    """Return how long ago something was, in its largest unit."""
    for unit, name in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= unit:
            return f"{seconds // unit:.0f}{name}"
    return f"{max(0.0, seconds):.0f}s"


def _machines(run: StoredRun) -> str:
    """Name the machine of a run; for several, say how many there are."""
    jobs = run.plan["jobs"]
    return jobs[0]["instance_name"] or jobs[0]["instance_id"] or "-" if len(jobs) == 1 else f"{len(jobs)}"


def _cut_to(widths: list[int], most: int) -> None:
    """Narrow the columns that can be cut, the widest first, until a row fits."""
    can = {_HEAD.index(name): least for name, least in _NARROWEST.items()}
    while sum(widths) + len(_GAP) * (len(widths) - 1) > most:
        place = max(can, key=lambda each: widths[each] - can[each])
        if widths[place] <= can[place]:
            return
        widths[place] -= 1


def _fit(text: str, width: int) -> str:
    """Cut a cell in the middle: the end of a name distinguishes machines from each other."""
    if len(text) <= width:
        return text.ljust(width)
    end = (width - 1) // 2
    return f"{text[: width - 1 - end]}{_CUT}{text[len(text) - end :]}"


def _needs(run: StoredRun, waits: str) -> Iterator[Line]:
    """Yield what a run needs, and the command for it: nothing once it has ended, or while it is working on its own."""
    asks = bool(waits) and not run.attended
    down = list(_left_stopped(run))
    if waits:
        yield Line(f"  waits: {waits}")
    if down or (run.open and not run.attended and not asks):
        wipes = [f"still to wipe: {some(run.still_to_wipe)}"] if run.still_to_wipe else []
        text = "; ".join([*down, *([holding(run)] if run.at_work or not down else []), *wipes])
        yield Line(f"  {text}; next: safe-reinit resume {run.run_id}", "bold red" if down else "bold")


def _left_stopped(run: StoredRun) -> Iterator[str]:
    """Name the machines that a run left stopped; as perhaps, if that or the death of its holder is not certain.

    While a process is working on the run, they are down for the wipe, and not left.
    """
    states = [] if run.attended else [each.state for each in run.jobs]
    down = [state for state in states if left_stopped(state)]
    certain = [
        state.instance_id for state in down if state.instance_status in ("Stopping", "Stopped") and not run.at_work
    ]
    perhaps = [state.instance_id for state in down if state.instance_id not in certain]
    if certain:
        yield f"LEFT STOPPED: {some(certain)}"
    if perhaps:
        yield f"PERHAPS LEFT STOPPED: {some(perhaps)}"


def _at_work(attended: Sequence[_Row]) -> Iterator[Line]:
    """Name the runs that need nobody as far as is known, with the machines that are down for them."""
    for row in attended:
        run = row.run
        down = [each.instance_id for each in run.jobs if left_stopped(each.state)]
        stopped = f"; stopped for it: {', '.join(down)}" if down else ""
        yield Line(f"{run.run_id} is at work: {last_heard(run.holder)}{stopped}")
        if row.waits:
            yield Line(f"  waits: {row.waits}")


def _none(attended: Sequence[_Row]) -> str:
    return "No run is known to need you." if attended else "No run needs you."


# ------------------------------------------------------------------------------------------- what is known of a run


def holding(run: StoredRun) -> str:
    """Return whether a process is working on a run."""
    if run.attended:
        return f"at work: {last_heard(run.holder)}"
    if run.shards and not any(each.open for each in run.jobs):
        return "all its machines are finished, but its report is not recorded yet"
    if run.shards:
        return "no worker is working on it now"
    return f"its process may be dead: {last_heard(run.holder)}" if run.at_work else "no process is working on it"


def last_heard(holder: Holder | None) -> str:
    """Return who holds a run, and when that was last known."""
    return f"{holder} (last heard from {holder.silent_for:.0f} s ago)" if holder else ""


def left_stopped(state: JobState) -> bool:
    """Whether a run has touched a machine that was running, must start it, and did not see it running again."""
    stopped = state.power_before == "Running" and state.promised == "Running" and state.instance_status != "Running"
    return stopped and state.tried


def some(ids: Sequence[str]) -> str:
    """Name the first few of several things."""
    more = f" and {len(ids) - _MAX_NAMED} more" if len(ids) > _MAX_NAMED else ""
    return f"{', '.join(ids[:_MAX_NAMED])}{more}"


def listed_run(run: StoredRun, waits: str = "") -> ListedRun:
    """Return what ``runs --output json`` says about a run."""
    holder = run.holder if run.open and run.holder and run.holder.until else None
    return ListedRun(
        run_id=run.run_id,
        state="open" if run.open else "ended",
        outcome=run.outcome,
        exit_code=run.exit_code,
        started_at=run.started_at,
        ended_at=run.ended_at,
        holder=_holder(holder) if holder else None,
        region=run.region,
        account=run.account,
        simulated=bool(run.plan.get("simulated")),
        jobs=tuple(_job(each.state) for each in run.jobs),
        waits=waits or None,
    )


def _holder(holder: Holder) -> ListedHolder:
    alive, silent_for = holder.alive, round(holder.silent_for, 1)
    return ListedHolder(holder.user, holder.host, holder.pid, alive, alive and holder.silent, silent_for)


def _job(state: JobState) -> ListedJob:
    phases = [phase.name for phase in state.phases]
    return ListedJob(
        instance_id=state.instance_id,
        disks=tuple(wipe.disk_id for wipe in state.disks),
        phase=phases[-1] if phases else "",
        left_stopped=left_stopped(state),
    )


def _age(text: str) -> float:
    """Read the age given by ``--prune``."""
    match = re.fullmatch(r"(\d{1,5})d", text)
    try:
        return int(match[1]) * 86400.0 if match else duration(text)
    except ValueError:
        raise UsageError("The value of --prune is not an age such as 720h or 30d.", hint="Correct --prune.") from None
