"""The machines of a plan of several, in groups: what is alike shares a heading, and every disk is named, once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from ..model import Becomes, Finding, PlannedDisk, PlannedJob
from ..model.letters import printable
from . import text
from .many import FULL_DETAIL_LIMIT, count_of, groups, in_columns
from .text import Line, name_of

Target = tuple[PlannedJob, PlannedDisk]
_MAX_KINDS = 6
"""Up to so many different sizes and origins of disks have a heading each; of more, what they have in common has one."""
_MAX_EACH = 12
"""Up to so many disks that share a heading only roughly each say what they become."""
_KINDS = {
    "snapshot": "get the content of a snapshot",
    "image": "get the content of an image",
    "empty": "become EMPTY (as blank disks)",
    "unknown": "get unknown content",
}


def refused_lines(jobs: Sequence[PlannedJob], refusing: Sequence[Finding], others: str = "") -> Iterator[Line]:
    """Yield machines by what refuses them, each set of checks once.

    Args:
        jobs: the machines.
        refusing: what refuses them, or the run itself.
        others: what is said of those that nothing refuses.

    """
    found: dict[str, list[Finding]] = {}
    for each in refusing:
        found.setdefault(each.subject, []).append(each)

    def against(target: Target) -> tuple[tuple[str, ...], bool]:
        job, disk = target
        own = [*found.get(disk.disk_id, ()), *found.get(job.instance_id or "", ())]
        return tuple(dict.fromkeys(each.check for each in own)), any(each.level == "block" for each in own)

    names = _names(jobs)
    alike = groups(_targets(jobs), against)
    for group in sorted(alike, key=lambda each: not against(each[0])[0]):
        checks, blocked = against(group[0])
        title = f"Refused by {', '.join(checks)}:" if checks else others
        yield Line(f"  {title}", text.STYLE["block" if blocked else "risk"] if checks else "")
        yield from _rows(group, names)


def target_lines(jobs: Sequence[PlannedJob], steps_of: Callable[[PlannedJob], tuple[str, str, str]]) -> Iterator[Line]:
    """Yield machines by what happens to them and what their disks become, right above what is lost.

    Args:
        jobs: the machines.
        steps_of: what happens to the power of one, which calls it gets, and what else must be known.

    """
    names = _names(jobs)
    for group in groups(jobs, steps_of):
        power, calls, known = steps_of(group[0])
        yield Line(f"  {count_of(len(group), 'instance')}{' ' if len(group) == 1 else ', each '}{power}", "bold")
        yield Line(f"    {calls}", "dim")
        if known:
            yield Line(f"    {known}")
        for alike in _kinds(list(_targets(group))):
            yield Line(f"    {_heading(alike)}:", "bold")
            yield from _rows(alike, names, each=True)


def _targets(jobs: Sequence[PlannedJob]) -> Iterator[Target]:
    return ((job, disk) for job in jobs for disk in job.disks)


def _kinds(targets: Sequence[Target]) -> list[list[Target]]:
    """Return targets that are alike: in all that the plan says of them, or where hardly any are, roughly."""
    exact = groups(targets, lambda each: (each[1].type, each[1].size_gib, each[1].becomes, each[1].waivers))
    if len(exact) <= _MAX_KINDS and len(exact) * 2 <= len(targets):
        return exact
    return groups(targets, lambda each: (each[1].type, each[1].becomes.kind, each[1].waivers))


def _heading(alike: Sequence[Target]) -> str:
    """Return what disks are, what they become, and which risks are accepted for them."""
    disk = alike[0][1]
    what = count_of(len(alike), f"{disk.type} disk") if disk.type else f"{count_of(len(alike), 'disk')} not seen"
    sizes = _sizes(alike)
    each = " each" if len(alike) > 1 and len(sizes) == 1 else ""
    size = f", {sizes[0]}{f' to {sizes[-1]}' if len(sizes) > 1 else ''} GiB{each}" if sizes else ""
    different = {disk.becomes for _, disk in alike}
    several = len(alike) > 1
    becomes = _exactly(disk.becomes, several=several) if len(different) == 1 else _roughly(alike, len(different))
    accepted = f"; accepted: {', '.join(disk.waivers)}" if disk.waivers else ""
    return f"{what}{size}, {becomes}{accepted}"


def _sizes(alike: Sequence[Target]) -> list[int]:
    return sorted({disk.size_gib for _, disk in alike if disk.size_gib is not None})


def _exactly(becomes: Becomes, *, several: bool) -> str:
    """Return what disks become in as few words as fit into a row: what was not seen says so."""
    if becomes.kind not in ("snapshot", "image"):
        return text.will_become(becomes, several=several)
    day = f" of {becomes.created_at:%Y-%m-%d}" if becomes.created_at else ""
    return f"{'get' if several else 'gets'} the content of {becomes.kind} {becomes.id}{day}"


def _roughly(alike: Sequence[Target], different: int) -> str:
    hidden = "" if len(alike) <= _MAX_EACH else "; --verbose names each"
    return f"{_KINDS[alike[0][1].becomes.kind]} ({different} different ones{hidden})"


def _rows(alike: Sequence[Target], names: Mapping[int, str], *, each: bool = False) -> Iterator[Line]:
    """Yield the disks behind the names of their machines, as many in a row as 80 columns have room for.

    Args:
        alike: the disks.
        names: what the machines are called.
        each: whether each of a few disks says what tells it from the others.

    """
    differing = _differing(alike) if each and len(alike) <= _MAX_EACH else lambda _: ()
    cells = [(names[id(job)], disk.disk_id, *differing(disk)) for job, disk in alike]
    packed = len(names) > FULL_DETAIL_LIMIT
    yield from (Line(f"    {row}") for row in in_columns(cells, packed=packed))


def _differing(alike: Sequence[Target]) -> Callable[[PlannedDisk], tuple[str, ...]]:
    """Return what gives the size of a disk and what it becomes, where those differ."""
    sizes, becomes = len(_sizes(alike)) > 1, len({disk.becomes for _, disk in alike}) > 1

    def differs(disk: PlannedDisk) -> tuple[str, ...]:
        size = (f"{disk.size_gib or '?'} GiB",) if sizes else ()
        return (*size, f"-> {disk.becomes.id or disk.becomes.kind}") if becomes else size

    return differs


def _names(jobs: Sequence[PlannedJob]) -> dict[int, str]:
    """Return what machines are called: of a few, and where a name does not tell which, with the id."""
    counts = Counter(job.instance_name for job in jobs)
    with_id = len(jobs) <= FULL_DETAIL_LIMIT
    return {
        id(job): printable(job.instance_name)
        if job.instance_name and counts[job.instance_name] == 1 and not with_id
        else name_of(job)
        for job in jobs
    }
