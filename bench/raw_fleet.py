"""The script that one would write with the raw SDK to wipe many disks, for fleet.py to compare with.

``raw_fleet.py ENDPOINT REGION FILE SPEED``: 64 threads, each with one disk at a time: look at it as a careful user
would, stop its instance, wipe it, start the instance again; poll every 2 seconds, try again where ECS says Throttling.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from alibabacloud_ecs20140526 import models
from alibabacloud_ecs20140526.client import Client
from alibabacloud_tea_openapi.utils_models import Config
from darabonba.runtime import RuntimeOptions

THREADS = 64
POLL = 2.0
endpoint, region, file, speed = sys.argv[1:]
ecs = Client(
    Config(
        endpoint=endpoint.removeprefix("http://"),
        protocol="http",
        region_id=region,
        access_key_id=os.environ["ALIBABA_CLOUD_ACCESS_KEY_ID"],
        access_key_secret=os.environ["ALIBABA_CLOUD_ACCESS_KEY_SECRET"],
    )
)
options = RuntimeOptions()


def wait() -> None:
    time.sleep(POLL / float(speed))


def call(function: Callable[..., Any], request: object) -> Any:  # noqa: ANN401 - the SDK has no types
    """Call, and again where ECS says that there were too many calls."""
    while True:
        try:
            return function(request, options).body
        except Exception as error:
            if not str(getattr(error, "code", "")).startswith("Throttling"):
                raise
            wait()


def disk_of(disk_id: str) -> Any:  # noqa: ANN401 - the SDK has no types
    request = models.DescribeDisksRequest(region_id=region, disk_ids=json.dumps([disk_id]))
    return call(ecs.describe_disks_with_options, request).disks.disk[0]


def status_of(instance_id: str) -> str:
    request = models.DescribeInstancesRequest(region_id=region, instance_ids=json.dumps([instance_id]))
    return str(call(ecs.describe_instances_with_options, request).instances.instance[0].status)


def snapshots_of(disk_id: str) -> list[Any]:
    request = models.DescribeSnapshotsRequest(region_id=region, disk_id=disk_id)
    return list(call(ecs.describe_snapshots_with_options, request).snapshots.snapshot)


def wipe(disk_id: str) -> None:
    """Wipe one disk from beginning to end."""
    disk = disk_of(disk_id)
    instance_id = disk.instance_id
    assert disk.status == "In_use"
    assert status_of(instance_id) == "Running"
    assert any(each.status == "accomplished" for each in snapshots_of(disk_id))
    stop = models.StopInstanceRequest(instance_id=instance_id, stopped_mode="KeepCharging")
    call(ecs.stop_instance_with_options, stop)
    while status_of(instance_id) != "Stopped":
        wait()
    call(ecs.re_init_disk_with_options, models.ReInitDiskRequest(disk_id=disk_id))
    wait()
    while disk_of(disk_id).status != "In_use":
        wait()
    call(ecs.start_instance_with_options, models.StartInstanceRequest(instance_id=instance_id))
    while status_of(instance_id) != "Running":
        wait()


def main() -> None:
    """Wipe them all, a few at a time."""
    disks = Path(file).read_text("utf-8").split()
    began = time.time()
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(wipe, disks))
    print(json.dumps({"outcome": "done", "began": began, "ended": time.time()}))


if __name__ == "__main__":
    main()
