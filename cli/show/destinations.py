"""Text output of `destinations`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from muster.cli.show import terminal
from muster.runs import ExportError

if TYPE_CHECKING:
    from muster.runs import CheckedDestination, DestinationSummary

_EMPTY = "no destinations yet: add some to destinations/*.yml"


def destinations(found: "Sequence[DestinationSummary]") -> None:
    """Print the result of `destinations list`."""
    lines = [(each.id, each.name, each.kind, each.url, each.activations) for each in found]
    headings = ("destination", "name", "kind", "url", "activations")
    terminal.rows(headings, lines, numbers=("activations",), empty=_EMPTY)


def checked(found: "Sequence[CheckedDestination]") -> None:
    """Print the result of `destinations check`."""
    lines = [
        (
            each.id,
            each.url,
            "ok" if each.is_usable else "failed",
            _passed(each),
        )
        for each in found
    ]
    terminal.rows(("destination", "url", "result", "passed"), lines, empty=_EMPTY)


def _passed(each: "CheckedDestination") -> str:
    """The steps that succeeded; of messages what the last of them found."""
    passed = [step for step in each.steps if step.error is None]
    return next((step.found for step in reversed(passed) if step.found), ", ".join(step.name for step in passed))


def failures(found: "Sequence[CheckedDestination]") -> None:
    """The steps that failed, on stderr."""
    for each in found:
        for step in each.steps:
            if step.error:
                terminal.error(ExportError(f"{each.id}: {step.name}: {step.error}"), verbose=False)
