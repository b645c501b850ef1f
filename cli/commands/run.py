"""`muster run`: do everything that is due, as cron asks for it."""

import typer

from muster.cli.app import app
from muster.cli.invocation import instant
from muster.cli.options import AllowEmpty, AsJson, At, Jobs, Override
from muster.cli.outcome import carry_out


@app.command()
def run(
    ctx: typer.Context,
    at: At = None,
    override_guards: Override = None,
    allow_empty: AllowEmpty = False,
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
            jobs=jobs or runs.JOBS,
        )

    carry_out(ctx, "running", act, as_json=json)
