"""The commands that look back at what was delivered: verify, reconcile."""

from typing import Annotated

import typer

from muster.cli.app import AsJson, At, app
from muster.cli.commands.run import working_on

Runs = Annotated[
    list[str] | None,
    typer.Argument(metavar="[RUN...]", help="Runs, by id or the start of it. Default: each activation's newest."),
]


@app.command()
def verify(
    ctx: typer.Context,
    runs: Runs = None,
    everything: Annotated[bool, typer.Option("--all", help="Every run that succeeded.")] = False,
    json: AsJson = False,
) -> None:
    """Read delivered files again, and say which are not as they were delivered; writes nothing."""
    from muster.cli.show import audits as render_audits
    from muster.cli.show import text
    from muster.runs import audits, opening

    with opening.reading(ctx.obj) as session, working_on(ctx, "verifying"):
        checked = audits.verify(session, runs or (), everything=everything)
    if json:
        text.as_json([audits.verified_shape(each) for each in checked])
    elif not ctx.obj.quiet:
        render_audits.verified(checked)
    render_audits.differences(checked)
    raise typer.Exit(1 if any(each.result == "differs" for each in checked) else 0)


@app.command()
def reconcile(
    ctx: typer.Context,
    activation: Annotated[str, typer.Argument(metavar="DESTINATION/ACTIVATION", help="Whose files.")],
    at: At = None,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=0, help="How many profile ids -v and --json show.")
    ] = 100,
    json: AsJson = False,
) -> None:
    """Replay what was delivered as a receiver would, and compare with what the ledger says it has; writes nothing."""
    from muster.activation.audit.reconcile import reconcile as replay
    from muster.cli.show import audits as render_audits
    from muster.cli.show import text
    from muster.runs import audits, opening

    with opening.reading(ctx.obj, at) as session, working_on(ctx, "replaying"):
        found = replay(session, activation)
    if json:
        text.as_json(audits.reconciled_shape(found, limit))
    elif not ctx.obj.quiet:
        render_audits.reconciled(found, limit if ctx.obj.verbose else 0)
    render_audits.disagreement(found)
    raise typer.Exit(0 if found.is_equal else 1)
