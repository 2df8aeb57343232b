"""Every code block of README and docs is run against the simulator, or checked: no kind of block is passed over."""

from __future__ import annotations

import json
import os
import re
import runpy
import shlex
import shutil
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from click import Command, Group, NoSuchOption

from safe_reinit import config
from safe_reinit.cli.app import app
from safe_reinit.errors import UsageError
from safe_reinit.journal import open_to_write
from safe_reinit.simulator import Simulator
from safe_reinit.simulator.__main__ import _parser
from safe_reinit.simulator.world_ids import DEFAULT_WORLD
from tests import blocks, virtual
from tests.blocks import ROOT, Block
from tests.conftest import KEY
from tests.processes import Process
from tests.servers import refused_port
from tests.virtualprocesses import Child, Keyboard

ORIGINAL, CHINESE = ROOT / "README.md", ROOT / "README-CN.md"
TRANSLATED = [CHINESE, *sorted((ROOT / "docs").rglob("*.zh.md"))]
"""Their blocks are those of the English pages (tests/test_pages.py), so they are not run again."""
PAGES = [ORIGINAL, *sorted({*(ROOT / "docs").rglob("*.md")} - {*TRANSLATED})]
_RUN = re.compile(r"r-\d{8}T\d{6}Z-[0-9a-f]{4}")
_BLOCK_TIMEOUT = 120.0
"""Real seconds that nothing here takes, on however busy a machine."""
_POLL_INTERVAL = 0.1
"""Seconds of a test on virtual time."""


@cache
def page_world() -> dict[str, Any]:
    """Return the default world with quick machines."""
    made: dict[str, Any] = yaml.safe_load(DEFAULT_WORLD.read_text("utf-8"))
    return {**made, "durations": {"stop": 1, "wipe": 8, "start": 1, "snapshot": 6}}


@dataclass
class Desk:
    """Where a reader sits: a folder, a shell, and an ECS to talk to; on virtual time, where that can be."""

    folder: Path
    stack: ExitStack
    simulator: Simulator | None = None
    exports: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    """What the examples of the page stand for: runs, ports."""
    count: int = 0

    def begin(self, block: Block) -> None:
        """Start a new simulator and a new journal, unless those of the block before go on."""
        if "keep" not in block.switches or self.simulator is None:
            self.simulator = self.stack.enter_context(virtual.simulate(page_world(), speed=1))
            self.names = {name: value for name, value in self.names.items() if not _RUN.fullmatch(name)}
            self.count += 1
        for fault in _listed(block, "faults"):
            self.simulator.do({"fault": fault})
        for request in _listed(block, "do"):
            self.simulator.do(request)

    @property
    def journal(self) -> Path:
        """The journal of the runs of this simulator: the reader's own, where there is one."""
        own = self.folder / "journal.db"
        return own if own.exists() else self.folder / f"journal-{self.count}.db"

    def environment(self, command: str) -> dict[str, str]:
        """Return the environment of a command; one that simulates has no other ECS. Its journal has begun already."""
        if not self.journal.exists():
            open_to_write(self.journal).close()
        strange = ("SAFE_", "ALIBABA_", "XDG_", "PYTHONDEVMODE", "PYTHONWARNINGS")  # a reader has a plain Python
        kept = {name: value for name, value in os.environ.items() if not name.startswith(strange)}
        return {
            **kept,
            **KEY,
            **({} if re.search(r"--simulate|--world", command) else self._where()),
            "PATH": os.environ["PATH"] if virtual.is_on() else f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "HOME": str(self.folder / "home"),
            "SAFE_REINIT_JOURNAL": str(self.journal),
            "NEW_PASSWORD": "Example-Pass-1",
            **self.exports,
        }

    def _where(self) -> dict[str, str]:
        assert self.simulator is not None
        return {"SAFE_REINIT_ENDPOINT": self.simulator.url, "SAFE_REINIT_REGION": "cn-hangzhou"}

    def meant(self, text: str, block: Block) -> str:
        """Put what is there in the place of examples: disks, runs, digests, ports."""
        for example, thing in block.examples.items():
            text = text.replace(example, thing)
        for run_id in _RUN.findall(text):
            if run_id not in self.names and self.journal.exists():
                with open_to_write(self.journal) as journal:
                    self.names[run_id] = journal.runs()[0].run_id
        plan = self.folder / "plan.json"
        if "apply plan.json" in text and plan.exists():
            text = re.sub(r"(?<=--confirm )[0-9a-f]{32}\b", json.loads(plan.read_text())["digest"][:32], text)
        if "18090" in text:
            self.names.setdefault("18090", str(refused_port()))
        for example, thing in self.names.items():
            text = text.replace(example, thing)
        return text

    def run(self, command: str) -> tuple[int, str]:
        """Run a command to its end; give how it ended, as a shell tells it, and what it said."""
        plain, file = blocks.redirected(command)
        words = blocks.words_of(plain)
        if virtual.is_on() and words and words[0] == "safe-reinit":
            return _ended(self.start(words, apart=bool(file)), into=file and self.folder / file)
        if virtual.is_on() and words and words[:3] == ["timeout", "-s", "KILL"]:
            return _ended(self.start(words[4:]), killed_after=float(words[3]))
        assert not (virtual.is_on() and "safe-reinit" in command), command
        ran = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command], cwd=self.folder, env=self.environment(command),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=_BLOCK_TIMEOUT, check=False,
        )  # fmt: skip
        return ran.returncode, ran.stdout.decode()

    def start(
        self,
        words: Sequence[str],
        *,
        kind: type[Child] = Child,
        keyboard: Keyboard | None = None,
        apart: bool = False,
    ) -> Child:
        """Start a command on virtual time; ``apart``: what it says on stderr does not go where stdout does."""
        environment = self.environment(shlex.join(words))
        if keyboard is not None:
            environment |= {"TERM": "xterm", "COLUMNS": "80"}
        child = kind(virtual.current().scheduler, words[1:], environment, os.fspath(self.folder), keyboard)
        if keyboard is None and not apart:  # else both are its terminal
            child.stderr = child.stdout
        return child


