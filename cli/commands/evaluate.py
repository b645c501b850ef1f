"""`muster evaluate`: decide who is in each audience."""

from typing import Annotated

import typer

from muster.cli.app import app
from muster.cli.invocation import instant
from muster.cli.options import AllowEmpty, AllowEmptyEvents, AllowEmptyMemberships, AsJson, At, Jobs
from muster.cli.outcome import carry_out


@app.command()
def evaluate(
    ctx: typer.Context,
    at: At = None,
    audience: Annotated[
        list[str] | None,
        typer.Option(
            "--audience",
            metavar="AUDIENCE",
            help="Evaluate only this audience and those it refers to. Repeatable.",
        ),
    ] = None,
    no_exports: Annotated[
        bool, typer.Option("--no-exports", help="Do not run the exports that follow; they stay due.")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Redo the newest evaluation, if no run has used it.")
    ] = False,
    allow_empty: AllowEmpty = False,
    allow_empty_events: AllowEmptyEvents = False,
    allow_empty_memberships: AllowEmptyMemberships = False,
    jobs: Jobs = None,
    json: AsJson = False,
) -> None:
    """Evaluate audiences, then run the exports that follow evaluations."""
    from muster import runs

    def act(workspace: runs.OpenWorkspace) -> runs.Report:
        return runs.evaluate(
            workspace,
            audience or (),
            now=instant(at, workspace),
            exports=not no_exports,
            replace=replace,
            allow_empty=allow_empty,
            allow_empty_events=allow_empty_events,
            allow_empty_memberships=allow_empty_memberships,
            jobs=jobs or runs.JOBS,
        )

    carry_out(ctx, "evaluating", act, as_json=json)
