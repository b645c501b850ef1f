"""`muster destinations`: urls of destinations, and whether files or messages can be delivered there."""

from typing import Annotated

import typer

from muster.cli.app import app
from muster.cli.invocation import opened
from muster.cli.options import AsJson
from muster.cli.typer_classes import add_group

group = add_group(app, "destinations", "List destinations, or check that files and messages can be delivered there.")


@group.command("list")
def list_(ctx: typer.Context, json: AsJson = False) -> None:
    """List each destination: its url, and how many activations deliver there."""
    from muster.cli.shapes import destinations as shapes
    from muster.cli.show import destinations as show
    from muster.cli.show import terminal
    from muster.runs import list_destinations

    destinations = list_destinations(opened(ctx))
    if json:
        terminal.as_json([shapes.destination(each) for each in destinations])
    else:
        show.destinations(destinations)


@group.command()
def check(
    ctx: typer.Context,
    wanted: Annotated[
        list[str] | None,
        typer.Argument(metavar="DESTINATION", help="Destinations, by id. Default: all.", show_default=False),
    ] = None,
    send_test: Annotated[
        bool,
        typer.Option("--send-test", help="Send destinations of messages a request about nobody, to try credentials."),
    ] = False,
    json: AsJson = False,
) -> None:
    """Connect, then write, read back, replace and delete a small file. Exit 1 if a destination fails.

    Destinations of messages are connected to, and get nothing unless --send-test is given.
    """
    from muster.cli.shapes import destinations as shapes
    from muster.cli.show import destinations as show
    from muster.cli.show import terminal
    from muster.runs import check_destinations

    checked = check_destinations(opened(ctx), wanted or (), send_test=send_test)
    if json:
        terminal.as_json([shapes.checked(each) for each in checked])
    elif not ctx.obj.quiet:
        show.checked(checked)
    show.failures(checked)
    raise typer.Exit(0 if all(each.is_usable for each in checked) else 1)
