"""A run as the journal gives it back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from .lease import Holder


@dataclass(frozen=True)
class StoredRun:
    """A run as the journal has it; ``plan``, the states and ``report`` are JSON, read when they are asked for."""

    run_id: str
    started_at: str
    ended_at: str | None
    outcome: str | None
    exit_code: int | None
    region: str
    account: str
    endpoint: str
    profile: str
    plan_text: str
    report_text: str | None
    """Without its jobs."""
    job_texts: tuple[tuple[str, str, bool, str | None], ...]
    """Of each job: the instance, the state, whether it is open, and its report."""
    holder: Holder | None

    @cached_property
    def plan(self) -> dict[str, Any]:
        """The plan."""
        plan: dict[str, Any] = json.loads(self.plan_text)
        return plan

    @cached_property
    def report(self) -> dict[str, Any] | None:
        """The report; ``None`` until the run has one."""
        if not self.report_text:
            return None
        return {**json.loads(self.report_text), "jobs": [json.loads(told) for *_, told in self.job_texts if told]}

    @cached_property
    def jobs(self) -> tuple[tuple[str, dict[str, Any], bool], ...]:
        """Of each job: the instance, the state, whether it is open."""
        return tuple((instance_id, json.loads(known), is_open) for instance_id, known, is_open, _ in self.job_texts)

    @property
    def open(self) -> bool:
        """Whether a job of it is still open."""
        return any(is_open for _, _, is_open, _ in self.job_texts)
