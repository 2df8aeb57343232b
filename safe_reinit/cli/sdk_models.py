"""Loads only the parts of the SDK that are used: for the command line, which has a process to itself.

The package of the models imports one module per class, of which this program uses about twenty: that takes longer than
the rest of a dry run's start. aiohttp, which the SDK imports for calls that are not made here, takes a quarter of what
is left. A program that uses the library gets the SDK as its vendor made it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType

MODELS = "alibabacloud_ecs20140526.models"
UNUSED = "aiohttp"
"""Named by the SDK in annotations and in its asynchronous calls; every request here uses our own connections."""
SERVE_BY_IT = ("safe_reinit.simulator", "safe_reinit.cli.health")
"""Our modules that serve HTTP, for --simulate and workers: they need the real one, in the same process."""


class _ByName(SourceFileLoader):
    """Makes the package with nothing imported yet: each class is loaded from its own module on demand."""

    def __init__(self, path: str, modules: dict[str, str]) -> None:
        super().__init__(MODELS, path)
        self._modules = modules

    def exec_module(self, module: ModuleType) -> None:
        """Implement ``importlib.abc.Loader``."""

        def find(name: str) -> object:
            if name not in self._modules:
                raise AttributeError(f"module {MODELS!r} has no attribute {name!r}")
            found = getattr(import_module(f".{self._modules[name]}", MODELS), name)
            setattr(module, name, found)
            return found

        module.__dict__.update(__getattr__=find, __all__=list(self._modules))


class _Names:
    """Makes a module in which each name is an empty class, which is enough for annotations.

    ``importlib.abc.Loader`` is not its base, because importing that takes a tenth of ``--help``.
    """

    def create_module(self, spec: ModuleSpec) -> None:
        """Implement ``importlib.abc.Loader``: the module is made as usual."""

    def exec_module(self, module: ModuleType) -> None:
        """Implement ``importlib.abc.Loader``."""

        def find(name: str) -> type:
            if name.startswith("_"):
                raise AttributeError(f"module {UNUSED!r} has no attribute {name!r}")
            return type(name, (), {})

        module.__dict__["__getattr__"] = find


class _Finder:
    def __init__(self) -> None:
        self._names_only = UNUSED not in sys.modules

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Implement ``importlib.abc.MetaPathFinder``; everything except these two packages is left to others."""
        if fullname in SERVE_BY_IT and self._names_only:
            self._names_only = False
            sys.modules.pop(UNUSED, None)
        if fullname == UNUSED and self._names_only:
            return ModuleSpec(UNUSED, _Names())  # type: ignore[arg-type]
        spec = PathFinder.find_spec(fullname, path, target) if fullname == MODELS else None
        if spec is None or spec.origin is None:
            return None
        modules = _modules_of(spec.origin)
        if not modules:
            return None
        spec.loader = _ByName(spec.origin, modules)
        return spec


def _modules_of(init: str) -> dict[str, str]:
    """Return the module of each class, if the package only imports them; otherwise nothing."""
    with open(init, encoding="utf-8") as file:
        text = re.sub(r"^#.*\n", "", file.read(), flags=re.MULTILINE)
    imports, _, names = text.partition("__all__")
    rest = re.sub(r"^from (\.\w+ import \w+|__future__ import annotations)$", "", imports, flags=re.MULTILINE)
    if rest.strip() or re.search(r"[^\s\w\[\]=',\"]", names):
        return {}
    return {name: module for module, name in re.findall(r"^from \.(\w+) import (\w+)$", imports, re.MULTILINE)}


def load_by_name() -> None:
    """From now on, load the models one by one in this process, and unused modules not at all."""
    if MODELS not in sys.modules:
        sys.meta_path.insert(0, _Finder())
