"""From command-line options to an open session: the config, the instant, the state and its lock.

What works with data is imported where it is used (PLC0415): commands that tell what was done answer without it.
"""

import gc
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from activation import config
from activation.errors import ConfigError, InputError, MusterError
from activation.hidden import hide, hide_in
from activation.instants import iso, parse_instant
from activation.ledger import Ledger
from activation.state_folder import StateFolder
from activation.workspace import Workspace
from cli.arguments import Options
from schedules import check

if TYPE_CHECKING:
    from activation.session import Session

log = logging.getLogger("muster")


def clock() -> datetime:
    """The machine's clock, cut to whole seconds: read for the default of ``--at`` and for the record only (E1)."""
    return datetime.now(UTC).replace(microsecond=0)


def find_workspace(options: Options) -> Path:
    """The folder of the workspace: ``-C``, or the nearest one upwards that holds ``muster.yml``."""
    if options.workspace is None:
        return config.find_root(Path.cwd())
    folder = options.workspace
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "there is no such folder"
        raise InputError(f"{folder}: {what}; expected a workspace: the folder that holds muster.yml, see `muster init`")
    if not (folder / "muster.yml").is_file():
        raise InputError(f"{folder}: holds no muster.yml; expected a workspace, see `muster init`")
    return folder.absolute()


def load(options: Options) -> Workspace:
    """The workspace, with every mistake of its YAML files reported at once."""
    from activation import rules

    root = find_workspace(options)
    workspace, problems = config.read(root, os.environ)
    if workspace is not None:
        problems = [*problems, *rules.problems(workspace), *check.problems(workspace)]
        problems = [replace(problem, message=hide(problem.message, workspace.variables)) for problem in problems]
    if problems or workspace is None:
        raise ConfigError(problems)
    gc.enable()  # `main` switched it off while everything was loaded
    return workspace if options.memory_limit is None else replace(workspace, memory_limit=options.memory_limit)


@contextmanager
def _secrets_hidden(workspace: Workspace) -> Iterator[None]:
    """No error leaves with the value of a variable in its words (SPEC 2)."""
    try:
        yield
    except MusterError as error:
        hide_in(error, workspace.variables)
        raise


def instant(text: str | datetime | None, workspace: Workspace) -> datetime:
    """``--at``, default now; an instant more than a day ahead is warned of (E1), unless it is the program's own choice."""
    if text is None:
        return clock()
    if isinstance(text, datetime):
        return text
    at = parse_instant(text, workspace.zone)
    if at > clock() + timedelta(days=1):
        log.warning("--at %s is more than a day ahead of this machine's clock", iso(at))
    return at


@contextmanager
def ledger_alone(options: Options) -> Iterator[Ledger]:
    """The last committed ledger, for commands that tell what was done."""
    workspace = load(options)
    with _secrets_hidden(workspace), StateFolder(workspace.state, workspace.file_mode).reading() as ledger:
        yield ledger


@contextmanager
def reading(options: Options, at: str | None = None) -> Iterator["Session"]:
    """A session that sees the last committed state and writes nothing."""
    from activation.session import Session
    from activation.state import State

    workspace = load(options)
    state = State(workspace.state, workspace.file_mode)
    with _secrets_hidden(workspace), state.reading() as ledger:
        yield Session(workspace, state, ledger, instant(at, workspace), clock)


@contextmanager
def writing(options: Options, at: str | datetime | None = None, *, allow_empty: bool = False) -> Iterator["Session"]:
    """A session that holds the workspace's lock."""
    from activation.session import Session
    from activation.state import State

    workspace = load(options)
    moment = instant(at, workspace)
    state = State(workspace.state, workspace.file_mode)
    with _secrets_hidden(workspace), state.writing(options.wait) as ledger:
        yield Session(workspace, state, ledger, moment, clock, allow_empty=allow_empty)
