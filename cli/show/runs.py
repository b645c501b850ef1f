"""Columns that tables of runs share."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from muster.cli.show.terminal import cell

if TYPE_CHECKING:
    from muster.runs import Run

SENT = ("realized", "exited", "excluded")
_COLOURS = {"succeeded": "green", "failed": "red", "superseded": "dim", "delivering": "yellow", "running": "yellow"}


def status(run: "Run") -> str:
    """The run's status in its colour; ``rewound`` for a run that was."""
    if run.rewound:  # whatever became of it, it settles nothing (S8)
        return "[dim]rewound[/]"
    return f"[{_COLOURS[run.status]}]{run.status}[/]" if run.status in _COLOURS else run.status


def counts(run: "Run", names: Sequence[str]) -> dict[str, str]:
    """The cells of counts such as ``realized``."""
    return {name: cell(getattr(run, name)) for name in names}


def reasons(run: "Run") -> str:
    """The excluded profiles of a run by reason, as ``12 mandatory:email, 3 duplicate``."""
    return ", ".join(f"{count:,} {reason}" for reason, count in (run.excluded_by or {}).items())
