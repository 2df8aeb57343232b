"""Makes the pictures of a terminal in docs/pictures/: run ``python docs/pictures.py`` after a change; a test compares.

Each shows what a command puts on a terminal of 80 columns. The commands are real and ECS is the simulator; both are on
virtual time, so that a picture is the same whenever and wherever it is made.
"""

from __future__ import annotations

import getpass
import io
import itertools
import os
import random
import secrets
import socket
import sys
import tempfile
import types
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

import pyte
import pytest
from rich.console import Console
from rich.style import Style
from rich.terminal_theme import TerminalTheme
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from safe_reinit.cli import next as following  # noqa: E402 - after the path to the tests, which are not installed
from safe_reinit.cli import output, run_list  # noqa: E402 - likewise
from safe_reinit.cloud.aliyun import exchange  # noqa: E402 - likewise
from safe_reinit.journal import place  # noqa: E402 - likewise
from safe_reinit.report import build  # noqa: E402 - likewise
from tests import virtual  # noqa: E402 - likewise
from tests.conftest import KEY  # noqa: E402 - likewise
from tests.virtualprocesses import Child, Keyboard  # noqa: E402 - likewise

FOLDER = ROOT / "docs" / "pictures"
_COLUMNS = 80
_ROWS = 200
"""More than anything here takes, so that nothing scrolls away."""
_LOOKS_EVERY = 0.1
_ONE = "--disk d-bp1example --stop-instance"
_LAB = """\
classes:
  lab: {match: {tags: {env: lab}}, stop_instance: true, accept: [no-recent-snapshot], max_disks: 60, unattended: true}
"""
_NO_ANSWER = {"action": "ReInitDisk", "drop_request": True, "nth": "every"}
_NO_START = {"action": "StartInstance", "dry_run": False, "error": {"code": "InstanceExpired"}}
_THEME = TerminalTheme(
    (28, 33, 39),
    (214, 220, 226),
    [(60, 68, 77), (255, 123, 114), (87, 190, 110), (224, 160, 60), (110, 170, 250), (200, 140, 240), (80, 200, 200),
     (214, 220, 226)],
)  # fmt: skip
_FORMAT = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; \
font-size: {char_height}px; line-height: {line_height}px; }}
.{unique_id}-title {{ font: bold 18px sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal"><rect width="{terminal_width}" height="{terminal_height}" /></clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
"""As rich's own, without a font that would be fetched from another host."""

# -------------------------------------------------------------------------------------------------------- a terminal


class _Screen(pyte.Screen):
    """A terminal that knows faint letters, which pyte does not: they stand as italics, which nothing here has."""

    def select_graphic_rendition(self, *attributes: int) -> None:
        """Set how the next letters look."""
        faint = {2: 3, 22: 23} if not {38, 48} & set(attributes) else {}
        more = [22] if 22 in attributes else []
        super().select_graphic_rendition(*[faint.get(each, each) for each in attributes], *more)


def drawn(written: str, columns: int = _COLUMNS, rows: int = _ROWS) -> list[Text]:
    """Return the lines that a terminal shows once this was written to it, each as it looks."""
    screen = _Screen(columns, rows)
    pyte.Stream(screen).feed(written)
    lines = [_line(screen.buffer[row], columns) for row in range(rows)]
    while lines and not lines[-1].plain:
        del lines[-1]
    return lines


def _line(cells: Any, columns: int) -> Text:
    line = Text()
    for style, alike in itertools.groupby((cells[column] for column in range(columns)), _style):
        line.append("".join(cell.data for cell in alike), style)
    line.rstrip()
    return line


def _style(cell: Any) -> Style:
    colour = {"default": None, "brown": "yellow"}.get(cell.fg, cell.fg)
    colour = f"#{colour}" if colour and len(colour) == 6 and not colour.isalpha() else colour
    return Style(color=colour, bold=cell.bold, dim=cell.italics)


def picture(name: str, lines: list[Text]) -> str:
    """Draw lines as an SVG."""
    console = Console(record=True, width=_COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    for line in lines:
        console.print(line, soft_wrap=True)
    svg = console.export_svg(title="safe-reinit", theme=_THEME, code_format=_FORMAT, unique_id=name)
    return "".join(f"{line.rstrip()}\n" for line in svg.splitlines() if line.strip())


# ---------------------------------------------------------------------------------------------------------- commands


@dataclass
class Desk:
    """Somebody's home, and a terminal on which commands are typed."""

    home: Path
    simulator: Any = field(default_factory=lambda: virtual.simulate(speed=1))

    def __post_init__(self) -> None:
        self.home.mkdir()

    def typed(self, words: str, answer: str = "", until: str = "") -> list[Text]:
        """Type a command, and return what the terminal shows at its end.

        Args:
            words: the command, without its program.
            answer: what is typed when it asks.
            until: a text; the terminal is returned as it is some moments after that was shown.
        """
        keyboard, written, seen = Keyboard(), f"\x1b[1m$ safe-reinit {words}\x1b[0m\r\n", False
        scheduler = virtual.current().scheduler
        child = Child(scheduler, words.split(), self._environment(), os.fspath(self.home), keyboard)
        while child.poll() is None and not seen:
            scheduler.sleep(_LOOKS_EVERY)
            written += child.stdout.read().replace("\n", "\r\n")
            if written.endswith("\r\n> "):
                keyboard.type(f"{answer}\n")
                written += f"{answer}\r\n"
            seen = bool(until) and until in written
        written += child.stdout.read().replace("\n", "\r\n")
        shown = drawn(written)
        child.wait()
        keyboard.close()
        return shown

    def _environment(self) -> dict[str, str]:
        return {
            **KEY, "HOME": str(self.home), "PATH": f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}", "TERM": "xterm-256color", "COLUMNS": f"{_COLUMNS}",
            "SAFE_REINIT_ENDPOINT": self.simulator.url, "SAFE_REINIT_REGION": "cn-hangzhou",
            "SAFE_REINIT_JOURNAL": "journal.db",
        }  # fmt: skip


def _one(desk: Desk) -> dict[str, list[Text]]:
    """Plan one disk, be refused, and wipe it."""
    return {
        "plan": desk.typed(f"plan {_ONE} --snapshot"),
        "refused": desk.typed("--disk d-sim-web1-data --dry-run"),
        "run": desk.typed(_ONE, "lab-web-1"),
    }


def _many(desk: Desk) -> dict[str, list[Text]]:
    """Wipe the machines of the lab, and look while some of them are done."""
    file = desk.home / ".config" / "safe-reinit" / "config.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(_LAB, "utf-8")
    return {"fleet": desk.typed("--tag env=lab --system-disk --confirm lab", until="last minute: 1 machine ended")}


def _badly(desk: Desk) -> dict[str, list[Text]]:
    """Have a run that is done, one whose machine does not start again, and one whose wipe gets no answer."""
    desk.typed("--disk d-sim-lab-web-2-data --stop-instance --confirm d-sim-lab-web-2-data")
    desk.simulator.do({"fault": _NO_START})
    desk.typed("--disk d-sim-web1-data --stop-instance --confirm d-sim-web1-data")
    name = desk.typed("runs")[2].plain.split()[0]
    shown = desk.typed(f"show {name}")
    desk.simulator.do({"fault": _NO_ANSWER})
    unknown = desk.typed(f"{_ONE} --confirm d-bp1example --quiet")
    return {"show": shown, "unknown": unknown, "runs": desk.typed("runs")}


def _all(home: Path) -> dict[str, list[Text]]:
    """Make every picture; each story has machines of its own."""
    return {
        name: lines for story in (_one, _many, _badly) for name, lines in story(Desk(home / story.__name__)).items()
    }


class _Clock(datetime):
    """The time of day of a host on virtual time."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        """Return the virtual present."""
        return datetime.fromtimestamp(virtual.current().scheduler.now, tz)


@contextmanager
def _nowhere() -> Iterator[Path]:
    """Give a home that looks the same on every machine, to somebody of the same name."""
    numbers = random.Random(7)  # noqa: S311 - that it is the same each time is what it is for
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(secrets, "token_hex", lambda count: numbers.randbytes(count).hex())
        patch.setattr(getpass, "getuser", lambda: "ops")
        patch.setattr(socket, "gethostname", lambda: "desk")
        patch.setattr(following, "_default_journal", lambda: "journal.db")
        for module in (place, run_list, output, exchange):
            patch.setattr(module, "datetime", _Clock)
        build._operator.cache_clear()
        stack.callback(build._operator.cache_clear)
        yield Path(stack.enter_context(tempfile.TemporaryDirectory()))


def pictures() -> dict[str, str]:
    """Make every picture, by the name of its file."""
    with _nowhere() as home, virtual.virtual_time(types.ModuleType("pictures")) as time:
        made = time.run(lambda: _all(home))
    return {f"{name}.svg": picture(name, lines) for name, lines in made.items()}


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, svg in pictures().items():
        (FOLDER / name).write_text(svg, "utf-8")
