"""The page docs/scale.md and the files in examples/temporal say what is so, as far as they can be read."""

from __future__ import annotations

import configparser
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from safe_reinit import config
from safe_reinit.cli.app import run
from safe_reinit.temporal.workflow import SCHEDULED
from tests import blocks, virtual
from tests.blocks import ROOT
from tests.temporals import ATTRIBUTES, PROGRAM, Temporal

PAGE = ROOT / "docs/scale.md"
EXAMPLES = ROOT / "examples/temporal"
COMPOSE: dict[str, Any] = yaml.safe_load((EXAMPLES / "compose.yaml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
KUBERNETES: dict[str, dict[str, Any]] = {
    each["kind"]: each for each in yaml.safe_load_all((EXAMPLES / "worker.yaml").read_text("utf-8"))
}
POD: dict[str, Any] = KUBERNETES["Deployment"]["spec"]["template"]["spec"]


def commands(word: str) -> list[str]:
    """List the commands of the page that begin with this word, each in one line."""
    typed = [words for block in blocks.blocks(PAGE) if block.language == "console" for words, _ in block.commands]
    return [each.replace("\\\n", " ") for each in typed if each.startswith(f"{word} ")]


def here_document(command: str) -> str:
    """Return what a command is given to read."""
    return command.split("\n", 1)[1].rsplit("\n", 1)[0]


def configuration(folder: Path) -> config.Settings:
    """Return the settings of the page's configuration, saved where a reader saves it."""
    (command,) = commands("cat")
    file = folder / "config.yaml"
    file.write_text(here_document(command).replace("$PWD", str(folder)), "utf-8")
    return config.resolve({}, {}, str(file))


def unit() -> configparser.ConfigParser:
    """Read the systemd unit; of a setting that is repeated the last one is kept."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(EXAMPLES / "safe-reinit-worker.service", "utf-8")
    return parser


def grace(capsys: pytest.CaptureFixture[str]) -> int:
    """Return how many seconds a worker needs to end in order, with the default configuration."""
    assert run(["config", "show", "--grace", "--config", "/dev/null"]) == 0
    return int(capsys.readouterr().out)


# ----------------------------------------------------------------------------------------------------------- the page


def test_each_command_of_the_page_is_understood() -> None:
    """Every line of the page that runs safe-reinit parses."""
    lines = [re.sub(r"(&( worker_\d=\$!)?|\|.*)$", "", each) for each in commands("safe-reinit")]

    assert len(lines) > 8
    assert [blocks.parsed(each) for each in lines] == [1] * len(lines)


def test_the_configuration_of_the_page_is_for_the_services_of_the_page(tmp_path: Path) -> None:
    """It loads, and names the simulator, the Temporal server and the namespace that the page starts."""
    settings = configuration(tmp_path)
    (simulator,) = (each for each in commands("safe-reinit") if "--world" in each)
    started, *asked = map(shlex.split, commands("temporal"))

    assert settings.temporal == f"127.0.0.1:{started[started.index('--port') + 1]}"
    assert settings.temporal_namespace == started[started.index("--namespace") + 1]
    assert settings.endpoint.endswith(f":{shlex.split(simulator)[3]}")
    assert settings.runner == "temporal"
    for words in asked:
        assert words[words.index("--address") + 1] == settings.temporal
        assert words[words.index("--namespace") + 1] == settings.temporal_namespace
    assert {f"{name}=Keyword" for name in ATTRIBUTES} == {each for each in started if each.endswith("=Keyword")}


def test_the_schedule_of_the_page_names_a_run_of_the_page(tmp_path: Path) -> None:
    """Its input is a name in the workers' configuration, whose options consent with an unattended class of the page."""
    (block,) = (each for each in blocks.blocks(PAGE) if each.language == "yaml")
    runs = yaml.safe_load(block.text)["scheduled_runs"]
    (create,) = (words for words in map(shlex.split, commands("temporal")) if words[1:3] == ["schedule", "create"])
    line = runs[json.loads(create[create.index("--input") + 1])]

    assert blocks.parsed(f"safe-reinit {line}") == 1
    words = shlex.split(line)
    assert configuration(tmp_path).classes[words[words.index("--confirm") + 1]]["unattended"]
    assert create[create.index("--type") + 1] == SCHEDULED
    queues = re.findall(r"task queue (\S+)\.", PAGE.read_text("utf-8"))
    assert create[create.index("--task-queue") + 1] in queues


def test_the_world_of_the_page_has_its_machines(tmp_path: Path) -> None:
    """The page's program makes a world that the simulator takes, with no more machines than the class allows."""
    (command,) = commands("python")
    made = subprocess.run(
        [sys.executable, "-"], input=here_document(command), text=True, capture_output=True, check=True
    )

    with virtual.simulate(json.loads(made.stdout)) as simulator:
        assert len(simulator.state()["instances"]) == 250
    assert configuration(tmp_path).classes["lab"]["max_disks"] >= 250


# ------------------------------------------------------------------------------------------------------- the examples


def test_every_image_is_pinned_and_maintained() -> None:
    """Each image has a version, server and tools have the same, and none is auto-setup, which is not maintained."""
    images = [each["image"] for each in SERVICES.values()]
    images += [each["image"] for each in (*POD["containers"], *POD["initContainers"])]
    images += re.findall(r"^FROM (\S+:\S+)", (ROOT / "Dockerfile").read_text("utf-8"), re.M)

    assert all(re.fullmatch(r"[a-z0-9./-]+:\d+\.\d[\w.-]*", each) for each in images), images
    assert not [each for each in images if "auto-setup" in each]
    assert len({each.split(":")[1] for each in images if re.match("temporalio/(server|admin-tools):", each)}) == 1


def test_services_start_in_order_and_ports_stay_on_loopback() -> None:
    """What is waited for tells its health or ends, all that end are waited for, and no port leaves the host.

    What keeps data has time to end.
    """
    awaited = [each for service in SERVICES.values() for each in service.get("depends_on", {}).items()]
    ends = {name for name, each in SERVICES.items() if each["restart"].startswith("on-failure")}
    assert {name for name, each in awaited if each["condition"] == "service_completed_successfully"} == ends
    for name, service in SERVICES.items():
        for other, each in service.get("depends_on", {}).items():
            is_healthy = each["condition"] == "service_healthy"
            assert is_healthy or each["condition"] == "service_completed_successfully"
            assert is_healthy is ("healthcheck" in SERVICES[other]), f"{name}: {other}"
        assert all(each.startswith("127.0.0.1:") for each in service.get("ports", ())), name
    assert {name for name, each in SERVICES.items() if "stop_grace_period" in each} == {"postgresql", "temporal"}


def test_the_files_that_compose_mounts_are_there() -> None:
    """Each file that a service mounts is in the folder, and the scripts in it are shell."""
    mounted = [each.split(":")[0] for service in SERVICES.values() for each in service.get("volumes", ())]
    scripts = [service["command"][0].replace("$$", "$") for service in SERVICES.values() if "command" in service]
    scripts.append((EXAMPLES / "databases.sh").read_text("utf-8"))

    assert {each for each in mounted if not each.startswith("./")} == set(COMPOSE["volumes"])
    assert all((EXAMPLES / each).exists() for each in mounted if each.startswith("./"))
    for each in scripts:
        subprocess.run(["sh", "-n"], input=each, text=True, check=True)


def test_the_namespace_and_the_attributes_are_those_of_the_workers(temporal: Temporal) -> None:
    """compose.yaml makes the namespace that workers are configured for, and every search attribute; again, too."""
    script = SERVICES["namespace"]["command"][0].replace("$$", "$")
    settings = yaml.safe_load(KUBERNETES["ConfigMap"]["data"]["config.yaml"])
    known = {"TEMPORAL_ADDRESS": temporal.server.address, "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}"}
    assert f"--namespace {settings['temporal_namespace']} " in script

    for _ in range(2):  # as each start of the services does; other tests make a namespace of the same name
        mine = script.replace(f"--namespace {settings['temporal_namespace']} ", "--namespace of-compose ")
        subprocess.run(["sh", "-euc", mine], env=os.environ | known, check=True, capture_output=True)

    for name in ATTRIBUTES:
        assert temporal.program("workflow", "list", "--namespace", "of-compose", "--query", f'{name}="none"'), name


def test_workers_have_the_time_that_they_need(capsys: pytest.CaptureFixture[str]) -> None:
    """The unit and the pod give a worker what config show --grace prints; their defaults would kill in mid-wipe."""
    assert int(unit()["Service"]["TimeoutStopSec"]) == POD["terminationGracePeriodSeconds"] == grace(capsys)
    assert (unit()["Service"]["KillSignal"], unit()["Service"]["KillMode"]) == ("SIGTERM", "mixed")


def test_the_configuration_on_kubernetes_fits_the_pod(tmp_path: Path) -> None:
    """It loads; the files that it names come from the mounted secret, and the probe asks where the worker answers."""
    text = KUBERNETES["ConfigMap"]["data"]["config.yaml"]
    (tmp_path / "config.yaml").write_text(text, "utf-8")
    settings = config.resolve({}, {}, str(tmp_path / "config.yaml"))
    (worker,) = POD["containers"]
    ports = {each["name"]: each["containerPort"] for each in worker["ports"]}
    mounts = {each["name"]: each["mountPath"] for each in worker["volumeMounts"]}

    assert settings.worker_health == f"0.0.0.0:{ports[worker['readinessProbe']['httpGet']['port']]}"
    assert settings.worker_metrics == f"0.0.0.0:{ports['metrics']}"
    for name in ("ca", "cert", "key"):
        assert getattr(settings, f"temporal_tls_{name}").startswith(f"{mounts['secrets']}/")
    assert mounts["config"] == "/etc/safe-reinit/config.yaml"
    assert set(mounts) == {each["name"] for each in POD["volumes"]}
    assert "livenessProbe" not in worker


def test_the_links_of_the_readme_lead_somewhere() -> None:
    """Each link to a page of this repository leads to one."""
    links = re.findall(r"\]\((\.\.[^)#]+)", (EXAMPLES / "README.md").read_text("utf-8"))

    assert links
    assert all((EXAMPLES / each).exists() for each in links), links
