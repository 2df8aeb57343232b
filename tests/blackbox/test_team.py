"""A journal that a team shares, set up by the very commands of docs/howto/team.md: who may do what in it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from safe_reinit.errors import UsageError
from safe_reinit.journal import open_to_read, open_to_write
from safe_reinit.simulator import Simulator
from tests import blocks, postgresql
from tests.blackbox.worlds import RUN, SECOND, STOPPING, comes_to, held, killed, listed, power, wipes
from tests.blocks import Block
from tests.commands import Command
from tests.postgresql import HOST
from tests.servers import Authority

pytestmark = pytest.mark.virtual_time

PAGE = [block for block in blocks.blocks(blocks.ROOT / "docs/howto/team.md") if "by" in block.words]
PG_HBA, SET_UP, PGPASS, CRON, BACK_UP, RESTORE = PAGE
PEOPLE = {"alice": "safe_operator", "walter": "safe_worker", "rita": "safe_reader"}
"""Who is in the team; ``alice`` is made by the page, the others by the same command."""
PASSWORD = "only-for-tests"
RUN_SECOND = ("--disk", SECOND, "--stop-instance", "--confirm", SECOND)
NOT_ALLOWED = "the role may not do this"


@dataclass
class Team:
    """A server that was set up as the page says, and what is typed at it."""

    server: postgresql.Server
    folder: Path
    bundle: Path

    def journal(self, role: str) -> str:
        """Return the address of the journal for a role."""
        return f"postgresql://{role}@{HOST}/safe_reinit?sslmode=verify-full&sslrootcert={self.bundle}"

    def type(self, line: str, **variables: str) -> str:
        """Type a command as the administrator of the server, with the password wherever one is asked for."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "SAFE_"))}
        there = {"PGHOST": str(self.server.folder), "PGUSER": "safe"}
        done = subprocess.run(
            ["bash", "-c", line], input=f"{PASSWORD}\n{PASSWORD}\n", text=True, cwd=self.folder, check=False,
            start_new_session=True,  # else a terminal is asked for the password
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={
                **kept, **(self.hosts if "safe-reinit" in line else there), "PGPORT": str(self.server.port),
                "PATH": f"{self.folder / 'bin'}:{self.server.bin}:{os.environ['PATH']}", "HOME": str(self.folder),
                "PYTHONPATH": str(blocks.ROOT), **variables,
            },
        )  # fmt: skip
        assert done.returncode == 0, f"$ {line}\n{done.stdout}"
        return done.stdout

    @property
    def hosts(self) -> dict[str, str]:
        """What a host is told: where the server is, and the passwords."""
        return {
            "PGHOSTADDR": "127.0.0.1", "PGPORT": str(self.server.port), "PGPASSFILE": str(self.folder / "pgpass"),
        }  # fmt: skip


def lines(block: Block) -> list[str]:
    """Return the commands of a block as they are typed; what a here document shows is at the prompt of a shell."""
    return [written for written, _ in block.commands]


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory, test_authority: Authority) -> Iterator[Team]:
    """Set a journal up as the page says, and give each of the team a role."""
    folder = tmp_path_factory.mktemp("team")
    program = folder / "bin" / "safe-reinit"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m safe_reinit "$@"\n')
    program.chmod(0o755)
    with postgresql.server_or_skip(test_authority.chain, PG_HBA.text) as server:
        made = Team(server, folder, test_authority.bundle)
        line = PGPASS.text.replace("5432", str(server.port)).replace("PASSWORD", PASSWORD)
        assert line.count("alice") == 1
        passwords = folder / "pgpass"
        passwords.write_text("".join(line.replace("alice", role) for role in ("safe_owner", *PEOPLE)))
        passwords.chmod(0o600)
        typed = lines(SET_UP)
        assert len(typed) == 5
        for each in typed:
            made.type(each)
        for role in ("walter", "rita"):
            made.type(typed[-1].replace("safe_operator", PEOPLE[role]).replace("alice", role))
        yield made


