"""The workflow of one account and region: which jobs may begin, for all operators together.

Jobs are workflows of their own, begun by whoever submits a run, and wait here to be let begin: so the instances of a
run are all taken before any of them is touched, and whatever becomes of the lane, no job is ended in the middle of a
wipe. The lane never ends: what it remembers of plans that were run outlives the retention of the server.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import FailureError

with workflow.unsafe.imports_passed_through():
    from ..model import STILL_OWED, Rollout
    from ..pace import LIMITS
    from ..rollout import has_canary, release
    from . import names
    from .payloads import read

_ANNOUNCED = 600.0
"""Real seconds after which a run is dropped whose submitter did not come back: nothing of it was begun."""
_PATROL = 600.0
"""Real seconds between two looks whether jobs that do not end are still there."""
_WINDOW = 60.0
_EVENTS = 4000
"""After so long a history the lane goes on in a new one."""
_PLANS = 10_000
"""So many plans are known by name; of one that was made before all of them nobody knows any more, so it is refused."""
_AGAIN = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=60))

Json = dict[str, Any]


@workflow.defn(name=names.LANE)
class LaneWorkflow:
    """Lets jobs begin."""

    @workflow.init
    def __init__(self, state: Json) -> None:
        self._place: Json = state["place"]
        self._runs: dict[str, Json] = state.get("runs", {})
        self._used: list[list[str]] = state.get("used", [])
        """Of each plan that was run: its id, the run, when it was made."""
        self._floor: str = state.get("floor", "")
        self._wiped: list[list[float]] = state.get("wiped", [])
        """When jobs began, and how many wipes each has: of the last minute."""
        self._patrolled = workflow.time()
        self._news = True

    @workflow.run
    async def run(self, state: Json) -> None:
        """Go on for ever."""
        del state
        while not self._is_long() or not workflow.all_handlers_finished():
            self._news = False
            for run in list(self._runs.values()):
                await self._advance(run)
            await self._patrol()
            if not self._news:
                await self._wait()
        workflow.continue_as_new(self._state())

    # -------------------------------------------------------------------------------------------------- from outside

    @workflow.update
    async def announce(self, run: Json) -> Json:
        """Take note of a run before any of its jobs is there; say which run ran its plan already, where one did."""
        for plan_id, run_id, _ in self._used:
            if plan_id == run["plan_id"] and run_id != run["run_id"]:
                return {"used_by": run_id}
        if self._floor and run["made_at"] <= self._floor:
            return {"too_old": self._floor}
        if run["run_id"] not in self._runs:
            count = len(run["instances"])
            more: Json = {"state": "announced", "outcomes": [None] * count, "begun": [False] * count, "failing": []}
            more |= {"owed": [], "closed": "", "stage": 0, "asking": "", "cancelled": False, "at": workflow.time()}
            self._runs[run["run_id"]] = {**run, **more}
            self._used.append([run["plan_id"], run["run_id"], run["made_at"]])
            self._forget()
        return {}

    @workflow.update
    async def open(self, run_id: str) -> bool:
        """Let the jobs of a run begin, now that all of them are there; tell whether the run is known still."""
        run = self._runs.get(run_id)
        if run is None:
            return False
        if run["state"] == "announced":
            run["state"], self._news = "open", True
        return True

    @workflow.update
    async def drop(self, run_id: str) -> bool:
        """Forget a run of which nothing was begun, and that its plan was to be run."""
        run = self._runs.get(run_id)
        if run is None or run["state"] != "announced":
            return False
        del self._runs[run_id]
        self._used = [each for each in self._used if each[1] != run_id]
        return True

    @workflow.update
    async def forget(self, run_id: str) -> None:
        """Forget a run that is over, whatever it still owes: somebody has let its instances go."""
        if self._runs.get(run_id, {}).get("state") == "ended":
            del self._runs[run_id]

    @workflow.update
    async def known(self, run_id: str) -> str:
        """Tell the state of a run; ``""`` of one that is over, or was never announced."""
        run = self._runs.get(run_id)
        return str(run["state"]) if run else ""

    @workflow.update
    async def cancel(self, run_id: str) -> bool:
        """Let no further job of a run begin, and ask those at work to end in order; tell whether the run is known."""
        run = self._runs.get(run_id)
        if run is None:
            return False
        run["cancelled"], self._news = True, True
        run["state"] = "open" if run["state"] == "announced" else run["state"]
        return True

    @workflow.update
    async def answer(self, run_id: str, stage: int, go: bool) -> None:
        """Take a person's answer whether the next stage begins."""
        run = self._runs.get(run_id)
        if run is not None and run["asking"] and run["stage"] == stage:
            run["asking"], self._news = "", True
            run["stage"] += 1
            if not go:
                run["closed"] = "somebody decided not to go on"

    @workflow.signal
    def ended(self, word: Json) -> None:
        """Note that a job has ended, at first or once more."""
        run = self._runs.get(word["run_id"])
        if run is not None:
            run["outcomes"][word["position"]], self._news = word["outcome"], True
            run["failing"] = [each for each in run["failing"] if each != word["position"]]
            self._owe(run, word["position"], word.get("owed", word["outcome"] in STILL_OWED))
            run["state"] = "open"  # also of one that was over: a job of it went on, and its record is to be kept anew

    @workflow.signal
    def failing(self, word: Json) -> None:
        """Note that a job that has not ended cannot end done any more."""
        run = self._runs.get(word["run_id"])
        if run is not None and word["position"] not in run["failing"]:
            run["failing"].append(word["position"])
            self._news = True

    @workflow.query
    def status(self, run_id: str) -> Json | None:
        """Tell how far a run is."""
        return self._runs.get(run_id)

    @workflow.query
    def runs(self) -> list[Json]:
        """Tell of the runs that are not over."""
        return list(self._runs.values())

    @workflow.query
    def used(self) -> list[list[str]]:
        """Tell which plans were run."""
        return self._used

    # ---------------------------------------------------------------------------------------------------- what begins

    async def _advance(self, run: Json) -> None:
        """Let jobs of a run begin, or end those that never will, and end the run with the last of them."""
        if run["state"] == "announced" and workflow.time() - run["at"] > _ANNOUNCED:
            run["state"], run["closed"] = "open", "whoever submitted it did not come back"
        if run["state"] != "open":
            return
        if run["cancelled"] and not run.get("asked"):
            run["asked"] = True
            await self._tell(run, [n for n, out in enumerate(run["outcomes"]) if out is None], "interrupt")
        if not run["closed"] and not run["cancelled"]:
            await self._begin(run)
        if run["closed"] or run["cancelled"]:
            why = run["closed"] or "the run was cancelled"
            ahead = _ahead(run)
            begun = [n for n, out in enumerate(run["outcomes"]) if out is None and run["begun"][n]]
            await self._tell(run, ahead if run.get("told") else [*ahead, *begun], "never", why)
            run["told"] = True
            for position in ahead:
                run["outcomes"][position] = "refused"
        if all(run["outcomes"]):
            run["state"] = "ended"
            await self._keep(run)

    async def _begin(self, run: Json) -> None:
        rollout = read(Rollout, run["rollout"])
        let = release(rollout, run["outcomes"], workflow.now(), len(run["failing"]))
        run["closed"] = let.closed
        if let.closed or not self._goes_on(run, rollout, let.stage):
            return
        chosen: list[int] = []
        down = sum(
            begun and out is None
            for each in self._runs.values()
            for begun, out in zip(each["begun"], each["outcomes"], strict=True)
        )
        room = self._room(rollout)
        for position in [each for each in _ahead(run) if each < let.upto]:
            wipes = run["wipes"][position]
            fits = wipes <= room or not (down or self._wiped)  # one that never will, alone
            if down >= rollout.max_parallel or not fits:
                break
            run["begun"][position] = True
            chosen.append(position)
            self._wiped.append([self._now(), wipes])
            down, room = down + 1, room - wipes
        for position in await self._tell(run, chosen, "begin"):
            run["outcomes"][position] = "refused"  # it is not there any more, and nothing was touched

    def _goes_on(self, run: Json, rollout: Rollout, stage: int) -> bool:
        """Ask whether to go on, where a stage has ended after which that is wanted; never while a machine is down."""
        if stage <= run["stage"] or run["asking"]:
            return not run["asking"]
        after_canary = run["stage"] == 0 and has_canary(rollout, len(run["outcomes"]))
        if rollout.pause == "wave" or (rollout.pause == "canary" and after_canary):
            ended = [out for out in run["outcomes"] if out is not None]
            if len(ended) == sum(run["begun"]):
                run["asking"] = (
                    f"{len(ended)} of {len(run['outcomes'])} jobs have ended, {ended.count('done')} of them done."
                )
            return False
        run["stage"] = stage
        return True

    def _room(self, rollout: Rollout) -> int:
        """Count the wipes that may be begun now: as many as the documented quota takes in a minute, by our share."""
        now = self._now()
        self._wiped = [each for each in self._wiped if each[0] > now - _WINDOW]
        most = max(1, int(LIMITS["ReInitDisk"] * rollout.quota_share))
        return most - sum(int(wipes) for _, wipes in self._wiped)

    async def _tell(self, run: Json, positions: list[int], word: str, *more: str) -> list[int]:
        """Tell these jobs; give those that are not there."""

        async def tell(position: int) -> int | None:
            job = workflow.get_external_workflow_handle(f"{self._place['job']}{run['instances'][position]}")
            try:
                await job.signal(word, args=list(more))
            except FailureError:
                return position
            return None

        gone = await asyncio.gather(*(tell(position) for position in positions))
        return [position for position in gone if position is not None]

    # ------------------------------------------------------------------------------------------------- what is over

    async def _keep(self, run: Json) -> None:
        """Have a worker write the run into its journal, and forget it unless a machine is still owed something."""
        word = {"run_id": run["run_id"], "jobs": [f"{self._place['job']}{each}" for each in run["instances"]]}
        await workflow.execute_activity(
            "keep",
            word,
            task_queue=self._place["queue"],
            start_to_close_timeout=timedelta(minutes=10),
            heartbeat_timeout=timedelta(seconds=names.USUAL.heartbeat),
            retry_policy=_AGAIN,
        )
        if run["state"] == "ended" and not run.get("owed"):  # else a job of it has ended anew meanwhile
            self._runs.pop(run["run_id"], None)

    @staticmethod
    def _owe(run: Json, position: int, owed: bool) -> None:
        """Note whether something is owed to a machine still: a run is remembered until nothing is."""
        others = [each for each in run.get("owed", ()) if each != position]
        run["owed"] = [*others, position] if owed else others

    async def _patrol(self) -> None:
        """Find jobs that somebody ended from outside, so that they keep no slot."""
        if workflow.time() - self._patrolled < _PATROL:
            return
        self._patrolled = workflow.time()
        for run in list(self._runs.values()):
            at_work = [n for n, out in enumerate(run["outcomes"]) if run["begun"][n] and out is None]
            if run["state"] != "open" or not at_work:
                continue
            word = [f"{self._place['job']}{run['instances'][position]}" for position in at_work]
            gone = await workflow.execute_activity(
                "gone", word, result_type=list, task_queue=self._place["queue"],
                start_to_close_timeout=timedelta(minutes=5), retry_policy=_AGAIN,
            )  # fmt: skip
            for place in gone:
                run["outcomes"][at_work[place]], self._news = "unknown", True
                self._owe(run, at_work[place], True)

    # --------------------------------------------------------------------------------------------------- its own life

    async def _wait(self) -> None:
        """Wait for news, or until something is due by itself."""
        now, due = workflow.time(), [workflow.time() + _PATROL]
        for run in self._runs.values():
            if run["state"] == "announced":
                due.append(run["at"] + _ANNOUNCED)
            elif run["state"] == "open" and _ahead(run):
                deadline = read(Rollout, run["rollout"]).deadline
                due += [deadline.timestamp()] if deadline and deadline.timestamp() > now else []
                due += [now + (self._wiped[0][0] + _WINDOW - self._now()) / self._place["rate"]] if self._wiped else []
        try:
            seconds = max(0.05, min(due) - now)
            await workflow.wait_condition(lambda: self._news, timeout=timedelta(seconds=seconds))
        except asyncio.TimeoutError:
            return

    def _is_long(self) -> bool:
        info = workflow.info()
        return info.is_continue_as_new_suggested() or info.get_current_history_length() > _EVENTS

    def _now(self) -> float:
        return workflow.time() * float(self._place["rate"])

    def _forget(self) -> None:
        if len(self._used) > _PLANS:
            self._used.sort(key=lambda each: each[2])
            open_now = {run["plan_id"] for run in self._runs.values()}
            oldest = next(each for each in self._used if each[0] not in open_now)
            self._used.remove(oldest)
            self._floor = max(self._floor, oldest[2])

    def _state(self) -> Json:
        return {
            "place": self._place,
            "runs": self._runs,
            "used": self._used,
            "floor": self._floor,
            "wiped": self._wiped,
        }


def _ahead(run: Json) -> list[int]:
    """List the jobs of a run that have not begun."""
    return [n for n, out in enumerate(run["outcomes"]) if out is None and not run["begun"][n]]
