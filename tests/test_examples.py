"""The files of examples/ and the Dockerfile are read, and their commands run, as far as that can be without a host.

The slow ones run whole scripts in a shell, or install the package (which needs the network).
"""

from __future__ import annotations

import configparser
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from safe_reinit import config
from safe_reinit.cli.app import run
from safe_reinit.journal.place import journal_of
from safe_reinit.simulator import Simulator
from tests import blocks
from tests.blackbox.worlds import DISK, QUICK, wipes
from tests.blocks import ROOT

EXAMPLES = ROOT / "examples"
GITHUB: dict[str, Any] = yaml.safe_load((EXAMPLES / "ci/github.yml").read_text("utf-8"))
GITLAB: dict[str, Any] = yaml.safe_load((EXAMPLES / "ci/gitlab.yml").read_text("utf-8"))
CLUSTER: dict[str, dict[str, Any]] = {
    each["kind"]: each for each in yaml.safe_load_all((EXAMPLES / "kubernetes/cronjob.yaml").read_text("utf-8"))
}
JOB: dict[str, Any] = CLUSTER["CronJob"]["spec"]["jobTemplate"]["spec"]
POD: dict[str, Any] = JOB["template"]["spec"]
OOS: dict[str, Any] = yaml.safe_load((EXAMPLES / "oos/safe-reinit.yml").read_text("utf-8"))
(TASK,) = OOS["Tasks"]
EXECUTION = {
    "regionId": "cn-hangzhou", "instanceId": "i-bp1host", "diskIds": DISK, "key": "CHG-1", "digest": "",
    "OOSAssumeRole": "OOSServiceRole",
}  # fmt: skip
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
PAGES = ("docs/howto/container.md", "docs/howto/nightly.md")
NIGHT = "--tag env=lab --system-disk --confirm lab --deadline 3h --quiet --reason nightly --once "


