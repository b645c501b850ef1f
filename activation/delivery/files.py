"""The steps of delivering at a destination of files: publish, remove replaced files, write the manifest (F1, F3).

Nothing here asks the ledger, so that a destination can be served in a thread of its own beside other work.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from muster.activation.destinations.target import DeliveryTarget
from muster.activation.errors import ExportError
from muster.activation.model.history import PlannedFile, Run


class LostFilesError(ExportError):
    """Staged files are missing, so the run cannot be finished with its own bytes."""


_GOES_ON = "the run is not finished; the next command goes on with it"


@dataclass
class Delivery:
    """A run on its way at its destination, what it removes there, and the error that ended that, if any.

    ``rewound`` are the runs whose files may be replaced though the names have a time (S8).
    """

    run: Run
    target: DeliveryTarget
    removals: Sequence[str]
    rewound: Sequence[Run]
    problem: ExportError | None = None


def publish(delivery: Delivery) -> None:
    """Make all files of a run visible, unless they are already.

    The problem is a ``LostFilesError`` once what was published is taken back.
    """
    run, target = delivery.run, delivery.target
    if run.visible:
        return
    with _watching(delivery):
        _publish(run, target, delivery.rewound)


def keep_names(delivery: Delivery, names: Iterable[str], synced: set[Path]) -> None:
    """Make names at a folder of this machine survive a power cut; ``synced`` has folders that need no sync."""
    if not delivery.target.is_remote:
        with _watching(delivery):
            delivery.target.sync_names(names, synced)


def complete(delivery: Delivery) -> None:
    """Remove the files that a run replaces, and write its manifest."""
    run, target = delivery.run, delivery.target
    with _watching(delivery):
        for path in delivery.removals:
            target.remove(path)
        if run.manifest_name:
            target.write(run.manifest_name, manifest_temporary(run), run.manifest or "")


@contextmanager
def _watching(delivery: Delivery) -> Iterator[None]:
    """Keep the error of the block as the delivery's problem; where files are lost, take back what was published."""
    run, target = delivery.run, delivery.target
    try:
        with target.describing_failures(_GOES_ON):
            yield
    except LostFilesError as error:
        delivery.problem = error
        try:
            _roll_back(run, target)
        except ExportError as other:  # the destination refuses even that: the next command tries again
            delivery.problem = other
    except ExportError as error:
        delivery.problem = error


def is_rewound(name: str, target: DeliveryTarget, rewound: Sequence[Run]) -> bool:
    """Whether the file of a name at the destination is, byte for byte, one of a rewound run (F1, S8)."""
    files = [file for run in rewound for file in run.files if file.path == name]
    return any(target.holds(name, file.size, file.sha256) for file in files)


def _publish(run: Run, target: DeliveryTarget, rewound: Sequence[Run]) -> None:
    """Make every staged file visible; ``LostFilesError`` for one that is neither staged nor published already."""
    for file in run.files:
        if target.is_staged(file.temporary):
            replace = bool(run.constant_names) or is_rewound(file.path, target, rewound)
            target.publish(file, replace=replace)
        elif not target.holds(file.path, file.size, file.sha256):
            raise LostFilesError(
                f"{target.url}/{file.path}: the staged file is missing, and the destination does not hold it; "
                f"the run starts again"
            )


def _roll_back(run: Run, target: DeliveryTarget) -> None:
    """Remove the visible files of a run without a manifest, so that the run can start afresh; other files stay."""
    for file in run.files:
        target.abandon(file.path, file.temporary)
        if target.holds(file.path, file.size, file.sha256):
            target.remove(file.path)


def unstage(run: Run, target: DeliveryTarget) -> None:
    """Remove a run's staged files; one that cannot be removed is left to the next command."""
    for file in run.files:
        with suppress(OSError):
            target.unstage(file.temporary)


def abandon_temporaries(run: Run, target: DeliveryTarget) -> None:
    """Remove all temporary files of a run, the manifest's included, and what interrupted publishing left of them."""
    manifest = [(run.manifest_name, manifest_temporary(run))] if run.manifest_name else []
    for name, temporary in (*((file.path, file.temporary) for file in run.files), *manifest):
        target.abandon(name, temporary)


def manifest_temporary(run: Run) -> str:
    """The hidden name under which a run's manifest is written."""
    return f".{run.manifest_name}.tmp"


def planned_file(part: int, name: str, run_id: str) -> PlannedFile:
    """A file of a run, with its hidden temporary name in the same folder."""
    folder, _, _ = name.rpartition("/")
    temporary = f".{run_id}.{part}.tmp"
    return PlannedFile(part, f"{folder}/{temporary}" if folder else temporary, name)
