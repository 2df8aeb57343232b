"""When a system disk would come back without a login that anybody knows."""

from __future__ import annotations

from typing import Any

import pytest

from safe_reinit.checks.no_login_set import CHECK
from safe_reinit.model import Secret
from tests.checks.tools import assert_finds, assert_silent
from tests.values import SYSTEM_DISK_ID, an_instance, disk_facts, options, system_facts

BARE = an_instance(key_pair_name="")


def test_an_instance_with_a_key_pair() -> None:
    """A key pair on the instance is how people log in."""
    assert_silent(CHECK, system_facts())


@pytest.mark.parametrize("given", [{"key_pair": "ops"}, {"password": Secret("Secret-123")}])
def test_a_login_that_is_given(given: dict[str, Any]) -> None:
    """A key pair or a password of this run is the login."""
    assert_silent(CHECK, system_facts(instance=BARE, options=options(**given)))


def test_a_data_disk() -> None:
    """Wiping a data disk changes no login."""
    assert_silent(CHECK, disk_facts(instance=BARE))


@pytest.mark.parametrize("gone", ["disk", "instance"])
def test_what_was_not_seen(gone: str) -> None:
    """Without the disk or the instance nothing is known of the login."""
    assert_silent(CHECK, system_facts(**({"instance": BARE} | {gone: None})))


def test_a_system_disk_without_any_login_is_a_risk() -> None:
    """It says that nothing is documented of what comes then, and names the options."""
    found = assert_finds(CHECK, system_facts(instance=BARE), "risk", SYSTEM_DISK_ID)

    assert "not documented" in found.message
    assert "--key-pair" in found.fix


def test_windows_is_not_sent_to_a_key_pair() -> None:
    """On Windows a key pair is no way out, so it is not named."""
    windows = an_instance(key_pair_name="", os_type="windows")
    found = assert_finds(CHECK, system_facts(instance=windows), "risk", SYSTEM_DISK_ID)

    assert "--key-pair" not in found.fix
    assert "--password-env" in found.fix
