"""The Ansible collection: its module as Python and its playbooks with a real Ansible, from docs/howto/ansible.md.

The slow tests need ansible-core, which is no part of the project's environment: ``nox -s ansible`` installs it.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from safe_reinit.cli.app import run
from safe_reinit.journal import open_to_write
from safe_reinit.simulator import Simulator
from tests import blocks, virtual
from tests.blackbox.worlds import DISK, QUICK, WORLD, wipes
from tests.blocks import ROOT
from tests.cli.test_planfile import at

COLLECTION = ROOT / "ansible"
MODULE = COLLECTION / "plugins/modules/wipe.py"
PLAYBOOKS: list[list[dict[str, Any]]] = [
    yaml.safe_load(block.text) for block in blocks.blocks(ROOT / "docs/howto/ansible.md") if block.language == "yaml"
]


class Ended(Exception):
    """The module told its result."""

    def __init__(self, **result: Any) -> None:
        super().__init__(str(result))
        self.result = result


class Basic:
    """What the module uses of AnsibleModule; a command runs in this process."""

    def __init__(self, argument_spec: dict[str, Any], params: dict[str, Any], check_mode: bool) -> None:
        defaults = {name: each.get("default") for name, each in argument_spec.items()}
        assert set(params) <= set(argument_spec)
        self.params, self.check_mode, self._diff = {**defaults, **params}, check_mode, True

    def get_bin_path(self, name: str, required: bool) -> str:
        """Find the command."""
        assert required
        return name

    def run_command(self, argv: list[str], environ_update: dict[str, str]) -> tuple[int, str, str]:
        """Run the command."""
        raise NotImplementedError

    def exit_json(self, **result: Any) -> None:
        """End well."""
        raise Ended(failed=False, **result)

    def fail_json(self, **result: Any) -> None:
        """End badly."""
        raise Ended(failed=True, **result)


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """Import the module, where there is no Ansible."""
    basic = types.ModuleType("ansible.module_utils.basic")
    basic.AnsibleModule = Basic  # type: ignore[attr-defined]
    for name in ("ansible", "ansible.module_utils"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, basic.__name__, basic)
    spec = importlib.util.spec_from_file_location("wipe", MODULE)
    assert spec
    assert spec.loader
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


Task = Callable[..., dict[str, Any]]


@pytest.fixture
def task(
    module: types.ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], own_home: Path
) -> Iterator[Task]:
    """Run a task against the simulated world of the tests."""
    assert own_home

    def command(_self: Basic, argv: list[str], environ_update: dict[str, str]) -> tuple[int, str, str]:
        capsys.readouterr()
        with monkeypatch.context() as patched:
            for name, value in environ_update.items():
                patched.setenv(name, value)
            code = run(argv[1:])
        text = capsys.readouterr()
        return code, text.out, text.err

    def of(check_mode: bool = False, **params: Any) -> dict[str, Any]:
        monkeypatch.setattr(
            module, "AnsibleModule", lambda argument_spec, **_: Basic(argument_spec, params, check_mode)
        )
        with pytest.raises(Ended) as ended:
            module.main()
        return ended.value.result

    monkeypatch.setattr(Basic, "run_command", command)
    with virtual.simulate(WORLD) as sim:
        at(monkeypatch, sim)
        of.sim = sim  # type: ignore[attr-defined]
        yield of


ONE = {**PLAYBOOKS[0][0]["tasks"][0]["safe_reinit.ecs.wipe"], "disks": [DISK], "confirm": DISK}
"""The task of the page, of a disk that the world has."""


@pytest.mark.virtual_time
def test_a_task_wipes_once_and_is_changed_only_then(task: Any) -> None:
    """Check mode plans with a diff, the task wipes, and the same task again changes nothing, in check mode too."""
    planned = task(check_mode=True, **ONE)
    untouched = wipes(task.sim)
    wiped, again, checked = task(**ONE), task(**ONE), task(check_mode=True, **ONE)

    assert [each["changed"] for each in (planned, wiped, again, checked)] == [True, True, False, False]
    assert [each["outcome"] for each in (planned, wiped, again, checked)] == ["planned", "done", "done", "done"]
    assert [each["already_done"] for each in (wiped, again)] == [False, True]
    assert planned["confirm_with"] == DISK
    assert planned["diff"] == wiped["diff"]
    assert wiped["diff"]["before"].startswith(f"{DISK} on i-sim-web1 (Running): what was written to it")
    assert "snapshot s-origin" in wiped["diff"]["after"]
    assert again["diff"] == {"before": "", "after": ""}
    assert (untouched, wipes(task.sim)) == (0, 1)


@pytest.mark.virtual_time
def test_a_refused_task_fails_and_changes_nothing(task: Any) -> None:
    """Without consent to stop it fails with 3 and the command's own sentence, in check mode too."""
    refused = {**ONE, "stop_instance": False}
    results = [task(check_mode=check_mode, **refused) for check_mode in (True, False)]

    for result in results:
        assert (result["failed"], result["changed"], result["rc"]) == (True, False, 3)
        assert "instance-running" in result["msg"]
    assert wipes(task.sim) == 0


