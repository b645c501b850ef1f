"""What a person reads of `verify` and `reconcile`: in words of their own, printed by ``muster.cli.show.text``."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.markup import escape

from muster.activation.errors import ExportError
from muster.activation.instants import iso
from muster.cli.show import text as render

if TYPE_CHECKING:
    from muster.activation.audit.reconcile import Reconciled
    from muster.activation.audit.verify import CheckedRun

_COLOURS = {"intact": "green", "differs": "red", "replaced": "dim", "not_delivered": "yellow"}
_MOST_NOTES = 20


def verified(checked: "Sequence[CheckedRun]") -> None:
    """A line for each run, and what is to be known beside it."""
    if not checked:
        render.say("nothing was delivered yet; `muster run` does what is due")
        return
    has_replaced = any(map(_replacer, checked))
    lines = [
        {
            "run": each.run.run_id,
            "activation": escape(each.run.key),
            "scheduled": iso(each.run.scheduled_time),
            "trigger": each.run.trigger.replace("_", " "),
            "files": str(len(each.run.files)),
            "rows": f"{sum(file.rows or 0 for file in each.run.files):,}",
            "result": f"[{_COLOURS[each.result]}]{_result(each)}[/]",
        }
        | ({"replaced by": _replacer(each)} if has_replaced else {})
        for each in checked
    ]
    spare = ("scheduled", "trigger", "replaced by", "files")
    render.fitted(lines, numbers=("files", "rows"), spare=[name for name in spare if name in lines[0]])
    notes = list(dict.fromkeys(f"{part.place}: {part.note}" for each in checked for part in each.parts if part.note))
    for text in notes[:_MOST_NOTES]:
        render.say(f"note: {text}")
    if len(notes) > _MOST_NOTES:
        render.say(f"note: {len(notes) - _MOST_NOTES:,} more files like these; --json has all")


def _result(each: "CheckedRun") -> str:
    if each.result == "not_delivered":
        return f"not delivered: {each.run.status}"
    return each.result


def _replacer(each: "CheckedRun") -> str:
    return max((part.replaced_by or "" for part in each.files), default="")


def differences(checked: "Sequence[CheckedRun]") -> None:
    """Each thing that differs, on stderr."""
    for part in (part for each in checked for part in each.parts):
        for one in part.differences:
            render.error(ExportError(f"{part.place}: {one.message}"), verbose=False)


def reconciled(found: "Reconciled", limit: int) -> None:
    """What a receiver has, and who differs."""
    runs = f"{len(found.runs):,} {'run' if len(found.runs) == 1 else 'runs'}"
    render.styled(
        f"[bold]{escape(found.activation)}[/]: {runs} replayed, {found.runs[0].run_id} to {found.runs[-1].run_id}"
    )
    lines: dict[str, object] = {
        "known by": found.by.words,
        "receiver": found.receiver,
        "delivered set": found.delivered,
        "missing at the receiver": found.missing,
        "extra at the receiver": found.extra,
    }
    if found.untold:
        lines["left untold"] = found.untold
    if found.desired is not None:
        lines |= {"desired now": found.desired, "still to come": found.to_come, "still to go": found.to_go}
    render.details(lines)
    for place in found.altered:
        render.say(f"note: {place} is not as it was delivered")
    if found.untold:
        render.say("note: segment_membership.status is not mapped, so no file tells who left: a receiver keeps them")
    for text in found.notes:
        render.say(f"note: {text}")
    if limit and found.differing.height:
        shown = found.differing.head(limit)
        body = [(row["profile_id"], row["differs"], row["since"], _place(row)) for row in shown.iter_rows(named=True)]
        render.rows(("profile_id", "differs", "since run", "file"), body)
        if found.differing.height > shown.height:
            render.say(f"and {found.differing.height - shown.height:,} more; --limit N shows them")


def _place(row: dict[str, object]) -> str | None:
    return f"{row['file']}, row {row['row']}" if row["file"] else None


def disagreement(found: "Reconciled") -> None:
    """That the receiver and the ledger differ, since when, on stderr."""
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
    render.error(ExportError(f"{message}; `-v` names them"), verbose=False)
