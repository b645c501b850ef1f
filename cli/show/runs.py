"""Columns that tables of runs share."""

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from muster.cli.show.terminal import cell

if TYPE_CHECKING:
    from muster.runs import Run

_RECEIVED = "received counts who joined, changed or left since the last delivery, and members who were left out then"
_EXCLUDED = "excluded counts who is left out now: see `muster runs rejects`"
SENT = ("realized", "exited", "excluded")
_SHORTEST_ID = len("20261120T050000Z-6e6")
_COLOURS = {"succeeded": "green", "failed": "red", "superseded": "dim", "delivering": "yellow", "running": "yellow"}


def status(run: "Run") -> str:
    """The run's status in its colour; ``rewound`` for a run that was."""
    if run.rewound:  # whatever became of it, it settles nothing (S8)
        return "[dim]rewound[/]"
    return f"[{_COLOURS[run.status]}]{run.status}[/]" if run.status in _COLOURS else run.status


def short_ids(runs: "Sequence[Run]") -> list[str]:
    """The starts of the runs' ids that tell these runs apart, all of one length: enough for `muster runs show`."""
    ids = [run.run_id for run in runs]
    for length in range(_SHORTEST_ID, max(map(len, ids), default=0)):
        if len({each[:length] for each in ids}) == len(set(ids)):
            return [each[:length] for each in ids]
    return ids


def trigger(run: "Run") -> str:
    """The run's trigger in words."""
    return run.trigger.replace("_", " ")


def short_triggers(runs: "Sequence[Run]") -> list[str]:
    """The runs' triggers in a word or two."""
    return ["evaluation" if run.trigger == "after_evaluation" else trigger(run) for run in runs]


def counts(run: "Run", names: Sequence[str]) -> dict[str, str]:
    """The cells of counts such as ``realized``; none of an export that failed, which sent nobody."""
    sent_nobody = run.status == "failed" and not run.messages
    return {name: cell(None if sent_nobody else getattr(run, name)) for name in names}


def counted_note(runs: "Iterable[Run]", columns: Collection[str] = ("received", "excluded")) -> str:
    """What the ``columns`` of later incremental exports count, where one left somebody out; else nothing (X10)."""
    is_meant = any(run.export == "incremental" and run.first_export is False and run.excluded for run in runs)
    told = {"received": _RECEIVED, "excluded": _EXCLUDED} if is_meant else {}
    return "; ".join(text for column, text in told.items() if column in columns)


def reasons(run: "Run") -> str:
    """The excluded profiles of a run by reason, as ``12 mandatory:email, 3 duplicate``."""
    return ", ".join(f"{count:,} {reason}" for reason, count in (run.excluded_by or {}).items())
