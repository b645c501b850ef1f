"""`muster export`: full files on demand."""

from typing import Annotated

import typer

from muster.cli.app import app
from muster.cli.invocation import instant
from muster.cli.options import AllowEmpty, AsJson, At, Jobs
from muster.cli.outcome import carry_out

Activations = Annotated[list[str], typer.Argument(metavar="DESTINATION/ACTIVATION", help="The activations to export.")]


@app.command()
def export(
    ctx: typer.Context,
    activations: Activations,
    at: At = None,
    allow_empty: AllowEmpty = False,
    jobs: Jobs = None,
    json: AsJson = False,
) -> None:
    """Export full files of the newest evaluation now. Schedules and baselines do not change."""
    from muster import runs

    def act(workspace: runs.OpenWorkspace) -> runs.Report:
        now = instant(at, workspace)
        return runs.export(workspace, activations, now=now, allow_empty=allow_empty, jobs=jobs or runs.JOBS)

    carry_out(ctx, "exporting", act, as_json=json)
