"""Everything that a person reads: tables, sentences, errors. The only module that prints (ARCHITECTURE)."""

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from muster.activation.instants import iso
from muster.cli.show import tables
from muster.cli.show.printable import one_line, printable

if TYPE_CHECKING:  # so that a refusal is said without loading what would have done the work
    from muster.activation.export.carry_out import Outcome
    from muster.activation.model.history import Run
    from muster.cli.shapes.runs import Json
    from muster.runs.jobs import Plan
    from muster.runs.report import Report
    from muster.runs.validation import Checked

_SENT = ("realized", "exited", "excluded")
_COUNTS = ("received", *_SENT)
_SIZES = ("realized", "entered", "exited")
_COLOURS = {"succeeded": "green", "failed": "red", "superseded": "dim", "delivering": "yellow", "running": "yellow"}


class _Terminal(Console):
    """A console that shows what is in data and config, and never carries out what such text would have a terminal do."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Text with markup, made harmless before Rich adds colours to it."""
        return super().render_str(printable(text), **options)


def out() -> Console:
    """Standard output, as wide as the terminal is, or as COLUMNS says."""
    return _Terminal(highlight=False, width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else tables.WIDE)


@cache
def err() -> Console:
    """Standard error."""
    return _Terminal(stderr=True, highlight=False, soft_wrap=True)


def say(text: str = "") -> None:
    """A line, as it is."""
    out().print(text, markup=False, soft_wrap=True)


def styled(text: str) -> None:
    """A line with Rich markup."""
    out().print(text, soft_wrap=True)


def prose(text: str) -> None:
    """A sentence with Rich markup, wrapped between words."""
    out().print(text)


def note(text: str) -> None:
    """A remark beside the result."""
    err().print(text, markup=False)


def as_json(value: object) -> None:
    """One JSON document and nothing else (SPEC 9); in a locale that lacks characters they are escaped as JSON does it."""
    has_all = (sys.stdout.encoding or "utf").lower().startswith("utf")
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=not has_all) + "\n")


def error(problem: BaseException, *, verbose: bool, whose: str = "") -> None:
    """A user's mistake in one message: what, where, what would help; details with ``-v``."""
    for line in str(problem).splitlines() or [type(problem).__name__]:
        err().print(f"[bold red]error:[/] {escape(whose + line)}")
    if verbose:
        for detail in getattr(problem, "__notes__", []):
            err().print(f"  {escape(detail)}")


def _show(table: Table) -> None:
    """Print a table without the spaces that fill up its last column."""
    console = out()
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().rstrip("\n").split("\n"):
        console.file.write(f"{line.rstrip()}\n")


def _fitted(
    lines: Sequence[Mapping[str, str]], *, numbers: Sequence[str], spare: Sequence[str], below: str = ""
) -> None:
    """A table of lines (heading to cell, with markup) without the columns for which the terminal is too narrow.

    What the column ``below`` would have said then comes in lines of its own.
    """
    table, headings = tables.fitted(out(), lines, numbers, spare)
    _show(table)
    for line in lines if below and below not in headings else ():
        if line[below]:
            styled(f"  {line['activation']}: {line[below]}")


fitted = _fitted  # for modules that render commands of their own


