"""Text output of `evaluate`, `run`, `export`, `plan` and `validate`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from rich.markup import escape

from muster.cli.show import terminal, times
from muster.cli.show.runs import SENT, counted_note, counts, reasons, short_triggers, status, trigger
from muster.runs import InputError, counted, first_names, rounded, several

if TYPE_CHECKING:  # so that an error is printed without loading what would have done the work
    from muster.runs import Evaluation, InputAge, Outcome, Plan, Report, Run, Step, Validation

_MOST_KEYS = 10  # activations that an error names
_COUNTS = ("received", *SENT)
_SIZES = ("realized", "entered", "exited")


def report(result: "Report", zone: ZoneInfo) -> None:
    """Print the report of `evaluate`, `run` or `export`."""
    for text in result.notes:
        terminal.say(text)
    if result.finished:
        terminal.styled("[bold]Finished runs of an interrupted command[/]")
        _exports(result.finished)
    if result.evaluation and result.evaluation.evaluated:
        _evaluation(result.evaluation, f"[bold]Evaluated at {times.told(result.evaluation.at, zone)}[/]")
    if result.outcomes:
        _exports(result.outcomes)
    if not (result.finished or result.evaluation or result.outcomes or result.errors):
        terminal.say(f"nothing is due at {times.told(result.at, zone)}")


def _evaluation(evaluation: "Evaluation", heading: str) -> None:
    terminal.styled(f"{heading} on {escape(evaluation.snapshot)}" if evaluation.snapshot else heading)
    lines: list[tuple[object, ...]] = [
        (each.audience, each.realized, each.entered, each.exited) for each in evaluation.evaluated
    ]
    lines += [(name, None, None, None) for name in evaluation.failures]
    terminal.rows(("audience", *_SIZES), lines, numbers=_SIZES)


def _exports(outcomes: "Sequence[Outcome]") -> None:
    lines = [_export_line(outcome) for outcome in outcomes]
    runs = [outcome.run for outcome in outcomes]
    sent = "sent" if any(run.audiences is not None for run in runs) else "file"
    lines = [{sent if name == "file" else name: cell for name, cell in line.items()} for line in lines]
    short = {"trigger": short_triggers(runs)}
    terminal.fitted(lines, numbers=SENT, spare=(sent, "trigger", "export"), short=short, below=sent)


def _export_line(outcome: "Outcome") -> dict[str, str]:
    run = outcome.run
    return {
        "activation": escape(run.key),
        "export": f"first {run.export}" if run.first_export and run.export == "incremental" else run.export,
        "trigger": trigger(run),
        "status": status(run),
        **counts(run, SENT),
        "file": escape(_files(run)),
    }


def _files(run: "Run") -> str:
    if run.audiences is not None:
        sent = run.messages or run.status == "succeeded"
        return f"{counted(run.messages or 0, 'message')} in {counted(run.requests or 0, 'request')}" if sent else ""
    if not run.files:
        return "no rows, no file" if run.status == "succeeded" else ""
    first = f"{run.url}/{run.files[0].path}"
    return first if len(run.files) == 1 else f"{first} and {len(run.files) - 1} more"


def failures(result: "Report", *, verbose: bool) -> None:
    """Print every error on stderr: one that stops several things once, with the activations or audiences it stops."""
    keys = {id(outcome.error): outcome.run.key for outcome in (*result.finished, *result.outcomes)}
    keys |= _failed_by_inputs(result)
    stopped: dict[str, list[str]] = {}
    problems: dict[str, Exception] = {}
    for problem in result.errors:
        key, message = keys.get(id(problem), ""), str(problem)
        problems.setdefault(message, problem)
        stopped.setdefault(message, []).extend([key] if key and key not in message.partition("\n")[0] else [])
    for message, problem in problems.items():
        keys_stopped = list(dict.fromkeys(stopped[message]))
        prefix = f"{first_names(keys_stopped, _MOST_KEYS)}: " if keys_stopped else ""
        terminal.error(problem, verbose=verbose, prefix=prefix)


def _failed_by_inputs(result: "Report") -> dict[int, str]:
    """The audiences that each error about events or a feed fails (E9): ``audiences 'a', 'b' and 2 more``."""
    failed: dict[int, list[str]] = {}
    for name, problem in result.evaluation.failures.items() if result.evaluation else ():
        if isinstance(problem, InputError):
            failed.setdefault(id(problem), []).append(repr(name))
    return {number: _audiences(names) for number, names in failed.items()}


def _audiences(names: "Sequence[str]") -> str:
    return f"{'audience' if len(names) == 1 else 'audiences'} {several(names)}"


def plan(planned: "Plan", zone: ZoneInfo) -> None:
    """Print the steps of a plan."""
    for step in planned.steps:
        if step.evaluation:
            _evaluation(step.evaluation, f"[bold]evaluate[/] at {times.told(step.evaluation.at, zone)}")
    steps = [_plan_line(step, step.outcome, zone) for step in planned.steps if step.outcome]
    columns: Sequence[str] = ()
    if steps:
        spare = ("note", "received", "action", "export")
        columns = terminal.fitted(steps, numbers=_COUNTS, spare=spare, below="note", timed="for", zone=zone)
    if remark := counted_note((step.outcome.run for step in planned.steps if step.outcome), columns):
        terminal.prose(escape(f"note: {remark}"))
    if not planned.steps:
        terminal.say("nothing is due")
    _ages(planned.ages, zone)
    for text in planned.notes:
        terminal.say(f"note: {text}")  # one line, as it may hold a command to copy


def _ages(ages: "Sequence[InputAge]", zone: ZoneInfo) -> None:
    for each in ages:
        newest = "" if each.kind == "profiles" else f", newest {times.told(each.newest, zone)}"
        terminal.say(f"{each.kind}: {each.name}{newest}, {rounded(each.age)} old")


def _plan_line(step: "Step", outcome: "Outcome", zone: ZoneInfo) -> dict[str, str]:
    run = outcome.run
    older = run.superseded_count
    remarks = [
        "finishes an interrupted run" if step.action == "finish" else "",
        "first export" if run.first_export else "",
        f"{counted(older, 'older slot')} superseded" if older else "",
        *outcome.remarks,
        reasons(run),
        "fails" if outcome.error else "",
    ]
    return {
        "action": step.action,
        "activation": escape(run.key),
        "export": run.export,
        "for": times.written(run.scheduled_time, zone),
        **counts(run, _COUNTS),
        "note": escape("; ".join(filter(None, remarks))),
    }


def validation(checked: "Validation", zone: ZoneInfo) -> None:
    """Print what `validate` checked, and each problem as an error."""
    for text in checked.notes:
        terminal.note(f"warning: {text}")
    if checked.is_valid:
        number = f"{counted(checked.audiences, 'audience')} and {counted(checked.activations, 'activation')}"
        number += f" ({checked.disabled} more disabled)" if checked.disabled else ""
        made = [f"{name} ({counted(rows, 'profile')})" for name, rows in checked.by_policy.items()]
        policies = f"merge {'policy' if len(made) == 1 else 'policies'} {', '.join(made)}"
        on = policies if made else f"{checked.snapshot} ({counted(checked.profiles, 'profile')})"
        terminal.styled(f"[green]valid[/]: {number} fit {escape(on)}")
        _ages(checked.ages, zone)
