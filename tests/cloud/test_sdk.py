"""Calls of ECS go through the SDK's typed client, which stays as it came in other people's programs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from alibabacloud_tea_openapi.utils_models import Config

import safe_reinit
from safe_reinit.cli.sdk_models import SERVE_BY_IT
from safe_reinit.cloud.aliyun.answers import SigningKey
from safe_reinit.cloud.aliyun.attempt import RequestInProgress
from safe_reinit.cloud.aliyun.sdk import EcsClient
from safe_reinit.cloud.aliyun.transport import Connections
from safe_reinit.cloud.interface import CloudError
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
        cloud.get_caller,
        lambda: cloud.describe_disks(["d-1"]),
        lambda: cloud.describe_disks_of("i-1"),
        lambda: cloud.describe_instances(["i-1"]),
        lambda: cloud.describe_tagged([tag]),
        lambda: cloud.describe_snapshots(["s-1"]),
        lambda: cloud.describe_snapshots_of("d-1", "progressing"),
        lambda: cloud.list_snapshots(1, "progressing"),
        lambda: cloud.list_disks(1),
        lambda: cloud.describe_snapshot_links(["d-1"]),
        lambda: cloud.describe_images(["m-1"]),
        lambda: cloud.describe_key_pairs("p"),
        lambda: cloud.describe_system_events(["i-1"]),
        lambda: cloud.describe_auto_snapshot_policy("sp-1"),
        *(lambda action=action: cloud.dry_run(action, ["x-1"]) for action in dry),
        lambda: cloud.dry_run_stop("i-1"),
        lambda: cloud.dry_run_start("i-1"),
        lambda: cloud.dry_run_batch("StopInstances", ["i-1"]),
        lambda: cloud.dry_run_batch("StartInstances", ["i-1"]),
        lambda: cloud.dry_run_reset("d-1", "s-1"),
        lambda: cloud.stop_instance("i-1", force=True),
        lambda: cloud.start_instance("i-1"),
        lambda: cloud.stop_instances(["i-1", "i-2"], force=True),
        lambda: cloud.start_instances(["i-1", "i-2"]),
        lambda: cloud.reinit_disk("d-1", options),
        lambda: cloud.create_snapshot("d-1", name="n", description="d", token="t", retention_days=3, tags=[tag]),
        lambda: cloud.reset_disk("d-1", "s-1"),
        lambda: cloud.tag_instance("i-1", tag),
        lambda: cloud.untag_instance("i-1", "k"),
    ):
        try:
            ask()
        except CloudError:
            continue


def test_every_call_of_ecs_goes_through_the_typed_client(gateway: Connect, serve: Serve) -> None:
    """Each call of ECS that a run makes is made by the SDK's typed client, with every parameter that was given."""
    server = serve(error(400, "Any.Code"))
    made: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        ask = EcsClient.ask
        patch.setattr(EcsClient, "ask", lambda self, action, *more: made.append(action) or ask(self, action, *more))
        everything(gateway(server.url))
    sent = [request.action for request in server.requests]

    assert set(sent) - set(made) == {*OTHER_PRODUCTS, "DescribeInstanceHistoryEvents", "DescribeAutoSnapshotPolicyEx"}
    assert len(set(made)) > 14


def test_a_parameter_that_the_sdk_does_not_know_is_never_dropped() -> None:
    """A parameter that the typed client would leave out ends the call before anything is sent."""
    client = EcsClient(Config(region_id="cn-hangzhou"), Connections())

    with pytest.raises(ValueError, match="no Forse in StopInstance"):
        client.ask(
            "StopInstance", {"InstanceId": "i-1", "Forse": True}, RequestInProgress(1.0), SigningKey("k", Secret("s"))
        )


def test_a_region_is_asked_where_the_sdk_has_it() -> None:
    """Without an endpoint ECS is where the SDK's own table says."""
    assert EcsClient(Config(region_id="cn-wuhan"), Connections()).host == "ecs.aliyuncs.com"
    assert EcsClient(Config(region_id="cn-chengdu"), Connections()).host == "ecs.cn-chengdu.aliyuncs.com"


CONNECT = (
    "from safe_reinit import connect\n"
    "client = connect(region='cn-hangzhou', endpoint='http://127.0.0.1:9', credentials=('testid', 'testsecret'))\n"
    "import json, sys\n"
    "print(json.dumps([type(sys.modules['alibabacloud_ecs20140526.models'].__loader__).__name__,"
    " len([name for name in sys.modules if name.startswith('alibabacloud_ecs20140526.models.')]),"
    " 'aiohttp.client' in sys.modules]))\n"
)


@pytest.mark.parametrize("ours", [True, False], ids=["the command line's process", "another program's"])
def test_the_models_are_loaded_by_name_in_our_own_process_only(*, ours: bool) -> None:
    """The command line loads of the SDK what it uses; a program that uses the library has the SDK as it came."""
    first = "from safe_reinit.cli.sdk_models import load_by_name\nload_by_name()\n" if ours else ""
    done = subprocess.run([sys.executable, "-c", first + CONNECT], capture_output=True, text=True, check=True)
    loader, count, asynchronous = json.loads(done.stdout)

    assert (loader == "SourceFileLoader") is not ours
    assert (count < 100) is ours
    assert asynchronous is not ours


def test_the_command_line_knows_what_answers_http() -> None:
    """Each file that imports the library is among those for which the real one is loaded."""
    package = Path(safe_reinit.__file__).parent
    for path in package.rglob("*.py"):
        if re.search(r"^ *(from|import) aiohttp", path.read_text("utf-8"), re.MULTILINE):
            name = ".".join(("safe_reinit", *path.relative_to(package).with_suffix("").parts))
            assert name.startswith(SERVE_BY_IT), name
