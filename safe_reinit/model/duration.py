"""How long something takes, as people write it."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """Write seconds as people say them: ``45s``, ``10m``, ``1h30m``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    minutes, left = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}m{left:02}s" if left else f"{minutes}m"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if minutes else f"{hours}h"
