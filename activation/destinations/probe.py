"""The probe of a destination: whether files can be delivered to it, tried step by step with a small file (F1, F3).

    connect -> write -> read back -> replace -> delete

The file is written as an export writes: under a temporary name and renamed, where the destination has renames. A step
that fails ends the probe. The probe then removes what it wrote, as far as the destination permits.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256

from muster.activation.destinations.target import DeliveryTarget
from muster.activation.errors import ExportError
from muster.activation.model.history import PlannedFile
from muster.activation.system.disk import own_file, sync
from muster.activation.system.os_errors import system_message

_CONTENT = b"muster wrote this to see whether it can; it may be deleted\n"


@dataclass(frozen=True)
class Step:
    """One step of the probe; ``error`` says why it failed."""

    name: str
    error: str | None = None


def probe(target: DeliveryTarget, name: str) -> list[Step]:
    """Try everything that delivering needs, with a file of this name; only the last step may have failed."""
    file = PlannedFile(1, f".{name}.tmp", name, 1, len(_CONTENT), sha256(_CONTENT).hexdigest())
    steps: list[Step] = []
    try:
        for step, act in _steps(target, file):
            try:
                with target.describing_failures("nothing was delivered"):
                    act()
            except (ExportError, OSError) as error:
                steps.append(Step(step, str(error).removeprefix(f"{target.url}: ")))
                break
            steps.append(Step(step))
    finally:
        if len(steps) > 1 and steps[-1].error:
            target.ask_again()
            with suppress(ExportError, OSError):
                target.abandon(file.path, file.temporary)
                target.remove(name)
    return steps


def _steps(target: DeliveryTarget, file: PlannedFile) -> Iterator[tuple[str, Callable[[], None]]]:
    yield "connect", target.reach
    yield "write", lambda: _write(target, file, replace=False)
    yield "read back", lambda: _read_back(target, file)
    yield "replace", lambda: _write(target, file, replace=True)
    yield "delete", lambda: _delete(target, file)


def _write(target: DeliveryTarget, file: PlannedFile, *, replace: bool) -> None:
    target.check()
    path = target.stage(file.temporary)
    with open(path, "wb", opener=own_file) as staged:
        staged.write(_CONTENT)
    sync(path)
    target.publish(file, replace=replace)


def _read_back(target: DeliveryTarget, file: PlannedFile) -> None:
    try:
        with target.fetch(file.path) as path:
            found = path.read_bytes()
    except OSError as error:
        raise ExportError(f"{target.url}: {system_message(error)}") from error
    if found != _CONTENT:
        raise ExportError(f"{target.url}: what was read is not what was written")


def _delete(target: DeliveryTarget, file: PlannedFile) -> None:
    target.abandon(file.path, file.temporary)  # finds out whether what interrupted uploads leave can be removed, too
    target.remove(file.path)
    if target.exists(file.path):
        raise ExportError(f"{target.url}: the file is still there after it was deleted")
