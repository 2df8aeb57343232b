"""The script that one would write with the raw SDK to wipe many disks, for fleet.py to compare with.

``raw_fleet.py ENDPOINT REGION FILE SPEED``: 64 threads, each with one disk at a time: look at it as a careful user
would, stop its instance, wipe it, start the instance again; poll every 2 seconds, try again where ECS says Throttling.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from alibabacloud_ecs20140526 import models
from alibabacloud_ecs20140526.client import Client
from alibabacloud_tea_openapi.utils_models import Config
from darabonba.runtime import RuntimeOptions

THREAD_COUNT = 64
POLL_INTERVAL = 2.0


class Script:
    """Wipes disks, one after the other in each thread."""

    def __init__(self, endpoint: str, region: str, speed: float) -> None:
        self._region, self._pause = region, POLL_INTERVAL / speed
        self._options = RuntimeOptions()
        self._ecs = Client(
            Config(
                endpoint=endpoint.removeprefix("http://"),
                protocol="http",
                region_id=region,
                access_key_id=os.environ["ALIBABA_CLOUD_ACCESS_KEY_ID"],
                access_key_secret=os.environ["ALIBABA_CLOUD_ACCESS_KEY_SECRET"],
            )
        )

    def _wait(self) -> None:
        time.sleep(self._pause)

    def _call(self, function: Callable[..., Any], request: object) -> Any:  # noqa: ANN401 - the SDK has no types
        """Call, and again where ECS says that there were too many calls."""
        while True:
            try:
                return function(request, self._options).body
            except Exception as error:
                if not str(getattr(error, "code", "")).startswith("Throttling"):
                    raise
                self._wait()

    def _disk(self, disk_id: str) -> Any:  # noqa: ANN401 - the SDK has no types
        request = models.DescribeDisksRequest(region_id=self._region, disk_ids=json.dumps([disk_id]))
        return self._call(self._ecs.describe_disks_with_options, request).disks.disk[0]

    def _status(self, instance_id: str) -> str:
        request = models.DescribeInstancesRequest(region_id=self._region, instance_ids=json.dumps([instance_id]))
        return str(self._call(self._ecs.describe_instances_with_options, request).instances.instance[0].status)

    def _snapshots(self, disk_id: str) -> list[Any]:
        request = models.DescribeSnapshotsRequest(region_id=self._region, disk_id=disk_id)
        return list(self._call(self._ecs.describe_snapshots_with_options, request).snapshots.snapshot)

    def wipe(self, disk_id: str) -> None:
        """Wipe one disk from beginning to end."""
        disk = self._disk(disk_id)
        instance_id = disk.instance_id
        assert disk.status == "In_use"
        assert self._status(instance_id) == "Running"
        assert any(each.status == "accomplished" for each in self._snapshots(disk_id))
        stop = models.StopInstanceRequest(instance_id=instance_id, stopped_mode="KeepCharging")
        self._call(self._ecs.stop_instance_with_options, stop)
        while self._status(instance_id) != "Stopped":
            self._wait()
        self._call(self._ecs.re_init_disk_with_options, models.ReInitDiskRequest(disk_id=disk_id))
        self._wait()
        while self._disk(disk_id).status != "In_use":
            self._wait()
        start = models.StartInstanceRequest(instance_id=instance_id)
        self._call(self._ecs.start_instance_with_options, start)
        while self._status(instance_id) != "Running":
            self._wait()


def wipe_all(endpoint: str, region: str, disks: Sequence[str], speed: float = 1.0) -> dict[str, Any]:
    """Wipe them all, a few at a time; return what it came to."""
    script = Script(endpoint, region, speed)
    began = time.time()
    with ThreadPoolExecutor(THREAD_COUNT) as threads:
        list(threads.map(script.wipe, disks))
    return {"outcome": "done", "began": began, "ended": time.time()}


def main() -> None:
    """Do it in a process of its own."""
    endpoint, region, file, speed = sys.argv[1:]
    text = wipe_all(endpoint, region, Path(file).read_text("utf-8").split(), float(speed))
    print(json.dumps({**text, "status": Path("/proc/self/status").read_text("utf-8")}))


if __name__ == "__main__":
    main()
