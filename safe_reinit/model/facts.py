"""The facts of one disk that the checks read. Their types are not imported, because explaining a check needs none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from .cloud import Disk, Image, Instance, Snapshot, Unseen
    from .guard import Guard
    from .options import Options
    from .other_products import OtherProducts


@dataclass(frozen=True)
class DiskFacts:
    """Everything that a check may use: one target disk and what surrounds it, as ECS showed it at ``now``."""

    disk_id: str
    """The id asked for, whether or not ECS knows it."""
    options: Options
    now: datetime
    """The ``Date`` of the answer that gave the facts, not the local clock."""
    region: str
    disk: Disk | None
    instance: Instance | None
    """The one instance the disk is attached to, where ECS shows it."""
    other_products: OtherProducts
    """What other products, and ECS's plans, say about it."""
    guard: Guard
    """Which targets the run may have."""
    snapshots: tuple[Snapshot, ...] = ()
    """The snapshots of this disk; in a recheck, those that matter to it."""
    source_snapshot: Snapshot | None = None
    """The snapshot of ``disk.source_snapshot_id``, if it was found."""
    image: Image | None = None
    """The image of ``disk.image_id``, if it was found in any status."""
    key_pairs: tuple[str, ...] = ()
    """Names that exist, of those asked about."""
    neighbours: tuple[Disk, ...] = ()
    """The other disks of the same instance, which share its downtime."""
    dry_run_codes: Mapping[str, str] = field(default_factory=dict)
    """What a DryRun of ``StopInstance``, ``StartInstance`` and ``ResetDisk`` answered (a code), if it was asked."""
    restore_snapshot: Snapshot | None = None
    """In an undo: the snapshot to which the disk is rolled back, if it was found."""
    unseen: tuple[Unseen, ...] = ()
    """The questions that got no answer for this disk."""
    clock_skew: float | None = None
    """Seconds the local clock is ahead of ECS's; ``None`` if it says nothing (a loopback endpoint)."""
    account: str = ""
    """The account of the credentials that read all this."""

    @property
    def will_stop(self) -> bool:
        """Whether the plan stops the instance: it runs, and stopping it is allowed."""
        return self.options.stop_instance and self.instance is not None and self.instance.status == "Running"

    @property
    def restore_from(self) -> str:
        """In an undo the id of the snapshot the disk is rolled back to, else ``""``."""
        return dict(self.options.restore).get(self.disk_id, "")

    @property
    def was_on(self) -> str:
        """In an undo, or if an open run is replaced, the instance the disk was on then, otherwise ``""``."""
        return dict(self.options.was_on).get(self.disk_id, "")

    @property
    def will_start(self) -> bool:
        """Whether the plan starts the instance after a wipe: it stops it, or an earlier run must still start it."""
        if self.instance is None or self.options.leave_stopped:
            return False
        pending = self.instance.status == "Stopped" and self.instance.instance_id in self.options.pending_starts
        return self.will_stop or pending

    @property
    def stands_still(self) -> bool:
        """Whether the instance is stopped, now or by the plan: then it matters what others do to a stopped machine."""
        return self.will_stop or (self.instance is not None and self.instance.status == "Stopped")

    def was_answered(self, action: str) -> bool:
        """Return whether every call of this action was answered for this disk."""
        return not any(unseen.action == action for unseen in self.unseen)