@pytest.fixture(autouse=True)
def _on_a_host(monkeypatch: pytest.MonkeyPatch, team: Team) -> None:
    """Sit at one of the hosts."""
    for name, value in team.hosts.items():
        monkeypatch.setenv(name, value)


def abandoned(sim: Simulator, run: Command, team: Team) -> str:
    """Kill a run of an operator and let its lease run out, which real time alone does; name the run."""
    name = killed(sim, run, team.journal("alice"))  # type: ignore[arg-type]
    assert name in run("runs", "--needs-me", journal=team.journal("rita")).stdout, "also while the lease lasts"
    team.server.sql(f"UPDATE leases SET until = until - 60 WHERE run_id = '{name}'", "safe_reinit")
    return name


def acts(team: Team) -> list[tuple[str, str]]:
    """Return who did what, by the roles, the oldest first."""
    with open_to_read(team.journal("rita")) as journal:
        return [(each.role, each.action) for each in reversed(journal.audit_entries())]


def test_an_operator_carries_out_a_whole_run(sim: Simulator, run: Command, team: Team) -> None:
    """A run of a person whom the page made an operator wipes its disk, holds and lifts; the server names the role."""
    before = len(acts(team))
    done = run(*RUN, journal=team.journal("alice"))
    assert done.returncode == 0, done.stderr
    for words in (("hold", "--reason", "why"), ("unhold",), ("audit",), ("runs",)):
        assert run(*words, journal=team.journal("alice")).returncode == 0

    assert (power(sim), wipes(sim)) == ("Running", 1)
    assert acts(team)[before:] == [
        ("alice", "begin"), ("alice", "end"), ("alice", "hold"), ("alice", "unhold"),
    ]  # fmt: skip


def test_a_reader_lists_and_shows_and_changes_nothing(sim: Simulator, run: Command, team: Team) -> None:
    """What only reads works for a reader; all else is refused in a sentence that says why, and nothing is done."""
    rita, alice = team.journal("rita"), team.journal("alice")
    with held(sim, STOPPING):
        name = abandoned(sim, run, team)
        before = acts(team)
        for words in (("runs",), ("show", name), ("audit",), ("audit", name), ("runs", "--needs-me")):
            done = run(*words, journal=rita)
            assert done.returncode == 0, done.stderr
            assert name in done.stdout
        refused = [
            ("hold", "--reason", "why"), ("cancel", name), ("cancel", "--all"), ("resume", name),
            RUN_SECOND, ("cancel", "r-20200101T000000Z-0000"), ("unhold",),
        ]  # fmt: skip
        for words in refused:
            done = run(*words, journal=rita)
            assert done.returncode == 2, (words, done.stderr)
            assert NOT_ALLOWED in done.stderr, (words, done.stderr)
            least = "worker" if words[0] in ("cancel", "resume") else "operator"
            assert f"Grant it the permissions of safe_{least}," in done.stderr, (words, done.stderr)
            assert "Plan: " not in done.stderr + done.stdout, "it is refused before anybody reads a plan and agrees"
        assert acts(team) == before
    assert wipes(sim) == wipes(sim, SECOND) == 0

    assert run("resume", name, journal=alice).returncode == 0


def test_a_worker_carries_on_what_an_operator_began(sim: Simulator, run: Command, team: Team) -> None:
    """A worker resumes a run that was killed, and may cancel; it begins, holds and forgets nothing."""
    walter, alice = team.journal("walter"), team.journal("alice")
    with held(sim, STOPPING):
        name = abandoned(sim, run, team)
    before = len(acts(team))
    done = run("resume", name, journal=walter)
    assert done.returncode == 0, done.stderr
    assert (power(sim), wipes(sim)) == ("Running", 1)
    assert acts(team)[before:] == [("walter", "take-over"), ("walter", "end")]

    with held(sim, STOPPING):
        child = run.start(*RUN, "--accept", "no-recent-snapshot", journal=alice)  # type: ignore[arg-type]
        comes_to(sim, "Stopping")
        (name,) = (str(each["run_id"]) for each in listed(run, alice) if each["state"] == "open")  # type: ignore[arg-type]
        assert run("cancel", name, journal=walter).returncode == 0
    child.communicate()
    assert (power(sim), wipes(sim)) == ("Running", 1)
    for words in (("hold", "--reason", "why"), RUN_SECOND):
        done = run(*words, journal=walter)
        assert NOT_ALLOWED in done.stderr, (words, done.stderr)
    assert wipes(sim, SECOND) == 0


