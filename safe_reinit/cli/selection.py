"""Which disks a command is about: named individually, in a file, or found by instances and tags."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..client import Client
from ..errors import UsageError
from ..model import Call, Plan
from ..model.codec import whole
from ..planning import request
from ..planning.discover import Search, read_ids


@dataclass(frozen=True)
class DiskSelection:
    """The disks given on the command line.

    Attributes:
        disk_ids: the disks that were named, or are in a file.
        search: how the others are found.
        discovered: whether any was found rather than named; a file counts as found.

    """

    disk_ids: tuple[str, ...]
    search: Search
    discovered: bool

    def __call__(self, client: Client, on_call: Callable[[Call], None] | None) -> list[str]:
        """Return the ids of all disks, each once; searches are made now."""
        found = client.discover_disks(self.search, on_call) if self.search.any else ()
        return list(dict.fromkeys((*self.disk_ids, *found)))

    def plan(
        self,
        client: Client,
        flags: Mapping[str, Any],
        password: str | None,
        on_call: Callable[[Call], None] | None,
        disk_ids: Sequence[str] | None = None,
        elsewhere: int = 0,
    ) -> Plan:
        """Make a plan for these disks.

        Args:
            client: makes the plan.
            flags: the command line.
            password: the password to set.
            on_call: is called for every exchange.
            disk_ids: the disks, if they were already found.
            elsewhere: how many disks are planned in other regions.
        """
        return client.plan(
            request.disk_ids(self(client, on_call) if disk_ids is None else disk_ids, "--disk"),
            discovered=self.discovered,
            elsewhere=elsewhere,
            stop_instance=bool(flags["stop_instance"]),
            accept=flags["accept"],
            once=flags.get("once"),
            password=password,
            on_call=on_call,
        )


def selection_of(flags: Mapping[str, Any]) -> DiskSelection:
    """Read from the command line which disks are requested.

    Raises:
        UsageError: no disks are, or an option lacks the one that must go with it.
    """
    file, instances, tags = flags.get("disks_from"), flags.get("instance") or (), flags.get("tag") or ()
    search = Search(
        tuple(instances), tuple(map(_tag, tags)), bool(flags.get("system_disk")), bool(flags.get("data_disks"))
    )
    if search.any and not (search.system or search.data):
        raise UsageError(
            "--instance and --tag select instances, but not which of their disks.",
            hint="Add --system-disk, --data-disks or both.",
        )
    if (search.system or search.data) and not search.any:
        raise UsageError(
            "--system-disk and --data-disks select disks of instances, but no instance is given.",
            hint="Add --instance or --tag.",
        )
    for instance_id in instances:
        if re.fullmatch(r"i-[A-Za-z0-9-]+", instance_id) is None:
            hint = "Correct --instance: instance ids begin with i-."
            if "," in instance_id:
                hint = "Repeat --instance for each instance."
            elif re.fullmatch(r"d-[A-Za-z0-9-]+", instance_id):
                hint = f"{instance_id} is a disk: use --disk {instance_id}."
            raise UsageError(f"{instance_id!r} is not an instance id.", hint=hint)
    disk_ids = (*(flags.get("disk") or ()), *(read_ids(file) if file else ()))
    if not disk_ids and not search.any:
        raise UsageError("No disk given.", hint="Add --disk d-...")
    return DiskSelection(disk_ids, search, search.any or bool(file))


def _tag(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals or whole(text) != text:
        raise UsageError(f"{text!r} is not a tag such as env=lab.", hint="Correct --tag.")
    return key, value
