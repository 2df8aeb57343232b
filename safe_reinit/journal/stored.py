"""A run as it is read from the journal."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from operator import itemgetter
from typing import Any, TypeVar

from ..errors import UsageError
from ..model import DataState, JobState
from ..model.codec import decode
from .lease import Holder

T = TypeVar("T")

_FINDINGS = {"findings", "skipped_findings"}


class UnreadableRunError(UsageError):
    """The journal's record of a run is not what this program writes: the file was damaged or edited."""

    hint = (
        "Keep the journal as it is, and check the machines of this run in the ECS console. safe-reinit audit shows who "
        "began it, and with which disks."
    )


@dataclass(frozen=True)
class Hold:
    """No run of the journal may stop or wipe anything until this is lifted."""

    reason: str
    user: str
    """Who set it, with their host."""
    since: str
    """RFC 3339 UTC."""

    def __str__(self) -> str:
        return f"{self.reason} ({self.user}, since {self.since})"


@dataclass(frozen=True)
class KeyUse:
    """What the journal has about a key under which a plan is run at most once."""

    fingerprint: str
    """The fingerprint of that plan."""
    endpoint: str
    """The loopback endpoint of its run, or ``""`` for the real cloud."""
    run_id: str
    """The last run that had the key."""
    report_text: str | None
    """Its report, once the run itself is pruned."""


@dataclass(frozen=True)
class StoredJob:
    """One job of a run: its state and its report are decoded when they are needed."""

    instance_id: str
    state_text: str
    open: bool
    """Whether something is left to do for it."""
    report_text: str | None
    words: Callable[[str], str] = str
    """Turns each sentence into what its reader reads."""

    @cached_property
    def state(self) -> JobState:
        """Its state."""
        return as_written(f"The state of {self.instance_id}", self.state_text, lambda data: decode(JobState, data))

    @cached_property
    def report(self) -> dict[str, Any] | None:
        """Its part of the report, as JSON; ``None`` until it was reported."""
        if not self.report_text:
            return None
        report = as_written(f"The report of {self.instance_id}", self.report_text, dict)
        return _in_words(report, self.words)


@dataclass(frozen=True)
class ShardToBegin:
    """A shard of a run, to be recorded."""

    plan: Mapping[str, Any]
    """The members of its plan, which are ours or JSON."""
    digest: str
    """The digest of that plan: 64 hex."""
    jobs: Sequence[tuple[str, Sequence[str], object]]
    """For each job its instance, its disks and its state."""


@dataclass(frozen=True)
class StoredRun:
    """A run as the journal has it."""

    run_id: str
    started_at: str
    ended_at: str | None
    outcome: str | None
    exit_code: int | None
    region: str
    account: str
    endpoint: str
    profile: str
    undoes: str
    """The run that it undoes, or ``""``."""
    shards: int
    """The number of its shards; 0 if one process carries it out."""
    whole: str
    """The run that it is a shard of, or ``""``."""
    plan_text: str
    report_text: str | None
    """Without its jobs, and without its findings, which are those of the plan."""
    jobs: tuple[StoredJob, ...]
    holder: Holder | None
    """For a run that is split into shards, one of their holders; one that is working, if there is any."""
    plans_of_shards: tuple[str, ...] = ()
    """Set if it is split into shards: its jobs are with their plans."""
    words: Callable[[str], str] = str
    """Turns each sentence into what its reader reads."""

    def worded(self, words: Callable[[str], str]) -> StoredRun:
        """Return the run with other words in the sentences of its plan and of its reports."""
        return replace(self, words=words, jobs=tuple(replace(job, words=words) for job in self.jobs))

    @cached_property
    def plan(self) -> dict[str, Any]:
        """The plan, as JSON."""
        what = f"The plan of run {self.run_id}"
        plan = as_written(what, self.plan_text, dict)
        if self.shards:
            parts = [as_written(what, text, itemgetter("jobs")) for text in self.plans_of_shards]
            plan["jobs"] = [job for jobs in parts for job in jobs]
        return _in_words(plan, self.words)

    @cached_property
    def report(self) -> dict[str, Any] | None:
        """The report, as JSON; ``None`` until the run has one."""
        if not self.report_text:
            return None
        jobs = [each.report for each in self.jobs if each.report]
        findings = [*self.plan["findings"], *self.plan["skipped_findings"]]
        report = as_written(f"The report of run {self.run_id}", self.report_text, dict)
        return {**_in_words(report, self.words), "jobs": jobs, "findings": findings}

    @property
    def at_work(self) -> bool:
        """Whether a session holds it."""
        return self.holder is not None and self.holder.alive

    @property
    def attended(self) -> bool:
        """Whether the session that holds it renews its lease in time: one that does not may be dead."""
        return self.holder is not None and self.holder.alive and not self.holder.silent

    @property
    def open(self) -> bool:
        """Whether one of its jobs is still open, or its shards have ended but its own end is not recorded."""
        return any(each.open for each in self.jobs) or (self.shards > 0 and self.ended_at is None)

    @property
    def still_to_wipe(self) -> tuple[str, ...]:
        """The disks that a resume of this run would wipe; none after somebody asked it to end."""
        if self.holder is not None and self.holder.cancelled:
            return ()
        states = [each.state for each in self.jobs if each.open and not each.state.turned_back]
        return tuple(wipe.disk_id for state in states for wipe in state.disks if wipe.pending)


