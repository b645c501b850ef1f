"""`muster status`: last night on one screen."""

from typing import Annotated

import typer

from muster.cli.app import app
from muster.cli.invocation import instant, opened
from muster.cli.options import AsJson, At


@app.command()
def status(
    ctx: typer.Context,
    at: At = None,
    everything: Annotated[
        bool, typer.Option("--all", help="List all activations. Default: what is wrong, and as many more as fit.")
    ] = False,
    exit_code: Annotated[
        bool,
        typer.Option("--exit-code", help="Exit with 1 unless all is well: nothing late, failing, unfinished or stale."),
    ] = False,
    json: AsJson = False,
) -> None:
    """Show last night on one screen: what is done, late, failing or stale, and due next. Read-only."""
    from muster import runs
    from muster.cli.shapes import overview as shapes
    from muster.cli.show import overview as show
    from muster.cli.show import terminal

    workspace = opened(ctx)
    found = runs.status(workspace, now=instant(at, workspace))
    if json:
        terminal.as_json(shapes.status(found, workspace.config))
    else:
        show.status(found, workspace.config, everything=everything)
    raise typer.Exit(0 if found.is_sound or not exit_code else 1)
