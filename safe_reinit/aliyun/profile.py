"""The aliyun CLI's own configuration: the region and the mode of the profile in use; its secrets are not read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path


def region_of(profile: str | None, environment: Mapping[str, str]) -> str:
    """Tell the ``region_id`` of the profile in use; ``""`` where there is none."""
    return _member(profile, "region_id", environment)


def mode_of(profile: str | None, environment: Mapping[str, str]) -> str:
    """Tell how the profile in use comes to its key: ``AK``, ``StsToken``, ...; ``""`` where there is none."""
    return _member(profile, "mode", environment)


def _member(profile: str | None, name: str, environment: Mapping[str, str]) -> str:
    path = Path(environment.get("HOME", "~")).expanduser() / ".aliyun" / "config.json"
    try:
        content = json.loads(path.read_text("utf-8"))
        wanted = profile or environment.get("ALIBABA_CLOUD_PROFILE") or content["current"]
        found = next(each for each in content["profiles"] if each["name"] == wanted)
        return str(found.get(name) or "")
    except (OSError, ValueError, KeyError, TypeError, StopIteration, AttributeError):
        return ""
