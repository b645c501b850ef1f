"""A run's files made again, byte for byte, from what was recorded of its decision (F3, X4). Edge module.

Encrypted files are encrypted anew, and their clear text is what is compared.

    decision, recipe, snapshot -> rows, layout, values -> files -> compared with the ledger's checksums

What the config, the audiences or newer snapshots say by now does not come into it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from muster.activation.delivery.manifest import telling
from muster.activation.destinations.folder import LocalTarget, Target
from muster.activation.encryption.sealing import Encryption
from muster.activation.errors import ExportError, InputError, MistakeError, RefusedError
from muster.activation.export import written_rows
from muster.activation.files.parts import Bound, write_part
from muster.activation.inputs.parquet import blamed
from muster.activation.mapping.layout import layout
from muster.activation.model.history import PlannedFile, Run
from muster.activation.model.workspace import Activation
from muster.activation.profiles.snapshots import Snapshot, snapshot_of
from muster.activation.session import Session, unchanged
from muster.activation.state.ledger import inputs_table
from muster.activation.system.disk import folder_mode, make_folder
from muster.activation.system.os_errors import system_message


@dataclass(frozen=True)
class Remake:
    """All that a run's files are made of."""

    run: Run
    activation: Activation  # as it was configured then
    bound: Bound
    rows: pl.DataFrame
    recipe: dict[str, Any]
    encryption: Encryption | None = None

    def write(self, files: Iterable[PlannedFile], target: Target) -> Iterator[PlannedFile]:
        """Write some of the files under their hidden names: each as it turned out."""
        starts = accumulate((file.rows or 0 for file in self.run.files), initial=0)
        offsets = {file.part: start for file, start in zip(self.run.files, starts, strict=False)}
        with blamed(lambda: self.bound.layout.snapshot.parts):
            for file in files:
                piece = self.rows.slice(offsets[file.part], file.rows or 0)
                yield write_part(file, piece, self.activation, self.bound, target, encryption=self.encryption)

    def why_different(self) -> str:
        """What is said when the bytes are others though everything that they come of is as it was."""
        then, now = self.recipe["versions"], written_rows.versions_for(self.activation.mapping)
        if then != now:
            return f"it was made by {_versions(then)}, and this is {_versions(now)}"
        return (
            "the decision and the footers of the snapshot files are those of then, so values inside these "
            "files must have changed"
        )


def _versions(found: dict[str, str]) -> str:
    others = [f"phonenumbers {found['phonenumbers']}"] if "phonenumbers" in found else []
    return " and ".join([f"muster {found['muster']} with Polars {found['polars']}", *others])


def same(made: PlannedFile, delivered: PlannedFile) -> bool:
    """Whether the bytes are those that the ledger knows: of an encrypted file, those that were encrypted."""
    if delivered.clear_sha256:
        return (made.clear_size, made.clear_sha256) == (delivered.clear_size, delivered.clear_sha256)
    return (made.size, made.sha256) == (delivered.size, delivered.sha256)


def refuse_unwritten(run: Run) -> None:
    """``RefusedError`` for a run that wrote nothing, or whose decision was not recorded."""
    if run.status not in {"succeeded", "delivering"}:
        raise RefusedError(f"run {run.run_id} of {run.key} is {run.status}: it delivered nothing")
    if run.decision is None or run.recipe is None or run.snapshot is None:
        raise RefusedError(
            f"run {run.run_id} of {run.key} has no decision any more: it was pruned or forgotten, or an older "
            f"muster made the run; "
            "its files cannot be made again"
        )


def remake(run: Run, session: Session) -> Remake:
    """Gather what a run's files are made of; ``RefusedError`` or ``StateError`` names what is gone or changed."""
    refuse_unwritten(run)
    recipe = inputs_table.get(session.ledger, run.recipe or "")
    encryption = _encryption(run, recipe, session)
    snapshot = _snapshot(run, recipe, session)
    with blamed(lambda: snapshot.parts):
        activation = written_rows.activation_of(run, recipe)
        attributes = session.attributes_of(snapshot)
        plan = layout(activation, snapshot, written_rows.moment_of(run, recipe, session.workspace.zone))
        rows = written_rows.read(run, plan, attributes.roster, session.state)
        bound = Bound(plan, attributes).holding(rows)
    if rows.height != sum(file.rows or 0 for file in run.files):
        raise ExportError(
            f"run {run.run_id}: its decision holds {rows.height} rows but its files held another number; "
            f"please report it"
        )
    return Remake(run, activation, bound, rows, recipe, encryption)


