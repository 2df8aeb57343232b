"""The record of all requests, for anyone who checks a client."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from .state.clock import millisecond_text, real_now, second_text

Source = Literal["api", "console", "world"]


@dataclass(frozen=True)
class Call:
    """One call, as `GET /_simulator/state` shows it. `http_status` None: there was no answer."""

    at: float
    action: str
    subject: tuple[str, ...]
    http_status: int | None = 200
    code: str = ""
    request_id: str = ""
    dry_run: bool = False
    fault: str | None = None
    source: Source = "api"

    def line(self) -> str:
        """Format it as one line: action, subject, answer."""
        answer = "no answer" if self.http_status is None else str(self.http_status)
        words = [self.action or "(no action)", *self.subject, "->", answer, self.code]
        words += ["(dry run)"] if self.dry_run else []
        words += [f"(fault: {self.fault})"] if self.fault else []
        # Whatever a client sent is shown, but never as a separate line or as a command to the terminal.
        return "".join(char if char.isprintable() else "?" for char in " ".join(word for word in words if word))


class Calls:
    """All calls, oldest first; kept as they arrive, and formatted only when somebody looks."""

    def __init__(self) -> None:
        self._kept: list[tuple[float, Call]] = []

    def add(self, call: Call) -> None:
        """Keep one call, made at this moment of real time."""
        self._kept.append((real_now(), call))

    @property
    def last(self) -> Call:
        """The newest call."""
        return self._kept[-1][1]

    def __iter__(self) -> Iterator[Call]:
        """Return all calls, oldest first, with their exact times."""
        return (call for _, call in self._kept)

    def json(self) -> list[dict[str, object]]:
        """Return all calls in the form of the state."""
        return [
            {**vars(call), "subject": list(call.subject), "at": second_text(call.at), "real_at": millisecond_text(at)}
            for at, call in self._kept
        ]
