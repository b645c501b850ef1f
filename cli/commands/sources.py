"""`muster sources`: what each source gives, and what was left out."""

from typing import Annotated

import typer

from muster.cli.app import app
from muster.cli.invocation import instant, opened, progress
from muster.cli.options import AsJson, At
from muster.cli.typer_classes import add_group

group = add_group(
    app, "sources", "Show sources of profiles: what each gives, what was left out and why, how old it is."
)


@group.command("list")
def list_(ctx: typer.Context, at: At = None, json: AsJson = False) -> None:
    """List each source with its records, fragments, identities, links, and the age of its newest data."""
    from muster.cli.shapes import sources as shapes
    from muster.cli.show import sources as show
    from muster.cli.show import terminal
    from muster.runs import list_sources

    workspace = opened(ctx)
    now = instant(at, workspace)
    with progress(ctx, "reading"):
        found = list_sources(workspace, now=now)
    if json:
        terminal.as_json([shapes.source(each) for each in found])
    else:
        show.sources(found, workspace.config.zone)


@group.command()
def show(
    ctx: typer.Context,
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="The source's id, such as crm.")],
    at: At = None,
    json: AsJson = False,
) -> None:
    """Show one source: what it gives, and what was left out and why."""
    from muster.cli.shapes import sources as shapes
    from muster.cli.show import sources as tables
    from muster.cli.show import terminal
    from muster.runs import show_source

    workspace = opened(ctx)
    now = instant(at, workspace)
    with progress(ctx, "reading"):
        found = show_source(workspace, source, now=now)
    if json:
        terminal.as_json(shapes.details(found))
    else:
        tables.source(found, workspace.config.zone)
