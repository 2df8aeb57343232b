"""The pages of docs/reference/, made from the code: commands, settings, exit codes, documents, library."""

from __future__ import annotations

import dataclasses
import html
import inspect
import itertools
import json
import re
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import click

from safe_reinit.config import Settings

_NUMBER = "N"
_MADE = "*`docs/generate.py` makes this page from the code.*"


def _page(lines: Iterable[str]) -> str:
    """Write a page, with the line at its end that says where it comes from."""
    return "\n".join([*lines, "", _MADE]) + "\n"


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", r"\|").strip()


def _code(text: str) -> str:
    """Write code that may stand in a cell of a table, whoever reads the Markdown."""
    return f"<code>{html.escape(text)}</code>".replace("|", "&#124;") if "|" in text else f"`{text}`"


# --------------------------------------------------------------------------------------------------------- commands


def commands() -> str:
    """Write docs/reference/commands.md."""
    from safe_reinit.cli.app import app

    listed = dict(_all(app, "safe-reinit"))
    usual: dict[str, click.Option] = {}
    for command in listed.values():
        for option in _options(command):
            usual.setdefault(option.opts[0], option)
    lines = [
        "# Commands and options",
        "",
        "`safe-reinit COMMAND --help` prints the same. Write options after the command. A duration is written as `90s`, `10m` or",
        "`2h`. If an option has a setting, its value comes from the option, the environment, the configuration file or the",
        "default, in that order ([Configuration](configuration.md)).",
        "",
        "## Commands",
        "",
        "| command | |",
        "|---|---|",
        *(f"| [`{name}`](#{_anchor(name)}) | {_cell(_first(command))} |" for name, command in listed.items()),
    ]
    for name, command in listed.items():
        lines += ["", f"### {name}", "", *_command(name, command, usual)]
    lines += ["", "## Options", "", "| option | what for | setting | of |", "|---|---|---|---|"]
    lines += [_option(option, listed) for _, option in sorted(usual.items())]
    return _page([*lines, "", *_simulator()])


