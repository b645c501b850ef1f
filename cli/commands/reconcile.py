"""`muster reconcile`: compare what a receiver holds with the ledger."""

from typing import Annotated

import typer

from muster.cli.app import app
from muster.cli.invocation import instant, opened, progress
from muster.cli.options import AsJson, At


@app.command()
def reconcile(
    ctx: typer.Context,
    activation: Annotated[
        str, typer.Argument(metavar="DESTINATION/ACTIVATION", help="The activation whose files are read.")
    ],
    at: At = None,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=0, help="Show at most N profile ids, with -v or --json.")
    ] = 100,
    json: AsJson = False,
) -> None:
    """Rebuild from the delivered files what the receiver should hold, and compare it with the ledger. Read-only."""
    from muster import runs
    from muster.cli.shapes import audits as shapes
    from muster.cli.show import audits as show
    from muster.cli.show import terminal

    workspace = opened(ctx)
    now = instant(at, workspace)
    with progress(ctx, "replaying"):
        found = runs.reconcile(workspace, activation, now=now)
    if json:
        terminal.as_json(shapes.reconciled(found, limit))
    elif not ctx.obj.quiet:
        show.reconciled(found, limit if ctx.obj.verbose else 0)
    show.disagreement(found)
    raise typer.Exit(0 if found.is_equal else 1)
