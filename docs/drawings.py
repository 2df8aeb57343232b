"""Pictures as SVG, drawn from what the code says: a page shows them without a script, a font or a network.

A site generator would fetch a program that draws Mermaid from another host, and a copy of it here would be 3 MB. These
pictures are text, so that a test compares them with the code as it does with the pages.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
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


_LEVEL = 74.0


def layers(title: str, arrows: Sequence[Arrow]) -> str:
    """Draw what is built on what, with what everything is built on at the bottom."""
    below: dict[str, list[str]] = {}
    for one, other in arrows:
        below.setdefault(one, []).append(other)
        below.setdefault(other, [])

    def depth(name: str) -> int:
        return 1 + max(map(depth, below[name]), default=-1)

    levels: dict[int, list[str]] = {}
    for name in below:
        levels.setdefault(depth(name), []).append(name)
    top = max(levels)
    places = {
        name: (130 + 165.0 * _column(number, len(names), level), 40 + _LEVEL * (top - level))
        for level, names in levels.items()
        for number, name in enumerate(names)
    }
    parts = []
    for one, other in arrows:
        (x, y), (a, b) = places[one], places[other]
        if b - y > 3 * _LEVEL:  # around the left of what lies between
            aside = min(x, a) - 150
            parts.append(line(f"M{x - 58:g} {y:g}C{aside:g} {y:g} {aside:g} {b:g} {a - 60:g} {b:g}"))
        else:
            parts.append(line(f"M{x:g} {y + 18:g}C{x:g} {y + 50:g} {a:g} {b - 50:g} {a:g} {b - 20:g}"))
    for name, (x, y) in places.items():
        parts += [box(x - 58, y - 18, 116, 36), text(x, y + 5, name, anchor="middle", bold=True)]
    width = int(max(x for x, _ in places.values()) + 90)
    return svg(width, int(80 + _LEVEL * top), title, parts)


def _column(number: int, count: int, level: int) -> float:
    """Spread the names of a level around the middle, each level a little aside of the next."""
    return 1.5 + number - (count - 1) / 2 + (0.3 if level % 2 else 0.0)
