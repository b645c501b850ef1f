"""The command line of `muster`: global options first, the answer to `--help`, everything else to Typer (SPEC 9, 10).

Whatever is not needed at once is imported where it is used (PLC0415): help and completion answer at once.
"""

import gc
import sys
from typing import TYPE_CHECKING

from muster.activation.errors import InputError, MovedError, MusterError
from muster.cli.arguments import hoist, verbose
from muster.cli.process import streams

if TYPE_CHECKING:
    from typer import Context
    from typer.exceptions import TyperException

_HELP = (["--help"], ["-h"])
_TIMES = 5  # that a command which only reads is carried out, where others change the state beneath it


def carry_out() -> int:
    """Do what the command line says; the exit code."""
    gc.disable()  # what is loaded now stays: looking through it for garbage takes a tenth of a short command
    try:
        with streams.prepared():
            return _end()
    finally:
        gc.enable()


def _end() -> int:
    """Carry out the command, and say how it ended: with a message and an exit code, never with a traceback."""
    try:
        code = _front_page() if sys.argv[1:] in _HELP else _command()
        sys.stdout.flush()
    except MusterError as problem:  # outside of a command: options, or the output cannot be written
        _fail(problem, verbose=verbose())
        return problem.exit_code
    except KeyboardInterrupt:
        return 130
    except Exception as problem:  # noqa: BLE001  # the last resort: a fault of muster's is one message too
        return _fault(problem)
    return code


def _front_page() -> int:
    from muster.cli.show import front_page, help_page

    help_page.show(front_page.FRONT_PAGE)
    return 0


def _command() -> int:
    from typer.exceptions import TyperException

    from muster.cli import commands  # noqa: F401  # they add their commands to the app
    from muster.cli.app import whole_command

    more = _TIMES
    while True:
        more -= 1
        try:
            return int(whole_command()(args=hoist(sys.argv[1:]), prog_name="muster", standalone_mode=False) or 0)
        except TyperException as problem:
            return _usage(problem)
        except MovedError:  # nothing was said or written yet
            if not more:
                raise


def _usage(problem: "TyperException") -> int:
    """A mistake in the command line, said as any other mistake is; help that was asked for by saying too little is there already."""
    said = problem.format_message()
    context: Context | None = getattr(problem, "ctx", None)
    if said:
        command = context.command_path if context else "muster"
        _fail(InputError(f"{said[:1].lower()}{said[1:].rstrip('.')}; see `{command} --help`"), verbose=False)
    return InputError.exit_code


def _fail(problem: BaseException, *, verbose: bool) -> None:
    from muster.cli.show import text

    text.error(problem, verbose=verbose)


def _fault(problem: Exception) -> int:
    """What an error's own words say may be profile data, so a report has its kind and its places only."""
    from muster.cli.process import logs

    message = f"unexpected: {logs.kind(problem)}; this is a fault of muster: report it with what -v shows"
    _fail(MusterError(message), verbose=verbose())
    if verbose():
        import logging

        logging.getLogger("muster").error("traceback", exc_info=problem)
    return MusterError.exit_code
