"""Where things are said: results on stdout, everything else on stderr, one JSON document where JSON was asked for.

Everything that reaches a terminal is written here or in ``live``, and no letter of it controls the terminal but ours.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO

from ..clock import boottime
from ..config import Settings
from ..errors import Error, UsageError
from ..threads import Background
from .files import refuse_other_report, replace_keeping_mode
from .program import as_called, command_rows, naming_journal, showable
from .signals import Signals

if TYPE_CHECKING:
    from rich.console import Console

    from ..model import Plan, Report
    from ..report import Line

LAST_OUTPUT_TIMEOUT = 30.0
"""Real seconds that the last output of a run has, all together, once its machines are safe."""
_INTERRUPTED_TIMEOUT = 2.0
"""The same once a signal came after the run."""
_SENTENCE_TIMEOUT = 2.0
"""Real seconds after which the report no longer waits for the sentence before it."""
_DEFAULT_WIDTH = 80
_MIN_WIDTH = 20
"""Columns that a terminal must claim to have for its width to be believed."""


class Output:
    """The form of the result of one command, and how its output is written. As a dataclass it would slow ``--help``."""

    def __init__(self, form: str, argv: Sequence[str], signals: Signals) -> None:
        self.form, self.argv, self.signals = form, argv, signals
        """``argv`` is the command line as it may be shown."""
        self.events_on_stdout = False
        self.report_file = ""
        self.verbose = False
        self.quiet = False
        """Whether nothing is printed of a plan or a run that ended well."""
        self.began = self.now()
        self.journal: str | None = None
        """How ``show`` finds the run: the options for that; ``None`` where it is kept nowhere."""
        self.last = LastWords(signals.enough)
        self._warnings: list[str] = []
        self._plan_on: TextIO | None = None
        """Where a plan was shown to people."""
        self._shown: dict[str, str] = {}
        """By the text of a refusal whose findings are on the screen: what is still said of it."""

    @classmethod
    def from_argv(cls, argv: Sequence[str], environment: Mapping[str, str], signals: Signals | None = None) -> Output:
        """Guess the form before the command line is understood, so that a misuse of it is told in that form too."""
        form = environment.get(Settings.output.variables[0], "text")
        for this, after in zip(argv, [*argv[1:], ""], strict=False):
            if this == "--output":
                form = after
            elif this.startswith("--output="):
                form = this.partition("=")[2]
        styled = list(showable(argv))
        return cls(form if form in ("json", "markdown") else "text", styled, signals or Signals())

    def with_form_of(self, flags: Mapping[str, Any]) -> Output:
        """Use the form of a command that only prints something.

        Raises:
            UsageError: it is not text or json.
        """
        form = flags.get(Settings.output.name) or (self.form if self.json else "text")
        if form not in ("text", "json"):
            raise UsageError(f"The value of --output is not text or json: {form!r}.", hint="Correct --output.")
        self.form = form
        return self

    def settle(self, config: Settings) -> None:
        """Apply the settings of a command that runs or plans."""
        self.form, self.events_on_stdout = config.output, config.events == "-"
        self.report_file, self.verbose, self.quiet = config.report or "", config.verbose, config.quiet
        in_memory = (config.simulate or config.world) and not config.journal
        named = config.of(Settings.journal).source == "flag"
        self.journal = None if in_memory else ""
        if named and not in_memory:
            from ..journal.place import redacted  # noqa: PLC0415 - help stays cheap

            self.journal = f" {shlex.join(['--journal', redacted(config.journal or '')])}"

    @staticmethod
    def now() -> datetime:
        """Return the present, for a report."""
        return datetime.now(UTC)

    @property
    def stream(self) -> TextIO:
        """Where a result for people goes."""
        return sys.stderr if self.events_on_stdout else sys.stdout

    @property
    def json(self) -> bool:
        """Whether stdout holds one JSON document."""
        return self.form == "json"

    def document(self, document: object) -> None:
        """Write the one JSON document, as far as somebody reads it.

        Raises:
            UsageError: stdout cannot be written.
        """
        with contextlib.suppress(UnreadError):
            _write_document(document)

    # ------------------------------------------------------------------------------------------------------ a plan

    def says(self, exit_code: int) -> bool:
        """Return whether anything is printed for people of what ended with this code."""
        return bool(exit_code) or not self.quiet

    def plan(self, plan: Plan, stream: TextIO) -> None:
        """Show a plan to people; on a terminal, what refuses it is then not said once more below it.

        Raises:
            UsageError: it cannot be written.
        """
        from .. import report  # noqa: PLC0415 - only where it is needed

        print_lines(self._once(report.plan_lines(plan, full=self.verbose), stream), stream)
        self._plan_on = stream
        if plan.blockers and stream.isatty() and sys.stderr.isatty():
            first, *more = dict.fromkeys(found.check for found in plan.blockers)
            named = " and ".join([first, *([f"{len(more)} more"] if len(more) > 1 else more)])
            self._shown[str(report.refusal(plan))] = f"Refused by {named}, as the plan says; nothing was changed."

    def sentence(self, error: Error) -> str:
        """Return what is said of an error in one sentence."""
        message = self._shown.get(str(error)) or f"{error} {error.hint}".rstrip()
        return naming_journal(f"safe-reinit: {tidy(message, keep='')}", self.argv)

    # ------------------------------------------------------------------------------------------------ the last words

    def warn(self, text: str) -> None:
        """Add a sentence to the report: something went wrong that changed nothing of what happened to the disks."""
        self._warnings.append(text)

    def report(self, result: Report, sentence: str = "") -> None:
        """Write the report into the file that was asked for and where it belongs, after a sentence for people.

        Of a run, that it cannot be written changes nothing of what happened, so it changes no exit code.

        Raises:
            UsageError: it is of a plan, and stdout cannot be written.
        """
        import dataclasses  # noqa: PLC0415 - help stays cheap

        result = dataclasses.replace(result, warnings=(*result.warnings, *self._warnings))
        if result.run_id is None and not result.exit_code:
            if self.report_file:
                write_report(result, self.report_file)
            self._report(result)
            return
        failed = [self.last(lambda: write_report(result, self.report_file))] if self.report_file else []
        if sentence:
            self.last(lambda: paragraph(sys.stderr, sentence), most=_SENTENCE_TIMEOUT)
        failed.append(self.last(lambda: self._report(result)))
        for why in filter(None, failed):
            again = f" Write it again with: safe-reinit show {result.run_id}{self.journal} --report FILE"
            message = f"safe-reinit: {why}{again if result.run_id and self.journal is not None else ''}"
            self.last(lambda message=message: paragraph(sys.stderr, message), most=_SENTENCE_TIMEOUT, extra=1.0)  # type: ignore[misc]

    def _report(self, result: Report) -> None:
        from .. import report  # noqa: PLC0415 - only where it is needed

        stream = self.stream
        try:
            if self.form == "json":
                _write_document(report.to_json(result))
            elif self.form == "markdown":
                write(stream, report.to_markdown(result))
            elif self.says(result.exit_code):
                below_plan = result.run_id is None and self._shows_plan(stream)
                show = report.ending_lines if below_plan else report.report_lines
                styled = [*show(result, full=self.verbose), *self._ended_by_sigint(result)]
                import dataclasses  # noqa: PLC0415 - see above

                named = (dataclasses.replace(line, text=naming_journal(line.text, self.argv)) for line in styled)
                _write_lines(self._once(named, stream), stream)
        except UnreadError:
            if result.run_id is not None:  # the error says how to see what happened to the machines
                raise

    def _once(self, text_lines: Iterable[Line], stream: TextIO) -> Iterator[Line]:
        """Leave out that it is simulated where a plan above these lines says so."""
        from ..report import SIMULATED  # noqa: PLC0415 - only where it is needed

        above = self._shows_plan(stream) or _is_same_file(self._plan_on, stream)
        return (line for line in text_lines if not (above and line.text == SIMULATED))

    def _shows_plan(self, stream: TextIO) -> bool:
        """Return whether a plan stands above what is written to a stream now: there, or on the same terminal."""
        plan_on = self._plan_on
        return plan_on is stream or (plan_on is not None and plan_on.isatty() and stream.isatty())

    def _ended_by_sigint(self, result: Report) -> Iterator[Line]:
        """Warn that a shell does not show the exit code that the report has."""
        if self.signals.interrupted:
            from ..report import Line  # noqa: PLC0415 - only where it is needed

            yield Line(f"Ended by Ctrl-C: the shell shows 130, and the report and the journal {result.exit_code}.")


class UnreadError(UsageError):
    """Nobody reads stdout any more: ``head``, ``grep -q`` or a pager has read all that it needs."""


class LastWords:
    """Writes what is said once the machines are safe, and waits for it no longer than is good for anybody.

    Args:
        enough: set by a signal: a person wants the command to end.

    """

    def __init__(self, enough: threading.Event) -> None:
        self._enough = enough
        self._until: float | None = None

    def left(self) -> float:
        """Return how many real seconds are left, counted from the first time that this was asked."""
        now = boottime()
        self._until = now + LAST_OUTPUT_TIMEOUT if self._until is None else self._until
        if self._enough.is_set():
            self._until = min(self._until, now + _INTERRUPTED_TIMEOUT)
        return self._until - now

    def wait(self, done: threading.Event, most: float = LAST_OUTPUT_TIMEOUT, extra: float = 0.0) -> bool:
        """Wait for output until the time for it is over; tell whether it is out."""
        began = boottime()
        while not done.wait(0.05):
            waited = boottime() - began
            if waited >= most or (self.left() <= 0 and waited >= extra):
                return done.is_set()
        return True

    def __call__(self, work: Callable[[], None], *, most: float = LAST_OUTPUT_TIMEOUT, extra: float = 0.0) -> str:
        """Write something; say why it was not written, where that is so."""
        writing = Background(work, "safe-reinit-last-words")
        writing.start()
        if not self.wait(writing.ended, most, extra):
            return "The report could not be written in time: nobody reads it."
        try:
            writing.result()
        except Error as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - what happened to the machines is told, whatever this is
            return f"The report could not be written: an unexpected {type(error).__name__}."
        return ""


def write_report(result: Report, name: str) -> None:
    """Write a report to a file, whole or not at all, and never over that of another run.

    Raises:
        UsageError: it cannot be written, or is another report.
    """
    try:
        if not os.path.lexists(name) or os.path.isfile(name):
            refuse_other_report(name, result.run_id)
            replace_keeping_mode(name, _as_file(result, name))
        else:  # a pipe, or a device
            with open(name, "w", encoding="utf-8", errors="backslashreplace") as file:
                file.write(_as_file(result, name))
    except OSError as error:
        raise unwritten(name, error) from None


def _as_file(result: Report, name: str) -> str:
    from .. import report  # noqa: PLC0415 - only where it is needed

    if name.endswith(".md"):
        return report.to_markdown(result)
    if name.endswith(".html"):
        from ..report.html import to_html  # noqa: PLC0415 - only where it is needed

        return to_html(result)
    if name.endswith(".txt"):
        return report.to_text(result)
    return f"{report.dump_document(report.to_json(result))}\n"


def end(error: Error, output: Output) -> int:
    """Print an error in one sentence, as a document where one is expected, and return its exit code."""
    sentence, result = output.sentence(error), error.report
    if result is None and (output.form != "text" or output.report_file):
        from .. import report  # noqa: PLC0415 - only where it is needed

        result = report.of_error(report.started(output.began), datetime.now(UTC), error)
    if result is not None and (error.report is not None or output.form != "text"):
        output.report(result, sentence)
    else:
        if result is not None:
            output.last(lambda: write_report(result, output.report_file))
        output.last(lambda: paragraph(sys.stderr, sentence))
    return error.exit_code


# ------------------------------------------------------------------------------------------------- what writes at all


def tidy(text: str, keep: str = "\n") -> str:
    """Keep a text that others chose from controlling a terminal: what is no letter is written as its number."""
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() or letter in keep else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )


def for_people(text: str) -> str:
    """Return a text as it is shown: it controls no terminal, and its commands can be copied."""
    return as_called(tidy(text))


def write(stream: TextIO, text: str) -> None:
    """Write text, all of it.

    Raises:
        UsageError: it cannot be written.
    """
    try:
        stream.write(tidy(text))
        stream.flush()
    except OSError as error:
        raise unwritten("stdout" if stream is sys.stdout else "stderr", error) from None


def unwritten(name: str, error: OSError) -> UsageError:
    """Return the error of an output that could not be written."""
    if isinstance(error, BrokenPipeError) and name == "stdout":
        return UnreadError("stdout could not be written: nobody reads it any more.", hint="")
    why = "nobody reads it any more" if isinstance(error, BrokenPipeError) else error.strerror or "an error"
    return UsageError(
        f"{name} could not be written: {why}.", hint=f"Nothing was changed in the cloud. Correct where {name} goes."
    )


def _is_same_file(one: TextIO | None, other: TextIO) -> bool:
    """Return whether two streams go to one file or pipe, as with ``2>&1``."""
    with contextlib.suppress(OSError, ValueError, AttributeError):  # what stands for a stream may have no descriptor
        return one is not None and os.path.sameopenfile(one.fileno(), other.fileno())
    return False


def print_stdout(text: str) -> None:
    """Write a line of a result to stdout, if somebody reads it.

    Raises:
        UsageError: it cannot be written.
    """
    with contextlib.suppress(UnreadError):
        write(sys.stdout, f"{text}\n")


def print_stderr(text: str) -> None:
    """Print something for the person; a closed terminal is no reason to end."""
    with contextlib.suppress(UsageError):
        paragraph(sys.stderr, text)


def paragraph(stream: TextIO, text: str) -> None:
    """Write a text and end its line; on a terminal no word of it is cut at the edge.

    Raises:
        UsageError: it cannot be written.
    """
    if not stream.isatty():
        write(stream, f"{for_people(text)}\n")
        return
    from rich.text import Text  # noqa: PLC0415 - only on a terminal

    try:
        console_of(stream).print(Text(for_people(text)))
        stream.flush()
    except OSError as error:
        raise unwritten("stderr", error) from None


def print_lines(text_lines: Iterable[Line], stream: TextIO) -> None:
    """Write lines, as far as somebody reads them, with styles on a terminal only.

    Raises:
        UsageError: they cannot be written.
    """
    with contextlib.suppress(UnreadError):
        _write_lines(text_lines, stream)


def _write_document(document: object) -> None:
    from ..report import dump_document  # noqa: PLC0415 - only where it is needed

    any_letter = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    write(sys.stdout, f"{dump_document(document, ascii_only=not any_letter)}\n")


def _write_lines(styled: Iterable[Line], stream: TextIO) -> None:
    if not stream.isatty():
        write(stream, "".join(f"{for_people(line.text)}\n" for line in styled))
        return
    from rich.padding import Padding  # noqa: PLC0415 - only on a terminal
    from rich.text import Text  # noqa: PLC0415 - see above

    console = console_of(stream)
    try:
        for line in styled:
            whole = for_people(line.text)
            text = whole.lstrip(" ")
            if not text:  # of which rich would make no line at all
                console.print()
                continue
            if "next: " in text or text.startswith("or: "):
                for row in command_rows(whole, console.width):
                    console.print(Text(row, style=line.style), soft_wrap=True)
                continue
            indent = len(whole) - len(text)
            console.print(Padding(Text(text, style=line.style), (0, 0, 0, indent), expand=False))
        stream.flush()
    except OSError as error:
        raise unwritten("stdout" if stream is sys.stdout else "stderr", error) from None


def console_of(stream: Any) -> Console:  # noqa: ANN401 - a text stream, or what stands for one
    """Make a console of a terminal that shows every letter as it is, and everything whatever width it claims."""
    from rich.console import Console  # noqa: PLC0415 - only on a terminal

    console = Console(file=stream, highlight=False, markup=False, emoji=False)
    if console.width < _MIN_WIDTH:
        console.width = _DEFAULT_WIDTH
    return console
