"""The judge finds each lie and each loss: a true run is changed in one place, and it says which promise is broken."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from safe_reinit.simulator.calls import Call
from safe_reinit.simulator.state.model import Overwrite, Snapshot
from tests.simulation import harness
from tests.simulation.judge import (
    Evidence,
    Sent,
    Session,
    Take,
    Truth,
    judge,
    judge_end,
    judge_pauses,
    judge_slow_reads,
)
from tests.simulation.test_simulation import quiet

Report = dict[str, Any]
SCENARIOS = Path(__file__).parent / "scenarios"


class Rows(dict[str, Any]):
    """Rows by id, as the simulator's tables have them."""

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        return iter(self.values())


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    """Return what the judge sees of a run that nothing befell, with a record of ECS that can be changed."""
    kept: list[Evidence] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(harness, "judge", lambda seen: kept.append(seen) or judge(seen))
        assert not harness.simulate(quiet()).violations
    engine = kept[-1].engine
    cloud = {name: Rows({row.id: row for row in getattr(engine.cloud, name)}) for name in TABLES}
    record: Any = SimpleNamespace(calls=list(engine.calls), cloud=SimpleNamespace(**cloud))
    return replace(kept[-1], engine=record)


TABLES = ("disks", "instances", "snapshots")


def kinds(evidence: Evidence) -> set[str]:
    """Return what the judge says."""
    return {each.kind for each in judge(evidence)}


def lying(evidence: Evidence, change: Callable[[Report], object], **session: Any) -> set[str]:
    """Return what the judge says of a report that was changed."""
    report = copy.deepcopy(dict(evidence.reports[-1]))
    change(report)
    return kinds(replace(evidence, sessions=[replace(evidence.sessions[-1], report=report, **session)]))


def of_disk(**members: Any) -> Callable[[Report], object]:
    """Return a change of what a report says of its disk."""
    return lambda report: report["jobs"][0]["disks"][0].update(members)


def of_job(**members: Any) -> Callable[[Report], object]:
    """Return a change of what a report says of its job."""
    return lambda report: report["jobs"][0].update(members)


def planned(evidence: Evidence, **members: Any) -> dict[str, Any]:
    """Return the plan with a changed job."""
    plan = copy.deepcopy(dict(evidence.plan or {}))
    plan["jobs"][0].update(members)
    return plan


def happened(evidence: Evidence, calls: Sequence[Call] | None = None, **rows: Any) -> Evidence:
    """Return the evidence with another record: other calls, or a changed row of a table."""
    engine: Any = evidence.engine
    cloud = {name: Rows({row.id: row for row in getattr(engine.cloud, name)}) for name in TABLES}
    for name, row in rows.items():
        cloud[name][row.id] = row
    changed: Any = SimpleNamespace(calls=list(engine.calls if calls is None else calls), cloud=SimpleNamespace(**cloud))
    return replace(evidence, engine=changed)


def call_of(evidence: Evidence, action: str) -> Call:
    """Return the accepted call of an action."""
    return next(call for call in evidence.calls if call.action == action)


def with_call(evidence: Evidence, before: str, action: str, *about: str, source: Any = "api") -> Evidence:
    """Return the evidence with one call more, just before another one."""
    at = call_of(evidence, before).at
    more = Call(at - 0.01, action, about, request_id="one-more", source=source)
    calls = sorted([*evidence.engine.calls, more], key=lambda call: call.at)
    return happened(evidence, calls)


def without(evidence: Evidence, *actions: str) -> list[Call]:
    """Return the calls but for these."""
    return [call for call in evidence.engine.calls if call.action not in actions or call.dry_run]


def test_a_true_report_of_a_true_run_passes(evidence: Evidence) -> None:
    """Nothing is held against a run that kept its promises."""
    assert judge(evidence) == judge_end(evidence) == []


def test_a_stop_beside_more_machines_than_may_be_down_is_found(evidence: Evidence) -> None:
    """It is found where another run's machine is down, and the plan allows no second one."""
    beside = replace(with_call(evidence, "StopInstance", "StopInstance", "i-other"), foreign={"one-more"})
    alone = copy.deepcopy(dict(evidence.plan or {}))
    alone["rollout"]["max_parallel"] = 1

    assert "too-many-down" not in kinds(beside)
    assert "too-many-down" in kinds(replace(beside, plan=alone))
    assert "too-many-down" not in kinds(replace(beside, plan=alone, abandoned=True))
    assert "too-many-down" not in kinds(replace(beside, plan=alone, apart={"one-more"}))


