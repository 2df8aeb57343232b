"""The printed commands: copied to a shell, they run this program, with the same journal."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise

from ..model.run_id import RUN_ID
from .examples import EXAMPLES

_NAME = "safe-reinit"
_PACKAGE = __name__.partition(".")[0]
_COMMANDS = "|".join(sorted({name.split()[0] for name in EXAMPLES} - {_NAME} | {"simulator"}))
_CALL = rf"(?<![\w./-]){_NAME}(?= (?:-|(?:{_COMMANDS})\b))"
"""Where a command begins; elsewhere the name means the program. Compiled on demand."""


def as_called(text: str) -> str:
    """Return a text in which commands call this program in the way it was called."""
    called = _called(sys.argv[0], os.environ.get("PATH", os.defpath))
    return text if called == _NAME else re.sub(_CALL, lambda _: called, text)


@cache
def _called(first: str, path: str) -> str:
    """Return what to type for this program: only its name if a shell would find this program by that name."""
    folder, file = os.path.split(first)
    if (os.path.basename(folder), file) == (_PACKAGE, "__main__.py"):
        script, words = os.path.join(os.path.dirname(sys.executable), _NAME), [sys.orig_argv[0], "-m", _PACKAGE]
    elif file == _NAME:
        script, words = first, [first]
    else:  # another program calls the command line
        return _NAME
    return _NAME if _finds(path, script) else shlex.join(words)


def _finds(path: str, script: str) -> bool:
    """Return whether a shell finds this script by its name: the first one with that name in its path counts."""
    for folder in path.split(os.pathsep):
        found = os.path.join(folder or os.curdir, _NAME)
        if os.path.isfile(found) and os.access(found, os.X_OK):
            return os.path.exists(script) and os.path.samefile(found, script)
    return False


_OPTIONS = r"(?: --[a-z-]+(?:[= ](?:'[^']*'|[^\s-]\S*))?)*"
_OF_A_RUN = rf"safe-reinit (?:(?:show|resume|undo|cancel) {RUN_ID}|unhold\b|runs\b)(?!{_OPTIONS} --journal)"
"""A command that finds runs, unless one of its options names the journal already."""


def showable(argv: Sequence[str]) -> Iterator[str]:
    """Remove from a command line the password that the address of a journal may contain."""
    for before, word in pairwise(("", *argv)):
        option, given = ("--journal=", word[10:]) if word.startswith("--journal=") else ("", word)
        if option or before == "--journal":
            from ..journal.place import redacted  # noqa: PLC0415 - help stays cheap

            word = f"{option}{redacted(given)}"  # noqa: PLW2901 - this is what the loop is for
        yield word


def naming_journal(text: str, argv: Sequence[str]) -> str:
    """Return a text whose commands find the run: in the journal that this command line names."""
    given = [after for this, after in pairwise(argv) if this == "--journal"]
    given += [word.partition("=")[2] for word in argv if word.startswith("--journal=")]
    if not given:
        return text
    from ..journal.place import redacted  # noqa: PLC0415 - help stays cheap

    return re.sub(_OF_A_RUN, lambda found: shlex.join([*found[0].split(), "--journal", redacted(given[-1])]), text)


_CONTINUED = " \\"
"""What ends a row whose command goes on in the next one."""
_WORD = re.compile(r"""(?:[^\s'"\\]|'[^']*'|"[^"]*"|\\.)+""")
"""A word of a command, with the quotes around what is one argument."""


def command_rows(line: str, width: int) -> list[str]:
    """Break a line that ends with a command into rows that can be copied together: a shell reads them as one line.

    Args:
        line: what is shown: ``next: `` or ``or: ``, and the command.
        width: the columns of the terminal; a word that is longer stays whole.
    """
    from rich.cells import cell_len  # noqa: PLC0415 - only on a terminal

    begin = max(line.rfind(before) + len(before) for before in ("next: ", "or: ") if before in line)
    first, *words = _WORD.findall(line[begin:])
    if " ".join([first, *words]) != line[begin:]:  # not as this program writes commands
        return [line]
    rows = [line[:begin] + first]
    for word in words:
        room = width - (len(_CONTINUED) if word is not words[-1] else 0)
        if cell_len(rows[-1]) + 1 + cell_len(word) <= room:
            rows[-1] += f" {word}"
        else:
            rows.append(f"    {word}")
    return [*(f"{row}{_CONTINUED}" for row in rows[:-1]), rows[-1]]
