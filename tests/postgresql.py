"""A PostgreSQL of the tests' own: a server in a temporary folder that listens on a socket there, and nowhere else."""

from __future__ import annotations

import glob
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.servers import refused_port

_PLACES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/pgsql/bin")
_USER = "postgres"
"""Who runs the server where the tests are root's, whom PostgreSQL refuses."""


def programs() -> Path | None:
    """Return the folder of the server's programs; ``None`` where there is none."""
    found = sorted(path for place in _PLACES for path in glob.glob(place) if Path(path, "initdb").exists())
    if found:
        return Path(found[-1])
    named = shutil.which("initdb")
    return Path(named).resolve().parent if named else None


@dataclass
class Server:
    """A running server, its folder and its programs."""

    folder: Path
    bin: Path
    port: int = 5432
    settings: Mapping[str, object] = field(default_factory=dict)
    """What it is always started with, besides the usual."""
    _names: Iterator[int] = field(default_factory=itertools.count)

    def address(self, schema: str, **more: str) -> str:
        """Return the address of a journal in a schema of its own."""
        options = "&".join(f"{name}={quote(value)}" for name, value in more.items())
        return (
            f"postgresql://safe@/journals?host={quote(str(self.folder))}&port={self.port}"
            f"&options={quote(f'-csearch_path={schema}')}{'&' if options else ''}{options}"
        )

    def new(self) -> str:
        """Make an empty schema, and return the address of a journal in it."""
        name = f"journal_{os.getpid()}_{next(self._names)}"
        self.sql(f"CREATE SCHEMA {name}")
        return self.address(name)

    def sql(self, statement: str, database: str = "journals") -> str:
        """Carry out a statement as the owner, and return what it gave."""
        return self.client("psql", "-XAtq", "-c", statement, database).strip()

    def client(self, program: str, *words: object) -> str:
        """Run a client as the owner, whatever a test has clients be told, and return what it said."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        there = {"PGHOST": str(self.folder), "PGPORT": str(self.port), "PGUSER": "safe"}
        argv = [str(each) for each in (self.bin / program, *words)]
        return subprocess.run(argv, check=True, capture_output=True, text=True, env=kept | there).stdout

    def run(self, *words: object) -> None:
        """Run one of the server's programs as the user that the server has."""
        subprocess.run([str(each) for each in words], check=True, capture_output=True, cwd=self.folder, **_as_user())

    def start(self, data: str = "data", **settings: object) -> None:
        """Start the server on a folder of data, and wait until it answers."""
        usual: dict[str, object] = {
            "listen_addresses": "''", "unix_socket_directories": f"'{self.folder}'", "port": self.port, "fsync": "off",
            "max_wal_senders": 4, "wal_level": "replica", "hot_standby": "on",
        }  # fmt: skip
        options = " ".join(f"-c {name}={value}" for name, value in {**usual, **self.settings, **settings}.items())
        log = self.folder / f"{data}.log"
        self.run(self.bin / "pg_ctl", "-w", "-t", "60", "-D", self.folder / data, "-l", log, "-o", options, "start")

    @property
    def runs(self) -> bool:
        """Whether it is not stopped."""
        return (self.folder / "data" / "postmaster.pid").exists()

    def hang(self, *, hangs: bool = True) -> None:
        """Let every process of the server stand still, as on a disk that does not answer, or go on."""
        pid = (self.folder / "data" / "postmaster.pid").read_text().split()[0]
        own = [pid, *Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        for each in own:
            with suppress(ProcessLookupError):
                os.kill(int(each), signal.SIGSTOP if hangs else signal.SIGCONT)

    def stop(self, how: str = "fast", data: str = "data") -> None:
        """Stop the server: ``fast`` in order, ``immediate`` as if it were killed."""
        self.run(self.bin / "pg_ctl", "-w", "-t", "60", "-D", self.folder / data, "-m", how, "stop")


def _as_user() -> dict[str, Any]:
    return {"user": _USER, "group": _USER, "extra_groups": []} if os.getuid() == 0 else {}


HOST = "db.example.com"
"""What a server is called that is asked over the network; ``PGHOSTADDR`` says that it is here."""


@contextmanager
def server_or_skip(certificate: Path | None = None, pg_hba: str = "") -> Iterator[Server]:
    """Start a server as ``server`` does; where there is none, skip the test that wants it."""
    try:
        with server(certificate, pg_hba) as started:
            yield started
    except LookupError as missing:
        pytest.skip(str(missing))


@contextmanager
def server(certificate: Path | None = None, pg_hba: str = "") -> Iterator[Server]:
    """Start a server, with a database ``journals`` of a role ``safe``, and end it with all that it has.

    Args:
        certificate: its certificates and its key, to be asked by TLS at 127.0.0.1.
        pg_hba: who is let in there, as a line of ``pg_hba.conf``.

    Raises:
        LookupError: there is no PostgreSQL here, or no user who may run it.
    """
    found = programs()
    if found is None:
        raise LookupError("PostgreSQL's server is not installed (Debian: apt-get install postgresql)")
    folder = Path(tempfile.mkdtemp(prefix="safe-reinit-pg-"))
    try:
        if os.getuid() == 0:
            try:
                user = pwd.getpwnam(_USER)
            except KeyError:
                raise LookupError(f"there is no user {_USER} to run PostgreSQL's server") from None
            os.chown(folder, user.pw_uid, user.pw_gid)
        made = Server(folder, found)
        made.run(found / "initdb", "-D", folder / "data", "-U", "safe", "-A", "trust", "--no-sync", "-E", "UTF8")
        if certificate is not None:
            listen(made, certificate, pg_hba)
        made.start()
        try:
            made.sql("CREATE DATABASE journals", "postgres")
            yield made
        finally:
            made.stop("immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def listen(made: Server, certificate: Path, pg_hba: str) -> None:
    """Let a server that is not started yet be asked at 127.0.0.1, too."""
    owner, copy = made.folder.stat(), made.folder / "server.pem"
    shutil.copy(certificate, copy)
    os.chown(copy, owner.st_uid, owner.st_gid)
    copy.chmod(0o600)
    (made.folder / "data" / "pg_hba.conf").write_text(f"local all all trust\n{pg_hba}\n")
    made.port = refused_port()
    made.settings = {
        "listen_addresses": "127.0.0.1", "ssl": "on", "ssl_cert_file": f"'{copy}'", "ssl_key_file": f"'{copy}'",
    }  # fmt: skip
