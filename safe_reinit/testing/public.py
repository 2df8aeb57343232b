"""The public names of ``safe_reinit.testing``: each stands here, and nowhere else."""

# ruff: noqa: PLC0414 - an alias tells type checkers that the name is public

from .clock import VirtualClock as VirtualClock
from .ecs import SimulatedEcs as SimulatedEcs
from .guard import RealCloudError as RealCloudError
from .members import DiskMembers as DiskMembers
from .members import ImageMembers as ImageMembers
from .members import InstanceMembers as InstanceMembers
from .members import SnapshotMembers as SnapshotMembers
from .records import RecordedCall as RecordedCall
from .records import SimulatedDisk as SimulatedDisk
from .records import SimulatedInstance as SimulatedInstance
from .records import SimulatedSnapshot as SimulatedSnapshot
from .world import EcsWorld as EcsWorld
