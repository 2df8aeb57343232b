"""The library: its public names, which ``safe_reinit`` hands on, and the client.

| file | what is in it |
|---|---|
| ``client`` | plan and run, with the same code that the command line uses |
| ``connecting`` | makes a client: which place it asks, with which credentials and settings |

Each public name of the package stands here, and nowhere else. Type checkers read these lines by
``from .client import *`` in the package; when a program runs, the package imports this module on first use.
"""

from ..clock import Clock as Clock
from ..cloud.given import AccessKey as AccessKey
from ..cloud.given import Credential as Credential
from ..cloud.given import CredentialsClient as CredentialsClient
from ..cloud.interface import Cloud as Cloud
from ..cloud.interface import CloudError as CloudError
from ..cloud.interface import CloudFactory as CloudFactory
from ..cloud.interface import Described as Described
from ..cloud.interface import MaySend as MaySend
from ..cloud.interface import NotSent as NotSent
from ..cloud.interface import OnCall as OnCall
from ..cloud.interface import Refused as Refused
from ..cloud.interface import Unanswered as Unanswered
from ..config.arguments import Config as Config
from ..config.arguments import ConfigArguments as ConfigArguments
from ..errors import Error as Error
from ..errors import NotRestarted as NotRestarted
from ..errors import OutcomeUnknown as OutcomeUnknown
from ..errors import PartlyDone as PartlyDone
from ..errors import RunFailed as RunFailed
from ..errors import RunRefused as RunRefused
from ..errors import Stranded as Stranded
from ..errors import UsageError as UsageError
from ..interrupt import Interrupt as Interrupt
from ..journal import Holder as Holder
from ..journal import StoredJob as StoredJob
from ..journal import StoredRun as StoredRun
from ..model import Accepted as Accepted
from ..model import ActionName as ActionName
from ..model import Allow as Allow
from ..model import AnswerData as AnswerData
from ..model import AnswerEvent as AnswerEvent
from ..model import Attachment as Attachment
from ..model import AutoSnapshotPolicy as AutoSnapshotPolicy
from ..model import Becomes as Becomes
from ..model import BecomesKind as BecomesKind
from ..model import Call as Call
from ..model import Caller as Caller
from ..model import CallEvent as CallEvent
from ..model import ClassReference as ClassReference
from ..model import DataState as DataState
from ..model import Disk as Disk
from ..model import DiskReport as DiskReport
from ..model import DoneData as DoneData
from ..model import DoneEvent as DoneEvent
from ..model import DroppedData as DroppedData
from ..model import DroppedEvent as DroppedEvent
from ..model import Event as Event
from ..model import EventName as EventName
from ..model import Evidence as Evidence
from ..model import Failure as Failure
from ..model import Finding as Finding
from ..model import FindingEvent as FindingEvent
from ..model import Guard as Guard
from ..model import Hours as Hours
from ..model import Identity as Identity
from ..model import Image as Image
from ..model import Instance as Instance
from ..model import IntendData as IntendData
from ..model import IntendEvent as IntendEvent
from ..model import JobReport as JobReport
from ..model import Key as Key
from ..model import LastRun as LastRun
from ..model import Level as Level
from ..model import LimitName as LimitName
from ..model import Limits as Limits
from ..model import Match as Match
from ..model import Operator as Operator
from ..model import Options as Options
from ..model import Outcome as Outcome
from ..model import Phase as Phase
from ..model import PhaseName as PhaseName
from ..model import PhaseResult as PhaseResult
from ..model import PlannedDisk as PlannedDisk
from ..model import PlannedJob as PlannedJob
from ..model import PlanReference as PlanReference
from ..model import Protect as Protect
from ..model import ReadEvent as ReadEvent
from ..model import ReplicaPair as ReplicaPair
from ..model import Report as Report
from ..model import Rollout as Rollout
from ..model import RunClass as RunClass
from ..model import ScalingMember as ScalingMember
from ..model import Secret as Secret
from ..model import Snapshot as Snapshot
from ..model import SnapshotLink as SnapshotLink
from ..model import StateData as StateData
from ..model import StateEvent as StateEvent
from ..model import SystemEvent as SystemEvent
from ..model import UnreadableRow as UnreadableRow
from ..model import WaitData as WaitData
from ..model import WaitEvent as WaitEvent
from ..planning.discover import Search as Search
from ..planning.plan_store import Plan as Plan
from .client import Client as Client
from .connecting import connect as connect
