"""No login is set for the system that comes back.

What it does
    Looks whether --key-pair or a password is given for a system disk, and whether the instance has a key pair
    (KeyPairName, DescribeInstances). A key pair on the instance is taken for the way people log in.

Why it stops you
    A wiped system disk is its image again: the users, keys and passwords that were set on it are gone. What becomes of
    the login when neither is given is not documented, so nobody may be able to log in. (The tool cannot see whether a
    custom image has a login of its own.)

How to fix it
    Give --key-pair (Linux), or a password with --password-env or --password-stdin; or accept it with
    --accept no-login-set where the image brings its own login.
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
        "what login it then comes back with is not documented, so nobody may be able to log in.",
        fix=f"Give {either}a password with --password-env or --password-stdin; "
        "or accept it with --accept no-login-set where the image brings its own login.",
        fact={"KeyPairName": ""},
    )


CHECK = Check("no-login-set", "risk", (), check, of_reinit=True)
