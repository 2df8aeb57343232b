"""Reads a configuration file: YAML that means what it says, of a size that a person could have written."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import yaml

from ..errors import UsageError
from ..files.regular import NotRegularError, read_regular
from ..files.trust import refuse_untrusted

MAX_FILE_SIZE = 256 << 10
"""The maximum size of a configuration file, in bytes."""
_MOST_VALUES = 100_000
"""The maximum number of values, counting those that aliases repeat."""
_NUMBER = re.compile(
    r"[-+]?(\.[0-9][0-9_]*|[0-9][0-9_]*(\.[0-9_]*)?)(e[-+]?[0-9]+)?"
    r"|[-+]?0[box][0-9a-f_]+|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?",
    re.ASCII | re.IGNORECASE,
)
"""What some version of YAML, or JSON, reads as a number."""
_AS_WRITTEN = re.compile(r"0|-?[1-9][0-9]{0,15}|-?(0|[1-9][0-9]{0,8})\.[0-9]{1,6}", re.ASCII)
_QUOTED = ("'", '"', "|", ">")
_TAG = "tag:yaml.org,2002:"


def load(path: Path) -> dict[object, object]:
    """Read a configuration file.

    Raises:
        UsageError: others may write it, it cannot be read, it is not a YAML mapping, or it means something other than
            it says.

    """
    refuse_untrusted(path, "the configuration file")
    raw = _text(path)
    loader = _loader(path)(raw)
    try:
        node = loader.get_single_node()
        _refuse_bomb(path, node)
        content = loader.construct_document(node) if node is not None else None
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        position = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise UsageError(f"The configuration file {path} is not YAML{position}.", hint="Correct it there.") from None
    finally:
        loader.dispose()
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise UsageError(f"The configuration file {path} is not a mapping.", hint="See safe-reinit config example.")
    return content


def _text(path: Path) -> str:
    try:
        raw = read_regular(path, MAX_FILE_SIZE)
        text = raw.decode("utf-8-sig")
    except NotRegularError:
        if os.path.samefile(path, os.devnull):
            return ""
        raise UsageError(  # treated as empty, it would protect nothing
            f"The configuration {path} is not a regular file, so it was not read.",
            hint="Write it to a regular file, and name that file with --config or SAFE_REINIT_CONFIG.",
        ) from None
    except (OSError, UnicodeDecodeError):
        raise UsageError(f"The configuration file {path} cannot be read.", hint="Make it readable UTF-8.") from None
    if len(raw) > MAX_FILE_SIZE:
        raise UsageError(
            f"The configuration file {path} is larger than {MAX_FILE_SIZE >> 10} KiB, so it was not read.",
            hint="Correct --config or SAFE_REINIT_CONFIG, or shorten the file.",
        )
    return text


def _loader(path: Path) -> type[yaml.SafeLoader]:
    """Return the loader of a file: the one in C if available, which takes a fifth of the time."""
    fastest: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(fastest):  # type: ignore[misc, valid-type]
        """Refuses a key that occurs twice, of which one would be lost, and a value that YAML reads as another."""

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            seen: set[object] = set()
            for key, _ in node.value:
                if key.tag != f"{_TAG}merge" and isinstance(key, yaml.ScalarNode):
                    _refuse_other_key(path, key)
                    _refuse_twice(path, key, seen)
            made: dict[Any, Any] = super().construct_mapping(node, deep)
            return made

        def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: ANN401 - of each type
            if isinstance(node, yaml.ScalarNode):
                _refuse_other_number(path, node)
            return super().construct_object(node, deep)

    return Loader


def _refuse_bomb(path: Path, root: yaml.Node | None) -> None:
    """Refuse a file that contains itself, or whose aliases repeat so much that nobody can have meant it."""
    sizes: dict[int, int | None] = {}

    def size(node: yaml.Node | None) -> int:
        if not isinstance(node, yaml.CollectionNode):
            return 1
        size_known = sizes.get(id(node), 0)
        if size_known is None or (size_known or 0) > _MOST_VALUES:
            raise UsageError(
                f"The aliases in the configuration file {path} repeat values endlessly or over {_MOST_VALUES} times"
                f" (line {node.start_mark.line + 1}).",
                hint="Write out what the aliases (*name) stand for.",
            )
        if not size_known:
            sizes[id(node)] = None
            parts = (part for each in node.value for part in (each if isinstance(each, tuple) else (each,)))
            size_known = sizes[id(node)] = 1 + sum(map(size, parts))
        return size_known

    if size(root) > _MOST_VALUES:
        raise UsageError(
            f"The configuration file {path} has more than {_MOST_VALUES} values, so it was not read.",
            hint="Shorten it; a pattern (*, ?, [...]) stands for many names.",
        )


def _refuse_other_number(path: Path, node: yaml.ScalarNode) -> None:
    """Refuse a number that YAML reads differently from a person: 010 is 8, 1:30 is 90, 1_000 is 1000."""
    text = node.value
    is_number = node.tag in (f"{_TAG}int", f"{_TAG}float") or (node.style not in _QUOTED and _NUMBER.fullmatch(text))
    if not is_number or _AS_WRITTEN.fullmatch(text):
        return
    raise UsageError(
        f"The configuration file {path} has {text[:40]} at line {node.start_mark.line + 1}, but YAML versions disagree"
        " on which number that is.",
        hint=f"Put it in quotes if it is text ('{text[:40]}'), or write the number in plain digits.",
    )


def _refuse_other_key(path: Path, key: yaml.ScalarNode) -> None:
    if key.tag != f"{_TAG}str":
        raise UsageError(
            f"The configuration file {path} has the name {_named(key.value)} at line {key.start_mark.line + 1}, which"
            f" is not text to YAML but {key.tag.removeprefix(_TAG)}.",
            hint=f"Put it in quotes: '{_named(key.value)}'.",
        )


def _refuse_twice(path: Path, key: yaml.ScalarNode, seen: set[object]) -> None:
    if key.value in seen:
        raise UsageError(
            f"The configuration file {path} has {_named(key.value)} twice, the second time at line "
            f"{key.start_mark.line + 1}.",
            hint="Remove one of them.",
        )
    seen.add(key.value)


def _named(text: str) -> str:
    return text[:64] if text.isprintable() else "?"
