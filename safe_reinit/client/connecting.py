"""Making a client: which place it asks, with which credentials and settings."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Unpack

from ..clock import Clock, time_scale
from ..cloud.given import given
from ..cloud.locate import locate
from ..cloud.simulation import active
from ..config import Settings
from ..config.arguments import Config, ConfigArguments
from ..config.wording import raising_arguments
from ..errors import UsageError
from ..execution.descriptors import demand_descriptors, load_all
from ..planning import request
from ..planning.setup import Setup
from .client import Client

if TYPE_CHECKING:
    from ..cloud.given import AccessKey, Credential, CredentialsClient
    from ..cloud.interface import CloudFactory


def connect(  # noqa: PLR0913 - each says something else of where and who
    *,
    region: str | None = None,
    profile: str | None = None,
    endpoint: str | None = None,
    config: str | os.PathLike[str] | Config | Settings | None = None,
    credentials: AccessKey | Callable[[], AccessKey] | Credential | CredentialsClient | None = None,
    journal: str | os.PathLike[str] | None = None,
    cloud: CloudFactory | None = None,
    clock: Clock | None = None,
    owner: Mapping[str, str | int] | None = None,
    **settings: Unpack[ConfigArguments],
) -> Client:
    """Make a client for one region. Nothing is sent yet.

    For several regions, make one client for each region. Make all plans first, and tell each call of ``plan`` with
    ``elsewhere`` how many disks the plans of the other regions have. Run none of them before all of them are runnable.

    Args:
        region: the region id; by default from the environment, the configuration or the aliyun CLI profile.
        profile: the aliyun CLI profile to take credentials from; by default Alibaba Cloud's default credential chain.
        endpoint: ``[http://|https://]HOST[:PORT]`` of ECS; a loopback one serves every product.
        config: the path of a configuration file, or its contents as a dict. Without it, the usual file is read.
            Environment variables override the file, and arguments override both.
        credentials: an AccessKey id and its secret and, for a temporary key, the STS token; or a source that is asked
            for them before each request: a function, a client of ``alibabacloud_credentials`` (for example one that
            assumes a role), or your own SDK client. A key of another account, user or role is refused.
        journal: the journal file; by default that of the configuration, of root or of the user. On loopback with
            ``credentials`` it is kept in memory unless it is named.
        cloud: makes the ``Cloud`` that is called instead of Alibaba Cloud's SDK, for example one that uses your own
            SDK client, or a fake. It must know its own endpoint and caller. You must then name a journal. For anything
            other than the real Alibaba Cloud, use a separate journal, so that its runs never block real ones.
        clock: the clock for waiting; by default one that runs at the speed of real time.
        owner: the legacy owner parameters of ReInitDisk (ECS API reference): ``owner_account``, ``owner_id``,
            ``resource_owner_account``, ``resource_owner_id``.
        settings: any other setting, by its name: ``timeout_stop="5m"`` or ``timeout_stop=timedelta(minutes=5)``.

    Raises:
        TypeError: there is no such setting.
        UsageError: an argument or a setting is not valid, two contradict each other, or no region or journal is known.
        RunRefused: the limit of open files of this process is too low for a run.

    """
    with raising_arguments(not isinstance(config, Settings)) as of_program:
        own = given(credentials)
        if own is not None and profile is not None:
            raise UsageError("connect got both a profile and credentials.", hint="Give one of them.")
        flags = {"region": region, "profile": profile, "endpoint": endpoint, "journal": journal, **settings}
        if unknown := set(settings) - set(ConfigArguments.__annotations__):
            raise TypeError(f"connect() got an unexpected keyword argument {min(unknown)!r}")
        resolved = request.settings(config, flags)
        if (simulation := active()) is not None:
            resolved = resolved.having(Settings.journal, simulation.journal).having(Settings.runner, "local")
        owners = request.owner_parameters(owner or {})
        if cloud is not None:
            request.refuse_places(resolved, profile=profile, endpoint=endpoint, credentials=credentials)
        place = locate(resolved, os.environ, own, cloud)
        clock = simulation.clock if simulation else clock or Clock(time_scale(os.environ, loopback=place.loopback))
        demand_descriptors()
        load_all(resolved.journal)
        return Client(Setup(place, resolved, clock, request.target_rules_of(resolved), owners, of_program))
