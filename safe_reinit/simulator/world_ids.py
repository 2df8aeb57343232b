"""The ids in a world file, without reading the rest of it: for shell completion."""

from __future__ import annotations

from pathlib import Path

import yaml

MAX_FILE_SIZE = 32 << 20
"""The maximum size of a world or a list of faults, in bytes."""
DEFAULT_WORLD = Path(__file__).with_name("default_world.yaml")
"""The packaged world."""


def ids_of(kind: str, world: str | None) -> list[str]:
    """List the ids of one kind, ``disks`` or ``instances``, in the order of the file.

    Args:
        kind: the member of the world.
        world: a world file; by default the packaged one.

    Raises:
        OSError, ValueError, yaml.YAMLError: it cannot be read.
    """
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    with Path(world or DEFAULT_WORLD).open("rb") as file:
        document = yaml.load(file.read(MAX_FILE_SIZE).decode("utf-8-sig"), Loader=loader)  # noqa: S506 - both are safe
    things = document.get(kind) if isinstance(document, dict) else None
    return [str(name) for name in things] if isinstance(things, dict) else []