@pytest.mark.parametrize(
    ("role", "words", "least"),
    [
        ("rita", ("cancel", "--all"), "worker"),
        *(
            (role, words, "operator")
            for role in ("rita", "walter")
            for words in (("unhold",), ("runs", "--prune", "9d"))
        ),
    ],
)
def test_a_right_is_asked_for_where_there_is_nothing_to_do(
    run: Command, team: Team, role: str, words: tuple[str, ...], least: str
) -> None:
    """Whoever may not do it hears that, and who may, also where no run is open, held or old; who may succeeds."""
    before = acts(team)
    refused = run(*words, journal=team.journal(role))

    assert refused.returncode == 2, refused.stderr
    assert NOT_ALLOWED in refused.stderr
    assert f"Grant it the permissions of safe_{least}," in refused.stderr
    assert acts(team) == before
    assert run(*words, journal=team.journal("walter" if least == "worker" else "alice")).returncode == 0


@pytest.mark.parametrize("disconnected", [False, True], ids=["connected", "disconnected"])
def test_a_right_that_is_revoked_in_mid_run_is_waited_for(
    sim: Simulator, run: Command, team: Team, disconnected: bool
) -> None:
    """Nothing is sent until the operator has the right again; then the run goes on, as after any other outage."""
    with held(sim, STOPPING):
        child = run.start(*RUN, journal=team.journal("alice"))  # type: ignore[arg-type]
        comes_to(sim, "Stopping")
        team.server.sql("REVOKE safe_operator FROM alice")
        if disconnected:
            team.server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename='alice'")
    try:
        comes_to(sim, "Stopped")
        time.sleep(60.0)
        sent = wipes(sim), power(sim)
    finally:
        team.server.sql("GRANT safe_operator TO alice")
    _, err = child.communicate()

    assert sent == (0, "Stopped")
    assert (child.returncode, power(sim), wipes(sim)) == (0, "Running", 1), err
    assert f"{NOT_ALLOWED}. Until the journal can be written again, run r-" in err
    assert "waits at most 120 s (journal_outage)" in err
    assert "The journal can be written again" in err


FORBIDDEN = (
    "UPDATE audit SET detail=''", "DELETE FROM audit", "TRUNCATE audit", "DROP TABLE audit",
    "ALTER TABLE audit DISABLE TRIGGER ALL", "DROP TRIGGER audit_is_not_changed ON audit",
    "CREATE OR REPLACE FUNCTION guard_audit() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'",
    "SET session_replication_role = replica", "ALTER TABLE runs ADD more TEXT", "DROP TABLE runs", "TRUNCATE runs",
    "CREATE TABLE more (one INTEGER)", "UPDATE schema_version SET version=2", "UPDATE runs SET plan=''",
    "UPDATE jobs SET instance_id=''",
)  # fmt: skip


@pytest.mark.real_time
@pytest.mark.parametrize("role", PEOPLE)
def test_nobody_of_the_team_changes_the_audit_or_the_tables(team: Team, role: str) -> None:
    """No row of the audit, no table and no plan of a run can be changed or dropped, whatever is typed."""
    with open_to_write(team.journal("alice")) as journal:
        journal.hold_all("why")
        journal.lift_hold()
    before = acts(team)
    with open_to_read(team.journal(role)) as journal:
        for statement in FORBIDDEN:
            with pytest.raises(UsageError, match=NOT_ALLOWED), journal._db.using():
                journal._db.execute(statement)

    assert acts(team) == before != []


