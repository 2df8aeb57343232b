"""What stays at the bottom of a terminal while lines scroll above it: of many machines a table, of few a line each.

It is as narrow as the narrowest terminal that people use, so that another size while it stands disturbs nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from .fleetview import OUTCOMES, WAITING, FleetView
from .machineview import MachineView
from .output import console_of, for_people

_DRAWS_PER_SECOND = 2
_COUNT_WIDTH = 5
"""The width of a count."""
_TABLE_WIDTH = 39
"""The width of the table, in a terminal of 40 characters or more."""


class Forgiving:
    """A terminal that may be gone: writing to it then does nothing, since the run goes on."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write, if anybody is there."""
        with contextlib.suppress(OSError, ValueError):
            return self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush, if anybody is there."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()


class Screen:
    """What stays at the bottom of a terminal, and the lines that are printed above it.

    Args:
        content: makes what stays there, each time that it is drawn.

    """

    def __init__(self, stream: TextIO, content: Callable[[Console], RenderableType]) -> None:
        self.console = console_of(Forgiving(stream))
        self._content = content
        self._live: Live | None = None

    def start(self) -> None:
        """Begin to draw below what is on the terminal now."""
        if self._live is None:
            self._live = Live(  # a new one each time: an old one knows where it once was, and erases that
                get_renderable=lambda: self._content(self.console),
                console=self.console,
                refresh_per_second=_DRAWS_PER_SECOND,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()

    def stop(self) -> None:
        """Remove what was drawn; the lines stay."""
        live, self._live = self._live, None
        if live is not None:
            live.stop()

    def refresh(self) -> None:
        """Draw again now, instead of at the next of the times at which that is done."""
        if self._live is not None:
            self._live.refresh()

    def print(self, text: str, style: str = "") -> None:
        """Print a line above what stays."""
        self.console.print(Text(for_people(text), style=style))


def fleet_screen(view: FleetView, now: Callable[[], float], stream: TextIO) -> Screen:
    """Make the screen of a run over many machines: a table that is drawn a few times a second."""

    def content(console: Console) -> RenderableType:
        return table(view, now(), console.width, bar="#" if console.options.ascii_only else "█")

    return Screen(stream, content)


def lines_screen(waiting: MachineView, now: Callable[[], float], stream: TextIO) -> Screen:
    """Make the screen of a run over few machines: a line for each that says what is waited for, by the clock."""
    return Screen(stream, lambda _: Group(*(Text(for_people(line)) for line in waiting.lines(now()))))


def reading_screen(answered: Sequence[str], stream: TextIO) -> Screen:
    """Make the screen of a plan that takes long to make: how much of ECS has been read, and what came last.

    Args:
        answered: the actions of the requests that were answered so far.
    """

    def content(_: Console) -> RenderableType:
        last = f"{len(answered)} requests answered, last {answered[-1]}" if answered else "no answer yet"
        return Text(f"Reading ECS: {last}", "dim")

    return Screen(stream, content)


def table(view: FleetView, now: float, width: int = _TABLE_WIDTH, *, bar: str = "█") -> RenderableType:
    """Draw where the machines are, how fast they get on, and for how long it goes on."""
    width = min(width, _TABLE_WIDTH)
    longest = max(0, width - len(WAITING) - _COUNT_WIDTH - 3)
    rows = Table.grid(padding=(0, 1))
    rows.add_column(no_wrap=True, min_width=len(WAITING))
    rows.add_column(no_wrap=True, justify="right", min_width=_COUNT_WIDTH)
    rows.add_column(no_wrap=True)
    for phase, count in view.counts():
        style = _style(phase) if count else "dim"
        long = max(1 if count else 0, round(longest * count / max(1, view.total)))
        rows.add_row(Text(view.word(phase), style), Text(str(count), style), Text(bar * long, style))
    more = filter(None, (view.throttled_text(), view.longest_text(now), view.trouble_text()))
    texts = (view.time_text(now), *view.rate_texts(now), *more)
    line = f"{view.total_text()} ".ljust(width, "─" if bar == "█" else "-")
    return Group(Text(line, "dim"), rows, *map(Text, texts))


def _style(phase: str) -> str:
    if phase in OUTCOMES:
        return "green" if phase == "done" else "bold red"
    return "dim" if phase == WAITING else "cyan"