def _ended(child: Child, killed_after: float | None = None, into: Path | None = None) -> tuple[int, str]:
    try:
        child.wait(killed_after)
    except subprocess.TimeoutExpired:
        child.kill()
    code, text = child.returncode or 0, child.stdout.read()
    if into:
        into.write_text(text, "utf-8")
    return code if code >= 0 else 128 - code, child.stderr.read() if into else text


class Program(Child):
    """A program of Python on virtual time."""

    def _main(self) -> None:
        try:
            runpy.run_path(self.words[-1], run_name="__main__")
            self.returncode = 0
        except SystemExit as end:
            self.returncode = end.code if isinstance(end.code, int) else 1
        except Exception:  # noqa: BLE001 - as the interpreter does
            traceback.print_exc()
            self.returncode = 1
        finally:
            self._process.dead = True


def _listed(block: Block, word: str) -> list[Any]:
    made = yaml.safe_load(block.words.get(word, "[]"))
    return made if isinstance(made, list) else [made]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Return an empty folder in which safe-reinit is installed."""
    programs = [("safe-reinit", "-m safe_reinit "), ("python", ""), ("python3", "")]
    programs += [] if shutil.which("jq") else [("jq", "-m tests.jq ")]
    for name, line in programs:
        for folder in ("bin", ".venv/bin"):
            file = tmp_path / folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f'#!/bin/sh\nexec "{sys.executable}" {line}"$@"\n')
            file.chmod(0o755)
    (tmp_path / ".venv/bin/activate").write_text("")
    (tmp_path / "home").mkdir()
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    with ExitStack() as stack:
        yield Desk(tmp_path, stack)


# --------------------------------------------------------------------------------------------------------- commands


def run_console(desk: Desk, block: Block) -> None:
    """Run each command of a block as its marker says, and compare what it says with what is shown."""
    desk.begin(block)
    if "before" in block.words:
        _before(desk, block)
    commands = block.commands
    for (written, shown), code in zip(commands, block.exits(len(commands)), strict=True):
        if "each" in block.switches:
            desk.begin(block)
        command = desk.meant(written, block)
        if re.fullmatch(r"\. \S+/activate", command):  # what it would put on the path is there
            continue
        if command.startswith("export "):
            desk.exports |= dict(each.split("=", 1) for each in shlex.split(command)[1:])
            continue
        if "background" in block.switches:
            _serve(desk, command, desk.meant(shown, block), block)
            continue
        ended, text = _ran(desk, command, block)
        assert ended == code, f"{block.place}: $ {command}\n{text}\nended with {ended} instead of {code}"
        _compare(desk.meant(shown, block), text, block, command)


def _before(desk: Desk, block: Block) -> None:
    """Run what ran before the block, and kill it where the marker says so."""
    first = block.words["before"].split(" && ")
    for number, written in enumerate(first, start=1):
        command, is_last = desk.meant(written, block), number == len(first)
        if is_last and "killed" in block.words:
            _kill(desk, command, block)
            return
        ended, text = desk.run(command)
        assert ended == int(block.words.get("ended", "0") if is_last else 0), (
            f"{block.place}: $ {command}\n{text}\nended with {ended}"
        )


def _kill(desk: Desk, command: str, block: Block) -> None:
    """Run a command until ECS has a call, and kill it."""
    words = blocks.words_of(command)
    assert words
    assert desk.simulator is not None
    child = desk.start(words)
    while block.words["killed"] not in [each["action"] for each in desk.simulator.state()["calls"]]:
        assert child.poll() is None, f"{block.place}: $ {command}\n{child.stdout.read()}"
        child.scheduler.sleep(_POLL_INTERVAL)
    child.kill()


def _ran(desk: Desk, command: str, block: Block) -> tuple[int, str]:
    return _on_a_terminal(desk, command, block.words["answer"]) if "answer" in block.words else desk.run(command)


def _on_a_terminal(desk: Desk, command: str, answer: str) -> tuple[int, str]:
    """Run a command on a terminal, and type the answer when it asks."""
    keyboard, text, typed = Keyboard(), "", False
    child = desk.start(blocks.words_of(command) or [], keyboard=keyboard)
    while child.poll() is None:
        text += child.stdout.read()
        if not typed and _bare(text).endswith("\n> "):
            keyboard.type(f"{answer}\n")
            text, typed = f"{text}{answer}\n", True
        child.scheduler.sleep(_POLL_INTERVAL)
    keyboard.close()
    ended, rest = _ended(child)
    return ended, text + rest


def _bare(text: str) -> str:
    """Leave out what only a terminal understands."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)


