"""reset-refused: what ECS says to a DryRun of ResetDisk, in an undo."""

from __future__ import annotations

from typing import Any

import pytest

from safe_reinit.checks.reset_refused import check
from tests.values import DISK_ID, disk_facts, options, stopping_facts

UNDO: dict[str, Any] = {"undo": "r-0", "restore": ((DISK_ID, "s-1"),)}


def answered(code: str) -> dict[str, str]:
    """Return dry_run_codes where the DryRun was answered so."""
    return {"ResetDisk": code}


@pytest.mark.parametrize("dry_run_codes", [{}, answered("DryRunOperation")], ids=["not asked", "proven"])
def test_silent_where_it_would_be_done(dry_run_codes: dict[str, str]) -> None:
    """A wipe asks nothing of ResetDisk, and an undo that ECS would do has nothing to say."""
    assert not list(check(disk_facts(options=options(**UNDO), dry_run_codes=dry_run_codes)))


def test_silent_where_another_check_speaks() -> None:
    """That a running machine may not be stopped is said by instance-running; a disk that is gone by disk-not-found."""
    facts = stopping_facts(options=options(**UNDO), dry_run_codes=answered("IncorrectInstanceStatus"))
    gone = disk_facts(disk=None, options=options(**UNDO), dry_run_codes=answered("InvalidDiskId.NotFound"))

    assert not list(check(facts))
    assert not list(check(gone))


@pytest.mark.parametrize(
    "code", ["Forbidden.RAM", "InstanceLockedForSecurity", "Brand.New", "OK", "IncorrectInstanceStatus"]
)
def test_any_other_answer_blocks(code: str) -> None:
    """What ECS would refuse of a Stopped instance blocks, and so does an answer that nobody knows."""
    (found,) = check(disk_facts(options=options(**UNDO), dry_run_codes=answered(code)))

    assert (found.level, found.subject, found.fact) == ("block", DISK_ID, {"Code": code})
    assert code in found.message


@pytest.mark.parametrize("code", ["Forbidden.RAM", "DiskCreatingSnapshot", "IncorrectInstanceStatus"])
def test_for_a_running_machine_only_the_right_is_reported(code: str) -> None:
    """ResetDisk is refused of a running machine anyway, so that answer is asked for again after the stop."""
    facts = stopping_facts(options=options(stop_instance=True, **UNDO), dry_run_codes=answered(code))
    (found,) = check(facts)

    assert found.level == ("block" if code == "Forbidden.RAM" else "info")


def test_a_snapshot_in_progress_is_waited_for() -> None:
    """A snapshot that is being created passes: an info, also of a Stopped instance."""
    (found,) = check(disk_facts(options=options(**UNDO), dry_run_codes=answered("DiskCreatingSnapshot")))

    assert found.level == "info"
