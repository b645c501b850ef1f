"""The `muster` command: global options, commands, and the one error boundary (SPEC 9, 10).

Heavy modules are imported inside the commands (PLC0415), so that help and completion answer at once.
"""

import logging
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib.metadata import version as installed_version
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from activation import stopping
from activation.errors import InputError, MusterError
from cli import streams

if TYPE_CHECKING:
    from cli.jobs import Report

_GLOBAL_FLAGS = {"-q", "--quiet", "-v", "-vv", "--verbose"}
_GLOBAL_VALUES = {"-C", "--workspace", "--wait", "--log-format"}
_ANYWHERE = "-C FOLDER, -q, -v, --wait SECONDS and --log-format may stand before or after the command; see `muster --help`."


class TerminatedError(BaseException):
    """SIGTERM: stop cleanly, exit 143."""


class Boundary(TyperGroup):
    """The one place where errors become messages and exit codes."""

    def invoke(self, ctx: typer.Context) -> object:  # type: ignore[override]  # Typer's context is the group's own
        """Run a command; a user's mistake is one message, never a traceback."""
        try:
            with _terminable():
                return super().invoke(ctx)
        except MusterError as problem:
            _fail(problem, verbose=_verbose())
            raise typer.Exit(problem.exit_code) from None
        except KeyboardInterrupt:
            raise typer.Exit(130) from None
        except TerminatedError:
            raise typer.Exit(143) from None


def _verbose() -> bool:
    """Whether details are asked for; also before the options are parsed."""
    return any(argument in {"-v", "-vv", "--verbose"} for argument in sys.argv)


def _fail(problem: BaseException, *, verbose: bool) -> None:
    from cli import render

    render.error(problem, verbose=verbose)


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    stopping.stop(TerminatedError())


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    stopping.stop(KeyboardInterrupt())


app = typer.Typer(
    name="muster",
    cls=Boundary,
    help="Activate audiences in batch: Parquet snapshots in, exactly the people who joined, stayed or left out, per audience.",
    epilog=f"Start with `muster demo` to see the whole story on sample data, or `muster init` for a workspace of your own. {_ANYWHERE}",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
schedule_app = typer.Typer(help="Schedules in words, the next fire times, a crontab to paste.", no_args_is_help=True)
runs_app = typer.Typer(help="History: what was exported, what was left out and why.", no_args_is_help=True)
audiences_app = typer.Typer(help="Audiences: sizes, and changes since the previous evaluation.", no_args_is_help=True)
evaluations_app = typer.Typer(help="Evaluations: list them, or forget those after a mistyped --at.", no_args_is_help=True)
baseline_app = typer.Typer(help="Baselines: what each activation delivered last.", no_args_is_help=True)
for _name, _group in (
    ("schedule", schedule_app),
    ("runs", runs_app),
    ("audiences", audiences_app),
    ("evaluations", evaluations_app),
    ("baseline", baseline_app),
):
    app.add_typer(_group, name=_name, epilog=_ANYWHERE)

At = Annotated[
    str | None, typer.Option("--at", metavar="TIME", help="The instant to work at: ISO 8601, naive = the workspace's zone. Default: now.")
]
AsJson = Annotated[bool, typer.Option("--json", metavar="", help="Print JSON and nothing else.")]
AllowEmpty = Annotated[bool, typer.Option("--allow-empty", metavar="", help="Accept a profile snapshot without rows: every member leaves.")]
Override = Annotated[
    list[str] | None, typer.Option("--override-guards", metavar="D/A", help="Let this activation's guards through, this time.")
]
Activations = Annotated[list[str], typer.Argument(metavar="DESTINATION/ACTIVATION", help="What to export.")]


def _show_version(value: bool) -> None:
    if value:
        from cli import render

        render.say(f"muster {installed_version('muster-activation')}")
        raise typer.Exit


Version = Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True, metavar="", help="Print the version.")]


