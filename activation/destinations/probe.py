"""Whether files can be brought to a destination: a small one is, step by step, and taken away again (F1, F3). Edge module.

    connect -> write -> read back -> replace -> delete

Writing is what an export does: under a temporary name and a rename where the place has those. A step that fails ends
the probe; what it left behind is removed if the place lets it.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256

from muster.activation.destinations.folder import Target
from muster.activation.errors import ExportError
from muster.activation.model.history import PlannedFile
from muster.activation.system.disk import own_file, sync
from muster.activation.system.os_errors import system_message

_CONTENT = b"muster wrote this to see whether it can; it may be deleted\n"


@dataclass(frozen=True)
class Step:
    """One thing that was tried; ``error`` says why it cannot be done."""

    name: str
    error: str | None = None


def probe(target: Target, name: str) -> list[Step]:
    """Try everything that delivering needs, with a file of this name; the last step is the one that failed, if one did."""
    file = PlannedFile(1, f".{name}.tmp", name, 1, len(_CONTENT), sha256(_CONTENT).hexdigest())
    steps: list[Step] = []
    try:
        for what, act in _steps(target, file):
            try:
                with target.told("nothing was delivered"):
                    act()
            except (ExportError, OSError) as error:
                steps.append(Step(what, str(error).removeprefix(f"{target.url}: ")))
                break
            steps.append(Step(what))
    finally:
        if len(steps) > 1 and steps[-1].error:
            target.try_again()
            with suppress(ExportError, OSError):
                target.abandon(file.path, file.temporary)
                target.remove(name)
    return steps


def _steps(target: Target, file: PlannedFile) -> Iterator[tuple[str, Callable[[], None]]]:
    yield "connect", target.reach
    yield "write", lambda: _write(target, file, replace=False)
    yield "read back", lambda: _read_back(target, file)
    yield "replace", lambda: _write(target, file, replace=True)
    yield "delete", lambda: _delete(target, file)


def _write(target: Target, file: PlannedFile, *, replace: bool) -> None:
    target.check()
    path = target.stage(file.temporary)
    with open(path, "wb", opener=own_file) as staged:
        staged.write(_CONTENT)
    sync(path)
    target.publish(file, replace=replace)


def _read_back(target: Target, file: PlannedFile) -> None:
    try:
        with target.fetched(file.path) as path:
            found = path.read_bytes()
    except OSError as error:
        raise ExportError(f"{target.url}: {system_message(error)}") from error
    if found != _CONTENT:
        raise ExportError(f"{target.url}: what was read is not what was written")


def _delete(target: Target, file: PlannedFile) -> None:
    target.abandon(file.path, file.temporary)  # what an interrupted upload leaves is to be found and removed, too
    target.remove(file.path)
    if target.exists(file.path):
        raise ExportError(f"{target.url}: the file is still there after it was deleted")