@pytest.mark.virtual_time
def test_a_command_that_writes_no_report_fails_the_task(monkeypatch: pytest.MonkeyPatch, task: Any) -> None:
    """What is not understood is a failure, and what the command said is in it."""
    monkeypatch.setattr(Basic, "run_command", lambda *_args, **_more: (127, "", "no such command"))

    assert task(**ONE) == {"failed": True, "rc": 127, "msg": "safe-reinit wrote no report: no such command"}


def test_secrets_are_kept_from_logs_and_arguments(module: types.ModuleType) -> None:
    """The password and the keys are no_log, and stand in the environment of the command alone."""
    secrets = {"password": "Example-Pass-1", "access_key_secret": "sesame", "security_token": "token"}
    params = {name: each.get("default") for name, each in module.ARGUMENTS.items()} | ONE | secrets
    words = module.words_of(params, False)

    assert all(module.ARGUMENTS[name]["no_log"] for name in secrets)
    assert not [word for word in words for secret in secrets.values() if secret in word]
    assert "--password-env=SAFE_REINIT_ANSIBLE_PASSWORD" in words
    assert set(module.environment_of(params).values()) == set(secrets.values())


def test_every_option_is_documented_and_understood_by_the_command(module: types.ModuleType) -> None:
    """Documentation and arguments are the same, and the command parses what the module makes of all of them."""
    documented = yaml.safe_load(module.DOCUMENTATION)["options"]
    given = {
        name: each.get("default")
        or {"list": ["d-1"], "int": 3, "bool": True, "dict": {"a": "b"}}.get(each["type"], "x")
        for name, each in module.ARGUMENTS.items()
    }
    kept = ("type", "elements", "default", "required", "choices")

    assert {name: {key: each[key] for key in kept if key in each} for name, each in documented.items()} == {
        name: {key: each[key] for key in kept if key in each} for name, each in module.ARGUMENTS.items()
    }
    for check_mode in (False, True):
        blocks.parse(module.words_of(given, check_mode))


# ------------------------------------------------------------------------------------------------- with a real Ansible


@pytest.fixture
def playbook(tmp_path: Path) -> Callable[..., tuple[str, dict[str, dict[str, int]]]]:
    """Run a playbook with the collection installed; give its output and the counts of each host."""
    program = shutil.which("ansible-playbook")
    if program is None:
        pytest.skip("there is no Ansible: nox -s ansible installs it")
    shutil.copytree(COLLECTION, tmp_path / "collections/ansible_collections/safe_reinit/ecs")
    hosts = {f"web{n}": {"safe_reinit_disks": [f"d-web{n}"]} for n in range(4)}
    inventory = {"lab": {"hosts": hosts}, "all": {"hosts": {"localhost": {"ansible_connection": "local"}}}}
    (tmp_path / "hosts.yml").write_text(json.dumps(inventory))

    def play(plays: list[dict[str, Any]], *words: str, **variables: object) -> tuple[str, dict[str, dict[str, int]]]:
        (tmp_path / "play.yml").write_text(yaml.safe_dump(plays))
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SAFE_", "ALIBABA_", "XDG_"))}
        environment = {
            **kept, "HOME": str(tmp_path), "ANSIBLE_COLLECTIONS_PATH": str(tmp_path / "collections"),
            "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default", "ANSIBLE_NOCOLOR": "1", "LC_ALL": "C.UTF-8",
            "ANSIBLE_LOCALHOST_WARNING": "false", "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
            "ALIBABA_CLOUD_ACCESS_KEY_ID": "testid", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "testsecret",
            "SAFE_REINIT_TIME_SCALE": "1", "SAFE_REINIT_REGION": "cn-hangzhou",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }  # fmt: skip
        argv = [program, "-i", str(tmp_path / "hosts.yml"), str(tmp_path / "play.yml"), "-v", *words]
        argv += ["--extra-vars", json.dumps(variables)]
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, cwd=tmp_path, check=False)
        recap = done.stdout.rpartition("PLAY RECAP")[2].splitlines()[1:]
        counts = {
            host.strip(): {name: int(count) for name, count in (each.split("=") for each in line.split())}
            for host, colon, line in (row.partition(":") for row in recap)
            if colon
        }
        assert counts, done.stdout + done.stderr
        return done.stdout + done.stderr, counts

    return play


