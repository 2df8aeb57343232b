"""HTML built of values: a text of others cannot become markup, since the type checker tells the two apart."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from html import escape
from typing import NewType

from ...model.codec import timestamp
from ...model.letters import printable
from ..content import Value

Markup = NewType("Markup", str)
"""HTML that is safe to put into the page; made by the functions of this file and by nothing else."""

NOTHING = Markup("")
_EMPTY_ELEMENTS = ("meta", "rect", "br")
_ATTRIBUTES = {"class_": "class", "hidden": "aria-hidden", "equiv": "http-equiv"}


def escaped(text: str) -> Markup:
    """Write a text that may be anything, so that it is shown as it is."""
    return Markup(escape(printable(text)))


def tag(element: str, /, *inner: Markup, **attributes: str) -> Markup:
    """Write an element; it is well-formed as XML too."""
    given = "".join(f' {_ATTRIBUTES.get(key, key)}="{escaped(value)}"' for key, value in attributes.items())
    if element in _EMPTY_ELEMENTS:
        return Markup(f"<{element}{given}/>")
    return Markup(f"<{element}{given}>{''.join(inner)}</{element}>")


def joined(parts: Iterable[Markup], between: str = "") -> Markup:
    """Write these one after the other, with a text between them."""
    return Markup(escaped(between).join(parts))


def name_of(text: str) -> Markup:
    """Write a name that somebody else chose: right-to-left letters in it turn nothing else around."""
    return tag("bdi", escaped(text))


def code(text: str) -> Markup:
    """Write an id, a code or a command."""
    return tag("code", escaped(text))


def moment(when: datetime) -> Markup:
    """Write a time: UTC, in seconds; the text itself is what a machine reads too."""
    return tag("time", escaped(timestamp(when).replace("T", " ")))


def written(value: Value) -> Markup:
    """Write the pieces of a value, each as what it is."""
    form = {"words": escaped, "name": name_of, "code": code}
    return joined(moment(each) if isinstance(each, datetime) else form[each.kind](each.text) for each in value)


def small(*inner: Markup) -> Markup:
    """Write what stands behind."""
    return tag("small", *inner)


def table(kind: str, head: Iterable[str], rows: Iterable[Iterable[Markup]]) -> Markup:
    """Write a table whose rows are named by their first cell; ``kind`` is its class."""
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
    """Write names and values; a value of nothing is left out."""
    return tag("dl", *(tag("div", tag("dt", escaped(name)), tag("dd", value)) for name, value in pairs if value))


def folded(title: Markup, *inner: Markup, unfolded: bool = False, kind: str = "") -> Markup:
    """Write something that the reader may unfold; of the kind ``printed`` it is on paper either way."""
    attributes = {**({"open": ""} if unfolded else {}), **({"class_": kind} if kind else {})}
    return tag("details", tag("summary", title), *inner, **attributes)


def section(name: str, title: str, *inner: Markup) -> Markup:
    """Write a part of the page with its heading."""
    heading = tag("h2", escaped(title), id=f"{name}-title")
    return Markup(
        f'<section id="{escaped(name)}" aria-labelledby="{escaped(name)}-title">{heading}{"".join(inner)}</section>'
    )
