"""A run's files put at their destination again, after the receiver lost them (F1, F3). Edge module.

What stands there and is as it was delivered stays untouched. The steps, and what a kill at each leaves:

    ledger: an open redelivery       temporary names are the run's own     -> the next command removes what has them
    write the files, compare them    hidden files                          -> the same
    make each one visible            some are back, each of them whole     -> the same; asked again, the rest follows
    write the manifest               all is back                           -> the same
    ledger: the redelivery is closed

The run's record, the baseline and the slots stay as they are. Encrypted files are encrypted anew, which gives other
bytes: between the second step and the third the ledger takes their new sizes and checksums, and the manifest of before
goes before one of them appears, so that none ever tells of other bytes than stand there.
"""

import logging
from collections.abc import Collection
from dataclasses import dataclass, replace

from muster.activation.delivery.manifest import telling
from muster.activation.delivery.protocol import clear_redelivery, manifest_temporary
from muster.activation.destinations.folder import Target
from muster.activation.errors import ExportError, RefusedError
from muster.activation.model.history import PlannedFile, Run
from muster.activation.redelivery.remake import Remake, refuse_unwritten, remake, same
from muster.activation.session import Session
from muster.activation.state.ledger import constant_names, redeliveries_table, runs_table

log = logging.getLogger("muster.deliver")


@dataclass(frozen=True)
class Redelivered:
    """What was put back: paths below the destination."""

    run: Run
    written: tuple[str, ...] = ()
    manifest_written: bool = False


@dataclass(frozen=True)
class _Place:
    """A run's destination as it is now."""

    target: Target
    lost: tuple[PlannedFile, ...]  # not there, or not as they were
    taken: frozenset[str]  # of these, names under which something else stands
    manifest_lost: bool


def redeliver(run: Run, session: Session, *, force: bool = False) -> Redelivered:
    """Put back what is missing of a run, or differs. With the lock held; nothing appears before all of it was made and compared.

    ``force`` replaces a file that differs though its name is the run's alone.
    """
    _refuse(run, session)
    place = _look(run, session)
    if not place.lost and not place.manifest_lost:
        return Redelivered(run)
    place.target.check()
    place.target.check_free([*(file.path for file in place.lost), *_manifest(run)], replace=True)
    if place.taken and not run.constant_names and not force:
        names = ", ".join(sorted(place.taken))
        raise RefusedError(
            f"{run.url}: {names}: stands there and is not what run {run.run_id} delivered; --force replaces it"
        )
    made = remake(run, session) if place.lost else None
    with session.ledger.transaction():
        redeliveries_table.begin(session.ledger, run.run_id, session.clock())
    visible: list[str] = []
    try:
        with place.target.told("run `muster redeliver` again"):
            if made:
                place = _stage(made, place)
            if made and made.encryption:
                run = _recorded(run, place, session)
            _let_appear(run, place, visible)
    finally:
        if clear_redelivery(run, session):
            with session.ledger.transaction():
                redeliveries_table.finish(session.ledger, run.run_id, session.clock(), visible)
    return Redelivered(run, tuple(file.path for file in place.lost), manifest_written=bool(run.manifest_name))


def _refuse(run: Run, session: Session) -> None:
    """``RefusedError`` when this run's files are not what belongs there."""
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
            f"`muster replay {run.run_id}` makes those files elsewhere"
        )


def _look(run: Run, session: Session) -> _Place:
    """What is there of the run; its own place, whatever the config says now (S6)."""
    target = session.target(run)
    lost = tuple(file for file in run.files if not target.holds(file.path, file.size, file.sha256))
    taken = frozenset(file.path for file in lost if target.exists(file.path))
    return _Place(target, lost, taken, any(not target.says(name, run.manifest or "") for name in _manifest(run)))


def _manifest(run: Run) -> list[str]:
    return [run.manifest_name] if run.manifest_name else []


def _stage(made: Remake, place: _Place) -> _Place:
    """Write what is lost under hidden names, and compare all of it: the place with the files as they were made."""
    staged = tuple(made.write(place.lost, place.target))
    for before, file in zip(place.lost, staged, strict=True):
        if not same(file, before):
            raise ExportError(
                f"{place.target.url}/{file.path}: made again, it does not have the bytes that were delivered, "
                f"so nothing was put there: "
                f"{made.why_different()}"
            )
    return replace(place, lost=staged)


def _recorded(run: Run, place: _Place, session: Session) -> Run:
    """The run with the files that were encrypted anew, in the ledger and its manifest."""
    anew = {file.part: file for file in place.lost}
    told = telling(run, [anew.get(file.part, file) for file in run.files])
    with session.ledger.transaction():
        runs_table.put(session.ledger, told)
    if run.manifest_name:
        place.target.remove(run.manifest_name)
    return told


def _let_appear(run: Run, place: _Place, visible: list[str]) -> None:
    """The files, then the manifest, also if it was there: whoever waits for it is told that all is complete again."""
    replaceable: Collection[str] = [file.path for file in place.lost] if run.constant_names else place.taken
    for file in place.lost:
        place.target.publish(file, replace=file.path in replaceable)
        visible.append(file.path)
        log.info("%s/%s: put back", run.url, file.path)
    for name in _manifest(run):
        place.target.write(name, manifest_temporary(run), run.manifest or "")
        visible.append(name)
