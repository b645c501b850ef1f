"""`muster preview`: an audience, or the rows that an activation would deliver."""

from typing import Annotated

import typer

from muster.cli.app import app
from muster.cli.invocation import instant, opened, progress
from muster.cli.options import AllowEmpty, AllowEmptyEvents, AllowEmptyMemberships, AsJson, At


@app.command()
def preview(
    ctx: typer.Context,
    target: Annotated[
        str, typer.Argument(metavar="AUDIENCE|DESTINATION/ACTIVATION", help="An audience, or an activation.")
    ],
    rows: Annotated[int, typer.Option("--rows", metavar="N", min=0, help="How many rows to show.")] = 10,
    at: At = None,
    json: AsJson = False,
    allow_empty: AllowEmpty = False,
    allow_empty_events: AllowEmptyEvents = False,
    allow_empty_memberships: AllowEmptyMemberships = False,
) -> None:
    """Evaluate now, in memory: the size, what would change, and rows as they would be written. Read-only."""
    from muster import runs
    from muster.cli.shapes import preview as shapes
    from muster.cli.show import preview as show
    from muster.cli.show import reports, terminal

    workspace = opened(ctx)
    now = instant(at, workspace)
    with progress(ctx, "evaluating"):
        found = runs.preview(
            workspace,
            target,
            now=now,
            rows=rows,
            allow_empty=allow_empty,
            allow_empty_events=allow_empty_events,
            allow_empty_memberships=allow_empty_memberships,
        )
    if json:
        terminal.as_json(shapes.preview(found))
    else:  # with `-q` too: the rows are what was asked for, as in a listing
        show.preview(found, workspace.config)
    reports.failures(found.report, verbose=bool(ctx.obj.verbose))
    raise typer.Exit(found.report.exit_code)
