"""Whether a run kept its promises: judged by what truly happened in the simulator, and by the JSON that a user gets.

Nothing here knows the program. What is believed of it is its saved plan, its reports and the bytes that it wrote.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from safe_reinit.simulator.calls import Call
from safe_reinit.simulator.engine import Engine
from safe_reinit.simulator.state.model import Disk, Instance, Overwrite

MAY_BE_DOWN = ("unknown", "not-restarted", "partial", "stranded", "bug")
"""Outcomes whose report says that the power may not be as promised."""
_NOT_DONE = ("drop_request", "reset", "html")
"""The faults of the simulator of a request that ECS never did."""
EXIT_CODES = {
    "done": 0, "planned": 0, "bug": 1, "usage": 2, "refused": 3, "failed": 4, "unknown": 5, "not-restarted": 6,
    "partial": 7, "stranded": 8,
}  # fmt: skip
LOST_DATA = ("used-then-wiped", "wiped-after-start", "lost-write", "wiped-unsaved")
"""What nobody can promise where an assumption of the fault model does not hold."""
BY_LISTS = ("down-unsaid", "false-power", "no-way-on", "left-down", "false-intact", "tag-stays")
"""What a report says by what lists show: where they are older than assumed (S2), it says what was observed."""
_LOCK_TAG = "safe-reinit:run"
_WIPES = ("ReInitDisk", "ResetDisk")
_BRINGS_BACK = ("StartInstance", "UntagResource")
_LIMIT_SLACK = 90.0
"""Seconds beyond a limit within which its passing is noticed: a look that hangs, and the one after it."""
_ARRIVAL_LIMIT = 60.0
"""S4: seconds after which a request arrives no more."""
_MOST_LAG = 20.0
"""S2: a lag of so many seconds is known to be too long before our stop is shown."""
_ASSUMED_LAG = 5.0
"""S2: by so many seconds what is shown is assumed to be late where nothing says so."""
_POLL_TIME = 4.0
"""Seconds within which a run that polls its own stop notices that it is shown."""
_HEARING_TIME = 15.0
"""Seconds within which every process of a run hears what the journal has for it."""
_FINAL = ("OperationDenied",)
"""Refusals of a wipe that no time heals."""
_CANARY_FROM = 10
"""With more jobs than these there is a canary unless another number is asked for."""
_SENDING_TIME = 2.0
"""Seconds from deciding to send a call to its leaving."""


@dataclass(frozen=True)
class Violation:
    """One promise that was broken: its kind, a word to search for, and what happened."""

    kind: str
    text: str
    at: float = math.inf
    """When it happened, where that matters."""


@dataclass
class Sent:
    """A changing call that left the machine of the run, arrived or not."""

    at: float
    action: str
    process: str
    forced: bool = False
    request_id: str = ""
    """Of the answer, once the call has arrived."""
    answered: bool = False
    answered_at: float = math.inf
    """When the process had its answer: a paused one has it later than it came."""
    recorded_at: float = math.inf
    """When the process first wrote to its journal after the answer: never, where it was killed or the disk was full."""
    refused: tuple[str, ...] = ()
    """Of a call for many instances: those that it was refused for, though it was accepted as a whole."""


@dataclass(frozen=True)
class Take:
    """A process took the right to carry a shard of the run."""

    at: float
    process: str
    part: str
    """The shard."""


@dataclass(frozen=True)
class Truth:
    """What was true at a moment: the status of each instance, and the overwrites of each disk by their request ids."""

    instances: Mapping[str, str]
    wipes: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Session:
    """One process that carried the run to an end of its own: its report, and what was true then.

    Attributes:
        report: what it reported.
        truth: what was true as it reported; ``None`` where only the end counts.
        process: its name.
        began: when it began.
        ended: when it reported.
        paused: for how many seconds of that it did not run.
        overlapped: whether another process of the run began meanwhile.
        stepped: whether its wall clock, by which it reports, was moved.
        left: whether it was told to end at once: what was about to leave it may have sent or not.
        goes_on: whether the run had not ended by then, and others may have carried it on.

    """

    report: Mapping[str, Any]
    truth: Truth | None = None
    process: str = ""
    began: float = 0.0
    ended: float = 0.0
    paused: float = 0.0
    overlapped: bool = False
    stepped: bool = False
    left: bool = False
    goes_on: bool = False


@dataclass(frozen=True)
class Evidence:
    """Everything that the judge sees.

    Attributes:
        engine: the simulated ECS with its own record.
        plan: the plan that was confirmed; ``None`` where none was made.
        sessions: every process of the run that left a report, in the order in which they began.
        began: the simulated time at which the run was confirmed.
        outputs: everything that the program wrote, by name.
        secrets: texts that must be in none of them.
        broken: assumptions of the fault model that this scenario breaks.
        lag: the visibility lag of the world where it is constant; ``None`` where it is not.
        open_runs: the runs that can be resumed.
        run_id: the run.
        verdicts: what the operator said of the data, true or not.
        judged: when each resume with such a verdict began and ended.
        sent: the changing calls that left, oldest first.
        starts: when each process of the run began, by name, in that order.
        foreign: the request ids of calls that other runs made.
        apart: those of them of runs in another journal, with which nothing is shared.
        unrecorded: since when the journal is not there any more; ``None`` where it is.
        tags_told: the instances of which a process said that the lock tag stays on them.
        outages: from when until when the journal could not be written.
        away: for how many seconds, all in all, a journal that could not be written may have been waited for.
        abandoned: whether the operator let the run go, to plan anew.
        cancelled: since when somebody had asked the run to end, and was told that this is known.
        disturbed: whether a worker of a run of shards was killed, paused or given up: nobody knows what it sent.
        shards: the shard that each worker of the run carried, by the name of its process; ``None`` for other work.
        takes: who took a shard, oldest first.
        sends_again: whether the operator wants a wipe sent again of which nothing is known (``on_unknown: retry``).

    """

    engine: Engine
    plan: Mapping[str, Any] | None
    sessions: Sequence[Session]
    began: float
    outputs: Mapping[str, bytes] = field(default_factory=dict)
    secrets: Sequence[str] = ()
    broken: Sequence[str] = ()
    lag: float | None = None
    open_runs: Sequence[str] = ()
    run_id: str = ""
    verdicts: Sequence[str] = ()
    judged: Sequence[tuple[float, float]] = ()
    sent: Sequence[Sent] = ()
    starts: Mapping[str, float] = field(default_factory=dict)
    foreign: Collection[str] = ()
    apart: Collection[str] = ()
    unrecorded: float | None = None
    tags_reported: Collection[str] = ()
    outages: Sequence[tuple[float, float]] = ()
    away: float = 0.0
    abandoned: bool = False
    cancelled: float | None = None
    disturbed: bool = False
    shards: Mapping[str, int | None] = field(default_factory=dict)
    takes: Sequence[Take] = ()
    sends_again: bool = False

    @property
    def reports(self) -> list[Mapping[str, Any]]:
        """The reports, in the order in which their processes began."""
        return [each.report for each in self.sessions]

    @cached_property
    def calls(self) -> list[Call]:
        """The calls that were accepted since the run began, oldest first, with what each was accepted for."""
        refused = {each.request_id: each.refused for each in self.sent if each.refused}
        return [
            replace(call, subject=tuple(name for name in call.subject if name not in refused.get(call.request_id, ())))
            if call.request_id in refused
            else call
            for call in self.engine.calls
            if call.at >= self.began and call.code == "" and not call.dry_run and call.fault not in _NOT_DONE
        ]

    @property
    def jobs(self) -> list[Mapping[str, Any]]:
        """The jobs of the plan."""
        return list((self.plan or {}).get("jobs", ()))

    def ours(self, call: Call) -> bool:
        """Whether the run made a call; one that arrived after every deadline (S4 broken) nobody answers for."""
        return call.source == "api" and call.request_id not in self.foreign and call.request_id not in self.late

    @cached_property
    def late(self) -> set[str]:
        """The request ids of calls that arrived after every deadline."""
        arrived = {call.request_id: call.at for call in self.engine.calls} if "S4" in self.broken else {}
        return {each.request_id for each in self.sent if arrived.get(each.request_id, 0.0) > each.at + _ARRIVAL_LIMIT}

    def disk(self, disk_id: str) -> Disk | None:
        """Return a disk as it truly is."""
        return self.engine.cloud.disks.get(disk_id)

    def instance(self, instance_id: str | None) -> Instance | None:
        """Return an instance as it truly is; none where it was released."""
        row = self.engine.cloud.instances.get(instance_id or "")
        return None if row is None or row.status == "Deleted" else row


def judge(evidence: Evidence) -> list[Violation]:
    """Return what was broken of safety: what must hold at every moment, whatever goes wrong."""
    rules = (
        _targets, _power_asked_for, _data, _twice, _saved, _claims, _doubts, _holders, _power, _limits, _verdicts,
        _taken, _unrecorded, _secrets, _at_once, _in_turn, _after_failures, _after_cancel,
    )  # fmt: skip
    found = [each for rule in rules for each in rule(evidence)]
    return found if not evidence.broken else list(_as_far_as_promised(evidence, found))


def judge_pauses(
    paused: Sequence[Mapping[str, Any]], unpaused: Callable[[], Sequence[Mapping[str, Any]]]
) -> list[Violation]:
    """Return what a run lost to pauses during which nobody did anything: they may cost a look, and nothing else.

    Args:
        paused: its reports.
        unpaused: gives the reports of the same run without the pauses; asked only where it matters.
    """
    if not paused or paused[0]["outcome"] == "done":
        return []
    result = unpaused()
    if not result or result[0]["outcome"] != "done":
        return []
    return [Violation("lost-to-pause", f"the run came to {paused[0]['outcome']}, and is done without its pauses")]


def judge_slow_reads(reports: Sequence[Mapping[str, Any]]) -> list[Violation]:
    """Return what a run lost to slow answers of Describe calls alone: they may cost time, or the wipe, but no machine.

    Args:
        reports: its reports.
    """
    return [
        Violation("lost-to-slowness", f"{job['instance_id']} is {job['outcome']}, and ECS was only slow to answer")
        for report in reports[:1]
        for job in report["jobs"]
        if job["outcome"] in ("stranded", "not-restarted")
    ]


def _as_far_as_promised(evidence: Evidence, found: Iterable[Violation]) -> Iterator[Violation]:
    """Leave out lost data where an assumption is broken, unless the run itself could have known that it is."""
    measured = math.inf if evidence.lag is None else _lag_known_at(evidence, evidence.lag)
    for each in found:
        if each.kind in BY_LISTS and "S2" in evidence.broken:
            continue
        if each.kind not in LOST_DATA:
            yield each
        elif tuple(evidence.broken) == ("S2",) and each.at > measured:
            yield Violation("wiped-behind-lag", f"{each.text}; lists lag {evidence.lag:.0f} s throughout")


def _lag_known_at(evidence: Evidence, lag: float) -> float:
    """Return when the run knew of a lag by its own stop: one that saw nothing of the machine meanwhile never does."""
    stopped = min((call.at for call in evidence.calls if evidence.ours(call) and _is(call, "StopInstance")), default=0)
    known = min(lag, _MOST_LAG)
    shown = any(  # the machine as it was before its stop, so long after it
        stopped + known - _ASSUMED_LAG <= call.at <= stopped + lag
        for call in evidence.engine.calls
        if call.action == "DescribeInstances" and evidence.ours(call) and call.http_status == 200
    )
    return stopped + known + _POLL_TIME if stopped and shown else math.inf


def judge_end(evidence: Evidence) -> list[Violation]:
    """Return what was broken of liveness: with nothing going wrong any more, the run or its ``resume`` has ended."""
    if evidence.abandoned:
        return []
    found = []
    rows = [row for job in evidence.jobs if (row := evidence.instance(job["instance_id"])) is not None]
    if not any(row.status == "Stopping" and row.ignores_stop for row in rows):  # its stop never ends
        found = [
            Violation("still-open", f"{name} is still open after it was resumed without any fault")
            for name in evidence.open_runs
        ]
    pending = any(each.action.startswith("Untag") for each in evidence.sent) or evidence.run_id in evidence.open_runs
    for job in evidence.jobs:
        instance = evidence.instance(job["instance_id"])
        if instance is None:
            continue
        text = instance.id in evidence.tags_reported
        if instance.tags.get(_LOCK_TAG) == evidence.run_id != "" and not (pending or text or evidence.unrecorded):
            found.append(
                Violation("tag-stays", f"{instance.id} bears the lock tag: nobody tried to take it off, or says so")
            )
        if _others_last(evidence, instance.id) or (evidence.unrecorded and _says_down(evidence, instance.id)):
            continue
        ran = job["power_before"] == "Running" or job.get("will_start")
        result = "reinitialised" in evidence.verdicts
        wiped = result or any(_overwrites(evidence, disk["disk_id"]) for disk in job["disks"])
        left = evidence.plan is not None and evidence.plan["options"]["leave_stopped"] and wiped
        if ran and not left and instance.status != "Running" and not instance.locks and not instance.ignores_stop:
            found.append(Violation("left-down", f"{instance.id} ran before, and is {instance.status} at the very end"))
    return found if not evidence.broken else list(_as_far_as_promised(evidence, found))


def _is(call: Call | Sent, *actions: str) -> bool:
    """Return whether a call is one of these, for one machine or for many."""
    return call.action.removesuffix("s") in actions


# ------------------------------------------------------------------------------------------------- data and targets


def _wipes(evidence: Evidence) -> list[Call]:
    return [call for call in evidence.calls if _is(call, *_WIPES) and evidence.ours(call)]


def _overwrites(evidence: Evidence, disk_id: str) -> list[Overwrite]:
    row = evidence.disk(disk_id)
    return sorted((*row.wipes, *row.resets), key=lambda done: done.at) if row is not None else []


def _made(evidence: Evidence, disks: Iterable[Mapping[str, Any]]) -> list[Overwrite]:
    """Return the overwrites of these disks that calls of the run made."""
    made = {call.request_id for call in _wipes(evidence)}
    return [done for each in disks for done in _overwrites(evidence, each["disk_id"]) if done.request_id in made]


def _wiped_by_others(evidence: Evidence) -> bool:
    made = {call.request_id for call in _wipes(evidence)}
    ids = [row.id for row in evidence.engine.cloud.disks]
    return any(done.request_id not in made for disk_id in ids for done in _overwrites(evidence, disk_id))


def _targets(evidence: Evidence) -> Iterator[Violation]:
    """No wipe and no power outside the confirmed plan."""
    disks = {disk["disk_id"] for job in evidence.jobs for disk in job["disks"]}
    machines = {job["instance_id"] for job in evidence.jobs}
    for call in evidence.calls:
        if evidence.ours(call) and _is(call, *_WIPES) and not set(call.subject[:1]) <= disks:
            yield Violation("not-a-target", f"{call.subject[0]} was wiped, and no confirmed plan names it")
        if evidence.ours(call) and _is(call, "StopInstance", "StartInstance") and not set(call.subject) <= machines:
            yield Violation("not-a-target", f"{call.action} of {call.subject[0]}, and no confirmed plan names it")


def _power_asked_for(evidence: Evidence) -> Iterator[Violation]:
    """No machine is stopped, forced or started that the plan does not say so of."""
    for job in evidence.jobs:
        name = job["instance_id"]
        calls = [call for call in evidence.calls if evidence.ours(call) and name in call.subject]
        stops = [call for call in calls if _is(call, "StopInstance")]
        if stops and not job["will_stop"]:
            yield Violation("stopped-unasked", f"{name} was stopped, and the plan does not say so")
        started = any(_is(call, "StartInstance") for call in calls)
        if started and not (stops or _stop_is_open(evidence, name) or job["will_start"]):
            yield Violation("started-unasked", f"{name} was started, and the run had not stopped it")
    limits = (evidence.plan or {}).get("limits") or {}
    own = [each for each in evidence.sent if each.process in evidence.starts]
    if any(each.forced for each in own) and limits.get("force_stop_after_ms") is None:
        yield Violation("forced-unasked", "a power cut was sent, and the plan does not say so")


def _stop_is_open(evidence: Evidence, instance_id: str) -> bool:
    """Whether a stop of an instance left and no answer said what was done: a stop by somebody else is taken for it."""
    arrived = {call.request_id: call for call in evidence.engine.calls}
    for each in evidence.sent:
        if _is(each, "StopInstance") and each.process in evidence.starts:
            call = arrived.get(each.request_id)
            proven = each.answered and (call is None or (call.http_status or 0) < 500)
            if not proven and (call is None or instance_id in call.subject):
                return True
    return False


def _data(evidence: Evidence) -> Iterator[Violation]:
    """No wipe after anybody used the machine since our stop (or since we began, of one that was stopped)."""
    for job in evidence.jobs:
        ids = {disk["disk_id"] for disk in job["disks"]}
        result = _lost_as_reported(evidence, job)
        starts: list[Call] = []
        written: dict[str, Call] = {}
        for call in evidence.calls:
            about, ours = set(call.subject), evidence.ours(call)
            if _is(call, "StopInstance") and ours and job["instance_id"] in about:
                starts, written = [], {}
            elif _is(call, "StartInstance") and job["instance_id"] in about and (ours or call.at > result):
                starts.append(call)
            elif call.action == "Write" and ids & about and call.at > result:
                written[call.subject[0]] = call
            elif _is(call, *_WIPES) and ours and ids & about:
                name = call.subject[0]
                if starts:
                    last = starts[-1]
                    kind = "wiped-after-start" if evidence.ours(last) else "used-then-wiped"
                    who = "by the run itself" if evidence.ours(last) else "by somebody else"
                    text = f"{name} was wiped {call.at - last.at:.1f} s after {job['instance_id']} was started {who}"
                    yield Violation(kind, text, call.at)
                elif name in written and job["power_before"] == "Stopped":
                    yield Violation(
                        "lost-write", f"{name} was written {call.at - written[name].at:.1f} s before it was wiped"
                    )


def _lost_as_reported(evidence: Evidence, job: Mapping[str, Any]) -> float:
    """Return until when the plan says that what is written is lost, too: of a machine that was stopped a moment ago."""
    if job["power_before"] != "Stopped":
        return 0.0
    result = [
        each["fact"]["StartTime"]
        for each in (evidence.plan or {}).get("findings", ())
        if each["check"] == "just-started" and each["subject"] == job["instance_id"]
    ]
    # The minute, 30 s, what Date may be off by, and the next look.
    return max((datetime.fromisoformat(each).timestamp() + 60 + 30 + 30 + 15 for each in result), default=0.0)


def _twice(evidence: Evidence) -> Iterator[Violation]:
    """No disk is wiped again whose wipe was accepted, and whose answer said so.

    Where the operator wants a wipe sent again of which nothing is known, that counts once it could be recorded.
    """
    known_at = {
        each.request_id: each.recorded_at if evidence.sends_again else each.answered_at
        for each in evidence.sent
        if each.answered
    }
    for job in evidence.jobs:
        for disk in job["disks"]:
            done = _made(evidence, [disk])
            known = [
                known_at[each.request_id]
                for each in done
                if each.request_id in known_at and _clear(evidence, each.request_id)
            ]
            if known and done[-1].at > min(known):
                yield Violation("wiped-twice", f"{disk['disk_id']} was wiped again after its wipe had been answered")


def _clear(evidence: Evidence, request_id: str) -> bool:
    """Return whether the answer to a call could be read."""
    return any(call.request_id == request_id and call.fault is None for call in evidence.calls)


def _saved(evidence: Evidence) -> Iterator[Violation]:
    """With a safety snapshot promised, no wipe without one that holds what was on the disk, and was there still.

    What somebody else wiped since holds nothing that was to be kept.
    """
    if evidence.plan is None or not evidence.plan["options"]["snapshot"]:
        return
    deleted = {call.subject[0]: call.at for call in evidence.calls if call.action == "DeleteSnapshot"}
    for job in evidence.jobs:
        for disk in job["disks"]:
            rows = [row for row in evidence.engine.cloud.snapshots if row.disk_id == disk["disk_id"]]
            for done in _made(evidence, [disk])[:1]:
                kept = [row.content for row in rows if row.ends <= done.at < deleted.get(row.id, math.inf)]
                row = evidence.disk(disk["disk_id"])
                kept += [each.content_after for each in (row.wipes if row else ()) if each.at < done.at]
                if done.content_before not in kept:
                    yield Violation("wiped-unsaved", f"{disk['disk_id']} was wiped, and no snapshot holds what it held")


# ----------------------------------------------------------------------------------------------------------- claims


def _claims(evidence: Evidence) -> Iterator[Violation]:
    """Hold what a report says of the data and of its own outcome against the truth."""
    made = {call.request_id for call in _wipes(evidence)}
    for number, session in enumerate(evidence.sessions):
        report, last = session.report, number == len(evidence.sessions) - 1 and not session.goes_on
        if report["exit_code"] != EXIT_CODES.get(report["outcome"]):
            yield Violation("wrong-code", f"{report['outcome']} with exit code {report['exit_code']}")
        if report["outcome"] == "bug":
            yield Violation("bug", str((report.get("error") or {}).get("message")))
        every = [disk for job in report["jobs"] for disk in job["disks"]]
        if report["outcome"] == "done" and any(disk["data"] != "reinitialised" for disk in every):
            yield Violation("false-done", "the run is done, and not every disk is wiped")
        for disk in every:
            name, text = disk["disk_id"], disk["data"]
            then = session.truth.wipes.get(name, ()) if session.truth is not None else ()
            wiped_then = bool(made & set(then)) if session.truth is not None else bool(_made(evidence, [disk]))
            wiped = wiped_then or (last and bool(_made(evidence, [disk])))
            others = any(done.at >= evidence.began for done in _overwrites(evidence, name))  # seen, and taken for ours
            if text == "reinitialised" and not (wiped or others) and "reinitialised" not in evidence.verdicts:
                yield Violation("false-wiped", f"{name} is said to be wiped, and never was")
            if text in ("intact", "untouched") and wiped and "intact" not in evidence.verdicts:
                yield Violation("false-intact", f"{name} is said to be {text}, and was wiped")
            yield from _snapshot_claim(evidence, disk)
        yield from _outcome_claims(evidence, session)


def _snapshot_claim(evidence: Evidence, disk: Mapping[str, Any]) -> Iterator[Violation]:
    """Hold a safety snapshot that a report names against the snapshots that there are."""
    named = disk.get("safety_snapshot")
    row = evidence.engine.cloud.snapshots.get(named) if named else None
    if named and (row is None or row.disk_id != disk["disk_id"]):
        yield Violation("false-snapshot", f"{named} is said to hold {disk['disk_id']}, and does not")


def _outcome_claims(evidence: Evidence, session: Session) -> Iterator[Violation]:
    """``refused`` is said of a machine only where nothing was done to it."""
    for job in session.report["jobs"]:
        name = job["instance_id"]
        done = [
            call
            for call in evidence.calls
            if evidence.ours(call)
            and call.at <= (session.ended or call.at)
            and (name in call.subject and _is(call, "StopInstance", "StartInstance"))
        ]
        if job["outcome"] == "refused" and done and not session.overlapped:
            yield Violation("false-refused", f"{name} is said to be left alone, and {done[0].action} was accepted")


def _doubts(evidence: Evidence) -> Iterator[Violation]:
    """Doubt is said only where there is a reason for it: a journal that failed over may lack a wipe that was sent."""
    if any(until == math.inf for _, until in evidence.outages):
        return
    wiped = any(_is(each, *_WIPES) for each in evidence.sent)
    for session in evidence.sessions:
        doubtful = [disk for job in session.report["jobs"] for disk in job["disks"] if disk["data"] == "unknown"]
        if doubtful and not wiped and not _cut_short(evidence, session) and not _wiped_by_others(evidence):
            yield Violation("false-doubt", f"{doubtful[0]['disk_id']} is unknown, and no wipe was ever sent")


def _cut_short(evidence: Evidence, session: Session) -> bool:
    """Whether a process was killed, left at once or was taken over until then: nobody knows what it sent."""
    result = {each.process: each for each in evidence.sessions}
    until = [
        result.get(name)
        for name, began in evidence.starts.items()
        if began <= session.began and name not in evidence.shards
    ]
    killed = any(each is None or each.overlapped or each.left for each in until)
    return session.overlapped or evidence.disturbed or killed


def _holders(evidence: Evidence) -> Iterator[Violation]:
    """Another process is said to hold the run only where there was one."""
    for session in evidence.sessions:
        if not session.overlapped and re.search("Another process (holds|has taken|took)", str(session.report)):
            yield Violation("false-holder", "another process is said to hold the run, and there was none")


# ------------------------------------------------------------------------------------------------- power and limits


def _at_once(evidence: Evidence) -> Iterator[Violation]:
    """No machine is stopped while another run of the same journal leaves fewer to be down than the run allows."""
    if evidence.plan is None or evidence.broken or evidence.abandoned or evidence.unrecorded is not None:
        return
    if evidence.plan["options"]["leave_stopped"]:
        return  # what is left down on purpose keeps nobody waiting
    down: dict[bool, set[str]] = {True: set(), False: set()}  # what we, and what others have stopped and not started
    most = evidence.plan["rollout"]["max_parallel"]
    given_up = {  # which left its place to the next one
        job["instance_id"] for report in evidence.reports for job in report["jobs"] if job["outcome"] in MAY_BE_DOWN
    }
    for call in evidence.calls:
        ours, theirs = down[evidence.ours(call)], down[not evidence.ours(call)]
        if _is(call, "StopInstance") and call.source == "api" and call.request_id not in evidence.apart:
            ours.update(call.subject)
            ours.difference_update(given_up if evidence.shards else ())
            if evidence.shards and evidence.ours(call) and len(ours) > most:
                yield Violation("too-many-down", f"{sorted(ours)} are down, {most} may be", call.at)
            if theirs and len(theirs) + len(call.subject) > most:
                yield Violation("too-many-down", f"{call.subject} and {theirs} are down, {most} may be", call.at)
        elif _is(call, "StartInstance"):  # also by somebody else, after which a run lets the machine be
            for each in down.values():
                each.difference_update(call.subject)


def _stops(evidence: Evidence) -> Iterator[tuple[Call, str]]:
    """Return each stop by the run, and each machine that it was for."""
    for call in evidence.calls:
        if _is(call, "StopInstance") and evidence.ours(call) and call.source == "api":
            yield from ((call, name) for name in call.subject)


def _lost_track(evidence: Evidence) -> bool:
    """Whether the run may have lost what it knew, or a call may have arrived long after it was sent."""
    failed_over = any(until == math.inf for _, until in evidence.outages)
    return failed_over or evidence.unrecorded is not None or "S4" in evidence.broken


def _in_turn(evidence: Evidence) -> Iterator[Violation]:
    """No machine of a later stage is stopped before all of the canary's, and of a wave before, had their turn."""
    if evidence.plan is None or _lost_track(evidence):
        return
    rollout, jobs = evidence.plan["rollout"], [job["instance_id"] for job in evidence.jobs]
    canary = int(len(jobs) > _CANARY_FROM) if rollout["canary"] is None else min(rollout["canary"], len(jobs))
    ends = [canary] if canary else []
    waves = [max(1, round(len(jobs) * size / 100) if percent else size) for size, percent in rollout["waves"]]
    while waves and (ends[-1] if ends else 0) < len(jobs):
        ends.append((ends[-1] if ends else 0) + waves[0])
        waves = waves[1:] or waves
    stops = list(_stops(evidence))
    for end in ends:
        before, later = jobs[:end], set(jobs[end:])
        first = next((call for call, name in stops if name in later), None)
        if first is None:
            continue
        for call, name in stops:
            if name in before and call.at > first.at:
                text = f"{name} was stopped after {first.subject}, which is of a later stage"
                yield Violation("out-of-turn", text, first.at)
        left = evidence.reports[-1]["jobs"][:end] if evidence.reports else []
        back = {
            each
            for call in evidence.calls
            if _is(call, "StartInstance") and call.at < first.at
            for each in call.subject
        }
        # One that was wiped and back by then was done; what became of it later is no reason.
        bad = [job["instance_id"] for job in left if job["outcome"] != "done" and not _was_done(job, back)]
        if end == canary and bad:
            yield Violation("out-of-turn", f"{first.subject} was stopped, and the canary {bad} is not done", first.at)