def _serve(desk: Desk, command: str, shown: str, block: Block) -> None:
    """Check that the simulator starts as it is written, and have what it would serve at its address on virtual time."""
    words = blocks.words_of(command)
    assert words
    assert words[:2] == ["safe-reinit", "simulator"], f"{block.place}: only a simulator goes on in the background"
    python = [sys.executable, "-m", "safe_reinit", *words[1:]]
    forked = {**os.environ, **desk.environment(command), "PYTHONWARNINGS": "default"}
    with Process(python, cwd=desk.folder, env=forked, stdout=subprocess.PIPE) as child:
        first = child.stdout.readline().decode()
        child.send_signal(signal.SIGINT)
    assert first == shown.splitlines(keepends=True)[0], f"{block.place}: {first}"
    given = _parser().parse_args(words[2:])
    files = [each and str(desk.folder / each) for each in (given.world, given.faults)]
    served = virtual.simulate(*files, given.speed, seed=given.seed, access_key=given.access_key)
    connections = virtual.current().connections
    connections[f"127.0.0.1:{given.port}"] = connections[served.endpoint]


def _compare(shown: str, output: str, block: Block, command: str) -> None:
    """Hold what is shown against what was said, line by line.

    ``...`` alone is any number of lines, in a line any text.
    """
    lines = "".join(f"{line.rstrip()}\n" for line in _bare(output).strip().splitlines())
    pattern = "".join(
        r"(?:.*\n)*?" if line == "..." else ".*?".join(map(re.escape, line.rstrip().split("..."))) + r"\n"
        for line in shown.strip().splitlines()
    )
    fits = not shown.strip() or re.fullmatch(pattern, lines)
    assert fits, f"{block.place}: $ {command}\nsays\n{output}\nand not\n{shown}"


def check_sh(desk: Desk, block: Block) -> None:
    """Check that a block that installs is one that is run where a change is checked, or a part of it."""
    del desk
    assert "set-up" in block.switches or block.page == "README.md", f"{block.place}: sh is for set-up; else console"
    checks = (ROOT / ".ci" / "run").read_text("utf-8")
    if block.page == "README.md":
        nth = [each.text for each in blocks.blocks(ORIGINAL) if each.language == "sh"].index(block.text) + 1
        assert f"run_readme {nth}" in checks, block.place
    for line in block.text.splitlines():
        for command in line.split(" && "):
            assert re.fullmatch(
                r"python3 -m venv \.venv|\. \.venv/bin/activate|(\.venv/bin/)?pip install (-q )?(-e )?\S+"
                r"|\.venv/bin/python -m (safe_reinit|pytest) .*", command,
            ), f"{block.place}: {command}"  # fmt: skip


