"""How a field of a frozen value is written as JSON if not unchanged; ``codec`` follows this.

Documents that are hashed contain no fractions: many tools turn ``600.0`` into ``600``, which has another hash.
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


def unwritten_field(default: object = None) -> Any:  # noqa: ANN401 - the type of its field
    """Make a field that stays in this process: it is not written, and is ignored in comparisons."""
    return field(default=default, repr=False, compare=False, metadata={UNWRITTEN: True})
