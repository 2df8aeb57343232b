"""The SDK's ECS client, with as many of its models as are asked for.

The package of the models imports more than a thousand modules, one a class, of which some twenty are of use here: that
takes longer than all the rest of a dry run's start, and 16 MiB. Each is loaded by its name instead.
"""

from __future__ import annotations

import re
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

_MODELS = "alibabacloud_ecs20140526.models"


class _Models(ModuleType):
    """The package, without having imported all that is in it."""

    def __init__(self, modules: dict[str, str]) -> None:
        super().__init__(_MODELS)
        self.__all__ = list(modules)
        self._modules = modules

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - the SDK has no types
        if name not in self._modules:
            raise AttributeError(f"module {_MODELS!r} has no attribute {name!r}")
        found = getattr(import_module(f".{self._modules[name]}", _MODELS), name)
        setattr(self, name, found)
        return found


def _by_name() -> None:
    """Stand in for the package, unless somebody has imported it already, or it does more than import each class."""
    spec = find_spec(_MODELS)
    if _MODELS in sys.modules or spec is None or spec.origin is None:
        return
    text = re.sub(r"^#.*\n", "", Path(spec.origin).read_text("utf-8"), flags=re.MULTILINE)
    imports, _, names = text.partition("__all__")
    found = re.findall(r"^from \.(\w+) import (\w+)$", imports, re.MULTILINE)
    rest = re.sub(r"^from (\.\w+ import \w+|__future__ import annotations)$", "", imports, flags=re.MULTILINE)
    if not found or rest.strip() or re.search(r"[^\s\w\[\]=',\"]", names):
        return
    package = _Models({name: module for module, name in found})
    package.__spec__, package.__file__ = spec, spec.origin
    package.__path__ = list(spec.submodule_search_locations or ())
    sys.modules[_MODELS] = package


_by_name()

from alibabacloud_ecs20140526 import models  # noqa: E402 - by name
from alibabacloud_ecs20140526.client import Client as EcsClient  # noqa: E402

__all__ = ["EcsClient", "models"]
