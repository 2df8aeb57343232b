"""The command line options, grouped by what people do with them. Their values are read by ``config``, not here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

from ..config import SETTINGS, Setting, Settings
from ..config.setting import Group
from ..version import VERSION
from . import complete

F = TypeVar("F", bound=Callable[..., Any])
_LATER = "_options_made_later"

_OFFERS = {
    "disks": complete.disks,
    "instances": complete.instances,
    "regions": complete.regions,
    "risks": complete.risks,
}
"""The names that a shell offers as the value of an option."""


def _option(
    name: str,
    *names: str,
    metavar: str,
    offers: str | None = None,
    **more: Any,  # noqa: ANN401 - click's own
) -> Callable[[F], F]:
    """Make an option with a value, and what a shell offers for it: names, the words of its metavar, or files."""
    completes = _OFFERS[offers] if offers else complete.words(*words_of(metavar))
    shell = complete.offering(completes, files="FILE" in metavar)
    return click.option(name, *names, metavar=metavar, shell_complete=shell, **more)


def words_of(metavar: str) -> tuple[str, ...]:
    """Read the words from a metavar such as ``ask|retry``; capitals stand for something else."""
    those = metavar.split("|")
    return tuple(those) if len(those) > 1 and not any(word.isupper() or word == "-" for word in those) else ()


def _setting(setting: Setting[Any], *, hidden: bool = False) -> Callable[[F], F]:
    if not setting.metavar:
        return click.option(setting.option, setting.name, is_flag=True, default=None, help=sentence(setting.help))
    help_ = sentence(setting.help) + _default(setting)
    more: dict[str, Any] = {"default": None, "help": help_, "hidden": hidden}
    if setting.several:
        more |= {"multiple": True, "callback": _several, "help": f"{help_[:-1]}; {setting.several}."}
    return _option(setting.option, setting.name, metavar=setting.metavar, offers=setting.offers, **more)


def _several(_ctx: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> str | tuple[str, ...] | None:
    """Return one value unchanged, several as texts without duplicates."""
    different = tuple(dict.fromkeys(given))
    return different if len(different) > 1 else next(iter(different), None)


def sentence(text: str) -> str:
    """Write the help of a setting as a sentence."""
    return f"{text[0].upper()}{text[1:]}."


def default_of(setting: Setting[Any]) -> Any:  # noqa: ANN401 - each setting has its own type
    """Return the default as people would write it on the command line; ``None`` if there is none."""
    value = setting.default
    return f"{value / 60:g}m" if isinstance(value, float) else value if value != () else None


def _default(setting: Setting[Any]) -> str:
    value = default_of(setting)
    return f" [{value}]" if value else ""


def argument(
    name: str,
    metavar: str,
    offers: Callable[[click.Context], Iterable[complete.Offer]],
    *,
    files: bool = False,
    required: bool = True,
) -> Callable[[F], F]:
    """Make an argument, and what a shell offers for it."""
    offering = complete.offering(offers, files=files)
    return click.argument(name, metavar=metavar, shell_complete=offering, required=required)


_TARGET = (
    _option("--disk", multiple=True, metavar="D", offers="disks", help="A disk id; repeatable."),
    _option("--disks-from", metavar="FILE|-", help="A file with one disk id per line (- for stdin)."),
    _option(
        "--instance",
        multiple=True,
        metavar="I",
        offers="instances",
        help="Select disks of this instance; repeatable.",
    ),
    _option(
        "--tag",
        multiple=True,
        metavar="K=V",
        help="Select disks of instances with this tag; if repeated, with all tags.",
    ),
    click.option("--system-disk", is_flag=True, default=None, help="Select the system disk of these instances."),
    click.option("--data-disks", is_flag=True, default=None, help="Select the data disks of these instances."),
)
_CONSENT = (
    _option(
        "--accept",
        multiple=True,
        metavar="CHECK",
        offers="risks",
        help="Accept a risk by the name of its check; repeatable.",
    ),
    click.option("--stop-instance", is_flag=True, default=None, help="Allow the run to stop a running instance."),
)
_CONFIRM = (
    click.option("--dry-run", is_flag=True, default=None, help="Check and show the plan without changing anything."),
    click.option(
        "--confirm",
        metavar="WHAT",
        help="Confirm with the value that the plan shows: the disk id (for several disks the plan's fingerprint, at "
        "least its first 32 characters). The name of the disks' class also confirms, if the class is unattended.",
    ),
)
_ONCE = (
    _option(
        "--once",
        metavar="KEY",
        help="Run this plan at most once under this key; if a run with this key is done, show its report and change "
        "nothing.",
    ),
)
_PASSWORD = (
    click.option(
        "--password-stdin", is_flag=True, default=None, help="Read the password to set from one line of stdin."
    ),
    click.option(
        "--password-prompt", is_flag=True, default=None, help="Ask for the password to set, twice, without showing it."
    ),
)
_CONFIG = (_option("--config", metavar="FILE", help="The configuration file."),)


def _of(*groups: Group) -> tuple[Setting[Any], ...]:
    """Return the settings of these groups, group by group."""
    return tuple(setting for group in groups for setting in SETTINGS if setting.group == group)


def _but(settings: tuple[Setting[Any], ...], *without: Setting[Any]) -> tuple[Setting[Any], ...]:
    return tuple(setting for setting in settings if setting not in without)


_OUTPUT = _of("Output")
_CLOUD = _but(_of("Where"), Settings.journal)
"""Where the cloud is, and who calls it."""
_RUNNER = (Settings.runner, Settings.temporal, Settings.temporal_namespace)
_SETTINGS_OF_RUN = (
    *_of("Consent", "Logging in after a system disk is wiped"), *_CLOUD, *_of("Waiting", "Many machines"),
    Settings.journal, *_RUNNER, *_of("Simulation"),
)  # fmt: skip


def _stack(*parts: Setting[Any] | Callable[[Any], Any], hidden: tuple[Setting[Any], ...] = ()) -> Callable[[F], F]:
    """Return a decorator that adds these options to a command, after its own, once they are needed.

    The help leaves out the hidden settings, which are accepted but do not affect the command.
    """

    def decorate(function: F) -> F:
        function.__dict__[_LATER] = parts, hidden
        return function

    return decorate


def made(function: Callable[..., Any] | None) -> list[click.Parameter]:
    """Make what ``_stack`` gave to the function of a command."""

    def bearer() -> None: ...

    parts, hidden = getattr(function, _LATER, ((), ()))
    for part in reversed(parts):
        (_setting(part, hidden=part in hidden) if isinstance(part, Setting) else part)(bearer)
    return list(reversed(getattr(bearer, "__click_params__", [])))


_RUN: tuple[Setting[Any] | Callable[[Any], Any], ...] = (
    *_TARGET, *_CONFIRM, *_CONSENT, *_ONCE, *_SETTINGS_OF_RUN, *_PASSWORD, *_CONFIG, *_OUTPUT,
)  # fmt: skip
everything: Callable[[F], F] = _stack(*_RUN, hidden=_RUNNER)
"""The options of a run, for commands that only read its command line."""
program: Callable[[F], F] = _stack(
    *_RUN, click.version_option(VERSION, "-V", "--version", message="safe-reinit %(version)s")
)
"""The options of the program without a command: those of a run, and its version."""
plan: Callable[[F], F] = _stack(
    _option("--save", metavar="FILE", help="Save the plan to a new file, to run it later with safe-reinit apply FILE."),
    *_TARGET,
    *_RUN[len(_TARGET) + len(_CONFIRM) :],
    hidden=_RUNNER[1:],
)
"""The options of a plan: those of a run except for the consent to run it."""
_REHEARSED = _but(_SETTINGS_OF_RUN, Settings.simulate, Settings.world, Settings.journal, Settings.on_unknown, *_RUNNER)
rehearse: Callable[[F], F] = _stack(*_TARGET, *_CONSENT, *_REHEARSED, *_PASSWORD, *_CONFIG, *_OUTPUT)
"""The options of a rehearsal: those of a plan, and faults."""
_UNDONE = _but(
    _SETTINGS_OF_RUN, Settings.expect_instance,
    *_of("Logging in after a system disk is wiped", "Many machines", "Simulation"),
)  # fmt: skip
undo: Callable[[F], F] = _stack(*_CONFIRM, *_CONSENT, *_UNDONE, *_CONFIG, *_OUTPUT)
"""The options of an undo: those of a run except for what only ReInitDisk accepts; the run names the disks."""
policy: Callable[[F], F] = _stack(
    *_TARGET,
    click.option("--check", is_flag=True, default=None, help="List which of these permissions are missing."),
    *_CONSENT, *_SETTINGS_OF_RUN, *_PASSWORD, *_CONFIG, *_but(_OUTPUT, Settings.report, Settings.events),
    hidden=_RUNNER,
)  # fmt: skip
"""The options of a policy: those of a run, so that its command line can be used unchanged."""
_RESUMED = (*_CLOUD, Settings.password_env, Settings.journal, Settings.temporal, Settings.temporal_namespace)
resume: Callable[[F], F] = _stack(
    click.option(
        "--verdict", type=click.Choice(["reinitialised", "intact", "wipe-again"]), default=None,
        help="What happened to the disks whose outcome is unknown, if you know it.",
    ),
    *_CONFIRM[1:], _CONSENT[0], *_RESUMED, *_PASSWORD, *_CONFIG, *_OUTPUT,
)  # fmt: skip
"""The options of a run that continues."""
apply: Callable[[F], F] = _stack(
    click.option(
        "--confirm",
        metavar="DIGEST",
        help="Confirm with the file's digest: at least its first 32 characters. The name of the disks' class also "
        "confirms, if the class is unattended. On a terminal, you can leave this out: you are asked.",
    ),
    *_RESUMED, Settings.on_unknown, *_of("Simulation"), *_PASSWORD, *_CONFIG, *_OUTPUT,
)  # fmt: skip
"""The options of a plan from a file. The file has the targets and everything that was agreed to, so there are no
options for these.
"""
verify: Callable[[F], F] = _stack(
    _option(
        "--instance", metavar="I", offers="instances", required=True,
        help="The machine to measure on. It must be running. Choose one that nobody needs.",
    ),
    _option("--disk", metavar="D", offers="disks", help="The disk to wipe, if the machine has several."),
    click.option("--confirm", metavar="I", help="Agree that all data on the disk is lost; repeat the machine's id."),
    _option("--save", metavar="FILE", help="Save the measurements to a new JSON file, without ids, to share it."),
    _CONSENT[0], *_CLOUD, *_of("Waiting"), Settings.journal, *_of("Simulation"), *_CONFIG,
    *_but(_OUTPUT, Settings.report),
)  # fmt: skip
"""The options of a verification: those of a run of one disk that is stopped and started again."""
cancel: Callable[[F], F] = _stack(Settings.journal, *_CONFIG)
"""The options of a command that asks a run to end."""
_JOURNAL = (
    Settings.journal, *_CONFIG, _option("--output", metavar="text|json", help="The format of the result."),
)  # fmt: skip
journal: Callable[[F], F] = _stack(*_JOURNAL)
"""The options of a command that reads the journal."""
_DEFAULT_LIMIT = 20
"""The length of a list if no other number is given."""


def limit(help_: str) -> Callable[[F], F]:
    """Make the option for a command that lists the newest of something."""
    count = click.IntRange(0, 1_000_000)
    return click.option("--limit", metavar="N", type=count, default=_DEFAULT_LIMIT, help=f"{help_} [{_DEFAULT_LIMIT}]")


show: Callable[[F], F] = _stack(
    _option(
        "--report",
        metavar="FILE",
        help="Write the run's report to this file, in the form of its ending (.json, .md, .html, .txt).",
    ),
    Settings.verbose,
    *_JOURNAL,
)
"""The options of a command that shows a run."""
worker: Callable[[F], F] = _stack(*_of("Where"), *_but(_of("Temporal"), Settings.runner), *_CONFIG)
"""The options of a worker."""
scheduled: Callable[[F], F] = _stack(
    *_TARGET[:1], *_TARGET[2:], *_CONFIRM[1:], *_CONSENT,
    *_but(_of("Consent", "Logging in after a system disk is wiped"), Settings.password_env), *_CLOUD,
    *_of("Waiting", "Many machines"),
)  # fmt: skip
"""The options of a scheduled run: those of a run that a worker can begin; it says itself where it records the run."""
output: Callable[[F], F] = _stack(
    _option("--output", metavar="text|json", default=None, help="The format of the result.")
)
"""The options of a command that only prints information."""
