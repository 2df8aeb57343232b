"""HTML built from values: text from others cannot become markup, since the type checker distinguishes the two."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from html import escape
from typing import NewType

from ...model.codec import timestamp
from ...model.letters import printable
from ..content import Value

Markup = NewType("Markup", str)
"""HTML that is safe to put into the page; made only by the functions of this file."""

NOTHING = Markup("")
_EMPTY_ELEMENTS = ("meta", "rect", "br")
_ATTRIBUTES = {"class_": "class", "hidden": "aria-hidden", "equiv": "http-equiv"}


def escaped(text: str) -> Markup:
    """Write an arbitrary text so that it is shown as it is."""
    return Markup(escape(printable(text)))


def tag(element: str, /, *inner: Markup, **attributes: str) -> Markup:
    """Write an element; it is also well-formed XML."""
    given = "".join(f' {_ATTRIBUTES.get(key, key)}="{escaped(value)}"' for key, value in attributes.items())
    if element in _EMPTY_ELEMENTS:
        return Markup(f"<{element}{given}/>")
    return Markup(f"<{element}{given}>{''.join(inner)}</{element}>")


def joined(parts: Iterable[Markup], between: str = "") -> Markup:
    """Write these one after another, with a text between them."""
    return Markup(escaped(between).join(parts))


def isolated_name(text: str) -> Markup:
    """Write a name that somebody else chose: right-to-left letters in it do not reorder anything else."""
    return tag("bdi", escaped(text))


def code(text: str) -> Markup:
    """Write an id, a code or a command."""
    return tag("code", escaped(text))


def time_element(when: datetime) -> Markup:
    """Write a time: UTC, in seconds; machines read the same text."""
    return tag("time", escaped(timestamp(when).replace("T", " ")))


def written(value: Value) -> Markup:
    """Write the pieces of a value, each according to its kind."""
    form = {"words": escaped, "name": isolated_name, "code": code}
    return joined(time_element(each) if isinstance(each, datetime) else form[each.kind](each.text) for each in value)


def small(*inner: Markup) -> Markup:
    """Write what stands behind."""
    return tag("small", *inner)


def table_element(kind: str, head: Iterable[str], rows: Iterable[Iterable[Markup]]) -> Markup:
    """Write a table whose first cells name the rows; ``kind`` is its class."""
    return tag(
        "table",
        tag("thead", tag("tr", *(tag("th", escaped(title), scope="col") for title in head))),
        tag("tbody", *map(_row, rows)),
        class_=kind,
    )


def _row(cells: Iterable[Markup]) -> Markup:
    first, *rest = cells
    return tag("tr", tag("th", first, scope="row"), *(tag("td", cell) for cell in rest))


def facts(pairs: Iterable[tuple[str, Markup]]) -> Markup:
    """Write names and values; an empty value is left out."""
    return tag("dl", *(tag("div", tag("dt", escaped(name)), tag("dd", value)) for name, value in pairs if value))


def folded(title: Markup, *inner: Markup, unfolded: bool = False, kind: str = "") -> Markup:
    """Write something that the reader can unfold; of the kind ``printed``, it is always on paper."""
    attributes = {**({"open": ""} if unfolded else {}), **({"class_": kind} if kind else {})}
    return tag("details", tag("summary", title), *inner, **attributes)


def section_element(name: str, title: str, *inner: Markup) -> Markup:
    """Write a part of the page with its heading."""
    heading = tag("h2", escaped(title), id=f"{name}-title")
    return Markup(
        f'<section id="{escaped(name)}" aria-labelledby="{escaped(name)}-title">{heading}{"".join(inner)}</section>'
    )
