"""Settings: one table of all of them, and where each value comes from: flag, environment, file, default, in that order.

Every problem of a configuration file is told at once, each with its path. A file is refused if others may write it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ..clock import Clock
from ..errors import UsageError
from .nested import PROTECTED, allow, classes, protect
from .problems import Problems
from .readers import (
    LIMITS,
    address,
    count,
    days,
    deadline,
    duration,
    endpoint,
    endpoints,
    flag,
    journal,
    looks,
    one_of,
    raised,
    region,
    report_file,
    share,
    text,
    variable,
    waves,
    whole,
)

if TYPE_CHECKING:
    from pathlib import Path

Source = Literal["flag", "env", "file", "default"]


class Setting(NamedTuple):
    """One thing that can be set; no dataclass, since to make one takes longer than ``--help`` has."""

    name: str
    """The config key; the option has hyphens, the environment variable ``SAFE_REINIT_`` and capitals."""
    read: Callable[[object], Any]
    default: Any
    help: str
    in_env: bool = True
    in_file: bool = True
    also: str = ""
    """An environment variable of others that is read after ours."""
    limit: bool = False
    """Whether it limits how much a run does: what the file says, options and variables only make smaller, unless the
    file allows more."""
    nested: bool = False
    """Whether it is a mapping of its own, written in the file only; left empty there, it is refused and not ignored."""

    @property
    def variable(self) -> str:
        """The environment variable."""
        return f"SAFE_REINIT_{self.name.upper()}"

    @property
    def option(self) -> str:
        """The command line option."""
        return f"--{self.name.replace('_', '-')}"


SETTINGS: tuple[Setting, ...] = (
    Setting("region", region, None, "the region of the disks", also="ALIBABA_CLOUD_REGION_ID"),
    Setting("profile", text, None, "the aliyun CLI profile whose credentials are used"),
    Setting("endpoint", endpoint, None, "[http://|https://]HOST[:PORT] of ECS; http only on this machine"),
    Setting("endpoints", endpoints, {}, "the endpoint of each product: ecs, sts, ess, ebs, kms", in_env=False),
    Setting("ca_bundle", text, None, "a file of CA certificates to trust"),
    Setting("timeout_stop", duration, 600.0, "how long stopping may take"),
    Setting("timeout_snapshot", duration, 3600.0, "how long a snapshot in progress is waited for"),
    Setting("timeout_reinit", duration, 1800.0, "how long reinitialising may take"),
    Setting("timeout_start", duration, 900.0, "how long starting may take"),
    Setting("force_stop_after", duration, None, "cut the power when a graceful stop has had this long"),
    Setting("leave_stopped", flag, False, "leave the instance stopped after the wipe"),
    Setting("snapshot", flag, False, "take a snapshot after the stop, and wipe only once it is accomplished"),
    Setting("snapshot_retention", days, None, "how long ECS keeps such a snapshot: 30d", in_env=False),
    Setting(
        "snapshot_max_age",
        duration,
        86400.0,
        "how old the newest snapshot may be and still be a way back",
        in_env=False,
    ),
    Setting("lock_tag", flag, False, "tag the instance with the run from before the stop to the end", in_env=False),
    Setting(
        "allow", allow, {}, "what may be a target at all; a list that is there must match", in_env=False, nested=True
    ),
    Setting("protect", protect, PROTECTED, "what must never be a target", in_env=False, nested=True),
    Setting("max_disks", count, None, "refuse a run of more disks than this", limit=True),
    Setting(
        "may_be_raised",
        raised,
        (),
        f"limits of the file that options and variables may raise: {', '.join(LIMITS)}",
        in_env=False,
    ),
    Setting(
        "classes", classes, {}, "what needs no flag for some targets; the first match wins", in_env=False, nested=True
    ),
    Setting("canary", whole, None, "how many jobs go first, and must end done before others begin; 1 of more than ten"),
    Setting("waves", waves, (), "the sizes of the waves after the canary: 5,25%,50%; the last is repeated"),
    Setting(
        "pause",
        one_of("none", "canary", "wave"),
        None,
        "ask whether to go on: after the canary (the default on a terminal), after each wave, or never",
    ),
    Setting("max_parallel", count, 100, "how many instances may be down at once, with those of other runs", limit=True),
    Setting(
        "stop_after_failures",
        count,
        None,
        "begin no new job once this many have failed, or can no longer end done",
        limit=True,
    ),
    Setting("skip_refused", flag, False, "leave out the jobs that are refused, and run the rest"),
    Setting(
        "deadline",
        deadline,
        None,
        "begin no new job after this time (2026-01-02T05:00:00Z), or this long (3h) from now",
        limit=True,
    ),
    Setting("quota_share", share, 0.8, "the part of a documented quota of calls that a run uses", in_env=False),
    Setting("expect_instance", text, None, "refuse unless the disk is on this instance"),
    Setting("reason", text, None, "a change ticket; kept in plan and report"),
    Setting("key_pair", text, None, "the key pair to log in with after a system disk is wiped"),
    Setting("password_env", variable, None, "the environment variable that holds the password to set"),
    Setting("security_enhancement", one_of("Active", "Deactive"), None, "whether ECS adds its security components"),
    Setting(
        "on_unknown",
        one_of("ask", "retry"),
        "ask",
        "when the answer to ReInitDisk is lost and the observations had a gap: ask a person, or wipe again",
    ),
    Setting(
        "hold",
        text,
        None,
        "a reason why no run is to begin now, such as a change freeze",
        in_env=False,
    ),
    Setting(
        "journal",
        journal,
        None,
        "the journal of runs: a file, or postgresql://... that several hosts share; root and each user have a file of "
        "their own, an embedded simulator none",
    ),
    Setting(
        "journal_outage",
        duration,
        120.0,
        "how long a run waits for a journal that cannot be written before it starts the machines that it stopped",
        in_env=False,
    ),
    Setting("runner", one_of("local", "temporal"), "local", "what carries a run: this process, or workers of Temporal"),
    Setting("temporal", address, None, "the Temporal server that hands runs to workers, HOST:PORT"),
    Setting("temporal_namespace", text, "default", "the namespace at the Temporal server"),
    Setting("temporal_queue", text, None, "the task queue of the workers of an account and region"),
    Setting("temporal_tls", flag, False, "reach the Temporal server by TLS; a file or key below implies it"),
    Setting("temporal_tls_ca", text, None, "a file of CA certificates to trust for the Temporal server"),
    Setting(
        "temporal_tls_cert", text, None, "a file of our certificate for the Temporal server, read again when replaced"
    ),
    Setting("temporal_tls_key", text, None, "a file of the key of that certificate"),
    Setting(
        "temporal_api_key_file", text, None, "a file of the API key for the Temporal server, read again when replaced"
    ),
    Setting(
        "temporal_deployment",
        text,
        None,
        "the Worker Deployment of a worker: Temporal sends runs to its current version only",
    ),
    Setting("worker_metrics", address, None, "HOST:PORT at which a worker has metrics for Prometheus (/metrics)"),
    Setting("worker_health", address, None, "HOST:PORT at which a worker tells whether it polls (/healthz)"),
    Setting("plan_expires", duration, 86400.0, "how long a saved plan may be applied", in_env=False),
    Setting("output", one_of("text", "json", "markdown"), "text", "the form of the result on stdout"),
    Setting(
        "report",
        report_file,
        None,
        "write the report to this file (.json, .md, .html); that of another run is never replaced",
    ),
    Setting("events", text, None, "append events as JSON lines to this file, or - for stdout"),
    Setting("quiet", flag, False, "say only results and errors"),
    Setting("verbose", flag, False, "say every call"),
    Setting("simulate", flag, False, "run against an embedded simulator; no cloud, no credentials"),
    Setting("world", text, None, "the simulator's world (implies simulate)"),
    Setting("faults", text, None, "the simulator's faults: which calls go wrong, and how"),
    Setting(
        "require_looks",
        looks,
        (),
        "facts of other products that must be seen: ess, ebs, kms, events, sts",
        in_env=False,
    ),
)
BY_NAME = {setting.name: setting for setting in SETTINGS}


@dataclass(frozen=True)
class Value:
    """A setting's value and where it comes from."""

    value: Any
    source: Source
    where: str
    """The option, the variable, the file, or ``""`` for a default."""
    at_most: Any = None
    """What the file limits it to, where nothing else may raise it."""


