"""The commands that only tell: checks, explain, config. They never import the SDK and never send anything."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import click

from ..config import SETTINGS, Setting, find, resolve
from ..errors import UsageError
from .output import Output


def checks(output: Output) -> None:
    """List the checks."""
    from ..checks import CHECKS  # noqa: PLC0415 - the config commands need none

    if output.json:
        output.document({"schema": 1, "checks": [_check(check) for check in CHECKS]})
        return
    width = max(len(check.name) for check in CHECKS)
    for check in CHECKS:
        click.echo(f"{check.level:<5}  {check.name:<{width}}  {check.summary}")


def explain(name: str, output: Output) -> None:
    """Explain a check or an error code.

    Raises:
        UsageError: it is neither.

    """
    from ..codes import lookup  # noqa: PLC0415 - see checks

    code = lookup(name)
    if code is not None:
        text = "\n".join(
            [
                f"{code.code} (HTTP {code.status}; documented: {code.versions})",
                "",
                code.meaning,
                f"What to do: {code.fix}",
                f"Foreseen by: {', '.join(code.checks)}." if code.checks else "Foreseen by no check.",
                *([f"Not surely: {code.unforeseen}."] if code.unforeseen else []),
            ]
        )
        document = {"name": code.code, "level": "error", "predicts": [code.code], "summary": code.meaning, "text": text}
    else:
        document = _explain_check(name)
    if output.json:
        output.document({"schema": 1, **document})
    else:
        click.echo(document["text"])


def _explain_check(name: str) -> dict[str, Any]:
    from ..checks import by_name  # noqa: PLC0415 - see checks

    check = by_name(name)
    if check is None:
        raise UsageError(f"{name!r} is neither a check nor a documented error code.", hint="See safe-reinit checks.")
    return {**_check(check), "text": check.text}


def config_check(flags: Mapping[str, Any], output: Output) -> None:
    """Say that the configuration can be used; a problem is raised."""
    config = resolve(flags, os.environ, flags.get("config"))
    path = find(flags.get("config"), os.environ)
    if output.json:
        output.document({"schema": 1, "file": str(path) if path else None, "problems": []})
    else:
        click.echo(f"{path}: good." if path else "There is no configuration file; the defaults hold.")
    del config


def config_show(flags: Mapping[str, Any], output: Output) -> None:
    """Show every setting with its source."""
    config = resolve(flags, os.environ, flags.get("config"))
    values = [
        {"path": name, "value": _shown(config[name]), "source": config.of(name).source, "where": config.of(name).where}
        for name in config
    ]
    if output.json:
        output.document({"schema": 1, "values": values})
        return
    for value in values:
        where = f" ({value['where']})" if value["where"] else ""
        click.echo(f"{value['path']}: {'' if value['value'] is None else value['value']}  [{value['source']}{where}]")


def example() -> str:
    """Write a configuration file that has every setting, commented."""
    head = (
        "# safe-reinit: an example configuration with every setting and its default.\n"
        "# Copy it to ~/.config/safe-reinit/config.yaml, uncomment what you need, and run: safe-reinit config check\n"
        "# A flag wins over the environment (SAFE_REINIT_<OPTION>), the environment over this file.\n"
    )
    return head + "".join(_example(setting) for setting in SETTINGS if setting.in_file)


_SAMPLES: dict[str, str] = {
    "region": "cn-hangzhou",
    "profile": "ops",
    "endpoint": "ecs.cn-hangzhou.aliyuncs.com",
    "endpoints": "{sts: sts.cn-hangzhou.aliyuncs.com}",
    "ca_bundle": "/etc/ssl/certs/ca-certificates.crt",
    "snapshot_retention": "30d",
    "timeout_stop": "10m",
    "timeout_snapshot": "60m",
    "timeout_reinit": "30m",
    "timeout_start": "15m",
    "force_stop_after": "5m",
    "snapshot_max_age": "24h",
    "expect_instance": "i-bp1example",
    "reason": '"CHG-1: nightly reset"',
    "key_pair": "ops-key",
    "password_env": "NEW_PASSWORD",
    "security_enhancement": "Active",
    "on_unknown": "retry",
    "journal": "/var/lib/safe-reinit/journal.db",
    "plan_expires": "24h",
    "output": "text",
    "report": "run.json",
    "events": "events.jsonl",
    "world": "world.yaml",
    "faults": "faults.yaml",
    "require_looks": "[kms]",
}


def _example(setting: Setting) -> str:
    default = "off" if setting.default in (None, False, {}, ()) else _shown(setting.default)
    sample = _SAMPLES.get(setting.name, "false")
    return f"\n# {setting.help[0].upper()}{setting.help[1:]}. Default: {default}.\n# {setting.name}: {sample}\n"


def _shown(value: Any) -> Any:  # noqa: ANN401 - each setting has its own type
    if isinstance(value, float):
        from ..report.text import duration  # noqa: PLC0415 - only where a duration is shown

        return duration(value)
    return list(value) if isinstance(value, tuple) else value


def _check(check: Any) -> dict[str, Any]:  # noqa: ANN401 - see checks
    return {
        "name": check.name,
        "level": check.level,
        "predicts": list(check.predicts),
        "summary": check.summary,
    }
