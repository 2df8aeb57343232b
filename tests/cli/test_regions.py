"""One command over several regions: whole runs by the command line, and what is true in the simulator after them."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from safe_reinit.cli import app, regions
from safe_reinit.client import Client
from safe_reinit.errors import RunRefused, UsageError
from safe_reinit.simulator import Simulator
from tests import processes, virtual
from tests.commands import Command, command, until
from tests.conftest import ended_by
from tests.values import recoverable

pytestmark = pytest.mark.virtual_time

HERE, THERE, NOWHERE = "cn-hangzhou", "cn-beijing", "cn-shanghai"
REGIONS = ("--region", HERE, "--region", THERE)
LAB = (*REGIONS, "--tag", "env=lab", "--data-disks", "--stop-instance", "--max-disks", "10")
ACTS = ("StopInstance", "StopInstances", "ReInitDisk", "StartInstance", "StartInstances")


def two_region_world(here: int = 1, there: int = 1, **more: Any) -> dict[str, Any]:
    """Return a world of running machines in two regions, one data disk each."""
    of_instances, of_disks = more.pop("instances", {}), more.pop("disks", {})
    places = [*((f"a{n}", HERE) for n in range(here)), *((f"b{n}", THERE) for n in range(there))]
    made: dict[str, Any] = {
        "durations": {"stop": 9, "wipe": 15, "start": 9},
        "instances": {
            f"i-{name}": {
                "region": region,
                "tags": {"env": "lab"},
                "key_pair": "ops",
                **of_instances.get(f"i-{name}", {}),
            }
            for name, region in places
        },
        "disks": {
            f"d-{name}": {"instance": f"i-{name}", "snapshot": f"s-origin-{name[0]}", **of_disks.get(f"d-{name}", {})}
            for name, region in places
        },
        "snapshots": {
            f"s-origin-{letter}": {"disk": "d-gone", "released": True, "region": region}
            for letter, region in (("a", HERE), ("b", THERE))
        },
        **more,
    }
    return recoverable(made)


@contextmanager
def simulated(made: dict[str, Any] | None = None, *faults: dict[str, Any]) -> Iterator[Simulator]:
    """Start a simulator for one test."""
    with virtual.simulate(made or two_region_world(), list(faults)) as sim:
        yield sim


def wipes(sim: Simulator) -> dict[str, int]:
    """Count the wipes of each disk."""
    return {disk_id: len(disk["wipes"]) for disk_id, disk in sim.state()["disks"].items()}


def acts(sim: Simulator) -> list[tuple[str, ...]]:
    """List the changing calls that reached the simulator."""
    return [
        (call["action"], *call["subject"])
        for call in sim.state()["calls"]
        if call["action"] in ACTS and not call["dry_run"] and call["source"] == "api"
    ]


def power(sim: Simulator) -> set[str]:
    """Return the states of the machines."""
    return {instance["status"] for instance in sim.state()["instances"].values()}


def document(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """Read the one JSON document on stdout."""
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["exit_code"] == done.returncode
    return found


def confirmed(run: Command, *words: str, journal: Path) -> tuple[str, ...]:
    """Return the words of a command with the consent that its plan asks for."""
    result = document(run(*words, "--dry-run", "--output", "json", journal=journal))
    assert result["outcome"] == "planned", result["error"]
    return (*words, "--confirm", result["plan"]["confirm_with"])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Name a journal."""
    return tmp_path / "j.db"


# ------------------------------------------------------------------------------------------------------- all goes well


