"""What all plans and runs of a client have in common."""

from __future__ import annotations

from dataclasses import dataclass

from ..clock import Clock
from ..cloud.connection import Connection
from ..config import Settings
from ..config.wording import as_arguments
from ..model import TargetRules
from .request import Owner


@dataclass(frozen=True)
class Setup:
    """Which cloud it is and who calls it, and with which clock, settings and target rules."""

    connection: Connection
    settings: Settings
    clock: Clock
    target_rules: TargetRules
    owner: Owner = ()
    """The legacy owner parameters of ReInitDisk."""
    of_program: bool = False
    """Whether a program uses the library, and not the command line."""

    def sentence(self, text: str) -> str:
        """Return a sentence as whoever uses this client reads it."""
        return as_arguments(text) if self.of_program else text
