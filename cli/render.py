"""Everything that a person reads: tables, sentences, errors. The only module that prints (ARCHITECTURE)."""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from activation.instants import iso
from activation.pipeline import Outcome
from activation.records import Run
from cli.jobs import Checked, Plan, Report
from cli.shapes import Json

_COLOURS = {"succeeded": "green", "failed": "red", "superseded": "dim", "delivering": "yellow", "running": "yellow"}
_WIDE = 220  # of tables that go into a pipe: nothing is cut or wrapped there


@cache
def out() -> Console:
    """Standard output."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else _WIDE)


@cache
def err() -> Console:
    """Standard error."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str = "") -> None:
    """A line, as it is."""
    out().print(text, markup=False, soft_wrap=True)


def styled(text: str) -> None:
    """A line with Rich markup."""
    out().print(text, soft_wrap=True)


def note(text: str) -> None:
    """A remark beside the result."""
    err().print(text, markup=False)


def as_json(value: object) -> None:
    """One JSON document and nothing else (SPEC 9)."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def error(problem: BaseException, *, verbose: bool) -> None:
    """A user's mistake in one message: what, where, what would help; details with ``-v``."""
    lines = str(problem).splitlines() or [type(problem).__name__]
    err().print(f"[bold red]error:[/] {escape(lines[0])}")
    for line in lines[1:]:
        err().print(f"[bold red]error:[/] {escape(line)}")
    if verbose:
        for detail in getattr(problem, "__notes__", []):
            err().print(f"  {escape(detail)}")


@contextmanager
def working(what: str, *, quiet: bool) -> Iterator[None]:
    """A sign of life on a terminal while work goes on; nothing in a pipe."""
    if quiet or not sys.stderr.isatty():
        yield
        return
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=err(), transient=True) as progress:
        progress.add_task(what, total=None)
        yield


def _table(*headings: str, numbers: Sequence[str] = ()) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in headings:
        table.add_column(heading, justify="right" if heading in numbers else "left", no_wrap=heading in numbers, overflow="fold")
    return table


