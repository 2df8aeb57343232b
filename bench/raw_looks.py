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
sts = Params(action="GetCallerIdentity", version="2015-04-01", protocol="HTTP", pathname="/", method="POST", auth_type="AK", style="RPC", req_body_type="formData", body_type="json")  # fmt: skip # noqa: E501
OpenApi(config).call_api(sts, OpenApiRequest(), run)
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