def _in_words(document: dict[str, Any], words: Callable[[str], str]) -> dict[str, Any]:
    """Return a plan or a report with other words in the sentences of its findings and of its error."""
    if words is str:
        return document
    findings = {name: [_sentences(each, words) for each in document[name]] for name in _FINDINGS & document.keys()}
    error = {"error": _sentences(document["error"], words)} if document.get("error") else {}
    return {**document, **findings, **error}


def _sentences(members: Mapping[str, Any], words: Callable[[str], str]) -> dict[str, Any]:
    text = {name: words(members[name]) for name in ("message", "fix", "hint") if members.get(name)}
    return {**members, **text}


def as_written(what: str, text: str, read: Callable[[Any], T]) -> T:
    """Decode a text from the journal.

    Args:
        what: what it is, for people.
        text: JSON.
        read: makes the value from it.

    Raises:
        UnreadableError: it is not what was written.
    """
    with readable_record(what):
        return read(json.loads(text))


@contextlib.contextmanager
def readable_record(what: str) -> Iterator[None]:
    """Raise one error, which names what cannot be read, if the block fails at what the journal has of it.

    Raises:
        UnreadableError: it fails for that reason.
    """
    begin = f"{what[0].upper()}{what[1:]}"
    try:
        yield
    except UnreadableRunError as error:  # of a part of it
        raise UnreadableRunError(str(error) if what in str(error) else f"{begin}: {error}") from None
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        raise UnreadableRunError(f"{begin} in the journal cannot be read.") from None


def data_of(disk_id: str, state: str, report: str | None) -> DataState:
    """Return what a run did to a disk: from its report, else from the state of the job; unknown if that is damaged.

    Other runs of the disk report it, so it must not keep them from beginning.
    """
    try:
        if report:
            disks = as_written("The report", report, itemgetter("disks"))
            data: DataState = next(disk["data"] for disk in disks if disk["disk_id"] == disk_id)
            return data
        wipes = as_written("The state", state, lambda written: decode(JobState, written)).disks
        return next(wipe.data for wipe in wipes if wipe.disk_id == disk_id)
    except (UnreadableRunError, LookupError, TypeError, StopIteration):
        return "unknown"


def phase_times(report: str) -> Iterator[tuple[str, float]]:
    """Yield, for each phase that ended well in a job's report, how many seconds it took; nothing if it is damaged."""
    with contextlib.suppress(UnreadableRunError, LookupError, TypeError, ValueError):
        for phase in as_written("The report", report, itemgetter("phases")):
            if phase["result"] == "ok" and phase["ended_at"]:
                began, ended = (datetime.fromisoformat(phase[end]) for end in ("started_at", "ended_at"))
                yield phase["name"], (ended - began).total_seconds()
