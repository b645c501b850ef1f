"""`muster redeliver`: put a run's files back at its destination, or send its messages again."""

from typing import Annotated

import typer

from muster.cli.app import app
from muster.cli.invocation import instant, opened, progress
from muster.cli.options import AsJson, RunId


@app.command()
def redeliver(
    ctx: typer.Context,
    run: RunId,
    force: Annotated[
        bool,
        typer.Option("--force", help="Overwrite files at the destination that differ from what this run delivered."),
    ] = False,
    new_keys: Annotated[
        bool,
        typer.Option("--new-keys", help="Send messages under new keys, to receivers that drop keys they know."),
    ] = False,
    json: AsJson = False,
) -> None:
    """Put a run's files back at its destination, or send its messages again, after they were lost there."""
    from muster import runs
    from muster.cli.shapes import redelivery as shapes
    from muster.cli.show import redelivery as show
    from muster.cli.show import terminal

    workspace = opened(ctx)
    now = instant(None, workspace)
    with progress(ctx, "redelivering"):
        redelivered = runs.redeliver(workspace, run, now=now, force=force, new_keys=new_keys)
    if isinstance(redelivered, runs.Resent):
        if json:
            terminal.as_json(shapes.resent(redelivered))
        elif not ctx.obj.quiet:
            terminal.say(show.resent(redelivered))
        if redelivered.error:
            terminal.error(redelivered.error, verbose=bool(ctx.obj.verbose))
            raise typer.Exit(redelivered.error.exit_code)
        return
    if json:
        terminal.as_json(shapes.redelivered(redelivered))
    elif not ctx.obj.quiet:
        for line in show.redelivered(redelivered):
            terminal.say(line)