def rolled_out(evidence: Evidence, **rollout: Any) -> Evidence:
    """Return the evidence of a plan over two machines with another rollout."""
    plan = copy.deepcopy(dict(evidence.plan or {}))
    plan["jobs"].append({**copy.deepcopy(plan["jobs"][0]), "instance_id": "i-later", "disks": []})
    plan["rollout"].update(rollout)
    return replace(evidence, plan=plan)


def test_more_machines_of_a_run_down_at_once_than_may_be_are_found(evidence: Evidence) -> None:
    """The shards of a run have one limit together; a machine that was given up has left its place."""
    two = replace(with_call(evidence, "ReInitDisk", "StopInstance", "i-later"), shards={"worker": 0})

    assert "too-many-down" in kinds(rolled_out(two, max_parallel=1))
    assert "too-many-down" not in kinds(rolled_out(two, max_parallel=2))
    stranded = copy.deepcopy(dict(evidence.reports[-1]))
    stranded["jobs"][0]["outcome"] = "stranded"
    given_up = replace(two, sessions=[replace(evidence.sessions[-1], report=stranded)])
    assert "too-many-down" not in kinds(rolled_out(given_up, max_parallel=1))


@pytest.mark.parametrize("rollout", [{"canary": 1}, {"canary": 0, "waves": [[1, False]]}])
def test_a_machine_that_is_stopped_before_its_turn_is_found(evidence: Evidence, rollout: dict[str, Any]) -> None:
    """Nothing of a later stage is stopped before what is of an earlier one."""
    early = with_call(evidence, "StopInstance", "StopInstance", "i-later")
    later = with_call(evidence, "StartInstance", "StopInstance", "i-later")

    assert "out-of-turn" in kinds(rolled_out(early, **rollout))
    assert "out-of-turn" not in kinds(rolled_out(later, **rollout))
    assert "out-of-turn" not in kinds(rolled_out(early, canary=0, waves=[]))


def test_a_machine_that_is_stopped_although_the_canary_failed_is_found(evidence: Evidence) -> None:
    """Whatever came of it otherwise: a canary that is not done lets no other machine begin."""
    report = copy.deepcopy(dict(evidence.reports[-1]))
    report["jobs"][0]["outcome"] = "failed"
    failed = replace(
        with_call(evidence, "StartInstance", "StopInstance", "i-later"),
        sessions=[replace(evidence.sessions[-1], report=report)],
    )

    assert "out-of-turn" in kinds(rolled_out(failed, canary=1))
    assert "out-of-turn" not in kinds(rolled_out(failed, canary=0))


def test_a_machine_that_is_stopped_after_too_many_failures_is_found(evidence: Evidence) -> None:
    """What counts is a wipe that was refused for good, once its answer had come."""
    wipe = call_of(evidence, "ReInitDisk")
    refused = replace(wipe, code="OperationDenied", request_id="refused")  # type: ignore[type-var]
    stop = Call(wipe.at + 20.0, "StopInstance", ("i-later",), request_id="later", source="api")
    seen = rolled_out(happened(evidence, [*evidence.engine.calls, refused, stop]), stop_after_failures=1, canary=0)
    answered = Sent(wipe.at, "ReInitDisk", "worker", request_id="refused", answered=True, answered_at=wipe.at)

    def sent(after: float) -> Evidence:
        return replace(seen, sent=[answered, Sent(wipe.at + after, "StopInstance", "worker", request_id="later")])

    assert "begun-after-failures" in kinds(sent(19.9))
    assert "begun-after-failures" not in kinds(sent(5.0))


def test_a_machine_that_is_stopped_after_a_cancel_is_found(evidence: Evidence) -> None:
    """Once people were told that a run is asked to end, none of its processes stops or wipes any more."""
    last = max(each.at for each in evidence.sent if each.action == "ReInitDisk")

    assert "begun-after-cancel" in kinds(replace(evidence, cancelled=last - 20.0))
    assert "begun-after-cancel" not in kinds(replace(evidence, cancelled=last - 5.0))
    assert "begun-after-cancel" not in kinds(replace(evidence, cancelled=last - 20.0, outages=[(0.0, 1.0)]))


