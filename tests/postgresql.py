"""A PostgreSQL of the tests' own: a server in a temporary folder that listens on a socket there, and nowhere else."""

from __future__ import annotations

import glob
import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

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
        words = ["-XAtq", "-h", self.folder, "-p", str(self.port), "-U", "safe", "-c", statement, database]
        return subprocess.run([self.bin / "psql", *words], check=True, capture_output=True, text=True).stdout.strip()

    def run(self, *words: object) -> None:
        """Run one of the server's programs as the user that the server has."""
        subprocess.run([str(each) for each in words], check=True, capture_output=True, cwd=self.folder, **_as_user())

    def start(self, data: str = "data", **settings: object) -> None:
        """Start the server on a folder of data, and wait until it answers."""
        usual: dict[str, object] = {
            "listen_addresses": "''", "unix_socket_directories": f"'{self.folder}'", "port": self.port, "fsync": "off",
            "max_wal_senders": 4, "wal_level": "replica", "hot_standby": "on",
        }  # fmt: skip
        options = " ".join(f"-c {name}={value}" for name, value in {**usual, **settings}.items())
        log = self.folder / f"{data}.log"
        self.run(self.bin / "pg_ctl", "-w", "-t", "60", "-D", self.folder / data, "-l", log, "-o", options, "start")

    def stop(self, how: str = "fast", data: str = "data") -> None:
        """Stop the server: ``fast`` in order, ``immediate`` as if it were killed."""
        self.run(self.bin / "pg_ctl", "-w", "-t", "60", "-D", self.folder / data, "-m", how, "stop")


def _as_user() -> dict[str, Any]:
    return {"user": _USER, "group": _USER, "extra_groups": []} if os.getuid() == 0 else {}


@contextmanager
def server_or_skip() -> Iterator[Server]:
    """Start a server as ``server`` does; where there is none, skip the test that wants it."""
    try:
        with server() as started:
            yield started
    except LookupError as missing:
        pytest.skip(str(missing))


@contextmanager
def server() -> Iterator[Server]:
    """Start a server, with a database ``journals`` of a role ``safe``, and end it with all that it has.

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
        made.start()
        try:
            made.sql("CREATE DATABASE journals", "postgres")
            yield made
        finally:
            made.stop("immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
