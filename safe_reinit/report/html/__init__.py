"""The report as one self-contained HTML page, for a change ticket: it has no script and loads nothing.

| file | what is in it |
|---|---|
| ``page`` | the whole page |
| ``jobs``, ``together`` | what happened to each instance and its disks; many instances as few groups |
| ``evidence``, ``timeline`` | the findings and every call; the phases of each instance over time |
| ``words``, ``style``, ``markup`` | words and marks; the style sheet; HTML that no text from outside can break |
"""

from .page import to_html

__all__ = ["to_html"]