def unit(name: str) -> configparser.ConfigParser:
    """Read a systemd unit; of a setting that is repeated the last one is kept."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(EXAMPLES / "systemd" / name, "utf-8")
    return parser


def grace(capsys: pytest.CaptureFixture[str]) -> int:
    """Return how many seconds a run needs to end in order, with the default configuration."""
    assert run(["config", "show", "--grace", "--config", "/dev/null"]) == 0
    return int(capsys.readouterr().out)


def scripts() -> Iterator[tuple[str, str]]:
    """Yield the shell that a pipeline, a timer or a cluster runs."""
    for name, job in GITHUB["jobs"].items():
        yield f"github {name}", "\n".join(step["run"] for step in job["steps"] if "run" in step)
    for name in ("plan", "apply"):
        yield f"gitlab {name}", "\n".join([*GITLAB[".wipe"]["before_script"], *GITLAB[name]["script"]])
    (line,) = re.findall(r"^30 2 \* \* \* lab-reset (.*)$", (EXAMPLES / "cron/safe-reinit").read_text("utf-8"), re.M)
    yield "cron", line.replace(r"\%", "%")
    service = unit("safe-reinit-lab.service")["Service"]["ExecStart"].replace("%%", "%")
    (shell, option, command) = shlex.split(service)
    assert (shell, option) == ("/bin/sh", "-c")
    yield "systemd", command
    yield "kubernetes", POD["containers"][0]["args"][0]
    yield "oos", invoked(EXECUTION)


def invoked(parameters: dict[str, str]) -> str:
    """Return what OOS has Cloud Assistant run: the text of the task with these parameters in it."""
    text: str = TASK["Properties"]["commandContent"]
    return re.sub(r"{{ (\w+) }}", lambda match: parameters[match[1]], text)


SCRIPTS = dict(scripts())
COMMANDS = {"oos": 2}
"""How many commands a script has, if not one."""


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_command_of_a_script_is_understood(name: str) -> None:
    """Each script is shell, and the command line of each safe-reinit in it parses."""
    script = SCRIPTS[name]
    subprocess.run(["sh", "-n"], input=script, text=True, check=True)
    joined = re.sub(r"\$\([^()]*(\([^()]*\))*[^()]*\)|^\s*exec ", "x ", script.replace("\\\n", " "), flags=re.M)
    lines = [re.sub(r"^ *(exec|x) ", "", line) for line in joined.splitlines() if "safe-reinit " in line]

    assert sum(blocks.parsed(line) for line in lines) == COMMANDS.get(name, 1)


@pytest.mark.parametrize("name", ["cron", "systemd", "kubernetes"])
def test_a_night_has_one_key(name: str) -> None:
    """What may be started twice wipes once: the key is the night, and the consent an unattended class."""
    words = " ".join(SCRIPTS[name].split())

    assert f'{NIGHT}"lab-$(date -u +%F)"' in words
    assert "--once" in SCRIPTS["github plan"]
    assert "--once" in SCRIPTS["gitlab plan"]


def test_what_runs_every_night_has_the_time_to_end(capsys: pytest.CaptureFixture[str]) -> None:
    """The service and the pod give a run what config show --grace prints; their defaults would kill in mid-wipe."""
    service = unit("safe-reinit-lab.service")["Service"]

    assert int(service["TimeoutStopSec"]) == POD["terminationGracePeriodSeconds"] == grace(capsys)
    assert (service["KillSignal"], service["KillMode"]) == ("SIGTERM", "mixed")


def test_a_timer_names_its_service() -> None:
    """The units belong together, and the page tells to enable what is there."""
    timer = unit("safe-reinit-lab.timer")
    page = (ROOT / PAGES[1]).read_text("utf-8")

    assert timer["Timer"]["Persistent"] == "false"
    assert timer["Install"]["WantedBy"] == "timers.target"
    assert "systemctl enable --now safe-reinit-lab.timer" in page
    if shutil.which("systemd-analyze"):
        subprocess.run(["systemd-analyze", "calendar", timer["Timer"]["OnCalendar"]], check=True, capture_output=True)


def test_the_journal_of_the_service_is_in_its_state_directory() -> None:
    """What systemd keeps for the service, cron's job and the page have one journal, in a folder that is not root's."""
    service = unit("safe-reinit-lab.service")["Service"]
    folder = f"/var/lib/{service['StateDirectory']}"
    page = (ROOT / PAGES[1]).read_text("utf-8")

    assert folder != "/var/lib/safe-reinit"
    assert service["Environment"] == f"SAFE_REINIT_JOURNAL={folder}/journal.db"
    assert f"\n{service['Environment']}\n" in (EXAMPLES / "cron/safe-reinit").read_text("utf-8")
    assert f"$ export {service['Environment']}\n" in page
    assert f"$ install -d -m 700 -o {service['User']} {folder}\n" in page


def test_a_cron_job_wipes_once_and_keeps_its_journal(tmp_path: Path) -> None:
    """Nothing repeats a failed night, the journal is on a claim that outlives the pod, and the root is read-only."""
    (container,) = POD["containers"]
    mounts = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
    volumes = {each["name"]: each for each in POD["volumes"]}
    (tmp_path / "config.yaml").write_text(CLUSTER["ConfigMap"]["data"]["config.yaml"], "utf-8")
    settings = config.resolve({}, {}, str(tmp_path / "config.yaml"))

    assert (JOB["backoffLimit"], POD["restartPolicy"]) == (0, "Never")
    assert CLUSTER["CronJob"]["spec"]["concurrencyPolicy"] == "Forbid"
    assert str(Path(settings.journal or "").parent) == mounts["journal"]
    claim = volumes["journal"]["persistentVolumeClaim"]["claimName"]
    assert claim == CLUSTER["PersistentVolumeClaim"]["metadata"]["name"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert mounts["config"] == "/etc/safe-reinit/config.yaml"
    assert settings.classes["lab"]["unattended"]
    assert set(mounts) == set(volumes)


def test_a_pipeline_asks_before_it_applies() -> None:
    """The second job waits for an approval, applies the digest of the first, and neither is cut off for a newer one."""
    plan, apply = GITHUB["jobs"]["plan"], GITHUB["jobs"]["apply"]

    assert (apply["needs"], apply["environment"]) == ("plan", "wipe")
    assert apply["steps"][1]["env"]["DIGEST"] == "${{ needs.plan.outputs.digest }}"
    assert plan["if"] == "github.event.pull_request.head.repo.full_name == github.repository"  # no runner for forks
    assert not GITHUB["concurrency"]["cancel-in-progress"]
    assert (GITLAB["apply"]["rules"][0]["when"], GITLAB["apply"]["environment"]["name"]) == ("manual", "wipe")
    assert (GITLAB[".wipe"]["interruptible"], GITLAB[".wipe"]["retry"]) == (False, 0)
    for name in ("github plan", "github apply", "gitlab plan", "gitlab apply"):
        assert 'test -n "$SAFE_REINIT_JOURNAL"' in SCRIPTS[name]


def test_a_template_has_every_name_that_it_uses() -> None:
    """The text has each parameter once, the task gives only what its action takes, and only the digest may be empty."""
    used = re.findall(r"{{ ([\w.:]+) }}", yaml.safe_dump([OOS["RamRole"], TASK, OOS["Outputs"]], width=1000))
    properties = {"regionId", "instanceId", "commandType", "commandContent", "timeout"}

    assert OOS["FormatVersion"] == "OOS-2019-06-01"
    assert sorted({*used} - {"wipe.output"}) == sorted(OOS["Parameters"]) == sorted(EXECUTION)
    assert (set(TASK["Properties"]), TASK["OnError"], TASK["Outputs"]["output"]["ValueSelector"]) == (
        properties, "ACS::END", "invocationOutput",
    )  # fmt: skip
    assert {name: each["Default"] for name, each in OOS["Parameters"].items() if "Default" in each} == {
        "digest": "", "OOSAssumeRole": "OOSServiceRole",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["regionId", "diskIds", "key", "digest"])
@pytest.mark.parametrize("value", ["';touch ran;'", "$(touch ran)", "`touch ran`", "{{ key }}", "../x", "x\ntouch ran"])
def test_a_parameter_of_a_template_is_no_shell(name: str, value: str, tmp_path: Path) -> None:
    """The pattern refuses what is no id; and if nobody asks the pattern, the script runs none of it."""
    program = tmp_path / "bin/safe-reinit"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexit 2\n")
    program.chmod(0o700)
    assert all(re.search(OOS["Parameters"][each].get("AllowedPattern", ""), EXECUTION[each]) for each in EXECUTION)
    assert not re.search(OOS["Parameters"][name]["AllowedPattern"], value)

    script = invoked({**EXECUTION, name: value}).replace("/usr/local/bin", str(program.parent))
    script = script.replace("/var/lib", str(tmp_path))
    ended = subprocess.run(["sh", "-c", script], cwd=tmp_path, check=False)

    assert (ended.returncode, (tmp_path / "ran").exists()) == (2, False)


def test_every_action_is_pinned() -> None:
    """Each action is named by the SHA of a commit, with its version beside it."""
    used = re.findall(r"uses: (.*)", (EXAMPLES / "ci/github.yml").read_text("utf-8"))

    assert used
    assert all(re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each) for each in used)


# ----------------------------------------------------------------------------------------------------------- the image


def steps(word: str) -> list[str]:
    """List what the Dockerfile has after this word."""
    return re.findall(rf"^{word} +(.*)$", DOCKERFILE, re.M)


def test_an_image_runs_as_nobody_with_its_journal_on_a_named_volume() -> None:
    """No root, no volume that Docker would make and lose, and the journal where the page mounts one."""
    variables = dict(each.split("=", 1) for each in steps("ENV")[0].split())
    page = " ".join((ROOT / PAGES[0]).read_text("utf-8").split())
    journal = journal_of(None, variables)

    assert steps("USER") == ["10001:10001"]
    assert steps("VOLUME") == []
    assert journal == "/var/lib/safe-reinit/journal.db"
    assert f"--volume safe-reinit:{Path(str(journal)).parent}" in page
    assert "--read-only --tmpfs /tmp" in page
    assert f"install -d -m 0700 -o 10001 -g 10001 {Path(str(journal)).parent}" in steps("RUN")


def test_a_worker_is_asked_for_its_health_where_it_answers() -> None:
    """The health check asks the port of the image's own setting, at the path that a worker serves."""
    (text,) = (each for each in steps("ENV") if "WORKER_HEALTH" in each)
    name, address = text.split("=")
    settings = config.resolve({}, {name: address}, os.devnull)
    (check,) = re.findall(r"http://127\.0\.0\.1:(\d+)/healthz", DOCKERFILE)

    assert settings.worker_health == f"0.0.0.0:{check}"
    assert steps("EXPOSE") == [check]


