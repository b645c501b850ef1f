"""The loggers of muster. None of them says the value of an environment variable that a workspace uses (SPEC 2).

A log line may be written far from the workspace, in a thread that waits for a server. So the process remembers the
variables of each workspace that it opened.
"""

import logging
from collections.abc import Mapping

from muster.activation.model.redaction import SHORTEST, redact

_known: dict[tuple[str, str], None] = {}  # name and value of each variable of the workspaces opened so far


def keep_out(variables: Mapping[str, str]) -> None:
    """Keep the values of a workspace's variables out of all later log lines of this process."""
    _known.update(dict.fromkeys((name, value) for name, value in variables.items() if len(value) >= SHORTEST))


def without_secrets(text: str) -> str:
    """The text without the values of the variables of all workspaces that this process has opened."""
    for name, value in list(_known):
        text = redact(text, {name: value})
    return text


class _WithoutSecrets(logging.Filter):
    """Takes the values of variables out of a log record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Put the redacted message into the record; every record passes."""
        if _known:
            record.msg, record.args = without_secrets(record.getMessage()), None
        return True


_FILTER = _WithoutSecrets()


def logger(name: str) -> logging.Logger:
    """The logger of this name, whose records hold no value of a variable."""
    found = logging.getLogger(name)
    found.addFilter(_FILTER)
    return found
