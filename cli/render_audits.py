"""What a person reads of `verify` and `reconcile`: in words of their own, printed by ``cli.render``."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.markup import escape

from activation.errors import ExportError
from activation.instants import iso
from cli import render

if TYPE_CHECKING:
    from activation.verify import CheckedRun

_COLOURS = {"intact": "green", "differs": "red", "replaced": "dim", "not_delivered": "yellow"}
_MOST_NOTES = 20


def verified(checked: "Sequence[CheckedRun]") -> None:
    """A line for each run, and what is to be known beside it."""
    if not checked:
        render.say("nothing was delivered yet; `muster run` does what is due")
        return
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
        for each in checked
    ]
    render.fitted(lines, numbers=("files", "rows"), spare=("scheduled", "trigger", "files"))
    notes = list(dict.fromkeys(f"{part.place}: {part.note}" for each in checked for part in each.parts if part.note))
    for text in notes[:_MOST_NOTES]:
        render.say(f"note: {text}")
    if len(notes) > _MOST_NOTES:
        render.say(f"note: {len(notes) - _MOST_NOTES:,} more files like these; --json has all")


def _result(each: "CheckedRun") -> str:
    if each.result == "not_delivered":
        return f"not delivered: {each.run.status}"
    replacers = sorted({part.replaced_by for part in each.files if part.replaced_by})
    return f"replaced by {replacers[-1]}" if each.result == "replaced" and replacers else each.result


def differences(checked: "Sequence[CheckedRun]") -> None:
    """Each thing that differs, on stderr."""
    for part in (part for each in checked for part in each.parts):
        for one in part.differences:
            render.error(ExportError(f"{part.place}: {one.message}"), verbose=False)
