"""Credentials that a program gives: asked for before each request, renewed, and never somebody else's."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from alibabacloud_credentials.models import CredentialModel
from alibabacloud_ecs20140526.client import Client as EcsClient
from alibabacloud_tea_openapi.utils_models import Config as SdkConfig

import safe_reinit
from safe_reinit.cloud.connection import Connection
from safe_reinit.errors import Error, UsageError
from tests import blocks
from tests.commands import until
from tests.issuers import ACTS, FIRST, NEXT, RISKS, Surroundings, instance_status, wipe, wipes
from tests.servers import Authority

PAGE = blocks.ROOT / "docs/howto/python.md"
MAIN, OTHER = ("LTAIfakemain", "fakemainsecret"), ("LTAIfakeother", "fakeothersecret")

pytestmark = pytest.mark.virtual_time


@dataclass
class Keys:
    """A program's own source of keys, in each form that the library takes."""

    now: tuple[str, ...] = MAIN
    raises: BaseException | None = None

    def key(self) -> tuple[str, ...]:
        """Return the key of now."""
        if self.raises is not None:
            raise self.raises
        return self.now

    def get_credential(self) -> CredentialModel:
        """Return it as a client of alibabacloud_credentials does."""
        names = ("access_key_id", "access_key_secret", "security_token")
        return CredentialModel(**dict(zip(names, self.key(), strict=False)))

    def get_access_key_id(self) -> str:
        """Return its id, for an SDK client."""
        return self.key()[0]

    def get_access_key_secret(self) -> str:
        """Return its secret, for an SDK client."""
        return self.key()[1]

    def get_security_token(self) -> str | None:
        """Return its token, for an SDK client."""
        return next(iter(self.key()[2:]), None)


def sdk_client(keys: Keys) -> EcsClient:
    """Make an SDK client of the program's own."""
    return EcsClient(SdkConfig(credential=keys, region_id="cn-hangzhou"))


FORMS: dict[str, Callable[[Keys], Any]] = {
    "function": lambda keys: keys.key, "credentials client": lambda keys: keys, "SDK client": sdk_client,
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_a_key_that_ends_is_asked_for_again(around: Surroundings, form: str) -> None:
    """The temporary key ends while the machine is down: the next key of the same role signs, and the run is done."""
    keys = Keys(FIRST)

    def end() -> None:
        keys.now = NEXT
        around.simulator.do({"expire_key": FIRST[0]})

    report = wipe(end, credentials=FORMS[form](keys))

    assert report.outcome == "done"
    assert wipes(around) == 1
    assert around.issuers.by("StopInstance") == {FIRST[0]}
    assert around.issuers.by("ReInitDisk") == {NEXT[0]}


@pytest.mark.parametrize("form", FORMS)
def test_a_key_of_another_account_wipes_nothing(around: Surroundings, form: str) -> None:
    """After the stop the program's object gives the key of another account: no wipe, and the machine is started."""
    keys = Keys()

    report = wipe(lambda: setattr(keys, "now", OTHER), credentials=FORMS[form](keys))

    assert wipes(around) == 0
    assert OTHER[0] not in around.issuers.by(*ACTS)
    assert instance_status(around) == "Running"
    assert report.outcome == "failed"
    assert report.error is not None
    assert "another caller" in report.error.message


def test_a_key_of_another_account_before_the_run_stops_nothing(around: Surroundings) -> None:
    """The program's object gives the key of another account between plan and run: the run is refused."""
    keys = Keys()
    client = safe_reinit.connect(region="cn-hangzhou", credentials=keys.key)
    plan = client.plan(["d-1"], stop_instance=True, accept=RISKS)
    keys.now = OTHER

    with pytest.raises(safe_reinit.RunRefused, match="another caller"):
        client.run(plan, confirm=plan.confirm_with)

    assert OTHER[0] not in around.issuers.by(*ACTS)
    assert instance_status(around) == "Running"


def test_an_object_that_fails_while_the_machine_is_down_wipes_nothing(around: Surroundings) -> None:
    """The object raises from the stop on: no wipe is sent, and the key from before starts the machine."""
    keys = Keys()

    wipe(lambda: setattr(keys, "raises", TimeoutError("fakemainsecret")), retry=60.0, credentials=keys.key)

    assert wipes(around) == 0
    until(lambda: instance_status(around) == "Running")


@pytest.mark.parametrize(
    ("answer", "raises", "text"),
    [
        (MAIN, OSError("no vault at https://x/?secret=fakemainsecret"), "it raised OSError"),
        (MAIN, SystemExit("fakemainsecret"), "it raised SystemExit"),
        ((), None, "what it returned is not an AccessKey id and its secret"),
        (("LTAIfakemain", ""), None, "what it returned is not an AccessKey id and its secret"),
        (("LTAIfakemain", "fakemain\nsecret"), None, "its access_key_secret contains the character U+000A"),
    ],
)
def test_an_object_without_a_key_is_named_and_its_text_is_not(
    around: Surroundings, caplog: pytest.LogCaptureFixture, answer: Any, raises: BaseException | None, text: str
) -> None:
    """Nothing is sent, the message names the object and what it did, and no secret is in a message or a log."""
    caplog.set_level(logging.DEBUG)
    keys = Keys(answer, raises)

    with pytest.raises(Error) as caught:
        safe_reinit.connect(region="cn-hangzhou", credentials=keys.key).plan(["d-1"])

    assert text in str(caught.value)
    assert "The object given as credentials gives no credentials" in str(caught.value)
    assert "secret=" not in f"{caught.value} {caught.value.hint} {caplog.text}"
    assert "fakemain" not in f"{caught.value} {caught.value.hint} {caplog.text}".replace(MAIN[0], "")
    assert around.issuers.signers == []


def test_no_repr_shows_what_was_given() -> None:
    """A connection that is shown shows neither a key nor the object that gives keys."""
    bound = functools.partial(lambda secret: ("id", secret), "fakemainsecret")
    shown = repr(Connection(region="cn-hangzhou", key_source=bound))

    assert "fakemainsecret" not in shown


@pytest.mark.parametrize(
    "wrong", [("id",), ("id", ""), ("id", "secret", None), "id:secret", 5, Keys, ("a", "b", "c", "d")]
)
def test_what_gives_no_key_is_refused_at_once(wrong: Any) -> None:
    """``connect`` refuses what is no key and gives none, and does not repeat it."""
    with pytest.raises(UsageError) as caught:
        safe_reinit.connect(region="cn-hangzhou", credentials=wrong)

    assert "credentials must be an AccessKey" in str(caught.value)
    assert "secret" not in str(caught.value).replace("its secret", "")


@pytest.mark.real_time
def test_a_client_of_alibabacloud_credentials_assumes_a_role(
    around: Surroundings, trusted: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recipe of docs/howto/python.md: the vendor's client assumes a role, whose key signs every call."""
    monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", str(trusted.bundle))  # it trusts no other
    (recipe,) = (block.text for block in blocks.blocks(PAGE) if "ram_role_arn" in block.text)
    program: dict[str, Any] = {}
    exec(recipe.replace('"ID"', repr(MAIN[0])).replace('"SECRET"', repr(MAIN[1])), program)

    plan = program["client"].plan(["d-1"], stop_instance=True)

    assert plan.account == "1000000000000001"
    assert around.issuers.asked_for == ["assume"]
    assert {signer for _, signer in around.issuers.signers} == {FIRST[0]}