class Config(Mapping[str, Any]):
    """All settings, resolved: ``config["timeout_stop"]`` gives the value, ``config.of(name)`` also its source."""

    def __init__(self, values: Mapping[str, Value]) -> None:
        self._values = dict(values)

    def changed(self, arguments: Mapping[str, object]) -> Config:
        """Return these settings with what is said by the arguments of a program; ``None`` says nothing.

        Raises:
            UsageError: a value does not fit.
        """
        values = dict(self._values)
        for name, raw in arguments.items():
            if raw is not None:
                try:
                    values[name] = Value(BY_NAME[name].read(raw), "flag", f"{name}=")
                except ValueError as problem:
                    raise UsageError(f"The value of {name}= is {problem}.", hint=f"Correct {name}=.") from None
        return Config(values)

    def of(self, name: str) -> Value:
        """Give a value with its source."""
        return self._values[name]

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - each setting has its own type
        return self._values[name].value

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def resolve(flags: Mapping[str, object], environment: Mapping[str, str], file: str | None = None) -> Config:
    """Resolve all settings.

    Args:
        flags: what the command line gave, by setting name; ``None`` where it gave nothing.
        environment: the environment variables.
        file: the configuration file named by ``--config``.

    Raises:
        UsageError: with every problem found, each with its path.

    """
    path = find(file, environment)
    content: Mapping[object, object] = {}
    if path:
        from .file import load  # noqa: PLC0415 - only where there is a file

        content = load(path)
    problems = [f"{path}: {key} is not a setting" for key in content if not _in_file(key)]
    values: dict[str, Value] = {}
    for setting in SETTINGS:
        try:
            values[setting.name] = _resolve(setting, flags, environment, content, str(path))
        except _ProblemError as wrong:
            problems += wrong.args
    if problems:
        raise UsageError(f"{'; '.join(problems)}.", hint="See safe-reinit --help and safe-reinit config example.")
    return Config(values)


