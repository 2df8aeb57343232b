"""An error about a host names that host, and tells to check what chooses it."""

from __future__ import annotations

import pytest

from tests.commands import Command

pytestmark = pytest.mark.virtual_time

PLAN = ("plan", "--disk", "d-sim-web1-data")
NOWHERE = "127.0.0.1:9"
"""A proxy that nothing listens at: no host can be reached."""


VPC = ("--region", "cn-hangzhou", "--endpoint", "ecs-vpc.cn-hangzhou.aliyuncs.com")


@pytest.mark.parametrize(
    ("more", "host", "option", "other"),
    [
        (VPC, "ecs-vpc.cn-hangzhou.aliyuncs.com", "--endpoint", "--region"),
        (("--region", "cn-hangzou"), "ecs.cn-hangzou.aliyuncs.com", "--region", "--endpoint"),
    ],
    ids=["vpc endpoint of ECS", "misspelt region"],
)
def test_what_is_to_be_checked_is_what_chooses_the_host(
    run: Command, more: tuple[str, ...], host: str, option: str, other: str
) -> None:
    """The host that cannot be reached is named, with the option that chose it and not another one."""
    around = {"HTTPS_PROXY": f"http://{NOWHERE}", "NO_PROXY": "", "SAFE_REINIT_TIME_SCALE": ""}
    done = run(*PLAN, *more, journal=None, environment=around)

    assert done.returncode == 3, done.stderr
    assert f" {host}:" in done.stderr
    assert f"({option})" in done.stderr
    assert other not in done.stderr


@pytest.mark.parametrize("zone", ["cn-hangzhou-b", "ap-southeast-1a"])
def test_a_zone_is_no_region(run: Command, zone: str) -> None:
    """A zone is refused as one, before anything is asked, and its region is named."""
    region = "cn-hangzhou" if zone.startswith("cn") else "ap-southeast-1"
    done = run(*PLAN, "--region", zone, journal=None)

    assert done.returncode == 2
    assert "zone" in done.stderr
    assert f" {region}." in done.stderr


def test_a_loopback_endpoint_that_is_not_there_is_named(run: Command) -> None:
    """Nothing listens there: the host is named, and --endpoint is what to check."""
    done = run(*PLAN, "--region", "cn-hangzhou", "--endpoint", f"http://{NOWHERE}", journal=None)

    assert done.returncode == 3, done.stderr
    assert f" {NOWHERE}:" in done.stderr
    assert "Check --endpoint." in done.stderr
