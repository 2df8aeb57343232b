"""The tests of safe_reinit.

They start many interpreters. Where Python is told to keep no bytecode, each would compile all that it imports again,
which takes longer than to run it: the tests keep it in pytest's cache then, apart from the sources.

Signals that were ignored when pytest began, as in the background of a script or under nohup, are not: children would
inherit that.
"""

import os
import signal
import sys
from pathlib import Path

if sys.dont_write_bytecode:
    sys.dont_write_bytecode = False
    sys.pycache_prefix = str(Path(__file__).resolve().parent.parent / ".pytest_cache" / "bytecode")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
for _number in (signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, signal.SIG_DFL)
