"""The guards of the program, each with the patch that turns it off: never a switch in the program itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import pytest

Patch = Callable[[pytest.MonkeyPatch], None]

GUARDS: Mapping[str, Patch] = {}
"""By name, how to turn a guard off."""


@contextmanager
def turned_off(name: str) -> Iterator[None]:
    """Turn a guard off while the block lasts."""
    with pytest.MonkeyPatch.context() as patch:
        GUARDS[name](patch)
        yield
