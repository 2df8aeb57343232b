"""Turns tags, instances and files into disk ids: it is clear which disks a run is about before anything is checked."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..clock import Clock
from ..cloud.interface import Cloud, Described
from ..cloud.retry import Patient
from ..errors import RunRefused, UsageError
from ..model import Instance, UnreadableRow
from .describe import ONE_BY_ONE_LIMIT

_MAX_LINES = 100_000
_MAX_BYTES = 8 << 20
_MAX_NAMED = 3
"""Instances that a sentence names."""


@dataclass(frozen=True)
class Search:
    """The conditions of a search for disks.

    Attributes:
        instances: ids of instances.
        tags: keys with values; an instance must have all of them.
        system: whether to find the system disk of each instance.
        data: whether to find its data disks.

    """

    instances: tuple[str, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    system: bool = False
    data: bool = False

    @property
    def any(self) -> bool:
        """Whether there is anything to search for."""
        return bool(self.instances or self.tags)


def read_ids(name: str) -> list[str]:
    """Read disk ids from a file, or from stdin (``-``): one per line; blank lines and ``#`` comments are ignored.

    Raises:
        UsageError: it cannot be read, or contains no disk id.
    """
    try:
        raw = _stdin() if name == "-" else _file(name)
        if len(raw) > _MAX_BYTES:
            raise UsageError(
                f"{name} is larger than {_MAX_BYTES >> 20} MiB, so it is not a list of disks.",
                hint="Correct --disks-from.",
            )
        text = raw.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        raise UsageError(f"{name} cannot be read as UTF-8 text.", hint="Correct --disks-from.") from None
    lines = text.splitlines()
    if len(lines) > _MAX_LINES:
        raise UsageError(
            f"{name} has more than {_MAX_LINES:,} lines, so it is not a list of disks.", hint="Correct --disks-from."
        )
    ids = [each for line in lines if (each := line.partition("#")[0].strip())]
    if not ids:
        raise UsageError(f"{name} names no disk.", hint="Write one disk id per line.")
    return ids


def _file(name: str) -> bytes:
    with Path(name).open("rb") as file:
        return file.read(_MAX_BYTES + 1)


def _stdin() -> bytes:
    """Read stdin like a file; a process may have been started without one."""
    stream = getattr(sys.stdin, "buffer", None)
    if stream is not None:
        raw: bytes = stream.read(_MAX_BYTES + 1)
        return raw
    return sys.stdin.read(_MAX_BYTES + 1).encode() if sys.stdin else b""


_MAX_NAME_PAGES = 5
"""Pages of 100 instances that are read to see whether a name is unique; if there are more, the id is asked for."""


class NoDiskFound(RunRefused):
    """What is searched for does not exist here, or the permission to see it is missing."""


def describe_existing(
    cloud: Cloud, clock: Clock, disk_ids: Sequence[str], instance_ids: Sequence[str]
) -> tuple[frozenset[str], frozenset[str]]:
    """Return those of the disks and instances that ECS shows in this region.

    Raises:
        CloudError: ECS could not be asked.
    """
    ask = Patient(clock)
    disks = ask(lambda: cloud.describe_disks(disk_ids)).items if disk_ids else ()
    instances = ask(lambda: cloud.describe_instances(instance_ids)).items if instance_ids else ()
    return frozenset(each.disk_id for each in disks), frozenset(each.instance_id for each in instances)


def proves_only_one_named(cloud: Cloud, clock: Clock, instance_id: str) -> bool:
    """Return whether this instance is proven to be the only one with its name in the region.

    Raises:
        CloudError: ECS could not be asked.
    """
    listing = Patient(clock)(lambda: cloud.list_instances(_MAX_NAME_PAGES))
    names = [each.instance_name for each in listing.items if each.instance_id == instance_id]
    same = [each for each in listing.items if each.instance_name in names]
    return listing.complete and not listing.unreadable and len(names) == len(same) == 1


def search_disks(cloud: Cloud, clock: Clock, search: Search) -> list[str]:
    """Return the ids of the disks that a search finds, in the order of their instances.

    Raises:
        CloudError: ECS could not be asked.
        NoDiskFound: nothing was found; an empty answer may also mean a missing permission.
        RunRefused: a disk of an instance was not shown.
    """
    ask = Patient(clock)
    ids = list(search.instances)
    if search.tags:
        ids += _selected_ids(ask(lambda: cloud.describe_tagged(search.tags)))
    ids = list(dict.fromkeys(ids))
    if not ids:
        tags = " ".join(f"{key}={value}" for key, value in search.tags)
        raise NoDiskFound(
            f"No instance with {tags} found: there is none, or the permission to see it is missing.",
            hint="Check --tag and --region, and that ecs:DescribeInstances is allowed.",
        )
    owned = _disks_of(cloud, ask, ids)
    without = [each for each in ids if not owned[each]]
    if without:
        first = without[:_MAX_NAMED]
        seen = {each.instance_id for each in ask(lambda: cloud.describe_instances(first)).items}
        if unseen := [each for each in first if each not in seen]:
            raise RunRefused(
                f"ECS shows no instance {', '.join(unseen)}.",
                hint="Check --instance and --region, and that ecs:DescribeInstances and ecs:DescribeDisks are allowed.",
            )
        raise RunRefused(
            f"No disks found on {', '.join(first)}{' ...' if len(without) > _MAX_NAMED else ''}.",
            hint="Check --instance and --region, and that ecs:DescribeDisks is allowed.",
        )
    chosen = [
        disk_id
        for each in ids
        for disk_id, type_ in sorted(owned[each])
        if (search.system if type_ == "system" else search.data)
    ]
    if not chosen:
        raise NoDiskFound(
            "None of these instances has a disk of the selected kind.", hint="Check --system-disk and --data-disks."
        )
    return list(dict.fromkeys(chosen))


def _selected_ids(described: Described[Instance]) -> list[str]:
    """Return the ids of instances that ECS selected, even if a row cannot be read: the plan then says so.

    Raises:
        RunRefused: a row does not even say which instance it is about.
    """
    return [instance.instance_id for instance in described.items] + [_named(row) for row in described.unreadable]


def _named(row: UnreadableRow) -> str:
    if row.subject:
        return row.subject
    raise RunRefused(
        f"In the answer to {row.action} {row.why}, so the tool cannot tell which disks belong to this selection. "
        "Nothing was changed.",
        hint="Name the disks with --disk.",
    )


def _disks_of(cloud: Cloud, ask: Patient, instance_ids: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
    """Return id and type of the disks of each instance, including multi-attach disks.

    For many instances the region is listed if that is cheaper. A disk whose row cannot be read is included if its type
    can be read: the plan says what cannot.

    Raises:
        RunRefused: it cannot be read which disks an instance has, or which type one of them has.
    """
    if len(instance_ids) > ONE_BY_ONE_LIMIT:
        listing = ask(lambda: cloud.list_disks(len(instance_ids)))
        if listing.complete and not any("" in row.owners for row in listing.unreadable):
            owned: dict[str, list[tuple[str, str]]] = {each: [] for each in instance_ids}
            for disk in listing.items:
                for owner in {disk.instance_id, *(each.instance_id for each in disk.attachments)} & owned.keys():
                    owned[owner].append((disk.disk_id, disk.type))
            for row in listing.unreadable:
                for owner in set(row.owners) & owned.keys():
                    owned[owner].append(_typed(row))
            return owned
    answers = {each: ask(lambda each=each: cloud.describe_disks_of(each)) for each in instance_ids}  # type: ignore[misc]
    return {
        each: [(disk.disk_id, disk.type) for disk in answer.items] + [_typed(row) for row in answer.unreadable]
        for each, answer in answers.items()
    }


def _typed(row: UnreadableRow) -> tuple[str, str]:
    return _named(row if row.type else replace(row, names=())), row.type
