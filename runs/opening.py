"""From command-line options to an open session: the config, the instant, the state and its lock.

What works with data is imported where it is used (PLC0415): commands that tell what was done answer without it.
"""

import gc
import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from muster.activation.config.sources import Sources, find_root, read_sources
from muster.activation.errors import ConfigError, InputError, MovedError, MusterError
from muster.activation.instants import iso, parse_instant
from muster.activation.model.redaction import redact, redact_error
from muster.activation.model.workspace import Workspace
from muster.activation.state.folder import StateFolder
from muster.activation.state.ledger.database import Ledger
from muster.cli.arguments import Options
from muster.runs import config_cache

if TYPE_CHECKING:
    from muster.activation.session import Session
    from muster.activation.state.files import State

log = logging.getLogger("muster")


def clock() -> datetime:
    """The machine's clock, cut to whole seconds: read for the default of ``--at`` and for the record only (E1)."""
    return datetime.now(UTC).replace(microsecond=0)


def find_workspace(options: Options) -> Path:
    """The folder of the workspace: ``-C``, or the nearest one upwards that holds ``muster.yml``."""
    if options.workspace is None:
        return find_root(Path.cwd())
    folder = options.workspace
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "there is no such folder"
        raise InputError(f"{folder}: {what}; expected a workspace: the folder that holds muster.yml, see `muster init`")
    if not (folder / "muster.yml").is_file():
        raise InputError(f"{folder}: holds no muster.yml; expected a workspace, see `muster init`")
    return folder.absolute()


@dataclass(frozen=True)
class _Config:
    """The config as it was read: from its files, or from what was remembered of them."""

    sources: Sources
    workspace: Workspace
    is_remembered: bool

    def keep(self) -> None:
        """Remember that it was checked. With the lock held."""
        if not self.is_remembered:
            config_cache.remember(self.workspace, self.sources, self._stand_in())

    def _stand_in(self) -> Workspace | None:
        """The workspace without values of variables: with words in their places, if it can be had with them."""
        from muster.activation.config import workspace as config

        if not self.workspace.variables:
            return self.workspace
        workspace, problems = config.read(self.sources, config_cache.stand_ins(self.workspace.variables))
        return None if problems else workspace


def _load(options: Options, *, afresh: bool = False) -> _Config:
    """The config, with every mistake of its YAML files reported at once."""
    sources = read_sources(find_workspace(options))
    known = None if afresh else config_cache.recall(sources, os.environ)
    workspace = known or _checked(sources)
    gc.enable()  # `main` switched it off while everything was loaded
    return _Config(sources, workspace, is_remembered=known is not None)


def _checked(sources: Sources) -> Workspace:
    """The workspace that the files say; ``ConfigError`` with all that is wrong with it."""
    from muster.activation.config import workspace as config
    from muster.activation.rules import audiences
    from muster.schedules import check

    workspace, problems = config.read(sources, os.environ)
    if workspace is not None:
        problems = [*problems, *audiences.problems(workspace), *check.problems(workspace)]
        problems = [replace(problem, message=redact(problem.message, workspace.variables)) for problem in problems]
    if problems or workspace is None:
        raise ConfigError(problems)
    return workspace


def _limited(workspace: Workspace, options: Options) -> Workspace:
    """The workspace with the memory that the command line allows."""
    return workspace if options.memory_limit is None else replace(workspace, memory_limit=options.memory_limit)


@contextmanager
def _secrets_hidden(workspace: Workspace) -> Iterator[None]:
    """No error leaves with the value of a variable in its words (SPEC 2)."""
    try:
        yield
    except MusterError as error:
        redact_error(error, workspace.variables)
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
    workspace = _load(options).workspace
    with _secrets_hidden(workspace), folder(workspace, options).reading() as ledger:
        yield ledger


def folder(workspace: Workspace, options: Options) -> StateFolder:
    """The workspace's state folder."""
    return StateFolder(workspace.state, workspace.file_mode, allow_insecure=options.allow_insecure)


@contextmanager
def configured(options: Options) -> Iterator[Workspace]:
    """The config alone, for commands that look at a state which may be in no order."""
    workspace = _limited(_load(options).workspace, options)
    with _secrets_hidden(workspace):
        yield workspace


@contextmanager
def reading(
    options: Options, at: str | None = None, *, afresh: bool = False, allow_empty: bool = False
) -> Iterator["Session"]:
    """A session that sees the last committed state and writes nothing; ``afresh`` also believes nothing that is remembered."""
    from muster.activation.session import open_session
    from muster.activation.state.files import State

    workspace = _limited(_load(options, afresh=afresh).workspace, options)
    place, state = folder(workspace, options), State(workspace.state, workspace.file_mode)
    with _secrets_hidden(workspace), _of_one_moment(place, state), place.reading() as ledger:
        session = open_session(workspace, instant(at, workspace), clock, state, ledger, allow_empty=allow_empty)
        try:
            yield session
        finally:
            session.close()


@contextmanager
def _of_one_moment(place: StateFolder, state: "State") -> Iterator[None]:
    """``MovedError`` when a state file was not as the ledger had it because another command was at work (S6)."""
    before = place.fingerprint()

    def moved() -> MovedError | None:
        if not state.missed or place.fingerprint() == before:
            return None
        return MovedError(
            f"{state.folder.name}: another muster changed the state while it was read; run the command again"
        )

    try:
        yield
    except MusterError as error:
        if problem := moved():
            raise problem from error
        raise
    if problem := moved():  # a command that tells of one export's trouble and goes on
        raise problem


@dataclass(frozen=True)
class Held:
    """A workspace whose lock is held: enough to decide what is to be done; ``session`` works with its data."""

    workspace: Workspace
    ledger: Ledger
    at: datetime
    allow_empty: bool
    _opened: ExitStack = field(default_factory=ExitStack)

    def session(self) -> "Session":
        """The session, which ends with the hold."""
        from muster.activation.session import open_session
        from muster.activation.state.files import State

        state = State(self.workspace.state, self.workspace.file_mode)
        session = open_session(self.workspace, self.at, clock, state, self.ledger, allow_empty=self.allow_empty)
        return self._opened.enter_context(closing(session))

    def close(self) -> None:
        """End the session."""
        self._opened.close()


@contextmanager
def holding(options: Options, at: str | datetime | None = None, *, allow_empty: bool = False) -> Iterator[Held]:
    """The workspace's lock."""
    config = _load(options)
    workspace = _limited(config.workspace, options)
    moment = instant(at, workspace)
    with _secrets_hidden(workspace), folder(workspace, options).writing(options.wait) as ledger:
        with closing(Held(workspace, ledger, moment, allow_empty)) as held:
            yield held
        config.keep()


@contextmanager
def looking(options: Options, at: str | datetime | None = None) -> Iterator[Held]:
    """The same for a command that changes nothing: without the lock."""
    workspace = _load(options).workspace
    moment = instant(at, workspace)
    with (
        _secrets_hidden(workspace),
        folder(workspace, options).reading() as ledger,
        closing(Held(workspace, ledger, moment, allow_empty=False)) as held,
    ):
        yield held


@contextmanager
def writing(options: Options, at: str | datetime | None = None, *, allow_empty: bool = False) -> Iterator["Session"]:
    """A session that holds the workspace's lock."""
    with holding(options, at, allow_empty=allow_empty) as held:
        yield held.session()
