"""The aliyun CLI's own configuration, for the region of the profile in use; its secrets are not read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path


def region_of(profile: str | None, environment: Mapping[str, str]) -> str:
    """Tell the ``region_id`` of the profile in use; ``""`` where there is none."""
    path = Path(environment.get("HOME", "~")).expanduser() / ".aliyun" / "config.json"
    try:
        content = json.loads(path.read_text("utf-8"))
        name = profile or environment.get("ALIBABA_CLOUD_PROFILE") or content["current"]
        found = next(each for each in content["profiles"] if each["name"] == name)
        return str(found.get("region_id") or "")
    except (OSError, ValueError, KeyError, TypeError, StopIteration, AttributeError):
        return ""
