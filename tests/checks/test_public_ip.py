"""What becomes of the public addresses of an instance that is stopped."""

from __future__ import annotations

from typing import Any

import pytest

from safe_reinit.checks.public_ip import CHECK
from tests.checks.tools import assert_finds, assert_silent
from tests.values import INSTANCE_ID, an_instance, disk_facts, options, stopping_facts

OWN, EIP = "203.0.113.7", "203.0.113.99"


def running(**addresses: Any) -> Any:
    """Return a Running instance with these addresses."""
    return an_instance(status="Running", **addresses)


def test_an_instance_without_public_addresses() -> None:
    """There is nothing to tell."""
    assert_silent(CHECK, stopping_facts())


def test_an_instance_that_is_not_stopped() -> None:
    """A machine that is Stopped already, or that may not be stopped, keeps or lost its address without us."""
    assert_silent(CHECK, disk_facts(instance=an_instance(public_ips=(OWN,), eip=EIP)))
    assert_silent(CHECK, stopping_facts(instance=running(public_ips=(OWN,)), options=options()))


@pytest.mark.parametrize("changes", [{"instance": None}, {"disk": None, "instance": running(public_ips=(OWN,))}])
def test_what_was_not_seen(changes: dict[str, Any]) -> None:
    """Without the disk or the instance nothing is known."""
    assert_silent(CHECK, stopping_facts(**changes))


@pytest.mark.parametrize(
    ("addresses", "result", "untold"),
    [
        ({"public_ips": (OWN,)}, [OWN, "KeepCharging"], ["EIP"]),
        ({"eip": EIP}, [EIP, "stays bound"], ["KeepCharging"]),
        ({"public_ips": (EIP,), "eip": EIP}, [EIP, "stays bound"], ["KeepCharging"]),
        ({"public_ips": (OWN,), "eip": EIP}, [OWN, "KeepCharging", EIP, "stays bound"], []),
    ],
    ids=["its own", "an EIP", "an EIP told twice", "both"],
)
def test_what_becomes_of_an_address_is_reported(
    addresses: dict[str, Any], result: list[str], untold: list[str]
) -> None:
    """A static address stays by KeepCharging, an EIP by itself."""
    found = assert_finds(CHECK, stopping_facts(instance=running(**addresses)), "info", INSTANCE_ID)

    assert all(word in found.message for word in result)
    assert not any(word in found.message for word in untold)
