"""`muster export`: full files on demand; a message about every member for event destinations."""

from typing import Annotated

import typer

from muster.cli.app import app
from muster.cli.invocation import instant
from muster.cli.options import AllowEmpty, AllowEmptyEvents, AllowEmptyMemberships, AsJson, At, Jobs
from muster.cli.outcome import carry_out

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
    json: AsJson = False,
) -> None:
    """Export full files of the newest evaluation now. Schedules and baselines do not change.

    For event destinations it does what `muster resync` does.
    """
    from muster import runs

    def act(workspace: runs.OpenWorkspace) -> runs.Report:
        return runs.export(
            workspace,
            activations,
            now=instant(at, workspace),
            allow_empty=allow_empty,
            allow_empty_events=allow_empty_events,
            allow_empty_memberships=allow_empty_memberships,
            jobs=jobs or runs.JOBS,
        )

    carry_out(ctx, "exporting", act, as_json=json)
