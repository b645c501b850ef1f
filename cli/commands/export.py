"""`muster export`: full files on demand."""

from typing import Annotated

import typer

from muster.cli.app import app
from muster.cli.invocation import instant, opened, progress
from muster.cli.options import AllowEmpty, AllowEmptyEvents, AllowEmptyMemberships, At, Jobs
from muster.cli.outcome import finish

Activations = Annotated[list[str], typer.Argument(metavar="DESTINATION/ACTIVATION", help="The activations to export.")]


@app.command()
def export(
    ctx: typer.Context,
    activations: Activations,
    at: At = None,
    allow_empty: AllowEmpty = False,
    allow_empty_events: AllowEmptyEvents = False,
    allow_empty_memberships: AllowEmptyMemberships = False,
    jobs: Jobs = None,
) -> None:
    """Export full files of the newest evaluation now. Schedules and baselines do not change."""
    from muster import runs

    workspace = opened(ctx)
    now = instant(at, workspace)
    with progress(ctx, "exporting"):
        report = runs.export(
            workspace,
            activations,
            now=now,
            allow_empty=allow_empty,
            allow_empty_events=allow_empty_events,
            allow_empty_memberships=allow_empty_memberships,
            jobs=jobs or runs.JOBS,
        )
    finish(ctx, report)
