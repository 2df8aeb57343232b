"""Signature version 1 and XML, as old SDKs, generic RPC clients and scripts speak."""

from __future__ import annotations

import base64
import hashlib
import hmac
import uuid
from datetime import UTC, datetime
from urllib.parse import quote, urlencode
from xml.etree import ElementTree

import pytest

from safe_reinit.simulator import Simulator
from safe_reinit.simulator.wire import rpc
from safe_reinit.simulator.wire.request import RawRequest
from tests.simulator.support import Answer, send


def signed_parameters(method: str, secret: str, parameters: dict[str, str]) -> dict[str, str]:
    """Add a signature by the public description of version 1, independently of the simulator."""
    everything = {
        "Version": "2014-05-26",
        "AccessKeyId": "testid",
        "Format": "JSON",
        "SignatureMethod": "HMAC-SHA1",
        "SignatureVersion": "1.0",
        "SignatureType": "",
        "SignatureNonce": str(uuid.uuid4()),
        "Timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        **parameters,
    }
    everything = {name: value for name, value in everything.items() if value != "-"}
    encoded = sorted((quote(name, safe="~"), quote(value, safe="~")) for name, value in everything.items())
    canonical = "&".join(f"{name}={value}" for name, value in encoded)
    to_sign = f"{method}&%2F&{quote(canonical, safe='~')}"
    digest = hmac.new(f"{secret}&".encode(), to_sign.encode(), hashlib.sha1).digest()
    return {**everything, "Signature": base64.b64encode(digest).decode()}


def ask(sim: Simulator, action: str, method: str = "GET", secret: str = "testsecret", **parameters: str) -> Answer:
    """Send one call with everything in the query."""
    return send(sim, method, "/?" + urlencode(signed_parameters(method, secret, {"Action": action, **parameters})))


def test_the_published_example_of_a_signature() -> None:
    """The example in the description of signature version 1 gives the signature printed there."""
    target = (
        "/?Timestamp=2016-02-23T12%3A46%3A24Z&Format=XML&AccessKeyId=testid&Action=DescribeRegions"
        "&SignatureMethod=HMAC-SHA1&SignatureNonce=3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf&Version=2014-05-26"
        "&SignatureVersion=1.0"
    )
    to_sign = rpc.string_to_sign(RawRequest("GET", target, {}, b""))
    assert rpc.sign(to_sign, "testsecret") == "OLeaidS1JvxuMvnyHOwuJ+uX5qY="


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_call_in_json(sim: Simulator, method: str) -> None:
    """A version 1 call is answered like any other, spaces and stars in it too."""
    answer = ask(sim, "DescribeKeyPairs", method, RegionId="cn-hangzhou", KeyPairName="sim*", on="a b~*'")
    assert answer.status == 200
    assert answer.json["TotalCount"] == 1


def test_query_and_form_together(sim: Simulator) -> None:
    """The signature may be in the query and the rest in the body."""
    parameters = signed_parameters("POST", "testsecret", {"Action": "ReInitDisk", "DiskId": "d-sim-db1-data"})
    body = urlencode({"DiskId": parameters.pop("DiskId")}).encode()
    form = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    assert send(sim, "POST", "/?" + urlencode(parameters), form, body).status == 200
    assert len(sim.state()["disks"]["d-sim-db1-data"]["wipes"]) == 1


@pytest.mark.parametrize("answer_format", ["XML", "-"])
def test_xml(sim: Simulator, answer_format: str) -> None:
    """XML is what is asked for, or the default: one element for each row, none for an empty list, true and false."""
    answer = ask(sim, "DescribeDisks", Format=answer_format, RegionId="cn-hangzhou", DiskIds='["d-sim-disk-locked"]')
    assert answer.headers["content-type"] == "text/xml;charset=utf-8"
    root = ElementTree.fromstring(answer.body)
    assert root.tag == "DescribeDisksResponse"
    (disk,) = root.findall("Disks/Disk")
    assert disk.findtext("DiskId") == "d-sim-disk-locked"
    assert disk.findtext("Portable") == "true"
    assert disk.findtext("OperationLocks/OperationLock/LockReason") == "security"
    tags = disk.find("Tags")
    assert tags is not None
    assert list(tags) == []


def test_an_error_in_xml(sim: Simulator) -> None:
    """An error of an XML request is XML with the root Error."""
    answer = ask(sim, "ReInitDisk", Format="xml", DiskId="d-<nobody>")
    root = ElementTree.fromstring(answer.body)
    assert (answer.status, root.tag) == (404, "Error")
    assert [child.tag for child in root] == ["RequestId", "HostId", "Code", "Message"]
    assert root.findtext("Code") == "InvalidDiskId.NotFound"


@pytest.mark.parametrize(
    ("status", "code", "parameters"),
    [
        (404, "InvalidAccessKeyId.NotFound", {"AccessKeyId": "nobody"}),
        (400, "InvalidTimeStamp.Expired", {"Timestamp": "2016-02-23T12:46:24Z"}),
        (400, "InvalidTimeStamp.Format", {"Timestamp": "noon"}),
        (400, "InvalidSignatureMethod", {"SignatureMethod": "HMAC-MD5"}),
        (400, "InvalidSecurityToken.MismatchWithAccessKey", {"SecurityToken": "stolen"}),
        (400, "MissingParameter", {"SignatureNonce": "-"}),
        (404, "InvalidAction.NotFound", {"Action": "WipeDisk"}),
        (400, "InvalidVersion", {"Version": "2010-01-01"}),
    ],
)
def test_the_gateway_refuses(sim: Simulator, status: int, code: str, parameters: dict[str, str]) -> None:
    """What is wrong with a version 1 request has the same codes."""
    answer = ask(sim, **{"action": "DescribeRegions", **parameters})
    assert (answer.status, answer.code) == (status, code)


def test_a_wrong_secret_echoes_the_string_to_sign(sim: Simulator) -> None:
    """The text after the only colon is exactly the string to sign, as old SDKs need it."""
    parameters = signed_parameters("GET", "wrong", {"Action": "DescribeRegions"})
    target = "/?" + urlencode(parameters)
    answer = send(sim, "GET", target)
    assert (answer.status, answer.code) == (400, "SignatureDoesNotMatch")
    echoed = answer.json["Message"].split(":")[1]
    assert echoed == rpc.string_to_sign(RawRequest("GET", target, {}, b""))


def test_a_nonce_is_good_once(sim: Simulator) -> None:
    """The same nonce again is refused."""
    assert ask(sim, "DescribeRegions", SignatureNonce="1795303750.96-79064").status == 200
    assert ask(sim, "DescribeRegions", SignatureNonce="1795303750.96-79064").code == "SignatureNonceUsed"


def test_no_signature_at_all(sim: Simulator) -> None:
    """A request without any signature is told what is missing first, in XML."""
    answer = send(sim, "GET", "/")
    root = ElementTree.fromstring(answer.body)
    assert (answer.status, root.findtext("Code")) == (400, "MissingParameter")
    assert '"Action"' in str(root.findtext("Message"))