@app.callback()
def options(
    ctx: typer.Context,
    workspace: Annotated[
        Path | None,
        typer.Option("-C", "--workspace", metavar="FOLDER", help="The workspace. Default: the nearest folder upwards with muster.yml."),
    ] = None,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", metavar="", help="Print errors alone.")] = False,
    verbose: Annotated[
        int, typer.Option("-v", "--verbose", count=True, metavar="", show_default=False, help="Log steps; -vv also plans and times.")
    ] = 0,
    wait: Annotated[
        float, typer.Option("--wait", metavar="SECONDS", min=0, help="How long to wait for another muster in this workspace.")
    ] = 0,
    log_format: Annotated[Literal["text", "json"], typer.Option("--log-format", help="Log lines for people or machines.")] = "text",
    version: Version = False,  # noqa: ARG001  # its callback answers
) -> None:
    """Read the global options."""
    from cli import logs
    from cli.context import Options

    logs.set_up(quiet=quiet, verbose=verbose, form=log_format)
    ctx.obj = Options(workspace, quiet=quiet, verbose=verbose, wait=wait)
    if ctx.invoked_subcommand is None:
        _welcome()


def _welcome() -> None:
    from cli import render

    render.welcome()


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM stops the command as Ctrl-C does: what was begun is cleaned up or left for the next command to finish."""
    stopping.begin()
    before = {number: signal.signal(number, handler) for number, handler in ((signal.SIGTERM, _terminate), (signal.SIGINT, _interrupt))}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@app.command(epilog=_ANYWHERE)
def init(folder: Annotated[Path, typer.Argument(metavar="DIR", help="An empty or new folder.")] = Path()) -> None:
    """Make a working workspace with sample data and commented YAML."""
    from cli import render, story

    render.started(story.make_workspace(folder), story.SECOND_DAY)


@app.command(epilog=_ANYWHERE)
def demo(
    ctx: typer.Context, folder: Annotated[Path, typer.Argument(metavar="DIR", help="An empty or new folder.")] = Path("muster-demo")
) -> None:
    """Tell the whole story on sample data: two days, evaluate, full, incremental, on demand."""
    from cli import story

    story.tell(folder, ctx.obj)


@app.command(epilog=_ANYWHERE)
def validate(ctx: typer.Context, at: At = None) -> None:
    """Check YAML, expressions, columns and types against the data, and destinations; writes nothing."""
    from cli import context, render, validation

    with context.reading(ctx.obj, at) as session:
        checked = validation.validate(session)
    if not ctx.obj.quiet:
        render.validated(checked)
    for problem in checked.problems:
        render.error(problem, verbose=bool(ctx.obj.verbose))
    raise typer.Exit(2 if checked.problems else 0)


@app.command(epilog=_ANYWHERE)
def evaluate(
    ctx: typer.Context,
    at: At = None,
    audience: Annotated[
        list[str] | None, typer.Option("--audience", metavar="A", help="Only this audience and those it refers to.")
    ] = None,
    no_exports: Annotated[bool, typer.Option("--no-exports", metavar="", help="Leave after-evaluation exports due.")] = False,
    replace: Annotated[
        bool, typer.Option("--replace", metavar="", help="Evaluate again at the newest instant, if no run has used it.")
    ] = False,
    allow_empty: AllowEmpty = False,
) -> None:
    """Decide who is in each audience, then carry out the exports that follow evaluations."""
    from cli import context, jobs

    with context.writing(ctx.obj, at, allow_empty=allow_empty) as session, _working(ctx, "evaluating"):
        result = jobs.evaluate_job(session, audience or (), exports=not no_exports, replace=replace)
    _finish(ctx, result)


@app.command(epilog=_ANYWHERE)
def run(ctx: typer.Context, at: At = None, override_guards: Override = None, allow_empty: AllowEmpty = False) -> None:
    """Do what is due: finish what was interrupted, evaluate, export. What cron calls."""
    from cli import context, jobs

    with context.writing(ctx.obj, at, allow_empty=allow_empty) as session, _working(ctx, "running"):
        result = jobs.run_job(session, override_guards or ())
    _finish(ctx, result)


@app.command(epilog=_ANYWHERE)
def export(ctx: typer.Context, activations: Activations, at: At = None, allow_empty: AllowEmpty = False) -> None:
    """Export one extra full file of the newest evaluation, now; schedules and baselines stay as they are."""
    from cli import context, jobs

    with context.writing(ctx.obj, at, allow_empty=allow_empty) as session, _working(ctx, "exporting"):
        result = jobs.export_job(session, activations)
    _finish(ctx, result)


@app.command(epilog=_ANYWHERE)
def plan(
    ctx: typer.Context, at: At = None, json: AsJson = False, override_guards: Override = None, allow_empty: AllowEmpty = False
) -> None:
    """Show what `run` would do, with exact counts, and end as it would; writes nothing."""
    from cli import context, jobs, render, shapes

    with context.reading(ctx.obj, at) as session, _working(ctx, "planning"):
        session.allow_empty = allow_empty
        planned = jobs.plan_job(session, override_guards or ())
    if json:
        render.as_json([shapes.step(step.action, step.outcome.run if step.outcome else None, step.evaluation) for step in planned.steps])
    elif not ctx.obj.quiet:
        render.plan(planned)
    render.failures(planned.report, verbose=bool(ctx.obj.verbose))
    raise typer.Exit(planned.report.exit_code)


def _working(ctx: typer.Context, what: str) -> AbstractContextManager[None]:
    from cli import progress, render

    return progress.bar(what, render.err(), quiet=ctx.obj.quiet or ctx.obj.verbose)


def _finish(ctx: typer.Context, result: "Report") -> None:
    """Say what was done and what failed, and end with the exit code that tells it."""
    from cli import render

    if not ctx.obj.quiet:
        render.report(result)
    render.failures(result, verbose=bool(ctx.obj.verbose))
    raise typer.Exit(result.exit_code)


def hoist(arguments: Sequence[str]) -> list[str]:
    """Global options first, wherever they stood: ``run -C shop`` is ``-C shop run``. What follows ``--`` stays."""
    front: list[str] = []
    rest: list[str] = []
    words = iter(arguments)
    for word in words:
        if word == "--":
            rest += [word, *words]
        elif word in _GLOBAL_FLAGS or word.startswith(tuple(f"{name}=" for name in _GLOBAL_VALUES if name.startswith("--"))):
            front.append(word)
        elif word in _GLOBAL_VALUES:
            front += [word, _value_of(word, words)]
        else:
            rest.append(word)
    return [*front, *rest]


def _value_of(option: str, words: Iterator[str]) -> str:
    value = next(words, None)
    if value is None:
        raise InputError(f"option {option!r} needs a value; see `muster --help`")
    return value


def main() -> None:
    """The entry point."""
    with streams.prepared(native_noise=_verbose()):
        sys.exit(_end())


def _end() -> int:
    """Carry out the command line, and say how it ended: with a message and an exit code, never with a traceback."""
    from cli import listing  # noqa: F401  # adds the commands that list

    try:
        code = app(args=hoist(sys.argv[1:]), prog_name="muster", standalone_mode=False)
        sys.stdout.flush()
    except TyperException as problem:
        return _usage(problem)
    except MusterError as problem:  # outside of a command: options, or the output cannot be written
        _fail(problem, verbose=_verbose())
        return problem.exit_code
    except KeyboardInterrupt:
        return 130
    except Exception as problem:  # noqa: BLE001  # the last resort: a fault of muster's is one message too
        return _fault(problem)
    return int(code or 0)


def _usage(problem: TyperException) -> int:
    """A mistake in the command line, said as any other mistake is; help that was asked for by saying too little is there already."""
    said = problem.format_message()
    context: typer.Context | None = getattr(problem, "ctx", None)
    if said:
        command = context.command_path if context else "muster"
        _fail(InputError(f"{said[:1].lower()}{said[1:].rstrip('.')}; see `{command} --help`"), verbose=False)
    return InputError.exit_code


def _fault(problem: Exception) -> int:
    message = f"unexpected: {type(problem).__name__}: {problem}; this is a fault of muster: report it with what -v shows"
    _fail(MusterError(message), verbose=_verbose())
    if _verbose():
        logging.getLogger("muster").error("traceback", exc_info=problem)
    return MusterError.exit_code
