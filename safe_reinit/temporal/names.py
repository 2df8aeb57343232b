"""What things are called on the Temporal server, and how long they may take there. Pure: workflows import it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

VERSION = 1
"""Of what workflows, activities and clients tell each other. What is written by a newer one is left to a newer one."""
JOB = "safe-reinit.job"
LANE = "safe-reinit.lane"
"""The types of the workflows."""

BEGIN_WITHIN = 10.0
"""Real seconds after its start in which ``act`` may begin its call: later it may have been taken for lost."""
HEARTBEAT = timedelta(seconds=15)
"""After so long without a sign of life an activity is taken for lost: longer than ``BEGIN_WITHIN``."""
ACT_WITHIN = timedelta(seconds=120)
"""Enough for the look, the call and its read time-out of 60 s (``aliyun``)."""
HORIZON = 75.0
"""Real seconds after which a call of a lost ``act`` cannot reach ECS any more: connecting, and the read time-out."""
HORIZON_LOCAL = 3.0
"""The same for a loopback endpoint, where nothing is on its way for long."""
LOOK_WITHIN = timedelta(seconds=60)
STICKY = timedelta(seconds=2)
"""After so long another worker goes on with the workflows of one that is gone."""


@dataclass(frozen=True)
class Place:
    """The account and region that workers serve; on loopback also the endpoint, so that no simulator is mistaken."""

    account: str
    region: str
    endpoint: str = ""
    """As the journal has it; ``""`` for the real cloud."""

    @property
    def key(self) -> str:
        """What all names of this place have in them."""
        host = urlsplit(self.endpoint).netloc
        return f"{self.account}.{self.region}" + (f"@{host}" if host else "")

    @property
    def queue(self) -> str:
        """The task queue of workflows and looks; looks are not limited, since one call serves many of them."""
        return f"safe-reinit/{self.key}"

    @property
    def power_queue(self) -> str:
        """The task queue of calls that are not wipes."""
        return f"safe-reinit/{self.key}/power"

    @property
    def wipe_queue(self) -> str:
        """The task queue of wipes, limited on the server by the documented quota."""
        return f"safe-reinit/{self.key}/wipe"

    @property
    def lane(self) -> str:
        """The id of the lane."""
        return f"lane/{self.key}"

    def job(self, instance_id: str) -> str:
        """Give the id of the job of an instance: one is open at most, whoever began it."""
        return f"ecs/{self.key}/{instance_id}"
