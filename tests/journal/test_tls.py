"""A journal in PostgreSQL by TLS: what is trusted is used, and what is not is refused in words that say so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from safe_reinit.errors import UsageError
from safe_reinit.journal import open_to_read, open_to_write
from tests import postgresql
from tests.postgresql import HOST
from tests.servers import Authority, authority


@pytest.fixture(scope="module")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Make an authority, and a certificate for the server."""
    return authority(tmp_path_factory.mktemp("trusted"), HOST)


@pytest.fixture(scope="module")
def secure(trusted: Authority) -> Iterator[postgresql.Server]:
    """Start a server that is asked by TLS alone."""
    with postgresql.server_or_skip(trusted.chain, "hostssl all all 127.0.0.1/32 trust") as started:
        yield started


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch, secure: postgresql.Server) -> None:
    """Let every name lead to this host, and only the address say what is trusted."""
    monkeypatch.setenv("PGHOSTADDR", "127.0.0.1")
    monkeypatch.setenv("PGPORT", str(secure.port))


def address(host: str = HOST, **options: object) -> str:
    """Return the address of a journal."""
    return f"postgresql://safe@{host}/journals?{'&'.join(f'{name}={value}' for name, value in options.items())}"


def test_a_server_that_is_trusted_is_used(trusted: Authority) -> None:
    """With the right root and the right name a journal is written and read, encrypted."""
    with open_to_write(address(sslmode="verify-full", sslrootcert=trusted.bundle)) as journal:
        journal.hold_all("why")
        journal.lift_hold()
        row = journal._db.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone()

        assert [act.action for act in journal.audit_entries()] == ["unhold", "hold"]
        assert row == (True,)


def test_another_root_is_refused(tmp_path: Path) -> None:
    """A server whose certificate another authority signed is not believed, whatever is at its address."""
    other = authority(tmp_path, HOST)
    with pytest.raises(UsageError, match="TLS: the certificate of the server cannot be verified") as refused:
        open_to_read(address(sslmode="verify-full", sslrootcert=other.bundle))

    assert "sslrootcert" in refused.value.hint


def test_another_host_name_is_refused(trusted: Authority) -> None:
    """A good certificate of another server is refused, and the name is said to be what is wrong."""
    with pytest.raises(UsageError, match="TLS: the certificate of the server is for another host name"):
        open_to_read(address("other.example.com", sslmode="verify-full", sslrootcert=trusted.bundle))


def test_a_root_that_is_not_there_is_reported_as_missing(tmp_path: Path) -> None:
    """Where the file of root certificates is missing, that is said, and not that the server is away."""
    with pytest.raises(UsageError, match="TLS: the file of root certificates is missing"):
        open_to_read(address(sslmode="verify-full", sslrootcert=tmp_path / "none.pem"))


def test_a_server_that_takes_nobody_without_tls_says_so() -> None:
    """With sslmode=disable at a server of hostssl lines, the lines are said to be what refuses."""
    with pytest.raises(UsageError, match="does not accept this role from this host in this way") as refused:
        open_to_read(address(sslmode="disable"))

    assert "sslmode=require" in refused.value.hint


@pytest.mark.parametrize("mode", ["require", "verify-full"])
def test_a_server_without_tls_is_refused(secure: postgresql.Server, trusted: Authority, mode: str) -> None:
    """Where sslmode demands TLS and the server has none, nothing is sent to it, and that is said."""
    secure.stop()
    secure.start(ssl="off")
    try:
        with pytest.raises(UsageError, match="TLS: the server does not offer it"):
            open_to_read(address(sslmode=mode, sslrootcert=trusted.bundle))
    finally:
        secure.stop()
        secure.start()
