"""`muster run`: do everything that is due, as cron asks for it."""

import typer

from muster.cli.app import app
from muster.cli.invocation import instant, opened, progress
from muster.cli.options import AllowEmpty, At, Jobs, Only, Override
from muster.cli.outcome import finish


@app.command()
def run(
    ctx: typer.Context,
    at: At = None,
    only: Only = None,
    override_guards: Override = None,
    allow_empty: AllowEmpty = False,
    jobs: Jobs = None,
) -> None:
    """Do everything that is due: finish interrupted runs, evaluate, export. Call it from cron."""
    from muster import runs

    workspace = opened(ctx)
    now = instant(at, workspace)
    with progress(ctx, "running"):
        report = runs.run(
            workspace,
            now=now,
            only=only or (),
            override_guards=override_guards or (),
            allow_empty=allow_empty,
            jobs=jobs or runs.JOBS,
        )
    finish(ctx, report)
