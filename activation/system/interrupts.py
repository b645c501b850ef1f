"""A wish to stop, which may come while native code is at work (SPEC 9: exit 130, 143). Pure but for what the process remembers.

A signal handler may run inside a call into Polars, which turns what the handler raises into a panic of its own; and
Polars raises ``KeyboardInterrupt`` itself, whatever the wish was. What was asked for is remembered here, and is raised
once: whoever cleans up is not stopped again.
"""

_asked: list[BaseException] = []
_raised: list[BaseException] = []


def ask(wish: BaseException) -> None:
    """Remember the wish; the first one counts."""
    if not _asked:
        _asked.append(wish)


def stop(wish: BaseException) -> None:
    """Remember the wish and raise it: what a signal handler does."""
    ask(wish)
    if not _raised:
        _raised.append(_asked[0])
        raise _asked[0]


def asked() -> BaseException | None:
    """The wish to stop, if one came since the command began."""
    return _asked[0] if _asked else None


def begin() -> None:
    """A command begins: nobody has asked it to stop."""
    _asked.clear()
    _raised.clear()
