"""The command: ``safe-reinit``, the same as ``python -m safe_reinit``.

Its first lines let Ctrl-C end the process by SIGINT with no traceback, until there is something to end in order. They
come before all other imports: Python's own handler raises an exception, and an import can lose that.
"""

import signal

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from .cli import main

if __name__ == "__main__":
    main()
