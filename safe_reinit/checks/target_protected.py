"""The disk or its instance is protected and must never be wiped.

What it does
    Looks for the protecting tag (`protect.tag`, by default safe-reinit:protect with any value) on the disk and its
    instance, for the words of `protect.terms` (by default prod and production) in their names, and for the names, ids
    and tags that the configuration protects. Case, accents, full-width forms and invisible characters make no
    difference here. A word counts where it stands by itself in the name: prod matches web-prod-2, prod2, webProd,
    PRODdb and non-prod, but not product or reprod. Letters of another alphabet that only look like Latin letters are
    not recognised: protect such a disk by its id or a tag.

Why it matters
    Somebody marked it as protected, or gave it a name that marks it as protected. No option waives that.

How to fix it
    Make sure that this is the disk you mean. If it may be wiped after all, remove the tag or rename it, which others
    can see, or change `protect` in the configuration (`terms: []` turns the words off).
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding, Protect
from ._shared import word
from .check import Check
from .target_rules import fits_loosely, same_loosely, term_in


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    protect, disk, instance = facts.guard.protect, facts.disk, facts.instance
    if disk is None:
        return
    yield from _of("disk", disk.disk_id, disk.disk_name, disk.tags, protect)
    if instance is not None:
        yield from _of("instance", instance.instance_id, instance.instance_name, instance.tags, protect)


def _of(thing: str, subject: str, name: str, tags: tuple[tuple[str, str], ...], protect: Protect) -> Iterator[Finding]:
    if tag := _marked(tags, protect.tag):
        what = f"has the tag {word(tag[0])}, so it must not be wiped"
        yield _finding(subject, f"The {thing} {what}.", "remove the tag", {"TagKey": tag[0], "TagValue": tag[1]})
    for key, value in tags:
        if fits_loosely([pattern for of, pattern in protect.tags if same_loosely(of, key)], value) is not None:
            what = f"has the tag {word(key)} with the value {word(value, 'of none')}"
            yield _configured(thing, subject, what, "tags", {"TagKey": key, "TagValue": value})
    fact = {f"{thing.title()}Name": name}
    if term := term_in(protect.terms, name):
        yield _configured(
            thing, subject, f"is called {word(name)}, which contains the word {word(term)}", "terms", fact
        )
    if pattern := fits_loosely(protect.names, name):
        yield _configured(thing, subject, f"is called {word(name)}, which matches {word(pattern)}", "names", fact)
    if fits_loosely(protect.disks if thing == "disk" else protect.instances, subject):
        yield _configured(thing, subject, "is protected by its id", f"{thing}s", {f"{thing.title()}Id": subject})


def _marked(tags: tuple[tuple[str, str], ...], mark: str) -> tuple[str, str] | None:
    """Find the protecting tag: by its key, and by its value where the mark has one."""
    key, has_value, value = mark.partition("=")
    return next(
        (tag for tag in tags if same_loosely(tag[0], key) and (not has_value or same_loosely(tag[1], value))), None
    )


def _configured(thing: str, subject: str, what: str, name: str, fact: dict[str, str]) -> Finding:
    message = f"The {thing} {what}: the configuration protects it (protect.{name})."
    return _finding(subject, message, f"change it or protect.{name}", fact)


def _finding(subject: str, message: str, how: str, fact: dict[str, str]) -> Finding:
    return Finding(
        CHECK.name,
        "block",
        subject,
        message,
        fix=f"Check the target; only if it may be wiped after all, {how}.",
        fact=fact,
    )


CHECK = Check("target-protected", "block", (), check)
