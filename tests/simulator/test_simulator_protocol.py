"""Signatures, keys, the gateway's refusals, and the HTTP around them."""

from __future__ import annotations

import hashlib
import http.client
import socket
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import pytest
from alibabacloud_ecs20140526 import models as ecs
from alibabacloud_tea_openapi.client import Client as OpenApiClient
from alibabacloud_tea_openapi.utils_models import Config, OpenApiRequest, Params
from darabonba.runtime import RuntimeOptions

from safe_reinit.simulator import Simulator
from safe_reinit.simulator.wire import acs3
from safe_reinit.simulator.wire.request import RawRequest
from tests.simulator.support import Simulate, call, refused, sdk, send, signed, until

REGION = {"RegionId": "cn-hangzhou"}


def test_the_published_example_of_a_signature() -> None:
    """The example in the description of ACS3-HMAC-SHA256 gives the canonical hash and signature printed there."""
    headers = {
        "host": "ecs.cn-shanghai.aliyuncs.com",
        "x-acs-action": "RunInstances",
        "x-acs-content-sha256": hashlib.sha256(b"").hexdigest(),
        "x-acs-date": "2023-10-26T10:22:32Z",
        "x-acs-signature-nonce": "3156853299f313e23d1673dc12e1703d",
        "x-acs-version": "2014-05-26",
    }
    target = "/?ImageId=win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd&RegionId=cn-shanghai"
    canonical = acs3.canonical_request(RawRequest("POST", target, headers, b""), sorted(headers))
    to_sign, signature = acs3.sign(canonical, "YourAccessKeySecret")
    assert to_sign.endswith("7ea06492da5221eba5297e897ce16e55f964061054b7695beedaac1145b1e259")
    assert signature == "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"


@pytest.mark.parametrize(
    ("status", "code", "changes"),
    [
        (400, "InvalidTimeStamp.Expired", {"x_acs_date": "2020-01-01T00:00:00Z"}),
        (400, "InvalidTimeStamp.Format", {"x_acs_date": "yesterday"}),
        (400, "MissingParameter", {"x_acs_date": ""}),
        (400, "MissingParameter", {"x_acs_signature_nonce": ""}),
        (400, "SignatureDoesNotMatch", {"x_acs_content_sha256": "0" * 64}),
        (404, "InvalidAction.NotFound", {"x_acs_action": "ReinitDisk"}),
        (400, "InvalidVersion", {"x_acs_version": "2014-05-27"}),
        (404, "InvalidAction.NotFound", {"x_acs_version": "2015-04-01"}),
        (400, "InvalidSecurityToken.MismatchWithAccessKey", {"x_acs_security_token": "stolen"}),
    ],
)
def test_the_gateway_refuses(sim: Simulator, status: int, code: str, changes: dict[str, str]) -> None:
    """A request with a bad date, nonce, body hash, action, version or token is refused with the gateway's code."""
    answer = call(sim, "DescribeDisks", REGION, **changes)
    assert (answer.status, answer.code) == (status, code)


