"""Observes one machine every second during a run, over a connection that cannot change anything."""

from __future__ import annotations

import contextlib
import threading
from types import TracebackType

from ..clock import Clock
from ..cloud.interface import Cloud, CloudError, Refused
from ..cloud.retry import Once
from ..model import Call
from ..planning.describe import Round
from ..threads import Background
from .document import DryRun
from .record import Record, RecordedAnswer, Sample

POLL_INTERVAL = 1.0
"""Cloud seconds between two observations during a run."""
_LATER_INTERVAL = 5.0
"""The same after it."""
_ENDS_IN = 30.0
"""Real seconds after which an observation that hangs is abandoned."""


class Watch:
    """Observes an instance and its disk in its own thread while the block lasts.

    Args:
        cloud: the cloud to ask; it sends no changing call, and is closed at the end.
        clock: the clock of the observations.
        instance_id: the machine.
        disk_id: its disk.

    Attributes:
        dry_runs: what StopInstance and StartInstance answered to a DryRun, once for each combination of machine and
            disk status.

    """

    def __init__(self, cloud: Cloud, clock: Clock, instance_id: str, disk_id: str) -> None:
        self.dry_runs: list[DryRun] = []
        self._cloud, self._clock = cloud, clock
        self._instance_id, self._disk_id = instance_id, disk_id
        self._samples: list[Sample] = []
        self._answers: list[RecordedAnswer] = []
        self._ended = threading.Event()
        self._thread = Background(self._observe, "safe-reinit-watch")

    def __enter__(self) -> Watch:
        self.observe()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()
        self._cloud.close()

    def call(self, call: Call) -> None:
        """Record how a changing call of the run ended."""
        if not (call.dry_run or call.only_reads):
            self._answers.append(RecordedAnswer(self._clock.time(), call.action, call.code))

    def observe(self) -> Sample | None:
        """Observe once and return what was shown; ``None`` unless both the machine and the disk were."""
        seen = Round(self._cloud, self._clock, Once(), tolerant=True)
        seen.describe_instances((self._instance_id,))
        seen.describe_disks((self._disk_id,))
        seen.ask_all()
        instance, disk = seen.instances.get(self._instance_id), seen.disks.get(self._disk_id)
        if instance is None or disk is None:
            return None
        date, status = seen.dates.get(self._instance_id), instance.status
        sample = Sample(seen.at, self._clock.time(), date, status, instance.start_time, disk.status)
        self._samples.append(sample)
        known = {(each.status, each.disk_status) for each in self.dry_runs}
        if status in ("Running", "Stopped") and (status, disk.status) not in known:
            for action, ask in (
                ("StopInstance", self._cloud.dry_run_stop),
                ("StartInstance", self._cloud.dry_run_start),
            ):
                try:
                    code = ask(self._instance_id)
                except CloudError as error:
                    code = error.code if isinstance(error, Refused) else "Unanswered"
                self.dry_runs.append(DryRun(action, status, disk.status, code))
        return sample

    def after(self, seconds: float, enough: threading.Event) -> bool:
        """Observe after the run, for this long or until there is enough; return whether the machine runs at the end."""
        self._end()
        until = self._clock.time() + seconds
        seen = self.observe()
        while self._clock.time() < until and not self._clock.wait(enough, _LATER_INTERVAL):
            seen = self.observe()
        return seen is not None and seen.status == "Running"

    def record(self) -> Record:
        """Return what was seen so far."""
        return Record(tuple(self._samples), tuple(self._answers))

    def _end(self) -> None:
        """End the thread; an observation that hangs is abandoned."""
        self._ended.set()
        self._thread.ended.wait(_ENDS_IN)

    def _observe(self) -> None:
        while not self._clock.wait(self._ended, POLL_INTERVAL):
            with contextlib.suppress(CloudError):
                self.observe()
