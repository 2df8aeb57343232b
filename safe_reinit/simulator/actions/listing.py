"""What Describe calls share: hidden rows, dry runs, both kinds of paging, tags."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Generic, TypeVar

from ..errors import Refusal, invalid
from ..state.model import Disk, Image, Instance, Snapshot
from ..wire.answers import Body
from ..wire.params import Params
from .context import Context

Row = TypeVar("Row")
Placed = TypeVar("Placed", Disk, Instance, Snapshot, Image)

FOREVER = "2999-09-08T16:00Z"
"""ExpiredTime of pay-as-you-go resources."""


@dataclass(frozen=True)
class Listing(Generic[Row]):
    """How rows of one kind are listed: `outer`/`inner` names, their ids, their form, and the limits of paging.

    `resources` are all ids whose denial hides the row; None for a row that everybody sees. With `max_results` None
    there is no paging by tokens.
    """

    outer: str
    inner: str
    key: Callable[[Row], str]
    shape: Callable[[Context, Row], Body]
    resources: Callable[[Row], tuple[str, ...] | None]
    max_results: int | None = 100
    max_page: int = 100
    has_dry_run: bool = True

    def answer(self, ctx: Context, rows: Iterable[Row]) -> Body:
        """List the rows that the caller may see; in a dry run, say whether the caller may see what the call names."""
        page = Page.of_params(ctx.params, self.max_results, self.max_page)
        if self.has_dry_run and ctx.params.flag("DryRun"):
            ctx.require(*ctx.params.subjects())
            ctx.end_dry_run()
        seen = sorted((row for row in rows if self._visible(ctx, row)), key=self.key)
        shown, paging = page.cut(seen, self.key)
        return {self.outer: {self.inner: [self.shape(ctx, row) for row in shown]}, **paging}

    def _visible(self, ctx: Context, row: Row) -> bool:
        resources = self.resources(row)
        return resources is None or ctx.sees(*resources)


@dataclass(frozen=True)
class Page:
    """One requested page: by token (`after`, the last id seen) or by number."""

    size: int
    number: int = 1
    by_token: bool = False
    after: str = ""

    @classmethod
    def of_params(cls, params: Params, max_results: int | None, max_page: int) -> Page:
        """Read NextToken and MaxResults, or PageNumber and PageSize.

        MaxResults is moved into its range, as documented; a PageSize out of range is refused (choice).
        """
        if max_results is not None and (params.given("NextToken") or params.given("MaxResults")):
            most = params.number("MaxResults") or 10
            return cls(max(10, min(max_results, most)), by_token=True, after=_read_token(params.text("NextToken")))
        number, size = params.number("PageNumber"), params.number("PageSize")
        number, size = (1 if number is None else number), (10 if size is None else size)
        if not 1 <= size <= max_page:
            raise invalid("PageSize")
        if number < 1:
            raise invalid("PageNumber")
        return cls(size, number)

    def cut(self, rows: list[Row], key: Callable[[Row], str]) -> tuple[list[Row], dict[str, object]]:
        """Return this page of rows sorted by key. With tokens, TotalCount is 0, because it is documented as invalid."""
        if not self.by_token:
            first = (self.number - 1) * self.size
            paging: dict[str, object] = {"TotalCount": len(rows), "PageNumber": self.number, "PageSize": self.size}
            return rows[first : first + self.size], paging
        rest = [row for row in rows if key(row) > self.after]
        shown = rest[: self.size]
        token = _write_token(key(shown[-1])) if len(rest) > len(shown) else ""
        return shown, {"TotalCount": 0, "PageNumber": 1, "PageSize": self.size, "NextToken": token}


def _write_token(last: str) -> str:
    return base64.urlsafe_b64encode(f"after:{last}".encode()).decode()


def _read_token(token: str) -> str:
    if not token:
        return ""
    try:
        text = base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise invalid("NextToken") from None
    if not text.startswith("after:"):
        raise invalid("NextToken")
    return text.removeprefix("after:")


def tagged(tags: Mapping[str, str], required: list[tuple[str, str]]) -> bool:
    """Return whether all requested tags are there; an empty value matches any."""
    return all(key in tags and value in ("", tags[key]) for key, value in required)


def tag_rows(tags: Mapping[str, str]) -> Body:
    """Return the tags in the form of an answer."""
    return {"Tag": [{"TagKey": key, "TagValue": value} for key, value in tags.items()]}


def matches(params: Params, values: Mapping[str, str]) -> bool:
    """Return whether each given parameter equals its value; `*` in it matches anything, and flags ignore case."""
    return all(not params.given(name) or _alike(params.text(name), value) for name, value in values.items())


def _alike(pattern: str, value: str) -> bool:
    if value in ("true", "false"):
        return pattern.lower() == value
    return pattern == value or ("*" in pattern and fnmatchcase(value, pattern))


def of_region(region: str, rows: Iterable[Placed]) -> list[Placed]:
    """Return the rows of a region."""
    return [row for row in rows if row.region == region]


def in_zone(ctx: Context) -> None:
    """Refuse a zone that no region here has."""
    zone = ctx.params.text("ZoneId")
    if zone and zone.rpartition("-")[0] not in ctx.cloud.settings.regions:
        raise Refusal("InvalidZoneId.NotFound")


def lock_reason(params: Params) -> str:
    """Read the filter LockReason; its words are compared without case, since the pages spell them differently."""
    reasons = ("financial", "security", "recycling", "dedicatedhostfinancial", "refunded")
    return params.choice("LockReason", reasons, "InvalidLockReason.NotFound")


def one_of(value: str, allowed: Iterable[str], code: str) -> str:
    """Refuse a word that is not allowed; an empty one is allowed."""
    if value and value not in allowed:
        raise Refusal(code)
    return value
