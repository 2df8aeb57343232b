"""The states of a run in the journal: one transaction for many, and what happens when the journal or lease is gone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from safe_reinit.core.events import Failed, Intended
from safe_reinit.core.evolve import evolve
from safe_reinit.core.inputs import (
    AcceptedBefore,
    Commit,
    Committed,
    Heard,
    JournalAway,
    JournalLost,
    LeaseLapsed,
    NoRoom,
)
from safe_reinit.errors import UsageError
from safe_reinit.execution.store import StateStore
from safe_reinit.journal import (
    NO_SPOOL,
    Journal,
    JournalError,
    JournalLostError,
    LateAnswer,
    LeaseLostError,
    NoRoomError,
    Spool,
    open_to_write,
)
from safe_reinit.model import Command, Failure, InUse, JobState, Measurement, Room
from safe_reinit.model.codec import encode
from tests import values
from tests.core.runs import Steps
from tests.execution.worlds import Book

FULL = JournalError("The disk is full.")
REMOVED = JournalLostError("It was removed.")
FAILURE = Failure(
    None,
    "The disk is full.",
    hint="Once it can be written again, resume this run. Disks that are not wiped then need a new plan.",
)


def a_store(folder: Path | None = None) -> tuple[StateStore, Book]:
    """Return a store, and the book that it writes in; with a folder also one for what the journal lacks."""
    book: Any = Book()
    return StateStore(book, Spool(folder) if folder else NO_SPOOL, book.messages.append), book


def commit(*states: tuple[int, JobState], spool: bool = False) -> Commit:
    """Return a commit of states."""
    return Commit(states, spool=spool)


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

    assert store.commit(commit(*states())) == Committed()
    assert book.saved == [dict(states())]
    assert book.waited == [2.0]


def test_what_runs_share_is_measured_in_the_time_of_the_cloud() -> None:
    """The journal counts real seconds and the run those of its cloud, of which a simulator may pack many into one."""
    book: Any = Book()
    store = StateStore(book, rate=10.0)
    in_use, seen = (
        InUse(
            down=1, taken=(("ReInitDisk", 2.0 * rate, 3),), closed=(("StopInstances", 4.0 * rate),),
            took=(("stop", 3.0 * rate),), run_ids=("r-2",),
        ) for rate in (1.0, 10.0)
    )  # fmt: skip
    book.failing.append(NoRoomError(in_use))
    throttled, stopped = Measurement("StopInstance", closed_for=50.0), Measurement("stop", took=30.0)
    asked = replace(commit(*states()), room=Room(5, 400, 30.0), measurements=(throttled, stopped))

    assert store.commit(asked) == NoRoom(seen)
    result = (Measurement("StopInstance", closed_for=5.0), Measurement("stop", took=3.0))
    assert book.shared == [(Room(5, 400, 3.0), result)]
    assert book.saved == []
    book.others = in_use
    assert store.read_in_use() == Heard(seen)


def test_what_others_use_is_not_needed_to_go_on() -> None:
    """Where the journal cannot be read, what was heard last counts: the next commit finds out anyway."""
    store, book = a_store()
    book.unchecked.append(UsageError("It cannot be read."))

    assert store.read_in_use() is None


def test_a_commit_that_fails_is_reported_each_time() -> None:
    """As long as the core waits for the journal, nothing counts as written that is not."""
    store, book = a_store()
    book.failing = [FULL] * 2

    assert [store.commit(commit(*states())) for _ in range(3)] == [
        JournalAway(FAILURE),
        JournalAway(FAILURE),
        Committed(),
    ]
    assert book.waited == [2.0] * 3
    assert book.saved == [dict(states())]


@pytest.mark.parametrize(("error", "kind"), [(FULL, JournalAway), (REMOVED, JournalLost)])
def test_a_journal_that_may_come_back_is_distinguished_from_one_that_never_will(error: Exception, kind: type) -> None:
    """A full disk can be waited for; a journal that was removed or put back cannot, however that is found."""
    store, book = a_store()
    book.failing, book.unchecked = [error], [error]

    (checked,) = store.hold()
    assert [type(store.commit(commit(*states()))), type(checked)] == [kind, kind]


def test_what_was_written_to_a_journal_that_is_lost_is_kept_on_this_host(tmp_path: Path) -> None:
    """A journal that was put back lacks what was written since: whoever resumes the run here must know of it."""
    store, book = a_store(tmp_path / "spool")
    store.commit(commit(*states()))
    book.unchecked = [REMOVED]
    store.hold()

    kept = Spool(tmp_path / "spool").read("r-1")
    assert kept is not None
    assert kept.states == dict(states())


def test_what_need_not_be_in_the_journal_is_kept_on_this_host(tmp_path: Path) -> None:
    """Once nobody waits for the journal, each commit counts as done: all that the journal lacks is in one file."""
    store, book = a_store(tmp_path / "spool")
    first, second, third = states()
    book.failing = [FULL] * 3

    assert store.commit(commit(first, spool=True)) == Committed()
    assert store.commit(commit((0, failed(first[1])), second, spool=True)) == Committed()
    kept = Spool(tmp_path / "spool").read("r-1")
    assert kept is not None
    assert (kept.epoch, kept.session) == (book.epoch, book.session)
    assert kept.states == {0: failed(first[1]), 1: second[1]}
    assert book.waited == [False, False]
    (text,) = book.messages
    assert str(tmp_path / "spool" / "r-1.json") in text
    assert "safe-reinit resume r-1 on this host" in text
    store.commit(commit(third, spool=True))
    assert book.saved == []
    store.commit(commit(spool=True))

    assert book.saved == [{0: failed(first[1]), 1: second[1], 2: third[1]}], "the journal gets all that it lacks"
    assert Spool(tmp_path / "spool").read("r-1") is None
    store.commit(commit(second, spool=True))
    assert book.saved[1:] == [{1: second[1]}], "what was written is not written again"


def test_where_nothing_can_be_kept_a_machine_still_comes_back(tmp_path: Path) -> None:
    """Nobody stays down because nothing can be written at all: it is said that only the output tells."""
    (tmp_path / "spool").write_text("a file where the folder should be")
    store, book = a_store(tmp_path / "spool")
    book.failing = [FULL] * 2

    assert [store.commit(commit(*states(), spool=True)) for _ in range(2)] == [Committed(), Committed()]
    (text,) = book.messages
    assert "keep this output" in text


@pytest.mark.parametrize("how", ["a commit", "a check"])
def test_while_the_journal_is_away_only_what_brings_back_is_sent(how: str) -> None:
    """Whether a commit or a check found it: nothing else is sent, until it could be written again."""
    store, book = a_store()
    if how == "a commit":
        book.failing = [FULL]
        store.commit(commit(*states()))
    else:
        book.unchecked = [FULL]
        store.hold()

    assert store.may_send(brings_back=True)
    assert not store.may_send(brings_back=False)
    store.commit(commit())
    assert store.may_send(brings_back=False)


def test_a_journal_that_is_away_is_reported_by_each_check() -> None:
    """A lease that has run out and cannot be renewed is told at each step, since the core counts from the first."""
    store, book = a_store()
    book.unchecked = [FULL] * 2

    assert [store.hold() for _ in range(3)] == [[JournalAway(FAILURE)], [JournalAway(FAILURE)], []]


@pytest.mark.parametrize("written", [True, False], ids=["written", "unwritten"])
def test_who_lost_the_run_writes_nothing(written: bool) -> None:
    """A session whose lease is gone writes nothing, also where the journal could not be written before."""
    store, book = a_store()
    if not written:
        book.failing = [FULL]
        store.commit(commit(*states()))
    book.lost = True

    with pytest.raises(LeaseLostError):
        store.commit(commit(*states()))
    with pytest.raises(LeaseLostError):
        store.hold()
    with pytest.raises(LeaseLostError):
        store.may_send(brings_back=True)
    assert book.saved == []


def test_a_lease_that_had_run_out_is_reported_once() -> None:
    """A pause of the process is an input of the next step, whether it was found by a check or by a commit."""
    store, book = a_store()
    assert store.hold() == []
    book.lapses += 1

    assert store.hold() == [LeaseLapsed()]
    assert store.hold() == []


def test_what_was_accepted_of_a_session_before_is_reported_once() -> None:
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
        assert store.commit(commit(*states(4)[:3])) == Committed()
        assert written() == ["asked", "asked", "asked", "none"]

        journal._db.execute("UPDATE leases SET epoch=epoch+1")
        with pytest.raises(LeaseLostError):
            store.commit(commit(*((n, failed(each)) for n, each in enumerate(before))))
        assert written() == ["asked", "asked", "asked", "none"]
    finally:
        lease.release()


def test_a_journal_that_is_away_from_a_shard_asks_nobody_to_resume() -> None:
    """The run goes on by itself at its workers, whoever reads of the outage."""
    book: Any = Book()
    book.failing = [FULL]
    result = StateStore(book, name="the run of the shard").commit(commit(*states()))

    assert isinstance(result, JournalAway)
    assert "a worker continues this run automatically" in result.failure.hint
    assert "resume" not in result.failure.hint