# ------------------------------------------------------------------------------------------------------------ files


def check_yaml(desk: Desk, block: Block) -> None:
    """Load a file as what reads it does: the tool, or the simulator."""
    kind = block.words.get("as")
    assert kind in _FILES, f"{block.place}: a YAML block needs as=, one of {', '.join(_FILES)}"
    text = desk.meant(block.text, block)
    _FILES[kind](desk, text, block)
    if "save" in block.words:
        file = desk.folder / block.words["save"].replace("~", "home", 1)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")


def _config(desk: Desk, text: str, block: Block) -> None:
    del block
    file = desk.folder / "checked.yaml"
    file.write_text(text, "utf-8")
    config.resolve({}, {}, str(file))


def _world(desk: Desk, text: str, block: Block) -> None:
    del desk, block
    with virtual.simulate(yaml.safe_load(text)) as simulator:
        assert simulator.state()["instances"]


def _faults(desk: Desk, text: str, block: Block) -> None:
    del desk, block
    with virtual.simulate(faults=yaml.safe_load(text)):
        pass


def _everyday(desk: Desk, line: str, block: Block) -> None:
    """Run what cron runs."""
    assert blocks.parsed(line) == 1, f"{block.place}: {line}"
    line = line.replace("/usr/local/bin/safe-reinit", "safe-reinit")
    ended, text = desk.run(line)
    assert ended == 0, f"{block.place}: $ {line}\n{text}"


_FILES: dict[str, Callable[[Desk, str, Block], None]] = {
    "config": _config,
    "world": _world,
    "faults": _faults,
}


def check_json(desk: Desk, block: Block) -> None:
    """Load it."""
    del desk
    json.loads(block.text)


def run_python(desk: Desk, block: Block) -> None:
    """Run a program as it stands; only where ECS is, and which examples are meant, comes from the test."""
    desk.begin(block)
    file = desk.folder / "program.py"
    file.write_text(desk.meant(block.text, block), "utf-8")
    if virtual.is_on():
        ended, text = _ended(desk.start(["python", str(file)], kind=Program))
    else:
        ended, text = desk.run("python -W error program.py")
    assert ended == block.exits(1)[0], f"{block.place}:\n{text}"


_FIELD = r"(?:\*|\d+)(?:[-/,]\d+)*"


def check_cron(desk: Desk, block: Block) -> None:
    """Check that each line of a crontab is a setting, or a time and a command, and run that."""
    desk.begin(block)
    found = 0
    for line in desk.meant(block.text, block).splitlines():
        if not line or re.match(r"#|[A-Z_]+=", line):
            continue
        assert re.match(rf"{_FIELD} {_FIELD} {_FIELD} {_FIELD} {_FIELD} ", line), f"{block.place}: {line}"
        assert "%" not in line, f"{block.place}: cron takes % for the end of the line"
        _everyday(desk, line.split(" ", 5)[5], block)
        found += 1
    assert found, block.place


KINDS: dict[str, Callable[[Desk, Block], None]] = {
    "console": run_console,
    "sh": check_sh,
    "yaml": check_yaml,
    "json": check_json,
    "python": run_python,
    "cron": check_cron,
}


RUN = ("console", "python", "cron")


def scenes() -> list[list[Block]]:
    """Cut the pages into what can be tried by itself: a block and those that keep its simulator, after saved files."""
    found: list[list[Block]] = []
    for path in PAGES:
        saved: list[Block] = []
        since: list[Block] = []
        for block in _blocks(path):
            if "keep" in block.switches and found and found[-1][-1].page == block.page:
                found[-1] += [*since, block]
                since = []
            elif block.language in RUN:
                found.append([*saved, block])
                since = []
            else:
                found.insert(max(0, len(found) - 1), [block])
            if "save" in block.words:
                saved.append(block)
                since.append(block)
    return found


def takes_a_shell(block: Block) -> bool:
    """Whether only a shell, or a new interpreter, can run a block: all else is run on virtual time."""
    if block.language == "python":
        return bool(re.search(r"^import threading|^from safe_reinit.simulator", block.text, re.M))
    lines = [command for command, _ in block.commands] if block.language == "console" else []
    lines += block.words.get("before", "").split(" && ")
    return any("safe-reinit" in line and blocks.words_of(blocks.redirected(line)[0]) is None for line in lines)


