"""`muster runs`: the history of runs, and the profiles that each left out."""

from typing import Annotated, Literal

import typer

from muster.cli.app import app
from muster.cli.invocation import instant, opened
from muster.cli.options import AsJson, RunId
from muster.cli.typer_classes import add_group

_NEWEST = 50

group = add_group(app, "runs", "Show past runs: what each exported, whom it left out and why.")


@group.command("list")
def list_(
    ctx: typer.Context,
    everything: Annotated[
        bool, typer.Option("--all", help="List all runs, superseded ones too. Default: the newest 50.")
    ] = False,
    activation: Annotated[
        str | None,
        typer.Option("--activation", metavar="DESTINATION/ACTIVATION", help="List only this activation's runs."),
    ] = None,
    status: Annotated[
        Literal["succeeded", "failed", "superseded", "delivering", "running"] | None,
        typer.Option("--status", help="List only runs of this status."),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--since", metavar="TIME", help="List only runs whose slots are at or after this time, as for --at."
        ),
    ] = None,
    json: AsJson = False,
) -> None:
    """List runs, newest first."""
    from muster.cli.shapes import runs as shapes
    from muster.cli.show import history as show
    from muster.cli.show import terminal
    from muster.runs import list_runs

    whole = everything or json
    workspace = opened(ctx)
    runs = list_runs(
        workspace,
        limit=None if whole else _NEWEST,
        superseded=whole or status == "superseded",
        activation=activation,
        status=status,
        since=None if since is None else workspace.instant(since),
    )
    if json:
        terminal.as_json([shapes.run(run) for run in runs])
    else:
        show.run_list(runs, workspace.config.zone, filtered=bool(activation or status or since))


@group.command()
def show(ctx: typer.Context, run: RunId, json: AsJson = False) -> None:
    """Show one run: counts, files, labels and policies, error."""
    from muster.cli.shapes import runs as shapes
    from muster.cli.show import history, terminal
    from muster.runs import show_run

    workspace = opened(ctx)
    details = show_run(workspace, run)
    if json:
        told = (
            {} if details.run.audiences is None else {"told": shapes.told(details.run), "answers": details.run.answers}
        )
        terminal.as_json(shapes.run(details.run) | told | {"governance": details.governance})
    else:
        history.run_details(details, workspace.config.zone)


@group.command()
def rejects(ctx: typer.Context, run: RunId, json: AsJson = False) -> None:
    """List every profile that a run left out, with the reason."""
    from muster.cli.shapes import runs as shapes
    from muster.cli.show import history, terminal
    from muster.runs import show_rejects

    found = show_rejects(opened(ctx), run)
    if json:
        terminal.as_json([shapes.reject(each) for each in found.rejects])
    else:
        history.rejects(found)


@group.command()
def retry(ctx: typer.Context, run: RunId, json: AsJson = False) -> None:
    """Let the next run offer again whom a receiver of messages refused."""
    from muster.cli.shapes import runs as shapes
    from muster.cli.show import history, terminal
    from muster.runs import retry_rejects

    workspace = opened(ctx)
    found = retry_rejects(workspace, run, now=instant(None, workspace))
    if json:
        terminal.as_json(shapes.retried(found))
    elif not ctx.obj.quiet:
        history.retried(found)
