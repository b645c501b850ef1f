"""Errors of the operating system: one way to make them, and one to quote them (SPEC 10)."""

import os

from muster.activation.errors import MusterError


def system_message(error: BaseException) -> str:
    """The error's message without errno and path, in lower case: ``"permission denied"``.

    Messages that muster wrote (a ``MusterError``, an ``OSError`` without errno) are quoted unchanged.
    """
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error) if isinstance(error, (OSError, MusterError)) else str(error).lower()


def os_error(number: int, path: str | None = None) -> OSError:
    """The ``OSError`` that the operating system itself would raise for this errno about ``path``."""
    return OSError(number, os.strerror(number), path)
