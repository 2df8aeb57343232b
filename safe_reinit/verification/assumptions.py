"""The assumptions about ECS on which runs are based, each compared with the measurements.

What the bounds of a measurement do not decide is unknown, and never counts as agreeing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ..core.state import LAG_BOUND, MAX_GAP
from .record import Bounds, Record

CLOCKS_DIFFER = 30.0
"""Seconds by which the Date of answers and StartTime may differ."""
_MINUTE = 60.0
_CLOCK_ACCURACY = 1.0
"""Seconds between two observations, and the resolution of a Date: a smaller difference is not a difference."""


@dataclass(frozen=True)
class AssumptionResult:
    """What was measured for one assumption, and whether it agrees."""

    name: str
    """``S1`` to ``S5``."""
    assumption: str
    verdict: Literal["agrees", "contradicts", "unknown"]
    measured: str
    not_shown: str
    """What this measurement does not show."""


@dataclass(frozen=True)
class _Finding:
    verdict: Literal["agrees", "contradicts", "unknown"]
    measured: str


def judge(records: Sequence[Record], deadline: float) -> tuple[AssumptionResult, ...]:
    """Return the verdict on each assumption.

    Args:
        records: the observed runs.
        deadline: the cloud seconds in which a changing call must be answered before it counts as lost.

    """
    found = (_use(records), _lag(records), _start_time(records), _arrival(records, deadline), _clocks(records))
    return tuple(
        AssumptionResult(name, assumption, each.verdict, each.measured, not_shown)
        for (name, assumption, not_shown), each in zip(_ASSUMPTIONS, found, strict=True)
    )


_ASSUMPTIONS = (
    (
        "S1",
        f"start, write and stop by somebody else take at least {MAX_GAP + LAG_BOUND:.0f} s",
        "a forced stop, which may be quicker, was not tried",
    ),
    (
        "S2",
        f"Describe calls lag by at most {LAG_BOUND:.0f} s, and by the same time throughout a run",
        "another time, region or load may lag more",
    ),
    ("S3", "StartTime changes at every start", "starts by maintenance events and by the console were not tried"),
    (
        "S4",
        "a request arrives within its deadline (60 s for a changing call) or never",
        "no answer was lost on purpose, so a request that is delayed on its way was not tried",
    ),
    (
        "S5",
        f"the Date of answers and StartTime differ by less than {CLOCKS_DIFFER:.0f} s",
        "StartTime has a resolution of one minute, so the difference is known only within bounds",
    ),
)


def _use(records: Sequence[Record]) -> _Finding:
    """S1: a use of the machine takes at least as long as a start and a graceful stop."""
    each = [(record.start_took, record.stop_took) for record in records]
    took = [start + stop for start, stop in each if start is not None and stop is not None]
    if not took:
        return _Finding("unknown", "no complete stop and start was observed")
    least = Bounds(min(one.at_least for one in took), min(one.at_most for one in took))
    needed = MAX_GAP + LAG_BOUND
    measured = f"the quickest start and stop took {least} together"
    if least.at_most < needed:
        return _Finding("contradicts", measured)
    return _Finding("agrees" if least.at_least >= needed else "unknown", measured)


def _lag(records: Sequence[Record]) -> _Finding:
    """S2: a change that is shown later than the bound, or later than the stop that measures the lag, contradicts it."""
    lags = [lag for record in records for lag in record.lags]
    if not lags:
        return _Finding("unknown", "no call of the run was observed to take effect")
    measured = f"changes were shown {Bounds(max(one.at_least for one in lags), max(one.at_most for one in lags))} late"
    measured = f"at the worst {measured} ({len(lags)} changes)"
    if any(lag.at_least >= LAG_BOUND for lag in lags):
        return _Finding("contradicts", measured)
    for record in records:
        sampled = record.stop_lag
        if sampled is not None and any(lag.at_least > sampled.at_most + _CLOCK_ACCURACY for lag in record.lags):
            return _Finding("contradicts", f"{measured}, and more than the {sampled.at_most:.1f} s of the earlier stop")
    if any(record.wipe_lag is None for record in records):
        return _Finding("unknown", f"{measured}; ReIniting was not seen, so nothing is known about DescribeDisks")
    whole = all(len(record.lags) == len(("stop", "wipe", "start")) for record in records)
    return _Finding("agrees" if whole and max(one.at_most for one in lags) <= LAG_BOUND else "unknown", measured)


def _start_time(records: Sequence[Record]) -> _Finding:
    """S3: a machine that was started, is Running and shows its earlier StartTime contradicts it."""
    pairs = [(record.start_time_before, record.started) for record in records]
    started = [(before, after.start_time) for before, after in pairs if after is not None]
    if not started or any(None in times for times in started):
        return _Finding("unknown", "no start with a StartTime before and after it was observed")
    same = sum(before == after for before, after in started)
    return _Finding("contradicts" if same else "agrees", f"{len(started) - same} of {len(started)} starts changed it")


def _arrival(records: Sequence[Record], deadline: float) -> _Finding:
    """S4: a change that only an unanswered call explains, after that call's deadline, contradicts it."""
    answers = [each for record in records for each in record.answers]
    lost = [each for each in answers if each.code == "Unanswered"]
    answered = len(answers) - len(lost)
    if not answered:
        return _Finding("unknown", "no changing call was answered")
    measured = f"{answered} changing calls were answered within their deadline, {len(lost)} were not"
    unused, unexplained = [each for each in answers if each.code in ("OK", "Unanswered")], 0
    for action, seen in (change for record in records for change in record.changes()):
        before = [each for each in unused if each.action == action and each.at <= seen.answered_at]
        before.sort(key=lambda each: (each.code != "OK", each.at))  # an accepted call, if there is one, explains it
        if not before:
            unexplained += 1
            continue
        unused.remove(before[0])
        late = seen.at - before[0].at
        if before[0].code == "Unanswered" and late > deadline:
            return _Finding("contradicts", f"{measured}; {action} took effect {late:.0f} s later, or somebody else did")
    if unexplained:
        return _Finding(
            "unknown", f"{measured}; {unexplained} changes came from somebody else, not from a call of the run"
        )
    in_time = not any(each in unused for each in lost)
    return _Finding(
        "agrees" if in_time else "unknown", measured if in_time else f"{measured}, and those were not seen to arrive"
    )


