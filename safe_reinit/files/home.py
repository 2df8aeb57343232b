"""The folders of the user who runs this program."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def home_of(environment: Mapping[str, str]) -> Path:
    """Return the folder of the configuration files of the aliyun CLI and the SDKs."""
    try:
        return Path(environment.get("HOME") or "~").expanduser()
    except RuntimeError:  # this user has no home, so there are no such files either
        return Path(os.devnull)


def own_folder(environment: Mapping[str, str], variable: str, usual: str) -> Path | None:
    """Return the folder in which this program keeps one kind of file for the user; ``None``: the user has no home.

    Args:
        environment: names the home, and may name another folder.
        variable: names the folder that all programs use for this kind of file, if it is absolute (XDG Base Directory
            Specification).
        usual: that folder if the variable does not name one, relative to the home.
    """
    named = Path(environment.get(variable, ""))
    if named.is_absolute():
        return named / "safe-reinit"
    home = home_of(environment)
    return home / usual / "safe-reinit" if home.is_absolute() and home != Path(os.devnull) else None