class _ProblemError(Exception):
    """A value that does not fit; its arguments are what is wrong with it."""


def _in_file(key: object) -> bool:
    return isinstance(key, str) and key in BY_NAME and BY_NAME[key].in_file


def _resolve(
    setting: Setting,
    flags: Mapping[str, object],
    environment: Mapping[str, str],
    content: Mapping[object, object],
    path: str,
) -> Value:
    given: list[tuple[Source, str, object]] = []
    if flags.get(setting.name) is not None:
        given.append(("flag", setting.option, flags[setting.name]))
    variables = (setting.variable, setting.also) if setting.in_env else ()
    given += [("env", name, environment[name]) for name in variables if environment.get(name)]
    if setting.in_file and setting.name in content and (content[setting.name] is not None or setting.nested):
        given.append(("file", f"{path}: {setting.name}", content[setting.name]))
    if not given:
        return Value(setting.default, "default", "")
    value = _read(setting, path, *given[0])
    source, where, raw = given[-1]
    free = content.get("may_be_raised")
    if not setting.limit or source != "file" or (isinstance(free, list) and setting.name in free):
        return value
    of_file = _read(setting, path, source, where, raw)
    if _extent(value.value) > _extent(of_file.value):
        value = replace(of_file, where=f"{where}, which {given[0][1]} cannot raise")
    return replace(value, at_most=of_file.value)


def _extent(limit: Any) -> Any:  # noqa: ANN401 - a number, or a time
    """Return what a limit is compared by; a duration from now is a time."""
    return Clock().now() + limit if isinstance(limit, timedelta) else limit


def _read(setting: Setting, path: str, source: Source, where: str, raw: object) -> Value:
    try:
        return Value(setting.read(raw), source, where)
    except Problems as wrong:
        raise _ProblemError(*(f"{path}: At {setting.name}{each}" for each in wrong.args)) from None
    except ValueError as problem:
        place = f"{where}:" if source == "file" else f"The value of {where} is"
        raise _ProblemError(f"{place} {problem}") from None


def find(file: str | None, environment: Mapping[str, str]) -> Path | None:
    """Find the configuration file: ``--config``, ``SAFE_REINIT_CONFIG``, the user's, the machine's; never the folder's.

    Raises:
        UsageError: one was named and is not there, or whether there is one cannot be told.

    """
    from pathlib import Path  # noqa: PLC0415 - --help needs none

    named = file or environment.get("SAFE_REINIT_CONFIG")
    if named:
        path = Path(named)
        if not _is_there(path) or os.path.isdir(path):
            raise UsageError(f"There is no configuration file {named}.", hint="Correct --config or SAFE_REINIT_CONFIG.")
        return path
    from platformdirs.unix import Unix  # noqa: PLC0415 - only where no file is named

    folders = [Path("/etc/safe-reinit")]
    with contextlib.suppress(RuntimeError):  # a user without a home folder has none of their own
        folders.insert(0, Unix("safe-reinit").user_config_path)
    for folder in folders:
        if folder.is_absolute() and _is_there(folder / "config.yaml"):  # where there is no home it is not
            return folder / "config.yaml"
    return None


def _is_there(path: Path) -> bool:
    """Tell whether there is anything of this name; a link to nowhere is, since what the file protects is not seen."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    except OSError:
        raise UsageError(f"The configuration file {path} cannot be read.", hint="Make its folder readable.") from None
    return True
