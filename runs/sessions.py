"""From an open workspace to what one call works with: the ledger, the state, a session, the lock (S6, X1).

Sessions are constructed here alone. Reading takes no lock and sees the last committed state; when another muster
replaces what is being read, the read begins again. No error leaves with the value of an environment variable in it.
What works with data is imported where it is used: calls that only look at the ledger answer without it.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from muster.activation.errors import MovedError, MusterError
from muster.activation.model.redaction import redact_error
from muster.activation.model.warning_log import WarningLog
from muster.activation.model.workspace import InputName, Workspace
from muster.activation.state.folder import StateFolder
from muster.activation.state.ledger.database import Ledger
from muster.runs import ahead
from muster.runs.opening import Clock, OpenWorkspace, instant_of, remember

if TYPE_CHECKING:
    from muster.activation.session import Session
    from muster.activation.state.files import State

T = TypeVar("T")
_ATTEMPTS = 5  # to read a state that other commands change meanwhile


@dataclass(frozen=True)
class LedgerView:
    """The input of decisions: the config, the ledger, and the instant to decide for."""

    workspace: Workspace
    ledger: Ledger
    at: datetime


def state_folder(workspace: OpenWorkspace) -> StateFolder:
    """The workspace's state folder."""
    config = workspace.config
    return StateFolder(config.state, config.file_mode, allow_insecure=workspace.allow_insecure_state)


def read_ledger(workspace: OpenWorkspace, work: Callable[[Ledger], T], now: datetime | None = None) -> T:
    """Return the result of ``work`` on the last committed ledger; ``now`` is the instant of the call, if it has one."""
    with redacted(workspace.config), state_folder(workspace).reading() as ledger:
        _warn_if_ahead(workspace, ledger, now, WarningLog(workspace.config.variables))
        return work(ledger)


def read_state(workspace: OpenWorkspace, work: Callable[["State", Ledger], T]) -> T:
    """Return the result of ``work`` on the files and the ledger of the last committed state."""
    return _read(workspace, None, lambda state, ledger, _: work(state, ledger))


def _read(workspace: OpenWorkspace, now: datetime | None, work: Callable[["State", Ledger, WarningLog], T]) -> T:
    """Return the result of ``work`` on files and ledger; it begins again when another muster replaces them."""
    warnings = WarningLog(workspace.config.variables)
    for _ in range(_ATTEMPTS - 1):
        try:
            return _read_once(workspace, now, warnings, work)
        except MovedError:
            continue
    return _read_once(workspace, now, warnings, work)


def read(
    workspace: OpenWorkspace,
    now: datetime,
    work: Callable[["Session"], T],
    *,
    allow_empty: Collection[InputName] = (),
) -> T:
    """Return the result of ``work`` in a session at ``now`` that writes nothing."""
    at = instant_of(now)

    def with_session(state: "State", ledger: Ledger, warnings: WarningLog) -> T:
        with closing(_session(workspace, state, ledger, at, warnings, allow_empty=allow_empty)) as session:
            return work(session)

    return _read(workspace, at, with_session)


def write(
    workspace: OpenWorkspace,
    now: datetime,
    work: Callable[["Session"], T],
    *,
    allow_empty: Collection[InputName] = (),
    keeps_builds: bool = False,
) -> T:
    """Return the result of ``work`` in a session at ``now`` with the workspace's lock; ``LockedError`` if held.

    With ``keeps_builds`` the state keeps the builds of profiles from sources (P7).
    """
    at = instant_of(now)
    with lock(workspace, at) as locked:
        return work(locked.session(at, allow_empty=allow_empty, keeps_builds=keeps_builds))


@dataclass(frozen=True)
class LockedWorkspace:
    """A workspace whose lock this call holds: its ledger; a session once data is needed, which ends with the lock."""

    workspace: OpenWorkspace
    ledger: Ledger
    warnings: WarningLog  # of this call
    _sessions: ExitStack = field(default_factory=ExitStack)

    def view(self, at: datetime) -> LedgerView:
        """The input of decisions about an instant."""
        return LedgerView(self.workspace.config, self.ledger, at)

    def state(self) -> "State":
        """The files of the state."""
        from muster.activation.state.files import State

        config = self.workspace.config
        return State(config.state, config.file_mode)

    def session(
        self, at: datetime, *, allow_empty: Collection[InputName] = (), keeps_builds: bool = False
    ) -> "Session":
        """A session at an instant; ``allow_empty`` names the inputs that may have no row (X11).

        With ``keeps_builds`` the state keeps the builds of profiles from sources (P7).
        """
        state, ledger, warnings = self.state(), self.ledger, self.warnings
        opened = _session(
            self.workspace, state, ledger, at, warnings, allow_empty=allow_empty, keeps_builds=keeps_builds
        )
        return self._sessions.enter_context(closing(opened))


