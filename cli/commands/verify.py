"""`muster verify`: check that delivered files are as they were delivered."""

from typing import Annotated

import typer

from muster.cli.app import app
from muster.cli.invocation import instant, opened, progress
from muster.cli.options import AsJson


@app.command()
def verify(
    ctx: typer.Context,
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN",
            help="Runs, by id, the start of it, or DESTINATION/ACTIVATION. Default: the newest of each activation.",
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Verify every run that succeeded.")] = False,
    json: AsJson = False,
) -> None:
    """Read delivered files again and report those that changed or are missing. Read-only."""
    from muster import runs as library
    from muster.cli.shapes import audits as shapes
    from muster.cli.show import audits as show
    from muster.cli.show import terminal

    workspace = opened(ctx)
    now = instant(None, workspace)
    with progress(ctx, "verifying"):
        checked = library.verify(workspace, runs or (), now=now, everything=everything)
    if json:
        terminal.as_json([shapes.verified(each) for each in checked])
    elif not ctx.obj.quiet:
        show.verified(checked, workspace.config.zone)
    show.differences(checked)
    raise typer.Exit(1 if any(each.result == "differs" for each in checked) else 0)
