"""`muster policies`: what may go where, and what is violated."""

from typing import Annotated

import typer

from muster.cli.app import app
from muster.cli.invocation import instant, opened, progress
from muster.cli.options import AsJson, At
from muster.cli.typer_classes import add_group

group = add_group(app, "policies", "Show policies: which data and which people may not go to which destinations.")


@group.command("list")
def list_(ctx: typer.Context, json: AsJson = False) -> None:
    """List every policy, the built-in ones that are switched off too."""
    from muster.cli.shapes import policies as shapes
    from muster.cli.show import policies as show
    from muster.cli.show import terminal
    from muster.runs import list_policies

    found = list_policies(opened(ctx))
    if json:
        terminal.as_json([shapes.policy(each) for each in found])
    else:
        show.policies(found)


@group.command()
def show(
    ctx: typer.Context,
    policy: Annotated[str, typer.Argument(metavar="POLICY", help="The policy's id, such as email-targeting.")],
    json: AsJson = False,
) -> None:
    """Show one policy, and the activations to which it applies."""
    from muster.cli.shapes import policies as shapes
    from muster.cli.show import policies, terminal
    from muster.runs import show_policy

    found = show_policy(opened(ctx), policy)
    if json:
        terminal.as_json(shapes.details(found))
    else:
        policies.policy(found)


@group.command()
def check(
    ctx: typer.Context,
    activation: Annotated[
        str | None, typer.Argument(metavar="DESTINATION/ACTIVATION", help="The activation. Default: all.")
    ] = None,
    at: At = None,
    json: AsJson = False,
) -> None:
    """Check what each activation violates, and how many consent leaves out. Exit code 2 if an export may not go."""
    from muster.cli.shapes import policies as shapes
    from muster.cli.show import policies as show
    from muster.cli.show import terminal
    from muster.runs import check_policies

    workspace = opened(ctx)
    now = instant(at, workspace)
    with progress(ctx, "checking"):
        found = check_policies(workspace, activation, now=now)
    if json:
        terminal.as_json([shapes.checked(each) for each in found])
    else:
        show.checked(found, disabled=sum(not each.enabled for each in workspace.config.all_activations))
    raise typer.Exit(2 if any(each.violations or each.is_unjudged for each in found) else 0)
