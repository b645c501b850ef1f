"""The command line of `muster`: global options first, the answer to `--help`, everything else to Typer (SPEC 9, 10).

Whatever is not needed at once is imported where it is used (PLC0415): help and completion answer at once.
"""

import gc
import sys
from typing import TYPE_CHECKING

from muster import runs
from muster.cli.process import limits, streams

if TYPE_CHECKING:
    from typer import Context
    from typer.exceptions import TyperException

_HELP = (["--help"], ["-h"])


def carry_out() -> int:
    """Carry out the command line, and return the exit code."""
    gc.disable()  # modules that are loaded stay: collecting garbage among them takes a tenth of a short command
    try:
        with streams.prepared(), limits.told():
            return _end()
    finally:
        gc.unfreeze()
        gc.enable()


def _end() -> int:
    """Carry out the command; it ends with a message and an exit code, never with a traceback."""
    try:
        code = _front_page() if sys.argv[1:] in _HELP else _command()
        sys.stdout.flush()
    except runs.MusterError as problem:  # outside of a command: global options, or output that cannot be written
        from muster.cli.arguments import is_verbose

        _fail(problem, verbose=is_verbose())
        return problem.exit_code
    except KeyboardInterrupt:
        return 130
    except Exception as problem:  # noqa: BLE001  # the last resort: a bug is one message too
        return _fault(problem)
    return code


def _front_page() -> int:
    from muster.cli.show import front_page

    front_page.show()
    return 0


def _command() -> int:
    from typer.exceptions import TyperException

    from muster.cli.app import reader_of
    from muster.cli.arguments import command_in, hoist

    try:
        words = hoist(sys.argv[1:])
        return int(reader_of(command_in(words))(args=words, prog_name="muster", standalone_mode=False) or 0)
    except TyperException as problem:
        return _usage(problem)


def _usage(problem: "TyperException") -> int:
    """Print a mistake in the command line like any other; without a message, help was printed instead."""
    message = _in_plain_words(problem.format_message())
    context: Context | None = getattr(problem, "ctx", None)
    if message:
        command = context.command_path if context else "muster"
        see = " See" if message.endswith("?") else "; see"
        _fail(runs.InputError(f"{message}{see} `{command} --help`"), verbose=False)
    return runs.InputError.exit_code


_PLAIN_WORDS = (  # what Typer and Pydantic say of a wrong command line, and how muster says it
    (r"\. Did you mean (.*)\?$", r"; did you mean \1?"),
    (r" \(Possible options: (.*)\)$", r"; did you mean \1?"),
    (r"got unexpected extra arguments?(?:\(s\))? \((.*)\)", r"unexpected argument: \1"),
    (r"Value error, ", ""),
    (r"Input should be a valid integer.*", "expected a whole number"),
    (r"Input should be a valid number.*", "expected a number"),
    (r"Input should be greater than or equal to (\S+)", r"expected at least \1"),
    (r"Input should be less than or equal to (\S+)", r"expected at most \1"),
)


def _in_plain_words(message: str) -> str:
    """Typer's message as one clause in muster's words; a message that is not known stays as it is."""
    import re

    clause = f"{message[:1].lower()}{message[1:].rstrip('.')}"
    for pattern, words in _PLAIN_WORDS:
        clause = re.sub(pattern, words, clause)
    return clause


def _fail(problem: BaseException, *, verbose: bool) -> None:
    from muster.cli.show import terminal

    terminal.error(problem, verbose=verbose)


def _fault(problem: Exception) -> int:
    """Report an unexpected error by its kind and places alone: its message may quote profile data.

    What the system refused for lack of memory, threads, files or space is no fault of muster.
    """
    from muster.cli.arguments import is_verbose
    from muster.cli.process import logs

    lack = limits.lacking(problem)
    message = (
        lack or f"unexpected: {logs.kind(problem)}; this is a bug in muster: please report it with the output of -v"
    )
    _fail(runs.MusterError(message), verbose=is_verbose())
    if is_verbose():
        import logging

        logging.getLogger("muster").error("traceback", exc_info=problem)
    return runs.MusterError.exit_code
