"""The interface to shells: the script that each reads once, and the answers that it asks for at Tab."""

from __future__ import annotations

import contextlib
import os

import click
from click.shell_completion import BashComplete, ShellComplete, add_completion_class, get_completion_class

from .complete import SHELLS, VARIABLE


class _Bash(BashComplete):
    """Joins the words that bash splits at ``:`` and ``=``."""

    def get_completion_args(self) -> tuple[list[str], str]:
        words, incomplete = super().get_completion_args()
        whole: list[str] = []
        joined = False
        for word in words:
            if whole and (joined or word in (":", "=")):
                whole[-1] += word
            else:
                whole.append(word)
            joined = word in (":", "=")
        if whole and joined and whole[-1].startswith("--") and whole[-1].endswith("="):
            whole[-1] = whole[-1][:-1]  # its value is what is being typed
        return whole, incomplete


def script(app: click.Command, shell: str) -> str:
    """Write the script that a shell reads once."""
    return _shell(app, shell).source()


def answer(app: click.Command, asked: str) -> int:
    """Answer the script in the shell; if that fails, neither the shell nor the person is told anything."""
    shell, _, what = asked.partition("_")
    with contextlib.suppress(Exception), open(os.devnull, "w", encoding="utf-8") as nowhere:
        with contextlib.redirect_stderr(nowhere):
            script_ = _shell(app, shell).complete() if what == "complete" else ""
        click.echo(script_)
        return 0
    return 1


def _shell(app: click.Command, shell: str) -> ShellComplete:
    add_completion_class(_Bash)
    shell_class = get_completion_class(shell)
    if shell_class is None or shell not in SHELLS:
        raise ValueError(shell)
    return shell_class(app, {}, "safe-reinit", VARIABLE)