def test_a_call_of_a_worker_that_lost_its_shard_is_found(evidence: Evidence) -> None:
    """Whoever took it since is the one who calls; the same worker may take it again."""
    at = evidence.sent[-1].at
    sent = [Sent(at, "StartInstance", "one")]
    mine, theirs = Take(at - 9.0, "one", "r-1.0"), Take(at - 5.0, "two", "r-1.0")
    of_shards = replace(evidence, shards={"one": 0, "two": 0}, sent=sent)

    assert "two-holders" in kinds(replace(of_shards, takes=[mine, theirs]))
    assert "two-holders" not in kinds(replace(of_shards, takes=[theirs, replace(mine, at=at - 1.0)]))
    assert "two-holders" not in kinds(replace(of_shards, takes=[mine, replace(theirs, part="r-1.1")]))


def test_a_shard_is_taken_when_that_is_written_down() -> None:
    """A worker that is paused before it hears that it has a shard took it before whoever took it meanwhile."""
    kept = json.loads((SCENARIOS / "paused-as-a-shard-was-taken.json").read_text("utf-8"))
    seen: list[Evidence] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(harness, "judge", lambda evidence: seen.append(evidence) or judge(evidence))
        assert not harness.simulate(kept["scenario"]).violations
    paused, other = seen[-1].takes

    assert (paused.process, other.process) == ("shard 0, attempt 1", "shard 0, attempt 2")
    assert paused.at < other.at


# ------------------------------------------------------------------------------------------------- data and targets


def test_a_call_outside_the_plan_is_found(evidence: Evidence) -> None:
    """A disk that was wiped and a machine that was stopped are found where the plan does not name them."""
    assert kinds(replace(evidence, plan=planned(evidence, disks=[]), sessions=[])) == {"not-a-target"}
    assert kinds(with_call(evidence, "ReInitDisk", "StopInstance", "i-9")) == {"not-a-target"}


def test_power_that_the_plan_does_not_speak_of_is_found(evidence: Evidence) -> None:
    """A stop, a start and a power cut that were not planned are found."""
    assert "stopped-unasked" in kinds(replace(evidence, plan=planned(evidence, will_stop=False)))
    unasked = replace(evidence, plan=planned(evidence, will_start=False))
    assert "started-unasked" in kinds(happened(unasked, without(unasked, "StopInstance")))
    cut = Sent(evidence.sent[0].at, "StopInstance", "first", forced=True)
    assert kinds(replace(evidence, sent=[*evidence.sent, cut])) == {"forced-unasked"}


def test_a_wipe_after_a_start_is_found(evidence: Evidence) -> None:
    """A machine that anybody started after the stop, and that is wiped all the same, is found."""
    assert kinds(with_call(evidence, "ReInitDisk", "StartInstance", "i-0", source="console")) == {"used-then-wiped"}
    assert "wiped-after-start" in kinds(with_call(evidence, "ReInitDisk", "StartInstance", "i-0"))


def test_what_was_written_to_a_stopped_machine_and_wiped_is_found(evidence: Evidence) -> None:
    """Data written after the plan, of which the plan does not say that it is lost, is found."""
    stopped = replace(evidence, plan=planned(evidence, power_before="Stopped", will_stop=False), sessions=[])
    written = with_call(stopped, "ReInitDisk", "Write", "d-0", source="console")

    assert kinds(happened(written, without(written, "StopInstance", "StartInstance"))) == {"lost-write"}


def test_what_the_plan_says_is_lost_is_not_held_against_the_run(evidence: Evidence) -> None:
    """Of a machine that was stopped a moment ago the plan says until when what is written is lost."""
    plan = planned(evidence, power_before="Stopped", will_stop=False)
    fact = {"StartTime": plan["made_at"]}
    plan["findings"] = [{"check": "just-started", "subject": "i-0", "fact": fact}]
    written = with_call(replace(evidence, plan=plan, sessions=[]), "ReInitDisk", "Write", "d-0", source="console")

    assert kinds(happened(written, without(written, "StopInstance", "StartInstance"))) == set()


