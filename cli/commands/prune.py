"""`muster prune`: remove old history."""

from typing import Annotated

import typer

from muster.cli.app import app
from muster.cli.invocation import instant, opened
from muster.cli.options import AsJson, At


@app.command()
def prune(
    ctx: typer.Context,
    at: At = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be removed, and remove nothing.")] = False,
    json: AsJson = False,
) -> None:
    """Remove old evaluations, runs and files by `retention` in muster.yml, except those that later commands need."""
    from muster import runs
    from muster.cli.shapes import state as shapes
    from muster.cli.show import state as show

    workspace = opened(ctx)
    now = instant(at, workspace)
    pruned = runs.prune(workspace, now=now, dry_run=dry_run)
    show.answer(shapes.pruned(pruned, now, dry_run=dry_run), show.pruned, json=json, quiet=ctx.obj.quiet)
