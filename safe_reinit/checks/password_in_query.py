"""The password travels in the query of the request.

What it does
    Tells that a password to set is sent as a query parameter of ReInitDisk: the vendor's SDK puts every parameter
    into the query of an HTTPS request (ECS API reference, ReInitDisk: "use HTTPS").

Why it stops you
    It does not: it is told. HTTPS hides the query on the way, but whatever opens the connection in between can write
    URLs into its log: a proxy with a certificate of its own, a monitoring agent. This program logs none, and shows the
    password nowhere.

How to fix it
    Use a key pair (--key-pair) on Linux, do not send this call through a proxy that opens HTTPS, or change the password
    once more after the first login.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from ._shared import is_system
from .check import Check


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    if facts.disk is None or not is_system(facts.disk) or facts.options.password is None:
        return
    yield Finding(
        CHECK.name,
        "info",
        facts.disk.disk_id,
        "The SDK sends the new password in the query of the HTTPS request, so a proxy that opens HTTPS could log it.",
        fix="Use a key pair on Linux, or change the password after the first login.",
    )


CHECK = Check("password-in-query", "info", (), check, of_options=True, of_reinit=True)
