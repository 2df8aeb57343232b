"""Where things are said: results on stdout, everything else on stderr, one JSON document where JSON was asked for."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..errors import Error, UsageError

if TYPE_CHECKING:
    from ..model import Report
    from ..report import Line


@dataclass
class Output:
    """The form of the result of one command."""

    form: str = "text"
    argv: Sequence[str] = ()
    events_on_stdout: bool = False
    report_file: str = ""
    verbose: bool = False
    began: datetime = field(default_factory=lambda: datetime.now(UTC))

    @classmethod
    def from_argv(cls, argv: Sequence[str], environment: Mapping[str, str]) -> Output:
        """Guess the form before the command line is understood, so that a misuse of it is told in that form too."""
        form = environment.get("SAFE_REINIT_OUTPUT", "text")
        for this, after in zip(argv, [*argv[1:], ""], strict=False):
            if this == "--output":
                form = after
            elif this.startswith("--output="):
                form = this.partition("=")[2]
        return cls(form if form in ("json", "markdown") else "text", argv)

    def telling(self, flags: Mapping[str, Any]) -> Output:
        """Take the form that a command has which only tells something.

        Raises:
            UsageError: it is not text or json.
        """
        form = flags.get("output") or (self.form if self.json else "text")
        if form not in ("text", "json"):
            raise UsageError(f"The value of --output is not text or json: {form!r}.", hint="Correct --output.")
        self.form = form
        return self

    @staticmethod
    def now() -> datetime:
        """Tell the present, for a report."""
        return datetime.now(UTC)

    @property
    def json(self) -> bool:
        """Whether stdout holds one JSON document."""
        return self.form == "json"

    def document(self, document: object) -> None:
        """Write the one JSON document."""
        from ..report import dumps  # noqa: PLC0415 - only where it is needed

        any_letter = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
        print(dumps(document, ascii_only=not any_letter), flush=True)  # noqa: T201 - this is where results go

    def report(self, told: Report) -> None:
        """Write the report where it belongs, and into the file that was asked for.

        That it cannot be written changes nothing of what happened, so it changes no exit code.
        """
        try:
            self._report(told)
        except OSError:
            say("safe-reinit: The report could not be written to stdout.")
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if self.report_file:
            self._into_file(told)

    def _report(self, told: Report) -> None:
        from .. import report  # noqa: PLC0415 - only where it is needed

        stream = sys.stderr if self.events_on_stdout else sys.stdout
        if self.form == "json":
            self.document(report.to_json(told))
        elif self.form == "markdown":
            print(report.to_markdown(told), end="", file=stream, flush=True)
        else:
            lines(report.report_lines(told, full=self.verbose), stream)

    def _into_file(self, told: Report) -> None:
        try:
            with open(self.report_file, "w", encoding="utf-8") as file:
                file.write(_as_file(told, self.report_file))
        except OSError:
            say(f"safe-reinit: The report could not be written to {self.report_file}.")


def _as_file(told: Report, name: str) -> str:
    from .. import report  # noqa: PLC0415 - only where it is needed

    if name.endswith(".md"):
        return report.to_markdown(told)
    if name.endswith(".html"):
        from ..report.html import to_html  # noqa: PLC0415 - only where it is needed

        return to_html(told)
    return f"{report.dumps(report.to_json(told))}\n"


def end(error: Error, output: Output) -> int:
    """Say an error in one sentence, as a document where one is owed, and give its exit code."""
    say(f"safe-reinit: {error} {error.hint}".rstrip())
    if error.report is not None:
        output.report(error.report)
    elif output.form != "text":
        from .. import report  # noqa: PLC0415 - only where it is needed

        begun = report.started(output.began)
        output.report(report.of_error(begun, datetime.now(UTC), error))
    return error.exit_code


def say(text: str) -> None:
    """Say something to the person; a closed terminal is no reason to end."""
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)  # noqa: T201 - this is where people are told


def lines(shown: Iterable[Line], stream: Any) -> None:  # noqa: ANN401 - a text stream
    """Write lines, with styles on a terminal only."""
    if not stream.isatty():
        for line in shown:
            print(line.text, file=stream)
        stream.flush()
        return
    from rich.console import Console  # noqa: PLC0415 - only on a terminal
    from rich.padding import Padding  # noqa: PLC0415 - see above
    from rich.text import Text  # noqa: PLC0415 - see above

    console = Console(file=stream, highlight=False)
    for line in shown:
        text = line.text.lstrip(" ")
        if text.startswith("next: "):  # broken into lines it could not be copied as one command
            console.print(Text(line.text, style=line.style), soft_wrap=True)
            continue
        indent = len(line.text) - len(text)
        console.print(Padding(Text(text, style=line.style), (0, 0, 0, indent), expand=False))
