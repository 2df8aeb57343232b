"""Which cloud and which journal are meant, from the settings and the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ..config import Config
from ..errors import TRY_IT, UsageError
from . import aliyun
from .aliyun.credentials import Credentials, CredentialsError
from .aliyun.sources import home_of, region_of
from .endpoints import AccessKey, Where, parse
from .interface import Cloud, CloudFactory, MaySend, OnCall


def locate(
    settings: Config,
    environment: Mapping[str, str],
    access_key: AccessKey | None = None,
    cloud: CloudFactory | None = None,
) -> Where:
    """Say where the cloud is and with whose credentials it is asked.

    Args:
        settings: the settings in force.
        environment: the variables that credentials may come from.
        access_key: fixed credentials.
        cloud: makes the cloud, where the library's user hands one in: it knows by itself where it is and who calls.

    Raises:
        UsageError: an endpoint or the CA bundle is not usable, or no region is known.

    """
    endpoint = parse(settings["endpoint"]) if settings["endpoint"] and cloud is None else None
    place = Where(
        region=settings["region"] or _region(environment, settings["profile"]),
        endpoint=endpoint,
        endpoints={product: parse(host) for product, host in settings["endpoints"].items()},
        profile=settings["profile"] or "",
        access_key=access_key,
        ca_bundle=_readable(settings["ca_bundle"]),
        cloud=cloud,
    )
    return replace(place, credentials=Credentials(place, environment))


def connect(where: Where, on_call: OnCall, may_send: MaySend = lambda _action: "") -> Cloud:
    """Make the cloud at a place: the one that was handed in, else one over the vendor's SDK. Nothing is sent yet.

    Args:
        where: the place.
        on_call: is told every exchange.
        may_send: is asked immediately before the first byte of a changing call; see ``MaySend``.

    """
    return (where.cloud or partial(aliyun.connect, where))(on_call, may_send)


def time_scale(environment: Mapping[str, str], *, loopback: bool) -> float:
    """Read the rate of the clock from ``SAFE_REINIT_TIME_SCALE``.

    Raises:
        UsageError: it is no rate, or the endpoint is not on this machine: real time must not be hurried.

    """
    given = environment.get("SAFE_REINIT_TIME_SCALE")
    if not given:
        return 1.0
    if not loopback:
        raise UsageError(
            "SAFE_REINIT_TIME_SCALE is set, and the endpoint is not on this machine.",
            hint="Unset it: it is for simulators only.",
        )
    try:
        rate = float(given)
    except ValueError:
        rate = 0.0
    if not 0.0 < rate <= 1000.0:
        raise UsageError("SAFE_REINIT_TIME_SCALE is not a rate such as 10.", hint="Correct or unset it.")
    return rate


def journal_of(settings: Mapping[str, Any], environment: Mapping[str, str]) -> str:
    """Tell where runs are written down: a file, or ``postgresql://...``.

    Raises:
        UsageError: none is named, and there is no place for one.
    """
    return str(settings["journal"] or default_journal(environment))


def spool_of(journal: str, environment: Mapping[str, str]) -> Path:
    """Tell where this host keeps what a journal lacks while it cannot be written: where a file is, or would be.

    Raises:
        UsageError: the user has no home folder.
    """
    from ..journal.place import is_shared  # noqa: PLC0415 - a plan writes nothing down

    return (default_journal(environment) if is_shared(journal) else Path(journal)).parent / "spool"


def default_journal(environment: Mapping[str, str]) -> Path:
    """Tell where the journal is: for root the machine's, else the user's state directory.

    Raises:
        UsageError: the user has no home folder.
    """
    if os.getuid() == 0:
        return Path("/var/lib/safe-reinit/journal.db")
    named = Path(environment.get("XDG_STATE_HOME", ""))
    if named.is_absolute():
        return named / "safe-reinit" / "journal.db"
    own = home_of(environment)
    if not own.is_absolute() or own == Path(os.devnull):
        raise UsageError(
            "This user has no home folder, so there is no place for the journal of runs.",
            hint="Set HOME, or name a file with --journal.",
        )
    return own / ".local" / "state" / "safe-reinit" / "journal.db"


def _region(environment: Mapping[str, str], profile: str | None) -> str:
    try:
        found = region_of(profile, environment)
    except CredentialsError as error:
        raise UsageError(f"No region is known, and none can be read. {error}", hint=error.hint) from None
    if not found:
        raise UsageError(
            "No region is known: --region, the environment, the configuration and the aliyun CLI profile name none.",
            hint="Give --region cn-hangzhou, for example, or run aliyun configure, which keeps one with your key. "
            f"To try it without an account: {TRY_IT}",
        )
    return found


def _readable(path: str | None) -> str:
    if path and not os.access(path, os.R_OK):
        raise UsageError(f"The CA bundle {path} cannot be read.", hint="Correct --ca-bundle.")
    return path or ""
