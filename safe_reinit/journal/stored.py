"""A run as the journal gives it back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .lease import Holder


@dataclass(frozen=True)
class StoredRun:
    """A run as the journal has it; ``plan``, the records and ``report`` are JSON."""

    run_id: str
    started_at: str
    ended_at: str | None
    outcome: str | None
    exit_code: int | None
    region: str
    account: str
    endpoint: str
    profile: str
    plan: dict[str, Any]
    report: dict[str, Any] | None
    jobs: tuple[tuple[str, dict[str, Any], bool], ...]
    """Of each job: the instance, the record, whether it is open."""
    holder: Holder | None

    @property
    def open(self) -> bool:
        """Whether a job of it is still open."""
        return any(is_open for _, _, is_open in self.jobs)