def test_a_second_wipe_of_what_was_wiped_is_found(evidence: Evidence) -> None:
    """A disk whose wipe was answered is not wiped again."""
    first = call_of(evidence, "ReInitDisk")
    disk = evidence.disk("d-0")
    assert disk is not None
    again = Overwrite(first.at + 5, "again", 1, "data:9", "initial")
    calls = [*evidence.engine.calls, replace(first, at=first.at + 5, request_id="again")]

    twice = happened(evidence, calls, disks=replace(disk, wipes=(*disk.wipes, again)))
    assert "wiped-twice" in kinds(twice)
    paused = [replace(each, answered_at=first.at + 60) for each in twice.sent]
    assert "wiped-twice" not in kinds(replace(twice, sent=paused)), "the process did not have the answer yet"
    unwritten = replace(twice, sent=[replace(each, recorded_at=math.inf) for each in twice.sent])
    assert "wiped-twice" in kinds(unwritten), "nobody asked for it to be sent again"
    assert "wiped-twice" in kinds(replace(twice, sends_again=True)), "the answer was recorded"
    assert "wiped-twice" not in kinds(replace(unwritten, sends_again=True)), "nobody could know"


def test_a_wipe_without_the_snapshot_that_was_promised_is_found(evidence: Evidence) -> None:
    """With a safety snapshot in the plan, no wipe goes without one of what was on the disk."""
    plan = planned(evidence)
    plan["options"]["snapshot"] = True

    assert kinds(replace(evidence, plan=plan)) == {"wiped-unsaved"}


def test_a_snapshot_that_was_deleted_before_the_wipe_keeps_nothing(evidence: Evidence) -> None:
    """A wipe is as unsaved where its safety snapshot was deleted before as where none was ever taken."""
    plan = planned(evidence)
    plan["options"]["snapshot"] = True
    disk = evidence.disk("d-0")
    assert disk is not None
    taken = disk.wipes[0].at - 5
    row = Snapshot(
        "s-1", "s", "accomplished", "d-0", "data", 20, "cn-hangzhou", taken, taken, disk.wipes[0].content_before
    )
    saved = replace(happened(evidence, snapshots=row), plan=plan)
    deleted = with_call(saved, "ReInitDisk", "DeleteSnapshot", "s-1", source="console")

    assert kinds(saved) == set()
    assert kinds(happened(deleted, list(deleted.engine.calls), snapshots=row)) == {"wiped-unsaved"}


def test_what_somebody_else_wiped_needs_no_snapshot(evidence: Evidence) -> None:
    """A disk that was wiped from elsewhere holds nothing that a safety snapshot would keep."""
    plan = planned(evidence)
    plan["options"]["snapshot"] = True
    disk = evidence.disk("d-0")
    assert disk is not None
    ours = replace(disk.wipes[0], content_before="blank")
    theirs = replace(ours, at=ours.at - 5, request_id="theirs", content_after="blank")

    assert kinds(replace(happened(evidence, disks=replace(disk, wipes=(theirs, ours))), plan=plan)) == set()


def test_lost_data_is_excused_only_where_an_assumption_is_broken(evidence: Evidence) -> None:
    """Where an assumption does not hold a wipe may be wrong; a lag that the run could have measured has a name."""
    used = with_call(evidence, "ReInitDisk", "StartInstance", "i-0", source="console")

    assert kinds(replace(used, broken=["S1"])) == set()
    assert kinds(replace(used, broken=["S2"], lag=None)) == set()
    assert kinds(replace(used, broken=["S2"], lag=60.0)) == {"wiped-behind-lag"}
    stop, wipe = call_of(used, "StopInstance"), call_of(used, "ReInitDisk")
    late = [replace(call, at=wipe.at - 3.0) if call is stop else call for call in used.engine.calls]
    unmeasured = happened(used, sorted(late, key=lambda call: call.at))
    assert kinds(replace(unmeasured, broken=["S2"], lag=60.0)) == set()
    cut_off = [call for call in used.engine.calls if call.action != "DescribeInstances"]
    assert kinds(replace(happened(used, cut_off), broken=["S2"], lag=60.0)) == set()


# ----------------------------------------------------------------------------------------------------------- claims


