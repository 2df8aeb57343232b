"""The command line options, grouped by what people do with them. Their values are read by ``config``, not here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

from ..config import BY_NAME, Setting
from ..version import VERSION
from . import complete

F = TypeVar("F", bound=Callable[..., Any])
_LATER = "_options_made_later"

_SWITCHES = ("leave_stopped", "snapshot", "skip_refused", "quiet", "verbose", "simulate", "temporal_tls")
_METAVARS = {
    "region": "ID", "profile": "NAME", "endpoint": "URL", "ca_bundle": "FILE", "expect_instance": "I",
    "max_disks": "N", "canary": "N", "waves": "LIST", "pause": "none|canary|wave", "max_parallel": "N",
    "stop_after_failures": "N", "deadline": "TIME|DURATION", "reason": "TEXT", "key_pair": "NAME",
    "password_env": "VAR",
    "security_enhancement": "Active|Deactive", "output": "text|json|markdown", "on_unknown": "ask|retry",
    "runner": "local|temporal",
    "temporal": "HOST:PORT", "temporal_namespace": "NAME", "temporal_queue": "NAME", "temporal_tls_ca": "FILE",
    "temporal_tls_cert": "FILE", "temporal_tls_key": "FILE", "temporal_api_key_file": "FILE",
    "temporal_deployment": "NAME", "worker_metrics": "HOST:PORT", "worker_health": "HOST:PORT",
    "journal": "FILE", "report": "FILE", "events": "FILE|-", "world": "FILE",
    "faults": "FILE",
}  # fmt: skip


_OFFERS = {
    "--disk": complete.disks,
    "--instance": complete.instances,
    "--expect-instance": complete.instances,
    "--accept": complete.risks,
    "--region": complete.regions,
}
"""What a shell offers as the value of an option."""


def _option(name: str, *names: str, metavar: str, **more: Any) -> Callable[[F], F]:  # noqa: ANN401 - click's own
    """Make an option with a value, and what a shell offers for it: names, the words of its metavar, or files."""
    offers = complete.offering(_OFFERS.get(name, complete.words(*words_of(metavar))), files="FILE" in metavar)
    return click.option(name, *names, metavar=metavar, shell_complete=offers, **more)


def words_of(metavar: str) -> tuple[str, ...]:
    """Read the words out of a metavar such as ``ask|retry``; capitals stand for something else."""
    those = metavar.split("|")
    return tuple(those) if len(those) > 1 and not any(word.isupper() or word == "-" for word in those) else ()


def _setting(name: str) -> Callable[[F], F]:
    setting = BY_NAME[name]
    if name in _SWITCHES:
        return click.option(setting.option, name, is_flag=True, default=None, help=sentence(setting.help))
    metavar, help_ = _METAVARS.get(name, "DURATION"), sentence(setting.help) + _default(setting)
    if name == "region":
        help_ = f"{help_[:-1]}; a run and a plan take several."
        return _option(setting.option, name, metavar=metavar, multiple=True, callback=_regions, help=help_)
    return _option(setting.option, name, metavar=metavar, default=None, help=help_)


def _regions(_ctx: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> str | tuple[str, ...] | None:
    """Give one region as the text that it is, several as they are, each once."""
    different = tuple(dict.fromkeys(given))
    return different if len(different) > 1 else next(iter(different), None)


def sentence(text: str) -> str:
    """Write the help of a setting as a sentence."""
    return f"{text[0].upper()}{text[1:]}."


def default_of(setting: Setting) -> Any:  # noqa: ANN401 - each setting has its own type
    """Give what holds where nothing is said, as one would write it on the command line; ``None`` if that is nothing."""
    value = setting.default
    return f"{value / 60:g}m" if isinstance(value, float) else value if value != () else None


def _default(setting: Setting) -> str:
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
    _option("--disk", "disk", multiple=True, metavar="D", help="The id of a disk; may be repeated."),
    _option("--disks-from", metavar="FILE|-", help="A file of ids of disks, one a line."),
    _option("--instance", multiple=True, metavar="I", help="An instance whose disks are meant; may be repeated."),
    _option("--tag", multiple=True, metavar="K=V", help="Instances with this tag; repeated, with all of them."),
    click.option("--system-disk", is_flag=True, default=None, help="Of these instances the system disk."),
    click.option("--data-disks", is_flag=True, default=None, help="Of these instances the data disks."),
)
_CONSENT = (
    _option("--accept", multiple=True, metavar="CHECK", help="Accept a risk by the name of its check; repeatable."),
    click.option("--stop-instance", is_flag=True, default=None, help="Allow stopping a running instance."),
)
_CONFIRM = (
    click.option("--dry-run", is_flag=True, default=None, help="Look, judge, show the plan; change nothing."),
    click.option(
        "--confirm",
        metavar="WHAT",
        help="The disk id (several disks: the plan's fingerprint or at least its first 32 characters), or an "
        "unattended class of theirs.",
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
_OUTPUT_NAMES = ("output", "report", "events", "quiet", "verbose")
_FLEET_NAMES = (
    "canary", "waves", "pause", "max_parallel", "stop_after_failures", "skip_refused", "deadline",
)  # fmt: skip
_RUN_NAMES = (
    "leave_stopped", "snapshot", "max_disks", "expect_instance", "reason", "key_pair", "password_env",
    "security_enhancement", "region", "profile", "endpoint", "ca_bundle", "timeout_stop",
    "timeout_snapshot", "timeout_reinit", "timeout_start",
    "force_stop_after", "on_unknown", *_FLEET_NAMES, "journal", "runner", "temporal", "temporal_namespace", "simulate",
    "world", "faults",
)  # fmt: skip


def _stack(*decorators: Callable[[Any], Any]) -> Callable[[F], F]:
    """Give a command these options, after those of its own decorators; they are made once it is asked for them."""

    def decorate(function: F) -> F:
        function.__dict__[_LATER] = decorators
        return function

    return decorate


def made(function: Callable[..., Any] | None) -> list[click.Parameter]:
    """Make what ``_stack`` gave to the function of a command."""

    def bearer() -> None: ...

    for decorator in reversed(getattr(function, _LATER, ())):
        decorator(bearer)
    return list(reversed(getattr(bearer, "__click_params__", [])))


_LOOKING = (*_TARGET, *_CONSENT, *map(_setting, _RUN_NAMES), *_PASSWORD, *_CONFIG, *map(_setting, _OUTPUT_NAMES))
_RUN = (*_TARGET, *_CONFIRM, *_LOOKING[len(_TARGET) :])
everything: Callable[[F], F] = _stack(*_RUN)
"""The options of a run."""
program: Callable[[F], F] = _stack(*_RUN, click.version_option(VERSION, message="safe-reinit %(version)s"))
"""The options of the program without a command: those of a run, and its version."""
plan: Callable[[F], F] = _stack(
    _option("--save", metavar="FILE", help="Save the plan to a new file, for safe-reinit apply FILE."), *_LOOKING
)
"""The options of a plan: those of a run but for the consent to run it."""
_NOT_REHEARSED = ("simulate", "world", "journal", "on_unknown", "runner", "temporal", "temporal_namespace")
_REHEARSE_NAMES = tuple(name for name in _RUN_NAMES if name not in _NOT_REHEARSED)
rehearse: Callable[[F], F] = _stack(
    *_TARGET, *_CONSENT, *map(_setting, _REHEARSE_NAMES), *_PASSWORD, *_CONFIG, *map(_setting, _OUTPUT_NAMES)
)
"""The options of a rehearsal: those of a plan, and faults."""
_UNDO_NAMES = (
    "leave_stopped", "snapshot", "max_disks", "reason", "region", "profile", "endpoint", "ca_bundle", "timeout_stop",
    "timeout_snapshot", "timeout_reinit", "timeout_start", "force_stop_after", "on_unknown", "journal", "runner",
    "temporal", "temporal_namespace",
)  # fmt: skip
undo: Callable[[F], F] = _stack(
    *_CONFIRM, *_CONSENT, *map(_setting, _UNDO_NAMES), *_CONFIG, *map(_setting, _OUTPUT_NAMES)
)
"""The options of an undo: those of a run but for what only ReInitDisk takes; the run names the disks."""
policy: Callable[[F], F] = _stack(
    *_TARGET,
    click.option("--check", is_flag=True, default=None, help="Say which of these rights are missing; change nothing."),
    *_CONSENT, *map(_setting, _RUN_NAMES), *_PASSWORD, *_CONFIG, *map(_setting, ("output", "quiet", "verbose")),
)  # fmt: skip
"""The options of a policy: those of a run, so that its command line can be taken as it is."""
_RESUME_NAMES = (
    "region", "profile", "endpoint", "ca_bundle", "password_env", "journal", "temporal", "temporal_namespace",
)  # fmt: skip
resume: Callable[[F], F] = _stack(
    click.option(
        "--verdict", type=click.Choice(["reinitialised", "intact", "wipe-again"]), default=None,
        help="What became of the disks whose outcome is unknown, where you know it.",
    ),
    *_CONFIRM[1:], _CONSENT[0], *map(_setting, _RESUME_NAMES), *_PASSWORD, *_CONFIG, *map(_setting, _OUTPUT_NAMES),
)  # fmt: skip
"""The options of a run that goes on."""
_APPLY_NAMES = (*_RESUME_NAMES, "on_unknown", "simulate", "world", "faults")
apply: Callable[[F], F] = _stack(
    click.option(
        "--confirm",
        metavar="DIGEST",
        help="The file's digest or at least its first 32 characters; asked for on a terminal.",
    ),
    *map(_setting, _APPLY_NAMES), *_PASSWORD, *_CONFIG, *map(_setting, _OUTPUT_NAMES),
)  # fmt: skip
"""The options of a plan from a file: it has its targets and everything that was agreed to, so they take none of it."""
cancel: Callable[[F], F] = _stack(_setting("journal"), *_CONFIG)
"""The options of a command that asks a run to end."""
_JOURNAL = (
    _setting("journal"), *_CONFIG, _option("--output", metavar="text|json", help="The form of the result."),
)  # fmt: skip
journal: Callable[[F], F] = _stack(*_JOURNAL)
"""The options of a command that reads the journal."""
show: Callable[[F], F] = _stack(
    _option("--report", metavar="FILE", help="Write the report of a run to this file, too (.json, .md, .html)."),
    *_JOURNAL,
)
"""The options of a command that shows a run."""
_TEMPORAL_NAMES = (
    "temporal", "temporal_namespace", "temporal_queue", "temporal_tls", "temporal_tls_ca", "temporal_tls_cert",
    "temporal_tls_key", "temporal_api_key_file",
)  # fmt: skip
"""How the Temporal server is reached."""
_WORKER_NAMES = (
    "region", "profile", "endpoint", "ca_bundle", "journal", *_TEMPORAL_NAMES, "temporal_deployment", "worker_metrics",
    "worker_health",
)  # fmt: skip
worker: Callable[[F], F] = _stack(*map(_setting, _WORKER_NAMES), *_CONFIG)
"""The options of a worker."""
output: Callable[[F], F] = _stack(
    _option("--output", metavar="text|json", default=None, help="The form of the result.")
)
"""The options of a command that only tells something."""