def test_a_tag_finds_machines_in_two_regions_and_all_are_wiped(tmp_path: Path, path: Path) -> None:
    """Each disk is wiped once and each machine is back; the report is one document of both runs."""
    with simulated(two_region_world(2, 1)) as sim:
        run = command(sim.url, tmp_path)
        words = confirmed(run, *LAB, journal=path)
        done = run(*words, "--output", "json", "--events", str(tmp_path / "e.jsonl"), journal=path)

        result = document(done)
        assert (result["outcome"], result["region"]) == ("done", f"{HERE},{THERE}"), done.stderr
        assert wipes(sim) == {"d-a0": 1, "d-a1": 1, "d-b0": 1}
        assert power(sim) == {"Running"}
    assert [job["instance_id"] for job in result["jobs"]] == ["i-a0", "i-a1", "i-b0"]
    assert words[-1] == result["plan"]["confirm_with"] == result["plan"]["fingerprint"]
    runs = result["run_id"].split(",")
    listed = json.loads(run("runs", "--output", "json", journal=path).stdout)["runs"]
    assert {each["run_id"]: each["region"] for each in listed} == dict(zip(runs, (HERE, THERE), strict=True))
    events = [json.loads(line) for line in (tmp_path / "e.jsonl").read_text("utf-8").splitlines()]
    of_run = {event["instance_id"]: event["run_id"] for event in events if event["event"] == "done"}
    assert of_run == {"i-a0": runs[0], "i-a1": runs[0], "i-b0": runs[1]}
    assert result["next"] == []


def test_a_region_begins_when_the_one_before_has_ended(tmp_path: Path, path: Path) -> None:
    """No machine of the second region is stopped before the first region's are back."""
    with simulated() as sim:
        run = command(sim.url, tmp_path)
        assert run(*confirmed(run, *LAB, journal=path), journal=path).returncode == 0
        assert [each[1] for each in acts(sim)] == ["i-a0", "d-a0", "i-a0", "i-b0", "d-b0", "i-b0"]


def test_everything_is_shown_before_consent(tmp_path: Path, path: Path) -> None:
    """The plans of both regions are in one output, with the order; without consent nothing is touched."""
    with simulated() as sim:
        done = command(sim.url, tmp_path)(*LAB, journal=path)

        assert done.returncode == 3
        assert acts(sim) == []
    for text in ("d-a0", "d-b0", "In total: 2 disks on 2 instances", f"{HERE}, then {THERE}", "no --confirm"):
        assert text in done.stderr


def test_the_command_that_the_dry_run_names_runs_it(tmp_path: Path, path: Path) -> None:
    """``next`` of a dry run is the command with the consent to all regions."""
    with simulated() as sim:
        run = command(sim.url, tmp_path)
        (following,) = document(run("plan", *LAB, "--endpoint", sim.url, "--output", "json", journal=path))["next"]
        words = [*run.words("--version", journal=None)[:3], *following.split()[1:]]
        done = processes.run_to_end(words, env=run.environment(), cwd=tmp_path)
        assert document(done)["outcome"] == "done"
        assert wipes(sim) == {"d-a0": 1, "d-b0": 1}


@pytest.mark.parametrize("form", ["md", "html", "json"])
def test_a_report_file_has_both_runs(tmp_path: Path, path: Path, form: str) -> None:
    """Markdown, HTML and JSON name both regions, both runs and every machine."""
    with simulated() as sim:
        run = command(sim.url, tmp_path)
        file = tmp_path / f"r.{form}"
        done = run(*confirmed(run, *LAB, journal=path), "--report", str(file), journal=path)
        assert done.returncode == 0, done.stderr
    result = file.read_text("utf-8")
    for text in ("i-a0", "i-b0", "d-a0", "d-b0"):
        assert text in result
    for run_id in done.stdout.rpartition("run ")[2].rpartition(",")[0].split(","):
        assert run_id in result.replace("\\", "")


# -------------------------------------------------------------------------------------------------- where things are


@pytest.mark.parametrize(
    "words", [("--disk", "d-b0"), ("--instance", "i-b0", "--data-disks")], ids=["disk", "instance"]
)
def test_what_is_named_is_found_in_the_region_where_it_is(tmp_path: Path, path: Path, words: tuple[str, ...]) -> None:
    """One disk in all is confirmed with its id, and runs as in a command of its region alone."""
    with simulated() as sim:
        run = command(sim.url, tmp_path)
        asked = (*REGIONS, *words, "--stop-instance", "--confirm", "d-b0", "--output", "json")
        done = run(*asked, journal=path)

        result = document(done)
        assert (result["outcome"], result["region"]) == ("done", THERE)
        assert wipes(sim) == {"d-a0": 0, "d-b0": 1}
    assert f"{HERE} is left out" in done.stderr


