"""Reaching the Temporal server: each thing that can be wrong has its sentence, and what opens it may rotate."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from temporalio.common import WorkerDeploymentVersion

from safe_reinit.errors import Error, RunRefused, UsageError
from safe_reinit.model import Stage
from safe_reinit.temporal.server import Server
from tests.grpcfront import Front, front_of, pem_of
from tests.servers import Authority, authority, refused_port
from tests.temporals import PROGRAM, Remembering, Run, Temporal, WorkerSettings, having, server_at, working


@pytest.fixture
def front(temporal: Temporal, test_authority: Authority) -> Iterator[Front]:
    """Stand in front of it with TLS."""
    with front_of(temporal.port, test_authority) as started:
        yield started


@pytest.fixture
def opening(front: Front, test_authority: Authority) -> Server:
    """Return what opens the front."""
    return server_at(front.address, tls_ca=str(test_authority.bundle))


def refusal(server: Server) -> Error:
    """Return what connecting ends with."""
    with pytest.raises((RunRefused, UsageError)) as refused:
        asyncio.run(server.connect())
    text = f"{refused.value} {refused.value.hint}"
    assert not [word for word in ("RPC", "tonic", "status", "Status", "secret") if word in text], text
    return refused.value


def test_a_server_that_is_not_there() -> None:
    """Nobody listens at the address."""
    address = f"127.0.0.1:{refused_port()}"

    assert str(refusal(server_at(address))) == f"The Temporal server {address} does not answer."


def test_a_name_that_nobody_knows() -> None:
    """The name of the host has no address."""
    assert "cannot be found" in str(refusal(server_at("temporal.invalid:7233")))


def test_a_namespace_that_is_not_there(temporal: Temporal) -> None:
    """The server answers, and has no such namespace."""
    refused = refusal(having(temporal.server, temporal_namespace="nowhere"))

    assert str(refused) == f"The Temporal server {temporal.server.address} has no namespace nowhere."
    assert "temporal operator namespace create -n nowhere" in refused.hint


def test_tls_where_there_is_none(temporal: Temporal) -> None:
    """A server without TLS is asked with it."""
    assert "does not use TLS" in str(refusal(having(temporal.server, temporal_tls=True)))


def test_a_plain_server_is_refused_where_tls_is_configured(front: Front) -> None:
    """A server with TLS is asked without it."""
    refused = refusal(server_at(front.address))

    assert "closes the connection at once" in str(refused)
    assert "temporal_tls" in refused.hint


def test_a_certificate_of_an_unknown_authority(front: Front, tmp_path: Path) -> None:
    """The CA that is trusted did not sign the server's certificate."""
    other = authority(tmp_path, "localhost")

    assert "not from a CA that is trusted here" in str(refusal(server_at(front.address, tls_ca=str(other.bundle))))


def test_a_certificate_for_another_name(front: Front, opening: Server) -> None:
    """The certificate is for the address, and not for the name."""
    assert "for another name" in str(refusal(having(opening, temporal=f"localhost:{front.port}")))


def test_a_client_certificate_that_is_missing(temporal: Temporal, test_authority: Authority) -> None:
    """The server wants a certificate; with one it lets us in."""
    cert, key = test_authority.chain, test_authority.chain  # each file has both
    with front_of(temporal.port, test_authority, wants_certificate=True) as front:
        server = server_at(front.address, tls_ca=str(test_authority.bundle))

        assert "another client certificate" in str(refusal(server))
        asyncio.run(having(server, temporal_tls_cert=str(cert), temporal_tls_key=str(key)).connect())


def test_a_key_of_another_certificate(opening: Server, test_authority: Authority, tmp_path: Path) -> None:
    """Certificate and key do not belong together, or are no PEM."""
    other = tmp_path / "other.pem"
    other.write_bytes(pem_of(authority(tmp_path, "localhost").chain)[1])
    torn = tmp_path / "torn.pem"
    torn.write_bytes(b"-----BEGIN")

    assert "cannot be used" in str(
        refusal(having(opening, temporal_tls_cert=str(test_authority.chain), temporal_tls_key=str(other)))
    )
    assert "cannot be used" in str(refusal(having(opening, temporal_tls_cert=str(torn), temporal_tls_key=str(torn))))


