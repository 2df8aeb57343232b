"""Each source of credentials: it is used and shown where it works, and named where it does not; never another one."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import safe_reinit
from safe_reinit.cli.app import run
from safe_reinit.errors import UsageError
from tests.issuers import FIRST, OTHER_ACCOUNT, ROLE, SIGN_IN, Row, Surroundings, ak, later
from tests.servers import Answer, answer, http

OTHER_INI = "[default]\ntype = access_key\naccess_key_id = LTAIfakeother\naccess_key_secret = fakeothersecret\n"
PLANTED = (
    "fakemainsecret", "fakerolesecret", "fakeroletoken", "fakeothersecret", "fakessotoken", "fakeoauthtoken",
    "fakerefreshtoken", "fakeoidctoken", "fakeimdstoken",
)  # fmt: skip


def default(mode: str, **more: Any) -> Row:
    """Return the default profile."""
    return {"name": "default", "mode": mode, "region_id": "cn-hangzhou", **more}


def role(**more: Any) -> Row:
    """Return what a profile says of a role."""
    return {"ram_role_arn": ROLE, "ram_session_name": "ops", "expired_seconds": 3600, **more}


def external(around: Surroundings, text: str | None = None) -> Row:
    """Return a profile with an external command, which counts how often it is run."""
    result = text or json.dumps({"mode": "StsToken", "access_key_id": FIRST[0], "access_key_secret": FIRST[1],
                               "sts_token": FIRST[2]})  # fmt: skip
    script = around.home / "command.py"
    script.write_text(f"open({str(around.home / 'ran')!r}, 'a').write('x'); print({result!r})", "utf-8")
    return default("External", process_command=f"{sys.executable} {script}")


def oidc_file(around: Surroundings) -> str:
    """Write a token of an identity provider."""
    file = around.home / "oidc-token"
    file.write_text("fakeoidctoken", "utf-8")
    return str(file)


MADE: dict[str, Callable[[Surroundings], Row]] = {
    "AK": lambda _: ak(),
    "StsToken": lambda _: default("StsToken", access_key_id=FIRST[0], access_key_secret=FIRST[1], sts_token=FIRST[2]),
    "RamRoleArn": lambda _: {**ak(), **role(), "mode": "RamRoleArn"},
    "EcsRamRole": lambda _: default("EcsRamRole", ram_role_name="EcsOps"),
    "RamRoleArnWithRoleName": lambda _: default("RamRoleArnWithRoleName", ram_role_name="EcsOps", **role()),
    "External": external,
    "CredentialsURI": lambda around: default("CredentialsURI", credentials_uri=f"{around.issuers.url}/cred"),
    "OIDC": lambda around: default(
        "OIDC", **role(), oidc_provider_arn="acs:ram::1:oidc-provider/p", oidc_token_file=oidc_file(around)
    ),
    "CloudSSO": lambda _: default(
        "CloudSSO", cloud_sso_sign_in_url=SIGN_IN, cloud_sso_account_id="1", cloud_sso_access_config="ac-1",
        access_token="fakessotoken", cloud_sso_access_token_expire=later(),
    ),
    "OAuth": lambda _: default(
        "OAuth", oauth_site_type="CN", oauth_access_token="fakeoauthtoken", oauth_access_token_expire=later(),
        oauth_refresh_token="fakerefreshtoken",
    ),
}  # fmt: skip
"""The default profile of each mode."""
ASKS = {
    "RamRoleArn": "assume", "EcsRamRole": "role", "RamRoleArnWithRoleName": "assume", "CredentialsURI": "uri",
    "OIDC": "oidc", "CloudSSO": "sso", "OAuth": "oauth", "ChainableRamRoleArn": "assume",
}  # fmt: skip
"""Who is asked for the key, by mode."""


def configure(around: Surroundings, mode: str) -> Path:
    """Write a configuration whose default profile has this mode."""
    if mode == "ChainableRamRoleArn":
        return around.profile(default(mode, source_profile="src", **role()), ak("src"))
    return around.profile(MADE[mode](around))


ALL = [*MADE, "ChainableRamRoleArn"]


def plan(capfd: pytest.CaptureFixture[str], *more: str) -> tuple[int, str]:
    """Make a plan by the command line; give the exit code and everything that was printed."""
    risks = ["--accept", "no-recent-snapshot", "--accept", "fstab-may-name-disk"]
    code = run(["plan", "--disk", "d-1", "--stop-instance", *risks, *more])
    out, err = capfd.readouterr()
    return code, out + err


def assert_clean(text: str) -> None:
    """Hold a text free of everything that is secret here."""
    assert [secret for secret in PLANTED if secret in text] == []


@pytest.mark.parametrize("mode", ALL)
def test_each_mode_gives_the_key_that_signs(
    around: Surroundings, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """The plan is made with the key of the profile, shows whose it is and where it is from, and shows no secret.

    The configuration of the aliyun CLI is as it was.
    """
    monkeypatch.setenv("DEBUG", "sdk")
    file = configure(around, mode)
    around.ini(OTHER_INI)
    before = file.read_bytes()

    code, result = plan(capfd, "--verbose")

    assert code == 0, result
    assert {signer for _, signer in around.issuers.signers} == {"LTAIfakemain" if mode == "AK" else FIRST[0]}
    assert f"profile 'default' (mode {mode}) in {file}" in result
    assert "account 1000000000000001, as " in result
    assert file.read_bytes() == before
    assert_clean(result)


REFUSALS: dict[str, Callable[[], Answer]] = {
    "refused": lambda: answer(403, {"Code": "NoPermission", "Message": "fakeroletoken", "RequestId": "R"}),
    "nonsense": lambda: Answer(http(200, "<html>fakeroletoken</html>", kind="text/html")),
    "without-key": lambda: answer(200, {"Code": "Success", "Token": "fakeroletoken"}),
    "moved": lambda: Answer(http(302, "", headers={"Location": "http://127.0.0.1:1/cred"})),
    "cut": lambda: Answer(http(200, "{", length=999), "close"),
}


@pytest.mark.parametrize(
    ("mode", "refusal"),
    [
        *((mode, refusal) for mode in [*ASKS][:1] for refusal in REFUSALS),
        *((mode, refusal) for mode in [*ASKS][1:] for refusal in ("refused", "nonsense")),
        *(
            pytest.param(mode, refusal, marks=pytest.mark.slow)
            for mode in [*ASKS][1:]
            for refusal in ("without-key", "moved", "cut")
        ),
    ],
)
def test_a_mode_that_fails_is_named_and_nobody_else_signs(
    around: Surroundings, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, mode: str, refusal: str
) -> None:
    """Where the key is not given, nothing is asked of ECS, and file, profile and mode are named; no secret is."""
    monkeypatch.setenv("DEBUG", "sdk")
    around.issuers.instead[ASKS[mode]] = REFUSALS[refusal]
    file = configure(around, mode)
    around.ini(OTHER_INI)

    code, result = plan(capfd, "--verbose")

    assert code == 3, result
    assert f"profile 'default' (mode {mode}) in {file} gives no credentials" in result
    assert around.issuers.signers == []
    assert_clean(result)


BAD: dict[str, tuple[list[Row], str]] = {
    "no-secret": ([default("AK", access_key_id="LTAIfakemain", access_key_secret="")], "access_key_secret"),
    "no-token": ([default("StsToken", access_key_id=FIRST[0], access_key_secret=FIRST[1])], "sts_token"),
    "no-mode": ([{**ak(), "mode": ""}], "no mode"),
    "unknown-mode": ([{**ak(), "mode": "Quantum"}], "Quantum"),
    "bearer": ([default("BearerToken", bearer_token="fakeroletoken")], "BearerToken"),
    "rsa": ([default("RsaKeyPair", private_key="fakeroletoken")], "RsaKeyPair"),
    "no-role": ([{**ak(), "mode": "RamRoleArn"}], "ram_role_arn"),
    "looping": ([default("ChainableRamRoleArn", source_profile="b", **role()),
                 {**default("ChainableRamRoleArn", source_profile="default", **role()), "name": "b"}], "leads back"),
    "no-source": ([default("ChainableRamRoleArn", source_profile="nope", **role())], "'nope'"),
    "other-role": ([default("EcsRamRole", ram_role_name="EcsOpz")], "EcsOpz"),
    "carriage-return": ([{**ak(), "access_key_secret": "fakemainsecret\r"}], "U+000D"),
    "blank": ([{**ak(), "access_key_id": "LTAIfakemain "}], "U+0020"),
    "letter": ([{**ak(), "access_key_id": "LTAIfakemäin"}], "U+00E4"),
    "no-command": ([default("External", process_command="/nonexistent/command")], "cannot be run"),
    "failing-command": ([default("External", process_command="false")], "exit code 1"),
    "silent-command": ([default("External", process_command="true")], "no JSON"),
    "no-session": ([default("CloudSSO", cloud_sso_sign_in_url=SIGN_IN, cloud_sso_account_id="1",
                            cloud_sso_access_config="ac-1")], "logged in"),
    "expired-session": ([default("CloudSSO", cloud_sso_sign_in_url=SIGN_IN, cloud_sso_account_id="1",
                                 cloud_sso_access_config="ac-1", access_token="fakessotoken",
                                 cloud_sso_access_token_expire=1_700_000_000)], "2023-11-14T22:13:20Z"),
    "expired-oauth": ([default("OAuth", oauth_site_type="CN", oauth_access_token="fakeoauthtoken",
                               oauth_refresh_token="fakerefreshtoken", oauth_access_token_expire=1)], "expired"),
    "no-oidc-file": ([default("OIDC", **role(), oidc_provider_arn="p", oidc_token_file="/nonexistent/t")],
                     "/nonexistent/t"),
    "nobody-there": ([default("CredentialsURI", credentials_uri="http://127.0.0.1:1/cred")], "127.0.0.1:1"),
    "no-address": ([default("CredentialsURI", credentials_uri="file:///etc/passwd")], "address"),
    "clear-session": ([default("CloudSSO", cloud_sso_sign_in_url="http://sso.example.com/", cloud_sso_account_id="1",
                               cloud_sso_access_config="ac-1", access_token="fakessotoken",
                               cloud_sso_access_token_expire=later())], "https"),
    "other-current": ([ak("lab")], "no such profile"),
    "twice": ([ak(), ak()], "2 profiles"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_profile_that_cannot_work_is_named_and_nobody_else_signs(
    around: Surroundings, capfd: pytest.CaptureFixture[str], name: str
) -> None:
    """With a machine role and another account's key at hand, a profile that cannot work ends the plan by its name."""
    rows, cause = BAD[name]
    file = around.profile(*rows)
    around.ini(OTHER_INI)

    code, result = plan(capfd)

    assert code in (2, 3), result
    assert str(file) in result
    assert "'default'" in result
    assert cause in result
    assert around.issuers.signers == []
    assert_clean(result)


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (default("AK", access_key_id=5, access_key_secret="s"), "access_key_id is not text in quotes"),
        ({**ak(), **role(expired_seconds="abc"), "mode": "RamRoleArn"}, "expired_seconds is not a number"),
    ],
)
def test_a_member_of_another_type_is_named(
    around: Surroundings, capfd: pytest.CaptureFixture[str], row: Row, why: str
) -> None:
    """A member that is there and cannot be read is not said to be missing, and nothing is guessed for it."""
    around.profile(row)

    code, result = plan(capfd)

    assert code == 2, result
    assert why in " ".join(result.split())
    assert around.issuers.signers == []


