"""A journal in PostgreSQL when its server is away, is another one than before, or does not answer a COMMIT."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import pytest

from safe_reinit.cli import app
from safe_reinit.errors import RunRefused, UsageError
from safe_reinit.journal import (
    Journal,
    JournalError,
    JournalLostError,
    Lease,
    Reader,
    ShardToBegin,
    open_to_read,
    open_to_write,
)
from safe_reinit.journal import postgres as database
from safe_reinit.journal.database import AwayError
from safe_reinit.journal.place import redacted
from safe_reinit.journal.refusals import unusable
from tests import postgresql
from tests.commands import until
from tests.servers import refused_port

T = TypeVar("T")

RUN_ID = "r-20260101T000000Z-0001"


def begin(journal: Journal, name: str = RUN_ID, instance: str = "i-1", account: str = "1") -> Lease:
    """Write a run down."""
    plan = {"plan_id": name, "account": account, "region": "cn-hangzhou", "options": {}, "jobs": []}
    return journal.begin(name, plan, "", "", [(instance, ["d-1"], {})])


@pytest.fixture
def own(postgres: postgresql.Server) -> Iterator[postgresql.Server]:
    """Let a test stop, copy and replace the server."""
    yield postgres
    if not postgres.runs:  # the test failed while it was away
        postgres.start()


def lose_answer(monkeypatch: pytest.MonkeyPatch, *, arrives: bool) -> list[str]:
    """Let the answer to the next COMMIT be lost, whether or not it arrives."""
    execute = psycopg.Connection.execute
    lost: list[str] = []

    def losing(self: Any, query: Any, *values: Any, **more: Any) -> Any:
        if query == "COMMIT" and not lost:
            lost.append("COMMIT")
            if arrives:
                execute(self, query)
            self.close()
            raise psycopg.OperationalError("the connection was lost")
        return execute(self, query, *values, **more)

    monkeypatch.setattr(psycopg.Connection, "execute", losing)
    return lost


@pytest.mark.parametrize("arrives", [True, False])
def test_a_commit_whose_answer_is_lost_counts_by_what_the_server_says(
    monkeypatch: pytest.MonkeyPatch, postgres: postgresql.Server, arrives: bool
) -> None:
    """It is read back on a new connection: what was committed is not written again, and what was not is an error."""
    with open_to_write(postgres.new()) as journal:
        lease = begin(journal)
        lost = lose_answer(monkeypatch, arrives=arrives)
        if arrives:
            lease.save((0, {"step": 1}))
        else:
            with pytest.raises(JournalError, match="cannot be reached, or does not answer"):
                lease.save((0, {"step": 1}))
        assert lost
        assert journal.runs()[0].jobs[0].state_text == ('{"step": 1}' if arrives else "{}")
        lease.save((0, {"step": 2}))
        assert journal.runs()[0].jobs[0].state_text == '{"step": 2}'
        lease.release()


def reached(work: Callable[[], T]) -> T:
    """Do it as a run does: again while the server cannot be reached, which takes long on a busy machine."""
    results: list[T] = []

    def is_done() -> bool:
        try:
            results.append(work())
        except JournalLostError:
            raise
        except (JournalError, AwayError):
            return False
        return True

    until(is_done)
    return results[0]


def test_a_server_that_comes_back_is_gone_on_with(own: postgresql.Server) -> None:
    """Killed and started again, the server has all that it said it had; nothing is written while it is away."""
    with open_to_write(own.new()) as journal:
        lease = begin(journal)
        lease.save((0, {"step": 1}))
        own.stop("immediate")
        with pytest.raises(JournalError, match="cannot be reached"):
            lease.save((0, {"step": 2}))
        own.start()
        assert reached(journal.runs)[0].jobs[0].state_text == '{"step": 1}'
        lease.save((0, {"step": 3}))
        assert journal.runs()[0].jobs[0].state_text == '{"step": 3}'
        lease.release()


def test_a_server_that_hangs_counts_as_away(monkeypatch: pytest.MonkeyPatch, own: postgresql.Server) -> None:
    """What it is sent arrives, and nothing comes back: that is an error, and not a wait without end."""
    with open_to_write(f"{own.new()}&connect_timeout=2") as journal:
        lease = begin(journal)
        own.hang()
        try:
            with monkeypatch.context() as patch:
                patch.setattr(database, "_SILENCE_LIMIT", 0.5)  # of a server that never answers any time is enough
                with pytest.raises(JournalError, match="does not answer"):
                    lease.save((0, {"step": 1}))
        finally:
            own.hang(hangs=False)

        reached(lambda: lease.save((0, {"step": 2})))
        assert journal.runs()[0].jobs[0].state_text == '{"step": 2}'
        lease.release()


def test_a_transaction_whose_client_is_lost_ends_after_many_rows_as_after_one(postgres: postgresql.Server) -> None:
    """A process that is paused or cut off keeps the locks of its transaction only until the server's limit."""
    limited = "SELECT set_config('idle_in_transaction_session_timeout', ?, true)"
    with closing(database.Postgres(postgres.new())) as lost, suppress(UsageError), lost.transaction():
        number = lost.execute("SELECT pg_backend_pid()").fetchone()[0]
        lost.executemany(limited, [("1",), ("1",)])  # milliseconds
        until(lambda: postgres.sql(f"SELECT count(*) FROM pg_stat_activity WHERE pid={number}") == "0")


