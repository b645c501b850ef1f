"""muster in a process that ends before a chosen one of its steps on the disk, as SIGKILL would: nothing after that
runs.

A step is whatever a reader or the next command could see or miss: a file made, renamed, linked, removed or synced, a
folder made, a transaction committed. Python tells of them in audit events, SQLite in its trace: nothing of muster's own
is touched, but where a step is named by its number one thread alone writes.
"""

import contextlib
import multiprocessing
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from types import MappingProxyType
from typing import Any
from unittest import mock

from support.random_histories import MORE
from support.shop import Result, invoke

from muster.activation.system import threads

KILLED = 137
_CHANGES = {"os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree"}
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


@dataclass(frozen=True)
class Moment:
    """When to die: before step ``number``; ``torn``: in the middle of it, half of the file to be synced having reached
    the disk.
    """

    number: int
    name: str
    torn: bool = False

    def __str__(self) -> str:
        return f"{self.number}: {'torn ' if self.torn else ''}{self.name}"


class Reaper:
    """Counts the steps of this process and ends it at one of them: at once, or by a signal, a little later or now.

    The steps are ``ordered`` where they have to come in one order each time: no two threads write at once then, as they
    do in life.
    """

    def __init__(
        self,
        root: Path,
        moment: Moment | None,
        how: signal.Signals | None = None,
        delay: float = 0,
        *,
        ordered: bool = False,
    ) -> None:
        self.root = str(root)
        self.moment = moment
        self.how = how
        self.delay = delay
        self.ordered = ordered
        self.steps: list[Moment] = []
        self._counting = threading.RLock()  # held by the thread that takes a step

    def watch(self) -> None:
        """From here on; an audit hook stays for the life of the process."""
        threads.CORES = 1 if self.ordered else 2
        sys.addaudithook(self._heard)
        os.fsync = self._synced(os.fsync)  # type: ignore[assignment]  # called with descriptors only
        sqlite3.connect = self._connected(sqlite3.connect)  # type: ignore[assignment]  # all its overloads are passed on

    def _step(self, name: str, path: str | None = None) -> None:
        with self._counting:
            step = Moment(len(self.steps) + 1, name)
            self.steps.append(step)
            if path:
                self.steps.append(Moment(step.number + 1, name, torn=True))
        dying = self.moment
        if dying and (dying.number == step.number or (self.how and path and dying.number == step.number + 1)):
            self._end()
        elif dying and path and dying.number == step.number + 1:
            os.truncate(path, os.path.getsize(path) // 2)  # noqa: PTH202  # a plain path
            os._exit(KILLED)

    def _end(self) -> None:
        if self.how is None:
            os._exit(KILLED)
        elif self.delay:
            later = threading.Timer(self.delay, os.kill, (os.getpid(), self.how))
            later.daemon = True
            later.start()
        else:
            os.kill(os.getpid(), self.how)

    def _heard(self, event: str, details: tuple[Any, ...]) -> None:
        if event in _CHANGES and self._is_inside(details[0]) and self._matters(event, details[0]):
            self._step(f"{event} {self._short(details[0])}")
        elif event == "open" and self._is_inside(details[0]) and details[2] & _WRITES:
            self._step(f"open {self._short(details[0])}")

    def _connected(self, connect: Callable[..., sqlite3.Connection]) -> Callable[..., sqlite3.Connection]:
        def connected(*arguments: Any, **options: Any) -> sqlite3.Connection:
            connection = connect(*arguments, **options)
            connection.set_trace_callback(self._traced)
            return connection

        return connected

    def _traced(self, statement: str) -> None:
        if statement.strip(" ;") == "COMMIT":
            self._step("COMMIT")

    def _synced(self, sync: Callable[[int], None]) -> Callable[[int], None]:
        def synced(descriptor: int) -> None:
            link = Path(f"/proc/self/fd/{descriptor}")
            path = str(link.readlink()) if link.is_symlink() else ""
            self._step(f"sync {self._short(path)}", path if Path(path).is_file() else None)
            sync(descriptor)

        return synced

    def _is_inside(self, path: object) -> bool:
        return (
            isinstance(path, (str, os.PathLike))
            and os.fspath(path).startswith(self.root)
            and not os.fspath(path).endswith("/lock")
        )

    @staticmethod
    def _matters(event: str, path: str | os.PathLike[str]) -> bool:
        """Whether it changes anything: not a folder that is there already, nor the removal of what is not."""
        return os.path.lexists(path) != (event == "os.mkdir")

    def _short(self, path: object) -> str:
        return str(path).removeprefix(self.root + "/")


def _work(
    root: Path,
    arguments: tuple[str, ...],
    reaping: Mapping[str, Any],
    pipe: Connection,
    variables: Mapping[str, str],
) -> None:
    """The life of the process."""
    os.environ.update(variables)
    reaper = Reaper(root, **reaping)
    reaper.watch()
    result = invoke("-q", "-C", str(root), *arguments)
    pipe.send((result.code, result.err, reaper.steps))


@cache
def _context() -> multiprocessing.context.ForkServerContext:
    """Processes are forked from a server that has muster imported and no thread of Polars started: quick, and safe."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["support.preload"])
    with mock.patch.dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)):  # or else it would not find that
        forkserver.ensure_running()
    return context


def _start(
    root: Path,
    arguments: tuple[str, ...],
    moment: Moment | None,
    variables: Mapping[str, str] = MappingProxyType({}),
    *,
    how: signal.Signals | None = None,
    delay: float = 0,
    ordered: bool = False,
) -> tuple[multiprocessing.process.BaseProcess, Connection]:
    ours, theirs = _context().Pipe(duplex=False)
    reaping = {"moment": moment, "how": how, "delay": delay, "ordered": ordered}
    process = _context().Process(target=_work, args=(root, arguments, reaping, theirs, dict(variables)))
    process.start()
    theirs.close()
    return process, ours


def apart(work: Callable[..., None], *arguments: Any) -> Any:
    """Do some work in such a process, which sends one answer through the pipe that it is given at the end."""
    ours, theirs = _context().Pipe(duplex=False)
    process = _context().Process(target=work, args=(*arguments, theirs))
    process.start()
    theirs.close()
    answer = ours.recv()
    process.join()
    return answer


def begun(work: Callable[..., None], *arguments: Any) -> tuple[multiprocessing.process.BaseProcess, Connection]:
    """Begin some work in such a process: the process, which may be killed, and what the work sends through its pipe."""
    ours, theirs = _context().Pipe(duplex=False)
    process = _context().Process(target=work, args=(*arguments, theirs))
    process.start()
    theirs.close()
    return process, ours


def steps(root: Path, *arguments: str) -> list[Moment]:
    """Run a command to its end, which must be a good one, and say where it could have been killed."""
    process, pipe = _start(root, arguments, None, ordered=True)
    code, error, found = pipe.recv()
    process.join()
    assert code == 0, error
    return list(found)


def some(moments: Sequence[Moment]) -> Sequence[Moment]:
    """Those that show: a file half on the disk, renamed, linked or removed, a folder, a commit. `make soak` tries the
    others too: a file that is opened, and what is not synced yet and cannot be seen.
    """
    return [moment for moment in moments if MORE > 1 or moment.torn or not moment.name.startswith(("open ", "sync "))]


def kill(root: Path, moment: Moment, *arguments: str) -> None:
    """Run a command and kill it at a moment that it must reach."""
    process, _pipe = _start(root, arguments, moment, ordered=True)
    process.join()
    assert process.exitcode == KILLED, f"exit {process.exitcode}: never came to {moment}"


class Victim:
    """A command under way in a process of its own, with these environment variables, which may be killed at
    any moment.
    """

    def __init__(self, root: Path, *arguments: str, variables: Mapping[str, str]) -> None:
        self._process, self._pipe = _start(root, arguments, None, variables)

    @property
    def is_working(self) -> bool:
        """Whether the command has not ended yet."""
        return self._process.is_alive()

    def kill(self) -> None:
        """Kill the command now. Another thread may wait for its end, so this one only looks whether it is gone."""
        pid = self._process.pid or 0
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        while Path(f"/proc/{pid}").exists():
            time.sleep(0.001)

    def stop(self) -> int | None:
        """Ask it to stop, by SIGTERM; its exit code."""
        self._process.terminate()
        self._process.join()
        return self._process.exitcode or int(self._pipe.recv()[0])

    def ended(self, seconds: float | None = None) -> bool:
        """Wait for its end, so long at most; whether it was killed. A command that was not must have done well."""
        self._process.join(seconds)
        if self._process.is_alive():
            self.kill()
            self._process.join()
        if self._process.exitcode:
            assert self._process.exitcode == -signal.SIGKILL, self._process.exitcode
            return True
        code, error, _steps = self._pipe.recv()
        assert code == 0, error
        return False


def together(root: Path, commands: Sequence[Sequence[str]]) -> list[Result]:
    """Run several commands at once, each in a process of its own that starts when all are ready."""
    start = _context().Barrier(len(commands))
    pipes, processes = [], []
    for command in commands:
        ours, theirs = _context().Pipe(duplex=False)
        processes.append(_context().Process(target=_join_in, args=(root, tuple(command), start, theirs)))
        processes[-1].start()
        theirs.close()
        pipes.append(ours)
    results = [pipe.recv() for pipe in pipes]
    for process in processes:
        process.join()
    return results


def _join_in(root: Path, arguments: tuple[str, ...], start: threading.Barrier, pipe: Connection) -> None:
    start.wait()
    pipe.send(invoke("-C", str(root), *arguments))


def bounded(root: Path, seconds: int, *arguments: str) -> Result:
    """Run a command that may use so many seconds of CPU time, and is killed then."""
    ours, theirs = _context().Pipe(duplex=False)
    process = _context().Process(target=_bounded, args=(root, seconds, arguments, theirs))
    process.start()
    theirs.close()
    try:
        result: Result = ours.recv()
    except EOFError:
        process.join()
        return Result(process.exitcode or 1, "", "killed")
    process.join()
    return result


def _bounded(root: Path, seconds: int, arguments: tuple[str, ...], pipe: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    pipe.send(invoke("-C", str(root), *arguments))


def signal_at(root: Path, number: int, how: signal.Signals, *arguments: str, delay: float = 0) -> bool:
    """Run a command that gets a real signal right before its step ``number``, or ``delay`` seconds after that; whether
    the signal ended it. With a delay the command may be over by then, without one only if it has fewer steps.

    SIGTERM lets a command clean up and say so: 143.
    """
    process, pipe = _start(root, arguments, Moment(number, "a signal"), how=how, delay=delay)
    process.join()
    if process.exitcode:
        assert process.exitcode == -how, process.exitcode
        return True
    code, error, _steps = pipe.recv()
    assert code in {0, 128 + how}, (code, error)
    return bool(code)


def kill_when(root: Path, come: Callable[[], object], *arguments: str, afresh: bool = False) -> bool:
    """Run a command and kill it as soon as a condition holds, unless it has ended by then; whether it was killed.

    ``afresh`` starts a process from nothing, as cron does; else it is forked, which is quicker.
    """
    if not afresh:
        victim = Victim(root, *arguments, variables={})
        while victim.is_working and not come():
            time.sleep(0.002)
        return victim.ended(0)
    command = [sys.executable, "-m", "muster.cli", "-q", "-C", str(root), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as running:
        while running.poll() is None and not come():
            time.sleep(0.002)
        running.kill()
        _, said = running.communicate()
    assert running.returncode in {0, -signal.SIGKILL}, said
    return running.returncode == -signal.SIGKILL


def in_seconds(seconds: float) -> Callable[[], bool]:
    """A condition that holds from so many seconds after now on."""
    until = time.monotonic() + seconds
    return lambda: time.monotonic() >= until
