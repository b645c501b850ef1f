"""The request to stop this process, which may come while native code is at work (SPEC 9: exit 130, 143).

A signal handler may run inside a call into Polars, which turns what the handler raises into a panic of its own; and
Polars raises ``KeyboardInterrupt`` itself, whatever the request was. So the request is remembered here, for the whole
process, and raised once: code that cleans up afterwards is not stopped again.
"""

_requested: list[BaseException] = []
_raised: list[BaseException] = []


def request(wish: BaseException) -> None:
    """Remember the request to stop; only the first request counts."""
    if not _requested:
        _requested.append(wish)


def stop(wish: BaseException) -> None:
    """Remember the request and raise it, as a signal handler does."""
    request(wish)
    if not _raised:
        _raised.append(_requested[0])
        raise _requested[0]


def requested() -> BaseException | None:
    """The request to stop, if one came since the command began."""
    return _requested[0] if _requested else None


def begin() -> None:
    """Forget all requests, as a command begins."""
    _requested.clear()
    _raised.clear()
