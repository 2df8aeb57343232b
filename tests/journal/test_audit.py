"""The audit of a journal: each act is appended with what it does, says who did it, and stays as it is."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from safe_reinit.errors import RunRefused, UsageError
from safe_reinit.journal import AuditEntry, Journal, open_to_write
from safe_reinit.journal.place import who
from tests import postgresql
from tests.journal.test_journal import begin, end


def texts_of(acts: list[AuditEntry]) -> list[tuple[str, str, str]]:
    """Return what was done, the oldest first."""
    return [(each.action, each.run_id[-4:], each.detail) for each in reversed(acts)]


def test_each_act_is_recorded_with_who_did_it(place: str) -> None:
    """The audit has every act in order, the process's user and host, and what is forgotten of a run is in it still."""
    with open_to_write(place) as journal:
        lease = begin(journal, "000a", instance="i-a")
        journal.cancel(lease.run_id)
        lease.release()
        again = journal.acquire_lease(lease.run_id)
        assert again is not None
        again.save((0, {}), audited=("verdict", "intact"))
        end(journal, again, "2020-01-01T00:00:00Z", "failed")
        journal.hold_all("change freeze")
        journal.lift_hold()
        assert journal.prune(3600.0) == 1
        acts = journal.audit_entries()
        of_run = journal.audit_entries(lease.run_id)

    before, holder = acts[1].detail, acts[5].detail
    assert texts_of(acts) == [
        ("begin", "000a", "0 disks of 1 machine in cn-hangzhou"),
        ("cancel", "000a", ""),
        ("take-over", "000a", holder),
        ("verdict", "000a", "intact"),
        ("end", "000a", "failed"),
        ("hold", "", "change freeze"),
        ("unhold", "", before),
        ("prune", "000a", acts[0].detail),
    ]
    assert f"from {who()}, process " in holder
    assert before.startswith(f"change freeze ({who()}, since ")
    assert of_run == [each for each in acts if each.run_id]
    assert {each.user for each in acts} == {who()}
    assert {each.role for each in acts} == ({"safe"} if place.startswith("postgresql") else {""})


def test_a_cancel_in_the_process_of_a_run_is_recorded_with_the_next_write(place: str) -> None:
    """What asked the run to end is in the audit before its end, which says where something was left open."""
    with open_to_write(place) as journal:
        lease = begin(journal, "000a", instance="i-a")
        lease.audit("cancel", "SIGTERM")
        assert [each.action for each in journal.audit_entries()] == ["begin"]
        lease.save((0, {}))
        lease.save((0, {}))
        lease.end({"outcome": "stranded", "exit_code": 8, "jobs": [{}]}, (0,))

        assert texts_of(journal.audit_entries())[1:] == [
            ("cancel", "000a", "SIGTERM"),
            ("end", "000a", "stranded, left open"),
        ]


def test_an_undo_says_what_it_undoes(place: str) -> None:
    """A run that undoes another one is recorded as such, by the name of that run."""
    with open_to_write(place) as journal:
        plan = {"plan_id": "b", "account": "1", "region": "cn-hangzhou", "simulated": True}
        journal.begin("r-2", plan, "", "", [("i-1", ["d-1", "d-2"], {})], undoes="r-1").release()

        assert texts_of(journal.audit_entries()) == [
            ("undo", "r-2", "2 disks of 1 machine in cn-hangzhou, simulated, undoes r-1"),
        ]


REFUSED: dict[str, Callable[[Journal], object]] = {
    "begin": lambda journal: begin(journal, "000b"),
    "hold": lambda journal: journal.hold_all("twice"),
    "cancel": lambda journal: journal.cancel("r-20260101T000000Z-ffff"),
}


def test_what_is_refused_or_does_nothing_is_not_recorded(place: str) -> None:
    """An act that is refused leaves no row, nor does one that changed nothing."""
    with open_to_write(place) as journal:
        lease = begin(journal)
        assert journal.acquire_lease(lease.run_id) is None
        journal.lift_hold()
        assert journal.prune(0.0) == 0
        journal.hold_all("once")
        before = journal.audit_entries()
        for act in REFUSED.values():
            with pytest.raises((RunRefused, UsageError)):
                act(journal)
        assert journal.audit_entries() == before
        lease.release()

    assert [each.action for each in before] == ["hold", "begin"]


def test_an_act_that_cannot_be_recorded_is_not_done(place: str) -> None:
    """Act and record are one transaction: where the audit cannot be written, nothing is held, cancelled or begun."""
    with open_to_write(place) as journal:
        lease = begin(journal)
        lease.release()
        journal._db.execute("ALTER TABLE audit RENAME TO elsewhere")
        for act in (
            lambda: begin(journal, "0002", instance="i-2"),
            lambda: journal.acquire_lease(lease.run_id),
            lambda: journal.cancel(lease.run_id),
            lambda: journal.hold_all("why"),
        ):
            with pytest.raises(UsageError, match="cannot be used"):
                act()
        journal._db.execute("ALTER TABLE elsewhere RENAME TO audit")
        holder = journal.holder(lease.run_id)

        assert holder is not None
        assert (holder.epoch, holder.cancelled, journal.hold()) == (1, None, None)
        assert [run.run_id for run in journal.runs()] == [lease.run_id]
        assert texts_of(journal.audit_entries()) == [("begin", "0001", "0 disks of 1 machine in cn-hangzhou")]


@pytest.mark.parametrize("statement", ["UPDATE audit SET detail=''", "DELETE FROM audit", "TRUNCATE audit"])
def test_no_row_is_changed_or_deleted(place: str, statement: str) -> None:
    """The database itself refuses to change or delete a row, also for the owner of the table."""
    with open_to_write(place) as journal:
        begin(journal).release()
        before = journal.audit_entries()
        with pytest.raises(UsageError, match="cannot be used"), journal._db.transaction():
            journal._db.execute(statement)

        assert journal.audit_entries() == before != []


def test_role_and_time_are_those_of_the_server(postgres: postgresql.Server) -> None:
    """Whoever inserts a row into the audit by hand is named by their own role, at the server's time."""
    with open_to_write(postgres.new()) as journal:
        journal._db.execute(
            "INSERT INTO audit (at, username, role, action, run_id, detail)"
            " VALUES ('1999-01-01T00:00:00Z', 'boss@elsewhere', 'boss', 'hold', '', '')"
        )
        (act,) = journal.audit_entries()

    assert (act.user, act.role) == ("boss@elsewhere", "safe")
    assert act.at > "2026"
