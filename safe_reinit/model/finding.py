"""What a check found. Apart from the other values, since to explain a check takes none of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Level = Literal["block", "risk", "info"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check found."""

    check: str
    """Its name, as ``safe-reinit explain`` takes it."""
    level: Level
    """``block`` refuses the run; ``risk`` refuses it unless it is accepted by name; ``info`` is told."""
    subject: str
    """What it is about: the id of a disk or an instance, an API, a class of the configuration, or ``run``."""
    message: str
    """What is the case and why it matters, one sentence."""
    fix: str
    """What the person can do now, one sentence."""
    fact: Mapping[str, str | int | bool | None] = field(default_factory=dict)
    """The live facts behind it, by ECS's field names; ``None`` for one that ECS did not show."""
    predicts: str | None = None
    """The error code with which ECS would answer ReInitDisk, where its API reference documents one."""