def of_each(count: str, counts: dict[str, dict[str, int]]) -> list[int]:
    """List one count of each host."""
    return [each[count] for each in counts.values()]


@pytest.mark.slow
def test_a_playbook_wipes_once(playbook: Any, tmp_path: Path) -> None:
    """The page's playbook: check mode shows a diff, the first play is changed, the second is ok, no secret is shown."""
    with Simulator(world=QUICK, speed=1) as sim:
        plays = [{**PLAYBOOKS[0][0], "tasks": [{"safe_reinit.ecs.wipe": None, "name": "Wipe"}]}]
        secret = {"access_key_id": "testid", "access_key_secret": "testsecret", "endpoint": sim.url}
        plays[0]["tasks"][0]["safe_reinit.ecs.wipe"] = {**ONE, **secret, "journal": str(tmp_path / "j.db")}
        planned, plan = playbook(plays, "--check", "--diff", "-vvv")
        untouched = wipes(sim)
        first, wiped = playbook(plays, "--diff", "-vvv")
        second, again = playbook(plays)

    assert [of_each("changed", each) for each in (plan, wiped, again)] == [[1], [1], [0]], second
    assert [of_each("failed", each) for each in (plan, wiped, again)] == [[0], [0], [0]]
    assert f"-{DISK} on i-sim-web1 (Running): what was written to it" in planned
    assert f"+{DISK} on i-sim-web1 (Running): snapshot s-origin" in planned
    assert "testsecret" not in planned + first + second
    assert (untouched, wipes(sim)) == (0, 1)


@pytest.mark.slow
def test_many_hosts_of_a_play_have_one_journal(playbook: Any, tmp_path: Path) -> None:
    """The role on four hosts at once: each machine is wiped once, all runs are in one journal, and again nothing is."""
    world = {
        **QUICK,
        "instances": {f"i-web{n}": {"name": f"web{n}"} for n in range(4)},
        "disks": {f"d-web{n}": {"instance": f"i-web{n}", "snapshot": "s-origin"} for n in range(4)},
        "snapshots": {**QUICK["snapshots"], **{f"s-web{n}": {"disk": f"d-web{n}"} for n in range(4)}},
    }
    world["snapshots"] = {name: each for name, each in world["snapshots"].items() if "fresh" not in name}
    journal = tmp_path / "j.db"
    with Simulator(world=world, speed=1) as sim:
        there = {"safe_reinit_endpoint": sim.url, "safe_reinit_journal": str(journal)}
        text, first = playbook(PLAYBOOKS[1], "--forks", "4", **there)
        again, second = playbook(PLAYBOOKS[1], "--forks", "4", **there)
        wiped = [wipes(sim, f"d-web{n}") for n in range(4)]
    with open_to_write(journal) as opened:
        runs = opened.runs()

    assert of_each("changed", first) == [1] * 4, text
    assert (of_each("changed", second), of_each("failed", second)) == ([0] * 4, [0] * 4), again
    assert wiped == [1] * 4
    assert sorted(run.outcome or "" for run in runs) == ["done"] * 4
