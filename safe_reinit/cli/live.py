"""The table of a run over many machines that stays at the bottom of a terminal while lines scroll above it.

It is as narrow as the narrowest terminal that people use, so that another size while it stands disturbs nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from .fleetview import OUTCOMES, WAITING, FleetView

_DRAWN_A_SECOND = 2
_DIGITS = 5
"""The width of a count."""
_WIDTH = 39
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
    """Draws the table a few times a second, and prints lines above it."""

    def __init__(self, view: FleetView, now: Callable[[], float], stream: TextIO) -> None:
        self._console = Console(file=Forgiving(stream), highlight=False)  # type: ignore[arg-type]
        self._live = Live(
            get_renderable=lambda: table(view, now(), self._console.width, bar=self._bar()),
            console=self._console,
            refresh_per_second=_DRAWN_A_SECOND,
            transient=True,
            redirect_stdout=False,
        )

    def start(self) -> None:
        """Begin to draw."""
        self._live.start(refresh=True)

    def stop(self) -> None:
        """Take the table away; the lines stay."""
        self._live.stop()

    def print(self, text: str, style: str = "") -> None:
        """Print a line above the table."""
        self._console.print(Text(text, style=style))

    def _bar(self) -> str:
        return "#" if self._console.options.ascii_only else "█"


def table(view: FleetView, now: float, width: int = _WIDTH, *, bar: str = "█") -> RenderableType:
    """Draw where the jobs are, how fast they get on, and for how long it goes on."""
    width = min(width, _WIDTH)
    longest = max(0, width - len(WAITING) - _DIGITS - 3)
    rows = Table.grid(padding=(0, 1))
    rows.add_column(no_wrap=True, min_width=len(WAITING))
    rows.add_column(no_wrap=True, justify="right", min_width=_DIGITS)
    rows.add_column(no_wrap=True)
    for phase, count in view.counts():
        style = _style(phase) if count else "dim"
        long = max(1 if count else 0, round(longest * count / max(1, view.total)))
        rows.add_row(Text(phase, style), Text(str(count), style), Text(bar * long, style))
    said = (view.time_text(now), view.rate_text(now), view.throttled_text())
    line = f"{view.total} jobs ".ljust(width, "─" if bar == "█" else "-")
    return Group(Text(line, "dim"), rows, *map(Text, said))


def _style(phase: str) -> str:
    if phase in OUTCOMES:
        return "green" if phase == "done" else "bold red"
    return "dim" if phase == WAITING else "cyan"
