"""Retries calls that only read, once or patiently. A changing call is never repeated here.

tenacity computes the waits; the limits are ours, because tenacity's own count real time whatever clock the waits use.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, wait_exponential, wait_random

from .. import logs
from ..clock import Clock
from ..model import error_codes
from .interface import CloudError, NoCredentials, Refused

T = TypeVar("T")

_MAX_UNANSWERED = 3
"""Attempts of a question that gets no answer, since each takes its full time."""
_PASSING_CODE_LIMIT = 20.0
"""Cloud seconds for which a question is repeated that gets a temporary error code."""
_OPTIONAL_LIMIT = 5.0
"""Cloud seconds for a question that a plan can do without."""
_THROTTLED_LIMIT = 90.0
"""Cloud seconds: an account that is throttled in one minute is refused until the next (ECS, API throttling)."""

_short_wait = wait_exponential(multiplier=0.5, max=7.5) + wait_random(max=0.5)
_throttled_wait = wait_exponential(multiplier=2.0, max=18.0) + wait_random(max=2.0)


class Ask(Protocol):
    """How a question is asked."""

    limit: float
    """Real seconds after which it counts as unanswered, whatever its call is still waiting for."""

    def __call__(self, question: Callable[[], T]) -> T:
        """Return the answer, or raise the last failure."""

    def shortly(self, question: Callable[[], T]) -> T:
        """Do the same for a question that deserves little patience."""


class Once:
    """Asks once: whoever decides on the answer asks again when it is useful, and a machine may be down meanwhile."""

    limit = 30.0

    def __call__(self, question: Callable[[], T]) -> T:
        """Implement ``Ask``."""
        return question()

    shortly = __call__


class Patient:
    """Repeats a question while it fails temporarily: no answer, not sent, throttled, busy, a 5xx."""

    limit = 300.0

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def shortly(self, question: Callable[[], T]) -> T:
        """Answer a question that a plan can do without, or raise its last failure after 5 cloud seconds.

        If there is no answer at all, it is not repeated, because its endpoint may be unreachable from here.

        Raises:
            CloudError: it failed.
        """
        try:
            return question()
        except Refused as refused:
            if not may_pass(refused):
                raise
        return self._until(question, _OPTIONAL_LIMIT, _OPTIONAL_LIMIT)

    def __call__(self, question: Callable[[], T]) -> T:
        """Return the answer, or raise the last failure.

        Raises:
            CloudError: it failed for good, got no answer three times, got a temporary error code for 20 cloud seconds,
                or was throttled for 90.

        """
        return self._until(question, _PASSING_CODE_LIMIT, _THROTTLED_LIMIT)

    def _until(self, question: Callable[[], T], answered: float, throttled: float) -> T:
        began = self._clock.time()

        def enough(state: RetryCallState) -> bool:
            if not isinstance(_error(state), Refused):
                return state.attempt_number >= _MAX_UNANSWERED
            return self._clock.time() - began > (throttled if _throttled(state) else answered)

        return Retrying(
            retry=retry_if_exception(may_pass),
            wait=lambda state: (_throttled_wait if _throttled(state) else _short_wait)(state),
            stop=enough,
            sleep=self._clock.sleep,
            before_sleep=_log_retry,
            reraise=True,
        )(question)


def may_pass(error: BaseException) -> bool:
    """Return whether a failed question may be answered later: no answer, not sent, or a temporary code."""
    if isinstance(error, Refused):
        return error_codes.passes(error.action, error.code, error.http_status)
    return isinstance(error, CloudError) and not isinstance(error, NoCredentials)


def _error(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _log_retry(state: RetryCallState) -> None:
    error = _error(state)
    if isinstance(error, CloudError) and state.next_action is not None:  # pragma: no branch - for the types only
        logs.again(error.action, state.next_action.sleep)


def _throttled(state: RetryCallState) -> bool:
    error = _error(state)
    return isinstance(error, Refused) and error_codes.throttled(error.code)
