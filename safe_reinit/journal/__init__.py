"""The journal: runs, their jobs, every event, and who holds them, in one SQLite file.

An intention is committed before its call is sent, by the one process that holds the lease of the run. One open job per
account, region and instance is enforced by the database. Nothing secret is ever written.
"""

from .file import Journal, open_to_read
from .lease import Holder, JournalError, LateAnswer, Lease, LeaseLostError
from .reading import Reader
from .stored import StoredRun

__all__ = [
    "Holder",
    "Journal",
    "JournalError",
    "LateAnswer",
    "Lease",
    "LeaseLostError",
    "Reader",
    "StoredRun",
    "open_to_read",
]
