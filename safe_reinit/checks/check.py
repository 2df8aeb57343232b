"""What a check is: a name, a level, the ECS errors it predicts, and a pure function from facts to findings."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..model import DiskFacts, Finding, Level


def documentation(name: str) -> str:
    """Return the docstring of a check's file: what the check does, why it matters, how to fix it.

    It is read from the source. Importing the file takes longer, because that makes the classes of all facts, and Python
    drops docstrings when it optimises (``-OO``, ``PYTHONOPTIMIZE=2``). Only a file that has no source is imported.
    """
    module = f"{__package__}.{name.replace('-', '_')}"
    loader = spec.loader if (spec := find_spec(module)) else None
    source = getattr(loader, "get_source", lambda _module: None)(module)
    return (ast.get_docstring(ast.parse(source)) if source else inspect.getdoc(import_module(module))) or ""


@dataclass(frozen=True)
class Check:
    """One rule about one target disk. Its module's docstring is its documentation."""

    name: str
    """The problem it states, with hyphens; the module has the same name with underscores."""
    level: Level
    """The worst level it can find."""
    predicts: tuple[str, ...]
    """The ReInitDisk error codes it predicts."""
    run: Callable[[DiskFacts], Iterator[Finding]]
    of_options: bool = False
    """Whether it checks an option rather than a state of the cloud, so that no world can show it by itself."""

    of_reinit: bool = False
    """Whether it is about ReInitDisk alone, so that it does not apply to an undo (ResetDisk)."""

    milder: tuple[Level, ...] = ()
    """The other levels it can find."""

    @property
    def waivable(self) -> bool:
        """Whether it can find a risk, which can be accepted by name."""
        return "risk" in (self.level, *self.milder)

    @property
    def text(self) -> str:
        """The documentation: what it does, why it matters, how to fix it."""
        return documentation(self.name)

    @property
    def summary(self) -> str:
        """The first line of the documentation."""
        return self.text.partition("\n")[0]