def _clocks(records: Sequence[Record]) -> _Finding:
    """S5: each start was between two Dates, and within the minute of its StartTime.

    If the clock of StartTime is ahead, this costs a wait; if it is behind, it could hide a second start.
    """
    known = [bounds for record in records if (bounds := _ahead(record)) is not None]
    if not known:
        return _Finding("unknown", "no start with a Date before and after it was observed")
    ahead = Bounds(max(one.at_least for one in known), min(one.at_most for one in known))
    measured = f"StartTime is ahead of the Date by {ahead}"
    if ahead.at_most <= -CLOCKS_DIFFER or ahead.at_least >= CLOCKS_DIFFER:
        return _Finding("contradicts", measured)
    return _Finding("agrees" if ahead.at_least > -CLOCKS_DIFFER else "unknown", measured)


def _ahead(record: Record) -> Bounds | None:
    """Return by how much StartTime is ahead of the Date at a start."""
    at, shown = record.accepted("StartInstance"), record.restarted
    if at is None or shown is None or shown.start_time is None or shown.date is None:
        return None
    before = [each.date for each in record.samples if each.answered_at < at - _CLOCK_ACCURACY and each.date is not None]
    if not before:
        return None
    minute = shown.start_time.timestamp()
    return Bounds(minute - shown.date.timestamp() - _CLOCK_ACCURACY, minute + _MINUTE - before[-1].timestamp())
