"""A wish to stop that came while native code was at work (SPEC 9: exit 130, 143). Pure but for one flag of the process.

A signal handler may run inside a call into Polars, which turns what the handler raises into a panic of its own. What was asked
for is remembered here, so that the panic is not taken for damaged data.
"""

_asked: list[BaseException] = []


def stop(wish: BaseException) -> None:
    """Remember the wish and raise it: what a signal handler does."""
    _asked[:] = [wish]
    raise wish


def asked() -> BaseException | None:
    """The wish to stop, if one came since the command began."""
    return _asked[0] if _asked else None


def begin() -> None:
    """A command begins: nobody has asked it to stop."""
    _asked.clear()
