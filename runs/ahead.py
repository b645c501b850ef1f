"""The warning about a ledger that is ahead of the command's instant: a clock is, or was, wrong (S8)."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from sqlite3 import Row

from muster.activation.instants import iso
from muster.activation.model.workspace import Workspace
from muster.activation.state.ledger import ahead
from muster.activation.state.ledger.database import Ledger
from muster.activation.wording import counted, listed

_TOLERANCE = timedelta(minutes=1)  # clocks of machines that share a state are never quite the same
_UNITS = (("year", 365 * 86400), ("day", 86400), ("hour", 3600), ("minute", 60))


def warning(workspace: Workspace, ledger: Ledger, at: datetime) -> str:
    """The sentence that says what the ledger has of times more than a minute after ``at``; empty when it has none."""
    newest = ahead.newest(ledger, at + _TOLERANCE)
    if not newest and (seen := wrong_sightings(workspace, ledger, at + _TOLERANCE)):  # else they add nothing
        newest["first sightings of activations"] = max(_wrong_time(workspace, row) for row in seen)
    if not newest:
        return ""
    kinds = {moment: [kind for kind in newest if newest[kind] == moment] for moment in newest.values()}
    found = listed([f"{listed(names)} up to {iso(moment)}" for moment, names in kinds.items()])
    return (
        f"the state is ahead of {iso(at)}: it has {found}, {_length(max(newest.values()) - at)} later. If a command "
        f"ran with a wrong clock, `muster state rewind --to {iso(at)}` is the way back"
    )


def wrong_sightings(workspace: Workspace, ledger: Ledger, at: datetime) -> Sequence[Row]:
    """The sightings with a time after ``at`` that only a wrong clock explains: not the start of a schedule."""
    return [row for row in ahead.sightings(ledger, at) if _wrong_time(workspace, row) > at]


def _wrong_time(workspace: Workspace, row: Row) -> datetime:
    """The later of a sighting's times that the clock of a command gave, and that counts for what is due."""
    from muster.schedules.due import schedule_digest

    first, since = datetime.fromisoformat(row["first_seen"]), datetime.fromisoformat(row["since"])
    activation = workspace.any_activation(row["activation"])
    if activation is None or not row["present"] or schedule_digest(activation.schedule) != row["schedule_digest"]:
        return first  # the next command that writes sets the other one anew
    return first if since == activation.schedule.start else max(first, since)


def _length(span: timedelta) -> str:
    """A span in its largest unit, rounded down: ``35 years``, ``2 hours``."""
    name, seconds = next(unit for unit in _UNITS if span.total_seconds() >= unit[1])
    number = int(span.total_seconds() // seconds)
    return counted(number, name)
