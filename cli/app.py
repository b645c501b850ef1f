"""The Typer app: its global options, and the one error boundary (SPEC 9, 10). ``commands`` adds the commands.

Heavy modules are imported inside the commands (PLC0415), so that help and completion answer at once.
"""

import signal
from collections.abc import Callable
from functools import cache
from pathlib import Path
from traceback import clear_frames
from typing import Annotated, Any, Literal

import typer
from typer.main import get_command

from muster.cli import arguments, commands
from muster.cli.arguments import Options
from muster.cli.process.deadline import End, stopping_in_time
from muster.cli.show import front_page
from muster.cli.typer_classes import Commands, Group
from muster.runs import MusterError


class TerminatedError(BaseException):
    """SIGTERM: stop cleanly, exit 143."""


_ENDS: dict[int, End] = {signal.SIGINT: End(KeyboardInterrupt, 130), signal.SIGTERM: End(TerminatedError, 143)}


class Boundary(Group):
    """The one place where errors become messages and exit codes. Its help is the front page."""

    def format_help(self, _ctx: typer.Context, _formatter: object) -> None:  # type: ignore[override]  # as below
        """Print the front page."""
        front_page.show()

    def invoke(self, ctx: typer.Context) -> object:  # type: ignore[override]  # Typer's context is the group's own
        """Run a command; an error of muster's is one message, never a traceback."""
        watch = None
        try:
            with stopping_in_time(_ENDS) as watch:
                return super().invoke(ctx)
        except MusterError as problem:
            from muster.cli.show import terminal

            terminal.error(problem, verbose=arguments.is_verbose())
            raise typer.Exit(problem.exit_code) from None
        except (KeyboardInterrupt, TerminatedError) as wish:  # Polars knows only the former
            raise _stopped(wish, (watch and watch.wish_met) or wish) from None
        except BaseException as panic:  # what a signal's handler raised inside a call into Polars
            asked = watch.wish_met if watch else None
            if asked is None or type(panic).__name__ != "PanicException":
                raise
            raise _stopped(panic, asked) from None


def _stopped(error: BaseException, asked: BaseException) -> typer.Exit:
    """The exit of a command that was asked to stop; what was stopped halfway is cleaned up now, not as Python ends."""
    clear_frames(error.__traceback__)
    return typer.Exit(143 if isinstance(asked, TerminatedError) else 130)


app = Commands(
    name="muster",
    cls=Boundary,
    help=front_page.FRONT_PAGE.does,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(value: bool) -> None:
    if value:
        from importlib.metadata import version as installed_version

        from muster.cli.show import terminal

        terminal.say(f"muster {installed_version('muster-activation')}")
        raise typer.Exit


Version = Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")]


@app.callback()
def options(
    ctx: typer.Context,
    workspace: Annotated[
        str | None,
        typer.Option(
            "-C",
            "--workspace",
            metavar="FOLDER",
            help="The workspace. Default: this folder or the nearest one above it that holds muster.yml.",
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print only errors.")] = False,
    verbose: Annotated[
        int,
        typer.Option(
            "-v", "--verbose", count=True, show_default=False, help="Log each step; -vv also query plans and timings."
        ),
    ] = 0,
    wait: Annotated[
        float,
        typer.Option(
            "--wait", metavar="SECONDS", min=0, help="Wait this long while another muster works in this workspace."
        ),
    ] = 0,
    log_format: Annotated[
        Literal["text", "json"], typer.Option("--log-format", help="Log as text for people or JSON for programs.")
    ] = "text",
    memory_limit: Annotated[
        str | None,
        typer.Option(
            "--memory-limit", metavar="SIZE", help="Memory to use, such as 2GiB. Default: memory_limit in muster.yml."
        ),
    ] = None,
    allow_insecure_state: Annotated[
        bool, typer.Option("--allow-insecure-state", help="Accept a state folder that other users can write to.")
    ] = False,
    version: Version = False,  # noqa: ARG001  # its callback answers
) -> None:
    """Read the global options."""
    if ctx.invoked_subcommand is None:
        _welcome()
        return
    from muster.cli.process import logs

    logs.set_up(quiet=quiet, verbose=verbose, form=log_format)
    limit = arguments.memory(memory_limit)
    folder = None if workspace is None else Path(workspace)
    ctx.obj = Options(
        folder, quiet=quiet, verbose=verbose, wait=wait, memory_limit=limit, allow_insecure=allow_insecure_state
    )


@cache
def reader_of(name: str = "") -> Callable[..., Any]:
    """What reads command lines of the command ``name``, or without a name of all commands.

    Making that of all takes longer than a small command does.
    """
    commands.load(name)
    return get_command(app)


def _welcome() -> None:
    from muster.cli.show import welcome

    welcome.welcome()
