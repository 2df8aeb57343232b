"""The states of a run in the journal: one transaction for many, and what happens when the journal or lease is gone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from safe_reinit.core.events import Failed, Intended
from safe_reinit.core.evolve import evolve
from safe_reinit.core.inputs import AcceptedBefore, Committed, JournalFailed, LeaseLapsed
from safe_reinit.execution.store import StateStore
from safe_reinit.journal import Journal, JournalError, LateAnswer, LeaseLostError, open_to_write
from safe_reinit.model import Command, Failure, JobState
from safe_reinit.model.codec import encode
from tests import values
from tests.core.runs import Steps
from tests.execution.worlds import Book

FULL = JournalError("The disk is full.")
FAILURE = Failure(
    None,
    "The disk is full.",
    hint="This run stops and wipes nothing more, and may not be recorded from here on. Repair the journal first.",
)


def a_store() -> tuple[StateStore, Book]:
    """Return a store, and the book that it writes in."""
    book: Any = Book()
    return StateStore(book), book


def states(count: int = 3) -> list[tuple[int, JobState]]:
    """Return the states of so many jobs, each of which intends a stop."""
    return [(n, intending(known)) for n, known in enumerate(Steps(count).states)]


def intending(known: JobState) -> JobState:
    """Let a job intend its stop."""
    seen = values.an_observation(at=1.0, instance_id=known.instance_id)
    return evolve(known, Intended(Command("StopInstance", known.instance_id), seen))


def failed(known: JobState) -> JobState:
    """Let a job fail."""
    return evolve(known, Failed(FAILURE))


def test_states_of_many_jobs_are_one_transaction() -> None:
    """However many jobs a batch has, what they intend is written down at once, and waited for."""
    store, book = a_store()

    assert store.commit(states()) == Committed()
    assert book.saved == [dict(states())]
    assert book.waited == [True]


def test_a_journal_that_cannot_be_written_is_told_once() -> None:
    """The first commit that fails says so; from then on each tries at once, and nobody waits for it."""
    store, book = a_store()
    book.failing = [FULL] * 9

    assert store.commit(states()) == JournalFailed(FAILURE)
    assert [store.commit(states()), store.commit(states())] == [Committed(), Committed()]
    assert book.waited == [True, False, False]
    assert store.hold() == []


def test_a_journal_that_can_be_written_again_gets_all_that_it_missed() -> None:
    """Once it can be written, every state that changed meanwhile is written; still no wipe is sent."""
    store, book = a_store()
    first, second, third = states()
    book.failing = [FULL] * 3
    store.commit([first])
    store.commit([(0, failed(first[1])), second])
    store.commit([third])
    assert book.saved == []
    store.commit([(2, failed(third[1]))])

    assert book.saved == [{0: failed(first[1]), 1: second[1], 2: failed(third[1])}]
    assert not store.may_send(brings_back=False)
    assert store.may_send(brings_back=True)
    store.commit([second])
    assert book.saved[1:] == [{1: second[1]}], "what was written is not written again"


def test_a_journal_that_is_away_is_told_once_when_it_is_checked() -> None:
    """A journal that was removed or replaced is found before the next call, and is as one that cannot be written."""
    store, book = a_store()
    book.unchecked = [FULL] * 9

    assert store.hold() == [JournalFailed(FAILURE)]
    assert store.hold() == []
    assert store.may_send(brings_back=True)
    assert not store.may_send(brings_back=False)
    book.unchecked = []
    assert not store.may_send(brings_back=False), "for good"


@pytest.mark.parametrize("written", [True, False], ids=["written", "unwritten"])
def test_who_lost_the_run_writes_nothing(written: bool) -> None:
    """A session whose lease is gone writes nothing, also where the journal could not be written before."""
    store, book = a_store()
    if not written:
        book.failing = [FULL]
        store.commit(states())
    book.lost = True

    with pytest.raises(LeaseLostError):
        store.commit(states())
    with pytest.raises(LeaseLostError):
        store.hold()
    with pytest.raises(LeaseLostError):
        store.may_send(brings_back=True)
    assert book.saved == []


def test_a_lease_that_had_run_out_is_told_once() -> None:
    """A pause of the process is an input of the next step, whether it was found by a check or by a commit."""
    store, book = a_store()
    assert store.hold() == []
    book.lapses += 1

    assert store.hold() == [LeaseLapsed()]
    assert store.hold() == []


def test_what_was_accepted_of_a_session_before_is_told_once() -> None:
    """The core learns of a wipe whose answer came to whoever held the run before."""
    store, book = a_store()
    book.late = [LateAnswer(1, "ReInitDisk", "d-1", 1, number=7)]

    assert store.hold() == [AcceptedBefore(1, Command("ReInitDisk", "d-1"))]
    assert store.hold() == []


def test_what_a_lease_lapsed_before_the_run_began_is_no_pause_of_it() -> None:
    """Only what happens from here on counts."""
    book: Any = Book()
    book.lapses = 3

    assert StateStore(book).hold() == []


@pytest.mark.parametrize("back", [True, False])
def test_behind_a_lease_that_had_run_out_nothing_is_sent(back: bool) -> None:
    """What was observed before is too old, for whatever call."""
    store, book = a_store()
    assert store.may_send(brings_back=back)
    book.held = False

    assert not store.may_send(brings_back=back)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """Open a journal on disk."""
    with open_to_write(tmp_path / "j.db") as opened:
        yield opened


def test_a_batch_is_in_the_journal_as_a_whole_or_not_at_all(journal: Journal) -> None:
    """Through the real journal: many states in one transaction, and none of them when another session came."""
    before = Steps(4).states
    plan = {"region": "r", "account": "1", "plan_id": "p"}
    lease = journal.begin("r-1", plan, "", "", [(each.instance_id, (), encode(each)) for each in before])
    store = StateStore(lease)

    def written() -> list[str]:
        stored = journal.run("r-1")
        assert stored is not None
        return [each.state.stop.state for each in stored.jobs]

    try:
        assert store.commit(states(4)[:3]) == Committed()
        assert written() == ["asked", "asked", "asked", "none"]

        journal._db.execute("UPDATE leases SET epoch=epoch+1")
        with pytest.raises(LeaseLostError):
            store.commit([(n, failed(each)) for n, each in enumerate(before)])
        assert written() == ["asked", "asked", "asked", "none"]
    finally:
        lease.release()