def test_a_wiped_disk_that_is_reported_as_untouched_is_found(evidence: Evidence) -> None:
    """A report that says a wiped disk was not wiped is a lie, also one that was true a moment before."""
    for text in ("intact", "untouched"):
        assert "false-intact" in lying(evidence, of_disk(data=text))
        assert "false-intact" in lying(evidence, of_disk(data=text), truth=Truth({}, {}))


def test_an_earlier_report_is_held_against_what_was_true_then(evidence: Evidence) -> None:
    """What was wiped after a report was made is not held against it."""
    report = copy.deepcopy(dict(evidence.reports[-1]))
    of_disk(data="intact")(report)
    report |= {"outcome": "failed", "exit_code": 4}
    of_job(outcome="failed")(report)
    earlier = replace(evidence.sessions[-1], report=report, truth=Truth({}, {}), overlapped=True)
    made = call_of(evidence, "ReInitDisk").request_id

    assert kinds(replace(evidence, sessions=[earlier, *evidence.sessions])) == set()
    later = replace(earlier, truth=Truth({}, {"d-0": (made,)}))
    assert kinds(replace(evidence, sessions=[later, *evidence.sessions])) == {"false-intact"}


def test_a_wipe_that_never_was_is_found(evidence: Evidence) -> None:
    """A report that says a disk was wiped, and no wipe of the run was accepted, is a lie."""
    disk = evidence.disk("d-0")
    assert disk is not None

    assert "false-wiped" in kinds(happened(evidence, without(evidence, "ReInitDisk"), disks=replace(disk, wipes=())))


def test_an_exit_code_that_does_not_fit_is_found(evidence: Evidence) -> None:
    """Outcome and exit code belong together, done means done, and a bug is one."""
    assert lying(evidence, lambda report: report.update(exit_code=4)) == {"wrong-code"}
    assert "false-done" in lying(evidence, of_disk(data="unknown"))
    assert "bug" in lying(evidence, lambda report: report.update(outcome="bug", exit_code=1))


def test_a_machine_that_is_reported_as_left_alone_is_found(evidence: Evidence) -> None:
    """``refused`` is said only where nothing was done."""
    assert "false-refused" in lying(evidence, of_job(outcome="refused"))


def test_a_snapshot_that_is_not_of_the_disk_is_found(evidence: Evidence) -> None:
    """A safety snapshot that a report names exists, and is of that disk."""
    assert lying(evidence, of_disk(safety_snapshot="s-none")) == {"false-snapshot"}


def test_doubt_and_holders_without_a_reason_are_found(evidence: Evidence) -> None:
    """Doubt about a wipe that was never sent is found, and another process that there was not."""
    doubtful = replace(evidence, sent=[each for each in evidence.sent if each.action != "ReInitDisk"])
    doubtful = happened(doubtful, without(doubtful, "ReInitDisk"))
    disk = doubtful.disk("d-0")
    assert disk is not None
    doubtful = happened(doubtful, disks=replace(disk, wipes=()))
    assert "false-doubt" in lying(doubtful, of_disk(data="unknown"))
    killed = replace(doubtful, starts={"killed": doubtful.began - 1.0, **doubtful.starts})
    assert "false-doubt" not in lying(killed, of_disk(data="unknown"))
    assert "false-doubt" not in lying(doubtful, of_disk(data="unknown"), left=True)

    holder = {"message": "Another process holds run r-1 now."}
    assert lying(evidence, lambda report: report.update(error=holder)) == {"false-holder"}
    assert lying(evidence, lambda report: report.update(error=holder), overlapped=True) == set()


# ------------------------------------------------------------------------------------------------- power and limits


def down(evidence: Evidence) -> Evidence:
    """Return the evidence with the machine down, as if its start had never been."""
    machine = evidence.instance("i-0")
    assert machine is not None
    return happened(evidence, without(evidence, "StartInstance"), instances=replace(machine, status="Stopped"))


def test_a_machine_that_is_down_unsaid_is_found(evidence: Evidence) -> None:
    """A machine that ran before and is down is found where the report does not say so, or where nothing goes on."""
    seen = down(evidence)
    assert "down-unsaid" in lying(seen, of_job(outcome="failed"), truth=None)
    assert "no-way-on" in lying(seen, of_job(outcome="stranded"), truth=None)
    assert "no-way-on" not in kinds(replace(seen, open_runs=[seen.run_id]))
    left = of_job(outcome="not-restarted", power_promised="Stopped")
    assert "no-way-on" not in lying(seen, left, truth=None), "it was not seen, and nothing is to be done for it"
    assert "false-power" in lying(seen, of_job(), truth=None)