def test_disks_of_two_regions_stand_in_one_file(tmp_path: Path, path: Path) -> None:
    """A file of ids is looked up in every region, from stdin too, which is read once."""
    with simulated() as sim:
        run = command(sim.url, tmp_path)
        words = (*REGIONS, "--disks-from", "-", "--stop-instance", "--max-disks", "2", "--output", "json")
        result = document(run(*words, "--dry-run", journal=path, text="d-b0\nd-a0\n"))
        assert [job["disks"][0]["disk_id"] for job in result["jobs"]] == ["d-a0", "d-b0"]
        done = run(*words, "--confirm", result["plan"]["confirm_with"], journal=path, text="d-b0\nd-a0\n")
        assert document(done)["outcome"] == "done"


def test_a_disk_that_is_in_no_region_blocks_all(tmp_path: Path, path: Path) -> None:
    """It is the usual disk-not-found, and nothing is touched in any region."""
    with simulated() as sim:
        run = command(sim.url, tmp_path)
        words = (*REGIONS, "--disk", "d-b0", "--disk", "d-x", "--stop-instance", "--confirm", "d-b0")
        result = document(run(*words, "--output", "json", journal=path))

        assert result["outcome"] == "refused"
        assert [found["subject"] for found in result["findings"] if found["check"] == "disk-not-found"] == ["d-x"]
        assert {job["outcome"] for job in result["jobs"]} == {"refused"}
        assert acts(sim) == []
    assert result["run_id"] is None


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--instance", "i-x", "--data-disks"), f"No instance i-x was found in {HERE}, {THERE}."),
        (("--tag", "env=none", "--data-disks"), "No instance with env=none found"),
        (("--tag", "env=lab", "--system-disk"), "None of these instances has a disk of the selected kind."),
    ],
)
def test_nothing_in_any_region_is_refused(tmp_path: Path, path: Path, words: tuple[str, ...], text: str) -> None:
    """What is searched for and is nowhere ends 3, as with one region."""
    with simulated() as sim:
        result = document(command(sim.url, tmp_path)(*REGIONS, *words, "--output", "json", journal=path))

        assert (result["exit_code"], result["jobs"]) == (3, [])
        assert text in result["error"]["message"]
        assert acts(sim) == []


def test_a_region_without_anything_is_reported_and_left_out(tmp_path: Path, path: Path) -> None:
    """The others run without it."""
    with simulated() as sim:
        run = command(sim.url, tmp_path)
        done = run(*confirmed(run, "--region", NOWHERE, *LAB, journal=path), "--output", "json", journal=path)

        assert document(done)["region"] == f"{HERE},{THERE}"
        assert wipes(sim) == {"d-a0": 1, "d-b0": 1}
    assert f"{NOWHERE} is left out" in done.stderr


def test_a_region_that_cannot_be_asked_refuses_all(tmp_path: Path, path: Path) -> None:
    """A region that ECS does not know is not taken for one without anything."""
    with simulated() as sim:
        words = (*LAB, "--region", "cn-mars", "--confirm", "x", "--output", "json")
        result = document(command(sim.url, tmp_path)(*words, journal=path))
        assert (result["outcome"], result["error"]["code"]) == ("refused", "InvalidRegionId.NotFound")
        assert acts(sim) == []


# -------------------------------------------------------------------------------------------- refusals before the run


def test_what_is_refused_in_one_region_refuses_all(tmp_path: Path, path: Path) -> None:
    """A locked disk in the second region keeps the first one untouched, whatever is confirmed."""
    with simulated(two_region_world(disks={"d-b0": {"locks": ["security"]}})) as sim:
        result = document(command(sim.url, tmp_path)(*LAB, "--confirm", "d-a0", "--output", "json", journal=path))

        assert result["outcome"] == "refused"
        assert result["error"]["message"].startswith("disk-locked: d-b0")
        assert acts(sim) == []


