"""When the instance or the disk belongs to a Kubernetes cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from safe_reinit.checks.in_kubernetes import CHECK
from safe_reinit.model import DiskFacts, Level
from tests.checks.tools import assert_finds, assert_silent
from tests.values import DISK_ID, INSTANCE_ID, a_disk, an_instance, disk_facts, stopping_facts

NODE = (("env", "prod"), ("ack.aliyun.com", "c-1"))
VOLUME = (("createdby", "alibabacloud-csi-plugin"),)


@pytest.mark.parametrize("tag", [("env", "k8s"), ("createdby", "terraform"), ("created-by", "alibabacloud-csi-plugin")])
def test_other_tags(tag: tuple[str, str]) -> None:
    """Other tags mean nothing."""
    facts = stopping_facts(disk=a_disk(tags=(tag,)), instance=an_instance(status="Running", tags=(tag,)))

    assert_silent(CHECK, facts)


def test_the_mark_of_a_volume_on_an_instance() -> None:
    """An instance is no volume."""
    assert_silent(CHECK, disk_facts(instance=an_instance(tags=VOLUME)))


def test_a_running_instance_that_is_not_stopped() -> None:
    """Where nothing is stopped instance-running speaks."""
    assert_silent(CHECK, disk_facts(disk=a_disk(tags=VOLUME), instance=an_instance(status="Running", tags=NODE)))


@pytest.mark.parametrize("changes", [{"instance": None}, {"disk": None, "instance": an_instance(tags=NODE)}])
def test_what_was_not_seen(changes: dict[str, Any]) -> None:
    """Without the disk or the instance there is no standstill to judge."""
    assert_silent(CHECK, disk_facts(**({"disk": a_disk(tags=VOLUME)} | changes)))


@pytest.mark.parametrize(
    "key", ["ack.aliyun.com", "ack.alibabacloud.com/nodepool-id", "k8s.io/cluster-autoscaler", "k8s.aliyun.com"]
)
def test_a_node_that_would_be_stopped_stops(key: str) -> None:
    """Each of the documented tags marks a node."""
    found = assert_finds(
        CHECK, stopping_facts(instance=an_instance(status="Running", tags=((key, "x"),))), "block", INSTANCE_ID
    )

    assert key in found.message
    assert found.fix.startswith("Drain the node")


def test_a_node_that_is_stopped_already_is_a_risk() -> None:
    """Its standstill is not of our making, and no stop is spoken of."""
    found = assert_finds(CHECK, disk_facts(instance=an_instance(tags=NODE)), "risk", INSTANCE_ID)

    assert "stopped" not in found.message


def test_a_disk_that_is_tagged_alone() -> None:
    """A tag on the disk alone is told of the disk."""
    assert_finds(CHECK, disk_facts(disk=a_disk(tags=NODE)), "risk", DISK_ID)


def test_a_tag_on_both_is_reported_of_the_instance() -> None:
    """The same tag on the instance and its disk is one finding."""
    assert_finds(CHECK, disk_facts(disk=a_disk(tags=NODE), instance=an_instance(tags=NODE)), "risk", INSTANCE_ID)


@pytest.mark.parametrize(("facts", "level"), [(disk_facts, "risk"), (stopping_facts, "block")])
def test_a_volume(facts: Callable[..., DiskFacts], level: Level) -> None:
    """The volume of a workload is told of the disk, once, whatever other tags it has."""
    found = assert_finds(CHECK, facts(disk=a_disk(tags=NODE + VOLUME)), level, DISK_ID)

    assert "volume" in found.message


def test_a_volume_on_a_node_is_both() -> None:
    """The node and the volume are two things to take care of."""
    facts = disk_facts(disk=a_disk(tags=VOLUME), instance=an_instance(tags=NODE))

    assert [finding.subject for finding in CHECK.run(facts)] == [INSTANCE_ID, DISK_ID]