@pytest.mark.parametrize("theirs", [True, False])
def test_a_report_of_power_is_held_against_its_own_time(evidence: Evidence, theirs: bool) -> None:
    """A machine that somebody else stopped since was as promised, also where the run starts it again later."""
    session, stop, start = evidence.sessions[-1], call_of(evidence, "StopInstance"), call_of(evidence, "StartInstance")
    stopped = [replace(stop, at=start.at + 1, source="console", request_id="theirs")] * theirs  # type: ignore[type-var]
    again = replace(start, at=start.at + 20, request_id="again")  # type: ignore[type-var]
    seen = happened(evidence, [*evidence.engine.calls, *stopped, again])
    assert session.truth is not None
    earlier = replace(session, ended=start.at + 10, truth=replace(session.truth, instances={"i-0": "Stopped"}))

    assert ("false-power" in kinds(replace(seen, sessions=[earlier, session]))) == (not theirs)


def test_a_limit_that_does_not_hold_is_found(evidence: Evidence) -> None:
    """A phase, and a whole run, that took longer than the plan says at most, are found."""
    late = "2030-01-01T00:00:00Z"
    assert lying(evidence, lambda report: report["jobs"][0]["phases"][0].update(ended_at=late)) == {"over-limit"}
    ended = evidence.sessions[-1].ended + 5 * 3600
    assert lying(evidence, of_job(), ended=ended) == {"over-limit"}
    assert lying(evidence, of_job(), ended=ended, paused=5 * 3600.0) == set()


# ------------------------------------------------------------------------------ verdicts, holders, journal and secrets


def test_a_wipe_that_follows_from_a_verdict_is_found(evidence: Evidence) -> None:
    """A verdict sends no wipe."""
    at = call_of(evidence, "ReInitDisk").at

    assert kinds(replace(evidence, judged=[(at - 1, at + 1)])) == {"wiped-on-verdict"}


def test_a_call_of_a_process_that_lost_its_run_is_found(evidence: Evidence) -> None:
    """Once another process has called for the run, the one before it is silent."""
    at = evidence.sent[-1].at
    sent = [*evidence.sent, Sent(at + 1, "StartInstance", "taker"), Sent(at + 2, "StartInstance", "first")]

    assert kinds(replace(evidence, sent=sent, starts={**evidence.starts, "taker": at})) == {"two-holders"}


def test_a_wipe_that_no_journal_knows_of_is_found(evidence: Evidence) -> None:
    """Once the journal is gone nothing is stopped and nothing is wiped, nor while it cannot be written."""
    at = evidence.sent[0].at  # of the stop; the wipe comes when the machine is Stopped

    assert kinds(replace(evidence, unrecorded=at)) == {"sent-unrecorded"}
    assert kinds(replace(evidence, unrecorded=evidence.sent[-1].at)) == set()
    assert kinds(replace(evidence, outages=[(at, evidence.sent[-1].at + 1.0)])) == {"sent-unrecorded"}
    assert kinds(replace(evidence, outages=[(at, at + 2.0)])) == set()


def test_a_secret_in_any_output_is_found(evidence: Evidence) -> None:
    """A secret that was written anywhere is found."""
    assert {"events", "plan", "journal.db"} <= set(evidence.outputs)
    outputs = {**evidence.outputs, "stderr": f"x{harness.SECRET}y".encode()}
    assert kinds(replace(evidence, outputs=outputs)) == {"secret"}


def test_a_call_that_arrives_after_every_deadline_is_nobodys(evidence: Evidence) -> None:
    """Where requests may arrive late (S4 broken), what such a one does is not held against the run."""
    stop = call_of(evidence, "StopInstance")
    late = replace(stop, at=evidence.engine.calls[-1].at + 100, request_id="late")  # type: ignore[index]
    machine = evidence.instance("i-0")
    assert machine is not None
    seen = happened(evidence, [*evidence.engine.calls, late], instances=replace(machine, status="Stopped"))
    seen = replace(seen, sent=[*seen.sent, Sent(stop.at, "StopInstance", "first", request_id="late")])

    assert "down-unsaid" in kinds(seen)
    assert kinds(replace(seen, broken=["S4"])) == set()


