"""A run's files put at their destination again, after the receiver lost them (F1, F3).

A file that is there as it was delivered stays untouched. The steps, and what a kill at each leaves:

    ledger: an open redelivery       temporary names are the run's own     -> the next command removes such files
    write the files, compare them    hidden files                          -> the next command removes them
    make each one visible            some are back, each of them whole     -> the hidden rest is removed; asked again,
                                                                              the rest follows
    write the manifest               all is back                           -> nothing is left to do
    ledger: the redelivery is closed

The run's record, the baseline and the slots stay as they are. Encrypted files are encrypted anew, which gives other
bytes: between the second step and the third the ledger takes their new sizes and checksums, and the old manifest is
removed before one of them appears, so that no manifest ever lists other bytes than the destination holds.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace

from muster.activation.delivery.files import manifest_temporary
from muster.activation.delivery.manifest import with_files
from muster.activation.delivery.protocol import clear_redelivery
from muster.activation.destinations.target import DeliveryTarget
from muster.activation.errors import ExportError, RefusedError
from muster.activation.model.history import PlannedFile, Run
from muster.activation.model.log import logger
from muster.activation.redelivery.material import RunMaterial, gather_material, has_same_bytes, refuse_unwritten
from muster.activation.redelivery.today import refuse_forbidden
from muster.activation.session import Session
from muster.activation.state.ledger import constant_names, redeliveries_table, runs_table

log = logger("muster.deliver")


@dataclass(frozen=True)
class Redelivered:
    """The files of a run that were put back, as paths below the destination."""

    run: Run
    written: tuple[str, ...] = ()
    manifest_written: bool = False


@dataclass(frozen=True)
class _Inspection:
    """The files and the manifest that a run's destination lacks now."""

    target: DeliveryTarget
    lost: tuple[PlannedFile, ...]  # missing, or with other bytes
    taken: frozenset[str]  # names of lost files under which there is something else
    manifest_lost: bool


def redeliver(run: Run, session: Session, *, force: bool = False) -> Redelivered:
    """Put back the files of a run that are missing or differ; nothing appears before all were made and compared.

    Needs the workspace's lock. ``force`` overwrites a file that differs though its name belongs to this run alone.
    ``RefusedError`` when the run's files do not belong there now, or when today's policies forbid them (G3);
    ``ExportError`` when they come out differently.
    """
    _refuse(run, session)
    refuse_forbidden(run, session)
    found = _inspect(run, session)
    if not found.lost and not found.manifest_lost:
        return Redelivered(run)
    found.target.check()
    found.target.check_free([*(file.path for file in found.lost), *_manifest_names(run)], replace=True)
    if found.taken and not run.constant_names and not force:
        names = ", ".join(sorted(found.taken))
        raise RefusedError(f"{run.url}: {names}: differs from what run {run.run_id} delivered; --force overwrites it")
    material = gather_material(run, session) if found.lost else None
    with session.ledger.transaction():
        redeliveries_table.begin(session.ledger, run.run_id, session.clock())
    visible: list[str] = []
    try:
        with found.target.describing_failures("run `muster redeliver` again"):
            if material:
                found = _stage(material, found)
            if material and material.encryption:
                run = _record_files(run, found, session)
            _publish(run, found, visible)
    finally:
        if clear_redelivery(run, session):
            with session.ledger.transaction():
                redeliveries_table.finish(session.ledger, run.run_id, session.clock(), visible)
    return Redelivered(run, tuple(file.path for file in found.lost), manifest_written=bool(run.manifest_name))


def _refuse(run: Run, session: Session) -> None:
    """``RefusedError`` when the run is not finished, wrote nothing, or a later run replaced its files."""
    if run.status == "delivering":
        raise RefusedError(
            f"run {run.run_id} of {run.key} was interrupted while it was delivered; `muster run` finishes it"
        )
    if run.status != "succeeded":
        refuse_unwritten(run)
    later = constant_names.replaced_by(session.ledger, run)
    if later:
        raise RefusedError(
            f"run {later} has replaced the files of run {run.run_id} at {run.url}: only the newest can be put there; "
            f"`muster replay {run.run_id}` writes its files to another folder"
        )


def _inspect(run: Run, session: Session) -> _Inspection:
    """Compare the run with its own destination, whatever the config says now (S6)."""
    target = session.destinations.target(run)
    lost = tuple(file for file in run.files if not target.holds(file.path, file.size, file.sha256))
    taken = frozenset(file.path for file in lost if target.exists(file.path))
    manifest_lost = any(not target.holds_text(name, run.manifest or "") for name in _manifest_names(run))
    return _Inspection(target, lost, taken, manifest_lost)


def _manifest_names(run: Run) -> list[str]:
    """The name of the run's manifest, if the run has one."""
    return [run.manifest_name] if run.manifest_name else []


def _stage(material: RunMaterial, found: _Inspection) -> _Inspection:
    """Write the lost files under hidden names and compare them; returns the inspection with the files as made."""
    staged = tuple(material.write(found.lost, found.target))
    found.target.sync_names((file.temporary for file in staged), set())
    for before, file in zip(found.lost, staged, strict=True):
        if not has_same_bytes(file, before):
            raise ExportError(
                f"{found.target.url}/{file.path}: made again, it does not have the bytes that were delivered, "
                f"so nothing was put there: {material.why_different()}"
            )
    return replace(found, lost=staged)


def _record_files(run: Run, found: _Inspection, session: Session) -> Run:
    """Record the files that were encrypted anew, in the ledger and in the run's manifest; remove the old manifest."""
    anew = {file.part: file for file in found.lost}
    changed = with_files(run, [anew.get(file.part, file) for file in run.files])
    with session.ledger.transaction():
        runs_table.put(session.ledger, changed)
    if run.manifest_name:
        found.target.remove(run.manifest_name)
    return changed


def _publish(run: Run, found: _Inspection, visible: list[str]) -> None:
    """Publish the lost files and then the manifest, even one that was there: it announces that all is complete again.

    Each path that became visible is added to ``visible``, also when a later one fails.
    """
    replaceable: Collection[str] = [file.path for file in found.lost] if run.constant_names else found.taken
    for file in found.lost:
        found.target.publish(file, replace=file.path in replaceable)
        visible.append(file.path)
        log.info("%s/%s: put back", run.url, file.path)
    found.target.sync_names((file.path for file in found.lost), set())
    for name in _manifest_names(run):
        found.target.write(name, manifest_temporary(run), run.manifest or "")
        found.target.sync_names([name], set())
        visible.append(name)
