"""Which targets may be, which must not, and what the class of the disks allows to a run. Pure.

A class is matched on what ECS shows now. What it allows becomes an option of the run, as if it had been asked for, and
is judged again before each act: a disk that has left its class by then is not wiped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fnmatch import fnmatchcase

from ..model import (
    Disk,
    DiskFacts,
    Guard,
    Hours,
    Instance,
    Match,
    Options,
    Plan,
    RunClass,
    TargetClass,
    TargetFacts,
    TargetRules,
)
from ..model.letters import borders, plain

MAX_NAMED_DISKS = 10
"""How many disks a run may have that were named by hand, unless it is said."""
MIN_QUOTED = 32
"""How many characters of a fingerprint or digest are consent at least, where nobody was shown the plan just before."""
MIN_TYPED = 8
"""How many are typed on a terminal, where the plan was shown just before."""
MAX_DISCOVERED_DISKS = 1
"""How many disks a run may have that were found (by a tag or on an instance), unless it is said."""


@dataclass(frozen=True)
class TargetRequest:
    """What is asked for, before the class of the disks is known."""

    options: Options
    explicit: frozenset[str] = frozenset()
    """The settings said by flag, environment or argument: a class does not change them, nor do they widen its limit."""
    max_disks: int | None = None
    """The number of disks said so."""
    discovered: bool = False
    """Whether the disks were found rather than named."""
    elsewhere: int = 0
    """How many disks the runs of other regions have that are agreed to together with this one."""


def settle(target_rules: TargetRules, request: TargetRequest, targets: Sequence[TargetFacts]) -> tuple[Options, Guard]:
    """Return the options in force, once the class of the disks is known, and what is judged of each of them."""
    guard = Guard(target_rules.allow, target_rules.protect, disks=len(targets) + request.elsewhere)
    classes = {each.disk_id: class_of(target_rules.classes, each) for each in targets}
    common = next(iter(classes.values()), None)
    if common is None or any(each != common for each in classes.values()):
        named = tuple((disk_id, each.name if each else "") for disk_id, each in classes.items())
        mixed = named if any(name for _, name in named) else ()
        return request.options, replace(guard, mixed=mixed, max_disks=_most(target_rules, request))
    in_force = common.hours is None or within(common.hours, targets[0].now)
    options = _granted(common, request) if in_force else request.options
    used = _run_class(common, request, options, in_force=in_force)
    return options, replace(guard, class_=used, max_disks=_most(target_rules, request, common, in_force=in_force))


def widest_limit(target_rules: TargetRules, request: TargetRequest) -> int:
    """Return how many disks the run may have at most, whatever class they turn out to be in."""
    of_classes = (_most(target_rules, request, each, in_force=True) for each in target_rules.classes)
    return max((_most(target_rules, request), *of_classes))


def class_of(classes: Iterable[TargetClass], target: TargetFacts) -> TargetClass | None:
    """Return the first class that a target matches; one that was not seen whole matches none."""
    if target.disk is None or target.instance is None:
        return None
    return next((each for each in classes if matches(each.match, target)), None)


def target_of(facts: DiskFacts) -> TargetFacts:
    """Return of all facts those that say which target it is."""
    return TargetFacts(facts.disk_id, facts.account, facts.region, facts.now, facts.disk, facts.instance)


def matches(match: Match, target: TargetFacts) -> bool:
    """Return whether a target is as asked in account, region and tags."""
    if target.disk is None or target.instance is None:
        return False
    amiss = any(tags_amiss(match, target.disk, target.instance))
    return not amiss and fits(match.accounts, target.account) and fits(match.regions, target.region)


def fits(patterns: Sequence[str] | None, text: str) -> bool:
    """Return whether a text is one of these, letter by letter; nothing asked is always so."""
    return patterns is None or any(fnmatchcase(text, each) for each in patterns)


def tags_amiss(match: Match, disk: Disk, instance: Instance) -> Iterator[tuple[str, str | None, str]]:
    """List the tags that are not as asked: the key, the value (``None``: no such tag) and the id of what has it."""
    on_disk, on_instance = dict(disk.tags), dict(instance.tags)
    for key, pattern in match.tags or ():
        value = on_instance.get(key)
        if value is None or not fnmatchcase(value, pattern):
            yield key, value, instance.instance_id
        elif key in on_disk and not fnmatchcase(on_disk[key], pattern):
            yield key, on_disk[key], disk.disk_id


def fits_loosely(patterns: Iterable[str], text: str) -> str | None:
    """Return the first of the patterns that a text is like, in any case of letters and however they are encoded.

    This is for what protects. What allows is compared letter by letter (``fits``), so it never becomes wider by this.
    """
    return next(
        (
            each
            for each in patterns
            if fnmatchcase(text.casefold(), each.casefold()) or fnmatchcase(plain(text), plain(each))
        ),
        None,
    )


def same_loosely(one: str, other: str) -> bool:
    """Return whether two texts are the same in any case of letters and however they are encoded."""
    return one.casefold() == other.casefold() or plain(one) == plain(other)


def term_in(terms: Iterable[str], name: str) -> str | None:
    """Return the first of the terms that a name contains as a separate word.

    A word begins and ends where something else than a Latin letter stands, and where capitals begin or end one:
    ``prod`` is a word of ``web-prod-2``, ``prod2``, ``webProd``, ``PROD``, ``PRODdb`` and ``PRODWeb``, but not of
    ``product`` and ``reprod``. Full-width and accented letters count as the plain ones, and what shows nothing (a soft
    hyphen, a zero-width space) hides no word and separates two. A term that has other letters is searched anywhere,
    since such names have no gaps. Letters of other alphabets that only look alike are not recognised.
    """
    return next((each for each in terms if _has_term(each, name)), None)


def _has_term(term: str, name: str) -> bool:
    word = plain(term)
    if not term.isascii() and (term.casefold() in name.casefold() or (not word.isascii() and word in plain(name))):
        return True
    letters, at = borders(name)
    found = letters.find(word)
    while found >= 0:
        if found in at and found + len(word) in at:
            return True
        found = letters.find(word, found + 1)
    return False


def within(hours: Hours, now: datetime) -> bool:
    """Return whether a time (UTC) is in the window."""
    minute = (now.hour * 60 + now.minute + hours.offset) % (24 * 60)
    if hours.begin < hours.end:
        return hours.begin <= minute < hours.end
    return minute >= hours.begin or minute < hours.end


def window(hours: Hours) -> str:
    """Write a window as people say it: ``01:00-05:00 UTC``."""
    sign, ahead = "-" if hours.offset < 0 else "+", abs(hours.offset)
    zone = f"{sign}{ahead // 60:02}:{ahead % 60:02}" if hours.offset else "UTC"
    return f"{_clock(hours.begin)}-{_clock(hours.end)} {zone}"


def consents(plan: Plan, word: str) -> bool:
    """Return whether this word is consent to a plan: its disk's id, its fingerprint, or its unattended class."""
    disks = [disk.disk_id for job in plan.jobs for disk in job.disks]
    named = disks[0].casefold() == word.casefold() if len(disks) == 1 else quotes(word, plan.fingerprint)
    return named or class_consents(plan, word)