def _text(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else escape(str(value))


def rows(headings: Sequence[str], lines: Iterable[Sequence[object]], *, numbers: Sequence[str] = (), empty: str = "nothing") -> None:
    """A plain table, or a sentence when there is nothing in it."""
    body = [[_text(value) for value in line] for line in lines]
    if not body:
        say(empty)
        return
    table = _table(*headings, numbers=numbers)
    for line in body:
        table.add_row(*line)
    out().print(table)


def reasons(run: Run) -> str:
    """``12 mandatory:email, 3 duplicate``."""
    return ", ".join(f"{count:,} {reason}" for reason, count in (run.excluded_by or {}).items())


def _export_line(outcome: Outcome) -> list[str]:
    run = outcome.run
    colour = _COLOURS.get(run.status, "")
    kind = f"first {run.export}" if run.first_export and run.export == "incremental" else run.export
    counts = [_text(run.realized), _text(run.exited), _text(run.excluded)]
    told = f"[red]{escape(str(outcome.error).splitlines()[0])}[/]" if outcome.error else escape(_files(run))
    return [escape(run.key), kind, run.trigger.replace("_", " "), f"[{colour}]{run.status}[/]" if colour else run.status, *counts, told]


def _files(run: Run) -> str:
    if not run.files:
        return "no rows, no file" if run.status == "succeeded" else ""
    first = f"{run.url}/{run.files[0].path}"
    return first if len(run.files) == 1 else f"{first} and {len(run.files) - 1} more"


_EXPORT_HEADINGS = ("activation", "export", "trigger", "status", "realized", "exited", "excluded", "file or error")


def exports(outcomes: Sequence[Outcome]) -> None:
    """What was exported, a line each."""
    table = _table(*_EXPORT_HEADINGS, numbers=("realized", "exited", "excluded"))
    for outcome in outcomes:
        table.add_row(*_export_line(outcome))
    out().print(table)


def report(result: Report) -> None:
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


def evaluated(result: Report) -> None:
    """The audiences of an evaluation, and what was warned of."""
    evaluation = result.evaluation
    if evaluation is None or not evaluation.evaluated:
        return
    styled(f"[bold]Evaluated at {iso(evaluation.at)}[/] on {escape(evaluation.snapshot)}")
    lines = [(each.audience, each.realized, each.entered, each.exited) for each in evaluation.evaluated]
    rows(("audience", "realized", "entered", "exited"), lines, numbers=("realized", "entered", "exited"))


def failures(result: Report, *, verbose: bool) -> None:
    """Everything that failed, on stderr."""
    for problem in result.errors:
        error(problem, verbose=verbose)


def plan(planned: Plan) -> None:
    """What `run` would do."""
    for step in planned.steps:
        if step.evaluation:
            lines = [(each.audience, each.realized, each.entered, each.exited) for each in step.evaluation.evaluated]
            styled(f"[bold]evaluate[/] at {iso(step.evaluation.at)} on {escape(step.evaluation.snapshot)}")
            rows(("audience", "realized", "entered", "exited"), lines, numbers=_SIZES)
    table = _table("action", "activation", "export", "for", *_COUNTS, "note", numbers=_COUNTS)
    for step in planned.steps:
        if step.outcome:
            table.add_row(step.action, *_plan_line(step.outcome))
    if table.row_count:
        out().print(table)
    if not planned.steps:
        say("nothing is due")
    for text in planned.notes:
        say(f"note: {text}")


def _plan_line(outcome: Outcome) -> list[str]:
    run = outcome.run
    remarks = [
        "first export" if run.first_export else "",
        f"{run.superseded_count} older slot(s) superseded" if run.superseded_count else "",
        reasons(run),
        str(outcome.error).splitlines()[0] if outcome.error else "",
    ]
    counts = [_text(value) for value in (run.received, run.realized, run.exited, run.excluded)]
    return [escape(run.key), run.export, iso(run.scheduled_time), *counts, escape("; ".join(filter(None, remarks)))]


_SIZES = ("realized", "entered", "exited")
_COUNTS = ("received", "realized", "exited", "excluded")


def run_list(runs: Sequence[Run]) -> None:
    """History, newest first."""
    table = _table(
        "run",
        "activation",
        "scheduled",
        "export",
        "trigger",
        "status",
        "realized",
        "exited",
        "excluded",
        numbers=("realized", "exited", "excluded"),
    )
    for run in runs:
        status = f"[{_COLOURS[run.status]}]{run.status}[/]"
        counts = [_text(value) for value in (run.realized, run.exited, run.excluded)]
        table.add_row(run.run_id, escape(run.key), iso(run.scheduled_time), run.export, run.trigger.replace("_", " "), status, *counts)
    if runs:
        out().print(table)
    else:
        say("no runs yet; `muster run` does what is due, `muster plan` shows it first")


def details(pairs: Json) -> None:
    """One thing, a line a key."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for key, value in pairs.items():
        table.add_row(key.replace("_", " "), _value(value))
    out().print(table)


def _value(value: object) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{escape(str(key))}: {_value(inner)}" for key, inner in value.items()) or "-"
    if isinstance(value, list):
        return (
            "\n".join(
                ", ".join(f"{key} {_text(inner)}" for key, inner in item.items()) if isinstance(item, dict) else _text(item)
                for item in value
            )
            or "-"
        )
    return _text(value)


def schedules(lines: Sequence[Json]) -> None:
    """`schedule list`."""
    body = [(f"{each['destination']}/{each['activation']}", each["export"], each["schedule"], each["next"]) for each in lines]
    rows(("activation", "export", "schedule", "next"), body, empty="no activations yet: add some to destinations/*.yml")


def fires(lines: Sequence[Json]) -> None:
    """`schedule next`."""
    body = [(each["time"], f"{each['destination']}/{each['activation']}") for each in lines]
    rows(("time", "activation"), body, empty="no activation has a time of day, an interval or a cron expression ahead")


def audiences(lines: Sequence[Json]) -> None:
    """`audiences list`."""
    body = [(each["id"], each["name"], each["evaluated_at"], each["realized"], each["entered"], each["exited"]) for each in lines]
    rows(("audience", "name", "evaluated", *_SIZES), body, numbers=_SIZES, empty="no audiences yet: add some to audiences/*.yml")


def evaluations(lines: Sequence[Json]) -> None:
    """`evaluations list`."""
    body = [
        (each["evaluated_at"], each["snapshot"], "yes" if each["used"] else "no", ", ".join(one["id"] for one in each["audiences"]))
        for each in lines
    ]
    rows(("evaluated", "snapshot", "used", "audiences"), body, empty="nothing was evaluated yet; `muster evaluate`")


def baselines(lines: Sequence[Json]) -> None:
    """`baseline show`."""
    body = [(f"{each['destination']}/{each['activation']}", each["profiles"], each["evaluated_at"], each["delivered_at"]) for each in lines]
    rows(("activation", "profiles", "evaluated", "delivered"), body, numbers=("profiles",), empty="nothing was delivered yet")


def rejects(lines: Sequence[Json]) -> None:
    """`runs rejects`."""
    rows(("profile_id", "reason"), [(each["profile_id"], each["reason"]) for each in lines], empty="nobody was left out")


def validated(checked: Checked) -> None:
    """`validate`: what was looked at, and whether it holds."""
    for text in checked.notes:
        note(f"warning: {text}")
    if not checked.problems:
        counts = f"{checked.audiences} audiences and {checked.activations} activations"
        styled(f"[green]valid[/]: {counts} fit {escape(checked.snapshot)} ({checked.profiles:,} profiles)")


def started(folder: str) -> None:
    """`init`: what to do next."""
    styled(f"[bold]A workspace with sample data is in[/] {escape(folder)}")
    say(f"  muster -C {folder} validate              is everything in order?")
    say(f"  muster -C {folder} evaluate              who is in each audience?")
    say(f"  muster -C {folder} plan                  what would a run do?")
    say(f"  muster -C {folder} run                   do it: what cron calls")
    say("Then put your own Parquet files under data/ and edit muster.yml, audiences/ and destinations/.")


def welcome() -> None:
    """`muster` alone: what a newcomer does next."""
    styled("[bold]muster[/] activates audiences in batch: Parquet snapshots in, exactly the people who joined, stayed or left out.")
    say()
    say("  muster demo            the whole story on sample data, in a few seconds")
    say("  muster init my-shop    a working workspace with commented YAML, to make your own")
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
    styled(f"[bold cyan]{escape(title)}[/]")
    for command in commands:
        styled(f"[dim]$ {escape(command)}[/]")


def fates(people: Sequence[Fate], run: Run) -> None:
    """What became of each person of the story."""
    sent = f"{run.realized:,} realized, {run.exited:,} exited"
    say(f"{run.received:,} profiles considered: {sent}, {run.excluded:,} left out ({reasons(run)})")
    rows(("profile", "name", "what happened", "in the file"), [(one.profile_id, one.name, one.happens, one.outcome) for one in people])


def ending(folder: str, files: Sequence[str]) -> None:
    """Where everything is, and what to try next."""
    chapter("Where the files are")
    for file in files:
        say(f"  {folder}/{file}")
    say()
    say(f"Go on: `cd {folder}`, then `muster runs list`, `muster audiences list`, `muster schedule list`, `muster plan`;")
    say("or edit destinations/crm.yml and see what `muster plan` makes of it.")