def test_a_date_is_judged_by_the_real_clock(simulate: Simulate) -> None:
    """However far simulated time is ahead, a signature dated with the real time is good, and 14 minutes off is too."""
    sim = simulate()
    sim.pass_time(7200)
    for minutes, status in ((0, 200), (14, 200), (-14, 200), (16, 400), (-16, 400)):
        date = (datetime.now(UTC) + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")
        assert call(sim, "DescribeDisks", REGION, x_acs_date=date).status == status


def test_the_date_header_is_simulated(simulate: Simulate) -> None:
    """The Date header runs with simulated time, which is ahead of the real one."""
    sim = simulate()
    sim.pass_time(7200)
    answer = call(sim, "DescribeDisks", REGION)
    assert parsedate_to_datetime(answer.headers["date"]) > datetime.now(UTC) + timedelta(hours=1)


def test_a_nonce_is_good_once(sim: Simulator) -> None:
    """The same signed request again is refused, but a request with a wrong signature uses up no nonce."""
    wrong = call(sim, "DescribeDisks", REGION, ("testid", "wrong"), x_acs_signature_nonce="n-1")
    assert wrong.code == "SignatureDoesNotMatch"
    answers = [call(sim, "DescribeDisks", REGION, x_acs_signature_nonce="n-1") for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 400]
    assert answers[1].code == "SignatureNonceUsed"


def test_a_wrong_secret(sim: Simulator) -> None:
    """The SDK sees SignatureDoesNotMatch, whose message echoes what was to be signed, the password too."""
    client = sdk(sim, ("testid", "wrong"))
    assert refused(lambda: client.describe_disks(ecs.DescribeDisksRequest(region_id="cn-hangzhou"))) == (
        400,
        "SignatureDoesNotMatch",
    )
    answer = call(sim, "ReInitDisk", {"DiskId": "d-1", "Password": "S3cret-plain"}, ("testid", "wrong"))
    assert "server string to sign is:ACS3-HMAC-SHA256" in answer.json["Message"]
    assert "S3cret-plain" in answer.json["Message"]


def test_every_signed_header_counts(sim: Simulator) -> None:
    """A header that was signed and changed on the way makes the signature wrong; an unsigned one does not."""
    target, headers = signed(sim, "DescribeDisks", REGION, user_agent="one")
    assert send(sim, "POST", target, {**headers, "user-agent": "two"}).code == "SignatureDoesNotMatch"
    target, headers = signed(sim, "DescribeDisks", REGION)
    assert send(sim, "POST", target, {**headers, "user-agent": "two"}).status == 200


KEYS = {
    "keys": [
        {"id": "good", "secret": "s"},
        {"id": "off", "secret": "s", "active": False},
        {"id": "STS.1", "secret": "s", "token": "t"},
        {"id": "STS.2", "secret": "s", "token": "t", "expires_after": 60},
        {"id": "foreign", "secret": "s", "account": "1000000000000002"},
    ],
    "disks": {"d-1": {}},
}


@pytest.mark.parametrize(
    ("key", "token", "answer"),
    [
        ("nobody", None, (404, "InvalidAccessKeyId.NotFound")),
        ("off", None, (400, "InvalidAccessKeyId.Inactive")),
        ("STS.1", None, (400, "InvalidSecurityToken.MismatchWithAccessKey")),
        ("STS.1", "other", (400, "InvalidSecurityToken.MismatchWithAccessKey")),
    ],
)
def test_keys_that_do_not_open(simulate: Simulate, key: str, token: str | None, answer: tuple[int, str]) -> None:
    """An unknown or inactive key, and a temporary one without its token, are refused."""
    client = sdk(simulate(KEYS), (key, "s"), token)
    assert refused(lambda: client.describe_disks(ecs.DescribeDisksRequest(region_id="cn-hangzhou"))) == answer


def test_a_temporary_key_expires(simulate: Simulate) -> None:
    """A temporary key works with its token until its simulated time is over."""
    sim = simulate(KEYS)

    def code() -> str:
        return call(sim, "DescribeDisks", REGION, ("STS.2", "s"), x_acs_security_token="t").code

    assert code() == ""
    until(sim, lambda: code() != "")
    assert code() == "InvalidSecurityToken.Expired"


def test_another_account_sees_nothing(simulate: Simulate) -> None:
    """A key of another account sees empty lists and finds nothing to change."""
    client = sdk(simulate(KEYS), ("foreign", "s"))
    assert client.describe_disks(ecs.DescribeDisksRequest(region_id="cn-hangzhou")).body.total_count == 0
    assert refused(lambda: client.re_init_disk(ecs.ReInitDiskRequest(disk_id="d-1"))) == (404, "InvalidDiskId.NotFound")


@pytest.mark.parametrize(("key", "kind"), [("good", "RAMUser"), ("STS.1", "AssumedRoleUser")])
def test_get_caller_identity(simulate: Simulate, key: str, kind: str) -> None:
    """GetCallerIdentity of STS is answered on the same port through the SDK's generic call."""
    sim = simulate(KEYS)
    token = "t" if key == "STS.1" else None
    config = Config(
        endpoint=sim.endpoint, protocol="http", access_key_id=key, access_key_secret="s", security_token=token
    )
    params = Params(
        action="GetCallerIdentity",
        version="2015-04-01",
        protocol="HTTP",
        pathname="/",
        method="POST",
        auth_type="AK",
        style="RPC",
        req_body_type="formData",
        body_type="json",
    )
    body = OpenApiClient(config).call_api(params, OpenApiRequest(), RuntimeOptions())["body"]
    assert (body["AccountId"], body["IdentityType"]) == ("1000000000000001", kind)
    assert body["Arn"].startswith("acs:ram::1000000000000001:")


def test_shape_of_an_error(sim: Simulator) -> None:
    """An error has exactly the members ECS sends today, and its request id is the header's."""
    answer = call(sim, "ReInitDisk", {"DiskId": "d-nobody"})
    body = answer.json
    assert sorted(body) == ["Code", "HostId", "Message", "Recommend", "RequestId"]
    assert body["HostId"] == "ecs.cn-hangzhou.aliyuncs.com"
    assert body["Message"] == "The specified disk does not exist."
    assert body["RequestId"] == answer.headers["x-acs-request-id"]
    assert f"q=InvalidDiskId.NotFound&product=Ecs&requestId={body['RequestId']}" in body["Recommend"]


def test_shape_of_a_success(sim: Simulator) -> None:
    """A success has a request id and no Code, at which old SDKs would raise."""
    answer = call(sim, "ReInitDisk", {"DiskId": "d-sim-db1-data"})
    assert sorted(answer.json) == ["RequestId"]
    assert answer.headers["content-type"] == "application/json;charset=utf-8"


def test_a_missing_parameter(sim: Simulator) -> None:
    """A mandatory parameter that is missing is named in the message."""
    answer = call(sim, "ReInitDisk")
    assert (answer.status, answer.code) == (400, "MissingParameter")
    message = 'The input parameter "DiskId" that is mandatory for processing this request is not supplied.'
    assert answer.json["Message"] == message


def test_unknown_parameters_are_ignored(sim: Simulator) -> None:
    """A parameter ECS does not know changes nothing."""
    assert call(sim, "DescribeDisks", {**REGION, "on": "DescribeDisks"}).status == 200


def test_a_form_body_and_chunks(sim: Simulator) -> None:
    """Parameters may come in a form body, which may come in chunks; its hash is signed."""
    body = b"RegionId=cn-hangzhou&DiskIds=%5B%22d-sim-db1-data%22%5D"
    target, headers = signed(sim, "DescribeDisks", x_acs_content_sha256=hashlib.sha256(body).hexdigest())
    headers["Content-Type"] = "application/x-www-form-urlencoded"
    connection = http.client.HTTPConnection(sim.endpoint, timeout=5)
    connection.request("POST", target, body=iter([body[:10], body[10:]]), headers=headers, encode_chunked=True)
    response = connection.getresponse()
    assert response.status == 200
    assert b'"TotalCount": 1' in response.read()
    connection.close()


def test_raw_brackets_in_the_target(sim: Simulator) -> None:
    """Some clients do not encode brackets and quotes in the request target; they are understood all the same."""
    _, headers = signed(sim, "DescribeDisks", {**REGION, "DiskIds": '["d-sim-db1-data"]'})
    target = '/?RegionId=cn-hangzhou&DiskIds=["d-sim-db1-data"]'
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    host, port = sim.endpoint.split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(f"POST {target} HTTP/1.1\r\n{lines}Content-Length: 0\r\n\r\n".encode())
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_a_connection_is_kept(sim: Simulator) -> None:
    """Many calls go over one connection."""
    connection = http.client.HTTPConnection(sim.endpoint, timeout=5)
    for _ in range(3):
        target, headers = signed(sim, "DescribeRegions")
        connection.request("POST", target, headers=headers)
        response = connection.getresponse()
        assert response.status == 200
        assert len(response.read()) == int(response.headers["Content-Length"])
    connection.close()


def test_half_a_signature(sim: Simulator) -> None:
    """An Authorization header without its parts is refused as incomplete."""
    target, headers = signed(sim, "DescribeDisks", REGION)
    answer = send(sim, "POST", target, {**headers, "Authorization": "ACS3-HMAC-SHA256 Credential=testid"})
    assert (answer.status, answer.code) == (400, "IncompleteSignature")


def test_another_key_by_argument(simulate: Simulate) -> None:
    """The access key given takes the place of the world's first one."""
    sim = simulate(access_key="me:my-secret")
    assert sim.access_key == ("me", "my-secret")
    assert sdk(sim).describe_regions(ecs.DescribeRegionsRequest()).status_code == 200
    assert call(sim, "DescribeRegions", key=("testid", "testsecret")).code == "InvalidAccessKeyId.NotFound"


@pytest.mark.parametrize(
    "request_text",
    [
        b"garbage\r\n\r\n",
        b"\x00\x01\x02\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: many\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /?a=\xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 40000 + b"\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000\r\n\r\n" + b"a" * 9000000,
    ],
    ids=lambda text: repr(text[:40]),
)
def test_what_is_no_request(simulate: Simulate, capfd: pytest.CaptureFixture[str], request_text: bytes) -> None:
    """What is no HTTP is refused as a proxy does, without a word on stderr, and the next request is answered."""
    sim = simulate()
    host, _, port = sim.endpoint.partition(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        try:
            connection.sendall(request_text)
            assert connection.recv(65536).startswith((b"HTTP/1.0 4", b"HTTP/1.1 4"))
        except (ConnectionResetError, BrokenPipeError):
            pass  # it answered before it had read everything
    assert call(sim, "DescribeRegions").status == 200
    assert capfd.readouterr().err == ""


def test_a_failure_of_the_simulation_itself(sim: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error in the simulator is InternalError, as it would be in ECS, and does not end it."""
    monkeypatch.setattr("safe_reinit.simulator.wire.acs3.verify", lambda *_: 1 / 0)
    answer = call(sim, "DescribeRegions")
    assert (answer.status, answer.code) == (500, "InternalError")
    monkeypatch.undo()
    assert call(sim, "DescribeRegions").status == 200
    assert sim.state()["calls"][0]["code"] == "InternalError"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD"])
def test_other_methods(sim: Simulator, method: str) -> None:
    """The gateway takes GET and POST only."""
    target, headers = signed(sim, "DescribeRegions")
    assert send(sim, method, target, headers).status == 403


def test_a_get_request(sim: Simulator) -> None:
    """A signed GET is as good as a POST."""
    target, headers = signed(sim, "DescribeRegions", method="GET")
    assert send(sim, "GET", target, headers).status == 200
    assert send(sim, "POST", target, headers).code == "SignatureDoesNotMatch"


def test_a_target_with_its_host(sim: Simulator) -> None:
    """A client that takes us for a proxy names the host in the target; the signature is over the path alone."""
    target, headers = signed(sim, "DescribeRegions")
    assert send(sim, "POST", f"http://{sim.endpoint}{target}", headers).status == 200


@pytest.mark.parametrize("left_out", ["host", "x-acs-action", "x-acs-date", "x-acs-signature-nonce"])
def test_what_must_be_signed(sim: Simulator, left_out: str) -> None:
    """A request whose signature leaves out what makes it this request is incomplete."""
    target, headers = signed(sim, "DescribeRegions")
    names = headers["Authorization"].partition("SignedHeaders=")[2].partition(",")[0]
    kept = ";".join(name for name in names.split(";") if name != left_out)
    answer = send(sim, "POST", target, {**headers, "Authorization": headers["Authorization"].replace(names, kept)})
    assert (answer.status, answer.code) == (400, "IncompleteSignature")


def test_things_of_another_region(sim: Simulator) -> None:
    """In the name of another region that exists nothing is found; one that does not exist is malformed."""
    for region, code in (("cn-beijing", "InvalidDiskId.NotFound"), ("mars", "InvalidRegionId.MalFormed")):
        assert call(sim, "ReInitDisk", {"DiskId": "d-sim-db1-data", "RegionId": region}).code == code
    stop = {"InstanceId": "i-sim-web1", "RegionId": "cn-beijing"}
    assert call(sim, "StopInstance", stop).code == "InvalidInstanceId.NotFound"