def _was_done(job: Mapping[str, Any], back: set[str]) -> bool:
    return job["instance_id"] in back and all(disk["data"] == "reinitialised" for disk in job["disks"])


def _after_failures(evidence: Evidence) -> Iterator[Violation]:
    """No machine is stopped once too many wipes were refused in a way that no time heals."""
    if evidence.plan is None or _lost_track(evidence):
        return
    most = evidence.plan["rollout"]["stop_after_failures"]
    refused: dict[str, float] = {}
    answered = {each.request_id: each.answered_at for each in evidence.sent}
    for call in evidence.engine.calls:
        if call.at >= evidence.began and evidence.ours(call) and _is(call, *_WIPES) and call.code in _FINAL:
            row = evidence.disk(call.subject[0])
            if row is not None and row.instance_id:
                refused.setdefault(row.instance_id, answered.get(call.request_id, math.inf))
    if most is None or len(refused) < most:
        return
    closed = sorted(refused.values())[most - 1]
    paused = any(session.paused for session in evidence.sessions)
    left = {each.request_id: each.at for each in evidence.sent}
    for call, name in _stops(evidence):
        if left.get(call.request_id, 0.0) > closed + (math.inf if paused or evidence.outages else _HEARING_TIME):
            yield Violation("begun-after-failures", f"{name} was stopped after {most} jobs had failed", call.at)


