"""No login is set for the wiped system disk.

What it does
    For a system disk, checks whether --key-pair or a password is given, and whether the instance has a key pair
    (KeyPairName, DescribeInstances). If the instance has a key pair, the check assumes that people log in with it.

Why it matters
    A wiped system disk has only the content of its image: the users, keys and passwords that were set on it are gone.
    It is not documented which login works if you give neither, so perhaps nobody can log in. (The tool cannot see
    whether a custom image has its own login.)

How to fix it
    Add --key-pair (Linux), or a password with --password-env or --password-stdin. If the image has its own login,
    accept the risk with --accept no-login-set.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from ._shared import is_system, on_windows
from .check import Check


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    disk, instance, options = facts.disk, facts.instance, facts.options
    if disk is None or instance is None or not is_system(disk):
        return
    if options.key_pair or options.password is not None or instance.key_pair_name:
        return
    either = "" if on_windows(facts) else "--key-pair, or "
    yield Finding(
        CHECK.name,
        "risk",
        disk.disk_id,
        "Neither a key pair nor a password is given for this system disk, and the instance has no key pair: "
        "it is not documented which login works after the wipe, so perhaps nobody can log in.",
        fix=f"Add {either}a password with --password-env or --password-stdin; "
        "if the image has its own login, accept this with --accept no-login-set.",
        fact={"KeyPairName": ""},
    )


CHECK = Check("no-login-set", "risk", (), check, of_reinit=True)