def test_a_file_that_cannot_be_read(opening: Server, tmp_path: Path) -> None:
    """The file and its setting are named."""
    refused = refusal(having(opening, temporal_api_key_file=str(tmp_path / "key")))

    assert str(refused) == f"{tmp_path / 'key'} cannot be read: No such file or directory."
    assert refused.hint == "Correct temporal_api_key_file."


def test_the_command_that_makes_a_version_current_reaches_the_server_as_the_worker_does(
    test_authority: Authority, tmp_path: Path
) -> None:
    """It has the files of TLS and the key, and no secret; the program of Temporal knows each option."""
    (tmp_path / "a key").write_text("the secret")
    address, chain = f"127.0.0.1:{refused_port()}", str(test_authority.chain)
    server = server_at(
        address, tls_ca=str(test_authority.bundle), tls_cert=chain, tls_key=chain, api_key_file=str(tmp_path / "a key")
    )
    command = server.command_for(WorkerDeploymentVersion("wipes", "1.0"))

    typed = ["bash", "-c", f"{PROGRAM.parent}/{command} --yes"]
    text = subprocess.run(typed, check=False, capture_output=True, text=True).stderr

    assert "the secret" not in command
    assert "connection refused" in text, text


def test_half_a_client_certificate() -> None:
    """A certificate without its key is refused before anything is asked."""
    with pytest.raises(UsageError, match="needs its key"):
        server_at("a:1", tls_cert="c.pem")


@pytest.mark.parametrize("status", [grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED])
def test_a_wrong_key(front: Front, opening: Server, tmp_path: Path, status: grpc.StatusCode) -> None:
    """The key is refused, and is not repeated; the right one, with a line end, is taken."""
    key = tmp_path / "key"
    key.write_text("secret-1\n")
    front.keys, front.refuses = {"secret-2"}, status
    refused = refusal(having(opening, temporal_api_key_file=str(key)))
    key.write_text("secret-2\n")
    asyncio.run(having(opening, temporal_api_key_file=str(key)).connect())

    assert "refuses access to the namespace default with this API key" in str(refused)


@pytest.mark.slow
def test_a_server_that_says_nothing() -> None:
    """A server that takes the connection and stays silent is given ten seconds."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert "does not answer" in str(refusal(server_at(f"127.0.0.1:{silent.getsockname()[1]}")))


def test_waking_up_a_run_that_is_not_there(temporal: Temporal) -> None:
    """There is no workflow of the run, which is no failure of gRPC to people."""
    with pytest.raises(RunRefused, match="has no open workflow of run r-1"):
        Run(temporal, "r-1", "queue").carrier.wake()


def test_a_worker_takes_a_key_that_was_replaced(
    front: Front, opening: Server, temporal: Temporal, tmp_path: Path
) -> None:
    """It polls with the new key from then on; one that is refused changes nothing."""
    key = tmp_path / "key"
    key.write_text("secret-1")
    front.keys = {"secret-1"}
    shards = Remembering([Stage((0,)), Stage(question="?"), Stage((1,))])
    run = Run(temporal, "run-rotating", "queue-rotating")
    with working(having(opening, temporal_api_key_file=str(key)), shards, WorkerSettings(run.queue)) as worker:
        run.submit()
        shards.has("end 0")
        key.write_text("secret-wrong")
        worker.ask(worker.serving.check())
        front.keys = {"secret-1", "secret-two"}
        key.write_text("secret-two")
        worker.ask(worker.serving.check())
        before = len(front.seen)
        shards.agreed = True
        run.carrier.wake()
        assert run.result() == "done"

    assert "secret-two" in front.seen[before:]
