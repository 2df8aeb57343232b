"""Secrets are in no output, whatever a server, a proxy or the transport sends back, and however much is logged."""

from __future__ import annotations

import base64
import html
import io
import json
import logging
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from safe_reinit import Error, connect
from safe_reinit.cli.app import run
from safe_reinit.cloud.interface import CloudError
from safe_reinit.model import Options, Secret
from safe_reinit.simulator import Simulator
from tests import postgresql, virtual
from tests.conftest import Connect, Serve
from tests.postgresql import HOST
from tests.servers import Answer, Authority, Proxy, Request, answer, basic, error, forward, http, refused_port

pytestmark = pytest.mark.virtual_time

KEY_SECRET = "kEy+Secret/0=&%'\"<planted>"
STS_TOKEN = "CAIS+sts/token=planted&%<>"
PASSWORD = "Pa55+&=%/?<word>'#;~"
PROXY_PASSWORD = "pr0xy+&%planted"
LOGGERS = (
    "",
    "safe_reinit",
    "urllib3",
    "urllib3.connectionpool",
    "urllib3.util.retry",
    "requests",
    "darabonba-core",
    "credentials",
)


def forms(secret: str) -> set[str]:
    """Write a secret in every form in which an output could show it."""
    plain = secret.encode()
    quoted = {quote(secret), quote(secret, safe=""), quote_plus(secret), quote(quote(secret, safe=""), safe="")}
    encoded = {base64.b64encode(plain).decode(), base64.urlsafe_b64encode(plain).decode()}
    escaped = {
        json.dumps(secret)[1:-1],
        json.dumps(json.dumps(secret)[1:-1])[1:-1],
        html.escape(secret),
        repr(secret)[1:-1],
    }
    return {secret, *quoted, *encoded, *escaped}


def assert_clean(text: str, *secrets: str) -> None:
    """Hold a text free of every form of these secrets."""
    for secret in secrets:
        for form in forms(secret):
            assert form not in text, f"{form} is shown: ...{text[max(0, text.index(form) - 80) :][:200]}..."


@dataclass
class Heard:
    """Everything that is logged."""

    stream: io.StringIO

    @property
    def text(self) -> str:
        """All of it."""
        return self.stream.getvalue()

    @property
    def loggers(self) -> set[str]:
        """Who wrote it."""
        return {line.partition(" ")[0] for line in self.text.splitlines()}


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Iterator[Heard]:
    """Log everything at DEBUG, the SDK's own debugging included."""
    monkeypatch.setenv("DEBUG", "sdk")
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s %(args)s"))
    before = {name: logging.getLogger(name).level for name in LOGGERS}
    logging.getLogger().addHandler(handler)
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.DEBUG)
    yield Heard(stream)
    logging.getLogger().removeHandler(handler)
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


def whole(request: Request) -> str:
    """Write a request as a server that quotes it would."""
    lines = "\n".join(f"{name}: {value}" for name, value in request.headers.items())
    return f"{request.method} {request.target}\n{lines}\n{request.body.decode()}\n{json.dumps(request.params)}"


def echo_signature(request: Request) -> Answer:
    """Quote the request in the message, as ECS does where the signature is wrong."""
    return error(400, "SignatureDoesNotMatch", f"server string to sign is:{whole(request)} {KEY_SECRET}")


ECHOES: dict[str, Callable[[Request], Answer]] = {
    "signature": echo_signature,
    "forbidden": lambda request: error(403, "Forbidden.RAM", whole(request)),
    "in-every-member": lambda request: answer(
        400, dict.fromkeys(("Code", "RequestId", "Message", "Recommend", "HostId"), whole(request))
    ),
    "page": lambda request: Answer(http(502, f"<html>{whole(request)}</html>", kind="text/html")),
    "page-200": lambda request: Answer(http(200, f"<html>{whole(request)}</html>", kind="text/html")),
    "json-200": lambda request: answer(200, {"RequestId": whole(request)}),
    "redirect": lambda request: Answer(http(302, "", headers={"Location": f"http://127.0.0.1:1{request.target}"})),
    "cut": lambda request: Answer(http(200, whole(request), length=99999), "close"),
    "no-http": lambda request: Answer(whole(request).encode(), "close"),
    "reset": lambda _request: Answer(b"", "reset"),
}


