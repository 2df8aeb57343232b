"""Which mutants no test noticed: each must be explained in tests/mutants.md, word for word (``nox -s mutants``).

A mutant is one small change of a guard (``and`` for ``or``, ``<=`` for ``<``, an argument left out). One that survives
all tests is a test that is missing, or a change that changes nothing.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

EXPLAINED = Path(__file__).with_suffix(".md")
FINE = ("killed", "timeout", "caught by type check")
"""A mutant that never ends is noticed, too."""


def mutmut(*argv: str) -> str:
    """Run mutmut and give what it printed."""
    return subprocess.run([sys.executable, "-m", "mutmut", *argv], capture_output=True, text=True, check=True).stdout


def change(name: str) -> tuple[str, str, str]:
    """Return the function that a mutant is in, what it takes away, and what it puts there."""
    lines = [line for line in mutmut("show", name).splitlines() if re.match(r"[-+](?![-+])", line)]
    old = " ".join(line[1:].strip() for line in lines if line.startswith("-"))
    new = " ".join(line[1:].strip() for line in lines if line.startswith("+"))
    module, _, function = name.removeprefix("safe_reinit.").rpartition(".")
    return f"{module}.{re.sub(r'__mutmut_[0-9]+$|^xǁ[A-Za-z]+ǁ|^x_', '', function)}", old, new


def explained() -> set[tuple[str, str, str]]:
    """Read the table of those that nothing can tell from the code as it is."""
    rows = re.findall(r"^\| `([^`]+)` \| `([^`]*)` \| `([^`]*)` \| \S", EXPLAINED.read_text("utf-8"), re.MULTILINE)
    return {(function, old, new) for function, old, new in rows}


def main() -> int:
    """Compare the survivors with the table, both ways."""
    results = re.findall(r"^\s*(\S+): (.+)$", mutmut("results", "--all", "true"), re.MULTILINE)
    print(", ".join(f"{count} {what}" for what, count in Counter(status for _, status in results).most_common()))
    alive = {change(name): name for name, status in results if status not in FINE}
    for row in sorted(alive.keys() - explained()):
        print(f"{alive[row]}\n| `{row[0]}` | `{row[1]}` | `{row[2]}` |")
    gone = sorted(explained() - alive.keys())
    for row in gone:
        print(f"explained, but noticed by a test, or gone: {row}")
    return 1 if not results or gone or alive.keys() - explained() else 0


if __name__ == "__main__":
    sys.exit(main())
