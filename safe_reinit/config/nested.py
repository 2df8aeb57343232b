"""The settings with members: allow, protect and classes, which say which targets are allowed, and scheduled_runs.

A reader returns a valid setting in the form of the file. ``target_rules`` turns it into values, which are imported only
then, so that a problem in a file is reported without them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from .problems import Reading
from .readers import count, duration, flag, one_of, text

if TYPE_CHECKING:
    from ..model.guard import Allow, Hours, Match, Protect, TargetClass, TargetRules

PROTECTED: Mapping[str, object] = {"tag": "safe-reinit:protect", "terms": ["prod", "production"]}
"""What is protected unless the file says otherwise, by member."""

_MATCH = ("accounts", "regions", "tags")
_ALLOW = (*_MATCH, "instances", "disks", "names")
_PROTECT = ("tag", "names", "terms", "instances", "disks", "tags")
_CLASS = (
    "match", "stop_instance", "accept", "snapshot", "max_disks", "force_stop_after", "on_unknown", "hours",
    "unattended",
)  # fmt: skip
# Patterns as texts: ``re`` compiles and caches each when it is needed, and --help needs none.
_HOURS = r"(?a)([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)(?: ([+-])(0\d|1[0-4]):([0-5]\d))?"
_ONE_LETTER = r"(?a)\[[^!]\]"
_CLASS_NAME = r"(?a)[A-Za-z][A-Za-z0-9_-]{0,63}"
_SOMETHING_ELSE = r"(?ai)d-.*|[0-9a-f]{8,}"
"""What ``--confirm`` accepts besides a class: the id of a disk, the beginning of a fingerprint or digest."""


def allow(value: object) -> Any:  # noqa: ANN401 - as the file has it
    """Read which targets are allowed at all."""
    reading = Reading()
    _allow(reading, value)
    reading.end()
    return value


def protect(value: object) -> Any:  # noqa: ANN401 - as the file has it
    """Read what must never be a target; a member that is not given keeps its default."""
    reading = Reading()
    _protect(reading, value)
    reading.end()
    return {**PROTECTED, **value} if isinstance(value, dict) else value


def classes(value: object) -> Any:  # noqa: ANN401 - as the file has it
    """Read the classes, in order."""
    reading = Reading()
    _classes(reading, value)
    reading.end()
    return value


def scheduled_runs(value: object) -> Any:  # noqa: ANN401 - as the file has it
    """Read the options of each run that a Schedule may begin; the command line says what they mean."""
    reading = Reading()
    members = reading.members("", value)
    for name in members:
        if not re.fullmatch(_CLASS_NAME, name):
            reading.add(f".{name}", "not a name of letters, digits, _ and -")
        reading.one("", members, name, _options, None)
    reading.end()
    return value


def warnings(made: TargetRules) -> list[str]:
    """Return what is valid in the target rules but probably a mistake: patterns that do not match themselves."""
    rules: list[tuple[str, Match | Allow | Protect, tuple[str, ...]]] = [
        ("allow", made.allow, _ALLOW),
        ("protect", made.protect, ("names", "instances", "disks", "tags")),
        *((f"classes.{each.name}.match", each.match, _MATCH) for each in made.classes),
    ]
    texts = []
    for path, rule, members in rules:
        for name in members:
            for at, each in enumerate(getattr(rule, name) or ()):
                key, pattern = (f".{each[0]}", each[1]) if name == "tags" else (f"[{at}]", each)
                bare = re.sub(_ONE_LETTER, "-", pattern)  # this is how to write that letter: as a class of one letter
                if not fnmatchcase(bare, bare):
                    texts.append(
                        f"At {path}.{name}{key}: the pattern {pattern} does not match the text {pattern} itself, "
                        f"because [...] stands for one character; to match that text, write {_literally(pattern)}"
                    )
    return texts


def _literally(pattern: str) -> str:
    return re.sub(r"([\[*?])", r"[\1]", pattern)


def target_rules(allow: object, protect: object, classes: object) -> TargetRules:
    """Return what these settings say about targets."""
    from ..model.guard import TargetRules  # noqa: PLC0415 - see the module

    reading = Reading()
    made = TargetRules(
        allow=_allow(reading, allow), protect=_protect(reading, protect), classes=_classes(reading, classes)
    )
    reading.end()
    return made


def _allow(reading: Reading, value: object) -> Allow:
    from ..model.guard import Allow  # noqa: PLC0415 - see the module

    members = reading.members("", value, _ALLOW)
    instances, disks, names = (reading.read_list("", members, name, text) for name in ("instances", "disks", "names"))
    return Allow(*_match_members(reading, "", members), instances, disks, names)


def _match(reading: Reading, path: str, value: object) -> Match:
    from ..model.guard import Match  # noqa: PLC0415 - see the module

    members = reading.members(path, value, _MATCH)
    if not any(members.get(name) for name in _MATCH):
        reading.add(path, "sets no condition; describe the class by accounts, regions or tags")
    return Match(*_match_members(reading, path, members))


def _match_members(reading: Reading, path: str, members: Mapping[str, object]) -> tuple[Any, Any, Any]:
    return (
        reading.read_list(path, members, "accounts", _account),
        reading.read_list(path, members, "regions", text),
        reading.pairs(path, members, "tags", _tag_value),
    )


def _protect(reading: Reading, value: object) -> Protect:
    from ..model.guard import Protect  # noqa: PLC0415 - see the module

    default = Protect()
    members = reading.members("", value, _PROTECT)
    terms = reading.read_list("", members, "terms", _term)
    return Protect(
        tag=reading.one("", members, "tag", _tag, default.tag),
        names=reading.read_list("", members, "names", text) or (),
        terms=default.terms if terms is None else terms,
        instances=reading.read_list("", members, "instances", text) or (),
        disks=reading.read_list("", members, "disks", text) or (),
        tags=reading.pairs("", members, "tags", _tag_value) or (),
    )


def _classes(reading: Reading, value: object) -> tuple[TargetClass, ...]:
    members = reading.members("", value)
    for name in members:
        if not re.fullmatch(_CLASS_NAME, name) or re.fullmatch(_SOMETHING_ELSE, name):
            reading.add(f".{name}", "not a name of letters, digits, _ and - (a disk id or a fingerprint is not a name)")
        elif [other.casefold() for other in members].count(name.casefold()) > 1:
            reading.add(f".{name}", "differs from another class only in case")
    return tuple(_class(reading, name, each) for name, each in members.items())


def _class(reading: Reading, name: str, value: object) -> TargetClass:
    from ..model.guard import TargetClass  # noqa: PLC0415 - see the module

    path = f".{name}"
    members = reading.members(path, value, _CLASS)
    return TargetClass(
        name=name,
        sha256=_sha256(value),
        match=_match(reading, f"{path}.match", members.get("match", {})),
        stop_instance=reading.one(path, members, "stop_instance", flag, default=False),
        accept=reading.read_list(path, members, "accept", text) or (),
        snapshot=reading.one(path, members, "snapshot", flag, None),
        max_disks=reading.one(path, members, "max_disks", count, None),
        force_stop_after=reading.one(path, members, "force_stop_after", duration, None),
        on_unknown=reading.one(path, members, "on_unknown", one_of("ask", "retry"), None),
        hours=reading.one(path, members, "hours", _hours, None),
        unattended=reading.one(path, members, "unattended", flag, default=False),
    )


def _sha256(value: object) -> str:
    """Hash the definition of a class in one form; what JSON cannot express is a problem that is reported elsewhere."""
    import hashlib  # noqa: PLC0415 - only where there is a class
    import json  # noqa: PLC0415 - see above

    try:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        text = ""
    return hashlib.sha256(text.encode()).hexdigest()


def _account(value: object) -> str:
    """Read an account id: YAML reads digits without quotes as a number."""
    return text(str(value) if type(value) is int else value)


def _tag(value: object) -> str:
    tag = text(value)
    if tag.startswith("="):
        raise ValueError("not KEY or KEY=VALUE")
    return tag


def _tag_value(value: object) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError("not text; put it in quotes")
    return value


def _term(value: object) -> str:
    term = text(value)
    from ..model.letters import plain  # noqa: PLC0415 - only where a file protects something

    if not plain(term).isalpha():
        raise ValueError("not a word of letters; for a pattern use names")
    return term


def _options(value: object) -> list[str]:
    import shlex  # noqa: PLC0415 - only where there is a scheduled run

    try:
        return shlex.split(text(value))
    except ValueError as problem:
        raise ValueError(f"not a line of options such as --tag env=lab: {problem}") from None


def _hours(value: object) -> Hours:
    from ..model.guard import Hours  # noqa: PLC0415 - see the module

    match = re.fullmatch(_HOURS, value) if isinstance(value, str) else None
    begin, end = (int(match[1]) * 60 + int(match[2]), int(match[3]) * 60 + int(match[4])) if match else (0, 0)
    if match is None or begin == end or end > 24 * 60:
        raise ValueError("not hours such as 01:00-05:00 (UTC) or 01:00-05:00 +08:00")
    offset = int(match[6]) * 60 + int(match[7]) if match[5] else 0
    return Hours(begin, end, -offset if match[5] == "-" else offset)
