"""Typed access to request parameters, with the refusals ECS has for bad ones."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from safe_reinit.simulator.errors import Refusal, invalid, missing

_ID_LISTS = ("DiskIds", "InstanceIds", "SnapshotIds", "SnapshotLinkIds")
_SINGLE_IDS = ("DiskId", "InstanceId", "SnapshotId", "SnapshotLinkId", "KeyPairName")


class Params:
    """The parameters of one call by name."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._values = dict(pairs)

    def text(self, name: str, default: str = "") -> str:
        """Return a text; an empty one counts as not given."""
        return self._values.get(name) or default

    def given(self, name: str) -> bool:
        """Tell whether the parameter came with a value."""
        return bool(self._values.get(name))

    def required(self, name: str) -> str:
        """Return a text that must be there."""
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
        try:
            return int(value)
        except ValueError:
            raise invalid(name) from None

    def choice(self, name: str, allowed: Iterable[str], code: str) -> str:
        """Return one of the allowed words (compared without case, returned as allowed), or empty; else refuse."""
        value = self.text(name)
        for word in allowed:
            if word.lower() == value.lower():
                return word
        if value:
            raise Refusal(code)
        return ""

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
        """Return the values of `Name.1`, `Name.2` and so on, in their order."""
        return [value for _, value in sorted(self._numbered(name)) if value]

    def _numbered(self, name: str) -> Iterator[tuple[int, str]]:
        prefix = f"{name}."
        for key, value in self._values.items():
            number = key[len(prefix) :]
            if key.startswith(prefix) and number.isdigit():
                yield int(number), value

    def tags(self) -> list[tuple[str, str]]:
        """Return `Tag.N.Key` and `Tag.N.Value`; an empty value stands for any."""
        found = []
        for number in range(1, 21):
            key = self.text(f"Tag.{number}.Key")
            if key:
                found.append((key, self.text(f"Tag.{number}.Value")))
        return found

    def subjects(self) -> list[str]:
        """Return the ids the call is about, for the record and for rights; malformed lists count as none."""
        found = [self._values[name] for name in _SINGLE_IDS if self._values.get(name)]
        found += self.repeated("InstanceId") + self.repeated("DiskId")
        found += [image for image in self.text("ImageId").split(",") if image]
        for name in _ID_LISTS:
            found += _strings(self._values.get(name, ""))
        return found


def _strings(text: str) -> list[str]:
    """Read a JSON array of strings; anything else is an empty list."""
    try:
        found = json.loads(text)
    except ValueError:
        return []
    return found if isinstance(found, list) and all(isinstance(item, str) for item in found) else []