@pytest.mark.parametrize(("there", "wiped"), [(1, {"d-a0": 1, "d-b0": 0}), (2, {"d-a0": 1, "d-b0": 0, "d-b1": 1})])
def test_refused_jobs_are_left_out_where_that_is_asked_for(
    tmp_path: Path, path: Path, there: int, wiped: dict[str, int]
) -> None:
    """With --skip-refused the rest runs, also where all of a region is refused."""
    with simulated(two_region_world(1, there, disks={"d-b0": {"locks": ["security"]}})) as sim:
        run = command(sim.url, tmp_path)
        words = confirmed(run, *LAB, "--skip-refused", journal=path)
        result = document(run(*words, "--output", "json", journal=path))

        assert result["outcome"] == "partial"
        assert wipes(sim) == wiped
        assert power(sim) == {"Running"}
    assert {job["disks"][0]["disk_id"]: job["outcome"] for job in result["jobs"]} == {
        disk_id: "done" if count else "refused" for disk_id, count in wiped.items()
    }


def test_far_too_many_disks_are_searched_in_no_region(tmp_path: Path, path: Path) -> None:
    """A list that no region could take is refused before it is asked where the disks are."""
    (tmp_path / "ids").write_text("".join(f"d-{number}\n" for number in range(101)))
    with simulated() as sim:
        run = command(sim.url, tmp_path)
        result = document(run(*REGIONS, "--disks-from", str(tmp_path / "ids"), "--output", "json", journal=path))

        assert [found["check"] for found in result["findings"]] == ["too-many-disks"]
        (following,) = result["next"]
        assert result["exit_code"] == 3
        assert following.startswith("safe-reinit plan ")
        assert following.endswith(" --max-disks 101")
        assert sim.state()["calls"] == []


def test_the_disks_of_all_regions_count(tmp_path: Path, path: Path) -> None:
    """Two in each are four: more than --max-disks allows, though in no region they are."""
    with simulated(two_region_world(2, 2)) as sim:
        run = command(sim.url, tmp_path)
        result = document(run(*LAB[:-1], "3", "--confirm", "lab", "--output", "json", journal=path))

        assert {found["check"] for found in result["findings"] if found["level"] == "block"} == {"too-many-disks"}
        assert "has 4 disks, but its limit is 3" in result["error"]["message"]
        assert acts(sim) == []


def classes(run: Command, **more: Any) -> None:
    """Configure a class."""
    lab = {"match": {"tags": {"env": "lab"}}, "stop_instance": True, "unattended": True, "max_disks": 9, **more}
    folder = run.folder / ".config" / "safe-reinit"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(json.dumps({"classes": {"lab": lab}}), "utf-8")


TAGGED = (*REGIONS, "--tag", "team=a", "--data-disks", "--confirm", "lab", "--output", "json")
IN_BOTH = {name: {"tags": {"env": "lab", "team": "a"}} for name in ("i-a0", "i-a1", "i-b0", "i-b1")}


def test_an_unattended_class_consents_to_all_regions(tmp_path: Path, path: Path) -> None:
    """Where every disk of every region is in it, its name is enough."""
    with simulated(two_region_world(instances=IN_BOTH)) as sim:
        run = command(sim.url, tmp_path)
        classes(run)
        result = document(run(*TAGGED, journal=path))

        assert result["outcome"] == "done"
        assert result["plan"]["class"]["name"] == "lab"
        assert wipes(sim) == {"d-a0": 1, "d-b0": 1}


def test_a_class_that_does_not_hold_in_one_region_consents_to_none(tmp_path: Path, path: Path) -> None:
    """A machine without the tag in the second region keeps the first one untouched."""
    other = {**IN_BOTH, "i-b0": {"status": "Stopped", "tags": {"team": "a"}}}
    with simulated(two_region_world(instances=other)) as sim:
        run = command(sim.url, tmp_path)
        classes(run)
        done = run(*TAGGED, "--max-disks", "2", journal=path)

        assert document(done)["outcome"] == "refused"
        assert "Not every disk of this run is in the class lab" in done.stderr
        assert acts(sim) == []


def test_the_number_of_a_class_counts_over_all_regions(tmp_path: Path, path: Path) -> None:
    """Three disks where the class allows two are refused in all regions."""
    with simulated(two_region_world(2, 1, instances=IN_BOTH)) as sim:
        run = command(sim.url, tmp_path)
        classes(run, max_disks=2)
        result = document(run(*TAGGED, journal=path))

        assert "has 3 disks, but its limit is 2" in result["error"]["message"]
        assert acts(sim) == []


