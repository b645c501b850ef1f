"""The commands that work: init, demo, validate, evaluate, run, export, plan."""

import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from muster.cli.app import AllowEmpty, AsJson, At, app

if TYPE_CHECKING:
    from muster.runs.opening import Held
    from muster.runs.report import Report

Override = Annotated[
    list[str] | None,
    typer.Option("--override-guards", metavar="D/A", help="Let this activation's guards through, this time."),
]
Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        min=1,
        metavar="N",
        help="Deliver to as many remote destinations at once; default: 8.",
        show_default=False,
    ),
]
Activations = Annotated[list[str], typer.Argument(metavar="DESTINATION/ACTIVATION", help="What to export.")]


@app.command()
def init(folder: Annotated[Path, typer.Argument(metavar="DIR", help="An empty or new folder.")] = Path()) -> None:
    """Make a working workspace with sample data and commented YAML."""
    from muster.cli.show import demo as story
    from muster.cli.show import text

    text.started(story.make_workspace(folder), story.SECOND_DAY)


@app.command()
def demo(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="An empty or new folder.")] = Path("muster-demo"),
) -> None:
    """Tell the whole story on sample data: two days, evaluate, full, incremental, on demand."""
    from muster.cli.show import demo as story

    story.tell(folder, ctx.obj)


@app.command()
def validate(ctx: typer.Context, at: At = None) -> None:
    """Check YAML, expressions, columns and types against the data, and destinations; writes nothing."""
    from muster.cli.show import text
    from muster.runs import opening, validation

    with opening.reading(ctx.obj, at, afresh=True) as session:
        checked = validation.validate(session)
    if not ctx.obj.quiet:
        text.validated(checked)
    for problem in checked.problems:
        text.error(problem, verbose=bool(ctx.obj.verbose))
    raise typer.Exit(2 if checked.problems else 0)


@app.command()
def evaluate(
    ctx: typer.Context,
    at: At = None,
    audience: Annotated[
        list[str] | None, typer.Option("--audience", metavar="A", help="Only this audience and those it refers to.")
    ] = None,
    no_exports: Annotated[bool, typer.Option("--no-exports", help="Leave after-evaluation exports due.")] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Evaluate again at the newest instant, if no run has used it.")
    ] = False,
    allow_empty: AllowEmpty = False,
    jobs: Jobs = None,
) -> None:
    """Decide who is in each audience, then carry out the exports that follow evaluations."""
    from muster.activation.model.workspace import JOBS
    from muster.runs import opening
    from muster.runs.jobs import evaluate_job

    with opening.writing(ctx.obj, at, allow_empty=allow_empty) as session, working_on(ctx, "evaluating"):
        result = evaluate_job(session, audience or (), exports=not no_exports, replace=replace, jobs=jobs or JOBS)
    _finish(ctx, result)


@app.command()
def run(
    ctx: typer.Context,
    at: At = None,
    override_guards: Override = None,
    allow_empty: AllowEmpty = False,
    jobs: Jobs = None,
) -> None:
    """Do what is due: finish what was interrupted, evaluate, export. What cron calls."""
    from muster.runs import due, opening

    with opening.holding(ctx.obj, at, allow_empty=allow_empty) as held:
        result = due.idle(held, override_guards or ()) or _run(ctx, held, override_guards or (), jobs)
    _finish(ctx, result)


def _run(ctx: typer.Context, held: "Held", overrides: Sequence[str], jobs: int | None) -> "Report":
    from muster.activation.model.workspace import JOBS
    from muster.runs.jobs import run_job

    with working_on(ctx, "running"):
        return run_job(held.session(), overrides, jobs=jobs or JOBS)


@app.command()
def export(
    ctx: typer.Context, activations: Activations, at: At = None, allow_empty: AllowEmpty = False, jobs: Jobs = None
) -> None:
    """Export one extra full file of the newest evaluation, now; schedules and baselines stay as they are."""
    from muster.activation.model.workspace import JOBS
    from muster.runs import opening
    from muster.runs.jobs import export_job

    with opening.writing(ctx.obj, at, allow_empty=allow_empty) as session, working_on(ctx, "exporting"):
        result = export_job(session, activations, jobs=jobs or JOBS)
    _finish(ctx, result)


@app.command()
def plan(
    ctx: typer.Context,
    at: At = None,
    json: AsJson = False,
    override_guards: Override = None,
    allow_empty: AllowEmpty = False,
) -> None:
    """Show what `run` would do, with exact counts, and end as it would; writes nothing."""
    from muster.cli.shapes import runs
    from muster.cli.show import text
    from muster.runs import jobs, opening

    with opening.reading(ctx.obj, at, allow_empty=allow_empty) as session, working_on(ctx, "planning"):
        planned = jobs.plan_job(session, override_guards or ())
    if json:
        text.as_json(
            [
                runs.step(step.action, step.outcome.run if step.outcome else None, step.evaluation)
                for step in planned.steps
            ]
        )
    else:  # with `-q` too: it is what was asked for, as in a listing
        text.plan(planned)
    text.failures(planned.report, verbose=bool(ctx.obj.verbose))
    raise typer.Exit(planned.report.exit_code)


def working_on(ctx: typer.Context, what: str) -> AbstractContextManager[None]:
    """A progress bar around work, where somebody can see it."""
    if not sys.stderr.isatty():  # `bar` would see that too
        return nullcontext()
    from muster.cli.process import progress
    from muster.cli.show import text

    return progress.bar(what, text.err(), quiet=ctx.obj.quiet or ctx.obj.verbose)


def _finish(ctx: typer.Context, result: "Report") -> None:
    """Say what was done and what failed, and end with the exit code that tells it."""
    if result.errors or not ctx.obj.quiet:  # else there is nothing to say, and no need to load what says it
        from muster.cli.show import text

        if not ctx.obj.quiet:
            text.report(result)
        text.failures(result, verbose=bool(ctx.obj.verbose))
    raise typer.Exit(result.exit_code)