def test_the_containers_of_the_page_run_commands_that_are_understood() -> None:
    """What stands after the image in a docker run is a command line of ours; the options before it are confined."""
    typed = [line for block in blocks.blocks(ROOT / PAGES[0]) for line, _ in block.commands]
    runs = [shlex.split(line.replace("\\\n", " ")) for line in typed if line.startswith("docker run")]

    assert len(runs) == 2
    for words in runs:
        at = next(index for index, word in enumerate(words) if word.startswith("registry.example.com/"))
        assert {"--read-only", "--cap-drop", "no-new-privileges"} <= set(words[:at])
        blocks.parse(words[at + 1 :] or ["worker"])


# ---------------------------------------------------------------------------------------------------- as whole programs


def run_script(script: str, folder: Path, sim: Simulator, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a script as a runner does: a shell that ends at the first error, in a folder with the sources."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SAFE_", "ALIBABA_", "XDG_"))}
    environment = {
        **kept, "HOME": str(folder), "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "SAFE_REINIT_ENDPOINT": sim.url, "SAFE_REINIT_REGION": "cn-hangzhou", "SAFE_REINIT_TIME_SCALE": "1",
        "SAFE_REINIT_JOURNAL": str(folder / "journal.db"), "ALIBABA_CLOUD_ACCESS_KEY_ID": "testid",
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "testsecret", "GITHUB_OUTPUT": str(folder / "output"),
        "GITHUB_STEP_SUMMARY": str(folder / "summary.md"), **more,
    }  # fmt: skip
    return subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", script], cwd=folder, env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a checkout that asks for one disk."""
    (tmp_path / "wipe.txt").write_text(f"{DISK}\n")
    return tmp_path


