"""The commands config check and config show. They never import the SDK and never send anything."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from ..config import BY_NAME, SETTINGS, Setting, Settings, find, resolve
from ..config.nested import target_rules, warnings
from .output import Output, tell

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*", re.ASCII)
_MARGIN = 60
"""Seconds of a worker's grace beside the limits of a machine: for calls between its phases, and to let go."""
_WORDS_OF_YAML = ("true", "false", "yes", "no", "on", "off", "null", "y", "n")


def config_check(flags: Mapping[str, Any], output: Output) -> None:
    """Report that the configuration can be used; a problem is raised."""
    config = _settings(flags)
    path = find(flags.get("config"), os.environ)
    found = warnings(target_rules(config.allow, config.protect, config.classes))
    if output.json:
        output.document({"schema": 1, "file": str(path) if path else None, "problems": [], "warnings": found})
        return
    for each in found:
        tell(f"{path}: warning: {each}")
    good = "can be used; see the warnings above" if found else "good"
    tell(f"{path}: {good}." if path else "There is no configuration file; the defaults hold.")


def config_show(flags: Mapping[str, Any], output: Output) -> None:
    """Show every setting with its source."""
    config = _settings(flags)
    values = [
        {
            "path": setting.name,
            "value": _showable(setting, value.value),
            "source": value.source,
            "where": value.where,
        }
        for setting in SETTINGS
        for value in (config.of(setting),)
    ]
    if output.json:
        output.document({"schema": 1, "values": values})
        return
    for value in values:
        where = f"[{value['source']}{f' ({where})' if (where := value['where']) else ''}]"
        if BY_NAME[value["path"]].nested and value["value"]:
            tell(f"{value['path']}:  {where}")
            tell("\n".join(_tree(value["value"], "  ")))
        else:
            tell(f"{value['path']}: {'' if value['value'] is None else value['value']}  {where}")


def config_grace(flags: Mapping[str, Any]) -> None:
    """Print how many seconds a worker needs to end in order: as many as a machine that has just begun, at most."""
    config = _settings(flags)
    phases = (config.timeout_stop, config.timeout_snapshot, config.timeout_reinit, config.timeout_start)
    tell(str(round(sum(phases) + config.journal_outage) + _MARGIN))


def _showable(setting: Setting[Any], value: Any) -> Any:  # noqa: ANN401 - each setting has its own type
    """Return the value of a setting as ``shown`` does; an address that may hold a password without it."""
    if not setting.secret or value is None:
        return shown(value)
    from ..journal import place  # noqa: PLC0415 - only where there is one

    return place.redacted(value)


def _settings(flags: Mapping[str, Any]) -> Settings:
    """Resolve the settings, and see that what classes accept can be accepted."""
    config = resolve(flags, os.environ, flags.get("config"))
    if config.classes:
        from ..planning.request import target_rules_of  # noqa: PLC0415 - the checks are needed only where there are classes

        target_rules_of(config)
    return config


def _tree(value: Mapping[str, Any], indent: str) -> Iterator[str]:
    """Write a nested setting as a file could have it, a member in each line."""
    for name, item in value.items():
        if isinstance(item, dict) and any(isinstance(each, (dict, list, bool)) for each in item.values()):
            yield f"{indent}{name}:"
            yield from _tree(item, f"{indent}  ")
        else:
            yield f"{indent}{name}: {flow(item)}"


def flow(value: Any) -> str:  # noqa: ANN401 - as a YAML file has it
    """Write a value as YAML in one line."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{flow(key)}: {flow(item)}' for key, item in value.items())}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(flow, value))}]"
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS_OF_YAML:
        return value
    return json.dumps(value, ensure_ascii=False)


def shown(value: Any) -> Any:  # noqa: ANN401 - each setting has its own type
    """Return the value of a setting as people write it: a duration as ``10m``, a time by RFC 3339."""
    if isinstance(value, float) and value >= 1.0:
        from ..report.text import duration  # noqa: PLC0415 - only where a duration is shown

        return duration(value)
    if isinstance(value, timedelta):
        return shown(value.total_seconds())
    if isinstance(value, datetime):
        from ..model.codec import timestamp  # noqa: PLC0415 - only where a time is shown

        return timestamp(value)
    if isinstance(value, tuple) and value and isinstance(value[0], tuple):  # waves
        return [f"{size}%" if percent else size for size, percent in value]
    return list(value) if isinstance(value, tuple) else value
