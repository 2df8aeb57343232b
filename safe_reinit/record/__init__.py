"""How a job's record changes: by what is seen, by what is intended, by what was answered. Pure: no clock, no network.

``decide`` reads the record; nothing else decides by it. A record only grows more careful: an error, an interruption or
an intended start is never taken back.
"""

from .answered import accepted, doubted, intend, lost, refused, withdraw
from .aside import bears_tag, is_backed_up, leaves_tag
from .resumed import Verdict, after_pause, expire, judge, resume
from .seen import learn
from .state import (
    GAP,
    LAG_BOUND,
    SETTLING,
    SETTLING_READS,
    UNSETTLED_LIMIT,
    begin,
    fail,
    interrupt,
    is_current,
    is_owed,
    is_settled,
    lag_of,
    lose_sight,
    outcome,
    stuck,
)
from .steps import is_asked, outstanding, tries_of, wipe_of
from .wiping import is_watched, open_resets

__all__ = [
    "GAP", "LAG_BOUND", "SETTLING", "SETTLING_READS", "UNSETTLED_LIMIT", "Verdict", "accepted", "after_pause",
    "bears_tag", "begin", "doubted", "expire", "fail", "intend", "interrupt", "is_asked", "is_backed_up",
    "is_current", "is_owed", "is_settled", "is_watched", "judge", "lag_of", "learn", "leaves_tag", "lose_sight",
    "lost", "open_resets", "outcome", "outstanding", "refused", "resume", "stuck", "tries_of", "wipe_of", "withdraw",
]  # fmt: skip