@pytest.mark.parametrize("name", ECHOES)
def test_no_exception_of_the_gateway_holds_a_secret(
    gateway: Connect, serve: Serve, heard: Heard, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Text, repr, members, cause, context and traceback of what comes out are free of key, token and password."""
    monkeypatch.setenv("ALIBABA_CLOUD_SECURITY_TOKEN", STS_TOKEN)
    to = gateway(serve(ECHOES[name]).url, key=("testid", KEY_SECRET))

    with pytest.raises(CloudError) as raised:
        to.cloud.reinit_disk("d-1", Options(password=Secret(PASSWORD)))

    shown = "".join(traceback.format_exception(raised.value))
    chain = [repr(vars(part)) + repr(part) + str(part) for part in _chain(raised.value)]
    assert_clean(f"{shown}{chain}{to.calls}{heard.text}", KEY_SECRET, PASSWORD, STS_TOKEN)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__


def _chain(raised: BaseException) -> list[BaseException]:
    """List what a program that shows an exception would show: the causes, and the contexts not suppressed."""
    parts: list[BaseException] = []
    part: BaseException | None = raised
    while part is not None:
        parts.append(part)
        part = part.__cause__ or (None if part.__suppress_context__ else part.__context__)
    return parts


@pytest.mark.parametrize("name", ECHOES)
def test_no_output_of_a_dry_run_holds_a_secret(
    serve: Serve,
    heard: Heard,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    name: str,
) -> None:
    """Stdout, stderr, report, events and logs of a dry run at a server that quotes everything hold no secret."""
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "testid")
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", KEY_SECRET)
    monkeypatch.setenv("ALIBABA_CLOUD_SECURITY_TOKEN", STS_TOKEN)
    monkeypatch.setenv("NEW_PASSWORD", PASSWORD)
    monkeypatch.setenv("HOME", str(tmp_path))
    server = serve(ECHOES[name])
    files = [tmp_path / "r.json", tmp_path / "e.jsonl"]

    code = run(
        ["plan", "--disk", "d-1", "--region", "cn-hangzhou", "--endpoint", server.url, "--password-env", "NEW_PASSWORD",
         "--verbose", "--output", "json", "--report", str(files[0]), "--events", str(files[1])]
    )  # fmt: skip

    out, err = capfd.readouterr()
    written = "".join(file.read_text("utf-8") for file in files if file.exists())
    assert code == 3
    assert_clean(out + err + written + heard.text, KEY_SECRET, STS_TOKEN, PASSWORD)


@pytest.mark.parametrize("name", ["signature", "page"])
def test_no_output_of_a_run_holds_a_secret(
    serve: Serve,
    heard: Heard,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    name: str,
) -> None:
    """A run whose ReInitDisk, with the password in it, is answered by quoting it shows the password nowhere."""
    with virtual.simulate(access_key=f"testid:{KEY_SECRET}") as simulator:
        server = serve(
            lambda request: (
                ECHOES[name](request) if request.action == "ReInitDisk" else forward(request, simulator.endpoint)
            )
        )
        monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "testid")
        monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", KEY_SECRET)
        monkeypatch.setenv("NEW_PASSWORD", PASSWORD)
        monkeypatch.setenv("HOME", str(tmp_path))
        files = [tmp_path / "r.html", tmp_path / "e.jsonl"]
        code = run(
            ["--disk", "d-sim-web1-sys", "--confirm", "d-sim-web1-sys", "--stop-instance", "--region", "cn-hangzhou",
             "--endpoint", server.url, "--password-env", "NEW_PASSWORD", "--verbose", "--output", "json",
             "--report", str(files[0]), "--events", str(files[1]), "--timeout-reinit", "2m"]
        )  # fmt: skip
    out, err = capfd.readouterr()
    written = "".join(file.read_text("utf-8") for file in files if file.exists())

    assert code >= 4
    assert {"safe_reinit.calls", "safe_reinit.run", "safe_reinit.plan"} <= heard.loggers
    assert files[0].read_text("utf-8").startswith("<!DOCTYPE html>")
    sent = server.asked("ReInitDisk")
    assert [request.params["Password"] for request in sent] == [PASSWORD] * len(sent)
    assert sent
    assert_clean(out + err + written + heard.text, KEY_SECRET, PASSWORD)


def test_no_error_of_the_library_holds_a_secret(serve: Serve, heard: Heard) -> None:
    """What the library raises, with its report, is free of secrets when it is printed with its whole chain."""
    server = serve(echo_signature)
    client = connect(region="cn-hangzhou", endpoint=server.url, credentials=("testid", KEY_SECRET))

    with pytest.raises(Error) as raised:
        client.plan(["d-1"], password=PASSWORD)

    shown = "".join(traceback.format_exception(raised.value)) + repr(vars(raised.value)) + heard.text
    assert_clean(shown, KEY_SECRET, PASSWORD)


def test_a_plan_does_not_show_its_password(simulator: Simulator) -> None:
    """A plan with a password in it prints, and is written as JSON, without it."""
    from safe_reinit.model.codec import encode

    client = connect(region="cn-hangzhou", endpoint=simulator.url, credentials=simulator.access_key)
    plan = client.plan(["d-sim-web1-sys"], stop_instance=True, password=PASSWORD)

    assert plan.options.password is not None
    assert_clean(f"{plan!r} {plan} {json.dumps(encode(plan))}", PASSWORD, simulator.access_key[1])


@pytest.mark.parametrize(
    "greeting",
    [
        pytest.param(http(407, "<html>who?</html>", kind="text/html"), id="407"),
        pytest.param(http(200, "<html>page</html>", kind="text/html"), id="page"),
        pytest.param(b"", id="hang-up"),
    ],
)
def test_the_password_of_a_proxy_is_shown_nowhere(
    gateway: Connect, heard: Heard, monkeypatch: pytest.MonkeyPatch, test_authority: Authority, greeting: bytes
) -> None:
    """The proxy is told its password, and nobody else is when the proxy fails."""
    with Proxy(greeting=greeting) as proxy:
        address = f"http://user:{quote(PROXY_PASSWORD, safe='')}@{proxy.endpoint}"
        monkeypatch.setenv("HTTPS_PROXY", address)
        to = gateway("https://ecs.test.invalid", key=("testid", KEY_SECRET), ca_bundle=str(test_authority.bundle))

        with pytest.raises(CloudError) as raised:
            to.cloud.reinit_disk("d-1", Options(password=Secret(PASSWORD)))

        result = proxy.requests[0].headers["proxy-authorization"]
    shown = "".join(traceback.format_exception(raised.value))
    assert result == f"Basic {basic('user', PROXY_PASSWORD)}"
    assert_clean(f"{shown}{to.calls}{heard.text}", PROXY_PASSWORD, KEY_SECRET, PASSWORD)
    assert basic("user", PROXY_PASSWORD) not in f"{shown}{to.calls}{heard.text}"


def test_the_loggers_are_silent_though_they_would_speak(gateway: Connect, serve: Serve, heard: Heard) -> None:
    """The loggers that write URLs and headers say nothing even where their level is set after the gateway is made."""
    to = gateway(serve(answer(200, {"RequestId": "R"})).url)
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.DEBUG)

    to.cloud.reinit_disk("d-1", Options(password=Secret(PASSWORD)))
    logging.getLogger("somebody.else").warning("still heard")

    assert "still heard" in heard.text
    ours = [line for line in heard.text.splitlines() if line.startswith("safe_reinit.")]
    assert [line for line in heard.text.splitlines() if "ReInitDisk" in line] == ours
    assert_clean(heard.text, PASSWORD)


def test_config_show_hides_a_password_in_an_endpoint(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A password written into the endpoint by mistake is not repeated."""
    monkeypatch.setenv("HOME", str(tmp_path))
    run(["config", "show", "--endpoint", "https://user:planted@ecs.example.com"])
    out, err = capsys.readouterr()

    assert "planted" not in out + err


# ------------------------------------------------------------------------------------- the password of a shared journal

DB_PASSWORD = "Db-pa55/&=%+planted@x"
_QUOTED = quote(DB_PASSWORD, safe="")
WAYS = {
    "in the address": (f"runner:{_QUOTED}@", "", {}),
    "as an option": ("runner@", f"&password={_QUOTED}", {}),
    "PGPASSWORD": ("runner@", "", {"PGPASSWORD": DB_PASSWORD}),
    "PGPASSFILE": ("runner@", "", {"PGPASSFILE": "pgpass"}),
}
"""The ways to give a password: before the host, behind it, in the environment."""


@pytest.fixture(scope="module")
def database(test_authority: Authority) -> Iterator[postgresql.Server]:
    """Start a server that asks for passwords."""
    with postgresql.server_or_skip(test_authority.chain, "hostssl all all 127.0.0.1/32 scram-sha-256") as started:
        started.sql(f"CREATE ROLE runner LOGIN PASSWORD '{DB_PASSWORD}'; GRANT ALL ON DATABASE journals TO runner")
        yield started


def journal_at(
    monkeypatch: pytest.MonkeyPatch, folder: Path, database: postgresql.Server, way: str, port: int | None = None
) -> str:
    """Return the password in one of the ways, and return the address of a journal in a new schema."""
    schema = f"own_{len(database.sql('SELECT nspname FROM pg_namespace'))}"
    database.sql(f"CREATE SCHEMA {schema} AUTHORIZATION runner")
    who, more, variables = WAYS[way]
    monkeypatch.setenv("PGHOSTADDR", "127.0.0.1")
    for name, value in variables.items():
        monkeypatch.setenv(name, value if name == "PGPASSWORD" else str(folder / value))
    passwords = folder / "pgpass"
    passwords.write_text(f"*:*:*:runner:{DB_PASSWORD.replace(':', chr(92) + ':')}\n")
    passwords.chmod(0o600)
    return f"postgresql://{who}{HOST}:{port or database.port}/journals?options=-csearch_path%3D{schema}{more}"


def all_commands(monkeypatch: pytest.MonkeyPatch, folder: Path, journal: str) -> list[int]:
    """Run every kind of command that reads or writes a journal, and give how they ended."""
    target = ["--disk", "d-sim-web1-data", "--stop-instance"]
    files = ["--report", str(folder / "r.html"), "--events", str(folder / "e.jsonl"), "--verbose"]
    with virtual.simulate() as simulator:
        for name, value in {
            "ALIBABA_CLOUD_ACCESS_KEY_ID": "testid", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "testsecret",
            "HOME": str(folder), "SAFE_REINIT_REGION": "cn-hangzhou", "SAFE_REINIT_ENDPOINT": simulator.url,
        }.items():  # fmt: skip
            monkeypatch.setenv(name, value)
        run_id = "r-20260101T000000Z-0000"
        commands = [
            ["plan", *target, "--save", str(folder / "plan.json"), "--output", "json"],
            ["plan", *target],
            [*target, "--confirm", "d-sim-web1-data", *files],
            [*target, "--confirm", "d-sim-web1-data", "--output", "json", "--report", str(folder / "r.json")],
            ["hold", "--reason", "why"],
            [*target, "--confirm", "d-sim-web1-data"],
            ["unhold"],
            ["runs", "--output", "json"],
            ["runs", "--prune", "1d"],
            ["audit"],
            *([word, run_id] for word in ("show", "resume", "cancel", "undo")),
            ["cancel", "--all"],
            ["config", "show"],
            ["config", "show", "--output", "json"],
        ]
        ended = [run([*command, "--journal", journal]) for command in commands]
        ended.append(run(["runs", journal]))
        ended.append(run(["plan", *target, f"--journal={journal}", "--output", "json"]))
        (folder / "c.yaml").write_text(f"journal: {json.dumps(journal)}\n")
        (folder / "wrong.yaml").write_text(f"journal: [{json.dumps(journal)}]\njournals: {json.dumps(journal)}\n")
        for config in ("c.yaml", "wrong.yaml"):
            (folder / config).chmod(0o600)
            monkeypatch.delenv("SAFE_REINIT_JOURNAL", raising=False)
            ended += [
                run([*command, "--config", str(folder / config)])
                for command in (["runs"], ["config", "show"], ["config", "check"])
            ]
        monkeypatch.setenv("SAFE_REINIT_JOURNAL", journal)
        return [*ended, run(["runs"]), run(["config", "show"])]


def written_in(folder: Path) -> str:
    """Return all that was written to a folder, but for what gives the password."""
    given = ("pgpass", "c.yaml", "wrong.yaml")
    files = [file for file in folder.rglob("*") if file.is_file() and file.name not in given]
    return "".join(file.read_text("utf-8", "replace") for file in files)


@pytest.mark.parametrize("way", WAYS)
def test_the_password_of_the_journal_is_in_no_output_of_what_works(
    database: postgresql.Server,
    heard: Heard,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    way: str,
) -> None:
    """Runs, plans, reports, events, the configuration, the logs and the database itself never show it."""
    journal = journal_at(monkeypatch, tmp_path, database, way)
    ended = all_commands(monkeypatch, tmp_path, journal)
    dumped = database.client("pg_dump", "journals")
    out, err = capfd.readouterr()

    assert ended[:5] == [0, 0, 0, 3, 0], err
    assert {file.name for file in tmp_path.iterdir()} >= {"plan.json", "r.html", "r.json", "e.jsonl"}
    assert "runner" in dumped
    assert_clean(out + err + heard.text + written_in(tmp_path) + dumped, DB_PASSWORD)


@pytest.mark.parametrize(
    ("what", "way"), [*(("refused", way) for way in WAYS), ("away", "in the address"), ("away", "as an option")]
)
def test_the_password_of_the_journal_is_in_no_output_of_what_fails(  # noqa: PLR0917
    database: postgresql.Server,
    heard: Heard,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    what: str,
    way: str,
) -> None:
    """Where the server refuses the password, or is away, that is said without it."""
    journal = journal_at(monkeypatch, tmp_path, database, way, refused_port() if what == "away" else None)
    if what == "refused":
        database.sql("ALTER ROLE runner PASSWORD 'another'")
    try:
        all_commands(monkeypatch, tmp_path, journal)
        with pytest.raises(Error) as raised:
            connect(region="cn-hangzhou", journal=journal).cancel("r-20260101T000000Z-0000")
    finally:
        database.sql(f"ALTER ROLE runner PASSWORD '{DB_PASSWORD}'")
    out, err = capfd.readouterr()
    shown = "".join(traceback.format_exception(raised.value)) + repr([vars(part) for part in _chain(raised.value)])

    assert ("password is refused" if what == "refused" else "cannot be reached") in err
    assert_clean(out + err + heard.text + written_in(tmp_path) + shown, DB_PASSWORD)


MALFORMED = (
    f"postgresql://runner:{DB_PASSWORD}@{HOST}/journals",
    f"postgresql:/runner:{_QUOTED}@{HOST}/journals",
    f"Postgres://runner:{_QUOTED}@{HOST}/journals",
    f"psql://runner:{_QUOTED}@{HOST}/journals",
    f"postgresql+psycopg://runner:{_QUOTED}@{HOST}/journals",
    f" postgresql://runner:{_QUOTED}@{HOST}/journals",
    f"postgresql://runner:{_QUOTED}",
    f"postgresql://runner:1/{DB_PASSWORD}@{HOST}/journals",
    f"postgresql://runner:1?{DB_PASSWORD}@{HOST}/journals",
    f"postgresql://runner@{HOST}/journals?passwd={_QUOTED}",
    f"postgresql://runner@{HOST}:port/journals?password={_QUOTED}",
    f"host={HOST} user=runner password={DB_PASSWORD}",
)


@pytest.mark.parametrize("number", range(len(MALFORMED)))
def test_the_password_in_a_malformed_address_is_in_no_output(
    heard: Heard,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    number: int,
) -> None:
    """An address that cannot be understood is refused, is taken for no file, and is not repeated with its password."""
    pytest.importorskip("psycopg")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PGHOSTADDR", "127.0.0.1")
    monkeypatch.setenv("PGPORT", str(refused_port()))
    ended = all_commands(monkeypatch, tmp_path, MALFORMED[number])
    out, err = capfd.readouterr()

    assert ended[4] == 2
    assert {file.name for file in tmp_path.iterdir()} == {"plan.json", "c.yaml", "wrong.yaml", "r.html", "r.json"}
    assert_clean(out + err + heard.text + written_in(tmp_path), DB_PASSWORD)
