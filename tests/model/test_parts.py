"""The parts of the model are loaded one after the other, until one has the name that is asked for."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from safe_reinit import model


@pytest.mark.parametrize("part", model.PARTS)
def test_a_part_is_built_on_parts_that_are_looked_at_before(part: str) -> None:
    """Else a command that needs a value of a small part would load the large ones, too: that is much of its start."""
    file = Path(str(model.__file__)).parent / f"{part}.py"
    needs = {node.module for node in ast.parse(file.read_text("utf-8")).body if isinstance(node, ast.ImportFrom)}

    assert needs & set(model.PARTS) <= set(model.PARTS[: model.PARTS.index(part)])
