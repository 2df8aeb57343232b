"""When the image of a system disk may not take the login."""

from __future__ import annotations

from typing import Any

import pytest

from safe_reinit.checks.image_cannot_take_login import CHECK
from safe_reinit.model import Secret
from tests.checks.tools import assert_finds, assert_silent
from tests.values import SYSTEM_DISK_ID, an_image, an_instance, disk_facts, options, system_facts

CODE = "LoginAsNonRoot.ImageNotSupport"
PLAIN = an_image(cloud_init=False)
OLD = an_image(login_as_non_root=False)
AS_USER = an_instance(login_as_non_root=True)
GIVEN = [{"key_pair": "ops"}, {"password": Secret("Secret-123")}]


@pytest.mark.parametrize("given", [{}, *GIVEN])
def test_an_image_that_takes_any_login(given: dict[str, Any]) -> None:
    """An image with cloud-init and logins as non-root is fine."""
    assert_silent(CHECK, system_facts(instance=AS_USER, options=options(**given)))


@pytest.mark.parametrize("given", GIVEN)
def test_an_image_that_does_not_state_its_login(given: dict[str, Any]) -> None:
    """Only a clear no counts: a word that ECS does not show is none."""
    silent = an_image(cloud_init=None, login_as_non_root=None)

    assert_silent(CHECK, system_facts(instance=AS_USER, image=silent, options=options(**given)))


def test_an_instance_that_logs_in_as_root() -> None:
    """An image without logins as non-root matters only to an instance that was made for them."""
    assert_silent(CHECK, system_facts(image=OLD))


def test_no_login_that_is_given() -> None:
    """Without a key pair or a password there is none to take; no-login-set speaks of that."""
    assert_silent(CHECK, system_facts(image=PLAIN))


@pytest.mark.parametrize("given", GIVEN)
def test_windows_has_no_cloud_init(given: dict[str, Any]) -> None:
    """Windows sets its login by other means; a key pair for it is refused by key-pair-on-windows."""
    facts = system_facts(instance=an_instance(os_type="windows"), image=PLAIN, options=options(**given))

    assert_silent(CHECK, facts)


def test_a_data_disk() -> None:
    """A data disk takes no login."""
    old = an_image(cloud_init=False, login_as_non_root=False)

    assert_silent(CHECK, disk_facts(instance=AS_USER, image=old, options=options(key_pair="ops")))


@pytest.mark.parametrize("gone", ["disk", "instance", "image"])
def test_what_was_not_seen(gone: str) -> None:
    """Without the disk, the instance or the image nothing is known."""
    given = {"instance": AS_USER, "image": an_image(cloud_init=False, login_as_non_root=False)}

    assert_silent(CHECK, system_facts(**(given | {"options": options(key_pair="ops"), gone: None})))


@pytest.mark.parametrize("given", [{}, *GIVEN])
def test_an_image_without_logins_as_non_root_is_a_risk(given: dict[str, Any]) -> None:
    """ECS may refuse the wipe of an instance that was made for logins as ecs-user, with or without a login given."""
    facts = system_facts(instance=AS_USER, image=OLD, options=options(**given))

    assert "ecs-user" in assert_finds(CHECK, facts, "risk", SYSTEM_DISK_ID, CODE).message


@pytest.mark.parametrize(("given", "result"), [(GIVEN[0], "key pair"), (GIVEN[1], "password")])
def test_a_login_for_an_image_without_cloud_init_is_a_risk(given: dict[str, Any], result: str) -> None:
    """What is given may have no effect."""
    found = assert_finds(CHECK, system_facts(image=PLAIN, options=options(**given)), "risk", SYSTEM_DISK_ID)

    assert f"the {result} given" in found.message