def marked(scene: list[Block]) -> Any:
    """Return a scene as a parameter, on virtual time where it can be."""
    is_virtual = any(map(_runs, scene)) and not any(map(takes_a_shell, scene))
    return pytest.param(scene, id=scene[-1].place, marks=[pytest.mark.virtual_time] if is_virtual else [])


def _runs(block: Block) -> bool:
    return "by" not in block.words and block.language in RUN


def practice(line: str) -> str | None:
    """Return a line that plans or wipes as one that only plans, on the embedded simulator; ``None`` for any other."""
    words = blocks.words_of(blocks.redirected(line)[0]) or []
    has_command = words[1:2] in (["plan"], ["policy"])
    if words[:1] != ["safe-reinit"] or not (has_command or words[1].startswith("--")):
        return None
    if {"--simulate", "--world"} & {*words}:
        return None
    return shlex.join([*words, "--simulate", *([] if has_command or "--dry-run" in words else ["--dry-run"])])


def _practised(path: Path) -> dict[int, list[tuple[str, int]]]:
    """List by the line of its block what of a page can be practised, and how it is to end."""
    return {
        block.line: lines
        for block in _blocks(path)
        if "by" not in block.words
        and (lines := [(line, code) for each, code in blocks.typed(block) if (line := practice(each))])
    }


def _blocks(path: Path) -> list[Block]:
    """List the blocks of a page; what is wrong with one that cannot be read is told by a test of its own."""
    try:
        return blocks.blocks(path)
    except AssertionError:
        return []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_block_of_a_page_is_of_a_kind_that_is_tried(path: Path) -> None:
    """A page has no code outside of fences, and no block of a kind that nothing checks."""
    for block in blocks.blocks(path):
        if "by" in block.words:
            assert block.page in (ROOT / block.words["by"]).read_text("utf-8"), f"{block.place}: no test names the page"
            continue
        assert block.language in KINDS, f"{block.place}: nothing checks a block of {block.language!r}"


@pytest.mark.parametrize("scene", [marked(scene) for scene in scenes()])
def test_a_block_is_true(scene: list[Block], desk: Desk) -> None:
    """A block runs as it stands, or is what it says it is, after those that it goes on from."""
    for block in scene:
        if "by" not in block.words:
            KINDS[block.language](desk, block)


@pytest.mark.slow
@pytest.mark.real_time
@pytest.mark.parametrize(
    "scene",
    [
        scene
        for scene in scenes()
        if scene[-1].page == ORIGINAL.name
        and any(map(_runs, scene))
        and not any("answer" in block.words for block in scene)  # those need a terminal, as on virtual time
    ],
    ids=lambda scene: scene[-1].place,
)
def test_each_line_of_the_readme_starts_an_interpreter(scene: list[Block], desk: Desk) -> None:
    """What a reader types runs as it stands from a shell, too, each command in an interpreter of its own."""
    for block in scene:
        if "by" not in block.words:
            KINDS[block.language](desk, block)


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    "path", [path for path in PAGES if _practised(path)], ids=lambda path: str(path.relative_to(ROOT))
)
def test_a_line_that_plans_or_wipes_can_be_typed_with_simulate(path: Path, desk: Desk) -> None:
    """With --simulate a line plans what its page shows: its disks, tags, key pairs and files are there."""
    lines = _practised(path)
    for block in blocks.blocks(path):
        if "save" in block.words:
            KINDS[block.language](desk, block)
        for line, code in lines.get(block.line, ()):
            ended, text = desk.run(line)
            assert ended == code, f"{block.place}: $ {line}\n{text}\nended with {ended} instead of {code}"


def test_every_block_is_tried() -> None:
    """No block of a page is left out of the scenes."""
    tried = {(block.place, block.text) for scene in scenes() for block in scene}

    assert tried == {(block.place, block.text) for path in PAGES for block in blocks.blocks(path)}


# --------------------------------------------------------------------------------------------- the READMEs, the tools


def test_each_readme_leads_to_the_other() -> None:
    """README.md links to README-CN.md, and README-CN.md to README.md."""
    assert "(README-CN.md)" in ORIGINAL.read_text("utf-8")
    assert "(README.md)" in CHINESE.read_text("utf-8")


