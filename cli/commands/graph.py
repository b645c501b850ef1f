"""`muster graph`: which identities are one person, and why."""

from typing import Annotated

import typer

from muster.cli.app import app
from muster.cli.invocation import instant, opened, progress
from muster.cli.options import AsJson, At, MergePolicy
from muster.cli.typer_classes import add_group

group = add_group(app, "graph", "Show the identity graph: which identities are one person, by which links.")


@group.command()
def show(
    ctx: typer.Context,
    identity: Annotated[
        str,
        typer.Argument(metavar="NAMESPACE:ID", help="An identity, such as Email:ann@x.com; the first colon divides."),
    ],
    policy: MergePolicy = "default",
    at: At = None,
    json: AsJson = False,
) -> None:
    """Show the graph of an identity: each link with source, file and time; refused links and why."""
    from muster.cli.shapes import graphs as shapes
    from muster.cli.show import graphs, terminal
    from muster.runs import show_graph

    workspace = opened(ctx)
    now = instant(at, workspace)
    with progress(ctx, "linking"):
        found = show_graph(workspace, identity, policy=policy, now=now)
    if json:
        terminal.as_json(shapes.graph(found))
    else:
        graphs.graph(found, workspace.config.zone)


@group.command()
def stats(ctx: typer.Context, policy: MergePolicy = "default", at: At = None, json: AsJson = False) -> None:
    """Count graphs by size, shared identities, refused links, and merges and splits since the build before."""
    from muster.cli.shapes import graphs as shapes
    from muster.cli.show import graphs, terminal
    from muster.runs import graph_stats

    workspace = opened(ctx)
    now = instant(at, workspace)
    with progress(ctx, "linking"):
        found = graph_stats(workspace, policy=policy, now=now)
    if json:
        terminal.as_json(shapes.stats(found))
    else:
        graphs.stats(found, workspace.config.zone)
