"""Parameters of which the quick suite tries a sample, and the slow tests all the others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def sampled(values: Iterable[Any], every: int = 2) -> list[Any]:
    """Return parameters, a tuple for several names; but for each ``every``-th of them they are for the slow tests."""
    return [
        pytest.param(
            *(value if isinstance(value, tuple) else (value,)), marks=[pytest.mark.slow] if number % every else []
        )
        for number, value in enumerate(values)
    ]
