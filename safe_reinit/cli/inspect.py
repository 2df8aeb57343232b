"""The commands that only tell: checks, explain, config. They never import the SDK and never send anything."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from ..config import BY_NAME, SETTINGS, Config, Setting, find, resolve
from ..errors import UsageError
from .output import Output

if TYPE_CHECKING:
    from .documents import Checks, Explained

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*", re.ASCII)
_WORDS_OF_YAML = ("true", "false", "yes", "no", "on", "off", "null", "y", "n")


def checks(output: Output) -> None:
    """List the checks."""
    from ..checks import CHECKS  # noqa: PLC0415 - the config commands need none

    if output.json:
        from .documents import Checks, ListedCheck  # noqa: PLC0415 - only for JSON

        listed = (ListedCheck(check.name, check.level, check.predicts, check.summary) for check in CHECKS)
        _print(Checks(tuple(listed)), output)
        return
    width = max(len(check.name) for check in CHECKS)
    for check in CHECKS:
        click.echo(f"{check.level:<5}  {check.name:<{width}}  {check.summary}")


def explain(name: str, output: Output) -> None:
    """Explain a check or an error code.

    Raises:
        UsageError: it is neither.

    """
    told = _explain_check(name) or _explain_code(name)
    if told is None:
        raise _neither(name)
    if output.json:
        from .documents import Explained  # noqa: PLC0415 - only for JSON

        _print(Explained(**told), output)
    else:
        click.echo(told["text"])


def _neither(name: str) -> UsageError:
    from ..checks import NAMES, like  # noqa: PLC0415 - see checks
    from ..codes import COMMON, REINIT_DISK  # noqa: PLC0415 - see checks

    near = like(name, (*NAMES, *(code.code for code in (*REINIT_DISK, *COMMON))))
    return UsageError(
        f"{name!r} is neither a check nor an error code that ReInitDisk documents.",
        hint=f"{near}safe-reinit checks lists the checks.",
    )


def _print(told: Checks | Explained, output: Output) -> None:
    from ..model.codec import encode  # noqa: PLC0415 - only for JSON

    output.document({"schema": 1, **encode(told)})


def _explain_check(name: str) -> dict[str, Any] | None:
    from ..checks import by_name  # noqa: PLC0415 - see checks

    check = by_name(name)
    if check is None:
        return None
    return {
        "name": check.name,
        "level": check.level,
        "predicts": check.predicts,
        "summary": check.summary,
        "text": check.text,
    }


def _explain_code(name: str) -> dict[str, Any] | None:
    from ..codes import lookup  # noqa: PLC0415 - see checks

    code = lookup(name)
    if code is None:
        return None
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
    return {"name": code.code, "level": "error", "predicts": (code.code,), "summary": code.meaning, "text": text}


def config_check(flags: Mapping[str, Any], output: Output) -> None:
    """Say that the configuration can be used; a problem is raised."""
    _settings(flags)
    path = find(flags.get("config"), os.environ)
    if output.json:
        output.document({"schema": 1, "file": str(path) if path else None, "problems": []})
    else:
        click.echo(f"{path}: good." if path else "There is no configuration file; the defaults hold.")


def config_show(flags: Mapping[str, Any], output: Output) -> None:
    """Show every setting with its source."""
    config = _settings(flags)
    values = [
        {"path": name, "value": _shown(config[name]), "source": config.of(name).source, "where": config.of(name).where}
        for name in config
    ]
    if output.json:
        output.document({"schema": 1, "values": values})
        return
    for value in values:
        where = f"[{value['source']}{f' ({where})' if (where := value['where']) else ''}]"
        if BY_NAME[value["path"]].nested and value["value"]:
            click.echo(f"{value['path']}:  {where}")
            click.echo("\n".join(_tree(value["value"], "  ")))
        else:
            click.echo(f"{value['path']}: {'' if value['value'] is None else value['value']}  {where}")


def _settings(flags: Mapping[str, Any]) -> Config:
    """Resolve the settings, and see that what classes accept can be accepted."""
    config = resolve(flags, os.environ, flags.get("config"))
    if config["classes"]:
        from ..wanted import policy_of  # noqa: PLC0415 - the checks are needed only where there are classes

        policy_of(config)
    return config


def _tree(value: Mapping[str, Any], indent: str) -> Iterator[str]:
    """Write a nested setting as a file could have it, a member in each line."""
    for name, item in value.items():
        if isinstance(item, dict) and any(isinstance(each, (dict, list, bool)) for each in item.values()):
            yield f"{indent}{name}:"
            yield from _tree(item, f"{indent}  ")
        else:
            yield f"{indent}{name}: {_flow(item)}"


def _flow(value: Any) -> str:  # noqa: ANN401 - as a YAML file has it
    """Write a value as YAML in one line."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_flow(key)}: {_flow(item)}' for key, item in value.items())}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_flow, value))}]"
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS_OF_YAML:
        return value
    return json.dumps(value, ensure_ascii=False)


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
    "runner": "temporal",
    "temporal": "temporal.example.net:7233",
    "namespace": "wipes.a1b2c",
    "temporal_tls_ca": "/etc/safe-reinit/temporal-ca.pem",
    "temporal_tls_cert": "/etc/safe-reinit/temporal.pem",
    "temporal_tls_key": "/etc/safe-reinit/temporal.key",
    "temporal_tls_name": "temporal.example.net",
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
    "allow": (
        '{accounts: ["1000000000000001"], regions: [cn-hangzhou], instances: ["i-*"], disks: ["d-*"], '
        'names: ["lab-*", "staging-*"], tags: {env: "*"}}'
    ),
    "protect": (
        '{tag: safe-reinit:protect, terms: [prod, production, live], names: ["*-db-*"], '
        "instances: [i-bp1example], disks: [d-bp1example], tags: {env: prod}}"
    ),
    "max_disks": "10",
    "classes": (
        '{lab: {match: {accounts: ["1000000000000001"], regions: [cn-hangzhou], tags: {env: lab}}, '
        "stop_instance: true, accept: [no-recent-snapshot, no-login-set], snapshot: false, max_disks: 60, "
        'force_stop_after: 5m, on_unknown: retry, hours: "01:00-05:00", unattended: true}}'
    ),
    "snapshot_max_age": "24h",
    "canary": "1",
    "waves": "[5, 25%, 50%]",
    "pause": "canary",
    "max_parallel": "100",
    "stop_after_failures": "3",
    "deadline": "2h",
    "quota_share": "0.8",
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


