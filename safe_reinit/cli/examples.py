"""Lines to type, for the help of each command."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import TRY_IT

EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "safe-reinit": (
        TRY_IT,
        "safe-reinit --disk d-bp1example --stop-instance --dry-run",
        "safe-reinit --disk d-bp1example --stop-instance --snapshot",
        "safe-reinit --tag env=lab --system-disk --confirm lab --report run.html",
    ),
    "plan": (
        "safe-reinit plan --disk d-bp1example --stop-instance",
        "safe-reinit plan --disk d-bp1example --stop-instance --save plan.json",
    ),
    "apply": (
        "safe-reinit show plan.json",
        "safe-reinit apply plan.json --confirm 6d6845f3a1c09b7e54d2f8036ae91b4c",
    ),
    "rehearse": (
        "safe-reinit rehearse --disk d-bp1example --stop-instance",
        "safe-reinit rehearse --disk d-bp1example --stop-instance --faults faults.yaml",
    ),
    "policy": (
        "safe-reinit policy --disk d-bp1example --stop-instance > policy.json",
        "safe-reinit policy --disk d-bp1example --stop-instance --check",
    ),
    "resume": (
        "safe-reinit resume r-20260102T030405Z-4f2a",
        "safe-reinit resume r-20260102T030405Z-4f2a --verdict intact",
    ),
    "cancel": ("safe-reinit cancel r-20260102T030405Z-4f2a", "safe-reinit cancel --all"),
    "hold": ('safe-reinit hold --reason "incident 4711: hands off"',),
    "unhold": ("safe-reinit unhold",),
    "undo": (
        "safe-reinit undo r-20260102T030405Z-4f2a --stop-instance --dry-run",
        "safe-reinit undo r-20260102T030405Z-4f2a --stop-instance",
    ),
    "runs": ("safe-reinit runs", "safe-reinit runs --limit 100 --output json", "safe-reinit runs --prune 90d"),
    "audit": ("safe-reinit audit", "safe-reinit audit r-20260102T030405Z-4f2a", "safe-reinit audit --limit 100"),
    "show": ("safe-reinit show r-20260102T030405Z-4f2a", "safe-reinit show plan.json"),
    "verify-cloud": (
        "safe-reinit verify-cloud --simulate --instance i-sim-lab-ci-2",
        "safe-reinit verify-cloud --instance i-bp1example --disk d-bp1example",
    ),
    "checks": ("safe-reinit checks", "safe-reinit checks --output json"),
    "explain": ("safe-reinit explain no-recent-snapshot", "safe-reinit explain IncorrectInstanceStatus"),
    "config": ("safe-reinit config example > config.yaml", "safe-reinit config check --config config.yaml"),
    "config check": ("safe-reinit config check", "safe-reinit config check --config config.yaml"),
    "config show": ("safe-reinit config show", "safe-reinit config show --region cn-hangzhou --output json"),
    "worker": (
        "safe-reinit worker --temporal temporal.example.com:7233",
        "safe-reinit worker --worker-health 127.0.0.1:8080",
    ),
    "completion": (
        """eval "$(safe-reinit completion bash)"   # in ~/.bashrc""",
        """eval "$(safe-reinit completion zsh)"    # in ~/.zshrc, below compinit""",
        "safe-reinit completion fish > ~/.config/fish/completions/safe-reinit.fish",
    ),
    "version": ("safe-reinit version",),
    "help": ("safe-reinit help", "safe-reinit help plan"),
    "schema": ("safe-reinit schema", "safe-reinit schema | python -m json.tool"),
    "config example": ("safe-reinit config example > ~/.config/safe-reinit/config.yaml",),
}
"""By command, with the name of its group: lines that can be typed as they are, apart from the ids."""
