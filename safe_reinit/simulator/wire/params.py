"""Typed access to request parameters, with ECS's refusals for bad ones."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator

from ..errors import Refusal, invalid, missing

_ID_LISTS = ("DiskIds", "InstanceIds", "SnapshotIds", "SnapshotLinkIds")
_REPEATED_IDS = ("InstanceId", "DiskId", "ResourceId")
_SINGLE_IDS = (
    *("DiskId", "InstanceId", "SnapshotId", "SnapshotLinkId", "KeyPairName"),
    *("KeyId", "AutoSnapshotPolicyId"),
)
_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")
_PLACE = re.compile(r"[0-9]{1,9}")
_TAG = re.compile(r"Tag\.([0-9]{1,9})\.(?:Key|Value)")


class Params:
    """The parameters of one call by name."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._values = dict(pairs)

    def text(self, name: str, default: str = "") -> str:
        """Return a text; an empty one counts as not given."""
        return self._values.get(name) or default

    def given(self, name: str) -> bool:
        """Return whether the parameter has a value."""
        return bool(self._values.get(name))

    def required(self, name: str) -> str:
        """Return a required text."""
        value = self._values.get(name)
        if not value:
            raise missing(name)
        return value

    def flag(self, name: str) -> bool:
        """Return a boolean, false by default."""
        value = self._values.get(name, "false").lower() or "false"
        if value not in ("true", "false"):
            raise invalid(name)
        return value == "true"

    def number(self, name: str) -> int | None:
        """Return a whole number, or None if it was not given."""
        value = self._values.get(name)
        if not value:
            return None
        if not _NUMBER.fullmatch(value):
            raise invalid(name)
        return int(value)

    def choice(self, name: str, allowed: Iterable[str], code: str) -> str:
        """Return one of the allowed words (compared without case, returned as allowed), or empty; otherwise refuse."""
        value = self.text(name).lower()
        if not value:
            return ""
        for word in allowed:
            if word.lower() == value:
                return word
        raise Refusal(code)

    def ids(self, name: str, *, malformed: str, too_many: str) -> list[str] | None:
        """Return a JSON array of at most 100 ids, or None if it was not given; an empty array is an empty list."""
        value = self._values.get(name)
        if not value:
            return None
        found = _strings(value)
        if not found and value.replace(" ", "") != "[]":
            raise Refusal(malformed)
        if len(found) > 100:
            raise Refusal(too_many)
        return found

    def repeated(self, name: str) -> list[str]:
        """Return the values of `Name.1`, `Name.2` and so on, in order."""
        return [value for _, value in sorted(self._numbered(name)) if value]

    def _numbered(self, name: str) -> Iterator[tuple[int, str]]:
        prefix = f"{name}."
        for key, value in self._values.items():
            if key.startswith(prefix) and _PLACE.fullmatch(key, len(prefix)):
                yield int(key[len(prefix) :]), value

    def tags(self, too_many: str = "InvalidTagCount") -> list[tuple[str, str]]:
        """Return `Tag.N.Key` and `Tag.N.Value`, at most 20; an empty value matches any."""
        places = {int(match[1]) for match in map(_TAG.fullmatch, self._values) if match}
        if len(places) > 20:
            raise Refusal(too_many)
        found = [(self.text(f"Tag.{place}.Key"), self.text(f"Tag.{place}.Value")) for place in sorted(places)]
        if any(value and not key for key, value in found):
            raise Refusal("InvalidTag.Mismatch")
        return [(key, value) for key, value in found if key]

    def subjects(self) -> tuple[str, ...]:
        """Return the ids that the call is about, for the record and for permissions; malformed lists count as none."""
        found = [self._values[name] for name in _SINGLE_IDS if self._values.get(name)]
        for name in _REPEATED_IDS:
            found += self.repeated(name)
        found += [image for image in self.text("ImageId").split(",") if image]
        for name in _ID_LISTS:
            found += _strings(self._values.get(name, ""))
        return tuple(found)


def _strings(text: str) -> list[str]:
    """Read a JSON array of strings; anything else is an empty list."""
    try:
        found = json.loads(text) if text else []
    except (ValueError, RecursionError):
        return []
    return found if isinstance(found, list) and all(isinstance(item, str) for item in found) else []
