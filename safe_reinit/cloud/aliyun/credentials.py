"""The key that signs: from one source, chosen at the start, read again before each request, always of one caller.

A configured source is never abandoned for another. A new key from it is used as soon as ECS says that it belongs to the
same caller as before; a key of somebody else signs no observation and no stop, snapshot, tag or wipe.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from math import inf
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ...clock import boottime
from ...errors import TRY_IT
from ...model import Caller
from ...threads import Background
from ..endpoints import is_loopback
from ..given import KeySource, is_key
from .answers import SigningKey, Web
from .keys import key_of
from .profile import CredentialsError, NothingFoundError, Profile
from .sources import CredentialSource, chosen, read_source

if TYPE_CHECKING:
    from ..endpoints import Place
    from .attempt import Reply

__all__ = ["Credentials", "CredentialsError", "NothingFoundError", "OtherCallerError", "SigningKey"]

_RENEW_BEFORE = 300.0
"""Seconds before its expiry at which a key is renewed; a short-lived one in its last third."""
_REREAD_INTERVAL = 10.0
"""Seconds after which a source that failed, or whose key was refused, is asked again."""

_OBJECT = "The object given as credentials"
_OBJECT_TIMEOUT = 60.0
"""Real seconds in which it must answer, the same as for an external command."""

_NONE = (
    "No credentials were found in Alibaba Cloud's default credential chain: environment, aliyun CLI profile, "
    "credentials.ini, RAM role of this machine"
)
_GIVE = (
    "Run aliyun configure, or set ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET. "
    f"To try it without an account: {TRY_IT}"
)

Who = Callable[[SigningKey], Caller]
"""Asks STS who a key belongs to."""


class OtherCallerError(CredentialsError):
    """The source now has somebody else's key."""


class Credentials:
    """The key to sign with, from one source. Safe to use from several threads, and shared by all gateways of a client.

    Args:
        where: the cloud, and the profile that was requested by name.
        environment: the variables that configure sources.
        web: asks services for keys; by default over its own connections.

    """

    def __init__(self, place: Place, environment: Mapping[str, str] = os.environ, web: Web | None = None) -> None:
        self._place = place
        self._environment = environment
        self._web = web or _Connected(place, environment)
        self._locks = (os.getpid(), threading.Lock())
        self._sources: list[CredentialSource] = []
        self._profile: Profile | None = None
        self._held: SigningKey | None = None
        self._reread_at = -inf
        self._again_at = inf
        self._refused = False
        self._caller: Caller | None = None
        self._unknown = False
        self._latest: tuple[Profile, SigningKey, float] | None = None
        self._stranger: tuple[SigningKey, Caller] | None = None

    @property
    def _asking(self) -> threading.Lock:
        """Held by the thread that asks the source; a forked child has its own."""
        pid, lock = self._locks
        if pid != os.getpid():
            self._locks = (os.getpid(), lock := threading.Lock())
        return lock

    @property
    def source(self) -> str:
        """Where the key comes from, for people; ``""`` while there is none, and if the program gave it."""
        if self._place.has_given_credentials:
            return ""
        return self._profile.source if self._profile else ""

    def key(self, who: Who, *, strict: bool = False, unchecked: bool = False) -> SigningKey:
        """Return the key to sign with.

        Args:
            who: asks who a new key belongs to.
            strict: for a changing call and the calls before it: the source must have the key now. Otherwise the earlier
                key is good while it lasts.
            unchecked: for a call that brings a machine back: any key there is, whoever it belongs to.

        Raises:
            CredentialsError: there is none.
            OtherCallerError: it belongs to somebody else.
            CloudError: it could not be determined who it belongs to.

        """
        if self._place.access_key is not None:
            return _given(self._place)
        usable = self._usable()
        if usable is not None and (unchecked or (not strict and self._asking.locked())):
            return usable
        with self._asking:
            try:
                return self._renewed(who, strict=strict, unchecked=unchecked)
            except Exception:
                usable = self._held if unchecked else self._usable()
                if usable is None or strict:
                    raise
                self._again_at = _now() + _REREAD_INTERVAL
                return usable

    def refused(self, key: SigningKey) -> None:
        """Record that ECS refused a key: its source must be asked again."""
        if key == self._held:
            self._refused = True

    def belongs_to(self, caller: Caller) -> None:
        """Record who the key belongs to: from now on it must be the same caller.

        Raises:
            OtherCallerError: it belonged to somebody else.
        """
        if self._caller is None:
            self._caller = caller
        elif _identity(caller) != _identity(self._caller):
            raise _other(self.source, self._caller, caller)

    def record_unknown_caller(self) -> None:
        """Record that STS did not say who the key belongs to: any other key must be proven to be the same caller's."""
        self._unknown = self._caller is None and self._held is not None

    def _usable(self) -> SigningKey | None:
        held = self._held
        expired = held is not None and held.expires is not None and held.expires <= _now()
        return None if expired or self._refused else held

    def _renewed(self, who: Who, *, strict: bool, unchecked: bool) -> SigningKey:
        """Read the source, and return the key that it has now, or the earlier one if that is still the source's.

        If the earlier one is no longer good, another caller of the same account may still observe.
        """
        now = _now()
        profile, key = self._obtained(now)
        if key is None and self._held is not None:
            return self._held
        assert key is not None  # noqa: S101 - for the types
        if (self._caller is not None or self._unknown) and key != self._held:
            if unchecked:
                return key
            if self._caller is None:
                assert self._held is not None  # noqa: S101 - for the types
                self._caller = who(self._held)
            if self._stranger is None or self._stranger[0] != key:
                self._stranger = key, who(key)
            caller = self._stranger[1]
            if _identity(caller) != _identity(self._caller):
                if strict or self._usable() is not None or caller.account != self._caller.account:
                    raise _other(profile.source, self._caller, caller)
                return key
        self._profile, self._held, self._refused = profile, key, False
        self._again_at = inf
        if key.expires is not None:
            left = key.expires - now
            self._again_at = now + max(_REREAD_INTERVAL, left - min(_RENEW_BEFORE, left / 3))
        return key

    def _is_other_caller(self, profile: Profile, now: float) -> bool:
        """Return whether what the source says gave somebody else's key a moment ago."""
        latest = self._latest
        return (
            latest is not None
            and latest[:1] == (profile,)
            and latest[1] != self._held
            and now - latest[2] < _REREAD_INTERVAL
        )

    def _chosen(self) -> list[CredentialSource]:
        if self._place.key_source is not None:
            return [CredentialSource("program")]
        return chosen(self._environment, self._place.profile, local_only=self._place.loopback)

    def _read(self, source: CredentialSource) -> Profile:
        if self._place.key_source is not None:
            return _asked(self._place.key_source)
        return read_source(source, self._environment)

    def _obtained(self, now: float) -> tuple[Profile, SigningKey | None]:
        """Get a key from the source, if there is a reason to; the first time from the first that is not absent."""
        if not self._sources:
            self._sources = self._chosen()
        absent = ""
        for source in list(self._sources):
            profile = self._read(source)
            if self._held is not None:
                profile = replace(profile, discovered=False)  # it existed
                refused = self._refused and now - self._reread_at >= _REREAD_INTERVAL
                if profile == self._profile and not refused and now < self._again_at:
                    return profile, None
                self._reread_at = now
                if self._is_other_caller(profile, now):
                    return profile, self._latest[1] if self._latest else None
            try:
                key = key_of(profile, self._web, self._environment, now)
            except NothingFoundError as error:
                absent = str(error)
                continue
            self._sources = [source]
            self._latest = replace(profile, discovered=False), key, now
            return replace(profile, discovered=False), key
        self._sources = []
        why = f" ({absent.rstrip('.')})" if absent else ""
        raise NothingFoundError(f"{_NONE}{why}.", _GIVE)


