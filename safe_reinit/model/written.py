"""How a field of a frozen value is written as JSON where that is not as it is; ``codec`` obeys.

Documents that are hashed have no fractions: ``600.0`` comes back from many a tool as ``600``, and the hash is another.
"""

from __future__ import annotations

from dataclasses import field
from typing import Any

SCALE, SUFFIX, UNWRITTEN = "scale", "suffix", "unwritten"


def milliseconds(default: float | None = None) -> Any:  # noqa: ANN401 - the type of its field
    """Make a field of seconds that is written as whole milliseconds, with ``_ms`` after its name."""
    return field(default=default, metadata={SCALE: 1000, SUFFIX: "_ms"})


def permille(default: float) -> Any:  # noqa: ANN401 - the type of its field
    """Make a field of a share that is written as whole thousandths, with ``_permille`` after its name."""
    return field(default=default, metadata={SCALE: 1000, SUFFIX: "_permille"})


def unwritten() -> Any:  # noqa: ANN401 - the type of its field
    """Make a field that stays in this process: it is not written, and makes no value another."""
    return field(default=None, repr=False, compare=False, metadata={UNWRITTEN: True})