@pytest.mark.parametrize("path", [ORIGINAL, CHINESE], ids=lambda path: path.name)
def test_the_links_of_a_readme_lead_somewhere(path: Path) -> None:
    """Each link of a README to a file of the repository leads to one."""
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text("utf-8"))

    assert len(links) > 5
    assert all((ROOT / link).exists() for link in links), links


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("```console\n$ true\n", "does not end"),
        ("Text.\n\n    $ safe-reinit\n", "without a fence"),
        ("<!-- test: exit=3 sometimes -->\n```console\n$ true\n```\n", "means nothing"),
        ("<!-- test: exit=3 -->\n\nText.\n\n```console\n$ true\n```\n", "stray marker"),
    ],
)
def test_a_block_that_could_be_passed_over_is_refused(
    text: str, why: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An open fence, code without a fence, a word without meaning and a marker of no block are mistakes of a page."""
    (tmp_path / "page.md").write_text(text)
    monkeypatch.setattr(blocks, "ROOT", tmp_path)

    with pytest.raises(AssertionError, match=why):
        blocks.blocks(tmp_path / "page.md")


def block(text: str, language: str = "console", **words: str) -> Block:
    """Make a block as a page could have it."""
    return Block("page.md", 1, language, text, words)


@pytest.mark.parametrize(
    "wrong",
    [
        block("$ echo one\ntwo\n"),
        block("$ echo one; echo two\none\n"),
        block("$ false\n"),
        block("$ true\n", exit="3"),
        block("wrong: {}\n", "yaml", **{"as": "config"}),
        block("instances: {i-1: {colour: red}}\n", "yaml", **{"as": "world"}),
        block("- {action: ReInitDisk, dance: 1}\n", "yaml", **{"as": "faults"}),
        block("a: 1\n", "yaml"),
        block("raise SystemExit(2)\n", "python"),
        block("{", "json"),
        block("pip uninstall everything\n", "sh"),
    ],
    ids=lambda block: f"{block.language}: {block.text.strip()[:30]}",
)
def test_a_wrong_block_is_found(wrong: Block, desk: Desk) -> None:
    """Output that is another, an exit code that is another and a file that its reader refuses are found."""
    with pytest.raises((AssertionError, ValueError, UsageError)):
        KINDS[wrong.language](desk, wrong)


def test_a_line_that_safe_reinit_does_not_understand_is_found(desk: Desk) -> None:
    """A crontab with an option that does not exist is found."""
    with pytest.raises(NoSuchOption):
        KINDS["cron"](desk, block("0 2 * * * safe-reinit --tag env=lab --systemdisk\n", "cron"))


@pytest.mark.parametrize("path", [*PAGES, *TRANSLATED], ids=lambda path: str(path.relative_to(ROOT)))
def test_a_command_in_a_sentence_is_understood(path: Path) -> None:
    """Each command that stands in a sentence or a table parses, and each option that is named exists."""
    prose = re.sub(r"^ *```.*?^ *```", "", path.read_text("utf-8"), flags=re.M | re.S)
    commands = re.findall(r"`safe-reinit ([^`]+)`", prose)
    for line in commands:
        if not re.search(r"COMMAND|\[options\]|^simulator", line) and line not in app.commands:
            blocks.parse(shlex.split(re.sub(r"([\w-]+)(?:\|[\w-]+)+", r"\1", line)))  # of a|b the first

    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", prose))
    assert named <= _options() | _OF_OTHERS, named - _options() - _OF_OTHERS


_OF_OTHERS = {
    "--yes", "--force", "--help", "--version", "--disks", "--every-fault", "--no-script", "--diff", "--env",
    "--env-file", "--read-only", "--rm", "--stop-timeout", "--volume",
    "--upgrade", "--reinstall", "--from", "--spec", "--waiter", "--catchup-window", "--time-zone",
}  # fmt: skip
"""Options of no command that are spoken of: there is no ``--yes`` and no ``--force``; benches, Ansible, Docker,
pip, uv, pipx, the aliyun CLI and Temporal have the last ones."""


def _options() -> set[str]:
    """Collect the options of every command and of the simulator."""

    def of(command: Command) -> set[str]:
        inner = command.commands.values() if isinstance(command, Group) else ()
        return {name for each in command.params for name in each.opts}.union(*map(of, inner))

    return of(app) | {name for action in _parser()._actions for name in action.option_strings}
