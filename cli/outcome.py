"""The end of a command that does work: print the report and the errors, exit with the report's code."""

from typing import TYPE_CHECKING, NoReturn

import typer

if TYPE_CHECKING:
    from muster.runs import Report


def finish(ctx: typer.Context, report: "Report") -> NoReturn:
    """Print what was done and what failed, and end with the report's exit code (X1)."""
    if report.errors or not ctx.obj.quiet:  # else there is nothing to print, and no need to load what prints
        from muster.cli.show import reports

        if not ctx.obj.quiet:
            reports.report(report)
        reports.failures(report, verbose=bool(ctx.obj.verbose))
    raise typer.Exit(report.exit_code)