def _encryption(run: Run, recipe: dict[str, Any], session: Session) -> Encryption | None:
    """What encrypts the files of a run that were: the keys that are configured now, for one that was replaced must not be used again."""
    if "encryption" not in recipe:
        return None
    configured = session.workspace.activation(run.key)
    if configured is None or configured.encryption is None:
        raise RefusedError(
            f"run {run.run_id} delivered encrypted files, and the config has no `encryption` for {run.key} "
            f"now: put it back; "
            "they are never written in clear"
        )
    try:
        return session.encryption(configured)
    except MistakeError as error:
        raise RefusedError(str(error)) from error


def _snapshot(run: Run, recipe: dict[str, Any], session: Session) -> Snapshot:
    """The snapshot as it was; all of its files that are gone or changed are named."""
    parts, problems = [], []
    for record in inputs_table.get(session.ledger, run.snapshot or ""):
        try:
            parts.append(
                unchanged(session.places, record, f"run {run.run_id} wrote values of it; put the file of then back")
            )
        except InputError as error:
            problems.append(str(error))
    if problems:
        raise RefusedError("\n".join(problems))
    workspace = session.workspace
    return snapshot_of(replace(workspace, profiles=written_rows.source_of(recipe, workspace.profiles.path)), parts)


@dataclass(frozen=True)
class Replayed:
    """What a replay wrote, and whether it is what was delivered."""

    run: Run
    folder: Path
    files: tuple[PlannedFile, ...]
    error: ExportError | None = None

    @property
    def is_encrypted(self) -> bool:
        """Whether its files were encrypted, which gives other bytes each time: their clear text is what is compared."""
        return any(file.clear_sha256 for file in self.run.files)

    def is_same(self, place: int) -> bool:
        """Whether that file has the bytes of then."""
        return same(self.files[place], self.run.files[place])


def replay(run: Run, session: Session, folder: Path) -> Replayed:
    """Write a run's files and its manifest into a new folder, or an empty one; it appears complete or not at all."""
    made = remake(run, session)
    place = _refuse_taken(folder)
    mode = run.file_mode or session.state.file_mode
    try:
        with TemporaryDirectory(dir=place, prefix=f".{folder.name}.") as temporary:
            target = LocalTarget(Path(temporary) / "files", str(folder), mode)
            files = tuple(_written(made, target))
            _appear(target, folder, mode)
    except OSError as error:
        raise ExportError(f"{folder}: cannot be written: {system_message(error)}; nothing is left there") from error
    different = ", ".join(file.path for file, before in zip(files, run.files, strict=True) if not same(file, before))
    problem = (
        ExportError(f"{folder}/{different}: not the bytes that were delivered: {made.why_different()}")
        if different
        else None
    )
    return Replayed(run, folder, files, problem)


def _refuse_taken(folder: Path) -> Path:
    """``RefusedError`` unless the folder is new or empty; the nearest folder above that is there."""
    if folder.is_dir():
        if any(folder.iterdir()):
            raise RefusedError(
                f"{folder}: the folder is not empty, and nothing is overwritten; give a new one with --to"
            )
    elif folder.exists() or folder.is_symlink():
        raise RefusedError(f"{folder}: something stands there, and nothing is overwritten; give a new folder with --to")
    place = next(each for each in folder.absolute().parents if each.exists() or each.is_symlink())
    if not place.is_dir():
        raise RefusedError(f"{folder}: {place.name} is no folder; give a new folder with --to")
    return place


def _written(made: Remake, target: LocalTarget) -> Iterator[PlannedFile]:
    run = made.run
    make_folder(target.root, target.file_mode)
    files = []
    for file in made.write(run.files, target):
        target.publish(file, replace=False)
        files.append(file)
        yield file
    if run.manifest_name:
        target.write(run.manifest_name, f".{run.manifest_name}.tmp", telling(run, files).manifest or "")


def _appear(target: LocalTarget, folder: Path, mode: int) -> None:
    """Give the finished folder its name."""
    make_folder(folder.absolute().parent, mode)
    target.root.chmod(folder_mode(mode))
    target.root.rename(folder.resolve() if folder.is_dir() else folder)
