"""A request to stop, for a program that handles signals itself: `muster.cli` asks here; a library caller need not.

In: `ask` or `stop`, from a signal handler or a thread that waits for signals.
Out: the plan that Polars runs at that moment ends with the exception that was asked for.
"""

from muster.activation.system.interrupts import ask, asked, begin, stop

__all__ = ["ask", "asked", "begin", "stop"]
