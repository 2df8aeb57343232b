"""The code blocks of README and docs: how they are found, and how each kind of them is run or checked.

A comment above a block says what a test needs to know of it: ``<!-- test: exit=3 keep -->``. Its words are

- ``exit=N`` or ``exit=N,M``: how the commands of the block end, if not all with 0;
- ``keep``: the simulator of the block before goes on; else each block begins with a new one, and with ``each`` every
  command, where a block shows several ways;
- ``answer=TEXT``: the commands run on a terminal, and this is typed when they ask;
- ``faults=YAML``: what goes wrong meanwhile, as the simulator's faults; ``do=YAML``: what somebody does before;
- ``before=COMMAND``: what ran before and is not shown, one or several with ``&&`` between them; ``ended=N`` is how the
  last ended, if not with 0, and ``killed=ACTION`` that it was killed once ECS had this call;
- ``background``: the command goes on until the end of the page; its output is waited for;
- ``set-up``: it installs; such a block must be one that the checks before a change run themselves (``.ci/run``);
- ``by=FILE``: a test of its own runs it, in this file, which must name the page;
- ``as=KIND``: what a YAML block is: config, world, faults; ``save=FILE``: where the reader saves it;
- ``A=>B``: B stands for A, an example such as ``d-...``.

Output that a block shows must be what the command says, in order; ``...`` stands for anything.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

ROOT = Path(__file__).resolve().parent.parent
_FENCE = re.compile(
    r"^(?P<indent> *)(?P<ticks>```+)(?P<info>[^\n]*)\n(?P<body>.*?)^(?P=indent)(?P=ticks) *$", re.M | re.S
)
_MARKER = re.compile(r"<!-- test: ?((?:(?!-->).)*)-->\s*\Z", re.S)
_WORDS = ("exit", "answer", "faults", "do", "before", "ended", "killed", "as", "by", "save")
_SWITCHES = ("keep", "each", "background", "set-up")


@dataclass(frozen=True)
class Block:
    """One fenced block: where it stands, its language, its text and what its marker says."""

    page: str
    line: int
    language: str
    text: str
    words: Mapping[str, str] = field(default_factory=dict)
    switches: frozenset[str] = frozenset()
    examples: Mapping[str, str] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """Where it stands, for people."""
        return f"{self.page}:{self.line}"

    @property
    def commands(self) -> list[tuple[str, str]]:
        """The commands of a console block, each with the output that is shown."""
        found: list[tuple[str, str]] = []
        for line in self.text.splitlines():
            goes_on = found and (found[-1][0].endswith("\\") or _open_here(found[-1][0]))
            if line.startswith("$ "):
                found.append((line[2:], ""))
            elif goes_on and not found[-1][1]:
                found[-1] = (f"{found[-1][0]}\n{line}", "")
            else:
                assert found, f"{self.place}: output before any command"
                found[-1] = (found[-1][0], f"{found[-1][1]}{line}\n")
        assert found, f"{self.place}: no command"
        return found

    def exits(self, count: int) -> list[int]:
        """How each of so many commands is to end."""
        given = [int(each) for each in self.words.get("exit", "0").split(",")]
        return (
            given * count if len(given) == 1 and count > 1 and given == [0] else [*[0] * (count - len(given)), *given]
        )


def _open_here(command: str) -> bool:
    """Return whether a here document has not ended yet."""
    begun = re.search(r"<<\s*'?(\w+)'?", command)
    return bool(begun and not re.search(rf"^{begun[1]}$", command, re.M))


def blocks(path: Path) -> list[Block]:
    """List the blocks of a page in order.

    Raises:
        AssertionError: a fence does not end, a marker has a word that means nothing, or code stands in no fence.
    """
    text, page = path.read_text("utf-8"), str(path.relative_to(ROOT))
    found = []
    for match in _FENCE.finditer(text):
        before = text[: match.start()]
        marker = _MARKER.search(before)
        indent = len(match["indent"])
        body = "".join(line[indent:] if line.strip() else line for line in match["body"].splitlines(keepends=True))
        info = match["info"].strip().split()
        language = info[0] if info else ""
        found.append(Block(page, before.count("\n") + 1, language, body, **_meant(marker[1] if marker else "", page)))
    rest = _FENCE.sub("", text)
    assert "```" not in rest, f"{page}: a fence does not end"
    assert not (loose := list(_indented(rest))), f"{page}: code without a fence: {loose}"
    markers = len(re.findall(r"<!-- test: [^-]", text))
    assert markers == sum(bool(each.words or each.switches or each.examples) for each in found), f"{page}: stray marker"
    return found


def _meant(marker: str, page: str) -> dict[str, Any]:
    words, switches, examples = {}, set(), {}
    for word in shlex.split(marker):
        name, equals, value = word.partition("=")
        if value.startswith(">"):
            examples[name] = value[1:]
        elif equals and name in _WORDS:
            words[name] = value
        else:
            assert word in _SWITCHES, f"{page}: the marker has {word!r}, which means nothing"
            switches.add(word)
    return {"words": words, "switches": frozenset(switches), "examples": examples}


def _indented(text: str) -> Iterator[str]:
    """Find code that is set off by four spaces only: outside of lists, admonitions and tabs."""
    inside, before = False, ""
    for line in text.splitlines():
        if line.strip() and not line.startswith(" "):
            inside = bool(re.match(r"([-*+]|\d+\.) |!!! |\?\?\? |=== |<", line))
        if line.startswith("    ") and not before.strip() and not inside:
            yield line
        before = line


def parse(argv: Sequence[str]) -> None:
    """Let click parse a command line of safe-reinit without running it.

    Raises:
        click.ClickException: it does not understand it.
    """
    from safe_reinit.cli.app import app

    command: click.Command = app
    context = app.make_context("safe-reinit", list(argv))
    while isinstance(command, click.Group) and context._protected_args:
        name, inner, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        assert inner
        assert name
        command, context = inner, inner.make_context(name, rest, parent=context)


def typed(block: Block) -> list[tuple[str, int]]:
    """List the lines of a block that people or cron run, each with how it ends."""
    if block.language == "console":
        commands = [command for command, _ in block.commands]
        return list(zip(commands, block.exits(len(commands)), strict=True))
    if block.language == "cron":
        return [(line.split(" ", 5)[5], 0) for line in block.text.splitlines() if re.match(r"[\d*]", line)]
    return []


def words_of(command: str) -> list[str] | None:
    """Return the words of a line that is one command, with its program first; ``None`` where it takes a shell."""
    line = command.replace("\\\n", " ")
    quoted_or_comment = r"""'[^']*'|"[^"$`\\]*"|(?<!\S)#.*"""
    if re.search(r"[^\w\s./:,=@%+-]", re.sub(quoted_or_comment, "", line)):
        return None
    words = shlex.split(line, comments=True)
    return [Path(words[0]).name, *words[1:]] if words else None


def redirected(command: str) -> tuple[str, str | None]:
    """Return a command without the file that its output goes to, and that file, where it names one."""
    match = re.fullmatch(r"([^>]*\S) > (\S+)", command)
    return (match[1], match[2]) if match else (command, None)


def parsed(line: str) -> int:
    """Parse every safe-reinit command in a line of shell, and count them."""
    count = 0
    for part in re.split(r"&&|\|\||[;|]", line):
        words = shlex.split(part, comments=True)
        while words and re.match(r"[A-Z_]+=", words[0]):
            del words[0]
        cut = [index for index, word in enumerate(words) if re.match(r"\d?>", word)]
        words = words[: cut[0]] if cut else words
        if words and Path(words[0]).name == "safe-reinit":
            parse(words[1:])
            count += 1
    return count
