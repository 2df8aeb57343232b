"""How many signed requests a second the simulator answers on one core: ``python bench/simulator.py``.

The world has 10,000 disks. Nine requests in ten are DescribeDisks of one id, one is a ReInitDisk that is refused since
the machine runs. All are signed beforehand. The server has one core, the load another, where there are two.

Where other programs use that core too, the wall clock tells how busy they are; so what counts is the rate by the
server's own CPU time, and both are printed.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

DISK_COUNT = 10_000
REQUEST_COUNT = 10_000
ROUND_COUNT = 3
CONNECTION_COUNT = 8
REQUIRED_RATE = 2_000
EMPTY = hashlib.sha256(b"").hexdigest()


def write_world(folder: str) -> str:
    """Write the world: each disk on a machine of its own, all of them running."""
    path = Path(folder) / "world.yaml"
    instances = {f"i-bench{number:05}": {} for number in range(DISK_COUNT)}
    disks = {f"d-bench{number:05}": {"instance": f"i-bench{number:05}"} for number in range(DISK_COUNT)}
    path.write_text(json.dumps({"instances": instances, "disks": disks, "rate_limits": {}}), "utf-8")
    return str(path)


def signed(host: str, action: str, parameters: dict[str, str]) -> bytes:
    """Sign one request by ACS3-HMAC-SHA256, over the headers that the Python SDK signs, and give it as it is sent."""
    headers = {
        "accept": "application/json",
        "host": host,
        "user-agent": "AlibabaCloud (Linux; x86_64) Python/3.11 Core/0.4 TeaDSL/2",
        "x-acs-action": action,
        "x-acs-content-sha256": EMPTY,
        "x-acs-date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "x-acs-signature-nonce": uuid.uuid4().hex,
        "x-acs-version": "2014-05-26",
    }
    query = "&".join(f"{quote(name, safe='~')}={quote(parameters[name], safe='~')}" for name in sorted(parameters))
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    canonical = f"POST\n/\n{query}\n{lines}\n{names}\n{EMPTY}"
    to_sign = f"ACS3-HMAC-SHA256\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.new(b"testsecret", to_sign.encode(), hashlib.sha256).hexdigest()
    headers["Authorization"] = f"ACS3-HMAC-SHA256 Credential=testid,SignedHeaders={names},Signature={signature}"
    sent = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST /?{query} HTTP/1.1\r\n{sent}Content-Length: 0\r\n\r\n".encode()


def requests_for(host: str) -> list[tuple[bytes, bytes]]:
    """Sign all requests of one round, each with the status line it is to be answered with."""
    made = []
    for number in range(REQUEST_COUNT):
        disk = f"d-bench{number * 7919 % DISK_COUNT:05}"
        if number % 10 == 9:
            made.append((signed(host, "ReInitDisk", {"DiskId": disk}), b"HTTP/1.1 403"))
        else:
            looked = {"RegionId": "cn-hangzhou", "DiskIds": json.dumps([disk])}
            made.append((signed(host, "DescribeDisks", looked), b"HTTP/1.1 200"))
    return made


def load(port: int, requests: list[tuple[bytes, bytes]]) -> float:
    """Send all requests over a few connections, each waiting for its answer before the next; give the seconds."""
    left = iter(requests)
    chooser = selectors.DefaultSelector()
    began = time.perf_counter()
    for _ in range(CONNECTION_COUNT):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        request, status = next(left)
        connection.sendall(request)
        chooser.register(connection, selectors.EVENT_READ, status)
    while chooser.get_map():
        for key, _ in chooser.select():
            connection = key.fileobj
            assert isinstance(connection, socket.socket)
            answer = whole(connection)
            assert answer.startswith(key.data), answer
            follows = next(left, None)
            if follows is None:
                chooser.unregister(connection)
                connection.close()
            else:
                connection.sendall(follows[0])
                chooser.modify(connection, selectors.EVENT_READ, follows[1])
    return time.perf_counter() - began


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def whole(connection: socket.socket) -> bytes:
    """Read one answer to its end."""
    answer = connection.recv(65536)
    head = answer.index(b"\r\n\r\n") + 4
    match = re.search(rb"(?i)content-length: (\d+)", answer[:head])
    assert match
    while len(answer) < head + int(match[1]):
        answer += connection.recv(65536)
    return answer


def measured(port: int, pid: int) -> tuple[float, float]:
    """Measure one round: requests a second by the wall clock and by the server's CPU time."""
    made = requests_for(f"127.0.0.1:{port}")
    before = cpu_seconds(pid)
    wall = load(port, made)
    return REQUEST_COUNT / wall, REQUEST_COUNT / (cpu_seconds(pid) - before)


def main() -> int:
    """Measure a few rounds and print the median; the exit code says whether it is enough."""
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "safe_reinit.simulator", "--world", write_world(folder)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            os.sched_setaffinity(process.pid, {cores[0]})
            os.sched_setaffinity(0, {cores[-1]})
            try:
                assert process.stdout
                port = int(process.stdout.readline().rpartition(":")[2])
                rounds = [measured(port, process.pid) for _ in range(ROUND_COUNT)]
            finally:
                process.terminate()
    wall, core = (statistics.median(rates) for rates in zip(*rounds, strict=True))
    print(f"{core:.0f} signed requests a second of one core with {DISK_COUNT} disks (at least {REQUIRED_RATE})")
    print(f"{wall:.0f} by the wall clock")
    return 0 if core >= REQUIRED_RATE else 1


if __name__ == "__main__":
    raise SystemExit(main())