def _text(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else escape(str(value))


def rows(
    headings: Sequence[str], lines: Iterable[Sequence[object]], *, numbers: Sequence[str] = (), empty: str = "nothing"
) -> None:
    """A plain table, or a sentence when there is nothing in it."""
    body = [[_text(value) for value in line] for line in lines]
    if not body:
        say(empty)
        return
    _show(tables.tabulate(out(), headings, body, numbers))


def reasons(run: "Run") -> str:
    """``12 mandatory:email, 3 duplicate``."""
    return ", ".join(f"{count:,} {reason}" for reason, count in (run.excluded_by or {}).items())


def _export_line(outcome: "Outcome") -> dict[str, str]:
    run = outcome.run
    return {
        "activation": escape(run.key),
        "export": f"first {run.export}" if run.first_export and run.export == "incremental" else run.export,
        "trigger": run.trigger.replace("_", " "),
        "status": _status(run),
        **_counted(run, _SENT),
        "file": escape(_files(run)),
    }


def _status(run: "Run") -> str:
    return f"[{_COLOURS[run.status]}]{run.status}[/]" if run.status in _COLOURS else run.status


def _counted(run: "Run", names: Sequence[str]) -> dict[str, str]:
    return {name: _text(getattr(run, name)) for name in names}


def _files(run: "Run") -> str:
    if not run.files:
        return "no rows, no file" if run.status == "succeeded" else ""
    first = f"{run.url}/{run.files[0].path}"
    return first if len(run.files) == 1 else f"{first} and {len(run.files) - 1} more"


def exports(outcomes: "Sequence[Outcome]") -> None:
    """What was exported, a line each."""
    lines = [_export_line(outcome) for outcome in outcomes]
    _fitted(lines, numbers=_SENT, spare=("file", "trigger", "export"), below="file")


def report(result: "Report") -> None:
    """What `evaluate`, `run` or `export` did."""
    for text in result.notes:
        say(text)
    if result.finished:
        styled("[bold]Finished what an interrupted command left[/]")
        exports(result.finished)
    if result.evaluation:
        evaluated(result)
    if result.outcomes:
        exports(result.outcomes)
    if not (result.finished or result.evaluation or result.outcomes or result.errors):
        say(f"nothing is due at {iso(result.at)}")


def evaluated(result: "Report") -> None:
    """The audiences of an evaluation, and what was warned of."""
    evaluation = result.evaluation
    if evaluation is None or not evaluation.evaluated:
        return
    styled(f"[bold]Evaluated at {iso(evaluation.at)}[/] on {escape(evaluation.snapshot)}")
    lines = [(each.audience, each.realized, each.entered, each.exited) for each in evaluation.evaluated]
    rows(("audience", *_SIZES), lines, numbers=_SIZES)


def failures(result: "Report", *, verbose: bool) -> None:
    """Everything that failed, on stderr; of exports with the activation's name."""
    keys = {id(outcome.error): outcome.run.key for outcome in (*result.finished, *result.outcomes)}
    said = set()
    for problem in result.errors:
        whose, message = keys.get(id(problem), ""), str(problem)
        whose = "" if whose in message else f"{whose}: "
        if (whose, message) not in said:  # one damaged file can stop several things
            error(problem, verbose=verbose, whose=whose)
        said.add((whose, message))


def plan(planned: "Plan") -> None:
    """What `run` would do."""
    for step in planned.steps:
        if step.evaluation:
            lines = [(each.audience, each.realized, each.entered, each.exited) for each in step.evaluation.evaluated]
            styled(f"[bold]evaluate[/] at {iso(step.evaluation.at)} on {escape(step.evaluation.snapshot)}")
            rows(("audience", *_SIZES), lines, numbers=_SIZES)
    steps = [_plan_line(step.action, step.outcome) for step in planned.steps if step.outcome]
    if steps:
        _fitted(steps, numbers=_COUNTS, spare=("note", "received", "action", "export"), below="note")
    if not planned.steps:
        say("nothing is due")
    for text in planned.notes:
        say(f"note: {text}")


def _plan_line(action: str, outcome: "Outcome") -> dict[str, str]:
    run = outcome.run
    older = run.superseded_count
    remarks = [
        "finishes what was interrupted" if action == "finish" else "",
        "first export" if run.first_export else "",
        f"{older:,} older {'slot' if older == 1 else 'slots'} superseded" if older else "",
        reasons(run),
        "fails" if outcome.error else "",
    ]
    note = escape("; ".join(filter(None, remarks)))
    return {
        "action": action,
        "activation": escape(run.key),
        "export": run.export,
        "for": iso(run.scheduled_time),
        **_counted(run, _COUNTS),
        "note": note,
    }


def run_list(runs: "Sequence[Run]") -> None:
    """History, newest first."""
    if not runs:
        say("no runs yet; `muster run` does what is due, `muster plan` shows it first")
        return
    lines = [
        {
            "run": run.run_id,
            "activation": escape(run.key),
            "scheduled": iso(run.scheduled_time),
            "export": run.export,
            "trigger": run.trigger.replace("_", " "),
            "status": _status(run),
            **_counted(run, _SENT),
        }
        for run in runs
    ]
    _fitted(
        lines, numbers=_SENT, spare=("scheduled", "trigger", "export", "excluded")
    )  # the run's id begins with the time


def details(pairs: "Json") -> None:
    """One thing, a line a key."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for key, value in pairs.items():
        table.add_row(key.replace("_", " "), _value(value))
    _show(table)


def _value(value: object) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{escape(str(key))}: {_value(inner)}" for key, inner in value.items()) or "-"
    if isinstance(value, list):
        return (
            "\n".join(
                ", ".join(f"{key.replace('_', ' ')} {_text(inner)}" for key, inner in item.items())
                if isinstance(item, dict)
                else _text(item)
                for item in value
            )
            or "-"
        )
    return _text(value)


def schedules(lines: "Sequence[Json]") -> None:
    """`schedule list`."""
    body = [
        (f"{each['destination']}/{each['activation']}", each["export"], each["schedule"], each["next"])
        for each in lines
    ]
    rows(("activation", "export", "schedule", "next"), body, empty="no activations yet: add some to destinations/*.yml")


def fires(lines: "Sequence[Json]") -> None:
    """`schedule next`."""
    body = [(each["time"], f"{each['destination']}/{each['activation']}") for each in lines]
    rows(("time", "activation"), body, empty="no activation has a time of day, an interval or a cron expression ahead")


def audiences(lines: "Sequence[Json]") -> None:
    """`audiences list`."""
    body = [
        (each["id"], each["name"], each["evaluated_at"], each["realized"], each["entered"], each["exited"])
        for each in lines
    ]
    rows(
        ("audience", "name", "evaluated", *_SIZES),
        body,
        numbers=_SIZES,
        empty="no audiences yet: add some to audiences/*.yml",
    )


def evaluations(lines: "Sequence[Json]") -> None:
    """`evaluations list`."""
    body = [
        (
            each["evaluated_at"],
            each["snapshot"],
            "yes" if each["used"] else "no",
            ", ".join(one["id"] for one in each["audiences"]),
        )
        for each in lines
    ]
    rows(("evaluated", "snapshot", "used", "audiences"), body, empty="nothing was evaluated yet; `muster evaluate`")


def forgotten(number: int) -> str:
    """`evaluations forget`."""
    if not number:
        return "there is no evaluation after that time"
    return "1 evaluation of an audience forgotten" if number == 1 else f"{number:,} evaluations of audiences forgotten"


def baselines(lines: "Sequence[Json]") -> None:
    """`baseline show`."""
    body = [
        (f"{each['destination']}/{each['activation']}", each["profiles"], each["evaluated_at"], each["delivered_at"])
        for each in lines
    ]
    rows(
        ("activation", "profiles", "evaluated", "delivered"),
        body,
        numbers=("profiles",),
        empty="nothing was delivered yet",
    )


def rejects(lines: "Sequence[Json]") -> None:
    """`runs rejects`."""
    rows(
        ("profile_id", "reason"),
        [(one_line(each["profile_id"]), each["reason"]) for each in lines],
        empty="nobody was left out",
    )


def validated(checked: "Checked") -> None:
    """`validate`: what was looked at, and whether it holds."""
    for text in checked.notes:
        note(f"warning: {text}")
    if not checked.problems:
        counts = f"{checked.audiences} audiences and {checked.activations} activations"
        styled(f"[green]valid[/]: {counts} fit {escape(checked.snapshot)} ({checked.profiles:,} profiles)")


def started(folder: str, at: str) -> None:
    """`init`: what to do next; ``at`` is an instant for which the sample has data, whatever this machine's clock says."""
    styled(f"[bold]A workspace with sample data is in[/] {escape(folder)}")
    steps = {
        f"muster -C {folder} validate --at {at}": "is everything in order?",
        f"muster -C {folder} plan --at {at}": "what would a run do?",
        f"muster -C {folder} run --at {at}": "do it: what cron calls, without --at",
        f"muster -C {folder} audiences list": "who is in each audience?",
    }
    width = max(map(len, steps))
    for command, purpose in steps.items():
        say(f"  {command:<{width}}  {purpose}")
    say("Then put your own Parquet files under data/ and edit muster.yml, audiences/ and destinations/.")


def welcome() -> None:
    """`muster` alone: what a newcomer does next."""
    styled("[bold]muster[/] activates audiences in batch: Parquet snapshots in,")
    say("exactly the people who joined, stayed or left out.")
    say()
    say("  muster demo            the whole story on sample data, in a few seconds")
    say("  muster init my-shop    a working workspace of your own, with commented YAML")
    say("  muster validate        check a workspace against its data")
    say("  muster plan            what would a run do, with exact counts?")
    say("  muster run             do it: what cron calls")
    say("  muster --help          all commands")


@dataclass(frozen=True)
class Fate:
    """What the second day's file says of one person of the story."""

    profile_id: str
    name: str
    happens: str
    outcome: str


def chapter(title: str, commands: Sequence[str] = ()) -> None:
    """A part of the demo, with the commands that do the same by hand."""
    say()
    prose(f"[bold cyan]{escape(title)}[/]")
    for command in commands:
        styled(f"[dim]$ {escape(command)}[/]")


def fates(people: Sequence[Fate], run: "Run") -> None:
    """What became of each person of the story."""
    sent = f"{run.realized:,} realized, {run.exited:,} exited"
    prose(f"{run.received:,} profiles considered: {sent}, {run.excluded:,} left out ({escape(reasons(run))})")
    rows(
        ("profile", "name", "what happened", "in the file"),
        [(one.profile_id, one.name, one.happens, one.outcome) for one in people],
    )


def ending(folder: str, files: Sequence[str]) -> None:
    """Where everything is, and what to try next."""
    chapter("Where the files are")
    for file in files:
        say(f"  {folder}/{file}")
    say()
    say(f"Go on: `cd {folder}`, then `muster runs list`, `muster audiences list`,")
    say("`muster schedule list`; or edit destinations/crm.yml and see what `muster plan`")
    say("makes of it.")
