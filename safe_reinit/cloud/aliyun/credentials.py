"""Whose key signs: one source, chosen at the start, read again before each request, and always the same caller.

A source that is configured is never left for another one. What it has anew is used as soon as ECS says that it belongs
to the same caller as before; a key of somebody else signs no observation and no stop, snapshot, tag or wipe.
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
from .answers import Key, Web
from .keys import key_of
from .profile import CredentialsError, NothingFoundError, Profile
from .sources import Source, chosen, read

if TYPE_CHECKING:
    from ..endpoints import Place
    from .attempt import Reply

__all__ = ["Credentials", "CredentialsError", "Key", "NothingFoundError", "OtherCallerError"]

_RENEW_BEFORE = 300.0
"""Seconds before its end at which a key is asked for again; of a short one in its last third."""
_REREAD_INTERVAL = 10.0
"""Seconds after which a source that failed, or whose key was refused, is asked again."""

_OBJECT = "The object given as credentials"
_OBJECT_TIMEOUT = 60.0
"""Real seconds in which it has to answer, as long as an external command has."""

_NONE = (
    "No credentials were found in Alibaba Cloud's default credential chain: environment, aliyun CLI profile, "
    "credentials.ini, RAM role of this machine"
)
_GIVE = (
    "Run aliyun configure, or set ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET. "
    f"To try it without an account: {TRY_IT}"
)

Who = Callable[[Key], Caller]
"""Asks STS who a key belongs to."""


class OtherCallerError(CredentialsError):
    """The source has the key of somebody else now."""


class Credentials:
    """The key to sign with, from one source. Safe to use from several threads, and shared by all gateways of a client.

    Args:
        where: the cloud, and the profile that was asked for by name.
        environment: the variables that configure sources.
        web: asks others for keys; else over connections of its own.

    """

    def __init__(self, place: Place, environment: Mapping[str, str] = os.environ, web: Web | None = None) -> None:
        self._place = place
        self._environment = environment
        self._web = web or _Connected(place, environment)
        self._locks = (os.getpid(), threading.Lock())
        self._sources: list[Source] = []
        self._profile: Profile | None = None
        self._held: Key | None = None
        self._reread_at = -inf
        self._again_at = inf
        self._refused = False
        self._caller: Caller | None = None
        self._unknown = False
        self._latest: tuple[Profile, Key, float] | None = None
        self._stranger: tuple[Key, Caller] | None = None

    @property
    def _asking(self) -> threading.Lock:
        """Held by the thread that asks the source; a forked child has its own."""
        pid, lock = self._locks
        if pid != os.getpid():
            self._locks = (os.getpid(), lock := threading.Lock())
        return lock

    @property
    def source(self) -> str:
        """What the key comes from, for people; ``""`` as long as there is none, and where the program gave it."""
        if self._place.has_given_credentials:
            return ""
        return self._profile.source if self._profile else ""

    def key(self, who: Who, *, strict: bool = False, unchecked: bool = False) -> Key:
        """Return the key to sign with.

        Args:
            who: asks whom a key that is new belongs to.
            strict: for a call that changes something, and before: the source has to have it now. Else the key from
                before is good while it lasts.
            unchecked: for a call that brings a machine back: whatever there is, whoever's it is.

        Raises:
            CredentialsError: there is none.
            OtherCallerError: it is somebody else's.
            CloudError: whose it is could not be asked.

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

    def refused(self, key: Key) -> None:
        """Record that ECS refused a key: its source has to be asked again."""
        if key == self._held:
            self._refused = True

    def belongs_to(self, caller: Caller) -> None:
        """Record whose key it is: from now on it has to be the same caller.

        Raises:
            OtherCallerError: it was somebody else's.
        """
        if self._caller is None:
            self._caller = caller
        elif _identity(caller) != _identity(self._caller):
            raise _other(self.source, self._caller, caller)

    def record_unknown_caller(self) -> None:
        """Record that STS did not say whose key it is: another key must be shown to be of the same caller."""
        self._unknown = self._caller is None and self._held is not None

    def _usable(self) -> Key | None:
        held = self._held
        expired = held is not None and held.expires is not None and held.expires <= _now()
        return None if expired or self._refused else held

    def _renewed(self, who: Who, *, strict: bool, unchecked: bool) -> Key:
        """Read the source, and return the key that it has now, or the one from before where that is still its.

        Where the one from before is no good any more, another caller of the same account may still observe.
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

    def _chosen(self) -> list[Source]:
        if self._place.key_source is not None:
            return [Source("program")]
        return chosen(self._environment, self._place.profile, local_only=self._place.loopback)

    def _read(self, source: Source) -> Profile:
        if self._place.key_source is not None:
            return _asked(self._place.key_source)
        return read(source, self._environment)

    def _obtained(self, now: float) -> tuple[Profile, Key | None]:
        """Get a key from the source, if there is reason to; the first time from the first one that is not absent."""
        if not self._sources:
            self._sources = self._chosen()
        absent = ""
        for source in list(self._sources):
            profile = self._read(source)
            if self._held is not None:
                profile = replace(profile, discovered=False)  # it was there
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


def _given(place: Place) -> Key:
    """Return the key that the program gave."""
    assert place.access_key is not None  # noqa: S101 - for the types
    key_id, *others = place.access_key
    profile = _profile_of((key_id, *(each.reveal() for each in others)), "The key that was given")
    return key_of(profile, _Connected(place, {}), {}, _now())


def _asked(source: KeySource) -> Profile:
    """Ask what the program gave for the key that it has now: a thread waits, since nothing else limits it.

    Raises:
        CredentialsError: it gives none. What it raised is not shown, since it may hold the key.
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
    """Return who a caller is: of a role that was assumed the role, whatever its session is called."""
    role, slash, _ = caller.arn.rpartition("/")
    arn = role if slash and ":assumed-role/" in caller.arn else caller.arn
    return caller.account, caller.type, arn


def _other(source: str, was: Caller, now: Caller) -> OtherCallerError:
    return OtherCallerError(
        f"The credentials now belong to another caller: {was.arn} -> {now.arn} ({source}).",
        "Find out who changed them. To continue, use credentials of the first caller.",
    )


class _Connected:
    """Asks others for keys over connections of its own; they are made when somebody has to be asked."""

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
        from .attempt import Attempt  # noqa: PLC0415 - most sources ask nobody
        from .transport import Connections  # noqa: PLC0415 - as above

        left = max(0.0, until - boottime())
        connections = Connections(ca_bundle=self._place.ca_bundle, direct=is_loopback(urlsplit(url).hostname or ""))
        try:
            return connections.send(Attempt(left, min(connect, left)), method, url, headers, body)
        finally:
            connections.close()