@pytest.mark.parametrize("word", ["d-a0", "d-b0", "lab", "00000000"])
def test_no_other_word_is_consent(tmp_path: Path, path: Path, word: str) -> None:
    """Neither the id of one of the disks nor the name of no class confirms all regions."""
    with simulated() as sim:
        result = document(command(sim.url, tmp_path)(*LAB, "--confirm", word, "--output", "json", journal=path))
        assert result["outcome"] == "refused"
        assert "does not confirm this plan" in result["error"]["message"]
        assert acts(sim) == []


def test_a_machine_that_another_run_holds_keeps_all_regions_untouched(tmp_path: Path, path: Path) -> None:
    """An open run on a machine of the second region is found before the first one is touched."""
    with simulated() as sim:
        run = command(sim.url, tmp_path)
        first = run.start("--region", THERE, "--disk", "d-b0", "--stop-instance", "--confirm", "d-b0", journal=path)
        until(lambda: acts(sim))
        first.kill()
        first.communicate()
        until(lambda: sim.state()["instances"]["i-b0"]["status"] == "Stopped")
        words = (*REGIONS, "--disk", "d-a0", "--disk", "d-b0", "--stop-instance")
        result = document(run(*words, "--dry-run", "--output", "json", journal=path))
        done = run(*words, "--confirm", result["plan"]["confirm_with"], "--output", "json", journal=path)

        assert document(done)["outcome"] == "refused"
        assert "has not finished with i-b0" in done.stderr
        assert not any("a0" in each[1] for each in acts(sim))


# ------------------------------------------------------------------------------------------------- when it goes wrong


REFUSED: dict[str, Any] = {
    "action": "ReInitDisk", "subject": "d-a0", "nth": "every", "error": {"code": "OperationDenied", "status": 403},
}  # fmt: skip


def test_a_failure_in_one_region_is_reported_with_the_others(tmp_path: Path, path: Path) -> None:
    """One refused and one wiped are partial (7), and what the report says of each disk is so."""
    with simulated(two_region_world(), REFUSED) as sim:
        run = command(sim.url, tmp_path)
        result = document(run(*confirmed(run, *LAB, journal=path), "--output", "json", journal=path))

        assert (result["outcome"], result["exit_code"]) == ("partial", 7)
        data = {disk["disk_id"]: disk["data"] for job in result["jobs"] for disk in job["disks"]}
        assert wipes(sim) == {"d-a0": 0, "d-b0": 1}
        assert data == {"d-a0": "intact", "d-b0": "reinitialised"}
        assert power(sim) == {"Running"}
    assert result["error"]["message"] == result["jobs"][0]["error"]["message"]
    first, _ = result["run_id"].split(",")
    assert result["next"] == [f"safe-reinit show {first} --journal {path}"]


@pytest.mark.parametrize("stop", [("--stop-after-failures", "1"), ("--canary", "1")], ids=["failures", "canary"])
def test_no_later_region_begins_after_too_many_failures(tmp_path: Path, path: Path, stop: tuple[str, ...]) -> None:
    """Once the limit is reached, or the canary failed, the other region stays untouched, and ``next`` plans it."""
    with simulated(two_region_world(), REFUSED) as sim:
        run = command(sim.url, tmp_path)
        done = run(*confirmed(run, *LAB, *stop, journal=path), "--output", "json", journal=path)

        result = document(done)
        assert result["outcome"] == "partial"
        assert [job["outcome"] for job in result["jobs"]] == ["failed", "refused"]
        assert "Not begun" in result["jobs"][1]["error"]["message"]
        assert {each[1] for each in acts(sim)} == {"i-a0", "d-a0"}
        assert power(sim) == {"Running"}
        assert "," not in result["run_id"]
        assert result["region"] == f"{HERE},{THERE}"
        words = result["next"][-1].split()[2:]
        assert words[-2:] == ["--region", THERE]
        assert "--confirm" not in words
        again = document(run("plan", *words, "--endpoint", sim.url, journal=path))
        assert [job["instance_id"] for job in again["jobs"]] == ["i-b0"]


