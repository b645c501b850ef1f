"""The Typer app: groups of commands, global options, the shared ones, and the one error boundary (SPEC 9, 10).

Heavy modules are imported inside the commands (PLC0415), so that help and completion answer at once.
"""

import signal
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from traceback import clear_frames
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from muster.activation.errors import MovedError, MusterError
from muster.activation.system import interrupts
from muster.cli import arguments
from muster.cli.arguments import Options
from muster.cli.process.deadline import End, stopping_in_time
from muster.cli.show.front_page import ANYWHERE, FRONT_PAGE


class TerminatedError(BaseException):
    """SIGTERM: stop cleanly, exit 143."""


def _show_page(command: TyperCommand | TyperGroup, ctx: typer.Context) -> None:
    from muster.cli.show import help_page

    help_page.show(help_page.page_of(command, ctx))


def _read(parameter: Any, read: Callable[[Any, Any], Any], ctx: typer.Context, value: Any) -> Any:
    """The value of a parameter. Text, and what was not given, is as it is; all else is read by Typer.

    Typer reads with Pydantic, which takes longer to load than all that a small command does.
    """
    kind = getattr(getattr(parameter, "type_descriptor", None), "annotation", None)
    source = ctx.get_parameter_source(parameter.name)
    given = source is None or source.name != "DEFAULT"
    if value is None and not parameter.required:
        value = () if parameter.multiple or parameter.nargs == -1 else None
    elif isinstance(value, tuple) and value and kind == list[str]:
        value = list(value)
    elif value is None or (given and not (kind is str and isinstance(value, str))):
        return read(ctx, value)
    return parameter.callback(ctx, parameter, value) if parameter.callback else value


def _read_lightly(parameters: list[Any]) -> list[Any]:
    for each in parameters:
        if "process_value" not in vars(each):
            each.process_value = partial(_read, each, each.process_value)
    return parameters


class Command(TyperCommand):
    """A command with muster's help page."""

    def get_params(self, ctx: typer.Context) -> list[Any]:  # type: ignore[override]  # Typer's context is the command's own
        """What it takes, help included."""
        return _read_lightly(super().get_params(ctx))

    def format_help(self, ctx: typer.Context, _formatter: object) -> None:  # type: ignore[override]  # Typer's context is the command's own
        """Print the page."""
        _show_page(self, ctx)


class Group(TyperGroup):
    """A group of commands with muster's help page."""

    def get_params(self, ctx: typer.Context) -> list[Any]:  # type: ignore[override]  # Typer's context is the command's own
        """What it takes, help included."""
        return _read_lightly(super().get_params(ctx))

    def format_help(self, ctx: typer.Context, _formatter: object) -> None:  # type: ignore[override]  # as above
        """Print the page."""
        _show_page(self, ctx)


class Boundary(Group):
    """The one place where errors become messages and exit codes."""

    def invoke(self, ctx: typer.Context) -> object:  # type: ignore[override]  # Typer's context is the group's own
        """Run a command; a user's mistake is one message, never a traceback. What is to be run again is for ``process.command_line``."""
        try:
            with stopping_in_time(_ENDS):
                return super().invoke(ctx)
        except MovedError:
            raise
        except MusterError as problem:
            from muster.cli.show import text

            text.error(problem, verbose=arguments.verbose())
            raise typer.Exit(problem.exit_code) from None
        except (KeyboardInterrupt, TerminatedError) as wish:  # Polars knows only the former
            clear_frames(wish.__traceback__)  # what was stopped halfway ends now, not when Python itself is gone
            raise typer.Exit(143 if isinstance(interrupts.requested() or wish, TerminatedError) else 130) from None


_ENDS: dict[int, End] = {signal.SIGINT: End(KeyboardInterrupt, 130), signal.SIGTERM: End(TerminatedError, 143)}


class Commands(typer.Typer):
    """Commands whose help has muster's page, and says at its end what holds for each."""

    def command(self, name: str | None = None, **settings: Any) -> Callable[[Any], Any]:
        """Add a command."""
        return super().command(name, cls=Command, epilog=ANYWHERE, **settings)


app = Commands(
    name="muster",
    cls=Boundary,
    help=FRONT_PAGE.does,
    epilog=FRONT_PAGE.end,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
schedule_app = Commands(help="Schedules in words, the next fire times, a crontab to paste.", no_args_is_help=True)
runs_app = Commands(help="History: what was exported, what was left out and why.", no_args_is_help=True)
audiences_app = Commands(help="Audiences: sizes, and changes since the previous evaluation.", no_args_is_help=True)
evaluations_app = Commands(help="Evaluations: list them, or forget those after a mistyped --at.", no_args_is_help=True)
baseline_app = Commands(help="Baselines: what each activation delivered last.", no_args_is_help=True)
destinations_app = Commands(
    help="Destinations: list them, and check that files can be brought there.", no_args_is_help=True
)
presets_app = Commands(help="Receiver presets: what files for well-known receivers are like.", no_args_is_help=True)
state_app = Commands(help="The state folder: check it, repair it, back it up, restore it.", no_args_is_help=True)
for _name, _group in (
    ("schedule", schedule_app),
    ("runs", runs_app),
    ("audiences", audiences_app),
    ("evaluations", evaluations_app),
    ("baseline", baseline_app),
    ("destinations", destinations_app),
    ("presets", presets_app),
    ("state", state_app),
):
    app.add_typer(_group, name=_name, cls=Group, epilog=ANYWHERE)

At = Annotated[
    str | None,
    typer.Option(
        "--at", metavar="TIME", help="The instant to work at: ISO 8601, naive = the workspace's zone. Default: now."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
AllowEmpty = Annotated[
    bool, typer.Option("--allow-empty", help="Accept a profile snapshot without rows: every member leaves.")
]


def _show_version(value: bool) -> None:
    if value:
        from importlib.metadata import version as installed_version

        from muster.cli.show import text

        text.say(f"muster {installed_version('muster-activation')}")
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
            help="The workspace. Default: the nearest folder upwards with muster.yml.",
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print errors alone.")] = False,
    verbose: Annotated[
        int,
        typer.Option("-v", "--verbose", count=True, show_default=False, help="Log steps; -vv also plans and times."),
    ] = 0,
    wait: Annotated[
        float,
        typer.Option("--wait", metavar="SECONDS", min=0, help="How long to wait for another muster in this workspace."),
    ] = 0,
    log_format: Annotated[
        Literal["text", "json"], typer.Option("--log-format", help="Log lines for people or machines.")
    ] = "text",
    memory_limit: Annotated[
        str | None,
        typer.Option(
            "--memory-limit", metavar="SIZE", help="How much memory to use, such as 2GiB. Default: as muster.yml says."
        ),
    ] = None,
    allow_insecure_state: Annotated[
        bool,
        typer.Option("--allow-insecure-state", help="Work with a state folder that others than its owner can write."),
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
def whole_command() -> Callable[..., Any]:
    """All commands as one; making it takes as long as a small command does."""
    return get_command(app)


def _welcome() -> None:
    from muster.cli.show import text

    text.welcome()
