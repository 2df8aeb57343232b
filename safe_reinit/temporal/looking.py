"""The activity ``look``: see what the cloud shows of one job, fold it into its record, and decide.

A wait is watched for some seconds, so that what changes is acted on within a tick; a long one sleeps in the workflow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from .. import record
from ..changes import Learn, Lose, Withdraw
from ..clock import Clock
from ..decide import decide
from ..gate import doubtful, waits_for
from ..model import Action, Call, Event, EventName, Observation, Record, Send, Wait
from ..model.codec import DecodeError
from ..run import done_data, wait_data
from . import names, payloads
from .waits import Usual
from .watch import Watch

_PATIENCE = 12.0
"""Cloud seconds for which a wait is watched; with what lies between two looks it stays below what breaks the fence."""
_IN_DOUBT = 4.0
"""The same where an answer is outstanding or was lost: who watches may be gone, and another must go on in time."""
_ACCEPTED = 30.0
"""The same of many jobs where ECS is at work on what it accepted: nobody watches each of them on a screen."""
_LONG = 180.0
"""Cloud seconds after which a wait is a long one."""
_PAUSE = 10.0
"""Cloud seconds that a workflow sleeps between two looks of a long wait."""
_MAKES: Mapping[str, tuple[str, str]] = {
    "StopInstance": ("Stopping", "Stopped"), "StartInstance": ("Starting", "Running"),
}  # fmt: skip


@dataclass
class Story:
    """What one look tells: events and calls."""

    run_id: str
    instance_id: str
    clock: Clock
    events: list[Event] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    looks: int = 0

    def tell(self, event: EventName, data: Mapping[str, object]) -> None:
        """Tell of the job; of waits only the last one is kept."""
        if event == "wait":
            self.events = [each for each in self.events if each.event != "wait"]
        self.events.append(Event(self.clock.now(), self.run_id, event, self.instance_id, None, data))


class Looker:
    """Looks for one worker."""

    def __init__(self, watch: Watch, clock: Clock, usual: Usual) -> None:
        self._watch = watch
        self._clock = clock
        self._usual = usual

    async def __call__(self, asked: Mapping[str, Any], alive: Callable[[], None]) -> dict[str, Any]:
        """Look until there is something to do or to tell.

        Args:
            asked: the record, the changes to fold in first, what was shown last, and whether the job is to end.
            alive: is told after each look that this goes on.
        """
        known = self._folded(asked)
        story = Story(asked["run_id"], known.instance_id, self._clock)
        began, shown, waiting = self._clock.time(), asked.get("shown"), asked.get("waiting")
        few = bool(asked.get("few"))
        while True:
            seen, calls, counted = await self._watch.see(known, few=few)
            alive()
            story.calls += calls
            story.looks += counted
            turning = payloads.turning(known, asked)
            known = turning(known) if turning else known
            known = Learn(seen)(known)
            waiting = self._usual.learn(waiting, known, seen)
            action = decide(known, seen)
            now_shown = _shown(seen)
            if seen.seen and now_shown != shown:
                story.tell("state", {"instance": now_shown[0], "disks": now_shown[1]})
            if isinstance(action, Wait):
                story.tell("wait", wait_data(action, known, seen))
            over = self._clock.time() - began >= _patience(known, few=few)
            moved = seen.seen and shown is not None and now_shown != shown
            shown = now_shown if seen.seen else shown
            left = self._usual.left(waiting, seen.at) if seen.seen else 0.0
            if not isinstance(action, Wait) or over or moved or asked.get("once") or left:
                answer = self._told(asked, known, seen, action, shown, story)
                return {**answer, "waiting": waiting}

    def _folded(self, asked: Mapping[str, Any]) -> Record:
        """Fold in what happened since the record was written; what a workflow says has no time yet: that is now."""
        known, at = payloads.read(Record, asked["record"]), self._clock.time()
        for note in asked.get("notes", ()):
            known = self._said(note, at)(known) if "said" in note else payloads.read_change(note)(known)
        return known

    def _said(self, note: Mapping[str, Any], at: float) -> Callable[[Record], Record]:
        word = note["said"]
        if word == "lost":
            return Lose(payloads.read_send(note["send"]), at)
        if word == "withdrawn":
            return Withdraw(payloads.read_send(note["send"]), at)
        if word == "resumed":
            return partial(record.resume, at=at)
        if word in ("reinitialised", "intact"):
            return partial(record.judge, verdict=word)
        raise DecodeError(f"At $.said: {word} is not known.")

    def _told(
        self,
        asked: Mapping[str, Any],
        known: Record,
        seen: Observation,
        action: Action,
        shown: Any,  # noqa: ANN401 - JSON
        story: Story,
    ) -> dict[str, Any]:
        outcome = record.outcome(known)
        answer: dict[str, Any] = {
            "v": names.VERSION,
            "record": payloads.write(known),
            "action": payloads.write_action(action),
            "shown": shown,
            "failing": known.turned_back and any(wipe.state in ("todo", "refused", "unknown") for wipe in known.disks),
        }
        if isinstance(action, Send):
            answer["seen"] = payloads.write(seen)
        elif isinstance(action, Wait):
            long = seen.at - action.since > _LONG and not doubtful(known)
            answer["pause"] = _PAUSE if long else self._usual.left(waits_for(known), seen.at) if seen.seen else 1.0
        else:
            answer["outcome"] = outcome
            answer["owed"] = record.is_owed(known)
            story.tell("done", done_data(known, seen))
        if "of" in asked:
            answer["shows"] = _shows(known, payloads.read_send(asked["of"]), seen)
        answer["events"] = [payloads.write(each) for each in story.events]
        answer["calls"] = [payloads.write(each) for each in story.calls] if asked.get("calls") else []
        answer["looks"] = 0 if asked.get("calls") else story.looks
        return answer


def _shown(seen: Observation) -> list[Any]:
    status = seen.instance.status if seen.instance else ""
    return [status, {name: each.status for name, each in seen.disks.items()}]


def _patience(known: Record, *, few: bool) -> float:
    """Tell for how many cloud seconds a wait is watched."""
    if doubtful(known):
        return _IN_DOUBT
    return _PATIENCE if few or waits_for(known) is None else _ACCEPTED


def _shows(known: Record, send: Send, seen: Observation) -> bool:
    """Whether what is seen proves that a call was done whose answer is outstanding."""
    if send.overwrites:
        return any(wipe.disk_id == send.subject and wipe.reiniting for wipe in known.disks)
    if send.action in _MAKES:
        return seen.instance is not None and seen.instance.status in _MAKES[send.action]
    return send.action in ("TagResources", "UntagResources", "CreateSnapshot")  # asked again, whatever became of it
