"""The warnings of one call, kept for its report and logged as they are found (SPEC 9)."""

from collections.abc import Mapping
from functools import partial

from muster.activation.model.kept_back import say
from muster.activation.model.log import logger
from muster.activation.model.redaction import redact

log = logger("muster")


class WarningLog:
    """The warnings of one call: each is logged once, and kept without values of environment variables."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self._texts: dict[str, None] = {}

    def add(self, text: str, *, even_if_quiet: bool = False) -> None:
        """Log and keep a warning, unless the call was warned of it before.

        ``even_if_quiet`` marks the log record as one that is printed where only errors are.
        """
        say(partial(self._add, text, even_if_quiet=even_if_quiet))

    def _add(self, text: str, *, even_if_quiet: bool) -> None:
        shown = redact(text, self._variables)
        if shown not in self._texts:
            self._texts[shown] = None
            log.warning("%s", shown, extra={"even_if_quiet": even_if_quiet})

    @property
    def texts(self) -> tuple[str, ...]:
        """The warnings so far, in the order in which they were found."""
        return tuple(self._texts)
