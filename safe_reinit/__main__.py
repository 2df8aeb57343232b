"""The command: ``safe-reinit``, the same as ``python -m safe_reinit``.

Its first lines let Ctrl-C end the process by SIGINT without a traceback, until there is something to end cleanly. They
come before all other imports: Python's own handler raises an exception, which an import can lose.
"""

import signal

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from .cli import main

if __name__ == "__main__":
    main()
