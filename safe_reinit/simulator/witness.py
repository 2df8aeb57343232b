"""The true state of the simulation, for anyone who checks a client: `GET /_simulator/state`."""

from __future__ import annotations

from .engine import Engine
from .state.clock import minute_text, second_text
from .state.model import Disk, Instance, Overwrite


def state(engine: Engine) -> dict[str, object]:
    """Return the true present state of everything, whatever Describe calls may show or hide."""
    now = engine.tick()
    cloud = engine.cloud
    return {
        "schema": 1,
        "now": second_text(now),
        "speed": cloud.clock.speed,
        "seed": engine.seed,
        "account": cloud.settings.account,
        "instances": {row.id: _instance_state(row) for row in cloud.instances},
        "disks": {row.id: _disk_state(row) for row in cloud.disks},
        "snapshots": {
            row.id: {
                "status": row.status,
                "disk_id": row.disk_id,
                "content": row.content,
                "created_at": second_text(row.created),
                "progress": f"{row.progress(now)}%",
            }
            for row in cloud.snapshots
        },
        "images": {row.id: {"status": row.status, "shared": row.shared} for row in cloud.images.values()},
        "calls": engine.calls.json(),
    }


def _instance_state(row: Instance) -> dict[str, object]:
    return {
        "status": row.status,
        "starts": row.starts,
        "stopped_mode": row.stopped_mode,
        "start_time": minute_text(row.start_time),
        "name": row.name,
        "public_ip": row.public_ip,
    }


def _disk_state(row: Disk) -> dict[str, object]:
    return {
        "status": row.status,
        "instance_id": row.instance_id or None,
        "type": row.type,
        "content": row.content,
        "wipes": [_overwrite(done) for done in row.wipes],
        "resets": [_overwrite(done) for done in row.resets],
    }


def _overwrite(done: Overwrite) -> dict[str, object]:
    return {
        "at": second_text(done.at),
        "request_id": done.request_id,
        "starts_before": done.starts_before,
        "content_before": done.content_before,
        "content_after": done.content_after,
    }
