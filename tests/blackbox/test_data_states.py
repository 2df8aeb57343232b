"""What a report says of the data: only what this run did, and which run had the disk before."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import safe_reinit
from safe_reinit.simulator import Simulator
from tests.blackbox.worlds import DISK, RUN, SECOND, STOPPING, TARGET, comes_to, held, listed, wipes
from tests.commands import Command

pytestmark = pytest.mark.virtual_time


def data_of(result: dict[str, Any]) -> dict[str, str]:
    """Return what a report says of each disk."""
    return {disk["disk_id"]: disk["data"] for job in result["jobs"] for disk in job["disks"]}


def last_of(result: dict[str, Any], disk_id: str = DISK) -> dict[str, Any] | None:
    """Return the run that a report names of a disk."""
    (found,) = [disk["last_run"] for job in result["jobs"] for disk in job["disks"] if disk["disk_id"] == disk_id]
    return found  # type: ignore[no-any-return]


def in_every_form(run: Command, path: Path, *words: str, code: int) -> tuple[dict[str, Any], dict[str, str]]:
    """Run a command twice, for every form of its report; give the JSON document, and the texts of the others."""
    texts = {}
    for form, ending in (("text", "html"), ("markdown", "json")):
        file = run.folder / f"{'-'.join(words)[-40:].replace('/', '-')}.{ending}"
        done = run(*words, "--output", form, "--report", str(file), journal=path)
        assert done.returncode == code, done.stderr
        texts |= {form: done.stdout, ending: file.read_text("utf-8")}
    return json.loads(texts.pop("json")), texts


def test_a_retry_while_a_run_is_open_names_it(sim: Simulator, run: Command, path: Path) -> None:
    """After an unknown outcome a second command is refused, claims nothing of the data, and names the open run."""
    sim.do({"fault": {"action": "ReInitDisk", "nth": "every", "drop_request": True}})
    first = json.loads(run(*RUN, "--output", "json", journal=path).stdout)
    assert (first["outcome"], data_of(first)) == ("unknown", {DISK: "unknown"})

    result, texts = in_every_form(run, path, *RUN, code=3)

    assert data_of(result) == {DISK: "untouched"}
    last = last_of(result)
    assert last is not None
    assert (last["run_id"], last["state"], last["data"]) == (first["run_id"], "open", "unknown")
    for form, text in texts.items():
        assert first["run_id"] in text, form
        assert "untouched" in text, form
        assert "data intact" not in text, form


def test_a_plan_that_is_applied_twice_names_the_run_that_wiped(sim: Simulator, run: Command, path: Path) -> None:
    """The second apply is refused; the disk is untouched by it, and the report says which run reinitialised it."""
    file = str(run.folder / "plan.json")
    saved = json.loads(
        run("plan", *TARGET, "--endpoint", run.url, "--save", file, "--output", "json", journal=path).stdout
    )
    words = ("apply", file, "--confirm", saved["plan"]["digest"])
    first = json.loads(run(*words, "--output", "json", journal=path).stdout)
    assert data_of(first) == {DISK: "reinitialised"}

    result, texts = in_every_form(run, path, *words, code=3)

    assert data_of(result) == {DISK: "untouched"}
    last = last_of(result)
    assert last is not None
    assert (last["run_id"], last["state"], last["data"]) == (first["run_id"], "ended", "reinitialised")
    assert all(first["run_id"] in text and "intact" not in text.split("<main>")[-1] for text in texts.values())
    assert f"{DISK}: run {first['run_id']} (ended" in run("show", file, journal=path).stdout
    assert wipes(sim) == 1


def test_a_dry_run_names_the_last_run_of_a_disk(run: Command, path: Path) -> None:
    """A plan for a disk that was wiped says so; of another disk it names no run, and it begins no journal."""
    before = json.loads(run(*TARGET, "--dry-run", "--output", "json", journal=path).stdout)
    assert (data_of(before), last_of(before)) == ({DISK: "untouched"}, None)
    assert not path.exists()
    first = json.loads(run(*RUN, "--output", "json", journal=path).stdout)

    result, texts = in_every_form(run, path, *TARGET, "--accept", "no-recent-snapshot", "--dry-run", code=0)
    other = json.loads(run("--disk", SECOND, "--stop-instance", "--dry-run", "--output", "json", journal=path).stdout)

    last = last_of(result)
    assert last is not None
    assert (last["run_id"], last["data"]) == (first["run_id"], "reinitialised")
    assert all(first["run_id"] in text for text in texts.values())
    assert last_of(other, SECOND) is None


def test_what_others_wiped_is_only_untouched_by_this_run(run: Command, path: Path, tmp_path: Path) -> None:
    """A plan that is applied after somebody else, with another journal, wiped the disk claims nothing of its data."""
    file = str(run.folder / "plan.json")
    saved = json.loads(
        run("plan", *TARGET, "--endpoint", run.url, "--save", file, "--output", "json", journal=path).stdout
    )
    assert run(*RUN, journal=tmp_path / "other.db").returncode == 0

    result, texts = in_every_form(run, path, "apply", file, "--confirm", saved["plan"]["digest"], code=3)

    assert data_of(result) == {DISK: "untouched"}
    assert not any("intact" in text.split("<main>")[-1] for text in texts.values())


def test_a_journal_from_a_backup_claims_nothing_of_the_data(sim: Simulator, run: Command, path: Path) -> None:
    """A run that is resumed from a copy made before its wipe does not say that the data is intact."""
    backup = path.parent / "backup"
    backup.mkdir()
    with held(sim, STOPPING):
        child = run.start(*RUN, journal=path)
        comes_to(sim, "Stopping")
        child.kill()
        child.communicate()
        for file in path.parent.glob("j.db*"):
            shutil.copy(file, backup)
    name = listed(run, path)[0]["run_id"]
    assert run("resume", name, journal=path).returncode == 0
    assert wipes(sim) == 1
    for file in path.parent.glob("j.db*"):
        file.unlink()
    for file in backup.iterdir():
        shutil.copy(file, path.parent)

    done = run("resume", name, "--output", "json", journal=path)

    assert wipes(sim) == 1
    assert data_of(json.loads(done.stdout)) == {DISK: "untouched"}, done.stderr
    assert "intact" not in done.stderr
    assert "intact" not in run("show", name, journal=path).stdout


def test_a_disk_that_does_not_exist_is_not_intact(run: Command, path: Path) -> None:
    """Of a disk that ECS does not show a refused plan says only that this run did not touch it."""
    result, texts = in_every_form(run, path, "--disk", "d-nowhere", "--dry-run", code=3)

    assert data_of(result) == {"d-nowhere": "untouched"}
    assert not any("intact" in text.split("<main>")[-1] for text in texts.values())


def test_a_wipe_that_was_refused_leaves_its_disk_intact(sim: Simulator, run: Command, path: Path) -> None:
    """Intact is said of a wipe that was intended and proven refused, in the report, the events and by show."""
    sim.do({"fault": {"action": "ReInitDisk", "nth": "every", "error": {"code": "OperationDenied", "status": 403}}})
    events = run.folder / "events.jsonl"
    done = run(*RUN, "--events", str(events), "--output", "json", journal=path)
    result = json.loads(done.stdout)

    assert done.returncode == 4, done.stderr
    assert data_of(result) == {DISK: "intact"}
    ends = [json.loads(line) for line in events.read_text("utf-8").splitlines() if '"event": "done"' in line]
    assert [each["data"]["data"] for each in ends] == [{DISK: "intact"}]
    assert f"  {DISK}: intact" in run("show", result["run_id"], journal=path).stdout


def test_a_run_that_ends_before_its_wipe_has_touched_nothing(sim: Simulator, run: Command, path: Path) -> None:
    """A stop that is refused ends 4, and the disk is untouched, also in the events."""
    sim.do(
        {
            "fault": {
                "action": "StopInstance",
                "dry_run": False,
                "nth": "every",
                "error": {"code": "OperationDenied", "status": 403},
            }
        }
    )
    events = run.folder / "events.jsonl"
    done = run(*RUN, "--events", str(events), "--output", "json", journal=path)

    assert done.returncode == 4, done.stderr
    assert data_of(json.loads(done.stdout)) == {DISK: "untouched"}
    ends = [json.loads(line) for line in events.read_text("utf-8").splitlines() if '"event": "done"' in line]
    assert [each["data"]["data"] for each in ends] == [{DISK: "untouched"}]


def test_the_library_names_the_run_too(sim: Simulator, path: Path) -> None:
    """An error of the library that refuses a run carries a report which names the run that wiped the disk."""
    client = safe_reinit.connect(region=sim.region, endpoint=sim.url, credentials=sim.access_key, journal=str(path))
    plan = client.plan([DISK], stop_instance=True)
    first = client.run(plan, confirm=plan.confirm_with)
    with pytest.raises(safe_reinit.RunRefused) as caught:
        client.run(plan, confirm=plan.confirm_with)

    assert caught.value.report is not None
    (disk,) = caught.value.report.jobs[0].disks
    assert disk.data == "untouched"
    assert disk.last_run is not None
    assert (disk.last_run.run_id, disk.last_run.data) == (first.run_id, "reinitialised")
