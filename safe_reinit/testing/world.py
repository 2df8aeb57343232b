"""The world that a test begins with."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Unpack

if TYPE_CHECKING:
    from .members import DiskMembers, ImageMembers, InstanceMembers, SnapshotMembers


class EcsWorld:
    """The instances, disks, snapshots and images that a test begins with.

    Each has an id, and members with defaults that the page about the simulator describes: an instance is Running, and a
    disk has data on it. Add first what others refer to: an instance before its disks. A simulated ECS that has begun
    takes more of them until its first call.

    Args:
        world: a world as a dict, or the path of a YAML file; else the world is empty.

    Raises:
        ValueError: the world is not valid; the text names each mistake.

    """

    def __init__(self, world: Mapping[str, Any] | str | os.PathLike[str] | None = None) -> None:
        self._world = _checked(_read(world))
        self._on_change: Callable[[dict[str, Any]], None] = lambda _world: None

    def add_instance(self, instance_id: str, **members: Unpack[InstanceMembers]) -> None:
        """Add an instance, ``i-...``.

        Raises:
            ValueError: it has an id that is taken, or members that are not valid.
        """
        self._add("instances", instance_id, members)

    def add_disk(self, disk_id: str, **members: Unpack[DiskMembers]) -> None:
        """Add a disk, ``d-...``; ``instance`` is the id of the instance that it is attached to.

        Raises:
            ValueError: it has an id that is taken, or members that are not valid.
        """
        self._add("disks", disk_id, members)

    def add_snapshot(self, snapshot_id: str, **members: Unpack[SnapshotMembers]) -> None:
        """Add a snapshot, ``s-...``; ``disk`` is the id of its disk.

        Raises:
            ValueError: it has an id that is taken, or members that are not valid.
        """
        self._add("snapshots", snapshot_id, members)

    def add_image(self, image_id: str, **members: Unpack[ImageMembers]) -> None:
        """Add an image, ``m-...``.

        Raises:
            ValueError: it has an id that is taken, or members that are not valid.
        """
        self._add("images", image_id, members)

    def to_dict(self) -> dict[str, Any]:
        """Return the world as a dict, as a YAML file would have it."""
        return copy.deepcopy(self._world)

    def on_change(self, changed: Callable[[dict[str, Any]], None]) -> None:
        """Call this with each new world that an addition creates; if it raises, the world stays as it was."""
        self._on_change = changed

    def _add(self, table: str, name: str, members: Mapping[str, Any]) -> None:
        world = self.to_dict()
        things = world.setdefault(table, {})
        if name in things:
            raise ValueError(f"This world already has a {name}.")
        things[name] = dict(members)
        self._on_change(_checked(world))
        self._world = world


def _read(world: Mapping[str, Any] | str | os.PathLike[str] | None) -> dict[str, Any]:
    if world is None:
        return {}
    if isinstance(world, Mapping):
        return copy.deepcopy(dict(world))
    from ..simulator.world import read_yaml  # noqa: PLC0415 - only where there is a file

    content: Any = read_yaml(os.fspath(world))
    return {} if content is None else content


def _checked(world: dict[str, Any]) -> dict[str, Any]:
    from ..simulator.world import parse_world  # noqa: PLC0415 - pydantic comes with it

    parse_world(world)
    return world
