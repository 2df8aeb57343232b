"""When the instance is a member of a scaling group."""

from __future__ import annotations

from typing import Any

import pytest

from safe_reinit.checks.in_scaling_group import CHECK
from tests.checks.tools import assert_finds, assert_silent
from tests.values import (
    INSTANCE_ID,
    a_disk,
    a_member,
    an_instance,
    disk_facts,
    options,
    products,
    stopping_facts,
    unseen,
)

MEMBER = (("env", "prod"), ("acs:autoscaling:scalingGroupId", "asg-1"))


def test_an_instance_of_no_group() -> None:
    """Other tags mean nothing."""
    tags = (("env", "acs:autoscaling:scalingGroupId"), ("acs:autoscaling", "asg-1"))

    assert_silent(CHECK, stopping_facts(disk=a_disk(tags=tags)))


def test_a_running_instance_that_is_not_stopped() -> None:
    """Where nothing is stopped nothing is released, and instance-running speaks."""
    assert_silent(CHECK, disk_facts(instance=an_instance(status="Running", tags=MEMBER)))


@pytest.mark.parametrize("status", ["Starting", "Stopping", "Pending", ""])
def test_a_transition_is_left_to_another_check(status: str) -> None:
    """The plan stops nothing while instance-in-transition speaks."""
    facts = disk_facts(instance=an_instance(status=status, tags=MEMBER), options=options(stop_instance=True))

    assert_silent(CHECK, facts)


@pytest.mark.parametrize("changes", [{"instance": None}, {"disk": None, "instance": an_instance(tags=MEMBER)}])
def test_what_was_not_seen(changes: dict[str, Any]) -> None:
    """Without the disk or the instance there is no standstill to judge."""
    assert_silent(CHECK, disk_facts(**({"disk": a_disk(tags=MEMBER)} | changes)))


@pytest.mark.parametrize(
    "tagged",
    [
        {"instance": an_instance(status="Running", tags=MEMBER)},
        {"disk": a_disk(tags=MEMBER)},
        {"disk": a_disk(tags=MEMBER), "instance": an_instance(status="Running", tags=MEMBER)},
    ],
)
def test_a_member_that_would_be_stopped_stops(tagged: dict[str, Any]) -> None:
    """A tag on the instance, the disk or both is one finding about the instance."""
    found = assert_finds(CHECK, stopping_facts(**tagged), "block", INSTANCE_ID)

    assert "asg-1" in found.message
    assert "Standby" in found.fix


@pytest.mark.parametrize("stop_instance", [True, False])
def test_a_member_that_is_stopped_already_is_a_risk(stop_instance: bool) -> None:
    """Its standstill is not of our making, and no stop is spoken of as ours."""
    facts = disk_facts(instance=an_instance(tags=MEMBER), options=options(stop_instance=stop_instance))
    found = assert_finds(CHECK, facts, "risk", INSTANCE_ID)

    assert "once it is stopped" not in found.message
    assert "Standby" in found.fix


@pytest.mark.parametrize(
    "state", ["InService", "Pending", "Pending:Wait", "Stopped", "Removing", "Removing:Wait", "", "standby", "Asleep"]
)
def test_a_member_that_auto_scaling_shows_stops(state: str) -> None:
    """Without a tag, and in every state in which its life is managed or that is not known, a member stops."""
    facts = stopping_facts(other_products=products(members=(a_member(lifecycle_state=state),)))
    found = assert_finds(CHECK, facts, "block", INSTANCE_ID)

    assert "asg-1" in found.message
    assert "Standby" in found.fix
    assert "--accept" not in found.fix
    assert found.fact["LifecycleState"] == state


def test_a_member_that_is_shown_stopped_already_is_a_risk() -> None:
    """Its standstill is not of our making, and it may be accepted by name."""
    found = assert_finds(CHECK, disk_facts(other_products=products(members=(a_member(),))), "risk", INSTANCE_ID)

    assert "Stopped in scaling group asg-1" in found.message


@pytest.mark.parametrize("state", ["Standby", "Protected"])
@pytest.mark.parametrize("facts", [disk_facts, stopping_facts])
@pytest.mark.parametrize("tags", [(), MEMBER])
def test_a_member_that_auto_scaling_leaves_alone_is_only_an_info(facts: Any, state: str, tags: Any) -> None:
    """Where Auto Scaling itself says that it does not manage the instance, the tag does not count."""
    disk = a_disk(tags=tags)
    found = assert_finds(
        CHECK,
        facts(disk=disk, other_products=products(members=(a_member(lifecycle_state=state),))),
        "info",
        INSTANCE_ID,
    )

    assert state in found.message


def test_a_member_and_its_tag_are_one_finding() -> None:
    """What both say is said once, by the surer of the two."""
    tagged = a_disk(tags=MEMBER)
    found = assert_finds(
        CHECK, stopping_facts(disk=tagged, other_products=products(members=(a_member(),))), "block", INSTANCE_ID
    )

    assert "LifecycleState" in found.fact


@pytest.mark.parametrize("unanswered", [(), (unseen("DescribeScalingInstances"),)], ids=["omitted", "not asked"])
def test_the_tag_counts_where_auto_scaling_names_no_group(unanswered: Any) -> None:
    """An instance that Auto Scaling leaves out or could not be asked about is judged by its tag, as before."""
    tagged = a_disk(tags=MEMBER)
    found = assert_finds(
        CHECK, stopping_facts(disk=tagged, other_products=products(unanswered=unanswered)), "block", INSTANCE_ID
    )

    assert "TagKey" in found.fact


def test_a_member_that_is_not_stopped() -> None:
    """Where nothing is stopped nothing is released."""
    running = an_instance(status="Running")

    assert_silent(CHECK, disk_facts(instance=running, other_products=products(members=(a_member(),))))