_NOTES: dict[str, tuple[str, ...]] = {
    "allow": (
        "Accounts, regions, ids, instance names and tags by pattern (*, ?, [...]) of the whole text; capitals count.",
        "The instance must have each tag; a tag of the same key on the disk must match too.",
    ),
    "protect": (
        "A disk that has the tag (KEY or KEY=VALUE) or is like any of the rest, or whose instance is; capitals do not",
        "count. A term is a part of a name of its own: prod is one of web-prod-2 and of non-prod, not of product.",
        "A list that is given replaces its default.",
    ),
    "classes": (
        "Each is matched on what ECS shows: accounts, regions and tags, as in allow. All disks of a run must be in the",
        "same class. Its name is consent (the option --confirm lab) where it is unattended. A run must begin in the",
        'hours, which are UTC; those of another zone are "01:00-05:00 +08:00".',
    ),
}  # fmt: skip


_DEFAULTS = {"max_disks": "10 named by hand, 1 found, or what their class says", "allow": "anything", "classes": "none"}


def _example(setting: Setting) -> str:
    default = "off" if setting.default in (None, False, {}, ()) else _shown(setting.default)
    default = _DEFAULTS.get(setting.name) or (_flow(default) if setting.nested else default)
    sample = _SAMPLES.get(setting.name, "false")
    notes = "".join(f"# {note}\n" for note in _NOTES.get(setting.name, ()))
    return f"\n# {_sentence(setting.help)} Default: {default}.\n{notes}# {setting.name}: {sample}\n"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _shown(value: Any) -> Any:  # noqa: ANN401 - each setting has its own type
    if isinstance(value, float) and value >= 1.0:
        from ..report.text import duration  # noqa: PLC0415 - only where a duration is shown

        return duration(value)
    if isinstance(value, timedelta):
        return _shown(value.total_seconds())
    if isinstance(value, datetime):
        from ..model.codec import timestamp  # noqa: PLC0415 - only where a time is shown

        return timestamp(value)
    if isinstance(value, tuple) and value and isinstance(value[0], tuple):  # waves
        return [f"{size}%" if percent else size for size, percent in value]
    return list(value) if isinstance(value, tuple) else value
