"""The schema of a world file: what exists when a simulation begins.

A world is YAML (or a dict of the same shape). Things are mappings by id; every member has a default, so `d-1: {}` is a
disk. Times are RFC 3339 (`2013-07-01T00:00:00Z`) or relative to the start (`-2h`, `-30d`, `+15m`); durations are
numbers of simulated seconds. An unknown key is an error. `specs` has the members of each thing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from .reading import MOMENT_SCHEMA
from .specs import World
from .world_ids import DEFAULT_WORLD, MAX_FILE_SIZE


class WorldError(ValueError):
    """A world or a list of faults that cannot be used; its text is one sentence that names every mistake."""


def load_world(source: World | str | Path | dict[str, Any] | None) -> World:
    """Read a world: None is the packaged one, a path a YAML file, a dict the same already read."""
    if isinstance(source, World):
        return source
    if source is None:
        return _default_world()
    if isinstance(source, dict):
        return parse_world(source)
    return parse_world(read_yaml(source), f" in {source}")


@lru_cache(maxsize=1)
def _default_world() -> World:
    return parse_world(read_yaml(DEFAULT_WORLD))


def parse_world(data: object, where: str = "") -> World:
    """Validate; all mistakes are reported at once, each with its path. ``where`` says which file the world is in."""
    try:
        world = World.model_validate({} if data is None else data)
    except ValidationError as error:
        raise WorldError(f"The world{where} is not valid: {sentences(error)}.") from None
    mistakes = _contradictions(world)
    if mistakes:
        raise WorldError(f"The world{where} is not valid: {'; '.join(mistakes)}.")
    return world


def read_yaml(path: str | Path) -> object:
    """Parse a YAML file; a file that cannot be read or parsed is a WorldError of one sentence."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        with Path(path).open("rb") as file:
            raw = file.read(MAX_FILE_SIZE + 1)
        if len(raw) > MAX_FILE_SIZE:
            raise WorldError(f"{path} is larger than {MAX_FILE_SIZE >> 20} MiB, so it was not read.")
        document: object = yaml.load(raw.decode("utf-8-sig"), Loader=loader)  # noqa: S506 - both are safe loaders
    except OSError as error:
        raise WorldError(f"Cannot read {path}: {error.strerror}.") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise WorldError(f"{path} is not YAML: {' '.join(str(error).split())}.") from None
    return document


def sentences(error: ValidationError) -> str:
    """Return all problems of a validation, each as `path: what is wrong`."""
    return "; ".join(
        f"{'.'.join(str(part) for part in problem['loc']) or 'the document'}: {_problem(problem)}"
        for problem in error.errors(include_url=False)
    )


def _problem(problem: Mapping[str, object]) -> str:
    return "this member is not known" if problem["type"] == "extra_forbidden" else str(problem["msg"])


def schema(model: type[BaseModel] = World) -> dict[str, Any]:
    """Return the JSON Schema of a world file, or of another model."""
    made = model.model_json_schema()
    for part in (made, *made.get("$defs", {}).values()):
        for member in part.get("properties", {}).values():
            member.pop("title", None)
            if member.get("type") == MOMENT_SCHEMA["type"] and isinstance(member.get("default"), list):
                seconds, _ = member["default"]
                member["default"] = f"{seconds / 3600:+g}h"
            # A resource without a value is null in YAML, and has all defaults.
            things = member.get("additionalProperties")
            if isinstance(things, dict) and "$ref" in things:
                member["additionalProperties"] = {"anyOf": [things, {"type": "null"}]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}


Need = Callable[[bool, str, str], None]
"""Checks that something is true, and otherwise notes a path and what is wrong there."""


def _contradictions(world: World) -> list[str]:
    """List references to resources that do not exist, and states that contradict each other."""
    mistakes: list[str] = []

    def need(found: bool, path: str, problem: str) -> None:
        if not found:
            mistakes.append(f"{path}: {problem}")

    for prefix, table in (("i-", world.instances), ("d-", world.disks), ("s-", world.snapshots)):
        for key in table:
            need(key.startswith(prefix), key, f"this id must begin with {prefix}")
    _disks(world, need)
    for key, snapshot in world.snapshots.items():
        known = snapshot.released or snapshot.disk in world.disks
        need(known, f"snapshots.{key}.disk", f"there is no disk {snapshot.disk} (released: true says it is gone)")
    for key, picture in world.images.items():
        made_from = picture.snapshot
        need(made_from in ("", *world.snapshots), f"images.{key}.snapshot", f"there is no snapshot {made_from}")
    _instances(world, need)
    _misplaced(world, need)
    return mistakes


def _disks(world: World, need: Need) -> None:
    """Check that what a disk is attached to and was made from exists, and that its status fits."""
    for key, disk in world.disks.items():
        for instance in disk.instance:
            need(instance in world.instances, f"disks.{key}.instance", f"there is no instance {instance}")
        need(not disk.image or disk.image in world.images, f"disks.{key}.image", f"there is no image {disk.image}")
        source = disk.snapshot
        need(not source or source in world.snapshots, f"disks.{key}.snapshot", f"there is no snapshot {source}")
        attached = disk.status in ("In_use", "Detaching", "ReIniting")
        fits = disk.status is None or disk.status == "Attaching" or attached == bool(disk.instance)
        need(fits, f"disks.{key}.status", f"{disk.status} does not go with the instance given")
        need(len(disk.instance) < 2 or disk.multi_attach, f"disks.{key}.instance", "several need multi_attach: true")


def _instances(world: World, need: Need) -> None:
    """Check that the image and the group of an instance exist, and that its status fits its starts."""
    for key, machine in world.instances.items():
        image, group = machine.image, machine.scaling_group
        need(image is None or image in world.images, f"instances.{key}.image", f"there is no image {image}")
        need(group in ("", *world.scaling_groups), f"instances.{key}.scaling_group", f"there is no group {group}")
        fresh = not machine.never_started or machine.status in ("Stopped", "Pending")
        need(fresh, f"instances.{key}.never_started", f"does not go with {machine.status}")


def _misplaced(world: World, need: Need) -> None:
    """Check that the world has the regions, and that what belongs together is in one of them."""
    known = {world.region, *world.regions}
    for name in ("images", "instances", "disks", "snapshots"):
        for key, thing in getattr(world, name).items():
            need(world.region_of(thing) in known, f"{name}.{key}.region", f"there is no region {thing.region}")
    for key, disk in world.disks.items():
        origins = (world.images.get(disk.image), world.snapshots.get(disk.snapshot))
        belongs = (*(world.instances.get(each) for each in disk.instance), *origins)
        there = {world.region_of(each) for each in belongs if each is not None}
        here = world.region_of(disk)
        need(there <= {here}, f"disks.{key}", f"it is in {here}, and what it belongs to is in another region")
    for key, shot in world.snapshots.items():
        source = world.disks.get(shot.disk)
        fits = source is None or world.region_of(source) == world.region_of(shot)
        need(fits, f"snapshots.{key}.region", "its disk is in another region")
