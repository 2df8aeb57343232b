"""Runs in which everything happens at random, in any order and in any step: what holds for each of them."""

from __future__ import annotations

import random
from typing import Any

import pytest

from safe_reinit.core import state
from safe_reinit.core.inputs import (
    Attempt,
    AttemptRefused,
    AttemptUnanswered,
    AttemptWithheld,
    Broke,
    CancelRequested,
    Commit,
    Committed,
    Describe,
    Effect,
    Exchanged,
    Input,
    JournalAway,
    JournalLost,
    LeaseLapsed,
    Recheck,
    RecheckFailed,
    SendAttempts,
    Unobserved,
)
from safe_reinit.core.steps import is_outstanding, tries_of
from safe_reinit.model import Accepted, Command, Failure, Limits, Options
from tests.core.runs import Steps

FULL = Failure(None, "The disk is full.")
SHORT = Limits(stop=60.0, snapshot=60.0, reinit=80.0, start=90.0, retry=40.0)
MAX_STEPS = 4000
"""Steps after which every run has ended."""


class Disturbed(Steps):
    """A run whose inputs come at random; each step sees to what holds always.

    Args:
        seed: of what happens.
        calm: the part of what is asked for that goes well.

    """

    def __init__(self, seed: int, *, calm: float) -> None:
        self.random = random.Random(seed)
        self.calm = calm
        super().__init__(
            self.random.choice((1, 2, 3, 12)), disks=self.random.choice((1, 1, 2)),
            power=self.random.choice(("Running", "Running", "Stopped")), limits=SHORT,
            options=Options(snapshot=self.random.random() < 0.3, lock_tag=self.random.random() < 0.3),
            max_parallel=self.random.choice((1, 100)), journal_outage=self.random.choice((0.0, 30.0, 120.0)),
        )  # fmt: skip
        self.written = dict(enumerate(self.states))
        """The states as the journal has them, or the file of this host that keeps what it lacks."""
        self.unwritten = False
        """Whether the last commit was written nowhere."""
        self.lasting = False
        """Whether the journal never comes back."""
        self.later: list[Input] = []
        """What has happened, and the run is not told of yet."""
        self.wiped = dict.fromkeys((name for each in self.machines for name in each.disks), 0)
        self.lost = dict.fromkeys(self.wiped, 0)
        self.foreign = False

    def carry_out(self) -> None:
        """Carry everything out to the end of the run."""
        for number in range(MAX_STEPS):
            if self.run.is_over:
                return
            self.calm = 1.0 if number > MAX_STEPS // 4 else self.calm
            self.go_on()
        raise AssertionError(f"it does not end: {[each for each in self.states if each.error is None]}")

    def go_on(self) -> None:
        """Let something happen."""
        if not self.later and not self.pending:
            self.at = max(self.at + 0.1, self.wake_at)
        elif self.random.random() < 0.3:
            self.at += self.random.choice((0.1, 0.5, 2.0))
        for asked in [each for each in self.pending if self.random.random() < 0.6]:
            self.pending.remove(asked)
            self.later.append(self.happened(asked))
        if self.random.random() > self.calm and self.random.random() < 0.1:
            self.later.append(self.from_outside())
        self.random.shuffle(self.later)
        some = self.random.randint(0, len(self.later)) if self.random.random() > 0.5 else len(self.later)
        given, self.later = self.later[:some], self.later[some:]
        self.see(self.step_once(*given))

    def from_outside(self) -> Input:
        """Return something that comes from outside of the run."""
        if self.random.random() < 0.2:
            self.foreign = True
            machine = self.random.choice(self.machines)
            if machine.status == "Stopped" and "ReIniting" not in machine.disks.values():
                machine.do(Command("StartInstance", f"i-{machine.number}"), self.at, "")
        choices = (CancelRequested(), LeaseLapsed(), Exchanged("ReInitDisk", "Throttling.User"), Committed())
        return self.random.choice(choices)

    # ------------------------------------------------------------------------------------------- what holds always

    def see(self, effects: list[Effect]) -> None:
        """Check that what is asked for now may be, and let the journal be written."""
        commits = [each for each in effects if isinstance(each, Commit)]
        assert len(commits) <= 1
        assert not commits or effects[-1] == commits[0], "nothing is asked for behind a commit"
        for each in effects:
            if isinstance(each, SendAttempts):
                self.see_call(each)
        busy = [each.position for call in self.pending if isinstance(call, SendAttempts) for each in call.attempts]
        assert len(busy) == len(set(busy)), "one call at a time for a job"
        assert sum(isinstance(each, Describe) for each in self.pending) <= 1
        assert sum(isinstance(each, Recheck) for each in self.pending) <= 1
        for commit in commits:
            again = self.unwritten and self.random.random() < 0.8  # an outage lasts
            self.unwritten = not commit.spool and (again or self.lasting or self.random.random() > max(self.calm, 0.98))
            if not self.unwritten:
                self.written |= dict(commit.states)
            self.lasting = self.lasting or (self.unwritten and self.random.random() < 0.1)
            kind = JournalLost if self.lasting else JournalAway
            self.later.append(kind(FULL) if self.unwritten else Committed())

    def see_call(self, call: SendAttempts) -> None:
        """Check that a call stands on what is written down, and on a state that still wants it."""
        assert len({(each.command.action, each.command.force) for each in call.attempts}) == 1
        assert len(call.attempts) == 1 or call.attempts[0].command.action in ("StopInstance", "StartInstance")
        for each in call.attempts:
            written = self.written[each.position]
            assert is_outstanding(written, each.command), "its intention is written down"
            assert tries_of(written, each.command) == each.number == tries_of(each.job, each.command)
            back = each.command.action in ("StartInstance", "UntagResources")
            assert back or not (each.job.turned_back or self.unwritten), "nothing goes on after the run has turned back"
            assert not each.command.overwrites or each.job.start.state == "none"

    def see_end(self) -> None:
        """Check that the run claims nothing but what is so, and that the machines are as promised."""
        for machine, known in zip(self.machines, self.states, strict=True):
            machine.pass_time(self.at + 60.0)
            for wipe in known.disks:
                assert self.wiped[wipe.disk_id] <= 1 + self.lost[wipe.disk_id]
                if wipe.state == "done":
                    assert self.wiped[wipe.disk_id], f"{wipe.disk_id} was never wiped"
                if wipe.data in ("intact", "untouched"):
                    assert not self.wiped[wipe.disk_id], f"{wipe.disk_id} was wiped"
            assert known.error is not None or state.outcome(known) in ("done", "not-restarted"), "why is told"
            if state.outcome(known) in ("done", "failed", "partial", "refused") and not self.foreign:
                assert machine.status == known.power_before, f"{known.error}"
        assert self.written == dict(enumerate(self.states)), "the journal has everything"

    # ---------------------------------------------------------------------------------------------- what comes of it

    def happened(self, asked: Describe | Recheck | SendAttempts) -> Input:
        """Return what came of an effect: mostly what the machines make of it."""
        if self.random.random() < self.calm:
            return self.outcome_of(asked)
        if isinstance(asked, Describe):
            seen = [
                self.observation(
                    self.number_of(job), job, **({"answered": False} if self.random.random() < 0.5 else {})
                )
                for job in asked.jobs
            ]
            return self.outcome_of(asked, *seen)
        if isinstance(asked, Recheck):
            if self.random.random() < 0.3:
                return RecheckFailed(asked.number, "ECS does not answer")
            if self.random.random() < 0.2:
                return Broke(asked.number, "KeyError")
            found = [
                Unobserved("x") if self.random.random() < 0.4 else self.fresh(each.position) for each in asked.commands
            ]
            return self.outcome_of(asked, *found)
        if self.random.random() < 0.2:
            if self.random.random() < 0.5:
                self.outcome_of(asked)
            for each in asked.attempts:
                self.lose(each)
            return Broke(asked.number, "KeyError")
        together = len(asked.attempts) > 1 and self.random.random() < 0.3
        if together:
            return self.outcome_of(
                asked, *[AttemptRefused("Forbidden.RAM", 403, "", "r")] * len(asked.attempts), batched=True
            )
        return self.outcome_of(asked, *[self.answered(each) for each in asked.attempts])

    def answered(self, attempt: Any) -> Any:
        """Return how one attempt ended."""
        how = self.random.choice(("ok", "lost", "done and lost", "busy", "refused", "throttled", "withheld"))
        if how in ("ok", "done and lost"):
            accepted = self.accept(attempt)
            if how == "ok":
                return accepted
        if how in ("lost", "done and lost"):
            self.lose(attempt)
            return AttemptUnanswered()
        codes = {"busy": "DiskCreatingSnapshot", "refused": "OperationDenied", "throttled": "Throttling.User"}
        return AttemptWithheld() if how == "withheld" else AttemptRefused(codes[how], 403, "", "r", retry_after=2)

    def accept(self, attempt: Attempt) -> Accepted:
        """Implement ``Steps``; count the wipes."""
        if attempt.command.overwrites:
            self.wiped[attempt.command.subject] += 1
        return super().accept(attempt)

    def lose(self, attempt: Any) -> None:
        """Count an answer that is lost."""
        self.lost[attempt.command.subject] = self.lost.get(attempt.command.subject, 0) + 1


@pytest.mark.parametrize("calm", [0.5, 0.9, 0.98])
def test_whatever_happens_a_run_keeps_its_rules_and_ends(calm: float) -> None:
    """No call without its written intention, none after the run turned back, and nothing claimed that is not so."""
    outcomes: set[str] = set()
    for seed in range(20):
        run = Disturbed(seed, calm=calm)
        try:
            run.carry_out()
            run.see_end()
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
        outcomes |= {state.outcome(each) for each in run.states}

    assert len(outcomes) > 1, "they do not all end alike"
