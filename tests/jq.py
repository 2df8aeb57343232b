"""``jq`` for the commands of the pages, by its library: one expression on one file, with or without ``-r``."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import jq


def main(argv: Sequence[str]) -> None:
    """Print what an expression makes of the document in a file, as the program would."""
    raw, (expression, file) = "-r" in argv, [word for word in argv if word != "-r"]
    for value in jq.compile(expression).input_text(Path(file).read_text("utf-8")):
        text = value if raw and isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
        sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