def _after_cancel(evidence: Evidence) -> Iterator[Violation]:
    """No machine is stopped or wiped once somebody was told that the run is asked to end."""
    paused = any(session.paused for session in evidence.sessions)
    if evidence.cancelled is None or paused or evidence.outages or _lost_track(evidence):
        return
    for each in evidence.sent:
        own = each.process in evidence.starts
        if own and _is(each, "StopInstance", *_WIPES) and each.at > evidence.cancelled + _HEARING_TIME:
            late = each.at - evidence.cancelled
            yield Violation("begun-after-cancel", f"{each.action} was sent {late:.1f} s after the run was cancelled")


def _others_last(evidence: Evidence, instance_id: str, until: float = math.inf) -> bool:
    """Whether somebody else, or ECS by itself, was the last to act on the power of an instance, or released it."""
    acted = [
        call
        for call in evidence.calls
        if call.at <= until
        and instance_id in call.subject
        and _is(call, "StopInstance", "StartInstance", "DeleteInstance")
    ]
    return bool(acted) and not evidence.ours(acted[-1])


def _says_down(evidence: Evidence, instance_id: str) -> bool:
    """Whether the last report says of a machine that it may be down."""
    jobs = [job for report in evidence.reports[-1:] for job in report["jobs"] if job["instance_id"] == instance_id]
    return not jobs or jobs[0]["outcome"] in MAY_BE_DOWN


def _power(evidence: Evidence) -> Iterator[Violation]:
    """After the last report the power is as promised, or the report says that it is not and how to go on."""
    excused = evidence.abandoned or evidence.unrecorded is not None
    for session in (each for each in evidence.sessions[-1:] if not each.goes_on):
        report = session.report
        for job in report["jobs"]:
            instance = evidence.instance(job["instance_id"])
            if instance is None or _others_last(evidence, instance.id):
                continue
            down = job["power_before"] == "Running" and instance.status in ("Stopped", "Stopping")
            promised = job["power_promised"] == "Stopped" and job["outcome"] == "done"
            if down and not promised and job["outcome"] not in MAY_BE_DOWN and report["outcome"] != "bug":
                text = f"{instance.id} ran before and is {instance.status}, and its outcome is {job['outcome']}"
                yield Violation("down-unsaid", text)
            starts = job["power_promised"] == "Running"  # else nothing is left to do, once nothing is in doubt
            pending = down and job["outcome"] in (("unknown", "not-restarted", "stranded") if starts else ("unknown",))
            if pending and report["run_id"] not in evidence.open_runs and not excused:
                yield Violation("no-way-on", f"{instance.id} is {instance.status}, and its run cannot be resumed")
    for number, session in enumerate(evidence.sessions):
        last = number == len(evidence.sessions) - 1 and not session.goes_on
        for job in session.report["jobs"]:
            now = evidence.instance(job["instance_id"])
            then = session.truth.instances.get(job["instance_id"] or "") if session.truth is not None else None
            status = then or (now.status if now is not None and last else "")
            others = now is None or _others_last(evidence, now.id, math.inf if last else session.ended)
            if job["outcome"] == "done" and job["power_promised"] == "Running" and status == "Stopped" and not others:
                yield Violation("false-power", f"{job['instance_id']} is said to be as promised, and is Stopped")


