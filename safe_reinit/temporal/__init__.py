"""The same loop on Temporal, for when several hosts share the work; needs the extra ``temporal``.

A workflow for each job carries its record and a few words from one activity to the next: nothing of ours is decided
where it would be replayed, so that an upgrade never meets a history that it cannot follow. ``look`` reads the cloud,
folds what it sees into the record and decides; ``act`` makes one guarded call. A lane for each account and region lets
jobs begin. Importing this package does not import temporalio.
"""

from __future__ import annotations

from ..errors import UsageError


def needed() -> None:
    """See that the extra is installed.

    Raises:
        UsageError: it is not.
    """
    try:
        import temporalio  # noqa: F401, PLC0415 - only where it is asked for
    except ImportError:
        raise UsageError(
            "The runner temporal needs the package temporalio, which is not installed.",
            hint="Install it: pip install 'safe-reinit[temporal]'; the local runner needs none of it.",
        ) from None
