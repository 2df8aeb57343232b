"""The values that everything else uses, all frozen.

Texts that ECS did not give are ``""``; times, numbers and objects it did not give are ``None``. Statuses, categories
and lock reasons stay the words that ECS used, so that an unknown word can be shown and refused. Times are aware UTC
``datetime`` unless a field says "cloud seconds": those are ``Clock.time()`` readings, for intervals.

| file | what is in it |
|---|---|
| ``cloud``, ``other_products`` | what ECS and other products showed |
| ``facts``, ``finding``, ``guard`` | what checks judge, what they found, and which targets are allowed |
| ``options``, ``plan`` | what the caller asks for, and the plan |
| ``job``, ``shared`` | the state of a job; what runs share |
| ``report``, ``events``, ``run_id`` | the report of a run, and its events; what the id of a run looks like |
| ``duration`` | how long something takes, as people write it |
| ``error_codes/`` | what each ECS error code means |
| ``codec``, ``written`` | values as JSON and back |
| ``letters``, ``similar`` | names that people chose, and those that they mistyped |
| ``secret`` | a text that is never shown |

A value's module is imported when the value is: building all classes would take longer than ``--help`` may.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .cloud import Attachment as Attachment
    from .cloud import Caller as Caller
    from .cloud import Disk as Disk
    from .cloud import Image as Image
    from .cloud import Instance as Instance
    from .cloud import Snapshot as Snapshot
    from .cloud import SnapshotLink as SnapshotLink
    from .cloud import UnreadableRow as UnreadableRow
    from .cloud import Unseen as Unseen
    from .events import EVENTS as EVENTS
    from .events import AnswerData as AnswerData
    from .events import AnswerEvent as AnswerEvent
    from .events import CallEvent as CallEvent
    from .events import DoneData as DoneData
    from .events import DoneEvent as DoneEvent
    from .events import DroppedData as DroppedData
    from .events import DroppedEvent as DroppedEvent
    from .events import Event as Event
    from .events import EventName as EventName
    from .events import FindingEvent as FindingEvent
    from .events import IntendData as IntendData
    from .events import IntendEvent as IntendEvent
    from .events import LimitName as LimitName
    from .events import ReadEvent as ReadEvent
    from .events import StateData as StateData
    from .events import StateEvent as StateEvent
    from .events import WaitData as WaitData
    from .events import WaitEvent as WaitEvent
    from .events import done_data as done_data
    from .events import make_event as make_event
    from .facts import DiskFacts as DiskFacts
    from .finding import Finding as Finding
    from .finding import Level as Level
    from .guard import Allow as Allow
    from .guard import Guard as Guard
    from .guard import Hours as Hours
    from .guard import Match as Match
    from .guard import Protect as Protect
    from .guard import RunClass as RunClass
    from .guard import TargetClass as TargetClass
    from .guard import TargetFacts as TargetFacts
    from .guard import TargetRules as TargetRules
    from .job import Accepted as Accepted
    from .job import Action as Action
    from .job import ActionName as ActionName
    from .job import Command as Command
    from .job import DataState as DataState
    from .job import Evidence as Evidence
    from .job import Failure as Failure
    from .job import Fence as Fence
    from .job import Finish as Finish
    from .job import JobState as JobState
    from .job import Observation as Observation
    from .job import OnUnknown as OnUnknown
    from .job import Phase as Phase
    from .job import PhaseName as PhaseName
    from .job import PhaseResult as PhaseResult
    from .job import SafetySnapshot as SafetySnapshot
    from .job import Step as Step
    from .job import StepState as StepState
    from .job import Wait as Wait
    from .job import Wipe as Wipe
    from .job import WipeState as WipeState
    from .options import Options as Options
    from .other_products import AutoSnapshotPolicy as AutoSnapshotPolicy
    from .other_products import Key as Key
    from .other_products import OtherProducts as OtherProducts
    from .other_products import ReplicaPair as ReplicaPair
    from .other_products import ScalingMember as ScalingMember
    from .other_products import SystemEvent as SystemEvent
    from .plan import LOCK_TAG as LOCK_TAG
    from .plan import Becomes as Becomes
    from .plan import BecomesKind as BecomesKind
    from .plan import Facts as Facts
    from .plan import Limits as Limits
    from .plan import Making as Making
    from .plan import Plan as Plan
    from .plan import PlannedDisk as PlannedDisk
    from .plan import PlannedJob as PlannedJob
    from .plan import Rollout as Rollout
    from .report import STILL_PENDING as STILL_PENDING
    from .report import Call as Call
    from .report import ClassReference as ClassReference
    from .report import DiskReport as DiskReport
    from .report import Identity as Identity
    from .report import JobReport as JobReport
    from .report import LastRun as LastRun
    from .report import Operator as Operator
    from .report import Outcome as Outcome
    from .report import PlanReference as PlanReference
    from .report import Report as Report
    from .secret import Secret as Secret
    from .shared import InUse as InUse
    from .shared import Measurement as Measurement
    from .shared import Room as Room
    from .shared import ShardProgress as ShardProgress
    from .shared import Stage as Stage

PARTS = (
    "finding", "secret", "options", "cloud", "other_products", "guard", "facts", "plan", "job", "report", "events",
    "shared",
)  # fmt: skip
"""Where the names above are looked up, with the modules that others build on first."""


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the name stands for
    if name != name.lower():  # a lower-case name is a module, which Python imports by itself
        for part in PARTS:
            module = import_module(f".{part}", __name__)
            if hasattr(module, name):
                return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