@pytest.mark.slow
def test_the_workflow_applies_what_it_planned_once(folder: Path) -> None:
    """Both jobs of the workflow, and the second one again: one wipe, shown before, and its report both times."""
    with Simulator(world=QUICK, speed=1) as sim:
        planned = run_script(SCRIPTS["github plan"], folder, sim, KEY="acme/lab/pull/7/0a1b2c")
        (output,) = (folder / "output").read_text().splitlines()
        shown, untouched = (folder / "summary.md").read_text(), wipes(sim)
        applied = [run_script(SCRIPTS["github apply"], folder, sim, DIGEST=output.split("=")[1]) for _ in range(2)]
        wiped = wipes(sim)

    assert [each.returncode for each in (planned, *applied)] == [0, 0, 0], applied
    assert DISK in shown
    assert "ALREADY DONE" in (folder / "summary.md").read_text()
    assert (untouched, wiped) == (0, 1)


@pytest.mark.slow
def test_a_refused_plan_fails_the_workflow_and_is_shown(folder: Path) -> None:
    """A disk that is not there ends the first job with 3, its plan in the log, and leaves nothing to apply."""
    (folder / "wipe.txt").write_text("d-nowhere\n")
    with Simulator(world=QUICK, speed=1) as sim:
        planned = run_script(SCRIPTS["github plan"], folder, sim, KEY="acme/lab/pull/8/0a1b2c")
        missing = run_script(SCRIPTS["github plan"], folder, sim, KEY="x", SAFE_REINIT_JOURNAL="")

    assert (planned.returncode, missing.returncode) == (3, 2)
    assert "disk-not-found" in planned.stdout
    assert not (folder / "output").exists()


@pytest.mark.slow
def test_the_template_applies_what_it_planned_once(folder: Path) -> None:
    """Both jobs of the template, and the second one again: one wipe, and the same report both times."""
    of_job = {"CI_PROJECT_PATH": "acme/lab", "CI_MERGE_REQUEST_IID": "7", "CI_COMMIT_SHA": "0a1b2c"}
    with Simulator(world=QUICK, speed=1) as sim:
        planned = run_script(SCRIPTS["gitlab plan"], folder, sim, **of_job)
        applied = [run_script(SCRIPTS["gitlab apply"], folder, sim, **of_job) for _ in range(2)]
        wiped = wipes(sim)

    assert [each.returncode for each in (planned, *applied)] == [0, 0, 0], (planned.stderr, applied)
    assert DISK in planned.stdout
    assert json.loads((folder / "report.json").read_text())["already_done"] is True
    assert wiped == 1


@pytest.mark.slow
def test_an_execution_without_a_digest_only_plans(folder: Path) -> None:
    """The template plans, refuses another digest, and applies the one that it printed once, however often it runs."""

    def execute(digest: str) -> subprocess.CompletedProcess[str]:
        script = invoked({**EXECUTION, "digest": digest}).replace("/var/lib/safe-reinit", str(folder))
        return run_script(script.replace("/usr/local/bin/", ""), folder, sim)

    with Simulator(world=QUICK, speed=1) as sim:
        early, planned, other = execute("0" * 32), execute(""), execute("0" * 32)
        (digest,) = re.findall(r"digest ([0-9a-f]{32})", planned.stdout)
        untouched = wipes(sim)
        applied = [execute(digest) for _ in range(2)]
        wiped = wipes(sim)

    assert [each.returncode for each in (early, planned, other, *applied)] == [2, 0, 3, 0, 0], (other, applied)
    assert "ALREADY DONE" in applied[1].stdout
    assert (untouched, wiped) == (0, 1)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cron", "systemd", "kubernetes"])
