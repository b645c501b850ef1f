"""`muster validate`: check a workspace before a run does."""

import logging
from typing import TYPE_CHECKING, Annotated

import typer

from muster.cli.app import app
from muster.cli.invocation import instant, opened
from muster.cli.options import AsJson, At

if TYPE_CHECKING:
    from muster.runs import OpenWorkspace

Offline = Annotated[
    bool,
    typer.Option(
        "--offline", help="Ask no destination, and only warn of missing variables that exports alone need: for CI."
    ),
]


@app.command()
def validate(ctx: typer.Context, at: At = None, offline: Offline = False, json: AsJson = False) -> None:
    """Check the YAML files, the rules and mappings against the data, and the destinations. Read-only."""
    from muster import runs
    from muster.cli.process import logs
    from muster.cli.shapes import calls
    from muster.cli.show import reports, terminal

    with logs.warnings_collected() as warnings:
        try:
            workspace = _opened(ctx, offline=offline)
            validation = runs.validate(workspace, now=instant(at, workspace), offline=offline)
        except runs.MusterError as error:
            if json:
                terminal.as_json(calls.stopped(error, warnings))
            raise
    if json:
        terminal.as_json(calls.validated(validation, warnings))
    elif not ctx.obj.quiet:
        reports.validation(validation, workspace.config.zone)
    for problem in validation.problems:
        terminal.error(problem, verbose=bool(ctx.obj.verbose))
    raise typer.Exit(0 if validation.is_valid else 2)


def _opened(ctx: typer.Context, *, offline: bool) -> "OpenWorkspace":
    """The workspace; beside mistakes, ``offline`` warns of missing variables that only exports need (SPEC 9)."""
    from muster.runs import ConfigError

    try:
        return opened(ctx)
    except ConfigError as error:
        if not offline:
            raise
        for each in error.problems:
            if each.stops_only_exports:
                logging.getLogger("muster").warning("%s", each)
        raise ConfigError(each for each in error.problems if not each.stops_only_exports) from None
