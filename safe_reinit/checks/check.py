"""What a check is: a name, a level, the ECS errors it predicts, and a pure function from facts to findings."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..model import DiskFacts, Finding, Level


def _in_source(module: ModuleType) -> str:
    """Read the docstring from the source: Python drops it when it optimises (``-OO``, ``PYTHONOPTIMIZE=2``)."""
    loader = module.__spec__.loader if module.__spec__ else None
    source = getattr(loader, "get_source", lambda _name: None)(module.__name__)
    return ast.get_docstring(ast.parse(source)) or "" if source else ""


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
        module = sys.modules[self.run.__module__]
        return inspect.cleandoc(module.__doc__ or _in_source(module))

    @property
    def summary(self) -> str:
        """The first line of the documentation."""
        return self.text.partition("\n")[0]
