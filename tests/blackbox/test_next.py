"""The command under ``next`` after a refusal: typed as it stands, it is not refused for the same reason."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import certifi
import pytest

from safe_reinit.simulator import Simulator
from tests import virtual
from tests.blackbox.worlds import DISK, RUN, STOPPING, TARGET, WIPING, held, killed, listed, power, wipes
from tests.commands import Command, command, until

pytestmark = pytest.mark.virtual_time
NEVER_STARTS = {"action": "StartInstance", "dry_run": False, "error": {"code": "InstanceExpired"}}
NEVER_ANSWERED = {"action": "ReInitDisk", "subject": DISK, "nth": "every", "drop_request": True}
PASSWORD = "Example-Pass-1"


@pytest.fixture
def full() -> Iterator[Simulator]:
    """Start the default world, which has a disk for each thing that can refuse a run."""
    with virtual.simulate() as simulator:
        yield simulator


@pytest.fixture
def run_command(full: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run commands against it, for somebody who types a good password when asked for one."""
    monkeypatch.setattr("safe_reinit.cli.session._from_person", lambda: PASSWORD)
    monkeypatch.setenv("WEAK", "x")
    monkeypatch.setenv("NEW_PASSWORD", PASSWORD)
    return command(full.url, tmp_path)


def document_of(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """Read the report on stdout."""
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def refusing(document: dict[str, Any]) -> set[str]:
    """List the checks that refuse a plan in which no risk was accepted."""
    return {found["check"] for found in document["findings"] if found["level"] != "info"}


@pytest.mark.parametrize(
    ("check", "words"),
    [
        ("instance-running", "--disk d-sim-web1-data"),
        ("no-recent-snapshot", "--disk d-sim-no-recent-snapshot"),
        ("no-login-set", "--disk d-sim-no-login-set --stop-instance"),
        ("too-many-disks", "--tag env=lab --data-disks --stop-instance"),
        ("too-many-disks", "--tag env=lab --data-disks --stop-instance --max-disks=2"),
        ("option-for-system-disk-only", "--disk d-sim-web1-data --stop-instance --key-pair ops-key"),
        ("option-for-system-disk-only", "--disk d-sim-web1-data --stop-instance --security-enhancement=Active"),
        ("option-for-system-disk-only", "--disk d-sim-web1-data --stop-instance --password-env NEW_PASSWORD"),
        ("key-pair-on-windows", "--disk d-sim-key-pair-on-windows --stop-instance --key-pair sim-key"),
        ("key-pair-and-password", "--disk d-bp1system --stop-instance --key-pair ops-key --password-env NEW_PASSWORD"),
        ("password-malformed", "--disk d-bp1system --stop-instance --password-env WEAK"),
        ("security-not-public-image", "--disk d-sim-security-not-public-image --security-enhancement Active"),
    ],
)
@pytest.mark.parametrize("form", ["plan", "run"])
def test_what_an_option_can_change_is_in_the_next_command(
    run_command: Command, check: str, words: str, form: str
) -> None:
    """A plan or a run that an option more or less would not have refused names the command with that change."""
    start = ["plan"] if form == "plan" else []
    refused = run_command(*start, *words.split(), "--endpoint", run_command.url, "--output", "json", journal=None)
    assert check in refusing(document_of(refused)), refused.stderr
    (following,) = document_of(refused)["next"]
    again = run_command(*shlex.split(following)[1:], journal=None)

    assert refused.returncode == 3
    assert following.startswith("safe-reinit plan ")
    assert again.returncode in (0, 3), again.stderr
    assert check not in refusing(document_of(again))


def test_what_no_option_changes_is_explained(run_command: Command) -> None:
    """Where a plan would be refused again whatever is given, the check that refuses it is explained."""
    refused = run_command(
        "plan",
        "--disk",
        "d-sim-source-snapshot-deleted",
        "--endpoint",
        run_command.url,
        "--output",
        "json",
        journal=None,
    )
    (following,) = document_of(refused)["next"]
    again = run_command(*shlex.split(following)[1:], journal=None)

    assert following == "safe-reinit explain source-snapshot-deleted"
    assert (refused.returncode, again.returncode) == (3, 0)


def test_a_risk_is_accepted_by_nobody_but_a_person(run_command: Command) -> None:
    """No command that is printed accepts a risk; only one that plans and confirms nothing raises the limit of disks."""
    disks = [word for number in (1, 2, 3) for word in ("--disk", f"d-sim-lab-web-{number}-data")]
    for words in (["--disk", "d-sim-spot", "--stop-instance"], [*disks, "--stop-instance", "--max-disks", "1"]):
        refused = run_command("plan", *words, "--endpoint", run_command.url, "--output", "json", journal=None)
        assert refused.returncode == 3, refused.stderr
        assert "--accept" not in " ".join(document_of(refused)["next"])
        assert all(
            each.startswith("safe-reinit plan ") and "--confirm" not in each
            for each in document_of(refused)["next"]
            if "--max-disks" in each
        )


def test_a_limit_that_no_option_raises_is_explained(run_command: Command, tmp_path: Path) -> None:
    """Where the file says how many disks a run may have, no command with --max-disks is named: it would be refused."""
    config = tmp_path / "lab.yaml"
    config.write_text("max_disks: 2\n")
    config.chmod(0o600)
    words = ("plan", "--tag", "env=lab", "--data-disks", "--stop-instance", "--config", str(config))
    refused = run_command(*words, "--endpoint", run_command.url, "--output", "json", journal=None)

    assert "too-many-disks" in refusing(document_of(refused)), refused.stderr
    assert document_of(refused)["next"] == ["safe-reinit explain too-many-disks"]


def test_after_a_run_that_no_journal_keeps_its_code_is_explained(run: Command, tmp_path: Path) -> None:
    """A simulated run can be neither resumed nor shown; if its machine is not started, what ECS said is explained."""
    faults = tmp_path / "faults.yaml"
    code = "OperationDenied.NoStock"
    fault = {"action": "StartInstance", "nth": "every", "dry_run": False, "error": {"code": code, "status": 403}}
    faults.write_text(json.dumps([fault]))
    words = ("--simulate", "--disk", "d-sim-web1-data", "--stop-instance", "--confirm", "d-sim-web1-data")
    ended = run(*words, "--timeout-start", "30s", "--faults", str(faults), "--output", "json", journal=None)

    assert ended.returncode == 6, ended.stderr
    assert document_of(ended)["next"] == [f"safe-reinit explain {code}"]


def test_a_run_that_nobody_can_confirm_names_the_command_that_is_confirmed(
    sim: Simulator, run: Command, path: Path
) -> None:
    """Where only consent is missing the command has it, and does the run."""
    refused = run(*TARGET, "--output", "json", journal=path)
    (following,) = document_of(refused)["next"]
    done = run(*shlex.split(following)[1:], journal=None)

    assert refused.returncode == 3
    assert following.endswith(f"--confirm {DISK}")
    assert done.returncode == 0, done.stderr
    assert len(sim.state()["disks"][DISK]["wipes"]) == 1


def test_a_wrong_confirmation_leads_back_to_the_plan(run: Command, path: Path) -> None:
    """Whoever confirmed something else reads the plan first: the command shows it, and confirms nothing."""
    refused = run(*TARGET, "--confirm", "d-other", "--output", "json", journal=path)
    (following,) = document_of(refused)["next"]

    assert refused.returncode == 3
    assert following.startswith("safe-reinit plan ")
    assert "--confirm" not in following


def test_an_open_run_of_the_machine_is_shown(sim: Simulator, run: Command, path: Path) -> None:
    """A plan or a run that another run keeps from beginning names the command that shows that run."""
    with held(sim, STOPPING):
        name = killed(sim, run, path)
    until(lambda: power(sim) == "Stopped")
    for words in (("plan", *TARGET, "--endpoint", sim.url), RUN):
        done = run(*words, "--output", "json", journal=path)
        (following,) = document_of(done)["next"]
        shown = run(*shlex.split(following)[1:], journal=None)

        assert following == f"safe-reinit show {name} --journal {path}"
        assert (shown.returncode, f"Run {name}, open" in shown.stdout) == (0, True)


@pytest.mark.parametrize("form", ["plan", "run"])
def test_a_disk_that_an_open_run_wipes_is_left_to_that_run(sim: Simulator, run: Command, path: Path, form: str) -> None:
    """A plan of a disk that a run is wiping names that run: to show while a process works on it, else to resume."""
    words = ("plan", *TARGET, "--endpoint", sim.url) if form == "plan" else RUN
    with held(sim, WIPING):
        child = run.start(*RUN, journal=path)
        until(lambda: wipes(sim) == 1)
        attended = document_of(run(*words, "--output", "json", journal=path))
        child.kill()
        child.communicate()
        left = document_of(run(*words, "--output", "json", journal=path))
    (name,) = (each["run_id"] for each in listed(run, path))
    (following,) = left["next"]
    resumed = run(*shlex.split(following)[1:], journal=None)

    assert "disk-not-in-use" in refusing(attended) & refusing(left)
    assert attended["next"] == [f"safe-reinit show {name} --journal {path}"]
    assert following == f"safe-reinit resume {name} --journal {path}"
    assert (resumed.returncode, wipes(sim), power(sim)) == (0, 1, "Running"), resumed.stderr


@pytest.mark.parametrize("fault", [NEVER_STARTS, NEVER_ANSWERED], ids=["not-restarted", "unknown"])
def test_a_resume_has_what_the_run_was_given(
    sim: Simulator, run: Command, tmp_path: Path, fault: dict[str, Any]
) -> None:
    """The file of settings, the certificates and the password of the command line stand in what resumes its run."""
    config, bundle = tmp_path / "lab.yaml", tmp_path / "ca.pem"
    config.write_text(f"journal: {tmp_path / 'of-the-lab.db'}\n")
    config.chmod(0o600)
    bundle.write_bytes(Path(certifi.where()).read_bytes())
    sim.do({"fault": fault})
    given = ("--config", str(config), "--ca-bundle", str(bundle))
    environment = {"SAFE_REINIT_JOURNAL": ""}
    ended = run(*RUN, *given, "--output", "json", journal=None, environment=environment)
    resumes = [shlex.split(each)[1:] for each in document_of(ended)["next"] if each.startswith("safe-reinit resume ")]
    shows = [shlex.split(each)[1:] for each in document_of(ended)["next"] if each.startswith("safe-reinit show ")]
    first = document_of(ended)["next"][0]
    again = run(*resumes[0], "--output", "json", journal=None, environment=environment)

    assert ended.returncode in (5, 6), ended.stderr
    assert first.startswith("safe-reinit resume "), "what helps comes first"
    assert len(shows) == (ended.returncode == 5)
    assert all(run(*words, journal=None, environment=environment).returncode == 0 for words in shows)
    for words in resumes:
        assert [words[words.index(name) + 1] for name in given[::2]] == [str(config), str(bundle)]
    assert again.returncode in (0, 5), again.stderr
    assert document_of(again)["run_id"] == document_of(ended)["run_id"]


def test_a_plan_file_that_was_not_confirmed_is_shown_and_applied(sim: Simulator, run: Command, tmp_path: Path) -> None:
    """Without --confirm the commands are to read the file, and to apply it with its digest."""
    file = str(tmp_path / "plan.json")
    assert run("plan", *TARGET, "--endpoint", sim.url, "--save", file, journal=None).returncode == 0
    refused = run("apply", file, "--output", "json", journal=None)
    show, apply = [shlex.split(each)[1:] for each in document_of(refused)["next"]]

    assert refused.returncode == 3
    assert run(*show, journal=None).returncode == 0
    assert run(*apply, journal=None).returncode == 0
    assert len(sim.state()["disks"][DISK]["wipes"]) == 1


@pytest.mark.real_time  # that the plan has not expired is held against the date of this host
def test_a_plan_of_a_simulation_is_applied_to_one(run: Command, tmp_path: Path) -> None:
    """What ``show`` names for a plan that was made with --simulate simulates, too: else its file would be refused."""
    file = str(tmp_path / "plan.json")
    planned = run("plan", "--simulate", "--disk", DISK, "--stop-instance", "--save", file, journal=None)
    shown = run("show", file, journal=None)

    assert planned.returncode == 0, planned.stderr
    assert shown.stdout.rstrip().endswith("--simulate")


# ------------------------------------------------------------------------------------------- the reason, on one screen


@pytest.mark.parametrize("words", [("plan", *TARGET[:2]), TARGET[:2], RUN[:2]], ids=["plan", "run", "confirmed"])
def test_the_reason_stands_once_on_a_screen(terminal: Any, sim: Simulator, words: tuple[str, ...]) -> None:
    """On a terminal what refuses a plan is said once, with its fix; the last sentence only names the check."""
    person = terminal(sim, *words, columns=200)
    assert person.end() == 3, person.shown

    assert person.shown.count("ReInitDisk works only while it is Stopped") == 1
    assert person.shown.count("Add --stop-instance") == 1
    assert "safe-reinit: Refused by instance-running, as the plan says; nothing was changed." in person.shown


def test_the_reason_stands_in_the_sentence_where_no_terminal_is(sim: Simulator, run: Command) -> None:
    """In a file or a log the sentence has the whole reason, so that its one line says it all."""
    done = run("plan", *TARGET[:2], "--endpoint", sim.url, journal=None)

    for text in (done.stdout, done.stderr):
        assert text.count("ReInitDisk works only while it is Stopped") == 1


def test_below_a_plan_nothing_of_it_is_repeated(sim: Simulator, run: Command, path: Path) -> None:
    """Under the loss stand only the earlier run of the disk, the outcome and the command; a plan touched nothing."""
    assert run(*RUN, "--snapshot", journal=path).returncode == 0
    name = listed(run, path)[0]["run_id"]
    planned = run("plan", *TARGET, "--snapshot", "--endpoint", sim.url, journal=path)
    below = planned.stdout.partition("everything written to it is lost")[2].partition("\n")[2].splitlines()

    assert planned.returncode == 0, planned.stderr
    assert planned.stdout.count("SIMULATED: ") == 1
    assert below[0].startswith(f"  {DISK}: run {name} (ended")
    assert [line.partition(":")[0] for line in below[1:]] == ["planned (exit code 0)", "next"]


def test_a_line_to_type_names_the_journal_once(sim: Simulator, run: Command, tmp_path: Path, path: Path) -> None:
    """Of a journal and a file of settings on the command line, each stands once in what the text says to type next."""
    config = tmp_path / "lab.yaml"
    config.write_text("quota_share: 1.0\n")
    config.chmod(0o600)
    sim.do({"fault": NEVER_STARTS})
    ended = run(*RUN, "--config", str(config), journal=path)
    lines = [line for line in ended.stderr.splitlines() + ended.stdout.splitlines() if "safe-reinit resume r-" in line]

    assert ended.returncode == 6, ended.stderr
    assert lines
    for line in lines:
        assert line.count("--journal") == 1, line


def test_a_command_that_lacks_credentials_is_not_named_again(sim: Simulator, run: Command) -> None:
    """The sentence says what to configure; the same line would fail for the same reason until that is done."""
    nobody = {"ALIBABA_CLOUD_ACCESS_KEY_ID": "", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": ""}
    for words in (("plan", *TARGET), TARGET):
        done = run(*words, "--endpoint", sim.url, "--output", "json", journal=None, environment=nobody)

        assert done.returncode == 2, done.stderr
        assert document_of(done)["next"] == []
