"""Settings: one table of all of them.

A value comes from an option, the environment, the file or the default, in this order.
Every error of a configuration file is reported at once, each with its path. A file is refused if others may write to
it.

| file | what is in it |
|---|---|
| ``table`` | one row for each setting, which says everything about it |
| ``setting`` | what a row is; ``Settings`` are frozen and typed: ``settings.timeout_stop`` |
| ``readers``, ``nested`` | how one value is read; how settings with members are read, such as allow |
| ``file``, ``problems`` | reads the file; collects its errors |
| ``arguments`` | the settings as typed arguments for Python programs, generated from the table |
| ``wording`` | messages for Python programs: they name the argument in place of the option |
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ..clock import Clock
from ..errors import UsageError
from .problems import Problems
from .setting import FILE_ONLY, Setting, SettingValue, Source
from .table import BY_NAME, LIMITS, SETTINGS, Settings

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "BY_NAME",
    "FILE_ONLY",
    "LIMITS",
    "SETTINGS",
    "Setting",
    "SettingValue",
    "Settings",
    "changed_by_arguments",
    "find_config",
    "resolve",
]


def resolve(
    flags: Mapping[str, object],
    environment: Mapping[str, str],
    config: str | Mapping[object, object] | None = None,
    *,
    arguments: bool = False,
) -> Settings:
    """Resolve all settings.

    Args:
        flags: what the command line gave, by setting name; ``None`` if it gave nothing.
        environment: the environment variables.
        config: the configuration file named by ``--config``, or what a file would contain.
        arguments: whether the flags are arguments of a program, for the messages.

    Raises:
        UsageError: with every problem found, each with its path.

    """
    path, content = _content(config, environment)
    problems = [f"{path}: {_unknown(key)}" for key in content if key not in BY_NAME]
    values: dict[Setting[Any], SettingValue[Any]] = {}
    for setting in SETTINGS:
        try:
            flag = (f"{setting.name}=" if arguments else setting.option, flags.get(setting.name))
            values[setting] = _resolve(setting, flag, environment, content, path)
        except _ProblemError as wrong:
            problems += wrong.args
    if problems:
        in_file = bool(path) and any(each.startswith(f"{path}: ") for each in problems)
        see = "See safe-reinit config example." if in_file else "Correct the value." if len(problems) == 1 else ""
        raise UsageError(f"{'; '.join(problems)}.", hint=see or "Correct these values.")
    return Settings(values)


def _unknown(key: object) -> str:
    from ..model.similar import similar  # noqa: PLC0415 - only where somebody mistyped

    near = similar(str(key).replace("-", "_"), BY_NAME, 0.8)  # two letters of a short name may be swapped
    return f"{key} is not a setting{f' (did you mean {near}?)' if near else ''}"


def _content(
    config: str | Mapping[object, object] | None, environment: Mapping[str, str]
) -> tuple[str, Mapping[object, object]]:
    """Return the content of a configuration, and its name in messages."""
    if isinstance(config, Mapping):
        return "config", config
    path = find_config(config, environment)
    if path is None:
        return "", {}
    from .file import load  # noqa: PLC0415 - only where there is a file

    return str(path), load(path)


def changed_by_arguments(settings: Settings, arguments: Mapping[str, object]) -> Settings:
    """Return settings changed by the arguments of a program, by their names; ``None`` changes nothing.

    Raises:
        UsageError: a value is not valid.
    """
    for name, raw in arguments.items():
        if raw is not None:
            setting = BY_NAME[name]
            try:
                settings = settings.given(setting, SettingValue(setting.read(raw), "flag", f"{name}="))
            except ValueError as problem:
                raise UsageError(f"The value of {name}= is {problem}.", hint=f"Correct {name}=.") from None
    return settings


class _ProblemError(Exception):
    """A value that is not valid; its arguments say why."""


def _resolve(
    setting: Setting[Any],
    flag: tuple[str, object],
    environment: Mapping[str, str],
    content: Mapping[object, object],
    path: str,
) -> SettingValue[Any]:
    given: list[tuple[Source, str, object]] = []
    if flag[1] is not None:
        given.append(("flag", *flag))
    given += [("env", name, environment[name]) for name in setting.variables if environment.get(name)]
    if setting.name in content and (content[setting.name] is not None or setting.nested):
        given.append(("file", f"{path}: {setting.name}", content[setting.name]))
    if not given:
        return SettingValue(setting.default, "default", "")
    value = _read(setting, path, *given[0])
    source, location, raw = given[-1]
    free = content.get(Settings.may_be_raised.name)
    if not setting.limit or source != "file" or (isinstance(free, list) and setting.name in free):
        return value
    of_file = _read(setting, path, source, location, raw)
    if _extent(value.value) > _extent(of_file.value):
        value = of_file._replace(location=f"{location}, which {given[0][1]} cannot raise")
    return value._replace(at_most=of_file.value)


def _extent(limit: Any) -> Any:  # noqa: ANN401 - a number, or a time
    """Return the value by which a limit is compared; a duration from now becomes a time."""
    return Clock().now() + limit if isinstance(limit, timedelta) else limit


def _read(setting: Setting[Any], path: str, source: Source, location: str, raw: object) -> SettingValue[Any]:
    try:
        return SettingValue(setting.read(raw), source, location)
    except Problems as wrong:
        raise _ProblemError(*(f"{path}: At {setting.name}{each}" for each in wrong.args)) from None
    except ValueError as problem:
        place = f"{location}:" if source == "file" else f"The value of {location} is"
        raise _ProblemError(f"{place} {problem}") from None


def find_config(file: str | None, environment: Mapping[str, str]) -> Path | None:
    """Find the configuration file: ``--config``, ``SAFE_REINIT_CONFIG``, the user's, the machine's; never the folder's.

    Raises:
        UsageError: one was named and does not exist, or it cannot be determined whether there is one.

    """
    from pathlib import Path  # noqa: PLC0415 - --help needs none

    from ..files.home import own_folder  # noqa: PLC0415 - as above

    named = file or environment.get("SAFE_REINIT_CONFIG")
    if named:
        path = Path(named)
        if not _is_there(path) or os.path.isdir(path):
            raise UsageError(f"There is no configuration file {named}.", hint="Correct --config or SAFE_REINIT_CONFIG.")
        return path
    for folder in (own_folder(environment, "XDG_CONFIG_HOME", ".config"), Path("/etc/safe-reinit")):
        if folder is not None and _is_there(folder / "config.yaml"):
            return folder / "config.yaml"
    return None


def _is_there(path: Path) -> bool:
    """Return whether anything has this name; a dangling link counts, since what the file protects cannot be seen."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    except OSError:
        raise UsageError(f"The configuration file {path} cannot be read.", hint="Make its folder readable.") from None
    return True
