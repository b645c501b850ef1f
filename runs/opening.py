"""From a folder to an open workspace: its YAML files read and checked, with all mistakes at once (SPEC 2, 10).

What checks is imported where it is used: a config that was checked before is recalled without it.
"""

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from muster.activation.config.sources import Sources, find_root, holds_settings, read_sources, workspace_near
from muster.activation.errors import ConfigError, InputError
from muster.activation.instants import parse_instant
from muster.activation.model.log import keep_out
from muster.activation.model.redaction import redact
from muster.activation.model.workspace import Workspace
from muster.runs import config_cache

Clock = Callable[[], datetime]

logging.getLogger("muster").addHandler(logging.NullHandler())  # a program that sets up no log sees none of ours


@dataclass(frozen=True, eq=False, repr=False)
class OpenWorkspace:
    """A workspace whose YAML files were read and checked: every function of `muster.runs` takes one.

    An open workspace holds no lock, file or connection, so there is nothing to close, and threads may share it. The
    files are read once: open the workspace again to work with files that changed.
    """

    as_written: Workspace  # what the files describe
    sources: Sources
    variables: Mapping[str, str]
    is_recalled: bool  # the config was checked by an earlier command, and nothing has changed since
    memory_limit: int | None  # bytes, given by the caller
    wait: float  # seconds that a function waits for the workspace's lock
    allow_insecure_state: bool
    clock: Clock | None

    @cached_property
    def config(self) -> Workspace:
        """The config in force: what the files describe, with the caller's memory limit."""
        limit = self.memory_limit
        return self.as_written if limit is None else replace(self.as_written, memory_limit=limit)

    @property
    def root(self) -> Path:
        """The workspace's folder, absolute."""
        return self.config.root

    def instant(self, text: str) -> datetime:
        """The instant that ISO 8601 text names; without an offset it is local time in the workspace's timezone (E1).

        Raises ``InputError`` for other text, and for a local time that the clocks jump over.
        """
        return parse_instant(text, self.config.zone)

    def __repr__(self) -> str:
        return f"OpenWorkspace({str(self.root)!r})"  # the config may hold values of environment variables


def open_workspace(
    path: str | os.PathLike[str] | None = None,
    *,
    variables: Mapping[str, str] | None = None,
    memory_limit: int | str | None = None,
    wait: float = 0.0,
    allow_insecure_state: bool = False,
    clock: Clock | None = None,
) -> OpenWorkspace:
    """Read and check the YAML files of the workspace in ``path``; None is the nearest folder upwards with a muster.yml.

    ``variables`` are the environment variables that the YAML files may name; by default those of this process.
    ``memory_limit`` is in bytes, or text such as ``2GiB``, and takes the place of ``memory_limit`` in muster.yml.
    ``wait`` is how many seconds a function waits while another muster works in this workspace.
    ``allow_insecure_state`` accepts a state folder that other users can write to.
    ``clock`` says when runs start and finish, for the record alone; without it the record has each function's ``now``.

    Raises ``InputError`` when there is no workspace, ``ConfigError`` with every mistake in its files.
    """
    given = os.environ if variables is None else variables
    sources = sources_in(path)
    recalled = config_cache.recall(sources, given)
    config = recalled or _checked(sources, given)
    keep_out(config.variables)
    return OpenWorkspace(
        config,
        sources,
        given,
        is_recalled=recalled is not None,
        memory_limit=None if memory_limit is None else _bytes(memory_limit),
        wait=wait,
        allow_insecure_state=allow_insecure_state,
        clock=clock,
    )


def sources_in(path: str | os.PathLike[str] | None) -> Sources:
    """The YAML files of the workspace in ``path``, as for ``open_workspace``; ``InputError`` when there is none."""
    return read_sources(_folder(path))


def checked_in_full(workspace: OpenWorkspace) -> OpenWorkspace:
    """The workspace with its files checked in this process; ``ConfigError`` when what was recalled is no longer so."""
    if not workspace.is_recalled:
        return workspace
    as_written = _checked(workspace.sources, workspace.variables)
    return replace(workspace, as_written=as_written, is_recalled=False)


def remember(workspace: OpenWorkspace) -> None:
    """Keep the checked config for later commands. Called with the workspace's lock held."""
    if not workspace.is_recalled:
        config_cache.remember(workspace.as_written, workspace.sources, _with_stand_ins(workspace))


def instant_of(now: datetime) -> datetime:
    """A caller's ``now`` in UTC, cut to whole seconds (E1); ``InputError`` when it has no timezone."""
    if now.tzinfo is None:
        raise InputError(f"now={now.isoformat()} has no timezone; expected an instant such as datetime.now(UTC)")
    return datetime(*now.astimezone(UTC).timetuple()[:6], tzinfo=UTC)  # a plain one, also of a subclass


def _folder(path: str | os.PathLike[str] | None) -> Path:
    if path is None:
        return find_root(Path.cwd())
    folder = Path(path)
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "there is no such folder"
        raise InputError(f"{folder}: {what}; expected a workspace: the folder that holds muster.yml, see `muster init`")
    if not holds_settings(folder):
        hint = workspace_near(folder) or "; see `muster init`"
        raise InputError(f"{folder}: holds no muster.yml, so it is no workspace{hint}")
    return folder.absolute()


def _checked(sources: Sources, variables: Mapping[str, str]) -> Workspace:
    """The workspace that the files describe; ``ConfigError`` with all that is wrong in them."""
    from muster.activation.config import workspace as config
    from muster.activation.rules import audiences
    from muster.schedules import check

    workspace, problems = config.read(sources, variables)
    if workspace is not None:
        problems = [*problems, *audiences.problems(workspace), *check.problems(workspace)]
        problems = [replace(problem, message=redact(problem.message, workspace.variables)) for problem in problems]
        problems = [*problems, *(workspace.unset if problems else ())]
    if problems or workspace is None:
        raise ConfigError(problems)
    return workspace


def _bytes(memory_limit: int | str) -> int:
    from muster.activation.config.sizes import parse_memory

    try:
        return parse_memory(str(memory_limit))
    except ValueError as error:
        raise InputError(f"memory_limit: {error}") from None


def _with_stand_ins(workspace: OpenWorkspace) -> Workspace | None:
    """The config with a stand-in for the value of each variable; None when the files cannot be read with stand-ins."""
    from muster.activation.config import workspace as config

    used = workspace.as_written.variables
    if not used:
        return workspace.as_written
    read, problems = config.read(workspace.sources, config_cache.stand_ins(used))
    return None if problems else read
