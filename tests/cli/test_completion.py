"""What a shell offers at Tab: in bash, zsh and fish themselves, and what it must never do."""

from __future__ import annotations

import json
import os
import pty
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from safe_reinit.checks import CHECKS, by_name
from safe_reinit.cli.app import app, run
from safe_reinit.cli.shells import SHELLS, script
from safe_reinit.journal import open_to_write
from safe_reinit.model import error_codes
from safe_reinit.simulator import Simulator
from tests.commands import ROOT, Command, command, until
from tests.conftest import Serve
from tests.servers import Answer, http
from tests.terminals import Terminal

Offered = Callable[..., list[str]]

pytestmark = pytest.mark.usefixtures("own_home")


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Offered:
    """Press Tab as bash's script does, and give the words that are offered; nothing else may be said."""

    def ask(line: str) -> list[str]:
        monkeypatch.setenv("_SAFE_REINIT_COMPLETE", "bash_complete")
        words = line.split(" ")
        monkeypatch.setenv("COMP_WORDS", "\n".join(words))
        monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
        code = run(["whatever", "stands", "here"])
        monkeypatch.delenv("_SAFE_REINIT_COMPLETE")
        out, err = capfd.readouterr()
        assert (code, err) == (0, "")
        return [item.partition(",")[2] for item in out.splitlines() if item.startswith("plain,")]

    return ask


# --------------------------------------------------------------------------------------------------- what is offered


def test_commands_are_offered_until_an_option_stands_there(offered: Offered) -> None:
    """Commands and options are offered; after an option of the main command no command is, for it would be refused."""
    assert set(offered("safe-reinit ")) == set(app.commands)
    assert offered("safe-reinit res") == ["resume"]
    assert offered("safe-reinit --simulate ") == []
    assert "--stop-instance" in offered("safe-reinit --simulate --st")
    assert "--verdict" in offered("safe-reinit resume --")


def test_only_what_can_be_accepted_is_offered_to_accept(offered: Offered) -> None:
    """--accept is offered the checks that can find a risk, and no block."""
    found = offered("safe-reinit --accept ")

    assert found == [check.name for check in CHECKS if check.waivable]
    assert "disk-locked" not in found
    assert "no-recent-snapshot" in offered("safe-reinit plan --accept no-rec")


def test_explain_is_offered_every_check_and_code(offered: Offered) -> None:
    """Each name that explain knows is offered."""
    assert set(offered("safe-reinit explain ")) == {
        *(check.name for check in CHECKS), *error_codes.SUMMARIES
    }  # fmt: skip
    assert by_name(offered("safe-reinit explain disk-l")[0])


def test_the_words_of_an_option_are_offered(offered: Offered) -> None:
    """An option that takes one of some words is offered them."""
    assert offered("safe-reinit --pause ") == ["none", "canary", "wave"]
    assert offered("safe-reinit checks --output ") == ["text", "json"]
    assert offered("safe-reinit resume r-1 --verdict w") == ["wipe-again"]
    assert offered("safe-reinit --output=j") == ["json"]
    assert offered("safe-reinit completion ") == list(SHELLS)


@pytest.mark.parametrize(
    "line",
    ["apply pl", "show pl", "--config pl", "--disks-from pl", "--report pl", "plan --save pl", "runs --journal pl"],
)
def test_files_are_left_to_the_shell(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], line: str
) -> None:
    """Where a file is meant the shell is told so, and completes it itself."""
    words = ["safe-reinit", *line.split()]
    monkeypatch.setenv("_SAFE_REINIT_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "\n".join(words))
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))

    assert run([]) == 0
    assert capfd.readouterr().out.splitlines() == ["file,pl"]