def _limits(evidence: Evidence) -> Iterator[Violation]:
    """Each phase ends within the limit that the plan shows for it, and so does the whole run.

    A journal that is away is waited for besides: meanwhile nothing may be sent, not even what ends a phase.
    """
    limits = {
        name.removesuffix("_ms"): (each or 0) / 1000
        for name, each in ((evidence.plan or {}).get("limits") or {}).items()
    }
    if not limits:
        return
    bounds = {name: limits[name] for name in ("stop", "snapshot", "reinit", "start")}
    bounds["wait-snapshot"] = limits["snapshot"]
    for session in evidence.sessions:
        jobs = session.report["jobs"]
        first = session.process == next(iter(evidence.starts), "")  # its phases began with it
        for job in jobs if first and not evidence.disturbed and not (session.paused or session.stepped) else ():
            for phase in job["phases"]:
                took = _seconds(phase)
                if took > bounds[phase["name"]] + _LIMIT_SLACK + evidence.away:
                    text = f"{phase['name']} of {job['instance_id']} took {took:.0f} s of {bounds[phase['name']]:.0f} s"
                    yield Violation("over-limit", text)
        # One machine goes through all of them; those of a rollout one after the other.
        whole = sum(bounds.values()) + 2 * limits["retry"] + 150 + 35 + _LIMIT_SLACK + evidence.away
        took = session.ended - session.began - session.paused
        if took > whole * max(1, len(jobs)):
            yield Violation("over-limit", f"a process of the run took {took:.0f} s of {whole:.0f} s at most")


