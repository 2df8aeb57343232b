"""`python -m safe_reinit.simulator`: serve until SIGINT or SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys

_USAGE_ERROR = 2


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit code: 0 after a signal, 2 for bad arguments or files."""
    try:
        arguments = _parser().parse_args(argv)
    except SystemExit as stop:
        return int(stop.code or 0)
    try:
        return asyncio.run(_serve(arguments))
    except (ValueError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return _USAGE_ERROR


class _Parser(argparse.ArgumentParser):
    """Reports errors in one sentence."""

    def error(self, message: str) -> None:  # type: ignore[override]
        self.exit(_USAGE_ERROR, f"{self.prog}: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m safe_reinit.simulator",
        description="Start a simulated Alibaba Cloud ECS on this machine. Ctrl-C or SIGTERM stops it.",
        allow_abbrev=False,
    )
    parser.add_argument("--port", type=_port, default=0, help="the port to listen on; 0 picks a free one")
    parser.add_argument("--world", metavar="FILE.yaml", help="the machines at the start (default: the built-in world)")
    parser.add_argument("--faults", metavar="FILE.yaml", help="which calls go wrong, and how")
    parser.add_argument("--speed", type=float, default=1.0, help="simulated seconds per real second")
    parser.add_argument("--seed", type=int, default=0, help="the seed of all ids; the same seed gives the same ids")
    parser.add_argument("--access-key", metavar="ID:SECRET", help="the access key to use instead of the world's first")
    return parser


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 0 to 65535")
    return int(text)


async def _serve(arguments: argparse.Namespace) -> int:
    # Imported here so that --help does not pay for it.
    from .embedded import check_speed, split_access_key  # noqa: PLC0415
    from .engine import Engine, Options  # noqa: PLC0415
    from .server import HOST, Server  # noqa: PLC0415

    options = Options(
        world=arguments.world,
        faults=arguments.faults,
        speed=check_speed(arguments.speed),
        seed=arguments.seed,
        access_key=split_access_key(arguments.access_key),
    )
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    server = Server(Engine(options), log=_report)
    port = await server.start(arguments.port)
    sys.stdout.write(f"listening on http://{HOST}:{port}\n")
    sys.stdout.flush()
    await stopped.wait()
    await server.close()
    return 0


def _report(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    raise SystemExit(main())
