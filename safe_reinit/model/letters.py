"""Names that people chose: comparing what they say regardless of encoding, and showing them safely.

Names come from many keyboards and copy buffers: full-width letters, accents as separate characters, soft hyphens,
zero-width spaces. ``plain`` removes these differences, and ``borders`` says where a word can begin or end. Both are
only for protection: they make more names equal, never fewer. ``printable`` is for every place that shows a name.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_FILLERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""What is invisible although its category is that of a letter or a symbol."""
_MARKS = "\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
"""The Unicode marks that are placed on letters of any script, and those that enclose one."""
_ACCENTS = re.compile(f"(?<=[A-Za-z])[{_MARKS}]+")
_MARK = re.compile(f"[{_MARKS}]")
_SELECTORS = re.compile("[\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")
"""What only selects a form of a letter (variation selectors)."""
_ID = re.compile("[idsmr]-")
_BORDER = re.compile(r"(?=-)|(?<=-)|(?<=a)(?=A)|(?<=AA)(?=a)|(?<=A)(?=Aa)")
_DOTLESS = str.maketrans("\u0131\u0130", "iI")
"""The Turkish i, which a Turkish program makes from the I of ``PRODUCTION``, and the other way round."""


def printable(text: str) -> str:
    """Keep a name that somebody else chose from moving the cursor, faking a line or reversing text."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def passes_for_id(name: str) -> bool:
    """Return whether a name looks like the id of an instance, disk, snapshot, image or run, perhaps of another one."""
    return _ID.match(plain(name)) is not None


@lru_cache(4096)
def plain(text: str) -> str:
    """Return a text without case, compatibility forms, accents on Latin letters and invisible characters."""
    visible = "".join(letter for letter in text.translate(_DOTLESS) if not _is_hidden(letter))
    bare = _ACCENTS.sub("", unicodedata.normalize("NFKD", visible))
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", bare).casefold())


@lru_cache(4096)
def borders(name: str) -> tuple[str, frozenset[int]]:
    """Return the plain letters of a name, and the positions among them where a word can begin or end.

    A position is a border if it has something other than a Latin letter on one side, if it is between a small letter
    and a capital, or if a run of capitals ends: before its last letter (``PRODWeb``) as well as after it (``PRODdb``).
    There is also a border where plain and full-width letters meet.
    """
    letters, shape = "", ""  # in the shape, A is a capital, a a small letter, - anything else
    places = {0}
    was_ascii = True
    for letter in unicodedata.normalize("NFC", name):
        if _is_hidden(letter) or _MARK.match(letter):
            places.add(len(letters))
            continue
        if letter.isascii() != was_ascii:
            places.add(len(letters))
        was_ascii = letter.isascii()
        folded = plain(letter)
        letters += folded
        is_latin = len(folded) == 1 and folded.isascii() and folded.isalpha()
        shape += ("A" if letter.isupper() else "a") if is_latin else "-" * len(folded)
    places.update(border.start() for border in _BORDER.finditer(shape))
    return letters, frozenset({*places, len(letters)})


def _is_hidden(letter: str) -> bool:
    hidden = letter in _FILLERS or unicodedata.category(letter) in ("Cf", "Cc")
    return hidden or _SELECTORS.match(letter) is not None
