"""The steps of delivering at a destination of files: publish, remove replaced files, write the manifest (F1, F3).

Nothing here asks the ledger, so that a destination can be served in a thread of its own beside other work.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from muster.activation.destinations.target import DeliveryTarget
from muster.activation.errors import ExportError
from muster.activation.model.history import PlannedFile, Run


class LostFilesError(ExportError):
    """Staged files are missing, so the run cannot be finished with its own bytes."""


def deliver_files(
    run: Run,
    target: DeliveryTarget,
    removals: Iterable[str],
    rewound: Sequence[Run] = (),
    on_visible: Callable[[], None] = lambda: None,
) -> ExportError | None:
    """Publish a run's files, remove the files it replaces, write its manifest; returns the error that ended this.

    ``rewound`` are the runs whose files may be replaced though the names have a time (S8). ``on_visible`` is called
    when all files are visible. ``LostFilesError`` is returned once what was published is taken back.
    """
    try:
        with target.describing_failures("the run is not finished; the next command goes on with it"):
            if not run.visible:
                _publish(run, target, rewound)
                on_visible()
            for path in removals:
                target.remove(path)
            if run.manifest_name:
                target.write(run.manifest_name, manifest_temporary(run), run.manifest or "")
    except LostFilesError as error:
        try:
            _roll_back(run, target)
        except ExportError as other:  # the destination refuses even that: the next command tries again
            return other
        return error
    except ExportError as error:
        return error
    return None


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
