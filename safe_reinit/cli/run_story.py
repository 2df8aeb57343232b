"""The command show: the story of a run in a few lines, and every call with ``--verbose``."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import report
from ..config import resolve
from ..errors import UsageError
from ..journal import StoredJob, StoredRun, UnreadableRunError, readable_record
from ..model import JobReport, JobState, Phase, Report
from ..model.codec import decode, to_moment
from ..model.letters import printable
from ..model.run_id import RUN_ID
from ..report import Line
from ..report.many import FULL_DETAIL_LIMIT, count_of
from ..report.report_text import outcome_style
from ..report.text import breaks_promise, name_of, time_taken
from . import planfile
from .files import refuse_clashes
from .history import plan_of, unknown_run
from .journals import kept_for, read_journal
from .next import of_open
from .output import Output, print_lines, write_report
from .program import naming_journal
from .run_list import holding, last_heard, left_stopped
from .waits import wait_of_run

_RUN_OR_SHARD = re.compile(rf"{RUN_ID}(\.[0-9]{{1,6}})?")
_MAX_NAMED = 10
"""How many machines are named because they need attention."""


def show(name: str, flags: Mapping[str, Any], output: Output) -> int:
    """Print the story of a run, or the plan in a file; return the exit code.

    Raises:
        UsageError: it is neither a run in the journal nor a plan file, or the run cannot be read.
    """
    config = resolve(flags, os.environ, flags.get("config"))
    if not _RUN_OR_SHARD.fullmatch(name):
        if config.report:
            raise UsageError("--report is for a run, but this is a plan file.", hint="Leave --report out.")
        planfile.show_plan_file(name, flags, output)
        return 0
    with read_journal(flags) as journal:
        stored = journal.run(name)
        if stored is None:
            raise unknown_run(name, journal)
        try:
            events, unreadable = journal.events(name), ""
        except UnreadableRunError as error:  # the states, too, say what the run did
            events, unreadable = [], str(error)
        begun_by = journal.begun_by([name]).get(name, "")
        with readable_record(f"run {stored.run_id}"):
            waits = wait_of_run(journal, stored)
            result = stored.report or _as_it_stands(stored)
            report_of_run = decode(Report, result)
            missing = [unreadable] if unreadable else [*_missing(stored, events, kept_for(flags, name))]
            shown = events if config.verbose else ()
            text_lines = [*_Story(stored, report_of_run, shown, begun_by, waits, verbose=config.verbose).lines(missing)]
    if config.report:
        refuse_clashes(config, flags)
        write_report(report_of_run, str(config.report))
    if output.json:
        output.document({**result, "events": events, "missing": missing, "file": None})
    else:
        print_lines((Line(naming_journal(line.text, output.argv), line.style) for line in text_lines), sys.stdout)
    return UnreadableRunError.exit_code if unreadable else 0


def _as_it_stands(stored: StoredRun) -> dict[str, Any]:
    """Report a run that has no report yet: its process is working, or gone."""
    plan = plan_of(stored)
    records = [each.state for each in stored.jobs]
    begun = report.started(to_moment(stored.started_at, "started_at"))
    result = report.of_run(begun, begun.at, plan, records, (), run_id=stored.run_id)
    return report.to_json(result)


@dataclass(frozen=True)
class _Story:
    """What is shown of one run."""

    stored: StoredRun
    result: Report
    events: Sequence[Mapping[str, Any]]
    begun_by: str
    waits: str
    verbose: bool

    def lines(self, missing: Sequence[str]) -> Iterator[Line]:
        """Return all of it; ``missing`` is what is known to be missing among the events."""
        yield from self.head()
        yield from self.calls()
        yield from self.machines()
        yield from (Line(f"MISSING here: {text}", "bold") for text in missing)
        yield from self.next()

    # ------------------------------------------------------------------------------------------------------- the run

    def head(self) -> Iterator[Line]:
        """Return who ran it, when, where, what it should do and how it ended."""
        stored, result = self.stored, self.result
        if result.simulated:
            yield Line(report.SIMULATED, "bold")
        state = "open" if stored.open else "ended"
        ended = f": {stored.outcome} (exit code {stored.exit_code})" if stored.outcome else ""
        style = outcome_style(stored.outcome) if stored.outcome else "bold"
        lasted = f", took {time_taken(result.started_at, result.ended_at)}" if stored.ended_at else ""
        yield Line(f"Run {stored.run_id}, {state}{ended}{lasted}", style)
        by = f" by {self.begun_by}" if self.begun_by else ""
        where = f"in {result.region}, account {result.account or 'not known'}"
        yield Line(f"  {result.started_at:%Y-%m-%d %H:%M:%S} UTC{by} {where}")
        if result.reason:
            yield Line(f"  reason: {result.reason}")
        if result.once:
            yield Line(f"  at most once under the key {result.once}")
        if not stored.report or len(result.jobs) > FULL_DETAIL_LIMIT or stored.undoes:
            yield Line(f"  to {self._to_do()}")

    def _to_do(self) -> str:
        plan = self.stored.plan
        options, jobs = plan["options"], plan["jobs"]
        disks = count_of(sum(len(job["disks"]) for job in jobs), "disk")
        what = f"{disks} on {count_of(len(jobs), 'machine')}"
        undone = self.stored.undoes
        text = f"roll back {what}: undo of {undone}" if undone else f"wipe {what}"
        steps = [
            "stop" if any(job["will_stop"] for job in jobs) else "",
            "snapshot" if options["snapshot"] else "",
            "roll back" if undone else "wipe",
            "start" if any(job["will_start"] for job in jobs) else "",
        ]
        return f"{text} ({', '.join(filter(None, steps))})"

    def calls(self) -> Iterator[Line]:
        """Show all its events, one per line."""
        return (Line(f"{event['at']}  {_sentence(event)}") for event in self.events)

    # -------------------------------------------------------------------------------------------------- the machines

    def machines(self) -> Iterator[Line]:
        """Show each machine; for many, only counts and those that need attention."""
        if self.verbose or len(self.result.jobs) <= FULL_DETAIL_LIMIT:
            states = {each.instance_id: each.state for each in self.stored.jobs}
            for job in self.result.jobs:
                yield from self._machine(job, states.get(job.instance_id or ""))
        elif self.stored.report:
            yield from report.machine_lines(self.result)
            yield from (Line(f"  {text}") for text in report.lost_lines(self.result))
        else:
            yield from self._needy_machines()

    def _needy_machines(self) -> Iterator[Line]:
        """Count the machines of a run without a report by phase; name those that nobody takes care of."""
        counts = Counter(_place(each) for each in self.stored.jobs)
        yield Line(f"{len(self.stored.jobs)} machines: {', '.join(f'{n} {place}' for place, n in counts.items())}")
        states = {each.instance_id: each.state for each in self.stored.jobs}
        pairs = [(job, states.get(job.instance_id or "")) for job in self.result.jobs]
        needy = [] if self.stored.attended else [(job, state) for job, state in pairs if state and _needs(state)]
        for job, state in needy[:_MAX_NAMED]:
            yield from self._machine(job, state)
        if len(needy) > _MAX_NAMED:
            yield Line(f"{len(needy) - _MAX_NAMED} more machines need attention: --verbose shows each.", "bold red")

    def _machine(self, job: JobReport, state: JobState | None) -> Iterator[Line]:
        settled = self.stored.report is not None or state is None
        outcome = f"{job.outcome}, " if settled else ""
        wrong = breaks_promise(job) if settled or state is None else _needs(state) and not self.stored.attended
        yield Line(f"{name_of(job)}: {outcome}{self._power(job, settled=settled)}", "bold red" if wrong else "bold")
        if job.phases:
            yield Line(f"  {', '.join(map(self._phase, job.phases))}")
        for disk in job.disks:
            verb = "rolled back" if self.stored.undoes else "wiped"
            data = report.data_text(disk, verb, brief=not self.verbose and disk.evidence != "operator")
            if self.stored.attended and disk.data == "unknown":  # nobody need find that out
                data = f"its {'roll-back' if self.stored.undoes else 'wipe'} is under way"
            yield Line(f"  {disk.disk_id}: {data}")
            if settled and disk.data == "reinitialised":
                yield Line(f"    lost: {report.lost_text(disk, self.result)}")
        if job.error and job.outcome not in report.WELL:
            hint = self._hint(job.error.hint or "") if settled else ""
            yield Line(f"  why: {job.error.message} {hint}".rstrip())

    def _hint(self, hint: str) -> str:
        """Return what to do now without what the command below says."""
        command = f"safe-reinit resume {self.stored.run_id}"
        sentences = re.split(r"(?<=\.) ", hint)
        return hint if self.verbose else " ".join(each for each in sentences if command not in each)

    def _phase(self, phase: Phase) -> str:
        wipe = "roll-back" if self.stored.undoes else "wipe"
        name = {"wait-snapshot": "wait for a snapshot", "reinit": wipe}.get(phase.name, phase.name)
        began = f" {phase.started_at:%H:%M:%S}" if self.verbose else ""
        if phase.ended_at is None:
            return f"{name} since {phase.started_at:%H:%M:%S}"
        lasted = time_taken(phase.started_at, phase.ended_at)
        return f"{name}{began} {lasted if phase.result == 'ok' else f'{phase.result} after {lasted}'}"

    @staticmethod
    def _power(job: JobReport, *, settled: bool) -> str:
        if not job.power_after:
            return "power not seen"
        if not settled:
            return f"{job.power_after} when last seen"
        broken = f", but should be {job.power_promised}" if breaks_promise(job) else ""
        return f"is {job.power_after}{broken}"

    # ------------------------------------------------------------------------------------------------------ what now

    def next(self) -> Iterator[Line]:
        """Return what it waits for, who is working on it, or which command to type now."""
        stored = self.stored
        if self.waits:
            yield Line(f"waits: {self.waits}")
        if stored.attended:
            yield Line(f"at work: {last_heard(stored.holder)}; end it: safe-reinit cancel {stored.run_id}")
        elif stored.open and not self.waits:
            if not stored.outcome:
                yield Line(holding(stored))
            outcome = stored.outcome or ""
            words = [[action, stored.run_id, *more] for action, *more in of_open(stored, outcome) if action != "show"]
            yield from report.next_lines([shlex.join(["safe-reinit", *each]) for each in words], outcome)


def _place(job: StoredJob) -> str:
    """Return where a job is, or that it has ended."""
    if not job.open:
        return "ended"
    phases = job.state.phases
    return f"at {phases[-1].name}" if phases else "not begun"


def _needs(state: JobState) -> bool:
    """Whether a machine may be down, or it is not known what happened to one of its disks."""
    return left_stopped(state) or any(wipe.in_doubt for wipe in state.disks)


def _missing(stored: StoredRun, events: Sequence[Mapping[str, Any]], kept: Sequence[Path]) -> Iterator[str]:
    """Yield what is known to be missing from the journal; nothing while a process is working on the run.

    Args:
        stored: the run.
        events: its events.
        kept: the files of this host that have what could not be written to the journal.

    """
    if stored.at_work:
        return
    answers = Counter(
        (event["data"]["action"], event["disk_id"] or event["instance_id"])
        for event in events
        if event["event"] == "answer"
    )
    states = [each.state for each in stored.jobs]
    lacking = [
        f"{action} of {subject}"
        for each in states
        for (action, subject), tries in _tried(each)
        if tries > answers[action, subject]
    ]
    spooled = f"spool/{stored.run_id}.json, on the host of the run, in the folder where its journal was then"
    elsewhere = "" if kept else f" What the run could not write to it may be in {spooled}."
    if lacking:
        why = "The journal was not available then, or the process was killed."
        yield f"any answer to {', '.join(lacking)}. {why}{elsewhere}"
    for who in sorted({each.unrecorded_by for each in states if each.unrecorded_by}):
        yield f"what {who} may have done while the journal could not be written.{elsewhere}"
    for file in kept:
        yield f"what is only in {file}: safe-reinit resume {stored.run_id} on this host reads it."


def _tried(state: JobState) -> Iterator[tuple[tuple[str, str], int]]:
    yield ("StopInstance", state.instance_id), state.stop.tries + state.force.tries
    yield ("StartInstance", state.instance_id), state.start.tries
    for wipe in state.disks:
        yield ("ResetDisk" if wipe.snapshot_id else "ReInitDisk", wipe.disk_id), wipe.tries


# -------------------------------------------------------------------------------------------------------- the events


def _sentence(event: Mapping[str, Any]) -> str:
    data = event["data"]
    if event["event"] in ("read", "call"):
        what = f"{data['action']}{' (dry run)' if data['dry_run'] else ''} {' '.join(data['subject'])}".rstrip()
        return f"{event['event']}: {what}: {data['code']} {data['request_id'] or ''}".rstrip()
    text = (_member(name, value) for name, value in data.items())
    subject = event["disk_id"] or event["instance_id"] or ""
    return f"{event['event']}: {subject} {', '.join(filter(None, text))}".rstrip()


def _member(name: str, value: object) -> str:
    """Write a member of an event as people read it; empty members, and those that are false, are left out."""
    name = name.replace("_", " ")
    if isinstance(value, bool):
        return name if value else ""
    if isinstance(value, Mapping):
        return ", ".join(filter(None, (_member(str(key), each) for key, each in value.items())))
    if isinstance(value, Sequence) and not isinstance(value, str):
        value = " ".join(str(each) for each in value)
    return f"{name} {printable(str(value))}" if value not in (None, "") else ""
