"""The layout of the help: commands and options are grouped by what people do with them, with examples at the end."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

import click

from ..config import BY_NAME, FILE_ONLY
from ..errors import TRY_IT, UsageError
from .examples import EXAMPLES
from .options import made
from .output import print_stderr

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

COMMANDS: Mapping[str, tuple[str, ...]] = {
    "Plan and run": ("plan", "apply", "rehearse"),
    "Prepare": ("policy", "checks", "explain", "config", "verify-cloud"),
    "After a run": ("runs", "show", "audit", "resume", "undo"),
    "Stop": ("cancel", "hold", "unhold"),
    "Serve": ("simulator", "worker"),
    "Shells, scripts": ("help", "version", "completion", "schema"),
}
"""The commands by what people do; one that an installation does not have is not shown."""

OPTIONS: Mapping[str, tuple[str, ...]] = {
    "Targets": ("disk", "disks_from", "instance", "tag", "system_disk", "data_disks"),
    "Consent": ("dry_run", "save", "verdict", "check", "confirm", "accept", "stop_instance", "once"),
    "Logging in after a system disk is wiped": ("password_stdin", "password_prompt"),
    "Waiting": (),
    "Many machines": (),
    "Where": ("config",),
    "Temporal": (),
    "Simulation": (),
    "Output": ("prune", "limit", "every", "needs_me", "grace", "version", "brief", "help"),
}
"""The headings, and under each the options that are not settings; the row of a setting names its heading."""

BRIEF = (
    "disk", "instance", "tag", "stop_instance", "snapshot", "dry_run", "confirm", "region",
    "simulate",
)  # fmt: skip
"""The options that ``-h`` shows for a command that has many."""
_ALL_UP_TO = 12
"""Up to this many options, ``-h`` shows all."""
_FIRST_CLAUSE = r" \(|;|, and|: |\.(?:\s|$)"
"""The text that ends the part of an option's help that ``-h`` shows."""
MAX_WIDTH = 100
"""Maximum columns of the help."""
_HEADINGS_FROM = 4
"""Up to this many options need no headings."""
_OTHER_OPTIONS = "Options"
"""The heading for options that have none of their own."""

_NO_COMMAND = f"{__name__}.no_command"
"""Where the context keeps a word that is not a command, during completion."""