def test_regions_are_those_of_the_configuration(
    offered: Offered, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """--region is offered the regions that the configuration names, patterns left out."""
    file = tmp_path / "c.yaml"
    content = {
        "region": "cn-beijing",
        "allow": {"regions": ["cn-hangzhou", "eu-*"]},
        "classes": {
            "lab": {"match": {"regions": ["cn-hangzhou", "cn-shanghai"]}},
            "any": {"match": {"tags": {"a": "b"}}},
        },
    }
    file.write_text(yaml.safe_dump(content), "utf-8")

    assert offered(f"safe-reinit --config {file} --region ") == ["cn-beijing", "cn-hangzhou", "cn-shanghai"]
    monkeypatch.setenv("SAFE_REINIT_CONFIG", str(file))
    assert offered("safe-reinit plan --region cn-s") == ["cn-shanghai"]


def test_consent_is_not_offered(offered: Offered, tmp_path: Path) -> None:
    """What --confirm takes is never offered: not the disk that stands there, not a class."""
    file = tmp_path / "c.yaml"
    file.write_text("classes: {lab: {match: {tags: {env: lab}}, unattended: true}}\n", "utf-8")

    assert offered(f"safe-reinit --config {file} --simulate --disk d-sim-web1-data --confirm ") == []
    assert offered("safe-reinit apply plan.json --confirm ") == []


# ---------------------------------------------------------------------------------------------------------- simulators


def test_the_disks_of_the_embedded_simulator_are_offered(offered: Offered, tmp_path: Path) -> None:
    """With --simulate the packaged world's disks and instances are offered, with --world those of the file."""
    world = tmp_path / "world.yaml"
    world.write_text("{disks: {d-one: {}, d-two: {}}, instances: {i-one: {}}}", "utf-8")

    assert offered("safe-reinit --simulate --disk d-sim-web1-") == ["d-sim-web1-sys", "d-sim-web1-data"]
    assert offered("safe-reinit plan --simulate --instance i-sim-web") == ["i-sim-web1"]
    assert offered(f"safe-reinit --world {world} --disk ") == ["d-one", "d-two"]
    assert offered(f"safe-reinit --world {world} --expect-instance ") == ["i-one"]
    assert offered("safe-reinit --disk ") == []


def test_the_disks_of_a_simulator_on_this_machine_are_offered(
    offered: Offered, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loopback endpoint is asked what it has, also by rehearse, and also as bash parts its address at the colon."""
    world = {"instances": {"i-1": {}}, "disks": {"d-here": {"instance": "i-1"}, "d-there": {"instance": "i-1"}}}
    with Simulator(world=world, speed=1) as simulator:
        parted = simulator.endpoint.replace(":", " : ")

        assert offered(f"safe-reinit --endpoint {simulator.url} --disk d-h") == ["d-here"]
        assert offered(f"safe-reinit rehearse --endpoint {parted} --disk ") == ["d-here", "d-there"]
        monkeypatch.setenv("SAFE_REINIT_ENDPOINT", simulator.endpoint.replace("127.0.0.1", "localhost"))
        assert offered("safe-reinit --disk d-t") == ["d-there"]
        assert simulator.state()["calls"] == []


def test_no_other_address_is_ever_asked(offered: Offered, monkeypatch: pytest.MonkeyPatch, serve: Serve) -> None:
    """Completing opens no connection but to loopback: not to an endpoint, not through a proxy, not where it is sent."""
    other, proxy = serve(lambda _: Answer(http(200, "{}"))), serve(lambda _: Answer(http(200, "{}")))
    away = serve(lambda _: Answer(http(302, "", headers={"Location": f"{other.url}/_simulator/state"})))
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("http_proxy", proxy.url)
    reached: list[Any] = []
    connect, resolve = socket.socket.connect, socket.getaddrinfo

    def watched(self: socket.socket, address: Any) -> None:
        reached.append(address[0])
        connect(self, address)

    def looked_up(host: Any, *more: Any, **words: Any) -> Any:
        reached.append(host)
        return resolve(host, *more, **words)

    monkeypatch.setattr(socket.socket, "connect", watched)
    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    for endpoint in (
        "ecs.cn-hangzhou.aliyuncs.com",
        "https://198.51.100.7",
        "https://127.0.0.1:1",
        "localhost:1",
        away.url,
    ):
        assert offered(f"safe-reinit --endpoint {endpoint} --disk d-") == []
        assert offered(f"safe-reinit rehearse --endpoint {endpoint} --instance i-") == []

    assert set(reached) <= {"127.0.0.1"}
    assert len(away.requests) == 2
    assert (other.requests, proxy.requests) == ([], [])


@pytest.mark.parametrize(
    "line",
    [
        "safe-reinit --config {folder}/no.yaml --simulate --disk ",
        "safe-reinit --config {folder}/bad.yaml --region ",
        "safe-reinit --world {folder}/no.yaml --disk ",
        "safe-reinit --world {folder}/bad.yaml --disk ",
        "safe-reinit --endpoint 127.0.0.1:1 --disk ",
        "safe-reinit --endpoint http://[ --disk ",
        "safe-reinit resume --journal {folder}/bad.yaml ",
        "safe-reinit resume --journal {folder} ",
        "safe-reinit no-such-command ",
        "safe-reinit --no-such-option x --disk ",
        "safe-reinit ' --disk ",
        "",
    ],
)
def test_what_fails_offers_nothing_and_says_nothing(offered: Offered, tmp_path: Path, line: str) -> None:
    """A missing or broken file, a dead endpoint and a line that is no command: no word, no error, no file made."""
    (tmp_path / "bad.yaml").write_text("{: ]", "utf-8")
    before = sorted(tmp_path.rglob("*"))

    assert offered(line.format(folder=tmp_path)) == [] or line == ""
    assert sorted(tmp_path.rglob("*")) == before


def test_a_script_that_asks_something_else_gets_no_answer(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """An unknown shell, or another question, ends 1 or with nothing, and runs no command."""
    for asked in ("tcsh_complete", "bash_delete", "bash", "powershell_complete"):
        monkeypatch.setenv("_SAFE_REINIT_COMPLETE", asked)
        run(["--simulate", "--disk", "d-sim-web1-data", "--confirm", "d-sim-web1-data", "--stop-instance"])

        assert "".join(capfd.readouterr()).strip() == ""


# ---------------------------------------------------------------------------------------------------------- the journal


ONCE = ("--disk", "d-sim-web1-data", "--stop-instance", "--confirm", "d-sim-web1-data")


def with_runs(sim: Simulator, folder: Path) -> tuple[Command, Path]:
    """Return a journal with a run that took a snapshot, one that took none, and one that was killed."""
    here, path = command(sim.url, folder), folder / "runs" / "journal.db"
    assert here(*ONCE, "--snapshot", journal=path).returncode == 0
    assert here(*ONCE, "--accept", "no-recent-snapshot", journal=path).returncode == 0
    with here.start(*ONCE, "--snapshot", journal=path) as child:
        until(lambda: sim.state()["instances"]["i-sim-web1"]["status"] == "Stopping")
        child.kill()
        child.communicate()
    return here, path


@pytest.mark.virtual_time
def test_runs_are_offered_where_they_are_of_use(offered: Offered, simulator: Simulator, tmp_path: Path) -> None:
    """Show is offered every run, newest first; resume the open ones; undo those that have a way back."""
    here, path = with_runs(simulator, tmp_path)
    listed = json.loads(here("runs", "--output", "json", journal=path).stdout)["runs"]
    names = [each["run_id"] for each in listed]

    assert [each["state"] for each in listed] == ["open", "ended", "ended"]
    assert offered(f"safe-reinit show --journal {path} ") == names
    assert offered(f"safe-reinit resume --journal {path} r-") == names[:1]
    assert offered(f"safe-reinit undo --journal {path} r-") == names[2:]


@pytest.mark.virtual_time
def test_looking_at_the_journal_writes_nothing(offered: Offered, simulator: Simulator, tmp_path: Path) -> None:
    """No file is made or changed beside the journal, whether somebody has it open or nobody; none is made of itself."""
    here, path = command(simulator.url, tmp_path), tmp_path / "runs" / "journal.db"
    assert here(*ONCE, "--snapshot", journal=path).returncode == 0

    def files() -> dict[str, bytes]:
        return {each.name: each.read_bytes() for each in path.parent.iterdir() if not each.name.endswith("-shm")}

    alone = sorted(each.name for each in path.parent.iterdir())
    before = files()
    assert len(offered(f"safe-reinit show --journal {path} ")) == 1
    assert sorted(each.name for each in path.parent.iterdir()) == alone == [path.name]
    assert files() == before
    with open_to_write(path):
        before = files()
        assert len(offered(f"safe-reinit show --journal {path} ")) == 1
        assert files() == before
    nowhere = path.parent / "none" / "journal.db"
    assert offered(f"safe-reinit show --journal {nowhere} ") == []
    assert not nowhere.parent.exists()


# ----------------------------------------------------------------------------------------------------- the real shells


@pytest.fixture
def program(tmp_path: Path) -> dict[str, str]:
    """Return an environment in which safe-reinit is a command, and little else is set."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "safe-reinit").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m safe_reinit "$@"\n', "utf-8")
    (folder / "safe-reinit").chmod(0o755)
    return {
        "PATH": f"{folder}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "TERM": "dumb",
        "LANG": "C.UTF-8", "SAFE_REINIT_JOURNAL": str(tmp_path / "journal.db"),
    }  # fmt: skip


def there(shell: str) -> Any:
    """Mark a test that needs a shell."""
    return pytest.param(shell, marks=pytest.mark.skipif(shutil.which(shell) is None, reason=f"there is no {shell}"))


STARTS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], 'eval "$(safe-reinit completion bash)"'),
    "zsh": (["zsh", "-f", "-i"], 'autoload -Uz compinit; compinit -D -u; eval "$(safe-reinit completion zsh)"'),
}


