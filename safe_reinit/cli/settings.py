"""The commands config check and config show. They never import the SDK and never send anything."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from ..config import BY_NAME, SETTINGS, Setting, Settings, find_config, resolve
from ..config.nested import target_rules, warnings
from .output import Output, print_stdout

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*", re.ASCII)
_GRACE_MARGIN = 60
"""Seconds of a worker's grace besides the limits of a machine: for calls between its phases, and for the release."""
_WORDS_OF_YAML = ("true", "false", "yes", "no", "on", "off", "null", "y", "n")


def config_check(flags: Mapping[str, Any], output: Output) -> None:
    """Report that the configuration can be used; a problem is raised."""
    config = _settings(flags)
    path = find_config(flags.get("config"), os.environ)
    messages = warnings(target_rules(config.allow, config.protect, config.classes))
    if output.json:
        output.document({"schema": 1, "file": str(path) if path else None, "problems": [], "warnings": messages})
        return
    for each in messages:
        print_stdout(f"{path}: warning: {each}")
    good = "can be used; see the warnings above" if messages else "good"
    print_stdout(f"{path}: {good}." if path else "There is no configuration file; the defaults apply.")


def config_show(flags: Mapping[str, Any], output: Output) -> None:
    """Show every setting with its source."""
    config = _settings(flags)
    values = [
        {
            "path": setting.name,
            "value": _showable(setting, value.value),
            "source": value.source,
            "location": value.location,
        }
        for setting in SETTINGS
        for value in (config.of(setting),)
    ]
    if output.json:
        output.document({"schema": 1, "values": values})
        return
    for value in values:
        location = f"[{value['source']}{f' ({location})' if (location := value['location']) else ''}]"
        if BY_NAME[value["path"]].nested and value["value"]:
            print_stdout(f"{value['path']}:  {location}")
            print_stdout("\n".join(_tree(value["value"], "  ")))
        else:
            print_stdout(f"{value['path']}: {'' if value['value'] is None else value['value']}  {location}")


def config_grace(flags: Mapping[str, Any]) -> None:
    """Print how many seconds a worker needs to end cleanly: at most as many as a machine that has just begun."""
    config = _settings(flags)
    phases = (config.timeout_stop, config.timeout_snapshot, config.timeout_reinit, config.timeout_start)
    print_stdout(str(round(sum(phases) + config.journal_outage) + _GRACE_MARGIN))


def _showable(setting: Setting[Any], value: Any) -> Any:  # noqa: ANN401 - each setting has its own type
    """Return the value of a setting as ``printable_value`` does; an address without any password in it."""
    if not setting.secret or value is None:
        return printable_value(value)
    from ..journal import place  # noqa: PLC0415 - only where there is one

    return place.redacted(value)


def _settings(flags: Mapping[str, Any]) -> Settings:
    """Resolve the settings, and check the risks that classes accept and the options of scheduled runs."""
    config = resolve(flags, os.environ, flags.get("config"))
    if config.classes:
        from ..planning.request import target_rules_of  # noqa: PLC0415 - the checks are needed only where there are classes

        target_rules_of(config)
    if config.scheduled_runs:
        from .scheduled import ScheduledRuns  # noqa: PLC0415 - only where there are any

        ScheduledRuns(flags, config)
    return config


def _tree(value: Mapping[str, Any], indent: str) -> Iterator[str]:
    """Write a nested setting as a file could have it, one member per line."""
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


def printable_value(value: Any) -> Any:  # noqa: ANN401 - each setting has its own type
    """Return the value of a setting as people write it: a duration as ``10m``, a time in RFC 3339."""
    if isinstance(value, float) and value >= 1.0:
        from ..model.duration import duration  # noqa: PLC0415 - only where a duration is shown

        return duration(value)
    if isinstance(value, timedelta):
        return printable_value(value.total_seconds())
    if isinstance(value, datetime):
        from ..model.codec import timestamp  # noqa: PLC0415 - only where a time is shown

        return timestamp(value)
    if isinstance(value, tuple) and value and isinstance(value[0], tuple):  # waves
        return [f"{size}%" if percent else size for size, percent in value]
    return list(value) if isinstance(value, tuple) else value
