"""Which cloud to use, from the settings and the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Protocol

from ..errors import TRY_IT, UsageError
from . import aliyun
from .aliyun.credentials import Credentials, CredentialsError
from .aliyun.sources import region_of
from .connection import Connection
from .endpoints import parse
from .given import KeySource, SecretKey
from .interface import Cloud, CloudFactory, MaySend, OnCall
from .simulation import active as simulation_of_a_test


class CloudSettings(Protocol):
    """What the settings say about the cloud."""

    @property
    def region(self) -> str | None:
        """The region of the disks."""

    @property
    def profile(self) -> str | None:
        """The profile of the aliyun CLI."""

    @property
    def endpoint(self) -> str | None:
        """The endpoint of ECS."""

    @property
    def endpoints(self) -> Mapping[str, str]:
        """The endpoint of each product."""

    @property
    def ca_bundle(self) -> str | None:
        """A file of CA certificates to trust."""

    @property
    def proxy(self) -> str | None:
        """The proxy for HTTPS."""


def locate(
    settings: CloudSettings,
    environment: Mapping[str, str],
    credentials: SecretKey | KeySource | None = None,
    cloud: CloudFactory | None = None,
) -> Connection:
    """Return where the cloud is and with whose credentials it is called.

    Args:
        settings: the settings that apply.
        environment: the variables from which credentials may come.
        credentials: those that the program gave, or an object that is asked for them.
        cloud: makes the cloud, if the library's user passed one in: it knows by itself where it is and who calls.

    Raises:
        UsageError: an endpoint or the CA bundle cannot be used, or no region is known.

    """
    endpoint = parse(settings.endpoint) if settings.endpoint and cloud is None else None
    profile, simulation = settings.profile or "", simulation_of_a_test()
    if simulation is not None and cloud is None:
        simulation.demand(endpoint or simulation.endpoint)
        endpoint, profile, credentials = simulation.endpoint, "", simulation.access_key
    place = Connection(
        region=settings.region or _region(environment, settings.profile),
        endpoint=endpoint,
        endpoints={product: parse(host) for product, host in settings.endpoints.items()},
        profile=profile,
        access_key=credentials if isinstance(credentials, tuple) else None,
        key_source=None if isinstance(credentials, tuple) else credentials,
        ca_bundle=_readable(settings.ca_bundle),
        proxy=settings.proxy or "",
        cloud=cloud,
    )
    return replace(place, credentials=Credentials(place, environment))


def make_cloud(connection: Connection, on_call: OnCall, may_send: MaySend = lambda _action: "") -> Cloud:
    """Make the cloud for a connection: the one that was passed in, or one over the vendor's SDK. Nothing is sent yet.

    Args:
        connection: the place.
        on_call: is called for every exchange.
        may_send: is called immediately before the first byte of a changing call; see ``MaySend``.

    Raises:
        UsageError: a test has a simulated ECS, and this is another cloud.

    """
    if (simulation := simulation_of_a_test()) is not None and connection.cloud is None:
        simulation.demand(connection.endpoint)
    return (connection.cloud or partial(aliyun.make_gateway, connection))(on_call, may_send)


def _region(environment: Mapping[str, str], profile: str | None) -> str:
    try:
        region = region_of(profile, environment)
    except CredentialsError as error:
        raise UsageError(f"No region given, and none can be read. {error}", hint=error.hint) from None
    if not region:
        raise UsageError(
            "No region given: --region, the environment, the configuration and the aliyun CLI profile name none.",
            hint="Add --region, such as cn-hangzhou, or run aliyun configure, which saves a region with your key. "
            f"To try it without an account: {TRY_IT}",
        )
    return region


def _readable(path: str | None) -> str:
    if path and not os.access(path, os.R_OK):
        raise UsageError(f"The CA bundle {path} cannot be read.", hint="Correct --ca-bundle.")
    return path or ""