class SectionedCommand(click.Command):
    """A command whose help has its options in sections, and examples.

    Its options are made on demand: of hundreds, a command line needs only those of one command, and to make all of them
    takes a tenth of ``--help``.
    """

    _made = False

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return its arguments and options, and those for help."""
        params = super().get_params(ctx)
        return [*params, _brief_option()] if self.add_help_option else params

    @property
    def params(self) -> list[click.Parameter]:
        """Its arguments and options, in their order."""
        if not self._made:
            self._made = True
            self._params += made(self.callback)
        return self._params

    @params.setter
    def params(self, params: list[click.Parameter]) -> None:
        self._params = params

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, each under its heading."""
        _write_options(self.get_params(ctx), ctx, formatter)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, then the epilog."""
        _write_examples(ctx, formatter)
        super().format_epilog(ctx, formatter)


class SectionedGroup(SectionedCommand, click.Group):
    """Commands in sections; an option before a sub-command is refused, never ignored."""

    command_class = SectionedCommand

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, then the options, each under its heading."""
        _write_commands(self, ctx, formatter)
        super().format_options(ctx, formatter)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a sub-command, unless an option comes before it."""
        if not ctx.resilient_parsing and (given := given_options(ctx)):
            raise click.UsageError(f"{given[0]} is before the command {args[0]}. Options must follow the command.")
        name, command, rest = super().resolve_command(ctx, args)
        if command is None:  # while a shell completes
            ctx.meta[_NO_COMMAND] = args[0]
        return name, command, rest

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        """Offer the commands, unless an option or another word comes before, and the options."""
        if _NO_COMMAND in ctx.meta or given_options(ctx):
            return click.Command.shell_complete(self, ctx, incomplete)
        return super().shell_complete(ctx, incomplete)


SectionedGroup.group_class = SectionedGroup


@cache
def _brief_option() -> click.Option:
    """Return the option ``-h``, which is made once for all commands."""
    text = "Show a short help that fits on one screen."
    return click.Option(["-h", "brief"], is_flag=True, is_eager=True, expose_value=False, help=text, callback=_brief)


def _brief(ctx: click.Context, _param: click.Parameter, requested: bool) -> None:
    """Print the help of a command on one screen, and exit."""
    if not requested or ctx.resilient_parsing:
        return
    formatter = ctx.make_formatter()
    ctx.command.format_usage(ctx, formatter)
    formatter.write_paragraph()
    formatter.write_text((ctx.command.help or "").partition("\n\n")[0])
    if isinstance(ctx.command, click.Group) and ctx.parent is None:
        there = ctx.command.commands
        rows = [(title, ", ".join(name for name in names if name in there)) for title, names in COMMANDS.items()]
        _section("Commands", rows, formatter, width=0)
    elif isinstance(ctx.command, click.Group):
        _write_commands(ctx.command, ctx, formatter)
    records = _records(ctx.command.get_params(ctx), ctx)
    all_fit = len(records) <= _ALL_UP_TO
    listed = records if all_fit else {name: records[name] for name in BRIEF if name in records}
    rows = [(first, re.split(_FIRST_CLAUSE, text)[0]) for first, text in listed.values()]
    _section("Options", rows, formatter, width=0)
    formatter.write_paragraph()
    more = "explains these options" if all_fit else f"shows all {len(records)} options"
    formatter.write_text(
        f"{_path(ctx)} --help {more}, with examples."
        if ctx.parent is not None
        else f"All {len(records)} options: {_path(ctx)} --help. Of a command: {_path(ctx)} help COMMAND."
    )
    click.echo(formatter.getvalue().rstrip("\n"))
    ctx.exit()


def _records(params: Sequence[click.Parameter], ctx: click.Context) -> dict[str, tuple[str, str]]:
    """Return what the help says about each option, by its name."""
    named = {str(each.name).removeprefix("_click_default_"): each for each in params if isinstance(each, click.Option)}
    return {name: record for name, param in named.items() if (record := param.get_help_record(ctx)) is not None}


def width(environment: Mapping[str, str]) -> int:
    """Return the width of the help: as in click, but without ``shutil``, whose import takes a twentieth of the time."""
    columns = environment.get("COLUMNS", "")
    if not (columns.isdecimal() and int(columns)):
        try:
            columns = str(os.get_terminal_size(sys.__stdout__.fileno()).columns)  # type: ignore[union-attr]
        except (AttributeError, ValueError, OSError):
            columns = "80"
    return max(min(int(columns), MAX_WIDTH) - 2, 50)


def given_options(ctx: click.Context) -> list[str]:
    """List the options on the command line that belong to this command alone."""
    return [
        f"--{name.replace('_', '-')}"
        for name in ctx.params
        if ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    ]


def short() -> str:
    """Return what this program is, the two commands to begin with, and where to find the rest."""
    return f"""\
safe-reinit wipes an Alibaba Cloud ECS disk back to its initial state, safely.

  Try it without a cloud or an account:
    {TRY_IT}
  Check one of your disks without changing anything:
    safe-reinit plan --region cn-hangzhou --disk d-...
  Everything else:
    safe-reinit --help
