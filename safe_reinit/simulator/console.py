"""What another person does at the console: `POST /_simulator/do`, one thing at a time and at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from safe_reinit.simulator import actions
from safe_reinit.simulator.engine import Call, Engine
from safe_reinit.simulator.faults import parse_fault
from safe_reinit.simulator.state import power, snapshots
from safe_reinit.simulator.state.cloud import Cloud
from safe_reinit.simulator.state.model import Attachment, Disk, Instance
from safe_reinit.simulator.state.rights import AccessKey, Denial

_MOVING = ("Stopping", "Starting", "Pending")


class CannotDo(ValueError):
    """What was asked cannot be done; the text is the one sentence that says why."""


def do(engine: Engine, request: object) -> None:
    """Do what the request says, or raise CannotDo."""
    if not isinstance(request, Mapping):
        raise CannotDo("The request must be an object with one member that says what to do.")
    verbs = [verb for verb in request if verb in _DO]
    if len(verbs) != 1:
        raise CannotDo(f"Say exactly one of {', '.join(_DO)}.")
    perform, extras = _DO[verbs[0]]
    unknown = sorted(set(request) - {verbs[0], *extras})
    if unknown:
        raise CannotDo(f"{verbs[0]} does not know {', '.join(map(str, unknown))}.")
    engine.tick()
    perform(engine, request[verbs[0]], request)


Rest = Mapping[str, object]


def _start(engine: Engine, subject: object, _rest: Rest) -> None:
    instance = _instance(engine.cloud, subject)
    if instance.status == "Running":
        return
    _still(engine.cloud, instance)
    power.running(engine.cloud, instance.id, engine.tick())
    _log(engine, "StartInstance", instance.id)


def _stop(engine: Engine, subject: object, _rest: Rest) -> None:
    instance = _instance(engine.cloud, subject)
    if instance.status == "Stopped":
        return
    _still(engine.cloud, instance)
    power.stopped(engine.cloud, instance.id, engine.tick(), "KeepCharging")
    _log(engine, "StopInstance", instance.id)


def _still(cloud: Cloud, instance: Instance) -> None:
    if instance.status in _MOVING:
        raise CannotDo(f"{instance.id} is {instance.status}.")
    busy = [disk.id for disk in cloud.disks_of(instance.id) if disk.status == "ReIniting"]
    if busy:
        raise CannotDo(f"{busy[0]} of {instance.id} is ReIniting.")


def _write(engine: Engine, subject: object, _rest: Rest) -> None:
    cloud = engine.cloud
    disk = _disk(cloud, subject)
    owners = [cloud.instances.get(place.instance_id) for place in disk.attachments]
    if not any(owner is not None and owner.status == "Running" for owner in owners):
        raise CannotDo(f"{disk.id} is on no running instance, so nothing can write to it.")
    cloud.put_disk(replace(disk, content=cloud.new_content(), never_used=False), engine.tick())
    _log(engine, "Write", disk.id)


def _snapshot(engine: Engine, subject: object, rest: Rest) -> None:
    disk = _disk(engine.cloud, subject)
    seconds = rest.get("seconds")
    if seconds is not None and (isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or seconds < 0):
        raise CannotDo("seconds must be a number of simulated seconds.")
    wish = snapshots.Wish(name="from-the-console")
    snapshots.create(engine.cloud, disk, wish, engine.tick(), seconds)
    _log(engine, "CreateSnapshot", disk.id)


def _detach(engine: Engine, subject: object, _rest: Rest) -> None:
    disk = _disk(engine.cloud, subject)
    if disk.status != "In_use":
        raise CannotDo(f"{disk.id} is {disk.status}, not In_use.")
    now = engine.tick()
    engine.cloud.put_disk(replace(disk, status="Available", attachments=(), detached=now), now)
    _log(engine, "DetachDisk", disk.id)


def _attach(engine: Engine, subject: object, rest: Rest) -> None:
    disk = _disk(engine.cloud, subject)
    instance = _instance(engine.cloud, rest.get("instance"))
    if disk.status != "Available":
        raise CannotDo(f"{disk.id} is {disk.status}, not Available.")
    taken = {place.device for row in engine.cloud.disks_of(instance.id) for place in row.attachments}
    device = next(
        name for name in (f"/dev/xvd{letter}" for letter in "abcdefghijklmnopqrstuvwxyz") if name not in taken
    )
    now = engine.tick()
    place = Attachment(instance.id, device, now)
    engine.cloud.put_disk(replace(disk, status="In_use", attachments=(place,)), now)
    _log(engine, "AttachDisk", disk.id)


def _lock(engine: Engine, subject: object, rest: Rest) -> None:
    reason = rest.get("reason", "security")
    if not isinstance(reason, str) or not reason:
        raise CannotDo("reason must be a text such as security or financial.")
    _set_locks(engine, subject, lambda locks: (*(lock for lock in locks if lock != reason), reason))


def _unlock(engine: Engine, subject: object, _rest: Rest) -> None:
    _set_locks(engine, subject, lambda _locks: ())


def _set_locks(engine: Engine, subject: object, change: Callable[[tuple[str, ...]], tuple[str, ...]]) -> None:
    now = engine.tick()
    if isinstance(subject, str) and subject.startswith("d-"):
        disk = _disk(engine.cloud, subject)
        engine.cloud.put_disk(replace(disk, locks=change(disk.locks)), now)
    else:
        instance = _instance(engine.cloud, subject)
        engine.cloud.put_instance(replace(instance, locks=change(instance.locks)), now)


def _delete_image(engine: Engine, subject: object, _rest: Rest) -> None:
    image = engine.cloud.images.get(str(subject))
    if image is None:
        raise CannotDo(f"There is no image {subject}.")
    engine.cloud.images[image.id] = replace(image, status="Deleted")
    _log(engine, "DeleteImage", image.id)


def _delete_snapshot(engine: Engine, subject: object, _rest: Rest) -> None:
    snapshot = engine.cloud.snapshots.get(str(subject))
    if snapshot is None:
        raise CannotDo(f"There is no snapshot {subject}.")
    engine.cloud.cancel(snapshot.id)
    engine.cloud.snapshots[snapshot.id] = replace(snapshot, status="Deleted")
    _log(engine, "DeleteSnapshot", snapshot.id)


def _fault(engine: Engine, spec: object, _rest: Rest) -> None:
    fault = parse_fault(spec, actions.ACTIONS)
    if isinstance(fault, str):
        raise CannotDo(f"The fault is not valid: {fault}.")
    engine.faults.add(fault)


def _deny(engine: Engine, spec: object, _rest: Rest) -> None:
    key, denial = _denial(engine, spec)
    engine.cloud.keys[key.id] = replace(key, denials=(*key.denials, denial))


def _allow(engine: Engine, spec: object, _rest: Rest) -> None:
    key, denial = _denial(engine, spec)
    if denial not in key.denials:
        raise CannotDo(f"{key.id} is not denied {denial.action} on {denial.resource}.")
    left = tuple(other for other in key.denials if other != denial)
    engine.cloud.keys[key.id] = replace(key, denials=left)


def _denial(engine: Engine, spec: object) -> tuple[AccessKey, Denial]:
    if not isinstance(spec, Mapping) or set(spec) - {"key", "action", "resource"}:
        raise CannotDo("A right is an object with action, and optionally key and resource.")
    action, resource = spec.get("action"), spec.get("resource", "*")
    if not isinstance(action, str) or not isinstance(resource, str) or not action:
        raise CannotDo("action must be a RAM action such as ecs:StopInstance, and resource an id or *.")
    return _key(engine, spec.get("key", engine.default_key.id)), Denial(action, resource)


def _expire_key(engine: Engine, subject: object, _rest: Rest) -> None:
    key = _key(engine, subject)
    engine.cloud.keys[key.id] = replace(key, expires=engine.tick())


def _deactivate_key(engine: Engine, subject: object, _rest: Rest) -> None:
    key = _key(engine, subject)
    engine.cloud.keys[key.id] = replace(key, active=False)


def _hold(engine: Engine, spec: object, _rest: Rest) -> None:
    engine.cloud.hold(_held(engine, spec))


def _release(engine: Engine, spec: object, _rest: Rest) -> None:
    engine.cloud.release(_held(engine, spec), engine.tick())
    engine.tick()


def _held(engine: Engine, spec: object) -> str:
    if isinstance(spec, Mapping) and set(spec) == {"instance"}:
        return _instance(engine.cloud, spec["instance"]).id
    if isinstance(spec, Mapping) and set(spec) == {"disk"}:
        return _disk(engine.cloud, spec["disk"]).id
    raise CannotDo('Say {"instance": ID} or {"disk": ID}.')


def _instance(cloud: Cloud, subject: object) -> Instance:
    instance = cloud.instances.get(str(subject))
    if instance is None:
        raise CannotDo(f"There is no instance {subject}.")
    return instance


def _disk(cloud: Cloud, subject: object) -> Disk:
    disk = cloud.disks.get(str(subject))
    if disk is None:
        raise CannotDo(f"There is no disk {subject}.")
    return disk


def _key(engine: Engine, subject: object) -> AccessKey:
    key = engine.cloud.keys.get(str(subject))
    if key is None:
        raise CannotDo(f"There is no access key {subject}.")
    return key


def _log(engine: Engine, action: str, subject: str) -> None:
    engine.record(Call(action, [subject], request_id=engine.new_request_id(), source="console"))


_DO: dict[str, tuple[Callable[[Engine, object, Rest], None], tuple[str, ...]]] = {
    "start": (_start, ()),
    "stop": (_stop, ()),
    "write": (_write, ()),
    "snapshot": (_snapshot, ("seconds",)),
    "detach": (_detach, ()),
    "attach": (_attach, ("instance",)),
    "lock": (_lock, ("reason",)),
    "unlock": (_unlock, ()),
    "delete_image": (_delete_image, ()),
    "delete_snapshot": (_delete_snapshot, ()),
    "fault": (_fault, ()),
    "deny": (_deny, ()),
    "allow": (_allow, ()),
    "expire_key": (_expire_key, ()),
    "deactivate_key": (_deactivate_key, ()),
    "hold": (_hold, ()),
    "release": (_release, ()),
}