COMPLETED = {
    "safe-reinit --simulate --disk d-sim-web1-d": "d-sim-web1-data",
    "safe-reinit explain no-rec": "no-recent-snapshot",
    "safe-reinit rehe": "rehearse",
    "safe-reinit --dry": "--dry-run",
}
NO_LINE = "\x15"
"""Ctrl-U, which takes away what was typed."""


@pytest.mark.parametrize("shell", [there("bash"), there("zsh")])
def test_tab_completes(program: dict[str, str], tmp_path: Path, shell: str) -> None:
    """In the shell itself, with the script that completion prints, Tab writes the rest of the word."""
    argv, setup = STARTS[shell]
    line, inner = pty.openpty()
    child = subprocess.Popen(argv, env=program, cwd=tmp_path, stdin=inner, stdout=inner, stderr=inner)
    os.close(inner)
    person = Terminal(child, line)
    try:
        person.type(f"PS1='ready> '; {setup}; echo set''up\n")
        place = person.wait_for("ready> ", after=person.wait_for("setup\r\n"))
        for typed, completed in COMPLETED.items():
            person.type(f"{typed}\t")
            place = person.wait_for(f"{completed} ", after=place)
            person.type(NO_LINE)
    finally:
        child.kill()
        child.wait()
        os.close(line)


@pytest.mark.parametrize("shell", [there("fish")])
def test_fish_completes(program: dict[str, str], tmp_path: Path, shell: str) -> None:
    """Fish finds the script where its documentation puts it, and offers the word."""
    folder = tmp_path / ".config" / "fish" / "completions"
    folder.mkdir(parents=True)
    (folder / "safe-reinit.fish").write_text(script(app, "fish"), "utf-8")

    asked = "; ".join(f"complete -C '{line}'" for line in COMPLETED)
    done = subprocess.run([shell, "-c", asked], env=program, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert [word.split("\t")[0] for word in done.stdout.splitlines()] == [*COMPLETED.values()], done.stderr
