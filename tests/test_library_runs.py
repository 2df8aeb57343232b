"""The library: plans in files, the ids of runs, and what the journal has, as a program uses them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import safe_reinit
from safe_reinit import report
from safe_reinit.errors import RunRefused, UsageError
from safe_reinit.model import Event
from safe_reinit.plans.plan import plan_to_json
from safe_reinit.simulator import Simulator
from tests.cloudlike import DATA, INSTANCE, SYSTEM, client, simulated, wipes

pytestmark = pytest.mark.virtual_time

PASSWORD = "Pl4nted&Secret=Word"


@pytest.fixture
def sim() -> Iterator[Simulator]:
    """Start a world."""
    with simulated() as started:
        yield started


def at(sim: Simulator, folder: Path, **more: Any) -> safe_reinit.Client:
    """Connect with a journal of its own."""
    return client(sim, journal=folder / "j.db", **more)


# ------------------------------------------------------------------------------------------------------ plans in files


def saved(caller: safe_reinit.Client, folder: Path, disk_id: str = DATA, **more: Any) -> Path:
    """Save the plan of a disk, and return its file."""
    caller.plan([disk_id], stop_instance=True, **more).save(folder / "p.json")
    return folder / "p.json"


def test_a_saved_plan_runs_as_it_was_agreed_to(sim: Simulator, tmp_path: Path) -> None:
    """A plan is saved, loaded with the digest that somebody agreed to, and run by another client."""
    digest = at(sim, tmp_path).plan([DATA], stop_instance=True).save(tmp_path / "p.json").digest
    plan = safe_reinit.Plan.load(tmp_path / "p.json", digest=digest)

    assert at(sim, tmp_path).run(plan, confirm=plan.confirm_with).outcome == "done"
    assert wipes(sim.state(), DATA) == 1


def test_a_plan_is_loaded_without_a_cloud(sim: Simulator, tmp_path: Path) -> None:
    """Whoever agrees to a plan reads in it what its maker read, where it can be run and until when."""
    plan = at(sim, tmp_path).plan([DATA], stop_instance=True)
    calls = len(sim.state()["calls"])
    loaded = safe_reinit.Plan.load(saved(at(sim, tmp_path), tmp_path))

    assert len(sim.state()["calls"]) == 2 * calls  # those of the plan that was saved
    assert [each.message for each in loaded.findings] == [each.message for each in plan.findings]
    assert (loaded.endpoint, loaded.expires_at - loaded.made_at) == (plan.endpoint, timedelta(hours=24))
    assert loaded.save(tmp_path / "again.json").digest == loaded.digest


def test_a_plan_is_saved_over_nothing(sim: Simulator, tmp_path: Path) -> None:
    """A file that is there keeps its content."""
    file = tmp_path / "p.json"
    file.write_text("mine", "utf-8")
    with pytest.raises(UsageError, match="already exists"):
        saved(at(sim, tmp_path), tmp_path)

    assert file.read_text("utf-8") == "mine"


@pytest.mark.parametrize(
    ("more", "error"), [({"digest": "0" * 64}, "neither the digest"), ({"password": PASSWORD}, "sets no password")]
)
def test_another_plan_than_the_one_agreed_to_is_not_loaded(
    sim: Simulator, tmp_path: Path, more: dict[str, Any], error: str
) -> None:
    """A file with another digest, or one that needs another password, is refused."""
    file = saved(at(sim, tmp_path), tmp_path)
    with pytest.raises((RunRefused, UsageError), match=error):
        safe_reinit.Plan.load(file, **more)


@pytest.mark.parametrize("change", [{"tags": {"safe-reinit:protect": ""}}, {"name": "other"}])
def test_a_plan_from_a_file_is_compared_before_it_runs(sim: Simulator, tmp_path: Path, change: dict[str, Any]) -> None:
    """What changed since the plan was saved refuses its run, before any call that changes something."""
    caller = at(sim, tmp_path)
    plan = safe_reinit.Plan.load(saved(caller, tmp_path))
    sim.do({"change": INSTANCE, "to": change})
    with pytest.raises(RunRefused, match="is stale") as refused:
        caller.run(plan, confirm=plan.confirm_with)

    assert refused.value.report is not None
    assert [call.action for call in refused.value.report.calls if not call.only_reads and not call.dry_run] == []
    assert (wipes(sim.state(), DATA), caller.runs()) == (0, ())


def test_an_expired_plan_is_not_run(sim: Simulator, tmp_path: Path) -> None:
    """A plan from a file runs no longer than its maker allowed, by the cloud's clock."""
    plan = safe_reinit.Plan.load(saved(at(sim, tmp_path, plan_expires="1s"), tmp_path))
    caller = at(sim, tmp_path)
    caller.clock.sleep(5.0)
    with pytest.raises(RunRefused, match="expired at"):
        caller.run(plan, confirm=plan.confirm_with)

    assert wipes(sim.state(), DATA) == 0


