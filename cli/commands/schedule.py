"""`muster schedule`: schedules in words, the next fire times, a crontab."""

from typing import Annotated

import typer

from muster.cli.app import app
from muster.cli.invocation import instant, opened
from muster.cli.options import AsJson, At
from muster.cli.typer_classes import add_group

group = add_group(app, "schedule", "Show schedules in words, the next fire times, or a crontab.")


@group.command("list")
def list_(ctx: typer.Context, at: At = None, json: AsJson = False) -> None:
    """List each activation's schedule in words, and its next fire time."""
    from muster import runs
    from muster.cli.shapes import schedules as shapes
    from muster.cli.show import schedules as show
    from muster.cli.show import terminal

    workspace = opened(ctx)
    schedules = runs.list_schedules(workspace, now=instant(at, workspace))
    if json:
        terminal.as_json([shapes.schedule(each) for each in schedules])
    else:
        show.schedules(schedules, workspace.config.zone)


@group.command("next")
def next_(
    ctx: typer.Context,
    n: Annotated[int, typer.Argument(metavar="N", min=1, max=10_000, help="How many fire times to list.")] = 10,
    at: At = None,
    json: AsJson = False,
) -> None:
    """List the next fire times of all activations."""
    from muster import runs
    from muster.cli.shapes import schedules as shapes
    from muster.cli.show import schedules as show
    from muster.cli.show import terminal

    workspace = opened(ctx)
    fires = runs.next_fires(workspace, n, now=instant(at, workspace))
    if json:
        terminal.as_json([shapes.fire(each) for each in fires])
    else:
        show.fires(fires, workspace.config.zone)


@group.command()
def crontab(ctx: typer.Context, at: At = None) -> None:
    """Print a crontab that calls `muster run` whenever something can be due."""
    from muster import runs
    from muster.cli.show import terminal

    workspace = opened(ctx)
    terminal.say(runs.crontab(workspace, now=instant(at, workspace)).rstrip("\n"))
