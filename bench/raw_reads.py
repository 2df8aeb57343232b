"""The same looks as a dry run of one running instance's data disk, with the raw SDK and nothing else."""

import json
import os
import sys

from alibabacloud_ecs20140526 import client, models
from alibabacloud_tea_openapi.client import Client as OpenApi
from alibabacloud_tea_openapi.utils_models import Config, OpenApiRequest, Params
from darabonba.runtime import RuntimeOptions

endpoint, region, disk_id = sys.argv[1:]
key = {"access_key_id": os.environ["ALIBABA_CLOUD_ACCESS_KEY_ID"], "access_key_secret": os.environ["ALIBABA_CLOUD_ACCESS_KEY_SECRET"]}  # fmt: skip # noqa: E501
config = Config(endpoint=endpoint, protocol="http", region_id=region, **key)
ecs, run = client.Client(config), RuntimeOptions()
other = OpenApi(config)


def ask(version: str, action: str, **query: str) -> None:
    other.call_api(Params(action=action, version=version, protocol="HTTP", pathname="/", method="POST", auth_type="AK", style="RPC", req_body_type="formData", body_type="json"), OpenApiRequest(query=query), run)  # fmt: skip # noqa: E501


ask("2015-04-01", "GetCallerIdentity")
disk = ecs.describe_disks_with_options(models.DescribeDisksRequest(region_id=region, disk_ids=json.dumps([disk_id])), run).body.disks.disk[0]  # fmt: skip # noqa: E501
ecs.describe_instances_with_options(models.DescribeInstancesRequest(region_id=region, instance_ids=json.dumps([disk.instance_id])), run)  # fmt: skip # noqa: E501
ecs.describe_snapshots_with_options(models.DescribeSnapshotsRequest(region_id=region, snapshot_ids=json.dumps([disk.source_snapshot_id])), run)  # fmt: skip # noqa: E501
for act, request in ((ecs.stop_instance_with_options, models.StopInstanceRequest), (ecs.start_instance_with_options, models.StartInstanceRequest)):  # fmt: skip # noqa: E501
    try:
        act(request(instance_id=disk.instance_id, dry_run=True), run)
    except Exception as error:
        print(error.code)
ecs.describe_disks_with_options(models.DescribeDisksRequest(region_id=region, instance_id=disk.instance_id), run)
ecs.describe_snapshots_with_options(models.DescribeSnapshotsRequest(region_id=region, disk_id=disk_id), run)
ask("2014-08-28", "DescribeScalingInstances", RegionId=region, **{"InstanceId.1": disk.instance_id})
ecs.describe_instance_history_events_with_options(models.DescribeInstanceHistoryEventsRequest(region_id=region, resource_id=[disk.instance_id], instance_event_cycle_status=["Scheduled", "Executing", "Inquiring"]), run)  # fmt: skip # noqa: E501
for site in ("production", "backup"):
    ask("2021-07-30", "DescribeDiskReplicaPairs", RegionId=region, Site=site)
