"""`muster resync`: tell a receiver of messages of every member."""

from typing import Annotated

import typer

from muster.cli.app import app
from muster.cli.invocation import instant
from muster.cli.options import AllowEmpty, AllowEmptyEvents, AllowEmptyMemberships, AsJson, At, Jobs
from muster.cli.outcome import carry_out


@app.command()
def resync(
    ctx: typer.Context,
    activations: Annotated[
        list[str], typer.Argument(metavar="DESTINATION/ACTIVATION", help="The activations whose receivers are told.")
    ],
    at: At = None,
    override_guards: Annotated[
        bool, typer.Option("--override-guards", help="Ignore the guards of these activations in this run.")
    ] = False,
    allow_empty: AllowEmpty = False,
    allow_empty_events: AllowEmptyEvents = False,
    allow_empty_memberships: AllowEmptyMemberships = False,
    jobs: Jobs = None,
    json: AsJson = False,
) -> None:
    """Send a message about every member now, beside what is due. For event destinations."""
    from muster import runs

    def act(workspace: runs.OpenWorkspace) -> runs.Report:
        return runs.resync(
            workspace,
            activations,
            now=instant(at, workspace),
            override_guards=override_guards,
            allow_empty=allow_empty,
            allow_empty_events=allow_empty_events,
            allow_empty_memberships=allow_empty_memberships,
            jobs=jobs or runs.JOBS,
        )

    carry_out(ctx, "sending", act, as_json=json)