def _seconds(phase: Mapping[str, Any]) -> float:
    if phase["ended_at"] is None:
        return 0.0
    began, ended = (datetime.fromisoformat(phase[name]) for name in ("started_at", "ended_at"))
    return (ended - began).total_seconds()


# --------------------------------------------------------------------------------- verdicts, holders, journal, secrets


def _verdicts(evidence: Evidence) -> Iterator[Violation]:
    """No wipe follows from what an operator says of the data: that needs a new plan and new consent."""
    for call in _wipes(evidence):
        if any(began <= call.at <= ended for began, ended in evidence.judged):
            yield Violation("wiped-on-verdict", f"{call.subject[0]} was wiped by a resume with a verdict")


def _taken(evidence: Evidence) -> Iterator[Violation]:
    """Once a later process has called for the run, no earlier one calls any more; so it is of each shard."""
    yield from _taken_shards(evidence)
    order = {name: number for number, name in enumerate(evidence.starts)}
    latest: Sent | None = None
    for each in evidence.sent:
        if each.process not in order or each.process in evidence.shards:
            continue
        if latest is not None and order[each.process] < order[latest.process]:
            yield Violation(
                "two-holders", f"{each.process} sent {each.action} after {latest.process} had taken the run"
            )
        elif latest is None or order[each.process] > order[latest.process]:
            latest = each


