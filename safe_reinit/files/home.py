"""The home folder of the user whose program this is."""

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