def test_an_unknown_wipe_is_unknown_of_all(tmp_path: Path, path: Path) -> None:
    """One wipe that nobody saw end makes the command 5, with a command to go on with for that run."""
    hold = {"action": "ReInitDisk", "subject": "d-b0", "drop_answer": True}
    with simulated(two_region_world(), hold) as sim:
        sim.do({"hold": {"disk": "d-b0"}})
        run = command(sim.url, tmp_path)
        words = confirmed(run, *LAB, "--timeout-reinit", "60s", journal=path)
        result = document(run(*words, "--output", "json", journal=path))

        assert (result["outcome"], result["exit_code"]) == ("unknown", 5)
        assert [job["outcome"] for job in result["jobs"]] == ["done", "unknown"]
        _, second = result["run_id"].split(",")
        assert any(f"resume {second}" in each for each in result["next"])
        assert sim.state()["instances"]["i-a0"]["status"] == "Running"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda each: each.name)
def test_the_first_signal_brings_everything_back(tmp_path: Path, path: Path, number: int) -> None:
    """During the first region's stop: its machine comes back, the second region is never touched."""
    with simulated() as sim:
        run = command(sim.url, tmp_path)
        child = run.start(*confirmed(run, *LAB, journal=path), "--output", "json", journal=path)
        until(lambda: acts(sim))
        child.send_signal(number)
        out, _ = child.communicate(timeout=60)
        result = json.loads(out)

        assert child.returncode == ended_by(number, result["exit_code"])
        assert [job["outcome"] for job in result["jobs"]] == ["failed", "refused"]
        assert wipes(sim) == {"d-a0": 0, "d-b0": 0}
        assert power(sim) == {"Running"}
        assert {each[1] for each in acts(sim)} == {"i-a0"}


def test_the_first_signal_in_the_second_region_brings_it_back_too(tmp_path: Path, path: Path) -> None:
    """The first region is done, the second comes back with its data."""
    with simulated() as sim:
        run = command(sim.url, tmp_path)
        child = run.start(*confirmed(run, *LAB, journal=path), "--output", "json", journal=path)
        until(lambda: any("i-b0" in each for each in acts(sim)))
        child.send_signal(signal.SIGINT)
        out, _ = child.communicate(timeout=60)

        assert [job["outcome"] for job in json.loads(out)["jobs"]] == ["done", "failed"]
        assert wipes(sim) == {"d-a0": 1, "d-b0": 0}
        assert power(sim) == {"Running"}


@pytest.mark.parametrize(("at", "open_run"), [("i-a0", HERE), ("i-b0", THERE)])
def test_a_killed_command_is_resumed_run_by_run(tmp_path: Path, path: Path, at: str, open_run: str) -> None:
    """The region that was under way is finished by resume; what was done stays done, what was not begun is not."""
    with simulated() as sim:
        run = command(sim.url, tmp_path)
        child = run.start(*confirmed(run, *LAB, journal=path), journal=path)
        until(lambda: any(at in each for each in acts(sim)))
        child.kill()
        child.communicate()
        listed = json.loads(run("runs", "--output", "json", journal=path).stdout)["runs"]
        (left,) = [each for each in listed if each["state"] == "open"]
        assert left["region"] == open_run

        assert run("resume", left["run_id"], journal=path).returncode == 0
        assert wipes(sim) == {"d-a0": 1, "d-b0": int(open_run == THERE)}
        assert power(sim) == {"Running"}


# ------------------------------------------------------------------------------------------------------- the command


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("plan", *LAB, "--save", "x.json"), "--save saves the plan of one region"),
        (("policy", *LAB), "not one region"),
        (("rehearse", *LAB), "not one region"),
        (("undo", "r-20260102T030405Z-4f2a", *REGIONS), "not one region"),
        ((*LAB, "--region", "Mars"), "not a region id"),
    ],
    ids=["save", "policy", "rehearse", "undo", "malformed"],
)
def test_what_takes_one_region_says_so(tmp_path: Path, words: tuple[str, ...], text: str) -> None:
    """A command that is about one region refuses several as a usage error, before anything is asked."""
    done = command("http://127.0.0.1:1", tmp_path)(*words, journal=None)
    assert done.returncode == 2
    assert text in done.stderr