def test_a_database_without_an_encoding_keeps_text(postgres: postgresql.Server) -> None:
    """Where no locale is set, initdb makes such a one. What is written there is read as text."""
    postgres.sql("CREATE DATABASE plain ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
    try:
        with open_to_write(postgres.address("public").replace("/journals?", "/plain?")) as journal:
            lease = begin(journal)
            lease.save((0, {"step": 1}))
            (run,) = journal.runs()
            assert (run.run_id, run.jobs[0].state_text) == (RUN_ID, '{"step": 1}')
            lease.release()
    finally:
        postgres.sql("DROP DATABASE plain WITH (FORCE)")


def test_a_server_that_took_over_is_not_written_to(own: postgresql.Server) -> None:
    """A copy that was promoted may lack what was committed last: the run wipes nothing more, whoever resumes it."""
    place = own.new()
    schema = place.rpartition("%3D")[2]
    with open_to_write(place) as journal:
        lease = begin(journal)
        own.run(own.bin / "pg_basebackup", "-h", own.folder, "-p", own.port, "-U", "safe", "-D", own.folder / "copy",
                "-R", "-X", "stream", "--no-sync", "--checkpoint=fast")  # fmt: skip
        lease.save((0, {"step": 1}))
        own.stop("immediate")
        own.start("copy")
        try:
            own.run(own.bin / "pg_ctl", "-w", "-D", own.folder / "copy", "promote")
            with pytest.raises(JournalLostError, match="another server than before, or was failed over"):
                reached(lambda: lease.save((0, {"step": 2})))
            with pytest.raises(JournalError, match="another server"):
                lease.check()
            own.sql(f"UPDATE {schema}.leases SET until=0")
            with open_to_write(place) as there:
                taken = there.acquire_lease(RUN_ID)
                assert taken is not None
                assert taken.server_changed
                taken.release()
                again = there.acquire_lease(RUN_ID)
                assert again is not None
                assert again.server_changed
                again.release()
        finally:
            own.stop("immediate", "copy")
            own.start()


def test_a_restored_backup_is_noticed(own: postgresql.Server) -> None:
    """A server that was put back to an earlier state, on the same timeline, does not have what was written since."""
    with open_to_write(own.new()) as journal:
        lease = begin(journal)
        lease.save((0, {"step": 1}))
        own.stop()
        shutil.copytree(own.folder / "data", own.folder / "before")
        own.run("chmod", "-R", "u=rwX,go=", own.folder / "data")
        own.start()
        reached(lambda: lease.save((0, {"step": 2})))
        own.stop()
        restore(own.folder / "before", own.folder / "data")
        own.start()
        with pytest.raises(JournalLostError, match="was reset to a"):
            reached(lambda: lease.save((0, {"step": 3})))
        assert journal.runs()[0].jobs[0].state_text == '{"step": 1}'


def restore(before: Path, data: Path) -> None:
    """Put a folder of data back, with the owner that it had."""
    owner = data.stat()
    shutil.rmtree(data)
    shutil.copytree(before, data)
    for each in (data, *data.rglob("*")):
        shutil.chown(each, owner.st_uid, owner.st_gid)
    data.chmod(0o700)


def test_two_hosts_begin_on_one_machine(postgres: postgresql.Server) -> None:
    """Exactly one of two runs on a machine begins, also where the account of one is not known."""
    place = postgres.new()
    with open_to_write(place) as ours, open_to_write(place) as theirs:
        lease = begin(ours)
        with pytest.raises(Exception, match=f"Run {RUN_ID} has not finished with i-1"):
            begin(theirs, "r-20260101T000000Z-0002", account="")
        lease.release()


def test_two_processes_make_one_new_journal(postgres: postgresql.Server) -> None:
    """Whoever waited for the other one's tables sees them, and does not make them again."""
    place, together = postgres.new(), threading.Barrier(3)

    def open_it() -> bool:
        together.wait()
        with open_to_write(place) as journal:
            return journal.runs() == []

    with ThreadPoolExecutor(3) as processes:
        assert [each.result() for each in [processes.submit(open_it) for _ in range(3)]] == [True] * 3


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("postgresql://u:secret0word@127.0.0.1:1/x", "cannot be reached"),
        ("postgresql://u@127.0.0.1:1/x?password=secret0word", "cannot be reached"),
        ("host=127.0.0.1 dbname=secret0word", "not a valid PostgreSQL address"),
        ("postgresql://u:secret0word@127.0.0.1:1/x?nonsense=1", "not a valid PostgreSQL address"),
    ],
)
def test_an_address_is_shown_without_its_password(address: str, text: str) -> None:
    """What goes wrong is said with the address, and never with the password in it."""
    with pytest.raises(UsageError, match=text) as refused:
        open_to_read(address)

    assert "secret0word" not in f"{refused.value} {refused.value.hint} {refused.value.__cause__} {redacted(address)}"
    assert refused.value.__suppress_context__


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("connection to server at 127.0.0.1 failed: Connection refused", 3),
        ("failed to resolve host 'db': Name or service not known", 3),
        ("FATAL:  too many connections for role", 3),
        ("FATAL:  password authentication failed for user", 2),
        ('FATAL:  database "x" does not exist', 2),
        ("SSL error: certificate verify failed", 2),
    ],
)
def test_a_server_that_cannot_be_reached_is_no_mistake_of_the_command(text: str, code: int) -> None:
    """It is refused as where ECS cannot be asked; what has to be corrected first is wrong usage."""
    error = unusable("postgresql://db/x", psycopg.OperationalError(text))

    assert (error.exit_code, isinstance(error, RunRefused)) == (code, code == 3)


