"""What is sent by the SDK's generic call is what its typed client for ECS would send, which is not loaded."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys

from alibabacloud_ecs20140526 import models
from alibabacloud_ecs20140526.client import Client as Typed
from alibabacloud_tea_openapi.utils_models import Config

from safe_reinit.aliyun.endpoints import ECS_HOSTS, ecs_host
from safe_reinit.cloud import CloudError
from safe_reinit.model import Options, Secret
from tests.conftest import Connect, Gateway, Serve
from tests.servers import error

OTHER_PRODUCTS = {"GetCallerIdentity"}
OWNERS = (("owner_account", "a"), ("owner_id", 1), ("resource_owner_account", "b"), ("resource_owner_id", 2))


def everything(to: Gateway) -> None:
    """Ask for all there is to ask ECS for, with all there is to say."""
    cloud, tag = to.cloud, ("k", "v")
    options = Options(key_pair="p", password=Secret("Secret-1"), security_enhancement="Active", owner=OWNERS)
    dry = ("DescribeDisks", "DescribeInstances", "DescribeSnapshots", "DescribeSnapshotsOfDisk", "DescribeImages")
    for ask in (
        cloud.caller,
        lambda: cloud.disks(["d-1"]),
        lambda: cloud.disks_of("i-1"),
        lambda: cloud.instances(["i-1"]),
        lambda: cloud.tagged([tag]),
        lambda: cloud.snapshots(["s-1"]),
        lambda: cloud.snapshots_of("d-1", "progressing"),
        lambda: cloud.list_snapshots(1, "progressing"),
        lambda: cloud.list_disks(1),
        lambda: cloud.snapshot_links(["d-1"]),
        lambda: cloud.images(["m-1"]),
        lambda: cloud.key_pairs("p"),
        lambda: cloud.system_events(["i-1"]),
        lambda: cloud.snapshot_policy("sp-1"),
        *(lambda action=action: cloud.may(action, ["x-1"]) for action in dry),
        lambda: cloud.may_stop("i-1"),
        lambda: cloud.may_start("i-1"),
        lambda: cloud.may_many("StopInstances", ["i-1"]),
        lambda: cloud.may_many("StartInstances", ["i-1"]),
        lambda: cloud.may_reset("d-1", "s-1"),
        lambda: cloud.stop("i-1", force=True),
        lambda: cloud.start("i-1"),
        lambda: cloud.stop_many(["i-1", "i-2"], force=True),
        lambda: cloud.start_many(["i-1", "i-2"]),
        lambda: cloud.reinit("d-1", options),
        lambda: cloud.create_snapshot("d-1", name="n", description="d", token="t", retention_days=3, tags=[tag]),
        lambda: cloud.reset_disk("d-1", "s-1"),
        lambda: cloud.tag("i-1", tag),
        lambda: cloud.untag("i-1", "k"),
    ):
        try:
            ask()
        except CloudError:
            continue


def parameters_of(action: str) -> set[str]:
    """Return the parameters that the typed client has for an action, without numbers: ``Tag.Key``."""
    source = inspect.getsource(getattr(models, f"{action}Request").to_map)
    names = set(re.findall(r"result\['(\w+)'\]", source))
    nested = {name: getattr(models, f"{action}Request{name}", None) for name in names}
    within = {
        f"{name}.{each}"
        for name, kind in nested.items()
        if kind is not None
        for each in re.findall(r"result\['(\w+)'\]", inspect.getsource(kind.to_map))
    }
    return names | within


def test_every_parameter_is_one_of_the_typed_client(gateway: Connect, serve: Serve) -> None:
    """Each call of ECS has an action that the typed client knows too, and no parameter that it does not."""
    server = serve(error(400, "Any.Code"))
    everything(gateway(server.url))
    actions = {request.action for request in server.requests} - OTHER_PRODUCTS

    assert len(actions) > 16
    for request in server.requests:
        if request.action not in OTHER_PRODUCTS:
            names = {re.sub(r"\.\d+", "", name) for name in request.params}
            assert names <= parameters_of(request.action), request.action


def test_the_hosts_of_ecs_are_those_of_the_typed_client() -> None:
    """Every region is asked where the typed client asks it."""
    typed = Typed(Config(region_id="cn-chengdu", access_key_id="k", access_key_secret="s"))

    assert typed._endpoint_map == ECS_HOSTS
    assert typed._endpoint == ecs_host("cn-chengdu")


def test_no_more_of_the_sdk_is_loaded_than_is_used() -> None:
    """A gateway does not load the typed client of ECS, whose thousand classes take longer than all the rest."""
    code = (
        "import json, sys\n"
        "from safe_reinit import connect\n"
        "from safe_reinit.simulator import Simulator\n"
        "with Simulator() as sim:\n"
        "    connect(region=sim.region, endpoint=sim.url, credentials=sim.access_key).plan(['d-sim-web1-data'])\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    loaded = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)

    assert "alibabacloud_tea_openapi.client" in loaded
    assert [name for name in loaded if name.startswith("alibabacloud_ecs20140526")] == []