def test_an_endpoint_of_one_region_is_not_used_for_several(tmp_path: Path, path: Path) -> None:
    """Calls without a RegionId would be asked of the wrong region, so it is a usage error."""
    run = command("ecs.cn-hangzhou.aliyuncs.com", tmp_path)
    done = run(*LAB, journal=path, environment={"SAFE_REINIT_TIME_SCALE": ""})
    assert done.returncode == 2
    assert "An ECS endpoint belongs to one region" in done.stderr


def test_the_same_region_twice_is_one(tmp_path: Path, path: Path) -> None:
    """It is the command of that region, byte for byte but for times."""
    with simulated() as sim:
        run = command(sim.url, tmp_path)
        words = ("--tag", "env=lab", "--data-disks", "--stop-instance", "--dry-run")
        once = run("--region", HERE, *words, journal=path)
        twice = run("--region", HERE, "--region", HERE, *words, journal=path)
    assert once.stdout.partition("next:")[0] == twice.stdout.partition("next:")[0]
    assert once.stderr == twice.stderr


def test_a_simulation_has_its_regions_too(tmp_path: Path) -> None:
    """The embedded simulator is one for all regions of the command."""
    file = tmp_path / "w.yaml"
    file.write_text(json.dumps(two_region_world()), "utf-8")
    run = command("", tmp_path)
    words = [*run.words("x", journal=None)[:3], *LAB, "--world", str(file), "--dry-run", "--output", "json"]
    done = processes.run_to_end(words, env=run.environment(), cwd=tmp_path)
    assert document(done)["outcome"] == "planned"


# ------------------------------------------------------------------------------------------------ what nobody foresaw


@pytest.fixture
def _handlers() -> Iterator[None]:
    """Put back what a command in this process does with signals."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("_handlers")
@pytest.mark.parametrize(
    ("error", "outcome", "jobs"),
    [
        (RuntimeError("boom"), "bug", ["i-b0"]),
        (RunRefused("Another has it.", hint=""), "refused", ["i-a0", "i-b0"]),
        (UsageError("No."), "partial", ["i-a0", "i-b0"]),
    ],
)
def test_a_run_that_cannot_begin_keeps_the_next_region_from_beginning(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    outcome: str,
    jobs: list[str],
) -> None:
    """No later region is touched; of disks of which nobody knows anything the report claims nothing."""
    begun: list[str] = []

    def run(self: Client, *_: Any, **__: Any) -> Any:
        begun.append(self.region)
        raise error

    monkeypatch.setattr(Client, "run", run)
    with simulated() as sim:
        for name, value in command(sim.url, tmp_path).environment().items():
            if name.startswith(("SAFE_", "ALIBABA_", "HOME")):
                monkeypatch.setenv(name, value)
        words = [*LAB, "--endpoint", sim.url, "--journal", str(tmp_path / "j.db"), "--output", "json"]
        assert app.run([*words, "--dry-run"]) == 0
        confirm = json.loads(capsys.readouterr().out)["plan"]["confirm_with"]
        code = app.run([*words, "--confirm", confirm])

        result = json.loads(capsys.readouterr().out)
        assert (result["exit_code"], result["outcome"]) == (code, outcome)
        assert [(job["instance_id"], job["outcome"]) for job in result["jobs"]] == [(each, "refused") for each in jobs]
        assert "could not continue" in result["jobs"][-1]["error"]["message"]
        assert (result["region"], result["account"]) == (f"{HERE},{THERE}", "1000000000000001")
        assert begun == [HERE]
        assert (result["next"][0] == f"safe-reinit runs --journal {tmp_path / 'j.db'}") == (outcome == "bug")
        assert acts(sim) == []


def test_an_id_that_two_regions_show_is_refused() -> None:
    """It is of one region; which one is meant, or whose answer is wrong, nobody can tell."""
    shown = {HERE: frozenset({"d-1", "d-2"}), THERE: frozenset({"d-2"})}
    regions._refuse_ambiguous(["d-1"], shown)
    with pytest.raises(RunRefused, match=f"d-2 was found in {HERE} and {THERE}"):
        regions._refuse_ambiguous(["d-1", "d-2"], shown)
