"""What a caller asks for, seen to make sense before anything is looked at or called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from . import report
from .checks import by_name
from .errors import Error, RunRefused, UsageError
from .model import Plan

if TYPE_CHECKING:
    from .journal import StoredRun


def disk_ids(given: Sequence[str]) -> list[str]:
    """Give the ids of the disks, each once.

    Raises:
        UsageError: there is none, or one is malformed.
    """
    ids = list(dict.fromkeys(given))
    if not ids:
        raise UsageError("No disk is named.", hint="Name one with --disk d-...")
    for disk_id in ids:
        letters = disk_id.removeprefix("d-")
        if letters == disk_id or not letters or not letters.replace("-", "").isalnum() or not letters.isascii():
            shown = disk_id if disk_id.isprintable() and len(disk_id) <= 64 else "an id"
            raise UsageError(f"{shown!r} is not a disk id: those begin with d-.", hint="Correct --disk.")
    return ids


def to_restore(stored: StoredRun) -> tuple[tuple[str, str], ...]:
    """Give of each disk that a run wiped its safety snapshot; a disk that it left alone has nothing to undo.

    Raises:
        RunRefused: the run has not ended, wiped nothing, or took no safety snapshot of a disk that it wiped.
    """
    if stored.open or stored.report is None:
        raise RunRefused(
            f"Run {stored.run_id} has not ended, so there is nothing to undo yet.",
            hint=f"Go on with it: safe-reinit resume {stored.run_id}.",
        )
    disks = [disk for job in stored.report["jobs"] for disk in job["disks"] if disk["data"] != "intact"]
    if not disks:
        raise RunRefused(f"Run {stored.run_id} wiped no disk.", hint="There is nothing to undo.")
    without = [disk["disk_id"] for disk in disks if not disk["safety_snapshot"]]
    if without:
        raise RunRefused(
            f"Run {stored.run_id} took no safety snapshot of {', '.join(without)}, so it cannot be undone.",
            hint="Roll the disk back to another of its snapshots in the ECS console, if there is one.",
        )
    return tuple((disk["disk_id"], disk["safety_snapshot"]) for disk in disks)


def accepted(names: Sequence[str]) -> tuple[str, ...]:
    """Give the names of the risks that are accepted.

    Raises:
        UsageError: one is no check.
        RunRefused: one is a block.
    """
    for name in names:
        check = by_name(name)
        if check is None:
            raise UsageError(f"There is no check named {name!r}.", hint="See safe-reinit checks.")
        if check.level == "block" and not check.waivable:
            raise RunRefused(f"{name} is a block: it cannot be accepted.", hint=f"See safe-reinit explain {name}.")
    return tuple(sorted(set(names)))


def not_runnable(plan: Plan, confirm: str) -> Error | None:
    """Say why a plan may not be run, where it may not: its findings, or the wrong word of consent."""
    if not plan.runnable:
        return report.refusal(plan)
    if confirm.casefold() != plan.confirm_with.casefold():
        return RunRefused(
            f"{confirm!r} does not confirm this plan; {plan.confirm_with} does.",
            hint="Read the plan (--dry-run), then confirm what it says.",
        )
    return None
