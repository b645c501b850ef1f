"""`muster run`: do everything that is due, as cron asks for it."""

import typer

from muster.cli.app import app
from muster.cli.invocation import instant
from muster.cli.options import AllowEmpty, AllowEmptyEvents, AllowEmptyMemberships, AsJson, At, Jobs, Override
from muster.cli.outcome import carry_out


@app.command()
def run(
    ctx: typer.Context,
    at: At = None,
    override_guards: Override = None,
    allow_empty: AllowEmpty = False,
    allow_empty_events: AllowEmptyEvents = False,
    allow_empty_memberships: AllowEmptyMemberships = False,
    jobs: Jobs = None,
    json: AsJson = False,
) -> None:
    """Do everything that is due: finish interrupted runs, evaluate, export. Call it from cron."""
    from muster import runs

    def act(workspace: runs.OpenWorkspace) -> runs.Report:
        return runs.run(
            workspace,
            now=instant(at, workspace),
            override_guards=override_guards or (),
            allow_empty=allow_empty,
            allow_empty_events=allow_empty_events,
            allow_empty_memberships=allow_empty_memberships,
            jobs=jobs or runs.JOBS,
        )

    carry_out(ctx, "running", act, as_json=json)
