"""The library does what its caller said: explicit arguments count, and nothing of a plan stays behind it."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from safe_reinit import connect
from safe_reinit.config import resolve
from safe_reinit.errors import RunRefused, UsageError
from safe_reinit.model import DiskFacts, Plan
from safe_reinit.simulator import Simulator
from tests.cloudlike import DATA, simulated
from tests.conftest import changing
from tests.servers import Answer, Server, http

pytestmark = pytest.mark.virtual_time


@pytest.fixture
def sim(own_home: Path) -> Iterator[Simulator]:
    """Start a small world, with an empty home."""
    assert own_home
    with simulated() as started:
        yield started


def settings(**given: object) -> Any:
    """Resolve settings as a program can hand them in."""
    return resolve({"region": "cn-shanghai", **given}, {})


def test_arguments_count_beside_a_config(sim: Simulator, tmp_path: Path) -> None:
    """Region, endpoint and journal that are said are used, whatever the settings say."""
    config = settings(endpoint="http://127.0.0.1:1", journal=str(tmp_path / "other.db"))
    client = connect(
        config=config,
        region="cn-hangzhou",
        endpoint=sim.url,
        journal=str(tmp_path / "mine.db"),
        credentials=sim.access_key,
    )
    plan = client.plan([DATA], stop_instance=True)

    assert (client.region, client.endpoint, plan.region) == ("cn-hangzhou", sim.url, "cn-hangzhou")
    client.run(plan, confirm=plan.confirm_with)
    assert changing(sim) == ["StopInstance", "ReInitDisk", "StartInstance"]
    assert (tmp_path / "mine.db").exists()
    assert not (tmp_path / "other.db").exists()


def test_what_is_not_given_comes_from_the_config(sim: Simulator) -> None:
    """Settings that no argument names stay as they are."""
    client = connect(config=settings(endpoint=sim.url), credentials=sim.access_key)

    assert (client.region, client.endpoint) == ("cn-shanghai", sim.url)


@pytest.mark.parametrize(
    "wrong", [{"region": "Hangzhou"}, {"endpoint": "ftp://x"}, {"journal": ""}, {"profile": "a\nb"}], ids=str
)
def test_an_argument_that_does_not_fit_is_refused(sim: Simulator, wrong: dict[str, Any]) -> None:
    """A value that cannot be used is an error that names its argument, also beside a config."""
    with pytest.raises(UsageError, match=next(iter(wrong))):
        connect(config=settings(endpoint=sim.url), credentials=sim.access_key, **wrong)


def test_the_token_of_a_temporary_key_is_sent() -> None:
    """The third of the credentials is the STS token of each request."""
    with Server(Answer(http(403))) as server:
        client = connect(region="cn-hangzhou", endpoint=server.url, credentials=("STS.id", "secret", "the-token"))
        with pytest.raises(RunRefused):
            client.plan([DATA])

        assert server.requests
        assert all(each.headers.get("x-acs-security-token") == "the-token" for each in server.requests)


@pytest.mark.parametrize(
    "credentials",
    [
        ("id",),
        ("id", "secret", "token", "more"),
        ("id", ""),
        ("id", "secret", ""),
        "ab",
        ("id", None),
        {"id": 1, "b": 2},
    ],
)
def test_credentials_of_another_form_are_refused(sim: Simulator, credentials: Any) -> None:
    """What is no key, secret and token is an error, and no part of it is dropped."""
    with pytest.raises(UsageError, match="credentials"):
        connect(region="cn-hangzhou", endpoint=sim.url, credentials=credentials)


@pytest.mark.parametrize(
    "wrong",
    [
        {"profile": "lab"}, {"config": ""}, {"config": {"regon": "cn-hangzhou"}}, {"owner": {"owner_id": None}},
        {"owner": {"owner_account": ""}}, {"owner": {"owner": "x"}},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_given_is_used_or_refused(sim: Simulator, wrong: dict[str, Any]) -> None:
    """An argument that would be left out, such as a profile beside a key, is an error that names it."""
    with pytest.raises(UsageError, match=next(iter(wrong))):
        connect(**{"region": "cn-hangzhou", "endpoint": sim.url, "credentials": sim.access_key, **wrong})


def test_files_may_be_paths(sim: Simulator, tmp_path: Path) -> None:
    """A journal and a configuration that are given as paths are used."""
    (tmp_path / "c.yaml").write_text("max_parallel: 7\n")
    (tmp_path / "c.yaml").chmod(0o600)
    client = connect(
        region="cn-hangzhou",
        endpoint=sim.url,
        credentials=sim.access_key,
        journal=tmp_path / "j.db",
        config=tmp_path / "c.yaml",
    )

    assert client.journal == str(tmp_path / "j.db")
    assert client.plan([DATA]).rollout.max_parallel == 7


def test_dry_runs_leave_nothing_behind(sim: Simulator) -> None:
    """Facts and calls of a plan are gone with the plan."""
    client = connect(region="cn-hangzhou", endpoint=sim.url, credentials=sim.access_key)

    def left() -> tuple[int, int]:
        gc.collect()
        alive = gc.get_objects()
        return sum(isinstance(each, DiskFacts) for each in alive), sum(isinstance(each, Plan) for each in alive)

    client.plan([DATA])
    before = left()
    for _ in range(5):
        client.plan([DATA])

    assert left() == before


def test_a_report_has_the_calls_of_its_plan_all_the_same(sim: Simulator) -> None:
    """The exchanges that a plan took are in the report of its run, and once."""
    client = connect(region="cn-hangzhou", endpoint=sim.url, credentials=sim.access_key)
    seen: list[str] = []
    plan = client.plan([DATA], stop_instance=True, on_call=lambda call: seen.append(call.request_id or ""))
    result = client.run(plan, confirm=plan.confirm_with)
    ids = [call.request_id for call in result.calls]

    assert set(seen) <= set(ids)
    assert len(ids) == len(set(ids))
