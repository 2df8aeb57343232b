"""The machine-readable contract that ``safe-reinit schema`` prints, made from the commands themselves.

Only what a command does to the data, which no option says, is recorded here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import click

from ..config import BY_NAME
from ..errors import BY_OUTCOME
from ..model.codec import encode
from ..version import VERSION
from .documents import schemas
from .examples import EXAMPLES
from .options import default_of, words_of

Kind = Literal["switch", "text", "word", "number", "duration", "file"]


@dataclass(frozen=True)
class Parameter:
    """One option or argument of a command."""

    name: str
    """As it is written; for an argument, its metavar."""
    type: Kind
    choices: tuple[str, ...]
    """The words that it accepts, if it accepts only these."""
    metavar: str
    required: bool
    repeated: bool
    """Whether it may be given several times."""
    env: str | None
    """The environment variable that it is read from; ``None``: never from the environment."""
    config: str | None
    """The key of the configuration file that it is read from; ``None``: never from a file."""
    default: str | int | float | bool | None
    """The value if none is given; ``None`` if there is none, or if it can be repeated."""
    help: str


@dataclass(frozen=True)
class CommandEffect:
    """What a command does, and what a caller must know first."""

    asks_cloud: bool
    """Whether it sends requests to the cloud (with ``--simulate``, to the simulator)."""
    changes: bool
    """Whether it can change anything in the cloud."""
    risk: Literal["critical", "none"]
    """``critical``: data is destroyed."""
    reversible: Literal["only with a snapshot"] | None
    """Whether what it destroys can be restored; ``None`` if it destroys nothing."""
    dry_run: str | None
    """How to see what it would do without changing anything; ``None`` if it changes nothing."""
    consent: str | None
    """The consent that it requires; ``None`` if it needs none."""
    exit_codes: tuple[int, ...]
    """The codes with which it can end."""


@dataclass(frozen=True)
class CommandContract(CommandEffect):
    """One command."""

    name: str
    """The words after ``safe-reinit``; ``""`` for the main command."""
    summary: str
    arguments: tuple[Parameter, ...]
    options: tuple[Parameter, ...]
    examples: tuple[str, ...]


@dataclass(frozen=True)
class Ending:
    """One outcome, its exit code and what it means for the data."""

    outcome: str
    exit_code: int
    data: str
    meaning: str


@dataclass(frozen=True)
class Contract:
    """What ``safe-reinit schema`` prints."""

    tool_version: str
    program: str
    commands: tuple[CommandContract, ...]
    exit_codes: tuple[Ending, ...]
    """All exit codes; any other code is reserved."""
    documents: Mapping[str, Mapping[str, Any]]
    """The JSON Schema of each document that is printed or written, by its name."""


_ALL = tuple(range(9))
_PRINTS = CommandEffect(
    asks_cloud=False, changes=False, risk="none", reversible=None, dry_run=None, consent=None, exit_codes=(0, 1, 2)
)
_READS = replace(_PRINTS, exit_codes=(0, 1, 2, 3))
"""The journal, whose server may be unavailable."""
_DESCRIBES = replace(_READS, asks_cloud=True)
_WIPES = CommandEffect(
    asks_cloud=True,
    changes=True,
    risk="critical",
    reversible="only with a snapshot",
    dry_run="add --dry-run",
    consent="--confirm with the disk's id (for several disks the plan's fingerprint, at least its first 32 "
    "characters), or with the name of the disks' class if that is unattended; without --confirm, the command asks on a "
    "terminal, where the disk's id or the instance's name is the answer (for several disks, the first 8 characters of "
    "the fingerprint)",
    exit_codes=_ALL,
)
EFFECTS: Mapping[str, CommandEffect] = {
    "": _WIPES,
    "plan": _DESCRIBES,
    "apply": replace(
        _WIPES,
        dry_run="safe-reinit show FILE prints the plan; safe-reinit plan makes a new one",
        consent="--confirm with the file's digest, at least its first 32 characters, or with the name of the disks' "
        "class if that is unattended; without --confirm, the command asks on a terminal for the first 8 characters",
    ),
    "rehearse": replace(_DESCRIBES, exit_codes=_ALL),
    "policy": _DESCRIBES,
    "resume": replace(
        _WIPES,
        dry_run="safe-reinit show RUN shows the run's state",
        consent="none, because the run was confirmed when it began; with --verdict wipe-again, as for a new run",
    ),
    "undo": _WIPES,
    "verify-cloud": replace(
        _WIPES, dry_run="leave out --confirm", consent="--confirm with the id of the instance, for two runs"
    ),
    "cancel": replace(_READS, changes=True, dry_run="safe-reinit show RUN shows the run's state"),
    "hold": replace(_READS, changes=True, dry_run="safe-reinit runs lists the active runs"),
    "unhold": replace(_READS, changes=True, dry_run="safe-reinit runs shows whether there is a hold"),
    "worker": replace(
        _WIPES,
        dry_run="there is none, because a worker carries out runs that others began",
        consent="none, because the runs were confirmed when they began",
    ),
    **dict.fromkeys(("runs", "audit", "show"), _READS),
    **dict.fromkeys(
        (
            "checks", "explain", "config", "config check", "config show", "config example",
            "simulator", "completion", "schema", "version", "help",
        ),
        _PRINTS,
    ),
}  # fmt: skip
"""By command. A command that an installation does not have is not listed; one that is missing here counts as one that
wipes.
"""


def contract(app: click.Group) -> dict[str, Any]:
    """Make the document."""
    made = Contract(
        tool_version=VERSION,
        program="safe-reinit",
        commands=tuple(_commands(app, ())),
        exit_codes=tuple(_endings()),
        documents=schemas(),
    )
    return {"schema": 1, **encode(made)}


def _commands(command: click.Command, path: tuple[str, ...]) -> Iterator[CommandContract]:
    name = " ".join(path)
    yield CommandContract(
        **vars(EFFECTS.get(name, _WIPES)),
        name=name,
        summary=command.get_short_help_str(limit=200),
        arguments=tuple(_parameter(each) for each in command.params if isinstance(each, click.Argument)),
        options=tuple(
            _parameter(each) for each in command.params if isinstance(each, click.Option) and not each.hidden
        ),
        examples=EXAMPLES.get(name or "safe-reinit", ()),
    )
    if isinstance(command, click.Group):
        for word, each in command.commands.items():
            yield from _commands(each, (*path, word))


def _parameter(param: click.Parameter) -> Parameter:
    metavar = param.metavar or ""
    choices = tuple(param.type.choices) if isinstance(param.type, click.Choice) else words_of(metavar)
    setting = BY_NAME.get(str(param.name)) if isinstance(param, click.Option) else None
    env = setting.variables[0] if setting and setting.variables else None
    return Parameter(
        name=max(param.opts, key=len) if isinstance(param, click.Option) else metavar or str(param.name).upper(),
        type=_kind(param, metavar, choices),
        choices=choices,
        metavar=metavar,
        required=param.required,
        repeated=bool(param.multiple) or param.nargs == -1,
        env="SAFE_REINIT_CONFIG" if param.name == "config" else env,
        config=setting.name if setting else None,
        default=default_of(setting) if setting else None,
        help=getattr(param, "help", None) or "",
    )


def _kind(param: click.Parameter, metavar: str, choices: tuple[str, ...]) -> Kind:
    if isinstance(param, click.Option) and param.is_flag:
        return "switch"
    if choices:
        return "word"
    kinds: dict[str, Kind] = {
        "N": "number",
        "DURATION": "duration",
        "AGE": "duration",
        "FILE": "file",
        "FILE|-": "file",
    }
    return kinds.get(metavar, "text")


def _endings() -> Iterator[Ending]:
    yield Ending("done", 0, "reinitialised", "every disk is verified and the power state is as planned")
    yield Ending("planned", 0, "untouched", "a dry run found nothing that stops the run")
    for outcome, cls in BY_OUTCOME.items():
        yield Ending(outcome, cls.exit_code, cls.data, cls.meaning)
