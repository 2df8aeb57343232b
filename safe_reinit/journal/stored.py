"""A run as the journal gives it back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..model import JobState
from ..model.codec import decode
from .lease import Holder


@dataclass(frozen=True)
class Hold:
    """Nothing is stopped or wiped by any run of the journal, until it is lifted."""

    reason: str
    user: str
    """Who said so, with their host."""
    since: str
    """RFC 3339 UTC."""

    def __str__(self) -> str:
        return f"{self.reason} ({self.user}, since {self.since})"


@dataclass(frozen=True)
class KeyUse:
    """What the journal has of a key under which a plan is run at most once."""

    fingerprint: str
    """Of that plan."""
    endpoint: str
    """The loopback endpoint that it was run at, or ``""`` for the real cloud."""
    run_id: str
    """The last run that had the key."""
    report_text: str | None
    """Its report, once the run itself is forgotten."""


@dataclass(frozen=True)
class StoredJob:
    """One job of a run: its state and its report are read when they are asked for."""

    instance_id: str
    state_text: str
    open: bool
    """Whether something is left to do for it."""
    report_text: str | None

    @cached_property
    def state(self) -> JobState:
        """What is known of it."""
        return decode(JobState, json.loads(self.state_text))

    @cached_property
    def report(self) -> dict[str, Any] | None:
        """What was reported of it, as JSON; ``None`` until it was."""
        return json.loads(self.report_text) if self.report_text else None


@dataclass(frozen=True)
class ShardToBegin:
    """A shard of a run that is to be written down."""

    plan: Mapping[str, Any]
    """The members of its plan, which are ours or JSON."""
    digest: str
    """Of that plan: 64 hex."""
    jobs: Sequence[tuple[str, Sequence[str], object]]
    """Of each job the instance, its disks and the state."""


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
    """Into how many it is cut; 0 where one process carries it."""
    whole: str
    """The run of which it is a shard, or ``""``."""
    plan_text: str
    report_text: str | None
    """Without its jobs, and without its findings, which are those of the plan."""
    jobs: tuple[StoredJob, ...]
    holder: Holder | None
    """Of a run that is cut into shards one of their holders, one that is at work if there is any."""
    plans_of_shards: tuple[str, ...] = ()
    """Where it is cut into shards: its jobs lie with their plans."""

    @cached_property
    def plan(self) -> dict[str, Any]:
        """The plan, as JSON."""
        plan: dict[str, Any] = json.loads(self.plan_text)
        if self.shards:
            plan["jobs"] = [job for text in self.plans_of_shards for job in json.loads(text)["jobs"]]
        return plan

    @cached_property
    def report(self) -> dict[str, Any] | None:
        """The report, as JSON; ``None`` until the run has one."""
        if not self.report_text:
            return None
        jobs = [each.report for each in self.jobs if each.report]
        findings = [*self.plan["findings"], *self.plan["skipped_findings"]]
        return {**json.loads(self.report_text), "jobs": jobs, "findings": findings}

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
        """Whether a job of it is still open, or its shards have ended and its own end is not written down."""
        return any(each.open for each in self.jobs) or (self.shards > 0 and self.ended_at is None)
