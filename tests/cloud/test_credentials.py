"""Credentials: Alibaba's default chain, the source that answered kept, and each changing call signed anew."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from safe_reinit.cloud import aliyun, connection, endpoints
from safe_reinit.cloud.aliyun.client import Aliyun
from safe_reinit.cloud.aliyun.credentials import Credentials, CredentialsError, NothingFoundError, SigningKey
from safe_reinit.cloud.interface import NoCredentials
from safe_reinit.model import Call, Caller, Options, Secret
from tests.conftest import Serve
from tests.servers import Answer, Server, answer

REGION = "cn-hangzhou"
KEY, SECRET, TOKEN = "ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET", "ALIBABA_CLOUD_SECURITY_TOKEN"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty home, so that no credentials of the caller are found."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true")
    return tmp_path


def set_key(monkeypatch: pytest.MonkeyPatch, key: str, secret: str = "s", token: str = "") -> None:
    """Put a key where the default chain looks first."""
    monkeypatch.setenv(KEY, key)
    monkeypatch.setenv(SECRET, secret)
    monkeypatch.setenv(TOKEN, token)


def write_profiles(home: Path, *profiles: dict[str, Any], current: str = "default") -> None:
    """Write the aliyun CLI's own configuration."""
    (home / ".aliyun").mkdir(exist_ok=True)
    (home / ".aliyun" / "config.json").write_text(json.dumps({"current": current, "profiles": list(profiles)}))


def profile(name: str, key: str) -> dict[str, Any]:
    """Return a profile with a plain key."""
    return {"name": name, "mode": "AK", "access_key_id": key, "access_key_secret": "s", "region_id": "cn-beijing"}


def nobody(_key: SigningKey) -> Caller:
    """Answer whose a key is where nobody may be asked."""
    raise AssertionError("nobody was to be asked")


def given(profile: str = "", endpoint: str = "http://127.0.0.1:1", **more: Any) -> SigningKey:
    """Return the key that new credentials have."""
    where = connection.Connection(REGION, endpoints.parse(endpoint), profile=profile, **more)
    return Credentials(where).key(nobody)


def test_the_environment_is_read_now(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key in the environment is used as it is when asked, with its token."""
    del home
    set_key(monkeypatch, "first")
    before = given()
    set_key(monkeypatch, "second", token="t")
    after = given()

    assert (before.key_id, before.token) == ("first", None)
    assert (after.key_id, after.token and after.token.reveal()) == ("second", "t")


def test_no_credentials_are_reported_as_none(home: Path) -> None:
    """Where no source is configured, that is told as just that."""
    del home
    with pytest.raises(NothingFoundError):
        given()


def test_a_profile_asked_for_by_name_stands_alone(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a profile named, neither the environment nor another profile is used."""
    write_profiles(home, profile("default", "default-key"), profile("ops", "ops-key"))
    set_key(monkeypatch, "environment-key")

    assert given("ops").key_id == "ops-key"
    with pytest.raises(CredentialsError, match="has no such profile"):
        given("nobody")


def test_fixed_credentials_leave_the_chain_alone(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A simulator's own key is used whatever the environment holds."""
    del home
    set_key(monkeypatch, "environment-key")

    key = given(access_key=("testid", Secret("testsecret")))

    assert (key.key_id, key.secret.reveal()) == ("testid", "testsecret")


@pytest.fixture
def accepting(serve: Serve) -> Server:
    """Start a server that accepts everything."""
    return serve(answer(200, {"RequestId": "R", "Disks": {"Disk": []}}))


Made = tuple[Aliyun, list[Call]]


@pytest.fixture
def chained(accepting: Server) -> Iterator[Made]:
    """Return a gateway that signs with the default chain."""
    calls: list[Call] = []
    cloud = aliyun.make_gateway(connection.Connection(REGION, endpoints.parse(accepting.url)), calls.append)
    yield cloud, calls
    cloud.close()


def signer(server: Server, number: int) -> str:
    """Return which key a request was signed with."""
    return server.requests[number].headers["authorization"].partition("Credential=")[2].partition(",")[0]


def test_every_call_asks_for_credentials_again(
    home: Path, chained: Made, accepting: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that was renewed meanwhile signs the next call, whichever it is."""
    del home
    cloud, _ = chained
    set_key(monkeypatch, "old")

    cloud.describe_disks(["d-1"])
    set_key(monkeypatch, "new")
    cloud.describe_disks(["d-1"])
    cloud.reinit_disk("d-1", Options())
    cloud.describe_disks(["d-1"])

    assert [signer(accepting, number) for number in range(4)] == ["old", "new", "new", "new"]


def test_having_none_sends_nothing(home: Path, chained: Made, accepting: Server) -> None:
    """Without credentials nothing is sent, and what is raised says so without a text of the vendor's."""
    del home
    cloud, calls = chained

    with pytest.raises(NoCredentials) as raised:
        cloud.describe_disks(["d-1"])

    assert str(raised.value).startswith("DescribeDisks was not sent: no credentials were found in ")
    assert (raised.value.__cause__, raised.value.__suppress_context__) == (None, True)
    assert accepting.requests == []
    assert [call.code for call in calls] == ["NotSent"]


def test_the_chain_goes_on_to_the_profile(home: Path) -> None:
    """Without a key in the environment the current profile of the aliyun CLI is used."""
    write_profiles(home, profile("default", "default-key"), profile("ops", "ops-key"), current="ops")

    assert given().key_id == "ops-key"


def test_the_source_that_answered_is_kept(
    home: Path, chained: Made, accepting: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that vanishes from its source is not replaced by another's: a run must not go on as somebody else."""
    cloud, _ = chained
    set_key(monkeypatch, "mine")
    cloud.describe_disks(["d-1"])

    monkeypatch.delenv(KEY)
    write_profiles(home, profile("default", "somebody-else"))
    with pytest.raises(NoCredentials):
        cloud.reinit_disk("d-1", Options())

    assert [signer(accepting, number) for number in range(len(accepting.requests))] == ["mine"]
    assert accepting.asked("ReInitDisk") == []


@pytest.mark.parametrize("mode", ["RamRoleArn", "EcsRamRole", "ChainableRamRoleArn"])
def test_a_loopback_endpoint_asks_nobody_elsewhere(
    home: Path, accepting: Server, serve: Serve, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """With a loopback endpoint nothing leaves the machine, whatever kind of profile the caller has."""
    row = {**profile("default", "k"), "mode": mode, "ram_role_arn": "acs:ram::1:role/r", "ram_role_name": "r",
           "ram_session_name": "s", "source_profile": "other"}  # fmt: skip
    write_profiles(home, row, profile("other", "k2"))
    outside = serve(Answer(b"", "close"))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, outside.url)
    where = connection.Connection(REGION, endpoints.parse(accepting.url))
    cloud = aliyun.make_gateway(where, lambda _call: None)

    with pytest.raises(NoCredentials):
        cloud.describe_disks(["d-1"])
    cloud.close()

    assert outside.connections == 0
