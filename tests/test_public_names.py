"""The public names: complete, and the same in ``__all__``, in ``dir()`` and for type checkers."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import safe_reinit
from safe_reinit import testing
from safe_reinit.version import VERSION

PAGES = Path(__file__).resolve().parent.parent / "docs/reference"
OWN = {"Endable", "Making", "Settings", "Setup"}
"""What this package alone makes and hands around, though it is in a signature."""

OTHERS = {
    "AbstractContextManager", "Any", "BaseException", "Callable", "ClassVar", "Item", "Iterator", "Literal", "Mapping",
    "None", "NotRequired", "PathLike", "ForwardRef", "Path", "Patterns", "Required", "Self", "Sequence", "Signals",
    "Tags", "True", "False", "Unpack",
}  # fmt: skip
"""Names of Python in annotations, and names for tuples of texts."""


def annotations(thing: Any) -> Iterator[object]:
    """Yield what the signature of a function, or the members of a class say of types."""
    if inspect.isfunction(thing):
        yield from thing.__annotations__.values()
    if not inspect.isclass(thing):
        return
    for home in (each for each in thing.__mro__ if each.__module__.startswith("safe_reinit")):
        yield from (kind for name, kind in inspect.get_annotations(home).items() if not name.startswith("_"))
        for name, member in vars(home).items():
            function = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
            if inspect.isfunction(function) and (not name.startswith("_") or name in ("__init__", "__call__")):
                yield from function.__annotations__.values()


def types_of(annotation: object) -> set[str]:
    """Return the names of types in an annotation that are ours."""
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))
    words = set(re.findall(r"[A-Z]\w+", re.sub(r"Literal\[.*?\]|\b[\w.]+\.", "", text)))
    return words - OTHERS


@pytest.mark.parametrize("module", [safe_reinit, testing], ids=lambda module: module.__name__)
def test_what_a_signature_names_is_public(module: Any) -> None:
    """Each type in a signature or a member of a public name has a name and a page itself."""
    missing = {
        f"{name}: {kind}"
        for name in module.__all__
        for annotation in annotations(getattr(module, name))
        for kind in types_of(annotation) - {*safe_reinit.__all__, *testing.__all__, *OWN}
    }

    assert missing == set()


@pytest.mark.parametrize(("module", "page"), [(safe_reinit, "library"), (testing, "testing")])
def test_every_public_name_has_an_entry(module: Any, page: str) -> None:
    """The reference has a heading for each public name, to which signatures and pages can lead."""
    text = (PAGES / f"{page}.md").read_text("utf-8")

    assert set(re.findall(r"^## `?(\w+)`?$", text, re.M)) == set(module.__all__)


@pytest.mark.parametrize("module", ["safe_reinit", "safe_reinit.testing"])
def test_dir_is_what_there_is(module: str) -> None:
    """``dir()`` lists the public names before any of them was used, and each is there."""
    ask = f"import {module} as s; print(dir(s) == sorted(s.__all__) and all(hasattr(s, name) for name in dir(s)))"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)

    assert done.stdout == "True\n"
    assert safe_reinit.__version__ == VERSION


def test_a_misspelt_name_is_not_there() -> None:
    """A name that is no public one is an AttributeError that repeats it."""
    with pytest.raises(AttributeError, match="conect"):
        getattr(safe_reinit, "conect")  # noqa: B009 - a type checker refuses the other way
