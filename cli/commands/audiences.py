"""`muster audiences`: sizes of audiences, and how they changed."""

from pathlib import Path
from typing import Annotated

import typer

from muster.cli.app import app
from muster.cli.invocation import opened
from muster.cli.options import AsJson
from muster.cli.typer_classes import add_group

group = add_group(app, "audiences", "Show audiences: sizes, and changes since the previous evaluation.")


@group.command("list")
def list_(ctx: typer.Context, json: AsJson = False) -> None:
    """List each audience with its size, and how many entered and left since the previous evaluation."""
    from muster.cli.shapes import audiences as shapes
    from muster.cli.show import history, terminal
    from muster.runs import list_audiences

    workspace = opened(ctx)
    audiences = list_audiences(workspace)
    if json:
        terminal.as_json([shapes.audience(each.audience, each.newest, each.failed) for each in audiences])
    else:
        history.audiences(audiences, workspace.config.zone)


@group.command()
def show(
    ctx: typer.Context,
    audience: Annotated[str, typer.Argument(metavar="AUDIENCE", help="An audience, by id.")],
    json: AsJson = False,
) -> None:
    """Show one audience: its rule, its history, and the activations that export it."""
    from muster.cli.shapes import audiences as shapes
    from muster.cli.show import terminal, times
    from muster.runs import show_audience

    workspace = opened(ctx)
    shape, zone = shapes.audience_details(show_audience(workspace, audience)), workspace.config.zone
    if json:
        terminal.as_json(shape)
    else:
        terminal.details(times.localised(shape, zone), zone if shape["history"] else None)


@group.command()
def members(
    ctx: typer.Context,
    audience: Annotated[str, typer.Argument(metavar="AUDIENCE", help="An audience, by id.")],
    at: Annotated[
        str | None,
        typer.Option(
            "--at",
            metavar="TIME",
            help="As the newest evaluation at or before this time found it. Default: the newest.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Write all to a new file, whose name ends in .csv or .parquet."),
    ] = None,
    rows: Annotated[int, typer.Option("--rows", metavar="N", min=0, help="How many to show.")] = 50,
    json: AsJson = False,
) -> None:
    """List who is, and who was, in an audience: profile id, status, since when. Read-only."""
    from muster.cli.shapes import audiences as shapes
    from muster.cli.show import members as show
    from muster.cli.show import terminal
    from muster.runs import list_members, write_members

    workspace = opened(ctx)
    moment = None if at is None else workspace.instant(at)
    if out is not None:
        found = write_members(workspace, audience, out, at=moment)
    else:
        found = list_members(workspace, audience, at=moment, limit=None if json else rows)
    if json:
        terminal.as_json(shapes.members(found, out))
    elif out is None or not ctx.obj.quiet:
        show.members(found, out, workspace.config.zone)
