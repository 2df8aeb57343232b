"""The library: plans in files, the ids of runs, and what the journal has, as a program uses them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import safe_reinit
from safe_reinit import report
from safe_reinit.errors import RunRefused, UsageError
from safe_reinit.model import Event
from safe_reinit.plans.plan import to_json
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


def test_a_saved_plan_runs_as_it_was_agreed_to(sim: Simulator, tmp_path: Path) -> None:
    """A plan is saved, loaded by another client with the digest that somebody agreed to, and run."""
    digest = at(sim, tmp_path).save_plan(at(sim, tmp_path).plan([DATA], stop_instance=True), tmp_path / "p.json").digest
    caller = at(sim, tmp_path)
    plan = caller.load_plan(tmp_path / "p.json", digest=digest)

    assert caller.run(plan, confirm=plan.confirm_with).outcome == "done"
    assert wipes(sim.state(), DATA) == 1


def test_a_plan_is_saved_over_nothing(sim: Simulator, tmp_path: Path) -> None:
    """A file that is there keeps its content."""
    file = tmp_path / "p.json"
    file.write_text("mine", "utf-8")
    with pytest.raises(UsageError, match="already exists"):
        at(sim, tmp_path).save_plan(at(sim, tmp_path).plan([DATA]), file)

    assert file.read_text("utf-8") == "mine"


@pytest.mark.parametrize(
    ("change", "more", "error"),
    [
        (None, {"digest": "0" * 64}, "neither the digest"),
        (None, {"password": PASSWORD}, "sets no password"),
        ({"change": INSTANCE, "to": {"tags": {"safe-reinit:protect": ""}}}, {}, "is stale"),
    ],
)
def test_another_plan_than_the_one_agreed_to_is_not_loaded(
    sim: Simulator, tmp_path: Path, change: dict[str, Any] | None, more: dict[str, Any], error: str
) -> None:
    """A file with another digest, one that needs another password, or one whose facts have changed is refused."""
    caller = at(sim, tmp_path)
    caller.save_plan(caller.plan([DATA], stop_instance=True), tmp_path / "p.json")
    if change:
        sim.do(change)
    with pytest.raises((RunRefused, UsageError), match=error):
        caller.load_plan(tmp_path / "p.json", **more)


def test_a_plan_of_another_region_is_not_loaded(sim: Simulator, tmp_path: Path) -> None:
    """A client loads only plans of its region."""
    caller = at(sim, tmp_path)
    caller.save_plan(caller.plan([DATA], stop_instance=True), tmp_path / "p.json")
    other = safe_reinit.connect(
        region="cn-beijing", endpoint=sim.url, credentials=sim.access_key, journal=tmp_path / "j.db"
    )
    with pytest.raises(UsageError, match="is for the region cn-hangzhou"):
        other.load_plan(tmp_path / "p.json")


def test_a_saved_plan_needs_its_password_again(sim: Simulator, tmp_path: Path) -> None:
    """The password is in no file, and is given again to load the plan."""
    caller = at(sim, tmp_path)
    caller.save_plan(caller.plan([SYSTEM], stop_instance=True, password=PASSWORD), tmp_path / "p.json")
    with pytest.raises(UsageError, match="sets a password"):
        caller.load_plan(tmp_path / "p.json")
    plan = caller.load_plan(tmp_path / "p.json", password=PASSWORD)

    assert plan.options.password is not None
    assert plan.options.password.reveal() == PASSWORD
    assert PASSWORD not in (tmp_path / "p.json").read_text("utf-8")


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
    assert json.loads(json.dumps(plan.to_dict())) == to_json(plan)