@pytest.mark.parametrize("other", [{"region": "cn-beijing"}, {"endpoint": "http://127.0.0.1:65000"}])
def test_a_plan_of_another_place_is_not_run(sim: Simulator, tmp_path: Path, other: dict[str, str]) -> None:
    """A client runs only plans of its region and cloud, and asks neither before it refuses another."""
    plan = safe_reinit.Plan.load(saved(at(sim, tmp_path), tmp_path))
    place: dict[str, Any] = {"region": "cn-hangzhou", "endpoint": sim.url, **other}
    caller = safe_reinit.connect(**place, credentials=sim.access_key, journal=tmp_path / "j.db")
    with pytest.raises(UsageError, match="cn-beijing" if "region" in other else "127.0.0.1:65000"):
        caller.run(plan, confirm=plan.confirm_with)


def test_a_saved_plan_needs_its_password_again(sim: Simulator, tmp_path: Path) -> None:
    """The password is in no file, and is given again to load the plan."""
    file = saved(at(sim, tmp_path), tmp_path, SYSTEM, password=PASSWORD)
    with pytest.raises(UsageError, match="sets a password"):
        safe_reinit.Plan.load(file)
    plan = safe_reinit.Plan.load(file, password=PASSWORD)

    assert plan.options.password is not None
    assert plan.options.password.reveal() == PASSWORD
    assert PASSWORD not in file.read_text("utf-8")


# ----------------------------------------------------------------------------------------------------- runs by their id


def test_the_id_of_a_run_is_known_before_its_first_event(sim: Simulator, tmp_path: Path) -> None:
    """A run has the id that the program made for it, in every event, in its report and in the journal."""
    caller = at(sim, tmp_path)
    plan = caller.plan([DATA], stop_instance=True)
    run_id = caller.new_run_id()
    events: list[Event] = []
    result = caller.run(plan, confirm=DATA, run_id=run_id, on_event=events.append)

    assert {event.run_id for event in events} == {result.run_id} == {run_id}
    assert [run.run_id for run in caller.runs()] == [run_id]
    assert caller.runs()[0].outcome == "done"


@pytest.mark.parametrize("kept", [True, False])
def test_an_id_is_that_of_one_run(sim: Simulator, tmp_path: Path, kept: bool) -> None:
    """The id of another run, in a file or in memory, and what is no id, begin no run."""
    caller = at(sim, tmp_path) if kept else client(sim)
    one, other = (caller.plan([DATA], stop_instance=True) for _ in range(2))
    first = caller.run(one, confirm=DATA)
    for run_id, error in ((first.run_id, "already exists"), ("nightly", "run_id is not")):
        with pytest.raises((RunRefused, UsageError), match=error):
            caller.run(other, confirm=DATA, run_id=run_id)

    assert wipes(sim.state(), DATA) == 1


def test_a_journal_without_runs_has_none(sim: Simulator, tmp_path: Path) -> None:
    """Where nothing was run, ``runs`` is empty and makes no journal."""
    assert at(sim, tmp_path).runs() == ()
    assert list(tmp_path.iterdir()) == []


def test_what_is_done_once_is_a_value(sim: Simulator, tmp_path: Path) -> None:
    """A second plan with the same key is not run, and its report says which run did it."""
    with at(sim, tmp_path) as caller:
        first, again = (
            caller.run(caller.plan([DATA], stop_instance=True, once="nightly-1"), confirm=DATA) for _ in range(2)
        )

    assert (first.already_done, again.already_done, again.run_id) == (False, True, first.run_id)
    assert wipes(sim.state(), DATA) == 1


def test_plans_and_reports_are_json(sim: Simulator) -> None:
    """``to_dict`` and ``to_json`` give the documents of the command line."""
    caller = client(sim)
    plan = caller.plan([DATA], stop_instance=True)
    result = caller.run(plan, confirm=DATA)

    assert json.loads(result.to_json()) == result.to_dict() == report.to_json(result)
    assert json.loads(json.dumps(plan.to_dict())) == plan_to_json(plan)
