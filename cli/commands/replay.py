"""`muster replay`: rebuild a run's files, or the bodies of its messages, in a new folder."""

from pathlib import Path
from typing import Annotated

import typer

from muster.cli.app import app
from muster.cli.invocation import instant, opened, progress
from muster.cli.options import AsJson, RunId


@app.command()
def replay(
    ctx: typer.Context,
    run: RunId,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="FOLDER", help="A new or empty folder. Default: ./RUN, named after the run."),
    ] = None,
    as_recorded: Annotated[
        bool,
        typer.Option("--as-recorded", help="Write what was delivered though today's policies forbid it, for an audit."),
    ] = False,
    json: AsJson = False,
) -> None:
    """Write a run's files, or the bodies of its messages, again into a new folder. Changes and sends nothing else."""
    from muster import runs
    from muster.cli.shapes import redelivery as shapes
    from muster.cli.show import redelivery as show
    from muster.cli.show import terminal

    workspace = opened(ctx)
    now = instant(None, workspace)
    with progress(ctx, "replaying"):
        replayed = runs.replay(workspace, run, to, now=now, as_recorded=as_recorded)
    if json:
        terminal.as_json(shapes.replayed(replayed))
    elif not ctx.obj.quiet:
        terminal.say(show.replayed(replayed))
    if replayed.error:
        terminal.error(replayed.error, verbose=bool(ctx.obj.verbose))
        raise typer.Exit(replayed.error.exit_code)
