"""Text output of `verify` and `reconcile`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from rich.markup import escape

from muster.cli.show import terminal, times
from muster.cli.show.runs import short_ids, short_triggers, trigger
from muster.runs import ExportError, counted

if TYPE_CHECKING:
    from muster.runs import CheckedRun, Reconciled

_COLOURS = {"intact": "green", "differs": "red", "replaced": "dim", "not_delivered": "yellow"}
_MOST_NOTES = 20


def verified(checked: "Sequence[CheckedRun]", zone: ZoneInfo) -> None:
    """Print the result of `verify`: a line for each run, and notes about files that could not be checked in full."""
    if not checked:
        terminal.say("nothing was delivered yet; `muster run` does what is due")
        return
    has_replaced = any(map(_replacer, checked))
    lines = [
        {
            "run": each.run.run_id,
            "activation": escape(each.run.key),
            "scheduled": times.written(each.run.scheduled_time, zone),
            "trigger": trigger(each.run),
            "files": str(len(each.run.files)),
            "rows": f"{each.run.messages or sum(file.rows or 0 for file in each.run.files):,}",
            "result": f"[{_COLOURS[each.result]}]{_result(each)}[/]",
        }
        | ({"replaced by": _replacer(each)} if has_replaced else {})
        for each in checked
    ]
    spare = ("scheduled", "run", "trigger", "replaced by", "files")
    runs = [each.run for each in checked]
    short = {"run": short_ids(runs), "trigger": short_triggers(runs)}
    there = [name for name in spare if name in lines[0]]
    terminal.fitted(lines, numbers=("files", "rows"), spare=there, short=short, timed="scheduled", zone=zone)
    notes = list(dict.fromkeys(f"{part.location}: {part.note}" for each in checked for part in each.parts if part.note))
    for note in notes[:_MOST_NOTES]:
        terminal.say(f"note: {note}")
    if len(notes) > _MOST_NOTES:
        terminal.say(f"note: {counted(len(notes) - _MOST_NOTES, 'more file')} like these; --json has all")


def _result(each: "CheckedRun") -> str:
    if each.result == "not_delivered":
        return f"not delivered: {each.run.status}"
    return each.result


def _replacer(each: "CheckedRun") -> str:
    return max((part.replaced_by or "" for part in each.files), default="")


def differences(checked: "Sequence[CheckedRun]") -> None:
    """Each difference, on stderr."""
    for part in (part for each in checked for part in each.parts):
        for one in part.differences:
            terminal.error(ExportError(f"{part.location}: {one.message}"), verbose=False)


def reconciled(found: "Reconciled", limit: int) -> None:
    """Print the result of `reconcile`: a receiver's holdings, and at most ``limit`` people who differ."""
    runs = f"{len(found.runs):,} {'run' if len(found.runs) == 1 else 'runs'}"
    terminal.styled(
        f"[bold]{escape(found.activation)}[/]: {runs} replayed, {found.runs[0].run_id} to {found.runs[-1].run_id}"
    )
    lines: dict[str, object] = {
        "identified by": found.by.words,
        "receiver": found.receiver,
        "delivered set": found.delivered,
        "missing at the receiver": found.missing,
        "extra at the receiver": found.extra,
    }
    if found.untold:
        lines["left without notice"] = found.untold
    if found.desired is not None:
        lines |= {
            "desired now": found.desired,
            "joins with next export": found.to_come,
            "leaves with next export": found.to_go,
        }
    terminal.details(lines)
    for place in found.altered:
        terminal.say(f"note: {place} is not as it was delivered")
    if found.untold:
        terminal.say("note: segment_membership.status is not mapped, so no file says who left: the receiver keeps them")
    for note in found.notes:
        terminal.say(f"note: {note}")
    if limit and found.differing.height:
        shown = found.differing.head(limit)
        body = [(row["profile_id"], row["differs"], row["since"], _place(row)) for row in shown.iter_rows(named=True)]
        terminal.rows(("profile_id", "differs", "since run", "file"), body)
        if found.differing.height > shown.height:
            terminal.say(f"and {found.differing.height - shown.height:,} more; --limit N shows them")


def _place(row: dict[str, object]) -> str | None:
    return f"{row['file']}, row {row['row']}" if row["file"] else None


def disagreement(found: "Reconciled") -> None:
    """Return the error about a receiver and a ledger that differ, with the number of people and the first such run."""
    if found.is_equal:
        return
    since = sorted(
        found.differing["since"].drop_nulls().unique().to_list(), key=[run.run_id for run in found.runs].index
    )
    when = f", since run {since[0]}" if since else ""
    message = (
        f"{found.activation}: a receiver lacks {found.missing:,} who were delivered and has "
        f"{found.extra:,} who were not{when}"
    )
    terminal.error(ExportError(f"{message}; `-v` names them"), verbose=False)
