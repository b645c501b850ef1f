"""`muster plan`: show what a run would do."""

import typer

from muster.cli.app import app
from muster.cli.invocation import instant, opened, progress
from muster.cli.options import AllowEmpty, AllowEmptyEvents, AllowEmptyMemberships, AsJson, At, Override


@app.command()
def plan(
    ctx: typer.Context,
    at: At = None,
    json: AsJson = False,
    override_guards: Override = None,
    allow_empty: AllowEmpty = False,
    allow_empty_events: AllowEmptyEvents = False,
    allow_empty_memberships: AllowEmptyMemberships = False,
) -> None:
    """Show what `muster run` would do, with exact counts and the exit code. Read-only."""
    from muster import runs
    from muster.cli.shapes import runs as shapes
    from muster.cli.show import reports, terminal

    workspace = opened(ctx)
    now = instant(at, workspace)
    with progress(ctx, "planning"):
        planned = runs.plan(
            workspace,
            now=now,
            override_guards=override_guards or (),
            allow_empty=allow_empty,
            allow_empty_events=allow_empty_events,
            allow_empty_memberships=allow_empty_memberships,
        )
    if json:
        terminal.as_json([shapes.step(step) for step in planned.steps])
    else:  # with `-q` too: the plan is what was asked for, as in a listing
        reports.plan(planned, workspace.config.zone)
    reports.failures(planned.report, verbose=bool(ctx.obj.verbose))
    raise typer.Exit(planned.report.exit_code)
