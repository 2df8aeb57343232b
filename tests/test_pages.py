"""The pages that are made from the code are what the code makes now."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent


def generator() -> ModuleType:
    """Import docs/generate.py, which is no part of the package."""
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_made_page_is_what_the_code_makes_now() -> None:
    """Every page that is made from the code is up to date; else run python docs/generate.py."""
    pages = generator().pages()

    assert {path: (ROOT / path).read_text("utf-8") for path in pages} == pages
