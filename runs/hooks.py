"""Hooks: the commands of `hooks` in muster.yml, each told as JSON what a command of muster did (SPEC 9).

Functions of the library call no hook: a program has the report. `muster.cli` calls them when the lock is released.
"""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from muster.activation.errors import MusterError
from muster.activation.model.redaction import redact
from muster.activation.system.os_errors import system_message
from muster.runs.opening import OpenWorkspace, sources_in

LONGEST = 60.0  # seconds that a hook may take
_SHOWN = 200  # characters of a hook's last words


@dataclass(frozen=True)
class Hooks:
    """The commands of a workspace's hooks, by event, and the folder in which they run."""

    folder: Path = Path()
    commands: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)  # may hold secrets
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)


def hooks_of(workspace: OpenWorkspace) -> Hooks:
    """The hooks of an open workspace."""
    config = workspace.config
    return Hooks(config.root, config.hooks, config.variables)


def readable_hooks(path: str | os.PathLike[str] | None) -> Hooks:
    """The hooks of a workspace that cannot be opened, as far as muster.yml can be read; none without a workspace.

    ``path`` is as for ``open_workspace``.
    """
    from muster.activation.config.hooks import read_hooks

    try:
        sources = sources_in(path)
    except (MusterError, OSError):
        return Hooks()
    return Hooks(sources.root, *read_hooks(sources, os.environ))


def call_hook(hooks: Hooks, event: str, document: str) -> str | None:
    """Run the hook of an event, if it is set, with a document on standard input; returns why it failed, or None.

    Its output is dropped. After ``LONGEST`` seconds it is killed together with all that it started.
    """
    if event not in hooks.commands:
        return None
    # Files, not pipes: a hook may leave its input unread, and a process in the background may keep its output open.
    try:
        with TemporaryFile() as given, TemporaryFile() as said:
            given.write(document.encode())
            given.seek(0)
            reason = _failure(hooks, event, given, said)
    except OSError as error:  # no room for temporary files
        reason = f"cannot be run: {system_message(error)}"
    return reason and redact(f"hooks.{event}: {reason}", hooks.variables)


def _failure(hooks: Hooks, event: str, given: IO[bytes], said: IO[bytes]) -> str:
    """Run the hook; returns why it failed, empty when it succeeded."""
    words = hooks.commands[event]
    try:
        process = _Process(words, hooks.folder, given, said)
    except (OSError, ValueError) as error:
        reason = system_message(error) if isinstance(error, OSError) else "its words hold a null character"
        return f"{words[0]}: cannot be run: {reason}"
    try:
        code = process.wait(LONGEST)
    except subprocess.TimeoutExpired:
        _kill(process)
        return f"{words[0]}: took longer than {LONGEST:g} seconds and was killed"
    except BaseException:  # muster itself is asked to stop
        _kill(process)
        raise
    if not code:
        return ""
    ended = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
    last = _last_line(said)
    return f"{words[0]}: {ended}{last and f': {last}'}"


class _Process(subprocess.Popen[bytes]):
    """A process in a group of its own, which is killed when muster is asked to stop while it starts."""

    def __init__(self, words: Sequence[str], folder: Path, given: IO[bytes], said: IO[bytes]) -> None:
        try:
            super().__init__(
                words, cwd=folder, stdin=given, stdout=subprocess.DEVNULL, stderr=said, start_new_session=True
            )
        except Exception:
            raise
        except BaseException:
            if getattr(self, "pid", None):
                _kill(self)
            raise


def _kill(process: _Process) -> None:
    """Kill the process and all in its group."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except OSError:  # it has no group of its own yet
        process.kill()
    process.wait()


def _last_line(said: IO[bytes]) -> str:
    """The last line of what a hook wrote to stderr, shortened."""
    size = said.seek(0, os.SEEK_END)
    said.seek(max(0, size - 10_000))
    lines = said.read().decode(errors="replace").strip().splitlines()
    return lines[-1].strip()[:_SHOWN] if lines else ""
