"""The entry point of `muster`: Ctrl-C ends it even while slow modules are loaded (SPEC 9)."""

import atexit
import gc
import os
import signal
import sys

INTERRUPTED = 130


def main() -> None:
    """Carry out the command line. Until a command handles signals itself, Ctrl-C ends the process at once."""
    former = signal.getsignal(signal.SIGINT)
    if former is signal.default_int_handler:  # else somebody wants it otherwise, `nohup` for one
        signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    try:
        from muster.cli.process import command_line

        atexit.register(gc.freeze)  # Python need not look for garbage among all that was loaded as the process ends
        sys.exit(command_line.carry_out())
    except MemoryError:  # while modules were loaded
        os.write(2, b"error: there is too little memory to start muster; see `ulimit -v`\n")
        os._exit(2)  # what is left may not do for an orderly end
    finally:
        signal.signal(signal.SIGINT, former)
