"""Pictures as SVG, drawn from what the code says: a page shows them without a script, a font or a network.

A site generator would fetch a program that draws Mermaid from another host, and a copy of it here would be 3 MB. These
pictures are text, so that a test compares them with the code as it does with the pages.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

Point = tuple[float, float]
Arrow = tuple[str, str]

_INK, _QUIET, _LINE, _BOX = "#1b2127", "#56616c", "#8793a0", "#eef2f6"
_TONES = {0: ("#17692e", "#e3f3e6"), 5: ("#a3170f", "#fde5e2"), 6: ("#a3170f", "#fde5e2"), 8: ("#a3170f", "#fde5e2")}
_CARE = ("#7a4b00", "#fdf0d5")
_WIDTH, _HEIGHT = 150.0, 70.0
"""Of a state."""


def svg(width: int, height: int, title: str, parts: Iterable[str]) -> str:
    """Put parts on white paper, so that they can be read on a light and on a dark page."""
    inside = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img"'
        f' font-family="system-ui,sans-serif" font-size="13" fill="{_INK}">\n<title>{escape(title)}</title>\n'
        f'<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        f'<path d="M0 0 8 4 0 8z" fill="{_QUIET}"/></marker></defs>\n'
        f'<rect width="{width}" height="{height}" rx="8" fill="#fff"/>\n{inside}\n</svg>\n'
    )


def text(  # noqa: PLR0913 - what a text has
    x: float, y: float, said: str, *, anchor: str = "start", size: int = 13, bold: bool = False, colour: str = _INK
) -> str:
    """Write one line."""
    weight = ' font-weight="600"' if bold else ""
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" font-size="{size}"{weight} fill="{colour}">{escape(said)}</text>'


def box(x: float, y: float, width: float, height: float, *, dashed: bool = False, fill: str = _BOX) -> str:
    """Draw a box with round corners."""
    dash = ' stroke-dasharray="5 4"' if dashed else ""
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="8" fill="{fill}" stroke="{_LINE}"{dash}/>'
    )


def exit_badge(x: float, y: float, code: int, word: str = "") -> tuple[str, float]:
    """Draw an exit code with its outcome; return it with its width."""
    colour, fill = _TONES.get(code, _CARE)
    said = f"{code} {word}".strip()
    width = 16 + 8.2 * len(said)
    shape = f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="20" rx="6" fill="{fill}" stroke="{colour}"/>'
    return shape + text(x + width / 2, y + 14.5, said, anchor="middle", bold=True, colour=colour), width


def line(path: str, *, head: bool = True) -> str:
    """Draw a line along a path."""
    return f'<path d="{path}" fill="none" stroke="{_QUIET}"{" marker-end=" + chr(34) + "url(#head)" + chr(34) if head else ""}/>'


# ----------------------------------------------------------------------------------------------- states and arrows


def states(
    title: str,
    places: Mapping[str, Point],
    arrows: Sequence[Arrow],
    exits: Mapping[str, Sequence[int]],
    bends: Mapping[Arrow, float],
) -> str:
    """Draw states and the numbered arrows between them; each state with the exit codes that it can end with.

    Args:
        title: what the picture shows.
        places: the middle of each state.
        arrows: from where to where, in the order of their numbers.
        exits: the exit codes of the states.
        bends: how far an arrow is bent to its left, where it would cross a state; two opposite ones are bent anyway.

    """
    parts = [line(f"M{places[next(iter(places))][0] - 115:g} {places[next(iter(places))][1]:g}h36")]
    taken: list[Point] = []
    numbers = []
    for number, arrow in enumerate(arrows, 1):
        bend = bends.get(arrow, 34.0 if arrow[::-1] in arrows else 0.0)
        start, control, end = _curve(places[arrow[0]], places[arrow[1]], bend)
        parts.append(
            line(f"M{start[0]:.0f} {start[1]:.0f}Q{control[0]:.0f} {control[1]:.0f} {end[0]:.0f} {end[1]:.0f}")
        )
        spot = _free(start, control, end, taken, places.values())
        taken.append(spot)
        numbers.append(_number(spot, number))
    parts += [part for name, place in places.items() for part in _state(name, place, exits.get(name, ()))]
    height = max(y for _, y in places.values()) + 160
    return svg(int(max(x for x, _ in places.values()) + 95), int(height), title, (*parts, *numbers))


def _state(name: str, place: Point, exits: Sequence[int]) -> Iterator[str]:
    x, y = place
    yield box(x - _WIDTH / 2, y - _HEIGHT / 2, _WIDTH, _HEIGHT)
    yield text(x, y - (6 if exits else -5), name, anchor="middle", size=15, bold=True)
    across = x - (len(exits) * 28 - 4) / 2
    for code in exits:
        yield exit_badge(across, y + 6, code)[0]
        across += 28


def _number(place: Point, number: int) -> str:
    x, y = place
    circle = f'<circle cx="{x:.0f}" cy="{y:.0f}" r="9" fill="#fff" stroke="{_LINE}"/>'
    return circle + text(round(x), round(y) + 4, str(number), anchor="middle", size=11)


def _curve(start: Point, end: Point, bend: float) -> tuple[Point, Point, Point]:
    """Return start, control and end of a curve between the edges of two states."""
    across, down = end[0] - start[0], end[1] - start[1]
    length = math.hypot(across, down)
    middle = ((start[0] + end[0]) / 2 + down / length * bend, (start[1] + end[1]) / 2 - across / length * bend)
    return _edge(start, middle), middle, _edge(end, middle)


def _edge(middle: Point, towards: Point) -> Point:
    """Return where a line from the middle of a state leaves it."""
    across, down = towards[0] - middle[0], towards[1] - middle[1]
    share = min(_WIDTH / 2 / abs(across) if across else math.inf, _HEIGHT / 2 / abs(down) if down else math.inf)
    return middle[0] + across * share, middle[1] + down * share


def _free(start: Point, control: Point, end: Point, taken: Sequence[Point], boxes: Iterable[Point]) -> Point:
    """Return a place on a curve for its number that is not on another number or a state."""
    for share in sorted((n / 50 for n in range(8, 43)), key=lambda share: abs(share - 0.5)):
        x, y = ((1 - share) ** 2 * start[n] + 2 * share * (1 - share) * control[n] + share**2 * end[n] for n in (0, 1))
        on_box = any(abs(x - a) < _WIDTH / 2 + 9 and abs(y - b) < _HEIGHT / 2 + 9 for a, b in boxes)
        if not on_box and all(math.hypot(x - a, y - b) > 21 for a, b in taken):
            return x, y
    raise AssertionError(f"no place for the number of the arrow from {start} to {end}: move the states")


# ------------------------------------------------------------------------------------------------- steps and lanes


def steps(
    title: str, rows: Sequence[tuple[str, str, bool]], lanes: Sequence[tuple[int, str, Sequence[tuple[int, str, str]]]]
) -> str:
    """Draw steps from top to bottom, and beside them lanes: how it ends if it goes no further.

    Args:
        title: what the picture shows.
        rows: of each step its name, what it waits for, and whether it is left out in most runs.
        lanes: of each how many steps it spans, its heading, and its exits: code, outcome, when.

    """
    high, parts = 74.0, []
    for number, (name, wait, optional) in enumerate(rows):
        y = 20 + number * high
        parts += [
            box(20, y, 250, 54, dashed=optional),
            text(32, y + 21, name, bold=True),
            text(32, y + 39, wait, colour=_QUIET),
        ]
        if number:
            parts.append(line(f"M145 {y - 20:g}V{y - 2:g}"))
    first = 0
    for span, heading, exits in lanes:
        y = 20 + first * high
        parts += [box(300, y, 560, span * high - 20, fill="#fff"), text(314, y + 21, heading, colour=_QUIET)]
        for number, (code, word, when) in enumerate(exits):
            below = y + 28 + number * 26
            badge, width = exit_badge(314, below, code, word)
            parts += [badge, text(314 + width + 10, below + 14.5, when)]
        first += span
    return svg(880, int(20 + len(rows) * high), title, parts)


# ----------------------------------------------------------------------------------------------------------- layers


_WIDE, _LEFT, _RIGHT = 720, 16.0, 636.0
"""How wide the picture is, and from where to where there are boxes; right of them go the long arrows."""
_SPACE = 22.0
"""Between two levels."""


@dataclass(frozen=True)
class _Place:
    """Where a box is."""

    level: int
    left: float
    right: float
    top: float
    bottom: float

    def near(self, x: float) -> float:
        """Return the ``x`` within the box that is nearest to this one."""
        return min(max(x, self.left + 14), self.right - 14)

    @property
    def middle(self) -> float:
        return (self.left + self.right) / 2


def layers(title: str, rooms: Mapping[str, tuple[str, Sequence[str]]]) -> str:
    """Draw what is built on what, with what everything is built on at the bottom.

    Args:
        title: of the picture.
        rooms: by name, what each is, and those that it is built on; of a level in their order.
    """

    def depth(name: str) -> int:
        return 1 + max(map(depth, rooms[name][1]), default=-1)

    levels: dict[int, list[str]] = {}
    for name in rooms:
        levels.setdefault(depth(name), []).append(name)
    places: dict[str, _Place] = {}
    y = 16.0
    for level in sorted(levels, reverse=True):
        names = levels[level]
        each, high = (_RIGHT - _LEFT) / len(names), 28.0 if len(names) == 1 else 44.0
        space = 110.0 if len(names) == 1 else 5.0
        for number, name in enumerate(names):
            left = _LEFT + number * each
            places[name] = _Place(level, left + space, left + each - space, y, y + high)
        y += high + _SPACE
    arrows = [(places[name], places[other]) for name, (_, others) in rooms.items() for other in others]
    aside = iter(range(200))
    parts = [line(_between(one, other, [*places.values()], aside)) for one, other in arrows]
    for name, (what, _) in rooms.items():
        place = places[name]
        parts.append(box(place.left, place.top, place.right - place.left, place.bottom - place.top))
        if len(levels[place.level]) == 1:
            parts += [text(place.left + 98, place.top + 18.5, name, anchor="end", bold=True)]
            parts += [text(place.left + 108, place.top + 18.5, what, size=12)]
        else:
            parts += [text(place.middle, place.top + 18, name, anchor="middle", bold=True)]
            parts += [text(place.middle, place.top + 34, what, anchor="middle", size=11)]
    return svg(_WIDE, int(y - _SPACE + 16), title, parts)


def _between(one: _Place, other: _Place, places: Sequence[_Place], aside: Iterator[int]) -> str:
    """Return the way of an arrow: straight down, through a gap of the level between, or around all boxes."""
    row = sorted(each.left for each in places if each.level == one.level - 1)
    if one.level - other.level == 1:
        begin, end = one.near(other.middle), other.near(one.middle)
        return f"M{begin:g} {one.bottom:g}C{begin:g} {one.bottom + 14:g} {end:g} {other.top - 14:g} {end:g} {other.top - 1:g}"
    if one.level - other.level == 2 and len(row) > 1:
        gap = min((left - 5 for left in row[1:]), key=lambda x: abs(x - one.near(x)) + abs(x - other.near(x)))
        begin, end = one.near(gap), other.near(gap)
        low, high = one.bottom + _SPACE, other.top - _SPACE
        return (
            f"M{begin:g} {one.bottom:g}C{begin:g} {low - 4:g} {gap:g} {low - 12:g} {gap:g} {low:g}V{high:g}"
            f"C{gap:g} {high + 12:g} {end:g} {high + 4:g} {end:g} {other.top - 1:g}"
        )
    x, begin, end = _WIDE - 12 - 18 * next(aside), one.top + 14, other.top + 14 + 7 * (one.level % 3)
    return f"M{one.right:g} {begin:g}H{x - 8:g}Q{x:g} {begin:g} {x:g} {begin + 8:g}V{end - 8:g}Q{x:g} {end:g} {x - 8:g} {end:g}H{other.right + 1:g}"