@pytest.mark.parametrize(
    "text",
    [
        '{"current": "default", "profiles": [{"name": "def', "[]", "\ud7ff", '{"current": ""}',
        '{"current": "default", "profiles": [{"name": "default", "mode": "AK", "access_key_id": "LTAIfakemain", '
        '"access_key_id": "LTAIfakeother", "access_key_secret": "fakeothersecret"}]}',
    ],
    ids=["cut", "list", "word", "no current", "name twice"],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_named_and_nobody_else_signs(
    around: Surroundings, capfd: pytest.CaptureFixture[str], text: str
) -> None:
    """A configuration that was cut short, or is none, is an error and not as good as absent."""
    file = around.profile()
    file.write_text(text, "utf-8")
    around.ini(OTHER_INI)

    code, result = plan(capfd)

    assert code == 2, result
    assert str(file) in result
    assert around.issuers.signers == []


def test_an_empty_file_is_as_good_as_absent(around: Surroundings, capfd: pytest.CaptureFixture[str]) -> None:
    """With an empty configuration of the aliyun CLI the next source is used."""
    around.profile().write_text("", "utf-8")
    around.ini(f"[default]\ntype = sts\naccess_key_id = {FIRST[0]}\naccess_key_secret = {FIRST[1]}\n"
               f"security_token = {FIRST[2]}\n")  # fmt: skip

    code, result = plan(capfd)

    assert code == 0, result
    assert "credentials.ini (type sts)" in result


def test_a_profile_that_is_not_enabled_is_not_used(around: Surroundings, capfd: pytest.CaptureFixture[str]) -> None:
    """A profile of credentials.ini with enable = false signs nothing, and neither does the machine's own role."""
    around.ini(OTHER_INI + "enable = false\n")

    code, result = plan(capfd)

    assert code == 2, result
    assert "enable = false" in result
    assert around.issuers.signers == []


def test_a_byte_order_mark_is_no_fault(around: Surroundings, capfd: pytest.CaptureFixture[str]) -> None:
    """A configuration that an editor wrote with a byte order mark is read."""
    file = around.profile(ak())
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())

    assert plan(capfd)[0] == 0


