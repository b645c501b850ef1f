"""Text output of `evaluate`, `run`, `export`, `plan` and `validate`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from rich.markup import escape

from muster.cli.show import terminal, times
from muster.cli.show.runs import SENT, counts, reasons, short_triggers, status, trigger
from muster.runs import rounded

if TYPE_CHECKING:  # so that an error is printed without loading what would have done the work
    from muster.runs import Evaluation, InputAge, Outcome, Plan, Report, Run, Step, Validation

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
    terminal.styled(f"{heading} on {escape(evaluation.snapshot)}")
    lines = [(each.audience, each.realized, each.entered, each.exited) for each in evaluation.evaluated]
    terminal.rows(("audience", *_SIZES), lines, numbers=_SIZES)


def _exports(outcomes: "Sequence[Outcome]") -> None:
    lines = [_export_line(outcome) for outcome in outcomes]
    short = {"trigger": short_triggers([outcome.run for outcome in outcomes])}
    terminal.fitted(lines, numbers=SENT, spare=("file", "trigger", "export"), short=short, below="file")


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
    if not run.files:
        return "no rows, no file" if run.status == "succeeded" else ""
    first = f"{run.url}/{run.files[0].path}"
    return first if len(run.files) == 1 else f"{first} and {len(run.files) - 1} more"


def failures(result: "Report", *, verbose: bool) -> None:
    """Print every error on stderr; an export's with the activation's name."""
    keys = {id(outcome.error): outcome.run.key for outcome in (*result.finished, *result.outcomes)}
    printed = set()
    for problem in result.errors:
        prefix, message = keys.get(id(problem), ""), str(problem)
        prefix = "" if prefix in message.partition("\n")[0] else f"{prefix}: "
        if (prefix, message) not in printed:  # one damaged file can stop several things
            terminal.error(problem, verbose=verbose, prefix=prefix)
        printed.add((prefix, message))


def plan(planned: "Plan", zone: ZoneInfo) -> None:
    """Print the steps of a plan."""
    for step in planned.steps:
        if step.evaluation:
            _evaluation(step.evaluation, f"[bold]evaluate[/] at {times.told(step.evaluation.at, zone)}")
    steps = [_plan_line(step, step.outcome, zone) for step in planned.steps if step.outcome]
    if steps:
        spare = ("note", "received", "action", "export")
        terminal.fitted(steps, numbers=_COUNTS, spare=spare, below="note", timed="for", zone=zone)
    if not planned.steps:
        terminal.say("nothing is due")
    _ages(planned.ages, zone)
    for text in planned.notes:
        terminal.say(f"note: {text}")


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
        f"{older:,} older {'slot' if older == 1 else 'slots'} superseded" if older else "",
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
        number = f"{checked.audiences} audiences and {checked.activations} activations"
        terminal.styled(f"[green]valid[/]: {number} fit {escape(checked.snapshot)} ({checked.profiles:,} profiles)")
        _ages(checked.ages, zone)
