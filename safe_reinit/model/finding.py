"""What a check found. Separate from the other values, because explaining a check needs none of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from .written import unwritten_field

Level = Literal["block", "risk", "info"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check found."""

    check: str
    """Its name, as ``safe-reinit explain`` takes it."""
    level: Level
    """``block`` stops the run; ``risk`` stops it unless you accept it by name; ``info`` is only reported."""
    subject: str
    """What it is about: the id of a disk or an instance, an API, a class of the configuration, or ``run``."""
    message: str
    """What was found and why it matters, in one sentence."""
    fix: str
    """What you can do now, in one sentence."""
    fact: Mapping[str, str | int | bool | None] = field(default_factory=dict)
    """The facts behind it, by ECS's field names; a fact is ``None`` if ECS did not show it."""
    predicts: str | None = None
    """The error code with which ECS would refuse ReInitDisk, if the API reference documents one."""
    in_options: Finding | None = unwritten_field()  # noqa: RUF009 - it makes a field
    """The same finding as the command line says it, and as it is stored; ``None`` if this is it."""
