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
    """Whether an instance that the run stopped stays so after a wipe; after a wipe that failed it is started."""
    expect_instance: str = ""
    """The id of the instance that every disk must be on; ``""``: any."""
    key_pair: str = ""
    """``KeyPairName`` of ReInitDisk: system disks of Linux only; ``""`` for none."""
    password: Secret | None = None
    """``Password`` of ReInitDisk: system disks only."""
    security_enhancement: str = ""
    """``SecurityEnhancementStrategy`` of ReInitDisk: ``Active``, ``Deactive`` or ``""`` for none."""
    snapshot: bool = False
    """Whether a snapshot of each disk is taken after the stop and waited for, before the wipe."""
    snapshot_retention_days: int | None = None
    """``RetentionDays`` of CreateSnapshot: how long ECS keeps those snapshots, in days; ``None`` for ever."""
    snapshot_max_age: float = milliseconds(86400.0)
    """How old, in seconds, the newest snapshot of a disk may be and still count as a way back."""
    lock_tag: bool = False
    """Whether the instance bears a tag of the run from before the stop to the end."""
    pending_starts: tuple[str, ...] = ()
    """Ids of instances that an earlier run stopped: where one is Stopped now, it is started after the wipe."""
    run_id: str = ""
    """The run that asks, once there is one: its own tag is nobody else's."""
    undo: str = ""
    """The run whose wipes are undone; ``""`` for a wipe."""
    restore: tuple[tuple[str, str], ...] = ()
    """In an undo: of each disk the snapshot it is rolled back to."""
    was_on: tuple[tuple[str, str], ...] = ()
    """In an undo, or in the place of an open run: of each disk the instance it was on in that run."""
    owner: tuple[tuple[str, str | int], ...] = ()
    """The legacy owner parameters of ReInitDisk, by ECS's names; library only."""
    accept: tuple[str, ...] = ()
    """Names of the checks whose risks are accepted."""
    require_answers: tuple[str, ...] = ()
    """The looks at other products without which nothing is done: ``ess``, ``ebs``, ``kms``, ``events``."""