@pytest.mark.parametrize(
    "words",
    [
        ("runs",), ("audit",), ("show", RUN_ID), ("cancel", RUN_ID), ("cancel", "--all"), ("resume", RUN_ID),
        ("hold", "--reason", "x"), ("unhold",),
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_command_whose_journal_is_away_is_refused(capsys: pytest.CaptureFixture[str], words: tuple[str, ...]) -> None:
    """A database that does not answer ends it with 3, as ECS or a Temporal server that does not."""
    code = app.run([*words, "--journal", f"postgresql://u@127.0.0.1:{refused_port()}/x"])

    assert (code, "cannot be reached" in capsys.readouterr().err) == (3, True)


@pytest.mark.parametrize(
    ("opens", "role"),
    [
        (open_to_read, "reader"),
        (open_to_write, "worker"),
        (lambda place: open_to_write(place, "operator"), "operator"),
    ],
)
def test_a_role_without_rights_is_shown_the_least_that_it_needs(
    postgres: postgresql.Server, opens: Callable[[str], Reader], role: str
) -> None:
    """Nobody is told to hand out more rights than what was wanted takes, and nothing of PostgreSQL's own text."""
    place = postgres.new()
    open_to_write(place).close()
    postgres.sql("DROP ROLE IF EXISTS nobody_here; CREATE ROLE nobody_here LOGIN")
    with pytest.raises(UsageError, match="the role may not do this") as refused:
        opens(place.replace("safe@", "nobody_here@"))

    assert refused.value.hint == f"Grant it the permissions of safe_{role}, as the documentation says."


def test_the_end_of_a_run_of_shards_is_written_once_it_has_none_left(postgres: postgresql.Server) -> None:
    """A run is open until its last shard has ended and its own end is written down, which only the first one does."""
    plan = {"plan_id": RUN_ID, "account": "1", "region": "cn-hangzhou", "options": {}, "jobs": []}
    shard = ShardToBegin({**plan, "plan_id": f"{RUN_ID}.0"}, "5e", [("i-1", ["d-1"], {})])
    done = {"outcome": "done", "exit_code": 0, "jobs": [{}]}
    with open_to_write(postgres.new()) as journal:
        journal.begin_shards(RUN_ID, plan, "", "", [shard])
        early = journal.end_shards(RUN_ID, done, None)
        lease = journal.acquire_lease(f"{RUN_ID}.0")
        assert lease is not None
        lease.end(done, ())
        left = [run.run_id for run in journal.runs(0)]
        ended = [journal.end_shards(RUN_ID, done, None) for _ in range(2)]

        assert (early, left, ended, journal.runs(0)) == (False, [RUN_ID], [True, False], [])
        with pytest.raises(RunRefused, match="has ended: done"):
            journal.cancel(RUN_ID)