def test_a_night_that_is_started_twice_wipes_once(name: str, tmp_path: Path) -> None:
    """The line of each timer, run twice with its configuration: one wipe, and 0 both times."""
    world = {
        **QUICK,
        "instances": {"i-lab1": {"name": "lab1", "tags": {"env": "lab"}}},
        "disks": {"d-lab1": {"instance": "i-lab1", "type": "system", "image": "m-lab"}},
        "images": {"m-lab": {}},
        "snapshots": {},
    }
    file = tmp_path / "config.yaml"
    file.write_text(re.sub("^journal: .*$", "", CLUSTER["ConfigMap"]["data"]["config.yaml"], flags=re.M), "utf-8")
    script = SCRIPTS[name].replace("/usr/local/bin/safe-reinit", "safe-reinit")
    with Simulator(world=world, speed=1) as sim:
        ended = [run_script(script, tmp_path, sim, SAFE_REINIT_CONFIG=str(file)) for _ in range(2)]
        wiped = wipes(sim, "d-lab1")

    assert [each.returncode for each in ended] == [0, 0], ended
    assert wiped == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_has_none_of_the_usual_faults(name: str) -> None:
    """ShellCheck finds nothing in what a pipeline, a timer, a cluster or a template runs."""
    if shutil.which("shellcheck") is None:
        pytest.skip("there is no ShellCheck: nox -s examples installs it")
    shell = "bash" if name.startswith(("git", "kub")) else "sh"
    found = subprocess.run(
        ["shellcheck", f"--shell={shell}", "-"], input=SCRIPTS[name], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout


@pytest.mark.slow
def test_systemd_understands_the_units_and_finds_them_confined() -> None:
    """Systemd's own program accepts both units, and calls the service well confined."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd")
    units = [str(EXAMPLES / "systemd" / each) for each in ("safe-reinit-lab.service", "safe-reinit-lab.timer")]
    subprocess.run(["systemd-analyze", "verify", "--man=no", *units], check=True, capture_output=True)
    text = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", units[0]],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert text.returncode == 0, text.stdout[-300:]


@pytest.mark.slow
def test_the_steps_of_the_image_make_a_command_that_works(tmp_path: Path) -> None:
    """In a plain folder the image's steps install a program that plans, and that refuses to begin without a journal."""
    source, target, state = tmp_path / "src", tmp_path / "opt/safe-reinit", tmp_path / "var/lib/safe-reinit"
    for each in steps("COPY"):
        *names, place = each.split()
        for name in names if not each.startswith("--from") else ():
            inside = tmp_path / place.lstrip("/") / ("" if (ROOT / name).is_dir() else name)
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            inside.parent.mkdir(parents=True, exist_ok=True)
            copy(ROOT / name, inside)
    assert source.is_dir()
    for step in steps("RUN"):
        command = re.sub(r"/(opt|src|var/lib)\b", rf"{tmp_path}/\1", step).replace("python -m venv", "python3 -m venv")
        command = command.replace("-o 10001 -g 10001 ", "" if os.getuid() else "-o 10001 -g 10001 ")
        subprocess.run(["sh", "-ec", command], check=True, capture_output=True, text=True)
    program, bare = str(target / "bin/safe-reinit"), {"PATH": "/usr/bin:/bin", "HOME": "/tmp", "XDG_STATE_HOME": ""}
    job = ["--simulate", "--disk", "d-sim-web1-data", "--stop-instance", "--dry-run"]
    planned = subprocess.run([program, *job], env=bare, capture_output=True, text=True, check=False)
    state.rmdir()
    state.write_text("")  # as where nothing is mounted and the root is read-only: nothing can be made there
    environment = {**bare, "XDG_STATE_HOME": str(state.parent), "ALIBABA_CLOUD_ACCESS_KEY_ID": "testid"}
    if os.getuid() == 0:  # whose journal is the machine's, while the image has a user of its own
        environment["SAFE_REINIT_JOURNAL"] = str(state / "journal.db")
    words = f"--disk {DISK} --stop-instance --confirm {DISK} --region cn-hangzhou --endpoint".split()
    with Simulator(world=QUICK, speed=1) as sim:
        refused = subprocess.run(
            [program, *words, sim.url],
            env=environment | {"ALIBABA_CLOUD_ACCESS_KEY_SECRET": "testsecret", "SAFE_REINIT_TIME_SCALE": "1"},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        calls = [each["action"] for each in sim.state()["calls"] if not each["dry_run"]]

    assert planned.returncode == 0, planned.stderr
    assert refused.returncode == 2, refused.stderr
    assert "journal" in refused.stderr
    assert not [action for action in calls if not action.startswith(("Describe", "Get", "List"))]