def _taken_shards(evidence: Evidence) -> Iterator[Violation]:
    """No worker calls for a shard that another one has taken since."""
    for each in evidence.sent:
        own = [take for take in evidence.takes if take.process == each.process and take.at <= each.at]
        if not own:
            continue
        since = [take for take in evidence.takes if take.part == own[-1].part and own[-1].at < take.at < each.at]
        if since:
            text = f"{each.process} sent {each.action} for {own[-1].part}, which {since[0].process} had taken"
            yield Violation("two-holders", text, each.at)


def _unrecorded(evidence: Evidence) -> Iterator[Violation]:
    """While the journal is away or gone nothing is stopped or wiped: nobody would find what became of it."""
    gone = [] if evidence.unrecorded is None else [(evidence.unrecorded, math.inf)]
    for each in evidence.sent:
        if not _is(each, "StopInstance", "CreateSnapshot", *_WIPES) or each.process not in evidence.starts:
            continue
        for since, until in (*gone, *evidence.outages):
            if since + _SENDING_TIME < each.at < until and evidence.starts[each.process] < since:
                yield Violation("sent-unrecorded", f"{each.action} was sent though the journal could not be written")


def _secrets(evidence: Evidence) -> Iterator[Violation]:
    for name, written in evidence.outputs.items():
        if any(secret.encode() in written for secret in evidence.secrets):
            yield Violation("secret", f"a secret is in {name}")
