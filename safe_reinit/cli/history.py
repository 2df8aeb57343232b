"""The commands about the runs in the journal: runs, audit, show, cancel, hold."""

from __future__ import annotations

import contextlib
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .. import report
from ..config import Settings, resolve
from ..config.readers import duration
from ..errors import RunRefused, UsageError
from ..journal import Holder, Reader, StoredRun
from ..model import DiskReport, JobState, Plan, Report, Secret
from ..model.codec import decode, encode, to_moment
from ..model.letters import printable
from ..plans.plan import from_json
from . import planfile
from .documents import Audit, ListedHolder, ListedJob, ListedRun, Runs
from .files import refuse_clashes
from .journals import open_journal, read_journal
from .output import Output, naming_journal, say, tell, write_report
from .waits import waits_for

NEWEST = 20
"""Runs that are listed unless all are asked for, besides those that are open."""
_NAMED = 3
"""Machines or disks that a sentence names."""
_RUN = re.compile(r"r-\d{8}T\d{6}Z-[0-9a-f]{4}(\.\d{1,6})?")


def run_of(run_id: str, flags: Mapping[str, Any]) -> tuple[StoredRun, Settings]:
    """Find a run, and the settings to go on with it: its own region, endpoint and profile unless others are given.

    Raises:
        UsageError: the journal has no such run.
    """
    with read_journal(flags) as journal:
        stored = journal.run(run_id)
    if stored is None:
        raise _unknown(run_id, journal)
    own = {Settings.region: stored.region, Settings.endpoint: stored.endpoint, Settings.profile: stored.profile}
    at = {setting.name: flags.get(setting.name) or value or None for setting, value in own.items()}
    return stored, resolve({**flags, **at}, os.environ, flags.get("config"))


def _unknown(run_id: str, journal: Reader) -> UsageError:
    return UsageError(
        f"The journal {journal.place} has no run {run_id}.",
        hint="safe-reinit runs lists those it has; root, each user and --journal FILE have a journal each.",
    )


def cancel(run_id: str, flags: Mapping[str, Any]) -> None:
    """Ask for the end of a run, in order, through the journal."""
    with open_journal(flags, "worker") as journal:
        at_work = journal.cancel(run_id, "safe-reinit cancel")
        stored = journal.run(run_id)
    if at_work or stored is None:
        _say(
            flags,
            f"Run {run_id} was asked to end in order. Whoever is at work on it hears that within a second or so; where "
            f"nobody is any more, bring its machines back: safe-reinit resume {run_id}. "
            f"See how it ends: safe-reinit show {run_id}",
        )
    else:
        _say(flags, f"Nobody is at work on run {run_id}: it wipes nothing any more. {_left_by(stored)}")


def _left_by(run: StoredRun) -> str:
    """Describe what a cancelled run without a holder has left undone, and what to do now."""
    down = [job.instance_id for job in _listed(run).jobs if job.left_stopped]
    is_open = [each.state for each in run.jobs if each.open]
    doubtful = [wipe.disk_id for known in is_open for wipe in known.disks if wipe.in_doubt]
    said = []
    if down:
        said.append(f"{_some(down)} may be stopped. To start what it stopped: safe-reinit resume {run.run_id}.")
    if doubtful:
        said.append(
            f"Whether {_some(doubtful)} was wiped is not known. To see what ECS shows of that: "
            f"safe-reinit resume {run.run_id}; it says what to do where that is not enough."
        )
    if not said:
        said.append(f"It left no machine stopped. To write down how it ended: safe-reinit resume {run.run_id}.")
    if run.shards and is_open:
        said.append("That needs a worker: safe-reinit worker.")
    return " ".join(said)