def _given(place: Place) -> SigningKey:
    """Return the key that the program gave."""
    assert place.access_key is not None  # noqa: S101 - for the types
    key_id, *others = place.access_key
    profile = _profile_of((key_id, *(each.reveal() for each in others)), "The key that was given")
    return key_of(profile, _Connected(place, {}), {}, _now())


def _asked(source: KeySource) -> Profile:
    """Ask the program's object for its present key: in a thread, since nothing else limits the time.

    Raises:
        CredentialsError: it gives none. What it raised is not shown, since it may contain the key.
    """
    nothing = Profile("AK", {}, _OBJECT)
    asking = Background(source, "safe-reinit-credentials")
    asking.start()
    if not asking.ended.wait(_OBJECT_TIMEOUT):
        raise nothing.failed(f"it had not answered after {_OBJECT_TIMEOUT:g} s", was_asked=True)
    try:
        key = asking.result()
    except BaseException as error:  # noqa: BLE001 - an exit, too, is of its own thread
        why = f"it raised {type(error).__name__}"
    else:
        if is_key(key):
            return _profile_of(key, _OBJECT)
        why = "what it returned is not an AccessKey id and its secret, with a token or without one"
    raise nothing.failed(why, "Call it by itself to see what it does.", was_asked=True)


def _profile_of(key: Sequence[str], source: str) -> Profile:
    members = dict(zip(("access_key_id", "access_key_secret", "sts_token"), key, strict=False))
    return Profile("StsToken" if "sts_token" in members else "AK", members, source)


def _now() -> float:
    return datetime.now(UTC).timestamp()


def _identity(caller: Caller) -> tuple[str, str, str]:
    """Return who a caller is: for an assumed role the role, whatever its session is called."""
    role, slash, _ = caller.arn.rpartition("/")
    arn = role if slash and ":assumed-role/" in caller.arn else caller.arn
    return caller.account, caller.type, arn


def _other(source: str, was: Caller, now: Caller) -> OtherCallerError:
    return OtherCallerError(
        f"The credentials now belong to another caller: {was.arn} -> {now.arn} ({source}).",
        "Find out who changed them. To continue, use credentials of the first caller.",
    )


class _Connected:
    """Asks services for keys over its own connections, which are made when they are first needed."""

    def __init__(self, place: Place, environment: Mapping[str, str]) -> None:
        self._place = place
        self._environment = environment
        self.local_only = place.loopback

    def sts(self, profile: Profile) -> str:
        """Implement ``Web``."""
        endpoint = self._place.of("sts")
        if endpoint is not None:
            return endpoint.url
        vpc = profile.members.get("enable_vpc")
        if vpc is None:
            vpc = self._environment.get("ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED", "").lower() == "true"
        region = profile.text("sts_region") or self._environment.get("ALIBABA_CLOUD_STS_REGION", "")
        return f"https://{'sts-vpc' if vpc and region else 'sts'}.{region + '.' if region else ''}aliyuncs.com"

    def now(self) -> float:
        """Implement ``Web``."""
        return boottime()

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, until: float, connect: float
    ) -> Reply:
        """Implement ``Web``; on loopback no proxy is used."""
        from .attempt import RequestInProgress  # noqa: PLC0415 - most sources ask nobody
        from .transport import Connections  # noqa: PLC0415 - as above

        left = max(0.0, until - boottime())
        direct = is_loopback(urlsplit(url).hostname or "")
        connections = Connections(ca_bundle=self._place.ca_bundle, proxy=self._place.proxy, direct=direct)
        try:
            return connections.send(RequestInProgress(left, min(connect, left)), method, url, headers, body)
        finally:
            connections.close()
