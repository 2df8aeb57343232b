"""The pictures in docs/pictures/ are what the program puts on a terminal now."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "pictures"


def maker() -> ModuleType:
    """Import docs/pictures.py, which is no part of the package."""
    spec = importlib.util.spec_from_file_location("pictures", ROOT / "docs" / "pictures.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where a dataclass looks for its types
    spec.loader.exec_module(module)
    return module


def test_each_picture_shows_what_the_program_shows_now() -> None:
    """Every picture is up to date; else run python docs/pictures.py, and look at what it made."""
    made = maker().pictures()

    assert set(made) == {path.name for path in FOLDER.iterdir()}
    for name, svg in made.items():
        assert (FOLDER / name).read_text("utf-8") == svg, f"docs/pictures/{name} is not what the program shows now"


def test_each_picture_is_shown_and_asks_no_other_host_for_anything() -> None:
    """A page or README shows each, with words for who cannot see it; none has a font or a script from outside."""
    text = "".join(path.read_text("utf-8") for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
    for path in FOLDER.iterdir():
        assert re.search(rf"!\[[^\]]{{20,}}\]\([./a-z]*pictures/{path.name}\)", text), path.name
        assert not re.search(r"url\((?!#)|href|<script", path.read_text("utf-8")), path.name
