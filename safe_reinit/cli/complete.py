"""What a shell offers at Tab. Nothing is sent, except to a simulator on this machine; nothing is written or reported.

Consent is never offered: a person must type the value of ``--confirm``.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import click

from ..config import Settings, resolve

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

VARIABLE = "_SAFE_REINIT_COMPLETE"
"""The environment variable with which the script in the shell asks."""
SHELLS = ("bash", "zsh", "fish")
_SIMULATOR_TIMEOUT = 1.0
"""Real seconds in which a simulator must answer; otherwise nothing is offered."""
_KINDS = (Settings.region, Settings.endpoint, Settings.journal, Settings.simulate, Settings.world)
"""The settings that decide what there is to offer."""

Offer = tuple[str, str]
"""A word, and what the shell shows next to it."""


def offering(
    offers: Callable[[click.Context], Iterable[Offer]], *, files: bool = False
) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem[str]]]:
    """Make click's callback: if it fails, nothing is offered."""

    def complete(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
        from click.shell_completion import CompletionItem  # noqa: PLC0415 - only when it is asked for

        items = [CompletionItem(incomplete, type="file")] if files else []
        with contextlib.suppress(Exception):
            items += [
                CompletionItem(word, help=help_text) for word, help_text in offers(ctx) if word.startswith(incomplete)
            ]
        return items

    return complete


def words(*those: str) -> Callable[[click.Context], list[Offer]]:
    """Offer these."""
    return lambda _ctx: [(word, "") for word in those]


def risks(_ctx: click.Context) -> list[Offer]:
    """Offer the checks that can be accepted."""
    from ..checks import CHECKS  # noqa: PLC0415 - only when it is asked for

    return [(check.name, check.summary) for check in CHECKS if check.level == "risk" or check.waivable]


def explainable(_ctx: click.Context) -> list[Offer]:
    """Offer the checks and the error codes."""
    from ..checks import CHECKS  # noqa: PLC0415 - only when it is asked for
    from ..model.error_codes import SUMMARIES  # noqa: PLC0415 - see above

    checks = [(check.name, check.summary) for check in CHECKS]
    return checks + list(SUMMARIES.items())


def offer_runs(ctx: click.Context) -> list[Offer]:
    """Offer the runs that this command can apply to: open ones to resume, ones with snapshots to undo."""
    from pathlib import Path  # noqa: PLC0415 - only when it is asked for

    from ..journal.peek import glance  # noqa: PLC0415 - see above
    from ..journal.place import is_shared, journal_of  # noqa: PLC0415 - see above

    place = journal_of(_settings(ctx).journal, os.environ)
    if is_shared(place):  # a shell does not wait for a network
        return []
    seen = glance(Path(place))
    if ctx.info_name == "resume":
        seen = [run for run in seen if run.open]
    if ctx.info_name == "undo":
        seen = [run for run in seen if run.undoable and not run.open]
    return [(run.run_id, "open" if run.open else run.outcome or "") for run in seen]


def disks(ctx: click.Context) -> list[Offer]:
    """Offer the disks of the simulator in use; none of the real cloud."""
    return [(name, "") for name in _simulated("disks", ctx)]


def instances(ctx: click.Context) -> list[Offer]:
    """Offer the instances of the simulator in use; none of the real cloud."""
    return [(name, "") for name in _simulated("instances", ctx)]


def regions(ctx: click.Context) -> list[Offer]:
    """Offer the regions that the configuration and the environment name."""
    from ..config.nested import target_rules  # noqa: PLC0415 - only when it is asked for

    settings = _settings(ctx)
    rules = target_rules(settings.allow, settings.protect, settings.classes)
    matches = [rules.allow, *(each.match for each in rules.classes)]
    named = [settings.region, *(name for each in matches for name in each.regions or ())]
    return [(name, "") for name in dict.fromkeys(named) if name and not set(name) & set("*?[")]


def _settings(ctx: click.Context) -> Settings:
    given = {each.name: ctx.params.get(each.name) for each in _KINDS}
    if isinstance(given[Settings.region.name], tuple):  # several values, which no setting has
        given[Settings.region.name] = None
    return resolve(given, os.environ, ctx.params.get("config"))


def _simulated(kind: str, ctx: click.Context) -> list[str]:
    settings = _settings(ctx)
    names = {param.name for param in ctx.command.params}
    if "simulate" in names and (settings.simulate or settings.world):
        from ..simulator.world_ids import ids_of  # noqa: PLC0415 - only when it is asked for

        return ids_of(kind, settings.world)
    return _read_simulator(settings.endpoint, kind) if settings.endpoint else []


def _read_simulator(address: str, kind: str) -> list[str]:
    """Ask a simulator on this machine what it has; no other address is asked, and no redirect followed."""
    import http.client  # noqa: PLC0415 - only when it is asked for
    import json  # noqa: PLC0415 - see above

    from ..cloud.endpoints import parse  # noqa: PLC0415 - see above

    endpoint = parse(address)
    if not endpoint.loopback or endpoint.scheme != "http":
        return []
    host = endpoint.host.replace("localhost", "127.0.0.1")  # whatever a resolver says about that name
    with contextlib.closing(http.client.HTTPConnection(host, timeout=_SIMULATOR_TIMEOUT)) as line:
        line.request("GET", "/_simulator/state")
        things: dict[str, Any] = json.loads(line.getresponse().read())[kind]
    return [name for name, thing in things.items() if thing["status"] != "Deleted"]