def _all(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    """Walk the commands: those that only gather others have no section of their own."""
    if not isinstance(command, click.Group) or command.invoke_without_command:
        yield name, command
    for inner in sorted(command.commands) if isinstance(command, click.Group) else ():
        yield from _all(command.commands[inner], f"{name} {inner}")  # type: ignore[union-attr]


def _options(command: click.Command) -> list[click.Option]:
    return [
        each for each in command.params if isinstance(each, click.Option) and not each.hidden and each.name != "version"
    ]


def _anchor(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _first(command: click.Command) -> str:
    return inspect.cleandoc(command.help or "").partition("\n\n")[0]


def _command(name: str, command: click.Command, usual: Mapping[str, click.Option]) -> list[str]:
    arguments = [
        each.make_metavar(click.Context(command)) for each in command.params if isinstance(each, click.Argument)
    ]
    text = [re.sub(r"\s+", " ", part) for part in inspect.cleandoc(command.help or "").split("\n\n")]
    lines = [f"`{' '.join([name, *arguments, '[options]'])}`", "", *[line for part in text for line in (part, "")]]
    own = [each for each in _options(command) if each.help != usual[each.opts[0]].help]
    if own:
        lines += [
            "| option | here |",
            "|---|---|",
            *(f"| {_signature(each)} | {_cell(each.help or '')} |" for each in own),
            "",
        ]
    shared = [each.opts[0] for each in _options(command) if each not in own]
    if shared:
        lines += [f"Options: {_shared(name, shared)}.", ""]
    return lines[:-1]


def _shared(name: str, having: Sequence[str]) -> str:
    """Name the options that a command takes: those of a run but for some, where that is shorter."""
    from safe_reinit.cli.app import app

    def links(options: Iterable[str]) -> str:
        return ", ".join(f"[`{each}`](#{_target(each)})" for each in options)

    of_run = [each.opts[0] for each in _options(app)]
    more, less = [each for each in having if each not in of_run], [each for each in of_run if each not in having]
    if name == "safe-reinit" or len(more) + len(less) >= len(having):
        return links(having)
    but = f" but for {links(less)}" if less else ""
    return f"{links(more)}{' and ' if more else ''}those of [`safe-reinit`](#safe-reinit){but}"


def _target(option: str) -> str:
    return f"option{option.replace('--', '-')}"


def _signature(option: click.Option) -> str:
    value = "" if option.is_flag else f" {option.make_metavar(click.Context(click.Command('')))}"
    return f'<span class="option">{_code(option.opts[0] + value)}</span>'


def _option(option: click.Option, listed: Mapping[str, click.Command]) -> str:
    from safe_reinit.config import BY_NAME

    name = option.opts[0]
    setting = BY_NAME.get(name.removeprefix("--").replace("-", "_"))
    where = f"[`{setting.name}`](configuration.md#{setting.name})" if setting else ""
    asked = {each: command for each, command in listed.items() if " config " not in each}  # those take all, for show
    having = [each for each, command in asked.items() if name in {one.opts[0] for one in _options(command)}]
    of = ", ".join("a run" if each == "safe-reinit" else each.partition(" ")[2] for each in having)
    anchor = f'<span id="{_target(name)}"></span>'
    return f"| {anchor}{_signature(option)} | {_cell(option.help or '')} | {where} | {of} |"


def _simulator() -> list[str]:
    from safe_reinit.simulator.__main__ import _parser

    rows = [
        f"| {_code(f'{action.option_strings[-1]} {action.metavar or _NUMBER}')} | {_cell((action.help or '') % {'default': action.default})} |"
        for action in _parser()._actions
        if "--help" not in action.option_strings
    ]
    head = ["## Options of safe-reinit simulator", "", "[The simulator](../simulator.md) describes what it does.", ""]
    return [*head, "| option | what for |", "|---|---|", *rows]


# --------------------------------------------------------------------------------------------------------- settings


def configuration() -> str:
    """Write docs/reference/configuration.md."""
    from safe_reinit.cli.example import default, note_lines, sample
    from safe_reinit.cli.options import sentence
    from safe_reinit.config import LIMITS, SETTINGS

    lines = [
        "# Configuration",
        "",
        "A value comes from the option, the environment, the file or the default, in that order. `safe-reinit config show` says",
        "where each value comes from, `safe-reinit config check` reports all mistakes at once, and `safe-reinit config example`",
        "prints a file with every setting.",
        "",
        "The tool reads the file in `--config` or `SAFE_REINIT_CONFIG`. Otherwise it reads",
        "`$XDG_CONFIG_HOME/safe-reinit/config.yaml` (usually `~/.config/safe-reinit/config.yaml`) or, if that does not exist,",
        "`/etc/safe-reinit/config.yaml`. It never reads a file from the current folder, and refuses a file that other users can write or replace ([safety](../safety.md)). Targets,",
        "consent and accepted risks cannot be set in the file, except in a class.",
        "",
        f"These settings limit how much a run may do: {', '.join(f'`{name}`' for name in LIMITS)}. Options",
        "and environment variables can only lower the value in the file (an earlier `deadline` is lower), unless the file lists the",
        "setting in `may_be_raised`. `safe-reinit config show` says which value counts and which values it overrides. The timeouts (`timeout_...`) are not",
        "limits of this kind.",
        "",
        "Some values mean something else in YAML than they seem to: `010` is 8, `1:30` is 90, and the name `yes:` is not text. Such",
        "numbers (also `1_000`, `0x10`, `1e3`) and names are refused, and the message names the line: put them in quotes.",
        "`config check` warns if a pattern looks like a name but does not match that name: `ops[eu]` does not match `ops[eu]`,",
        "because `[eu]` stands for one of two letters. A file is refused if it is larger than 256 KiB, or if its YAML aliases expand",
        "without limit.",
        "",
        "## Settings",
    ]
    for setting in SETTINGS:
        lines += ["", f"### {setting.name}", "", sentence(setting.help), ""]
        lines += [f"{note}  " for note in note_lines(setting)]
        lines += [""] if setting.notes else []
        lines += [f"- default: {default(setting)}", *_places(setting)]
        lines += ["", "<!-- test: as=config -->", "```yaml", sample(setting), "```"]
    return _page(lines)


def _places(setting: Any) -> list[str]:
    from safe_reinit.cli.app import app

    known = {option for command in (app, *app.commands.values()) for each in command.params for option in each.opts}
    rows = []
    if setting.option in known:
        rows.append(f"- option: [`{setting.option}`](commands.md#{_target(setting.option)})")
    if setting.variables:
        rows.append(f"- environment: {', '.join(f'`{name}`' for name in setting.variables)}")
    return rows


_ACCEPTS = {
    "allow": "dict[str, Any]",
    "classes": "dict[str, Any]",
    "count": "int",
    "deadline": "str | datetime | timedelta",
    "duration": "str | timedelta",
    "endpoints": "dict[str, str]",
    "flag": "bool",
    "_limits": "Sequence[str]",
    "products": "Sequence[str]",
    "protect": "dict[str, Any]",
    "share": "float",
    "waves": "Sequence[int | str]",
    "whole": "int",
}
"""What a program gives a setting, by the name of its reader; a text where none is named."""
_ARGUMENTS = (Settings.region, Settings.profile, Settings.endpoint, Settings.journal)
"""What ``connect`` names itself."""
_RULES = (
    Settings.allow, Settings.protect, Settings.classes, Settings.may_be_raised, Settings.hold, Settings.require_answers,
)  # fmt: skip
"""What holds for all runs: no argument takes the place of what a file says of it."""
_FOR_COMMANDS = (
    Settings.password_env, Settings.temporal_deployment, Settings.worker_metrics, Settings.worker_health,
    Settings.scheduled_runs,
)  # fmt: skip


def arguments() -> str:
    """Write safe_reinit/config/arguments.py: the settings that a program gives, typed."""
    from safe_reinit.config import SETTINGS

    rows = [each for each in SETTINGS if each.group not in ("Output", "Simulation") and each not in _FOR_COMMANDS]
    lines = [
        '"""The settings as a program gives them, typed: ``docs/generate.py`` makes this file from the table."""',
        "",
        "from __future__ import annotations",
        "",
        "from collections.abc import Sequence",
        "from datetime import datetime, timedelta",
        "from os import PathLike",
        "from typing import Any, Literal, TypedDict",
        "",
        "",
        "class ConfigArguments(TypedDict, total=False):",
        '    """Settings as arguments of ``connect``, by their names; the page about the configuration says what they are."""',
        "",
        *(f"    {each.name}: {_accepted(each)}" for each in rows if each not in (*_ARGUMENTS, *_RULES)),
        "",
        "",
        "class Config(ConfigArguments, total=False):",
        '    """What a configuration file would say, as a dict for ``connect(config=...)``."""',
        "",
        *(f"    {each.name}: {_accepted(each)}" for each in (*_ARGUMENTS, *_RULES)),
    ]
    return "\n".join(lines) + "\n"


def _accepted(setting: Any) -> str:
    words = getattr(setting.read, "words", None)
    if words:
        return f"Literal[{', '.join(json.dumps(word) for word in words)}] | None"
    accepts = "str | PathLike[str]" if setting is Settings.journal else "str"
    return f"{_ACCEPTS.get(getattr(setting.read, '__name__', ''), accepts)} | None"


_TABLES = {"Instance": "add_instance", "Disk": "add_disk", "Snapshot": "add_snapshot", "Image": "add_image"}
"""The kinds of things of a world, and what adds them in a test."""
_MEMBERS = {"When": "str | datetime", "Ids": "str | Sequence[str]", "Seconds": "float", "dict": "Mapping"}
"""What a program gives a member of a world, by the simulator's name for it."""


def members() -> str:
    """Write safe_reinit/testing/members.py: the members of the things of a world, typed."""
    from safe_reinit.simulator import specs

    lines = [
        '"""The members of instances and the like, typed: ``docs/generate.py`` makes this file from the simulator."""',
        "",
        "from __future__ import annotations",
        "",
        "from collections.abc import Mapping, Sequence",
        "from datetime import datetime",
        "from typing import Literal, Required, TypedDict",
    ]
    for kind, adds in _TABLES.items():
        spec = getattr(specs, f"{kind}Spec")
        lines += [
            "",
            "",
            f"class {kind}Members(TypedDict, total=False):",
            f'    """The arguments of ``EcsWorld.{adds}``; ``docs/world.schema.json`` says what each means."""',
            "",
        ]
        kinds = inspect.get_annotations(spec)
        for name, each in spec.model_fields.items():
            line = f"    {name}: {_member(kinds[name], needed=each.is_required())}"
            if len(line) > 120:  # as ruff breaks it
                head, words = line[:-1].split("[", 1)
                line = f"{head}[\n        {words}\n    ]"
            lines.append(line)
    return "\n".join(lines) + "\n"


def _member(kind: str, *, needed: bool) -> str:
    from safe_reinit.simulator import reading

    kind = re.sub(r"Annotated\[(.*), \w+\(.*\)\]$", r"\1", kind).replace("'", '"')
    kind = kind.replace("tuple[EventSpec, ...]", "Sequence[Mapping[str, object]]")
    for name in ("Mode", "Stock", "Lifecycle"):
        words = ", ".join(f'"{word}"' for word in typing.get_args(getattr(reading, name)))
        kind = re.sub(rf"\b{name}\b", f"Literal[{words}]", kind)
    for name, given in _MEMBERS.items():
        kind = re.sub(rf"\b{name}\b", given, kind)
    return f"Required[{kind}]" if needed else kind


# ------------------------------------------------------------------------------------------------------- exit codes


def exit_codes() -> str:
    """Write docs/reference/exit-codes.md."""
    from safe_reinit.errors import BY_OUTCOME

    classes = sorted(BY_OUTCOME.values(), key=lambda cls: cls.exit_code)
    lines = [
        "# Exit codes",
        "",
        "[When a run did not end well](../howto/runbook.md) says what to do for each code. Other codes are reserved.",
        "",
        "| code | outcome | data | meaning | in Python |",
        "|---|---|---|---|---|",
        "| 0 | done / planned | reinitialised / untouched | every disk is verified and the power state is as planned / a dry run found nothing that stops the run | |",
        *(
            f"| {cls.exit_code} | {cls.outcome} | {cls.data} | {cls.meaning} | [`{cls.__name__}`](library.md#{cls.__name__.lower()}) |"
            for cls in classes
        ),
        "",
        "- With **2** or **3**, the command sent no call that changes anything; with **2**, it usually sent no request at all. With",
        "  **4** or higher, it (or, with `--once`, the earlier run) tried a changing call, even if ECS refused the call.",
        "- **`--once`** also ends with 5 if the run with this key is still open. `safe-reinit runs` shows that run.",
        "- **verify-cloud** also ends with 1 if ECS contradicts an assumption, or if one could not be measured.",
        "- **Several disks**: if one is unknown, the code is 5. If all have the same outcome, it is the code of that outcome.",
        "  Otherwise it is 7.",
        "- **SIGTERM, SIGHUP or SIGQUIT**: 3 if nothing had been changed, otherwise the code for the state that had been reached.",
        "- **Ctrl-C**: the process ends by SIGINT (a shell shows 130). The screen, the report and the journal have the code.",
        "- **Output that cannot be written** does not change the exit code once a run has begun.",
        '- **Undo**: in this table, read "wiped" and "reinitialised" as "rolled back".',
    ]
    return _page(lines)


# -------------------------------------------------------------------------------------------------------- documents

_KINDS = {
    "string": "text",
    "integer": "number",
    "number": "number",
    "boolean": "true or false",
    "null": "null",
    "object": "object",
}


def document(title: str, intro: list[str], schema: Mapping[str, Any], file: str) -> str:
    """Write the page of a JSON document from its schema."""
    lines = [f"# {title}", "", *intro, f"The JSON Schema is [{file}](../{file}).", ""]
    lines += _members(schema["title"], schema)
    for name, part in schema.get("$defs", {}).items():
        lines += ["", f"## {name}", "", *([_cell(_marked(part["description"])), ""] if "description" in part else [])]
        if "properties" in part:
            lines += _members(name, part)
        elif "enum" in part:
            lines += [f"One of {', '.join(f'`{each}`' for each in part['enum'])}."]
    return _page(lines)


def events(schema: Mapping[str, Any]) -> str:
    """Write docs/reference/events.md: the members of every event, and what each kind has in its data."""
    from safe_reinit.model import EVENTS

    kinds = [(name, kind.__name__, schema["$defs"][kind.__name__]) for name, kind in EVENTS.items()]
    usual = {**kinds[0][2]["properties"], "event": {"enum": list(EVENTS)}, "data": {"type": "object"}}
    lines = [
        "# Events",
        "",
        "Each line of `--events FILE` is an event. The library passes the events `intend`, `answer`, `wait`, `state` and `done` to",
        "`on_event`, as an object of the class that is named below. The JSON Schema is",
        "[event.schema.json](../event.schema.json).",
        "",
        *_members("_Event", {"properties": usual}),
    ]
    for name, kind, part in kinds:
        data = part["properties"]["data"]["$ref"].rpartition("/")[2]
        lines += [
            "",
            f"## {name}",
            "",
            f"{_marked(part['description'])} In Python: [`{kind}`](library.md#{kind.lower()}).",
        ]
        if data in ("Call", "Finding"):
            lines += ["", f"`data` has the members of [{data}](report.md#{data.lower()})."]
        else:
            lines += ["", "Members of `data`:", "", *_members(data, schema["$defs"][data])]
    return _page(lines)


def _members(name: str, part: Mapping[str, Any]) -> list[str]:
    """List the members of an object, with what the code says of them."""
    from safe_reinit import model

    home = model.events if name == "_Event" else model
    said = _said(getattr(home, name)) if hasattr(home, name) else {}
    rows = []
    for member, each in part["properties"].items():
        text = said.get(member, said.get(f"{member}_", "")).replace("``None``", "``null``")  # it is a page about JSON
        rows.append(f"| `{member}` | {_kind(each)} | {_cell(_marked(text))} |")
    return ["| member | value | |", "|---|---|---|", *rows]


def _kind(each: Mapping[str, Any]) -> str:
    """Say in words what a member may be."""
    if "const" in each:
        return f"`{each['const']}`"
    if "$ref" in each:
        name = each["$ref"].rpartition("/")[2]
        return f"[{name}](#{_anchor(name)})"
    if "enum" in each:
        return ", ".join(f"`{one}`" for one in each["enum"])
    if "anyOf" in each:
        return " or ".join(_kind(one) for one in each["anyOf"])
    if each.get("type") == "array":
        return f"list of {_kind(each['items'])}" if each.get("items") else "list"
    if each.get("format") == "date-time":
        return "time (RFC 3339, UTC)"
    return _KINDS.get(each.get("type", ""), "anything")


# ---------------------------------------------------------------------------------------------------------- library


def library() -> str:
    """Write docs/reference/library.md: every public name, with its docstring."""
    import safe_reinit

    lines = [
        "# The library",
        "",
        "These are the public names of `safe_reinit`. Any other name may change without notice. The library is typed, and can be",
        "used from several threads. [Wipe from Python](../howto/python.md) has examples.",
        "",
        "| name | |",
        "|---|---|",
    ]
    return _page([*lines, *_names(safe_reinit)])


def testing() -> str:
    """Write docs/reference/testing.md: every public name for tests, with its docstring."""
    from safe_reinit import testing

    lines = [
        "# The library for tests",
        "",
        "These are the public names of `safe_reinit.testing`. [Test your program](../howto/testing.md) has examples. With pytest,",
        "three of them are fixtures:",
        "",
        "| fixture | is | |",
        "|---|---|---|",
        *_fixtures(),
        "",
        "| name | |",
        "|---|---|",
    ]
    return _page([*lines, *_names(testing)])


def _fixtures() -> Iterator[str]:
    """Yield a row for each fixture of the plugin for pytest."""
    from safe_reinit.testing import plugin

    kinds = {"ecs_world": "EcsWorld", "simulated_ecs": "SimulatedEcs", "virtual_clock": "VirtualClock"}
    for name, kind in kinds.items():
        yield f"| `{name}` | [`{kind}`](#{kind.lower()}) | {_cell(_marked(inspect.getdoc(getattr(plugin, name)) or ''))} |"


def _names(module: Any) -> Iterator[str]:
    """Yield the rows of the public names of a module, and then a section for each."""
    named = {name: getattr(module, name) for name in module.__all__}
    order = sorted(named, key=lambda name: (_rank(named[name]), name))
    yield from (f"| [`{name}`](#{name.lower()}) | {_cell(_summary(name, named[name]))} |" for name in order)
    for name in order:
        title = f"`{name}`" if name.startswith("_") else name  # without backticks Markdown would make it bold
        yield from ("", f"## {title}", "", *_documented(name, named[name]))


def _rank(thing: Any) -> int:
    if inspect.isfunction(thing):
        return 0
    if not inspect.isclass(thing):
        return 4
    return 3 if issubclass(thing, Exception) else 1 + dataclasses.is_dataclass(thing)


def _summary(name: str, thing: Any) -> str:
    if not (inspect.isclass(thing) or inspect.isfunction(thing)):
        return _marked(_value(name, thing))
    return _marked(inspect.getdoc(thing).partition("\n")[0])  # type: ignore[union-attr]


def _value(name: str, thing: Any) -> str:
    """Describe a public name that is neither a class nor a function: the version, or a type by another name."""
    if isinstance(thing, str):
        return "The version of the package, a text."
    if name == "Event":
        return f"Any of {', '.join(f'``{kind.__name__}``' for kind in typing.get_args(thing))}."
    if typing.get_origin(thing) is typing.Literal:
        return f"One of {', '.join(f'``{word}``' for word in typing.get_args(thing))}."
    return _CALLABLES[name]


_CALLABLES = {
    "AccessKey": "A tuple of an AccessKey id, its secret and, of a temporary key of STS, its token.",
    "MaySend": 'A function that takes the name of an action and returns ``""``, or why it must not be sent (any more).',
    "OnCall": "A function that takes a ``Call`` and returns nothing.",
}


def _documented(name: str, thing: Any) -> Iterator[str]:
    if not (inspect.isclass(thing) or inspect.isfunction(thing)):
        yield from _prose(_value(name, thing))
        return
    if inspect.isfunction(thing):
        yield from _function(name, thing)
        return
    yield from _prose(inspect.getdoc(thing) or "")
    if issubclass(thing, Exception):
        if hasattr(thing, "exit_code"):
            yield f"Exit code {thing.exit_code}, outcome `{thing.outcome}`, data: {thing.data}."
        if thing.__mro__[1] is Exception:
            yield from ("", "| attribute | |", "|---|---|", *_attributes(thing))
    elif dataclasses.is_dataclass(thing):
        yield from ("| attribute | type | |", "|---|---|---|", *_fields(thing))
    elif typing.is_typeddict(thing):
        yield from _keys(thing)
    for member in _methods(thing):
        yield from ("", f"### {name}.{member}", "")
        found = inspect.getattr_static(thing, member)
        if isinstance(found, property):
            yield from _prose(inspect.getdoc(found) or "")
        else:
            yield from _function(member, getattr(found, "__func__", found))


def _methods(thing: type) -> list[str]:
    """List the public methods and properties of a class, its own before those that it has from others of ours."""
    if issubclass(thing, Exception):
        return []
    homes = [each for each in thing.__mro__ if each.__module__.startswith("safe_reinit")]
    names = [name for home in homes for name, value in vars(home).items() if _is_public(name, value)]
    return list(dict.fromkeys(names))


def _is_public(name: str, value: Any) -> bool:
    return (name == "__call__" or not name.startswith("_")) and (
        inspect.isfunction(value) or isinstance(value, (classmethod, property))
    )


def _function(name: str, function: Any) -> Iterator[str]:
    signature = inspect.signature(function)
    shown, star = [], False
    for each in signature.parameters.values():
        if each.name in ("self", "cls"):
            continue
        if each.kind is each.KEYWORD_ONLY and not star:
            shown.append("*")
            star = True
        given = f"**{each.name}" if each.kind is each.VAR_KEYWORD else each.name
        shown.append(f"{given}={each.default!r}" if each.default is not each.empty else given)
    gives = f" -> {signature.return_annotation}" if signature.return_annotation not in (None, "None") else ""
    kinds = {each.name: str(each.annotation).removeprefix("model.") for each in signature.parameters.values()}
    yield from (f"`{name}({', '.join(shown)}){gives}`", "", *_prose(inspect.getdoc(function) or "", kinds))


def _prose(text: str, kinds: Mapping[str, str] | None = None) -> Iterator[str]:
    """Turn a docstring into Markdown: its sections become tables, with the types of arguments where those are given."""
    heading = re.compile(r"^(Args|Raises|Returns|Attributes):$", re.M)
    body, *sections = heading.split(text)
    for paragraph in body.strip().split("\n\n"):
        yield from (_marked(paragraph), "")
    for title, section in zip(sections[::2], sections[1::2], strict=True):
        if title == "Returns":
            yield from (f"**Returns** {_marked(' '.join(section.split()))}", "")
            continue
        entries = re.findall(r"^    (\w+): ((?:.*)(?:\n {5,}.*)*)", section, re.M)
        typed = bool(kinds) and title == "Args"
        yield from (f"| {_TITLES[title]} |{' type |' if typed else ''} |", f"|---|---|{'---|' if typed else ''}")
        for name, said in entries:
            kind = f" {_code((kinds or {})[name])} |" if typed else ""
            yield f"| `{name}` |{kind} {_cell(_marked(said))} |"
        yield ""


_TITLES = {"Args": "argument", "Raises": "raises", "Attributes": "attribute"}


def _marked(text: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"``(.+?)``", lambda code: _code(code[1]), text)).strip()


def _fields(thing: Any) -> Iterator[str]:
    homes = [each for each in reversed(thing.__mro__) if dataclasses.is_dataclass(each)]
    said = {name: text for home in homes for name, text in _said(home).items()}  # type: ignore[arg-type] # classes
    for each in dataclasses.fields(thing):
        kind = each.type if isinstance(each.type, str) else getattr(each.type, "__name__", str(each.type))
        yield f"| `{each.name}` | {_code(kind)} | {_cell(_marked(said.get(each.name, '')))} |"


def _keys(thing: Any) -> Iterator[str]:
    """List the members of a typed dict, unless another page says what they are."""
    if said := _said(thing):
        yield from ("| member | type | |", "|---|---|---|")
        for name, kind in thing.__annotations__.items():
            text = getattr(kind, "__forward_arg__", "") or kind.__name__
            yield f"| `{name}` | {_code(text)} | {_cell(_marked(said.get(name, '')))} |"


def _attributes(thing: type) -> Iterator[str]:
    said = _said(thing)
    for name in typing.get_type_hints(thing, vars(inspect.getmodule(thing)) | _lazy()):
        if not name.startswith("_"):
            yield f"| `{name}` | {_cell(_marked(said.get(name, '')))} |"


def _lazy() -> dict[str, Any]:
    """Give the names that the errors know only while they are type-checked."""
    from safe_reinit import model

    return {"Outcome": model.Outcome, "Report": model.Report}


def _said(thing: type) -> dict[str, str]:
    """Find the strings that stand under the attributes of a class."""
    import ast
    import textwrap

    body = typing.cast("ast.ClassDef", ast.parse(textwrap.dedent(inspect.getsource(thing))).body[0]).body
    return {
        before.target.id: after.value.value
        for before, after in itertools.pairwise(body)
        if isinstance(before, ast.AnnAssign) and isinstance(before.target, ast.Name)
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) and isinstance(after.value.value, str)
    }


def pages(report: Mapping[str, Any], event: Mapping[str, Any]) -> dict[str, str]:
    """Give the pages by their paths, from the schemas of the two documents and from the code."""
    of_report = [
        "`--output json` prints the report, and `--report FILE` writes it, for every exit code. The ending of the file's name",
        "decides the form: `.json`, `.md` (Markdown), `.html` or `.txt`. Any other ending is refused.",
        "",
        'In JSON, every member is always present. An unknown text is `""`. A time, a number or an object can be null if the',
        "table says so.",
    ]
    return {
        "docs/reference/commands.md": commands(),
        "docs/reference/configuration.md": configuration(),
        "docs/reference/exit-codes.md": exit_codes(),
        "docs/reference/report.md": document("The report", of_report, report, "report.schema.json"),
        "docs/reference/events.md": events(event),
        "docs/reference/library.md": library(),
        "docs/reference/testing.md": testing(),
        "safe_reinit/config/arguments.py": arguments(),
        "safe_reinit/testing/members.py": members(),
    }
