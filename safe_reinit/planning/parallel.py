"""Asks several questions at once, each on its own thread, all within one time limit.

A question that hangs is abandoned when the time is up: its thread ends with it, and nobody waits for it, not even the
end of the process.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import TypeVar

from ..clock import boottime
from ..cloud.interface import CloudError, Unanswered

T = TypeVar("T")


def ask_parallel(questions: Sequence[Callable[[], T]], limit: float) -> list[T | CloudError]:
    """Ask all of these at once, and return for each its answer or its failure.

    Args:
        questions: the questions; none of them changes anything.
        limit: the real seconds after which a question counts as unanswered.

    Raises:
        Exception: a question raised something other than a ``CloudError``.

    """
    done: SimpleQueue[tuple[int, T | CloudError | None, BaseException | None]] = SimpleQueue()

    def ask(number: int) -> None:
        try:
            done.put((number, questions[number](), None))
        except CloudError as failed:
            done.put((number, failed, None))
        except BaseException as broke:  # noqa: BLE001 - whatever it is, it is raised where somebody waits for it
            done.put((number, None, broke))

    began = boottime()
    for number in range(len(questions)):
        try:
            threading.Thread(target=ask, args=(number,), name="safe-reinit-describe", daemon=True).start()
        except RuntimeError:  # no more threads: then one after another
            ask(number)
    answered: dict[int, T | CloudError] = {}
    while len(answered) < len(questions):
        try:
            number, answer, broke = done.get(timeout=max(0.0, limit - (boottime() - began)))
        except Empty:
            break
        if broke is not None:
            raise broke
        answered[number] = answer  # type: ignore[assignment]
    none = Unanswered("the question", f"nothing came within {limit:.0f} s")
    return [answered.get(number, none) for number in range(len(questions))]
