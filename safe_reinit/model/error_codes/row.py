"""One row of the table of error codes, and phrases that rows share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

CodeVerdict = Literal["again", "refused", "credentials", "lost", "unknown"]
"""``again``: proven not done, may pass later; ``refused``: proven not done, for good; ``credentials``: not done, since
the credentials, their rights or the clock were refused; ``lost``: the answer does not say whether it was done;
``unknown``: a code without a row."""

EVERY = "*"
"""The action of rows that hold for every call."""


@dataclass(frozen=True)
class Code:
    """What one error code means for the calls it is documented for."""

    actions: tuple[str, ...]
    """The calls that this row is about; ``("*",)`` for every call. StopInstances counts as StopInstance."""
    code: str
    """The code, or a family: ``Throttling*``, ``*.Initializing``."""
    status: int
    """The documented HTTP status."""
    source: str
    """Where it is documented: editions of the API reference, ``common errors``, or ``other clients``."""
    verdict: CodeVerdict
    """What it proves, given a status of the 400s."""
    meaning: str
    """What it says, in our words; no text of ECS is ever repeated, since such texts can quote the request."""
    fix: str
    """What the person should do about it."""
    checks: tuple[str, ...] = ()
    """The checks that predict it."""
    unforeseen: str = ""
    """Why no check can predict it, or not completely."""
    of_snapshot: bool = False
    """Whether it goes away when a snapshot in progress is finished."""

    @property
    def is_family(self) -> bool:
        """Whether it stands for several codes."""
        return "*" in self.code

    def covers(self, code: str) -> bool:
        """Return whether this row is about a code."""
        if self.code.startswith("*"):
            return code.endswith(self.code[1:])
        if self.code.endswith("*"):
            return code.startswith(self.code[:-1])
        return code == self.code


CHECK_AGAIN = "then check again with --dry-run."
SOURCE_GONE = "The disk can never be wiped again; create a new disk from a snapshot that still exists."
IMAGE_GONE = (
    "Ask the owner to share the image again, or replace the system disk from another image (ReplaceSystemDisk)."
)
KMS = f"Enable the key or repair the grant in the KMS console, {CHECK_AGAIN}"
KMS_GONE = "Restore the key in the KMS console if it can be restored; without it nothing on the disk can be read."
KMS_POWER = "Enable the key or repair the grant in the KMS console, then start the instance."
MONEY = "Renew the instance or settle the bill"
REPORT = "Please report this: the program should not send such a request."
OVERWRITE = ("ReInitDisk", "ResetDisk")
POWER = ("StopInstance", "StartInstance")
REINIT = ("ReInitDisk",)
RESET = ("ResetDisk",)
STOP = ("StopInstance",)
START = ("StartInstance",)
SNAP = ("CreateSnapshot",)
TAGGING = ("TagResources", "UntagResources")
NO_ROLLBACK = "The disk stays as the wipe left it; restore the data from the snapshot onto a new disk (CreateDisk)."
WAIT_SNAPSHOT = "Wait until that snapshot is finished. A run waits for at most --timeout-snapshot, and while a machine is down no longer than the plan says."
ACCOUNT = "Settle the bill"
