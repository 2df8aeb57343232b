"""Which endpoint is meant: schemes, loopback, and the endpoint of each product."""

from __future__ import annotations

import pytest

from safe_reinit.cloud.connection import Connection
from safe_reinit.cloud.endpoints import Endpoint, parse
from safe_reinit.errors import UsageError


@pytest.mark.parametrize(
    ("text", "url", "loopback"),
    [
        ("ecs.cn-hangzhou.aliyuncs.com", "https://ecs.cn-hangzhou.aliyuncs.com", False),
        ("https://ecs.cn-hangzhou.aliyuncs.com/", "https://ecs.cn-hangzhou.aliyuncs.com", False),
        ("ECS.cn-hangzhou.aliyuncs.com:8443", "https://ecs.cn-hangzhou.aliyuncs.com:8443", False),
        ("127.0.0.1:8080", "http://127.0.0.1:8080", True),
        ("127.8.9.10", "http://127.8.9.10", True),
        ("localhost:8080", "http://localhost:8080", True),
        ("HTTP://LOCALHOST:8080", "http://localhost:8080", True),
        ("https://127.0.0.1:8443", "https://127.0.0.1:8443", True),
        ("[::1]:8080", "http://[::1]:8080", True),
        ("http://[::1]", "http://[::1]", True),
        ("localhost.example.com", "https://localhost.example.com", False),
        ("127.0.0.1.example.com", "https://127.0.0.1.example.com", False),
        ("10.0.0.1", "https://10.0.0.1", False),
    ],
)
def test_an_endpoint_is_read(text: str, url: str, loopback: bool) -> None:
    """Without a scheme an endpoint is https, on this machine http; only real loopback counts as this machine."""
    read = parse(text)

    assert (read.url, read.loopback) == (url, loopback)


@pytest.mark.parametrize(
    "text",
    [
        "http://ecs.cn-hangzhou.aliyuncs.com", "http://10.0.0.1", "http://localhost.example.com", "http://0.0.0.0:80",
        "ftp://127.0.0.1", "https://user:word@127.0.0.1", "https://127.0.0.1/path", "https://127.0.0.1/?a=b",
        "https://127.0.0.1/#a", "https://", "", "127.0.0.1:port", "127.0.0.1:99999", "127.0.0.1:",
        "[::1", "https://[nonsense]",
    ],
)  # fmt: skip
def test_what_is_no_endpoint_is_refused(text: str) -> None:
    """Plain http elsewhere, credentials, paths and nonsense are refused, and no credential in it is repeated."""
    with pytest.raises(UsageError) as raised:
        parse(text)

    assert "word" not in f"{raised.value}{raised.value.hint}"


def test_a_loopback_endpoint_serves_every_product() -> None:
    """With a loopback endpoint nothing leaves the machine, whatever endpoints the configuration names."""
    here = parse("127.0.0.1:1")
    where = Connection("cn-hangzhou", here, {"sts": parse("sts.example.com")})

    assert where.loopback
    assert {where.of(product) for product in ("ecs", "sts", "ess", "ebs", "kms")} == {here}


def test_elsewhere_each_product_has_its_own() -> None:
    """Elsewhere the endpoint is that of ECS alone, and the others come from the configuration or the SDK."""
    where = Connection("cn-hangzhou", parse("ecs.example.com"), {"sts": parse("sts.example.com")})

    assert not where.loopback
    assert where.of("ecs") == Endpoint("https", "ecs.example.com")
    assert where.of("sts") == Endpoint("https", "sts.example.com")
    assert where.of("kms") is None


def test_without_an_endpoint_nothing_is_on_loopback() -> None:
    """Without an endpoint the SDK's own table is used, and that is never this machine."""
    where = Connection("cn-hangzhou")

    assert not where.loopback
    assert where.of("ecs") is None
