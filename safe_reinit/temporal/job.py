"""The workflow of one job: wait to be let begin, look, act, and look again until nothing is left to do.

It carries the record and what was decided as JSON, and reads of it only what it says itself. What decides runs in the
activities, so that a history can be followed whatever the version of that is. A wipe is handed over at most once for
each decision of a look, is never retried by the server, and counts as asked from the moment it is handed over: that is
in the history before any worker hears of it. While it is not answered the looks go on.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, FailureError

with workflow.unsafe.imports_passed_through():
    from . import names

_AGAIN = RetryPolicy(initial_interval=timedelta(milliseconds=500), maximum_interval=timedelta(seconds=5))
"""A look may be made again as often as it takes."""
_ONCE = RetryPolicy(maximum_attempts=1)
_WATCHED_AFTER = 20.0
_WIPE_WATCHED_AFTER = 8.0
"""Cloud seconds for which an answer is waited for before the looks go on beside it; half of what breaks the fence."""

Json = dict[str, Any]


@workflow.defn(name=names.JOB)
class JobWorkflow:
    """One instance with the disks of it that are to be wiped."""

    @workflow.init
    def __init__(self, given: Json) -> None:
        self._given = given
        self._record: Json = given["record"]
        past: Json = given.get("past", {})
        """Of a job whose workflow was ended from outside, what it had to tell."""
        self._notes: list[Json] = list(past.get("notes", ()))
        """What the next look is to fold in first."""
        self._calling: Json | None = None
        """The call that was handed over and is not answered, where the looks know nothing of it yet."""
        self._handed = False
        """Whether a call was handed over that is not answered, or may still arrive."""
        self._shown: Any = None
        self._expected: Any = None
        """What ECS is at work on, and since when."""
        self._version = int(given["v"])
        """Of the newest that had this job in its hands: an older one may not understand what it wrote."""
        self._begun = bool(given.get("begun"))
        self._never = ""
        self._interrupted = False
        self._alone = False
        self._failing = False
        self._ended: Json | None = None
        self._going_on: list[Json] = []
        self._over = False
        self._events: list[Json] = list(past.get("events", ()))
        self._waiting: Json | None = None
        self._calls: list[Json] = list(past.get("calls", ()))
        self._looks = int(past.get("looks", 0))

    @workflow.run
    async def run(self, given: Json) -> Json:
        """Carry the job to its end; a cancelled workflow ends in order, as an interrupted run does."""
        del given
        job = asyncio.create_task(self._whole())
        while not job.done():
            try:
                await asyncio.shield(job)
            except asyncio.CancelledError:
                self._interrupted = True
                self._never = self._never or "the run was cancelled"
        job.result()
        return self.story()

    # -------------------------------------------------------------------------------------------------- from outside

    @workflow.signal
    def begin(self) -> None:
        """Let it begin."""
        self._begun = True

    @workflow.signal
    def never(self, why: str) -> None:
        """Let it never begin; a job of which something was touched already goes on to its end."""
        self._never = self._never or why

    @workflow.signal
    def interrupt(self) -> None:
        """Ask it to end: no wipe is sent from here on, and the power comes back."""
        self._interrupted = True
        self._never = self._never or "the run was cancelled"

    @workflow.update
    async def go_on(self, verdict: str) -> bool:
        """Go on with a job that ended and still owes something; tell whether it does.

        Args:
            verdict: what became of its disks, ``reinitialised`` or ``intact``; ``""`` where nobody knows.
        """
        if self._ended is None or not self._ended["owed"]:
            return False
        self._going_on = [{"said": "resumed"}, *([{"said": verdict}] if verdict else [])]
        return True

    @workflow.update
    async def let_go(self) -> bool:
        """End a job that still owes something, as it is; tell whether it was at its end."""
        if self._ended is None:
            return False
        self._over = True
        return True

    @workflow.query
    def story(self) -> Json:
        """Tell everything there is to tell: what was asked for, what the record is, and what happened."""
        return {
            "v": self._version,
            "given": self._given,
            "record": self._record,
            "notes": [*self._notes, *([self._calling] if self._calling else [])],
            "handed": self._handed,
            "begun": self._begun,
            "never": "" if self._begun else self._never,
            "ended": self._ended,
            "events": self._events,
            "calls": self._calls,
            "looks": self._looks,
        }

    @workflow.query
    def news(self, since: int) -> Json:
        """Tell what happened since so many events."""
        ended = self._ended["outcome"] if self._ended else None
        told = self._events[since:]
        never = "" if self._begun else self._never
        return {"events": told, "waiting": self._waiting, "ended": ended, "never": never}

    # ------------------------------------------------------------------------------------------------------- the loop

    async def _whole(self) -> None:
        await workflow.wait_condition(lambda: self._begun or bool(self._never))
        if not self._begun:
            await self._say("ended", "refused")
            return
        if "not_before" in self._given:
            await asyncio.sleep(max(0.0, self._given["not_before"] - workflow.time()))
        while True:
            answer = await self._look()
            action = answer["action"]
            if action["kind"] == "Finish":
                if not await self._goes_on(answer):
                    return
            elif action["kind"] == "Send":
                await self._act({name: each for name, each in action.items() if name != "kind"}, answer["seen"])
            elif answer["pause"]:
                await self._sleep(answer["pause"])

    async def _goes_on(self, answer: Json) -> bool:
        """End, and tell whether the job goes on all the same: one that owes something waits for somebody to say so."""
        self._ended = {"outcome": answer["outcome"], "owed": answer["owed"]}
        await self._say("ended", answer["outcome"])
        if not answer["owed"]:
            return False
        await workflow.wait_condition(lambda: bool(self._going_on) or self._over)
        if self._over:
            return False
        self._notes, self._going_on = self._going_on, []
        self._ended, self._interrupted, self._failing = None, False, False
        return True

    async def _look(self, **more: object) -> Json:
        """Have the cloud looked at until there is something to do or to tell, and take over what is known then."""
        asked: Json = {
            "record": self._record,
            "notes": self._notes,
            "shown": self._shown,
            "waiting": self._expected,
            **self._common(),
            **more,
        }
        answer: Json = await workflow.execute_activity(
            "look",
            asked,
            result_type=dict,
            task_queue=names.of_version(self._given["queue"], self._version),
            start_to_close_timeout=names.LOOK_WITHIN,
            heartbeat_timeout=timedelta(seconds=self._given["heartbeat"]),
            retry_policy=_AGAIN,
        )
        self._record, self._shown, self._notes = answer["record"], answer["shown"], []
        self._expected = answer["waiting"]
        self._version = max(self._version, answer["v"])
        self._tell(answer)
        if answer["failing"] and not self._failing:
            self._failing = True
            await self._say("failing", "")
        return answer

    def _common(self) -> Json:
        given = self._given
        return {
            "v": self._version,
            "run_id": given["run_id"],
            "interrupted": self._interrupted,
            "never": self._never,
            "calls": given["looks"],
            "few": given["alone"],
        }

    def _tell(self, answer: Json) -> None:
        for event in answer["events"]:
            if event["event"] == "wait":
                self._waiting = event
            else:
                self._events.append(event)
        self._calls += answer["calls"]
        self._looks += answer["looks"]

    async def _act(self, send: Json, seen: Json) -> None:
        """Hand one call over, look while it is not answered, and note what came of it."""
        queue = "wipe_queue" if send["action"] == "ReInitDisk" else "power_queue"
        asked = {"record": self._record, "plan": self._given["plan"], "send": send, "alone": self._alone}
        call = workflow.start_activity(
            "act",
            {**asked, **self._common()},
            result_type=dict,
            task_queue=names.of_version(self._given[queue], self._version),
            start_to_close_timeout=names.ACT_WITHIN,
            heartbeat_timeout=timedelta(seconds=self._given["heartbeat"]),
            retry_policy=_ONCE,
        )
        assume: Json = {"kind": "Assume", "send": send, "seen": seen}
        patience = _WIPE_WATCHED_AFTER if send["action"] in ("ReInitDisk", "ResetDisk") else _WATCHED_AFTER
        self._calling, self._handed = assume, True
        watched = False
        while not call.done():
            if await self._within(patience, call):
                break
            self._notes, self._calling = self._notes if watched else [assume], None
            watched = True
            await self._look(once=True)
        try:
            answer: Json = await call
        except ActivityError as failed:
            self._calling = None
            if isinstance(failed.cause, ApplicationError) and failed.cause.type == "newer":
                self._notes, self._handed = [{"said": "withdrawn", "send": send}] if watched else [], False
                await self._sleep(1.0)
                return
            await self._given_up(send, [] if watched else [assume])
            return
        self._alone, self._version = answer["alone"], max(self._version, answer["v"])
        self._tell(answer)
        self._notes, self._calling, self._handed = _noted(answer, send, watched=watched), None, False
        if not answer["intended"] or any(note["kind"] in ("Withdraw", "Refuse") for note in answer["after"]):
            await self._sleep(1.0)  # not made: once more on another look
        elif answer.get("pause") and not watched and workflow.patched(names.PAUSED):
            self._expected = answer["waiting"]
            await self._sleep(answer["pause"])  # its time has not come

    async def _given_up(self, send: Json, notes: list[Json]) -> None:
        """Take a call for lost whose worker is gone: once it cannot arrive any more, or is seen to have arrived."""
        until = workflow.time() + self._given["horizon"]
        self._notes = notes
        while workflow.time() < until:
            answer = await self._look(of=send)
            if answer["shows"]:
                break
        self._notes, self._handed = [*self._notes, {"said": "lost", "send": send}], False

    async def _within(self, seconds: float, call: workflow.ActivityHandle[Json]) -> bool:
        """Wait so many cloud seconds for an answer, and tell whether it came."""
        done, _ = await workflow.wait([call], timeout=seconds / self._given["rate"])
        return bool(done)

    async def _sleep(self, seconds: float) -> None:
        """Sleep so many cloud seconds, unless somebody asks the job to end."""
        before = self._interrupted
        try:
            await workflow.wait_condition(
                lambda: self._interrupted != before, timeout=timedelta(seconds=seconds / self._given["rate"])
            )
        except asyncio.TimeoutError:
            return

    async def _say(self, what: str, outcome: str) -> None:
        """Tell the lane; one that is gone keeps no job from its end."""
        lane = workflow.get_external_workflow_handle(self._given["lane"])
        word = {"run_id": self._given["run_id"], "position": self._given["position"], "outcome": outcome}
        word["owed"] = bool(self._ended and self._ended["owed"])
        try:
            await lane.signal(what, word)
        except FailureError:
            workflow.logger.warning("The lane %s is gone.", self._given["lane"])


def _noted(answer: Json, send: Json, *, watched: bool) -> list[Json]:
    """Give what the next look folds in: who watched has intended the call already, and knows newer looks."""
    before, after = answer["before"], answer["after"]
    if not watched:
        return [*before, *after]
    if answer["intended"]:
        return list(after)
    facts = [note for note in before if note["kind"] not in ("Learn", "Intend")]
    return [{"said": "withdrawn", "send": send}, *facts]
