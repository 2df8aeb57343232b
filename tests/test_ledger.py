"""The records of a run: one transaction for many, and what happens when the journal or the lease is gone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from safe_reinit.ledger import Change, Entry, Ledger

from safe_reinit import record
from safe_reinit.journal import Journal, JournalError, LeaseLostError
from safe_reinit.model import Command, Failure, Limits, PlannedDisk, PlannedJob
from safe_reinit.model.codec import encode
from tests import values


class Book:
    """A stand-in for a lease: keeps what is saved, and fails where a test says so."""

    def __init__(self) -> None:
        self.saved: list[tuple[int, ...]] = []
        self.waited: list[bool] = []
        self.failing: list[Exception] = []
        self.lost = False
        self.meanwhile: Callable[[], object] = lambda: None

    def check(self) -> bool:
        """See ``Lease``."""
        if self.lost:
            raise LeaseLostError("r-1")
        return True

    def save(self, *records: tuple[int, Any], wait: bool = True) -> None:
        """See ``Lease``."""
        self.meanwhile()
        self.waited.append(wait)
        if self.failing:
            raise self.failing.pop(0)
        self.check()
        self.saved.append(tuple(position for position, _ in records))


def an_entry(position: int) -> Entry:
    """Give the job of one instance with one disk, of which nothing was done."""
    disks = (PlannedDisk(f"d-{position}"),)
    job = PlannedJob(f"i-{position}", "", "Running", "Running", will_stop=True, will_start=True, disks=disks)
    return Entry(position, job, record.begin(job, Limits(), leave_stopped=False))


def a_ledger(count: int = 3) -> tuple[Ledger, Book, list[Entry]]:
    """Give a ledger, the book it is written in, and its jobs."""
    book: Any = Book()
    return Ledger(book, threading.Event()), book, [an_entry(position) for position in range(count)]


def failing(text: str) -> Change:
    """Make a change that lets a job fail."""
    return lambda before: record.fail(before, Failure(None, text))


def intending(entry: Entry, action: Any = "StopInstance") -> Change:
    """Make a change that intends a stop, unless the job has turned back."""
    seen = values.an_observation(at=1.0, instance_id=entry.record.instance_id)
    return lambda before: (
        before if before.turned_back else record.intend(before, Command(action, before.instance_id), seen)
    )


def many(entries: Sequence[Entry]) -> list[tuple[Entry, Change]]:
    """Let all of them intend a stop."""
    return [(entry, intending(entry)) for entry in entries]


@pytest.mark.parametrize("how", ["keep", "commit"])
def test_changes_of_many_jobs_are_one_transaction(how: str) -> None:
    """However many jobs a batch has, what they intend is written down at once, and only what changed."""
    ledger, book, entries = a_ledger()
    unchanged: Change = lambda before: before  # noqa: E731
    getattr(ledger, how)([*many(entries[:2]), (entries[2], unchanged)])
    getattr(ledger, how)([(entry, unchanged) for entry in entries])

    assert book.saved == [(0, 1)]
    assert [entry.record.stop.state for entry in entries] == ["asked", "asked", "none"]


@pytest.mark.parametrize("how", ["keep", "commit"])
def test_a_record_is_on_disk_before_it_counts(how: str) -> None:
    """While it is being written, everybody still sees the record as it was."""
    ledger, book, entries = a_ledger(1)
    seen: list[str] = []
    book.meanwhile = lambda: seen.append(entries[0].record.stop.state)
    getattr(ledger, how)(many(entries))

    assert seen == ["none"]
    assert entries[0].record.stop.state == "asked"


def test_what_cannot_be_written_is_not_intended() -> None:
    """A commit that fails changes nothing but that its jobs turn back, and says so to whoever was about to call."""
    ledger, book, entries = a_ledger()
    book.failing = [JournalError("The disk is full.")]

    with pytest.raises(JournalError):
        ledger.commit(many(entries))

    for entry in entries:
        assert not entry.record.tried
        assert entry.record.error is not None
        assert entry.record.error.message == "The disk is full."


def test_no_other_job_intends_a_wipe_either_once_the_journal_cannot_be_written() -> None:
    """One job finds the journal gone: whatever another one intends would be as unwritten, so it turns back too."""
    ledger, book, (first, other, third) = a_ledger()
    book.failing = [JournalError("The disk is full.")] * 9
    with pytest.raises(JournalError):
        ledger.commit(many([first]))
    ledger.commit(many([other]))
    ledger.keep(many([third]))

    assert not other.record.tried
    assert not third.record.tried
    assert other.record.error == third.record.error == first.record.error


def test_a_machine_still_comes_back_when_the_journal_cannot_be_written() -> None:
    """A start is sent although it is written down nowhere; what is tried again fails at once and stops nobody."""
    ledger, book, (entry,) = a_ledger(1)
    book.failing = [JournalError("The disk is full.")] * 9
    with pytest.raises(JournalError):
        ledger.commit(many([entry]))
    starting = Command("StartInstance", "i-0")
    seen = values.an_observation(at=1.0, instance_id="i-0")
    ledger.commit([(entry, lambda before: record.intend(before, starting, seen))])

    assert entry.record.start.state == "asked"
    assert book.waited == [True, False, False]
    assert ledger.check(brings_back=True)
    assert not ledger.check(brings_back=False)


def test_a_journal_that_can_be_written_again_gets_all_that_it_missed() -> None:
    """Once it can be written, the record of every job that changed meanwhile is written; still no wipe is sent."""
    ledger, book, entries = a_ledger()
    book.failing = [JournalError("The disk is full.")] * 2
    ledger.keep([(entries[0], failing("It failed."))])
    assert book.saved == []
    ledger.keep([(entries[1], failing("It failed, too."))])

    assert book.saved == [(0, 1)]
    assert entries[0].record.turned_back
    assert not ledger.check(brings_back=False)


def test_what_is_kept_counts_though_it_cannot_be_written() -> None:
    """An answer that came is not forgotten because it cannot be written down; the job turns back."""
    ledger, book, (entry,) = a_ledger(1)
    ledger.commit(many([entry]))
    book.failing = [JournalError("The disk is full.")]
    ledger.keep([(entry, lambda before: record.accepted(before, Command("StopInstance", "i-0"), 2.0))])

    assert entry.record.stop.state == "accepted"
    assert entry.record.turned_back


@pytest.mark.parametrize("written", [True, False], ids=["written", "unwritten"])
@pytest.mark.parametrize("how", ["keep", "commit"])
def test_who_lost_the_run_changes_nothing(how: str, written: bool) -> None:
    """A holder whose lease is gone makes no change, also where the journal could not be written before."""
    ledger, book, entries = a_ledger()
    if not written:
        book.failing = [JournalError("The disk is full.")]
        ledger.keep([(entries[2], failing("It failed."))])
    book.lost = True

    with pytest.raises(LeaseLostError):
        getattr(ledger, how)(many(entries[:2]))
    with pytest.raises(LeaseLostError):
        ledger.check(brings_back=True)

    assert [entry.record.stop.state for entry in entries[:2]] == ["none", "none"]
    assert not entries[0].record.turned_back


def test_an_interruption_that_came_before_the_commit_is_heard() -> None:
    """Asked to end while calls were prepared, none of them is intended, and each job knows why."""
    ledger, book, entries = a_ledger()
    ledger.stop.set()
    ledger.commit(many(entries))

    assert [entry.record.interrupted for entry in entries] == [True] * 3
    assert not any(entry.record.tried for entry in entries)
    assert book.saved == [(0, 1, 2)]


def test_an_interruption_while_it_is_written_comes_too_late_for_that() -> None:
    """What is being written down at that moment is intended; whoever makes the call sees the interruption then."""
    ledger, book, entries = a_ledger(1)
    book.meanwhile = ledger.stop.set
    ledger.commit(many(entries))

    assert entries[0].record.stop.state == "asked"
    assert not entries[0].record.interrupted


def test_changes_on_many_threads_are_never_lost() -> None:
    """Every change is made on the record as the change before left it."""
    ledger, _, (entry,) = a_ledger(1)
    threads = [
        threading.Thread(target=lambda n=n: [ledger.keep([(entry, failing(f"<{n}.{m}>"))]) for m in range(20)])
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert entry.record.error is not None
    assert entry.record.error.message.count("<") == 160


@pytest.fixture
def journal(tmp_path: Any) -> Iterator[Journal]:
    """Open a journal on disk."""
    with Journal(tmp_path / "j.db") as opened:
        yield opened


def test_a_batch_is_in_the_journal_as_a_whole_or_not_at_all(journal: Journal) -> None:
    """Through the real journal: many records in one transaction, and none of them when another holder came."""
    entries = [an_entry(position) for position in range(4)]
    plan = {"region": "r", "account": "1", "plan_id": "p"}
    jobs = [(entry.record.instance_id, encode(entry.record)) for entry in entries]
    lease = journal.begin("r-1", plan, "", "", jobs)
    ledger = Ledger(lease, threading.Event())

    def states() -> list[str]:
        stored = journal.run("r-1")
        assert stored is not None
        return [known["stop"]["state"] for _, known, _ in stored.jobs]

    try:
        ledger.commit(many(entries[:3]))
        assert states() == ["asked", "asked", "asked", "none"]

        journal._db.execute("UPDATE leases SET epoch=epoch+1")
        with pytest.raises(LeaseLostError):
            ledger.commit(many(entries))
        assert states() == ["asked", "asked", "asked", "none"]
        assert not entries[3].record.tried
    finally:
        lease.release()
