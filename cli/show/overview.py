"""Text output of `status`."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from rich.markup import escape

from muster.cli.show import terminal, times
from muster.cli.show.printable import first_line
from muster.runs import several

if TYPE_CHECKING:
    from muster.runs import ActivationStatus, EvaluationStatus, Workspace, WorkspaceStatus

_MOST = 12  # activations on one screen
_ROOM = 24 - 6  # lines of a screen for activations and reasons: beside headings, zone and prompt
_WRONG = ("failing", "late", "unfinished")
_COLOURS = {"failing": "red", "late": "yellow", "unfinished": "yellow", "done": "green"}
_SENT = ("realized", "exited")
_NEAR = timedelta(days=180)  # within which month and day leave no doubt about the year


def status(found: "WorkspaceStatus", config: "Workspace", *, everything: bool) -> None:
    """Print how a workspace stands: the activations that need somebody first, then as many others as fit a screen."""
    zone = config.zone
    at = found.at.astimezone(zone)
    terminal.styled(f"[bold]{escape(config.name)}[/] at {times.told(at, zone)}: {_summary(found)}")
    for text in _evaluation(found.evaluation, at):
        terminal.clipped(text)
    shown = _shown(found.activations, everything=everything)
    if shown:
        looks = any(not each.activation.exports_files for each in found.activations)
        lines = [_line(each, at, looks=looks) for each in shown]
        terminal.fitted(lines, numbers=_SENT, spare=("exited", "realized", "looked"))
    if hidden := len(found.activations) - len(shown):
        terminal.say(f"and {hidden:,} more; --all lists them")
    reasons = list(_reasons(found, shown, at))
    show = terminal.hanging if len(shown) + 2 * len(reasons) <= _ROOM else terminal.clipped
    for text in reasons:
        show(f"  {text}")
    terminal.dim(f"times in {zone.key}")


def _summary(found: "WorkspaceStatus") -> str:
    """What is wrong, counted: ``2 failing, 1 late``; or that all is well."""
    counted: Counter[str] = Counter(each.state for each in found.activations)
    parts = [f"[{_COLOURS[state]}]{counted[state]:,} {state}[/]" for state in _WRONG if counted[state]]
    if failed := len(found.failed_audiences):
        parts.append(f"[red]{failed:,} {'audience' if failed == 1 else 'audiences'} failed[/]")
    if found.evaluation.due:
        parts.append("[yellow]evaluation late[/]")
    if found.is_ahead:
        parts.append("[yellow]state ahead of this time[/]")
    stale = [each.kind for each in found.evaluation.inputs if each.is_stale]
    if stale:
        parts.append(f"[yellow]{' and '.join(stale)} stale[/]")
    return ", ".join(parts) or "[green]all that is due is done[/]"


def _evaluation(found: "EvaluationStatus", at: datetime) -> Iterator[str]:
    """The lines about the newest and the next evaluation."""
    if found.at is None:
        yield "nothing was evaluated yet"
    else:
        audiences = f"{found.audiences:,} {'audience' if found.audiences == 1 else 'audiences'}"
        yield f"evaluated {_short(found.at, at)}: {audiences} on {found.snapshot}"
    if found.due:
        yield f"evaluation due since {_short(found.due, at)}"
    elif not found.is_scheduled:
        yield "muster.yml has no evaluation.schedule, so only `muster evaluate` evaluates"
    elif found.next:
        yield f"next evaluation {_short(found.next, at)}"


def _shown(found: "Sequence[ActivationStatus]", *, everything: bool) -> "list[ActivationStatus]":
    """The activations to list, in the order of the config: all, or those that need somebody and some others."""
    room = max(0, _MOST - sum(each.state in _WRONG for each in found))
    others = [each for each in found if each.state not in _WRONG]
    chosen = {each.activation.key for each in (others if everything else others[:room])}
    return [each for each in found if each.state in _WRONG or each.activation.key in chosen]


def _line(each: "ActivationStatus", at: datetime, *, looks: bool) -> dict[str, str]:
    """The cells of an activation; those that send messages have the last look at what there is to send (V1)."""
    last, colour = each.last, _COLOURS.get(each.state)
    sent = last if last and last.status == "succeeded" else None
    state = each.state.replace("_", " ")
    return {
        "activation": escape(each.activation.key),
        "state": f"[{colour}]{state}[/]" if colour else state,
        "last run": _short(last.scheduled_time, at) if last else "-",
        **({"looked": _short(each.looked_at, at) if each.looked_at else "-"} if looks else {}),
        **{name: terminal.cell(getattr(sent, name) if sent else None) for name in _SENT},
        "next": _next(each, at),
    }


def _next(each: "ActivationStatus", at: datetime) -> str:
    if each.next:
        return _short(each.next, at)
    kinds = {"after_evaluation": "evaluation", "each_run": "each run"}
    return kinds.get(each.activation.schedule.kind, "-") if each.activation.enabled else "-"


def _reasons(found: "WorkspaceStatus", shown: "Sequence[ActivationStatus]", at: datetime) -> Iterator[str]:
    """A line for each audience and activation that needs somebody, with since when and why."""
    for each in found.evaluation.inputs:
        if each.is_stale and each.max_age:
            what = f"the data of {each.kind}" if each.kind.startswith("sources.") else each.kind
            yield f"{what} are {_hours(each.age)} old, and {each.setting} allows {_hours(each.max_age)}"
    failing: dict[str, list[str]] = {}  # by reason: one that several have is told once
    for audience in found.failed_audiences:
        name = f"audience {audience.audience} since {_short(audience.first_at, at)}"
        failing.setdefault(first_line(audience.error), []).append(name)
    for one in shown:
        if one.state == "failing" and one.failing_since:
            name = f"{one.activation.key} since {_short(one.failing_since, at)}"
            failing.setdefault(_told(one, found), []).append(name)
    yield from (f"{several(names)}: {error}" for error, names in failing.items())
    for one in shown:
        key, error = one.activation.key, first_line(one.error or "")
        if one.state == "unfinished":
            yield f"{key}: {error or 'a run was interrupted or is under way; `muster run` finishes it'}"
        elif one.state == "late" and one.due:
            yield f"{key} is due since {_short(one.due, at)}"


def _told(one: "ActivationStatus", found: "WorkspaceStatus") -> str:
    """The first line of why an activation fails; of one that is held (E9), without the reason of its audience."""
    error, names = first_line(one.error or ""), one.activation.audience_ids
    held = [each.audience for each in found.failed_audiences if each.audience in names and error.startswith("held: ")]
    return f"held, as audience {held[0]} failed" if held else error


def _hours(age: timedelta) -> str:
    """An age in days and hours: ``2d 3h``."""
    hours = int(age.total_seconds()) // 3600
    return f"{hours // 24}d {hours % 24}h" if hours >= 48 else f"{hours}h"


def _short(moment: datetime, at: datetime) -> str:
    """A time to the minute in the zone of ``at``: ``Nov 21 05:00``, with the year if it is far from ``at``."""
    form = "%b %d %H:%M" if abs(moment - at) < _NEAR else "%Y-%m-%d %H:%M"
    return moment.astimezone(at.tzinfo).strftime(form)