def test_a_call_for_many_counts_for_those_that_it_was_accepted_for(evidence: Evidence) -> None:
    """What a call for many was refused for, it did not do: whoever stopped that machine before was the last."""
    stop = call_of(evidence, "StopInstance")
    theirs = replace(stop, source="console")  # type: ignore[type-var]
    many = replace(stop, action="StopInstances", request_id="many")  # type: ignore[type-var]
    seen = happened(down(evidence), [*evidence.engine.calls, theirs, many])
    note = Sent(stop.at, "StopInstances", "first", request_id="many")

    assert "down-unsaid" in kinds(replace(seen, sent=[*seen.sent, note]))
    assert "down-unsaid" not in kinds(replace(seen, sent=[*seen.sent, replace(note, refused=("i-0",))]))


@pytest.mark.parametrize(("answered", "status", "found"), [(False, None, False), (True, 503, False), (True, 403, True)])
def test_a_stop_that_may_have_been_done_explains_a_start(
    evidence: Evidence, answered: bool, status: int | None, found: bool
) -> None:
    """A run cannot tell a stop by somebody else from its own one, unless an answer said that its own was not done."""
    unasked = replace(evidence, plan=planned(evidence, will_start=False))
    stop = replace(call_of(evidence, "StopInstance"), http_status=status, code="x", request_id="open")  # type: ignore[type-var]
    seen = happened(unasked, [*without(unasked, "StopInstance"), stop])
    sent = Sent(stop.at, "StopInstance", "first", request_id="open", answered=answered)

    assert ("started-unasked" in kinds(replace(seen, sent=[sent]))) == found


def test_a_stop_that_has_not_arrived_yet_explains_a_start(evidence: Evidence) -> None:
    """A request that is still on its way (S4 broken) was sent all the same."""
    unasked = replace(evidence, plan=planned(evidence, will_start=False))
    seen = happened(unasked, without(unasked, "StopInstance"))

    assert "started-unasked" in kinds(replace(seen, sent=[]))
    assert "started-unasked" not in kinds(replace(seen, sent=[Sent(seen.began, "StopInstance", "first")]))


@pytest.mark.parametrize(("paused", "unpaused", "found"), [("unknown", "done", True), ("unknown", "failed", False)])
def test_a_run_that_a_pause_alone_costs_is_found(paused: str, unpaused: str, found: bool) -> None:
    """A run that a pause keeps from its end is found, where it comes to that end without the pause."""
    result = judge_pauses([{"outcome": paused}], lambda: [{"outcome": unpaused}])

    assert [each.kind for each in result] == ["lost-to-pause"] * found


# --------------------------------------------------------------------------------------------------------- the end


def test_a_run_that_stays_open_is_found(evidence: Evidence) -> None:
    """With nothing going wrong any more, a run that is still open is found."""
    assert {each.kind for each in judge_end(replace(evidence, open_runs=["r-1"]))} == {"still-open"}


def test_a_machine_that_is_left_down_is_found(evidence: Evidence) -> None:
    """A machine that ran before, is down at the end and that nobody else stopped is found."""
    assert {each.kind for each in judge_end(down(evidence))} == {"left-down"}


def test_a_lock_tag_that_stays_is_found(evidence: Evidence) -> None:
    """A lock tag that nobody tried to take off is found, unless it was said that it stays."""
    machine = evidence.instance("i-0")
    assert machine is not None
    tagged = happened(evidence, instances=replace(machine, tags={"safe-reinit:run": evidence.run_id}))

    assert {each.kind for each in judge_end(tagged)} == {"tag-stays"}
    assert judge_end(replace(tagged, tags_reported={"i-0"})) == []
    assert Session(report={}).truth is None


@pytest.mark.parametrize(("outcome", "found"), [("stranded", True), ("not-restarted", True), ("failed", False)])
def test_a_machine_that_slow_answers_alone_leave_down_is_found(outcome: str, found: bool) -> None:
    """Slow Describe calls may cost the wipe, and never a machine."""
    result = judge_slow_reads([{"jobs": [{"instance_id": "i-0", "outcome": outcome}]}])

    assert [each.kind for each in result] == ["lost-to-slowness"] * found
