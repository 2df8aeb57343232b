"""The tests of safe_reinit.

They start many interpreters. Where Python is told to keep no bytecode, each would compile all that it imports again,
which takes longer than to run it: the tests keep it in pytest's cache then, apart from the sources.
"""

import os
import sys
from pathlib import Path

if sys.dont_write_bytecode:
    sys.dont_write_bytecode = False
    sys.pycache_prefix = str(Path(__file__).resolve().parent.parent / ".pytest_cache" / "bytecode")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix
