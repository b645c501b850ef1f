"""The inputs from which a run's files are rebuilt: the recorded decision, recipe and snapshot (F3, X4).

    decision, recipe, snapshot -> rows, layout, values -> files -> compared with the ledger's checksums

What the config, the audiences or newer snapshots say by now does not matter. Encrypted files are encrypted anew, with
other bytes, and it is their clear text that is compared.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

import polars as pl

from muster.activation.destinations.target import DeliveryTarget
from muster.activation.encryption.sealing import Encryption
from muster.activation.errors import ExportError, InputError, MistakeError, RefusedError
from muster.activation.export import recipe_record, written_rows
from muster.activation.files.parts import BoundLayout, write_part
from muster.activation.frames.columns import REALIZED, ROW, STATUS
from muster.activation.inputs.parquet import blamed
from muster.activation.mapping.layout import layout
from muster.activation.model.history import PlannedFile, Run
from muster.activation.model.workspace import Activation
from muster.activation.profiles.opened import unchanged_part
from muster.activation.profiles.roster import Roster
from muster.activation.profiles.snapshots import Snapshot, snapshot_of
from muster.activation.session import Session
from muster.activation.state.ledger import inputs_table
from muster.activation.wording import counted


@dataclass(frozen=True)
class RunMaterial:
    """The inputs from which a run's files are rebuilt."""

    run: Run
    activation: Activation  # as it was configured at that run
    bound: BoundLayout
    rows: pl.DataFrame  # as ``compare`` gave them
    recipe: dict[str, Any]
    encryption: Encryption | None = None

    def write(self, files: Iterable[PlannedFile], target: DeliveryTarget) -> Iterator[PlannedFile]:
        """Write some of the run's files under their hidden names; yields each with its new size and checksum."""
        starts = accumulate((file.rows or 0 for file in self.run.files), initial=0)
        offsets = {file.part: start for file, start in zip(self.run.files, starts, strict=False)}
        with blamed(lambda: self.bound.layout.snapshot.parts):
            for file in files:
                piece = self.rows.slice(offsets[file.part], file.rows or 0)
                yield write_part(file, piece, self.activation, self.bound, target, encryption=self.encryption)

    def why_different(self) -> str:
        """Why files can have other bytes than those delivered, though all that was recorded is unchanged."""
        then, now = self.recipe["versions"], recipe_record.versions_for(self.activation.mapping)
        if then != now:
            return f"it was made by {_software(then)}, and this is {_software(now)}"
        return (
            "the decision and the footers of the snapshot files are unchanged, so values inside these "
            "files must have changed"
        )


def _software(versions: dict[str, str]) -> str:
    others = [f"phonenumbers {versions['phonenumbers']}"] if "phonenumbers" in versions else []
    return " and ".join([f"muster {versions['muster']} with Polars {versions['polars']}", *others])


def has_same_bytes(rebuilt: PlannedFile, delivered: PlannedFile) -> bool:
    """Whether a file has the bytes that the ledger knows; of an encrypted file, whether its clear text has them."""
    if delivered.clear_sha256:
        return (rebuilt.clear_size, rebuilt.clear_sha256) == (delivered.clear_size, delivered.clear_sha256)
    return (rebuilt.size, rebuilt.sha256) == (delivered.size, delivered.sha256)


def refuse_unwritten(run: Run) -> None:
    """``RefusedError`` for a run that wrote nothing, or whose decision is not recorded."""
    if run.status not in {"succeeded", "delivering"}:
        raise RefusedError(f"run {run.run_id} of {run.key} is {run.status}: it delivered nothing")
    if run.decision is None or run.recipe is None or run.snapshot is None:
        raise RefusedError(
            f"run {run.run_id} of {run.key} has no recorded decision: it was pruned or forgotten, or an older "
            "muster made the run; its files cannot be made again"
        )


def gather_material(run: Run, session: Session, *, as_recorded: bool = False, remedy: str = "") -> RunMaterial:
    """Gather the inputs of a run's files; ``RefusedError`` or ``StateError`` names one that is missing or changed.

    ``RefusedError``, too, when the files hold somebody whom a consent policy leaves out today, or such a policy cannot
    be judged (G4), unless they are wanted ``as_recorded``: for an audit, in a folder of their own. ``remedy`` ends that
    message.
    """
    refuse_unwritten(run)
    session = session.of_audience(run.audience)
    recipe = inputs_table.get(session.ledger, run.recipe or "")
    encryption = _encryption(run, recipe, session)
    snapshot = recorded_snapshot(run, recipe, session)
    with blamed(lambda: snapshot.parts):
        activation = recipe_record.activation_of(run, recipe)
        attributes = session.attributes_of(snapshot)
        plan = layout(activation, snapshot, recipe_record.moment_of(run, recipe, session.workspace.zone))
        rows = written_rows.read(run, plan, activation, attributes.roster, session.state)
        bound = BoundLayout(plan, attributes).widened_for(rows)
    delivered = sum(file.rows or 0 for file in run.files)
    forgotten = _forgotten(rows, attributes.roster, session)
    if forgotten or (rows.height != delivered and written_rows.lacks_forgotten(run, session.state)):
        raise RefusedError(
            f"run {run.run_id} of {run.key}: its files cannot be made again without "
            f"{delivered - rows.height + forgotten:,} of their {counted(delivered, 'row')}, of people who were "
            "forgotten since (`muster profiles forget`)"
        )
    if not as_recorded:
        refuse_withdrawn(run, rows, attributes.roster, session, remedy=remedy)
    if rows.height != delivered:
        raise ExportError(
            f"run {run.run_id}: its decision holds {counted(rows.height, 'row')} but its files held another number; "
            f"please report it"
        )
    return RunMaterial(run, activation, bound, rows, recipe, encryption)


def refuse_withdrawn(run: Run, rows: pl.DataFrame, roster: Roster, session: Session, *, remedy: str = "") -> None:
    """``RefusedError`` when a policy of today leaves out somebody in the realized ``rows`` of a run (G4).

    ``RefusedError``, too, when such a policy does not fit the newest snapshot; ``DataError`` when that cannot be read.
    ``remedy`` ends the message of a refusal.
    """
    session = session.of_audience(run.audience)
    people = roster.numbers.gather(rows.filter(pl.col(STATUS) == REALIZED)[ROW])
    with blamed(session.opened.opened_parts):
        session.consent.refuse_left_out(run, people, roster, remedy=remedy)
        session.opened.refuse_changed()


def _forgotten(rows: pl.DataFrame, roster: Roster, session: Session) -> int:
    """How many rows are of people who are forgotten though nobody erased them: all their identities are (G8)."""
    if session.opened.forgotten is None:
        return 0
    hidden, ids = session.opened.newest_snapshot.without, roster.ids_of(rows[ROW])
    return 0 if hidden is None else int(ids.is_in(hidden.implode()).sum())


def _encryption(run: Run, recipe: dict[str, Any], session: Session) -> Encryption | None:
    """The encryption for the files of a run that delivered encrypted ones, with the keys that are configured now.

    A key that was replaced since must not be used again.
    """
    if "encryption" not in recipe:
        return None
    configured = session.workspace.activation(run.key)
    if configured is None or configured.encryption is None:
        raise RefusedError(
            f"run {run.run_id} delivered encrypted files, and the config has no `encryption` for {run.key} "
            f"now: put it back; these files are never written unencrypted"
        )
    try:
        return session.destinations.encryption(configured)
    except MistakeError as error:
        raise RefusedError(str(error)) from error


def recorded_snapshot(run: Run, recipe: dict[str, Any], session: Session) -> Snapshot:
    """The snapshot as the run read it; ``RefusedError`` names every file that is missing or changed."""
    remedy = f"run {run.run_id} took values from it; restore the original file"
    parts, problems = [], []
    for record in inputs_table.get(session.ledger, run.snapshot or ""):
        try:
            parts.append(unchanged_part(session.opened.inputs, record, remedy))
        except InputError as error:
            problems.append(str(error))
    if problems:
        raise RefusedError("\n".join(problems))
    workspace = session.workspace
    return snapshot_of(replace(workspace, profiles=recipe_record.source_of(recipe, workspace.profiles.path)), parts)
