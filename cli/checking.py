"""The commands that look back at what was delivered: verify, reconcile."""

import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Annotated

import typer

from cli.app import AsJson, app

Runs = Annotated[
    list[str] | None, typer.Argument(metavar="[RUN...]", help="Runs, by id or the start of it. Default: each activation's newest.")
]


@app.command()
def verify(
    ctx: typer.Context,
    runs: Runs = None,
    everything: Annotated[bool, typer.Option("--all", help="Every run that succeeded.")] = False,
    json: AsJson = False,
) -> None:
    """Read delivered files again, and say which are not as they were delivered; writes nothing."""
    from cli import audits, context, render, render_audits

    with context.reading(ctx.obj) as session, _working(ctx, "verifying"):
        checked = audits.verify(session, runs or (), everything=everything)
    if json:
        render.as_json([audits.verified_shape(each) for each in checked])
    elif not ctx.obj.quiet:
        render_audits.verified(checked)
    render_audits.differences(checked)
    raise typer.Exit(1 if any(each.result == "differs" for each in checked) else 0)


def _working(ctx: typer.Context, what: str) -> AbstractContextManager[None]:
    if not sys.stderr.isatty():
        return nullcontext()
    from cli import progress, render

    return progress.bar(what, render.err(), quiet=ctx.obj.quiet or ctx.obj.verbose)
