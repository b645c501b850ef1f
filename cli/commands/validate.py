"""`muster validate`: check a workspace before a run does."""

from typing import Annotated

import typer

from muster.cli.app import app
from muster.cli.invocation import instant, opened
from muster.cli.options import AsJson, At

Offline = Annotated[
    bool,
    typer.Option(
        "--offline", help="Ask no destination, and only warn of missing variables that exports alone need: for CI."
    ),
]


@app.command()
def validate(ctx: typer.Context, at: At = None, offline: Offline = False, json: AsJson = False) -> None:
    """Check the YAML files, the rules and mappings against the data, and the destinations. Read-only."""
    from muster import runs
    from muster.cli.process import logs
    from muster.cli.shapes import calls
    from muster.cli.show import reports, terminal

    with logs.warnings_collected() as warnings:
        try:
            workspace = opened(ctx)
            validation = runs.validate(workspace, now=instant(at, workspace), offline=offline)
        except runs.MusterError as error:
            if json:
                terminal.as_json(calls.stopped(error, warnings))
            raise
    if json:
        terminal.as_json(calls.validated(validation, warnings))
    elif not ctx.obj.quiet:
        reports.validation(validation, workspace.config.zone)
    for problem in validation.problems:
        terminal.error(problem, verbose=bool(ctx.obj.verbose))
    raise typer.Exit(0 if validation.is_valid else 2)