"""


def misuse(wrong: click.ClickException) -> UsageError:
    """Return what is wrong with a command line, and where to find the right one."""
    ctx = getattr(wrong, "ctx", None)
    see = f"See {_path(ctx)} --help." if ctx is not None else "See safe-reinit --help."
    if isinstance(wrong, click.exceptions.NoArgsIsHelpError):
        print_stderr(wrong.ctx.get_help())
        return UsageError(f"{_path(wrong.ctx)} needs one of its commands.", hint="")
    if isinstance(wrong, click.NoSuchOption) and wrong.option_name in _NO_CONSENT:
        return UsageError(
            f"There is deliberately no {wrong.option_name}: a bare yes never wipes anything.",
            hint="Read the plan with --dry-run. It says what to give to --confirm.",
        )
    if isinstance(wrong, click.NoSuchOption) and wrong.option_name == "--dry-run" and ctx is not None:
        return UsageError(f"{_path(ctx)} has no --dry-run.", hint=f"{_without_dry_run(_path(ctx))} {see}")
    row = BY_NAME.get(wrong.option_name[2:].replace("-", "_")) if isinstance(wrong, click.NoSuchOption) else None
    if row is not None and row.group is FILE_ONLY:
        return UsageError(
            f"{row.option} is not an option: {row.name} is a setting of the configuration file.",
            hint=f"Set {row.name} there. See safe-reinit config example.",
        )
    if isinstance(wrong, click.NoSuchOption) and ctx is not None and (others := _that_have(wrong.option_name, ctx)):
        more = f" and {len(others) - _MAX_NAMED} more" if len(others) > _MAX_NAMED else ""
        named = ", ".join(others[:_MAX_NAMED])
        return UsageError(
            f"The command {_path(ctx).partition(' ')[2] or _path(ctx)} does not take {wrong.option_name}, which is an "
            f"option of {named}{more}.",
            hint=f"Leave it out. {see}",
        )
    message = wrong.format_message() if (near := _nearest(wrong)) is None else f"{wrong.message} Did you mean {near}?"
    message = re.sub(_MISPLACED, r"\1...", message)
    if (word := re.fullmatch(r"No such command '(d-[a-z0-9-]+)'\.", message)) is not None:
        return UsageError(f"{word[1]} is not a command. Name a disk with an option.", hint=f"Use --disk {word[1]}.")
    extra = re.fullmatch(r"Got unexpected extra argument \((\S+)\)", message)
    if extra is not None and ctx is not None and ctx.command_path.endswith((" config check", " config show")):
        return UsageError(f"{message}.", hint=f"Name the file with --config {extra[1]}.")
    listed = _LISTED.get(str(wrong.param.name), "") if isinstance(wrong, click.MissingParameter) and wrong.param else ""
    return UsageError(message if message.endswith((".", "?")) else f"{message}.", hint=f"{listed}{see}")


def _that_have(option: str, ctx: click.Context) -> list[str]:
    """Return the commands that have an option."""
    root = ctx.find_root().command
    commands = {"a run": root, **(root.commands if isinstance(root, click.Group) else {})}
    return [name for name, command in commands.items() if any(option in each.opts for each in command.params)]


def _nearest(wrong: click.ClickException) -> str | None:
    """Return the option or command that is most similar to a wrong one; ``None`` if none is similar."""
    near = getattr(wrong, "possibilities", None)  # the most similar first
    return str(near[0]) if near else None


def _without_dry_run(path: str) -> str:
    """Return how to see what a command without a dry run would do."""
    from .contract import EFFECTS  # noqa: PLC0415 - only where it was asked for

    effect = EFFECTS[path.removeprefix("safe-reinit").strip()]
    return f"Instead: {effect.dry_run}." if effect.changes else "Leave it out: this command changes nothing."


_MAX_NAMED = 3
"""Commands that a sentence names."""
_MISPLACED = r"(?i)(postgres\w*:/*|\w+:/+(?=\S*@)|password\s*=\s*)(?:\S*(?=[')])|\S*)"
"""An address in the wrong place, which may contain a password; compiled on demand."""
_NO_CONSENT = ("--yes", "-y", "--force", "-f", "--assume-yes", "--auto-approve", "--no-confirm")
"""What other tools have, but not this one."""
_LISTED = {"run_id": "safe-reinit runs lists them. ", "file": "plan --save creates one. "}
"""Where to find the values of an argument."""


def _path(ctx: click.Context) -> str:
    return " ".join(["safe-reinit", *ctx.command_path.split()[_words_of_program(ctx) :]])


def _write_commands(group: click.Group, ctx: click.Context, formatter: click.HelpFormatter) -> None:
    commands = {name: group.commands[name] for name in group.list_commands(ctx)}
    grouped = [name for names in COMMANDS.values() for name in names]
    rest = [name for name in commands if name not in grouped]
    titles = COMMANDS if ctx.parent is None else {}
    for title, names in {**titles, "Commands": rest if titles else list(commands)}.items():
        rows = [(name, commands[name].get_short_help_str(limit=200)) for name in names if name in commands]
        _section(title, rows, formatter, width=max(map(len, commands)))


def _write_options(params: Sequence[click.Parameter], ctx: click.Context, formatter: click.HelpFormatter) -> None:
    records = _records(params, ctx)
    headings = len(records) > _HEADINGS_FROM
    for title in (*OPTIONS, _OTHER_OPTIONS):
        rows = [record for name, record in records.items() if title == (section(name) if headings else _OTHER_OPTIONS)]
        _section(title, rows, formatter, width=0)


def section(name: str) -> str:
    """Return the heading of an option."""
    if (setting := BY_NAME.get(name)) is not None and setting.group is not FILE_ONLY:
        return setting.group
    return next((title for title, names in OPTIONS.items() if name in names), _OTHER_OPTIONS)


def _section(title: str, rows: Sequence[tuple[str, str]], formatter: click.HelpFormatter, width: int) -> None:
    """Write one section, if it is not empty; its first column has at least this width, so that all sections align."""
    if rows:
        with formatter.section(title):
            formatter.write_dl([(first.ljust(width), text) for first, text in rows])


def _write_examples(ctx: click.Context, formatter: click.HelpFormatter) -> None:
    name = " ".join(ctx.command_path.split()[_words_of_program(ctx) :]) or "safe-reinit"
    if lines := EXAMPLES.get(name):
        with formatter.section("Examples"):
            for line in lines:
                formatter.write(f"{' ' * formatter.current_indent}{line}\n")


def _words_of_program(ctx: click.Context) -> int:
    return len(str(ctx.find_root().info_name).split())
