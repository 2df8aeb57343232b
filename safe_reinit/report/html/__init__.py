"""The report as one self-contained HTML page, for a change ticket: no script, and nothing is fetched from anywhere."""

from .page import to_html

__all__ = ["to_html"]
