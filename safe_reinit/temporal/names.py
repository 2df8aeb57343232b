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
PAUSED = "pause after a call"
"""Changes of the workflows since they were first released, by which a history tells whether it has them."""

ACT_WITHIN = timedelta(seconds=120)
"""Enough for the look, the call and its read time-out of 60 s (``aliyun``)."""
LOOK_WITHIN = timedelta(seconds=60)
STICKY = timedelta(seconds=2)
"""After so long another worker goes on with the workflows of one that is gone."""


def of_version(queue: str, version: int) -> str:
    """Give the task queue of what a version wrote: polled by it and by newer ones, so that no older one is asked."""
    return queue if version == 1 else f"{queue}/v{version}"


@dataclass(frozen=True)
class Pulse:
    """How soon a worker that is gone is noticed; all in real seconds."""

    begin: float
    """After its start ``act`` may begin its call for so long: later it may have been taken for lost."""
    heartbeat: float
    """Without a sign of life an activity is taken for lost after so long: longer than ``begin``."""
    horizon: float
    """So long after that its call cannot reach ECS any more: connecting, and the read time-out."""

    @property
    def beat(self) -> float:
        """Between two signs of life: each is a call to the server, and two may be lost."""
        return self.heartbeat / 3


USUAL = Pulse(begin=10.0, heartbeat=15.0, horizon=75.0)
LOCAL = Pulse(begin=4.0, heartbeat=5.0, horizon=2.0)
"""For a loopback endpoint, where nothing is on its way for long."""


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
    def pulse(self) -> Pulse:
        """How soon a worker of it that is gone is noticed."""
        return LOCAL if self.endpoint else USUAL

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