def quotes(word: str, digest: str, least: int = MIN_QUOTED) -> bool:
    """Return whether a word is a digest, or at least its first 32 characters, in any case of letters.

    32 of them are 128 bits: another plan whose digest begins with the same 8 characters is found in minutes, one with
    the same 32 is not found at all.

    Args:
        word: the word.
        digest: the digest.
        least: so many characters of it will do; fewer than 32 only where the plan was shown just before.
    """
    return len(word) >= least and word.isascii() and digest.casefold().startswith(word.casefold())


def class_consents(plan: Plan, word: str) -> bool:
    """Return whether this word names the class of all disks of a plan, and that class is unattended and in force."""
    used = plan.guard.class_
    return used is not None and used.in_force and used.unattended and word.casefold() == used.name.casefold()


def same_class(used: RunClass, of: TargetClass) -> bool:
    """Return whether the class that a plan rests on is this one of the configuration, in all that it says of it."""
    return (
        (used.name, used.sha256, used.match, used.hours, used.unattended)
        == (of.name, of.sha256, of.match, of.hours, of.unattended)
        and used.force_stop_after in (None, of.force_stop_after)
        and used.on_unknown in (None, of.on_unknown)
    )


def no_consent(plan: Plan, word: str) -> str:
    """Return why a word is no consent to a plan."""
    used = plan.guard.class_
    why = f"{word!r} does not confirm this plan"
    if used is not None and word.casefold() == used.name.casefold():
        why = (
            f"{used.name} allows nothing outside {window(used.hours)}, so it does not confirm this plan"
            if used.hours is not None and not used.in_force
            else f"The class {used.name} is not unattended, so its name does not confirm this plan"
        )
    elif any(word.casefold() == name.casefold() for _, name in plan.guard.mixed):
        why = f"Not every disk of this run is in the class {word}, so it does not confirm this plan"
    return f"{why}; {plan.confirm_with} does."


def _granted(of: TargetClass, request: TargetRequest) -> Options:
    """Add what a class allows to what is asked for."""
    options = request.options
    snapshot = options.snapshot if of.snapshot is None or "snapshot" in request.explicit else of.snapshot
    return replace(
        options,
        stop_instance=options.stop_instance or of.stop_instance,
        snapshot=snapshot,
        accept=tuple(sorted({*options.accept, *of.accept})),
    )


def _run_class(of: TargetClass, request: TargetRequest, options: Options, *, in_force: bool) -> RunClass:
    force = of.force_stop_after if in_force and "force_stop_after" not in request.explicit else None
    on_unknown = of.on_unknown if in_force and "on_unknown" not in request.explicit else None
    allowed = [
        *(["stop_instance"] if options.stop_instance and not request.options.stop_instance else []),
        *(f"accept {name}" for name in options.accept if name not in request.options.accept),
        *(["snapshot" if options.snapshot else "no snapshot"] if options.snapshot != request.options.snapshot else []),
        *([f"force_stop_after {force:.0f}s"] if force is not None else []),
        *([f"on_unknown {on_unknown}"] if on_unknown is not None else []),
        *([f"max_disks {of.max_disks}"] if in_force and of.max_disks is not None else []),
    ]
    return RunClass(of.name, of.sha256, of.match, of.hours, in_force, of.unattended, tuple(allowed), force, on_unknown)


def _most(
    target_rules: TargetRules, request: TargetRequest, of: TargetClass | None = None, *, in_force: bool = False
) -> int:
    """Return how many disks the run may have: a class's own number, which the request may only make smaller."""
    most = (
        request.max_disks or target_rules.max_disks or (MAX_DISCOVERED_DISKS if request.discovered else MAX_NAMED_DISKS)
    )
    most = min(most, target_rules.limit or most)
    if of is None or of.max_disks is None:
        return most
    if in_force:
        return min(of.max_disks, request.max_disks or of.max_disks)
    return min(of.max_disks, most)


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"
