"""The folders of the user whose program this is."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def home_of(environment: Mapping[str, str]) -> Path:
    """Return the folder that the configuration files of the aliyun CLI and the SDKs are in."""
    try:
        return Path(environment.get("HOME") or "~").expanduser()
    except RuntimeError:  # this user has none, so there are no such files either
        return Path(os.devnull)


def own_folder(environment: Mapping[str, str], variable: str, usual: str) -> Path | None:
    """Return the folder in which this program keeps files of one kind for the user; ``None``: the user has no home.

    Args:
        environment: names the home, and may name another folder.
        variable: names the folder for files of this kind of all programs, where that is absolute (XDG Base Directory
            Specification).
        usual: that folder where the variable does not name one, below the home.
    """
    named = Path(environment.get(variable, ""))
    if named.is_absolute():
        return named / "safe-reinit"
    home = home_of(environment)
    return home / usual / "safe-reinit" if home.is_absolute() and home != Path(os.devnull) else None
