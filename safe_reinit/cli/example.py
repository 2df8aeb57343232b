"""The configuration file that ``config example`` prints: every setting with its default, commented."""

from __future__ import annotations

import textwrap
from typing import Any

from ..config import LIMITS, SETTINGS, Setting
from .options import sentence
from .settings import flow, printable_value

_MAX_WIDTH = 110


def example() -> str:
    """Return the text of the file."""
    head = (
        "# safe-reinit: an example configuration with every setting and its default.\n"
        "# Copy it to ~/.config/safe-reinit/config.yaml, uncomment what you need, and run: safe-reinit config check\n"
        "# An option overrides the environment (SAFE_REINIT_<OPTION>), and the environment overrides this file.\n"
        f"# But neither can raise a limit on what a run may do ({', '.join(LIMITS[:-1])},\n"
        f"# {LIMITS[-1]}) above its value in this file, unless may_be_raised names it.\n"
    )
    return head + "".join(_lines(setting) for setting in SETTINGS)


def _lines(setting: Setting[Any]) -> str:
    more = "".join(f"# {note}\n" for note in note_lines(setting))
    return f"\n# {sentence(setting.help)} Default: {default(setting)}.\n{more}# {sample(setting)}\n"


def note_lines(setting: Setting[Any]) -> list[str]:
    """List what else there is to know about a setting, as lines."""
    return [line for note in setting.notes for line in textwrap.wrap(note, _MAX_WIDTH, break_on_hyphens=False)]


def default(setting: Setting[Any]) -> str:
    """Return the value that applies if a setting is not given."""
    if setting.unset:
        return setting.unset
    if setting.default is False:
        return "off"
    if setting.default in (None, {}, ()):
        return "none"
    value = printable_value(setting.default)
    return flow(value) if setting.nested else str(value)


def sample(setting: Setting[Any]) -> str:
    """Return a line that a file could contain for a setting."""
    return f"{setting.name}: {setting.sample}"
