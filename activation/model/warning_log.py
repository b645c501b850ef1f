"""The warnings of one call, kept for its report and logged as they are found (SPEC 9)."""

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from muster.activation.model.log import logger
from muster.activation.model.redaction import redact

log = logger("muster")
R = TypeVar("R")

# Of the thread that keeps its warnings back: the texts in their order, each with whether it is printed even if quiet.
_kept_back: ContextVar[list[tuple[str, bool]] | None] = ContextVar("_kept_back", default=None)


class WarningLog:
    """The warnings of one call: each is logged once, and kept without values of environment variables."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self._texts: dict[str, None] = {}

    def add(self, text: str, *, even_if_quiet: bool = False) -> None:
        """Log and keep a warning, unless the call was warned of it before.

        ``even_if_quiet`` marks the log record as one that is printed where only errors are.
        """
        kept_back = _kept_back.get()
        if kept_back is not None:
            kept_back.append((text, even_if_quiet))
            return
        shown = redact(text, self._variables)
        if shown not in self._texts:
            self._texts[shown] = None
            log.warning("%s", shown, extra={"even_if_quiet": even_if_quiet})

    @property
    def texts(self) -> tuple[str, ...]:
        """The warnings so far, in the order in which they were found."""
        return tuple(self._texts)

    def later(self, work: Callable[[], R]) -> "Later[R]":
        """Do some work in a thread beside others, and keep its warnings back until somebody asks for the result."""
        later = Later[R](self)
        token = _kept_back.set(later.kept_back)
        try:
            later.result = work()
        except Exception as error:  # noqa: BLE001  # raised by whoever asks for the result
            later.error = error
        finally:
            _kept_back.reset(token)
        return later


@dataclass
class Later(Generic[R]):
    """Work that was done in a thread: a result or an error, and the warnings, which wait for their turn."""

    warnings: WarningLog
    kept_back: list[tuple[str, bool]] = field(default_factory=list)
    result: R | None = None
    error: Exception | None = None

    def told(self) -> R:
        """The result, or the error raised, once the warnings were added: they come in the order of these calls."""
        for text, even_if_quiet in self.kept_back:
            self.warnings.add(text, even_if_quiet=even_if_quiet)
        self.kept_back.clear()
        if self.error is not None:
            raise self.error
        return self.result  # type: ignore[return-value]  # the work returned it