def _some(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else ""
    return f"{', '.join(ids[:_NAMED])}{more}"


def cancel_all(flags: Mapping[str, Any]) -> None:
    """Ask for the end of every open run."""
    asked: list[str] = []
    left: list[str] = []
    with open_journal(flags, "worker") as journal:
        journal.demand_permission("cancel")
        for run in journal.runs(0):
            with contextlib.suppress(RunRefused):  # it has just ended
                (asked if journal.cancel(run.run_id, "safe-reinit cancel --all") else left).append(run.run_id)
    if asked:
        _say(flags, f"Asked to end in order: {', '.join(asked)}. See how they end: safe-reinit runs")
    if left:
        _say(
            flags, f"Nobody is at work on {', '.join(left)}: to resume one brings its machines back, and wipes nothing."
        )
    if not asked and not left:
        _say(flags, "No run is open.")


def hold(reason: str, flags: Mapping[str, Any]) -> None:
    """Have nothing stopped or wiped any more by any run of the journal."""
    if not reason.strip():
        raise UsageError("The reason is empty.", hint='Say why: --reason "change freeze".')
    with open_journal(flags) as journal:
        journal.hold_all(printable(reason.strip()))
        stored = journal.runs(0)
    at_work = ", ".join(run.run_id for run in stored if run.attended)
    left = [run.run_id for run in stored if run.open and not run.attended]
    said = [f"Held: no run of the journal {journal.place} stops or wipes a machine."]
    if at_work:
        said.append(f"These end in order, and their machines come back: {at_work}.")
    if left:
        said.append(
            f"Nobody may be at work on {', '.join(left)}: until the hold is lifted, a resume brings the machines back, "
            "and wipes nothing. See safe-reinit runs --needs-me."
        )
    _say(flags, " ".join([*said, "Lift it: safe-reinit unhold"]))


def unhold(flags: Mapping[str, Any]) -> None:
    """Lift the hold of the journal."""
    with open_journal(flags) as journal:
        lifted = journal.lift_hold()
        left = [run.run_id for run in journal.runs(0) if run.open and not run.attended]
    said = [f"Lifted: {lifted}. Runs may begin again." if lifted else "There was no hold."]
    if lifted and left:
        said.append(
            f"To resume {', '.join(left)} may wipe again what is still to be wiped. To bring only the machines back: "
            f"safe-reinit cancel {left[0]}, then resume it."
        )
    _say(flags, " ".join(said))


def _say(flags: Mapping[str, Any], text: str) -> None:
    """Print a message whose commands name the journal that was given."""
    journal = flags.get(Settings.journal.name)
    say(naming_journal(text, [Settings.journal.option, journal] if journal else []))


def runs(
    flags: Mapping[str, Any], prune: str | None, newest: int | None, output: Output, *, needs_me: bool = False
) -> None:
    """List the runs, newest first.

    Args:
        flags: the options.
        prune: the age of the runs that are forgotten first.
        newest: so many of them and every open one; ``None`` for all.
        output: where to.
        needs_me: only those that are open and that nobody is at work on, or whose holder may be dead.
    """
    if prune is not None:
        with open_journal(flags) as journal:
            gone = journal.prune(_age(prune))
        say(f"{gone} run{'' if gone == 1 else 's'} forgotten.")
    with read_journal(flags) as journal:
        stored = journal.runs(newest)
        left_out = 0 if needs_me else journal.count() - len(stored)
        waits = {run.run_id: waits_for(journal, run) for run in stored}
        held = journal.hold()
    attended = [run for run in stored if needs_me and run.attended]
    if needs_me:
        stored = [run for run in stored if run.open and not run.attended]
    listed = [_listed(run, waits[run.run_id]) for run in stored]
    if left_out:
        say(f"{left_out} older runs that have ended are not listed; --all lists them, too.")
    if output.json:
        output.document({"schema": 1, **encode(Runs(tuple(listed), str(held) if held else None))})
        return
    if held:
        tell(f"HELD: {held}")
    if not listed:
        tell(_none(attended) if needs_me else "There are no runs.")
    _tell_runs(listed, stored, waits, output.argv)
    for each in attended:
        down = [job.instance_id for job in _listed(each).jobs if job.left_stopped]
        stopped = f"; stopped for it: {', '.join(down)}" if down else ""
        tell(f"{each.run_id} is at work: {_heard(each.holder)}{stopped}")
        if waits[each.run_id]:
            tell(f"  waits: {waits[each.run_id]}")


def _tell_runs(
    listed: Sequence[ListedRun], stored: Sequence[StoredRun], waits: Mapping[str, str], argv: Sequence[str]
) -> None:
    for run, each in zip(listed, stored, strict=True):
        asks = waits[run.run_id] and not each.attended
        how = run.outcome or ("waits for an answer" if asks else _holding(each))
        of = f"  undo of {each.undoes}" if each.undoes else ""
        simulated = "SIMULATED  " if run.simulated else ""
        tell(f"{simulated}{run.run_id}  {run.state:<5}  {how}  {run.region}{of}")
        for job, known in zip(run.jobs, each.jobs, strict=True):
            left = _left(job, known.state, each)
            tell(f"  {job.instance_id}  {job.phase}  {' '.join(job.disks)}{left}")
        if waits.get(run.run_id):
            tell(naming_journal(f"  waits: {waits[run.run_id]}", argv))
        if each.open and not each.attended and not asks:
            tell(naming_journal(f"  go on: safe-reinit resume {run.run_id}", argv))


def audit(flags: Mapping[str, Any], run_id: str | None, newest: int | None, output: Output) -> None:
    """List what was done to runs, by whom, newest first.

    Args:
        flags: the options.
        run_id: only what was done to this run.
        newest: so many acts; ``None`` for all.
        output: where to.

    """
    with read_journal(flags) as journal:
        acts = journal.audit_entries(run_id, None if newest is None else newest + 1)
    if newest is not None and len(acts) > newest:
        say("Older acts are not listed; --all lists them, too.")
    acts = acts[:newest]
    if output.json:
        output.document({"schema": 1, **encode(Audit(tuple(acts)))})
        return
    if not acts:
        tell(f"Nothing is recorded of {run_id}." if run_id else "Nothing is recorded yet.")
    for each in acts:
        who = f"{each.user} (role {each.role})" if each.role else each.user
        tell("  ".join(filter(None, (each.at, who, each.act, each.run_id, each.detail))))


def show(name: str, flags: Mapping[str, Any], output: Output) -> None:
    """Show what one run did, or the plan in a file.

    Raises:
        UsageError: it is neither a run of the journal nor a plan file.
    """
    file = resolve(flags, os.environ, flags.get("config")).report if flags.get(Settings.report.name) else None
    if not _RUN.fullmatch(name):
        if file is not None:
            raise UsageError("--report is for a run, and this is a plan file.", hint="Leave --report out.")
        planfile.show(name, flags, output)
        return
    with read_journal(flags) as journal:
        stored = journal.run(name)
        if stored is None:
            raise _unknown(name, journal)
        events = journal.events(name)
        waits = waits_for(journal, stored)
    told = stored.report or _as_it_stands(stored)
    if file is not None:
        refuse_clashes(resolve(flags, os.environ, flags.get("config")), flags)
        write_report(decode(Report, told), file)
    if output.json:
        output.document({**told, "events": events, "missing": [*_missing(stored, events)], "file": None})
        return
    _tell_story(stored, told, events, output.argv)
    if waits:
        tell(naming_journal(f"waits: {waits}", output.argv))


def _tell_story(
    stored: StoredRun, told: Mapping[str, Any], events: Sequence[Mapping[str, Any]], argv: Sequence[str]
) -> None:
    """Print what happened in a run, and the state of each disk."""
    name = stored.run_id
    state, undone = "open" if stored.open else "ended", stored.undoes
    of = f"  undo of {undone}" if undone else ""
    if told["simulated"]:
        tell(report.SIMULATED)
    tell(f"{name}  {state}  {stored.outcome or ''}  begun {stored.started_at}{of}".rstrip())
    for event in events:
        tell(f"{event['at']}  {_sentence(event)}")
    for said in _missing(stored, events):
        tell(f"MISSING here: {said}")
    for job in told["jobs"]:
        for disk in job["disks"]:
            tell(_of_disk(job, disk, undone=bool(undone), at_work=stored.attended))
    if stored.attended:
        tell(naming_journal(f"at work: {_heard(stored.holder)}; end it: safe-reinit cancel {name}", argv))
    elif stored.open:
        tell(naming_journal(f"go on: safe-reinit resume {name}", argv))


def _missing(stored: StoredRun, events: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the calls that are missing in the events of a run that nobody is at work on, by its states."""
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
    if lacking:
        yield (f"any answer of {', '.join(lacking)}. The journal was away then, or the process was killed.")
    for who in sorted({each.unrecorded_by for each in states if each.unrecorded_by}):
        yield f"what {who} may have done while the journal could not be written."


def _tried(known: JobState) -> Iterator[tuple[tuple[str, str], int]]:
    yield ("StopInstance", known.instance_id), known.stop.tries + known.force.tries
    yield ("StartInstance", known.instance_id), known.start.tries
    for wipe in known.disks:
        yield ("ResetDisk" if wipe.snapshot_id else "ReInitDisk", wipe.disk_id), wipe.tries


def _of_disk(job: Mapping[str, Any], disk: Mapping[str, Any], *, undone: bool, at_work: bool) -> str:
    """Return what became of one disk; of a run at work nobody need find that out."""
    if at_work and disk["data"] == "unknown":
        said = f"its {'roll-back' if undone else 'wipe'} is under way"
    else:
        said = report.data_text(decode(DiskReport, disk), "rolled back" if undone else "reinitialised")
    return f"{disk['disk_id']} on {printable(job['instance_name'])} ({job['instance_id']}): {said}"


def _sentence(event: Mapping[str, Any]) -> str:
    data = event["data"]
    if event["event"] in ("look", "call"):
        what = f"{data['action']}{' (dry run)' if data['dry_run'] else ''} {' '.join(data['subject'])}".rstrip()
        return f"{event['event']}: {what}: {data['code']} {data['request_id'] or ''}".rstrip()
    inside = ", ".join(f"{name} {value}" for name, value in data.items())
    return f"{event['event']}: {event['disk_id'] or event['instance_id'] or ''} {inside}"


def _listed(run: StoredRun, waits: str = "") -> ListedRun:
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


def _job(known: JobState) -> ListedJob:
    phases = [phase.name for phase in known.phases]
    stopped = known.power_before == "Running" and known.promised == "Running" and known.instance_status != "Running"
    return ListedJob(
        instance_id=known.instance_id,
        disks=tuple(wipe.disk_id for wipe in known.disks),
        phase=phases[-1] if phases else "",
        left_stopped=stopped and known.tried,
    )


def _none(attended: Sequence[StoredRun]) -> str:
    return "No run is known to need you." if attended else "No run needs you."


def _holding(run: StoredRun) -> str:
    """Return whether somebody is at work on a run."""
    if run.attended:
        return "at work"
    if run.shards and not any(each.open for each in run.jobs):
        return "all its machines are finished, and its report is not written down yet"
    if run.shards:
        return "no worker is at work on it now"
    return f"its holder may be dead: {_heard(run.holder)}" if run.at_work else "nobody is at work on it"


def _heard(holder: Holder | None) -> str:
    """Return who holds a run, and when that was last known."""
    return f"{holder} (last heard of {holder.silent_for:.0f} s ago)" if holder else ""


def _left(job: ListedJob, known: JobState, run: StoredRun) -> str:
    """Return that a run left a machine stopped; perhaps, where that, or the death of its holder, is not certain.

    While somebody is at work on the run it is down for the wipe, and not left.
    """
    if not job.left_stopped or run.attended:
        return ""
    certain = known.instance_status in ("Stopping", "Stopped") and not run.at_work
    return f"  {'' if certain else 'PERHAPS '}LEFT STOPPED"


def plan_of(stored: StoredRun) -> Plan:
    """Return the plan of a run, to be shown: without the password that it may have had."""
    had_password = bool(stored.plan["options"]["password"])
    return from_json(stored.plan, Secret("") if had_password else None)


def _as_it_stands(stored: StoredRun) -> dict[str, Any]:
    """Report a run that has no report yet: its process is at work, or gone."""
    plan = plan_of(stored)
    records = [each.state for each in stored.jobs]
    begun = report.started(to_moment(stored.started_at, "started_at"))
    told = report.of_run(begun, begun.at, plan, records, (), run_id=stored.run_id)
    return report.to_json(told)


def _age(text: str) -> float:
    match = re.fullmatch(r"(\d{1,5})d", text)
    try:
        return int(match[1]) * 86400.0 if match else duration(text)
    except ValueError:
        raise UsageError("The value of --prune is not an age such as 720h or 30d.", hint="Correct --prune.") from None
