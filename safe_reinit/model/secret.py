"""A text that is never shown."""

from __future__ import annotations


class Secret:
    """A text that no output may show: ``repr`` and ``str`` return ``***``, and it cannot be converted to JSON."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself: for the one call that needs it, and for the check of its form."""
        return self._text

    def __repr__(self) -> str:
        return "***"
