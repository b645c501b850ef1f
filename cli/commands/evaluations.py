"""`muster evaluations`: list evaluations, or forget the newest ones."""

from typing import Annotated

import typer

from muster.cli.app import app
from muster.cli.invocation import opened
from muster.cli.options import AsJson
from muster.cli.typer_classes import add_group

group = add_group(app, "evaluations", "List evaluations, or forget those made after a mistyped --at.")


@group.command("list")
def list_(ctx: typer.Context, json: AsJson = False) -> None:
    """List evaluations, newest first, and whether a run has used each."""
    from muster.cli.shapes import audiences as shapes
    from muster.cli.show import history, terminal
    from muster.runs import show_evaluations

    workspace = opened(ctx)
    found = show_evaluations(workspace)
    if json:
        terminal.as_json([shapes.evaluation(each) for each in found.evaluations])
    else:
        history.evaluations(found, workspace.config.zone)


@group.command()
def forget(
    ctx: typer.Context,
    after: Annotated[
        str,
        typer.Option(
            "--after", metavar="TIME", help="Forget the evaluations later than this time: ISO 8601, as for --at."
        ),
    ],
) -> None:
    """Forget the evaluations later than a time, if no run has used them: the way back from a mistyped --at."""
    from muster.cli.show import history, terminal
    from muster.runs import forget_evaluations

    workspace = opened(ctx)
    forgotten = forget_evaluations(workspace, after=workspace.instant(after))
    if not ctx.obj.quiet:
        terminal.say(history.forgotten(forgotten))