def test_the_role_of_the_machine_is_used_where_nothing_is_configured(
    around: Surroundings, capfd: pytest.CaptureFixture[str]
) -> None:
    """Without any configuration the machine's own role signs, and the plan says so."""
    code, result = plan(capfd)

    assert code == 0, result
    assert {signer for _, signer in around.issuers.signers} == {FIRST[0]}
    assert "the RAM role of this machine" in result


def test_having_none_at_all_is_reported(around: Surroundings, capfd: pytest.CaptureFixture[str]) -> None:
    """Where nothing is configured and the machine has no role, that is what is said, with what to do."""
    around.issuers.instead["roles"] = lambda: Answer(http(404, "", kind="text/plain"))

    code, result = plan(capfd)

    assert code == 2, result
    assert "No credentials were found" in result
    assert "aliyun configure" in result


@pytest.mark.parametrize("variable", ["ALIBABA_CLOUD_PROFILE", "ALIBABACLOUD_PROFILE", "ALICLOUD_PROFILE"])
def test_the_environment_names_a_profile(
    around: Surroundings, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """Each of the aliyun CLI's variables chooses the profile; one that does not exist is an error."""
    around.profile(ak("prod", "other"), ak("lab"), current="prod")
    monkeypatch.setenv(variable, "lab")

    code, result = plan(capfd)
    monkeypatch.setenv(variable, "labb")
    refused, text = plan(capfd)

    assert code == 0, result
    assert {signer for _, signer in around.issuers.signers} == {"LTAIfakemain"}
    assert refused == 2, text
    assert "'labb'" in text


def test_the_environment_can_have_the_profiles_ignored(
    around: Surroundings, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With ALIBABA_CLOUD_IGNORE_PROFILE the file is as good as absent."""
    around.profile(ak("prod", "other"), current="prod")
    monkeypatch.setenv("ALIBABA_CLOUD_IGNORE_PROFILE", "TRUE")

    code, result = plan(capfd)

    assert code == 0, result
    assert {signer for _, signer in around.issuers.signers} == {FIRST[0]}


@pytest.mark.parametrize(
    "given",
    [
        {"ALIBABA_CLOUD_ACCESS_KEY_ID": "LTAIfakemain"},
        {"ALIBABA_CLOUD_ACCESS_KEY_SECRET": "fakemainsecret"},
        {"ALIBABA_CLOUD_SECURITY_TOKEN": "fakeroletoken"},
        {"ALIBABA_CLOUD_OIDC_TOKEN_FILE": "/t", "ALIBABA_CLOUD_ROLE_ARN": "r"},
        {"ALIBABA_CLOUD_ROLE_ARN": "acs:ram::1:role/ops"},
        {"ALIBABA_CLOUD_IGNORE_PROFILE": "1"},
        {"ALIBABA_CLOUD_ECS_METADATA_DISABLED": "yes"},
        {"ALIBABA_CLOUD_ECS_METADATA": "EcsOpz"},
        {"ALIBABA_CLOUD_CREDENTIALS_FILE": "/nonexistent/credentials.ini"},
        {"ALIBABA_CLOUD_PROFILE": "lab"},
    ],
    ids=lambda given: next(iter(given)),
)
def test_an_environment_that_says_half_is_an_error(
    around: Surroundings, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, given: dict[str, str]
) -> None:
    """A source that the environment configures by half, or wrongly, is named; the machine's own role is not used."""
    for name, value in given.items():
        monkeypatch.setenv(name, value)

    code, result = plan(capfd)

    assert code in (2, 3), result
    assert "No credentials were found" not in result
    assert around.issuers.signers == []
    assert_clean(result)


def test_an_answer_of_sts_may_take_its_time(around: Surroundings, capfd: pytest.CaptureFixture[str]) -> None:
    """An STS that needs longer than having no credentials at all may take is waited for."""
    usual = around.issuers._answer

    def slowly() -> Answer:
        threading.Event().wait(3.5)
        del around.issuers.instead["assume"]
        return usual(around.issuers.requests[-1])

    around.issuers.instead["assume"] = slowly
    configure(around, "RamRoleArn")

    code, result = plan(capfd)

    assert code == 0, result


def test_another_account_is_shown_before_anything_is_agreed_to(
    around: Surroundings, capfd: pytest.CaptureFixture[str]
) -> None:
    """The plan names the account and the caller whose key the profile has."""
    around.profile(ak("default", "other"))

    _, result = plan(capfd)

    assert OTHER_ACCOUNT in result


@pytest.mark.parametrize("how", ["--ca-bundle", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_the_certificates_to_trust_hold_for_sts_too(
    around: Surroundings, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """However the certificates are named, a role is assumed at an STS that they vouch for; without them it is not."""
    bundle = around.environment["SSL_CERT_FILE"]
    monkeypatch.delenv("SSL_CERT_FILE")
    configure(around, "RamRoleArn")

    refused, text = plan(capfd)
    asked = list(around.issuers.asked_for)
    if how.startswith("--"):
        code, result = plan(capfd, how, bundle)
    else:
        monkeypatch.setenv(how, bundle)
        code, result = plan(capfd)

    assert (refused, asked) == (3, [])
    assert "no trusted TLS connection" in text
    assert code == 0, result


def test_a_key_that_a_program_gives_is_looked_at_before_anything_is_sent(around: Surroundings) -> None:
    """A key with a line end in it is refused as such, and nothing is sent."""
    client = safe_reinit.connect(region="cn-hangzhou", credentials=("LTAIfakemain\r", "fakemainsecret"))

    with pytest.raises(UsageError, match=r"U\+000D"):
        client.plan(["d-1"])

    assert around.issuers.signers == []
