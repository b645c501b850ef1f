"""A request to stop, for a program that handles signals itself: `muster.cli` does; other callers need not.

In: `request` or `stop`, from a signal handler or a thread that waits for signals.
Out: the plan that Polars runs at that moment ends with the exception that was requested.
"""

from muster.activation.system.interrupts import begin, request, requested, stop

__all__ = ["begin", "request", "requested", "stop"]
