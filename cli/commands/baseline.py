"""`muster baseline`: the last scheduled delivery of each activation."""

from typing import Annotated

import typer

from muster.cli.app import app
from muster.cli.invocation import opened
from muster.cli.options import AsJson
from muster.cli.typer_classes import add_group

group = add_group(app, "baseline", "Show, reset or move baselines: what each activation delivered last.")


@group.command()
def show(
    ctx: typer.Context,
    activation: Annotated[
        str | None, typer.Argument(metavar="DESTINATION/ACTIVATION", help="The activation. Default: all.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Show what each activation delivered last: how many profiles, of which evaluation, when."""
    from muster.cli.shapes import audiences as shapes
    from muster.cli.show import history, terminal
    from muster.runs import list_baselines, show_baseline

    workspace = opened(ctx)
    baselines = list_baselines(workspace) if activation is None else (show_baseline(workspace, activation),)
    if json:
        lines = [shapes.baseline(each) for each in baselines]
        terminal.as_json(lines[0] if activation else lines)
    else:
        history.baselines(baselines, workspace.config.zone)


@group.command()
def reset(
    ctx: typer.Context,
    activation: Annotated[str, typer.Argument(metavar="DESTINATION/ACTIVATION", help="The activation.")],
) -> None:
    """Forget what an activation delivered, so that its next export is a first one and holds everybody."""
    from muster.cli.show import terminal
    from muster.runs import reset_baseline

    reset_baseline(opened(ctx), activation)
    if not ctx.obj.quiet:
        terminal.say(f"{activation}: the next export is a first one")


@group.command()
def move(
    ctx: typer.Context,
    old: Annotated[str, typer.Argument(metavar="OLD", help="The activation's former DESTINATION/ACTIVATION.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The activation's present DESTINATION/ACTIVATION.")],
) -> None:
    """Hand a baseline to an activation that was renamed."""
    from muster.cli.show import terminal
    from muster.runs import move_baseline

    move_baseline(opened(ctx), old, new)
    if not ctx.obj.quiet:
        terminal.say(f"{new} continues from what {old} delivered")