@pytest.mark.real_time
def test_a_stranger_is_not_let_in(team: Team) -> None:
    """A role of the server that nobody made one of the team reads nothing."""
    team.server.sql("DROP ROLE IF EXISTS stranger")
    team.type(lines(SET_UP)[0].replace("safe_owner", "stranger"))
    passwords = team.folder / "pgpass"
    passwords.write_text(passwords.read_text() + f"*:*:*:stranger:{PASSWORD}\n")
    with pytest.raises(UsageError, match=NOT_ALLOWED):
        open_to_read(team.journal("stranger"))


def old_run(run: Command, team: Team) -> str:
    """Carry out a run, and let it have ended long ago."""
    alice = team.journal("alice")
    done = run(*RUN, "--output", "json", journal=alice)
    assert done.returncode == 0, done.stderr
    name = str(json.loads(done.stdout)["run_id"])
    team.server.sql(f"UPDATE runs SET ended_at = '2020-01-01T00:00:00Z' WHERE run_id = '{name}'", "safe_reinit")
    return name


def test_the_nightly_line_forgets_old_runs_for_an_operator(run: Command, team: Team) -> None:
    """The line of the crontab forgets what ended long ago, keeps the audit, and prints nothing on stdout to mail."""
    name = old_run(run, team)
    before = acts(team)
    _, line = CRON.text.strip().splitlines()
    line = re.sub(r"^17 3 \* \* \* /usr/local/bin/", "", line)
    text = team.type(line, SAFE_REINIT_JOURNAL=team.journal("alice"))

    assert text == "1 run forgotten.\n"
    assert acts(team) == [*before, ("alice", "prune")]
    with open_to_read(team.journal("rita")) as journal:
        assert journal.run(name) is None
        assert [act.action for act in journal.audit_entries(name)] == ["prune", "end", "begin"]


@pytest.mark.parametrize("role", ["walter", "rita"])
def test_only_an_operator_forgets_runs(run: Command, team: Team, role: str) -> None:
    """Neither a worker nor a reader can forget a run."""
    name = old_run(run, team)
    refused = run("runs", "--prune", "400d", journal=team.journal(role))

    assert refused.returncode == 2
    assert NOT_ALLOWED in refused.stderr
    assert run("show", name, journal=team.journal(role)).returncode == 0
    assert "1 run forgotten" in run("runs", "--prune", "400d", journal=team.journal("alice")).stderr


def test_a_dump_restores_the_journal_with_its_audit_and_its_rights(sim: Simulator, run: Command, team: Team) -> None:
    """Runs, audit, rights and guards come back; a run that has ended since is open again, and wipes nothing twice."""
    alice = team.journal("alice")
    with held(sim, STOPPING):
        name = abandoned(sim, run, team)
    for line in lines(BACK_UP):
        team.type(line)
    before = acts(team)
    assert run("resume", name, journal=alice).returncode == 0
    assert acts(team) == [*before, ("alice", "take-over"), ("alice", "end")]

    team.type("dropdb --force safe_reinit")
    restore, hold = lines(RESTORE)
    team.type(restore)
    assert "Held: " in team.type(hold, SAFE_REINIT_JOURNAL=alice)

    assert acts(team) == [*before, ("alice", "hold")]
    assert "alice" in (team.folder / "roles.sql").read_text()
    assert "restored from a backup" in run(*RUN_SECOND, journal=alice).stderr
    assert f"next: safe-reinit resume {name}" in run("runs", journal=team.journal("rita")).stdout
    assert run("unhold", journal=alice).returncode == 0
    assert run("resume", name, journal=alice).returncode == 4
    assert (power(sim), wipes(sim)) == ("Running", 1)
    for role, statement in (("safe_owner", "DELETE FROM audit"), ("rita", "DELETE FROM hold")):
        journal = open_to_read(team.journal(role))
        with journal, pytest.raises(UsageError, match=NOT_ALLOWED), journal._db.using():
            journal._db.execute(statement)