@contextmanager
def lock(workspace: OpenWorkspace, now: datetime | None = None, *, mends: bool = False) -> Iterator[LockedWorkspace]:
    """The workspace's lock; ``LockedError`` when another muster holds it longer than ``workspace.wait`` seconds.

    ``now`` is the instant of the call, if it has one. A call that ``mends`` a ledger which is ahead of the clock warns
    only of what is still ahead afterwards (S8).
    """
    with redacted(workspace.config), state_folder(workspace).writing(workspace.wait) as ledger:
        warnings = WarningLog(workspace.config.variables)
        if not mends:
            _warn_if_ahead(workspace, ledger, now, warnings)
        with ExitStack() as sessions:
            yield LockedWorkspace(workspace, ledger, warnings, sessions)
        if mends:
            _warn_if_ahead(workspace, ledger, now, warnings)
        remember(workspace)


def warn_if_ahead(workspace: OpenWorkspace, now: datetime | None = None) -> None:
    """Warn of a ledger that is ahead of ``now``, for calls that open the state themselves (S8).

    A state that cannot be read is their concern.
    """
    with suppress(MusterError):
        read_ledger(workspace, lambda _: None, now)


def _warn_if_ahead(workspace: OpenWorkspace, ledger: Ledger, now: datetime | None, warnings: WarningLog) -> None:
    """Warn of a ledger with times more than a minute after the call's instant, by default the caller's clock (S8)."""
    moment = now or (workspace.clock() if workspace.clock else None)
    if moment is None:
        return
    at = instant_of(moment)
    if text := ahead.warning(workspace.config, ledger, at):
        warnings.add(text, even_if_quiet=True)  # else cron's `run -q` would be silent until that time comes


def clock_at(workspace: OpenWorkspace, at: datetime) -> Clock:
    """The clock of the record: the caller's, cut to whole seconds, or one that stands at ``at``."""
    clock = workspace.clock
    return (lambda: at) if clock is None else lambda: instant_of(clock())


@contextmanager
def redacted(config: Workspace) -> Iterator[None]:
    """Redact the values of variables in the message of a muster error that leaves the block (SPEC 2)."""
    try:
        yield
    except MusterError as error:
        redact_error(error, config.variables)
        raise


def _session(  # what a session is made of
    workspace: OpenWorkspace,
    state: "State",
    ledger: Ledger,
    at: datetime,
    warnings: WarningLog,
    *,
    allow_empty: Collection[InputName],
    keeps_builds: bool = False,
) -> "Session":
    from muster.activation.session import open_session

    return open_session(
        workspace.config,
        at,
        clock_at(workspace, at),
        state,
        ledger,
        allow_empty=allow_empty,
        warnings=warnings,
        keeps_builds=keeps_builds,
    )


def _read_once(
    workspace: OpenWorkspace,
    now: datetime | None,
    warnings: WarningLog,
    work: Callable[["State", Ledger, WarningLog], T],
) -> T:
    from muster.activation.state.files import State

    config = workspace.config
    folder, state = state_folder(workspace), State(config.state, config.file_mode)
    with redacted(config), _at_one_moment(folder, state), folder.reading() as ledger:
        _warn_if_ahead(workspace, ledger, now, warnings)
        return work(state, ledger, warnings)


@contextmanager
def _at_one_moment(folder: StateFolder, state: "State") -> Iterator[None]:
    """Raise ``MovedError`` when a state file differs from the ledger because another muster was at work (S6)."""
    before = folder.fingerprint()

    def moved() -> MovedError | None:
        if not state.missed or folder.fingerprint() == before:
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
    if problem := moved():  # a function that collects the trouble of each export and goes on
        raise problem
