"""With the SDK's own debugging switched on, no output holds a secret, wherever the credentials come from."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import virtual
from tests.blackbox.test_secrets import KEY_SECRET, STS_TOKEN, assert_clean
from tests.commands import command
from tests.servers import Server, forward

DISK = "d-sim-web1-data"
NO_KEY = {"ALIBABA_CLOUD_ACCESS_KEY_ID": "", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": ""}


def environment(*, token: bool) -> Callable[[Path], dict[str, str]]:
    """Keep a key in the environment."""
    given = {"ALIBABA_CLOUD_ACCESS_KEY_ID": "testid", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": KEY_SECRET}
    return lambda _home: {**given, **({"ALIBABA_CLOUD_SECURITY_TOKEN": STS_TOKEN} if token else {})}


def profile(mode: str) -> Callable[[Path], dict[str, str]]:
    """Keep a key in a profile of the aliyun CLI."""

    def write(home: Path) -> dict[str, str]:
        folder = home / ".aliyun"
        folder.mkdir(mode=0o700)
        own = {"name": "default", "mode": mode, "region_id": "cn-hangzhou", "access_key_id": "testid"}
        token = {"sts_token": STS_TOKEN} if mode == "StsToken" else {}
        content = {"current": "default", "profiles": [{**own, "access_key_secret": KEY_SECRET, **token}]}
        (folder / "config.json").write_text(json.dumps(content))
        (folder / "config.json").chmod(0o600)
        return NO_KEY

    return write


SOURCES = {
    "a key in the environment": (environment(token=False), ""),
    "a temporary key in the environment": (environment(token=True), STS_TOKEN),
    "a profile with a key": (profile("AK"), ""),
    "a profile with a temporary key": (profile("StsToken"), STS_TOKEN),
}


@pytest.mark.virtual_time
@pytest.mark.parametrize("name", SOURCES)
def test_no_output_of_a_wipe_holds_a_secret(tmp_path: Path, name: str) -> None:
    """Streams, report, events and journal of a wipe with DEBUG=sdk hold neither secret nor token nor signature."""
    check(tmp_path, name)


@pytest.mark.new_interpreter
def test_no_output_of_a_process_holds_a_secret(tmp_path: Path) -> None:
    """Nor do those of a process that had DEBUG=sdk when it imported the SDK."""
    check(tmp_path, "a temporary key in the environment")


def check(tmp_path: Path, name: str) -> None:
    """Wipe a disk, over HTTP, and look through all that was written."""
    source, token = SOURCES[name]
    key = {"id": "testid", "secret": KEY_SECRET, **({"token": token} if token else {})}
    world = {
        "keys": [key],
        "durations": {"wipe": 3},
        "instances": {"i-1": {"status": "Stopped"}},
        "disks": {"d-sys": {"instance": "i-1", "type": "system"}, "d-1": {"instance": "i-1"}},
    }
    with (
        virtual.simulate(world, speed=1) as simulator,
        Server(lambda request: forward(request, simulator.endpoint)) as between,
    ):
        run = command(between.url, tmp_path)
        done = run(
            "--disk", "d-1", "--confirm", "d-1", "--verbose", "--accept", "no-recent-snapshot",
            "--accept", "fstab-may-name-disk", "--report", str(tmp_path / "r.json"), "--events",
            str(tmp_path / "e.jsonl"), journal=tmp_path / "journal.db",
            environment={"DEBUG": "sdk", **source(tmp_path)},
        )  # fmt: skip
        wipes = simulator.state()["disks"]["d-1"]["wipes"]

    files = [path for path in tmp_path.rglob("*") if path.is_file() and ".aliyun" not in path.parts]
    written = "".join(path.read_bytes().decode("utf-8", "replace") for path in files)
    assert (done.returncode, len(wipes)) == (0, 1), done.stderr
    assert len(files) >= 3
    assert_clean(done.stdout + done.stderr + written, KEY_SECRET, STS_TOKEN)
    assert "Signature=" not in done.stdout + done.stderr + written
