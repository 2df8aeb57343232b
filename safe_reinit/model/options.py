"""What a caller asks for."""

from __future__ import annotations

from dataclasses import dataclass

from .secret import Secret
from .written import milliseconds


@dataclass(frozen=True)
class Options:
    """The effective options of a run, whatever their source."""

    stop_instance: bool = False
    """Whether a Running instance may be stopped for the wipe."""
    leave_stopped: bool = False
    """Whether an instance that the run stopped stays stopped after a wipe; after a failed wipe it is started."""
    expect_instance: str = ""
    """The id of the instance that every disk must be on; ``""``: any."""
    key_pair: str = ""
    """``KeyPairName`` of ReInitDisk: system disks of Linux only; ``""`` for none."""
    password: Secret | None = None
    """``Password`` of ReInitDisk: system disks only."""
    security_enhancement: str = ""
    """``SecurityEnhancementStrategy`` of ReInitDisk: ``Active``, ``Deactive`` or ``""`` for none."""
    snapshot: bool = False
    """Whether each disk gets a snapshot after the stop, and the wipe waits for it."""
    snapshot_retention_days: int | None = None
    """``RetentionDays`` of CreateSnapshot: how long ECS keeps those snapshots, in days; ``None`` forever."""
    snapshot_max_age: float = milliseconds(86400.0)
    """How old, in seconds, the newest snapshot of a disk may be to count as a way back."""
    lock_tag: bool = False
    """Whether the instance has a tag of the run from before the stop to the end."""
    pending_starts: tuple[str, ...] = ()
    """Ids of instances that an earlier run stopped: one that is Stopped now is started after the wipe."""
    run_id: str = ""
    """The id of this run, once there is one: its own tag is not another run's."""
    undo: str = ""
    """The run whose wipes are undone; ``""`` for a wipe."""
    restore: tuple[tuple[str, str], ...] = ()
    """In an undo: by disk, the snapshot to which it is rolled back."""
    was_on: tuple[tuple[str, str], ...] = ()
    """In an undo, or if an open run is replaced: by disk, its instance in that run."""
    owner: tuple[tuple[str, str | int], ...] = ()
    """The legacy owner parameters of ReInitDisk, by ECS's names; library only."""
    accept: tuple[str, ...] = ()
    """Names of the checks whose risks are accepted."""
    require_answers: tuple[str, ...] = ()
    """The questions to other products without which nothing is done: ``ess``, ``ebs``, ``kms``, ``events``."""
