"""The frame around a command's one call of `muster.runs`: open the workspace, take the instant, show progress."""

import gc
import sys
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from muster.cli.process import clock

if TYPE_CHECKING:
    from collections.abc import Mapping

    import typer

    from muster.cli.arguments import Options
    from muster.runs import OpenWorkspace


def opened(ctx: "typer.Context") -> "OpenWorkspace":
    """The workspace that the global options name."""
    return open_with(ctx.obj)


def open_with(options: "Options", variables: "Mapping[str, str] | None" = None) -> "OpenWorkspace":
    """The workspace that these options name; ``variables`` are in the place of the environment."""
    from muster.runs import open_workspace

    workspace = open_workspace(
        options.workspace,
        variables=variables,
        memory_limit=options.memory_limit,
        wait=options.wait,
        allow_insecure_state=options.allow_insecure,
        clock=clock.now,
    )
    gc.freeze()  # what was loaded stays: nobody looks for garbage among it while the command works
    gc.enable()  # ``command_line`` disabled it
    return workspace


def instant(at: str | None, workspace: "OpenWorkspace") -> datetime:
    """The instant of ``--at``, by default now; warns of one more than a day ahead of the clock (E1)."""
    now = clock.now()
    if at is None:
        return now
    moment = workspace.instant(at)
    if moment - now > timedelta(days=1):
        import logging

        from muster.runs import iso

        logging.getLogger("muster").warning("--at %s is more than a day ahead of this machine's clock", iso(moment))
    return moment


def progress(ctx: "typer.Context", label: str) -> AbstractContextManager[None]:
    """Show a progress bar while the block runs, if stderr is a terminal."""
    if not sys.stderr.isatty():  # ``bar`` looks too, but loads Rich's progress first
        return nullcontext()
    from muster.cli.process.progress import bar
    from muster.cli.show import terminal

    return bar(label, terminal.err(), quiet=ctx.obj.quiet or ctx.obj.verbose)
