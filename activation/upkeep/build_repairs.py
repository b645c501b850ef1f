"""Repairs of views and identity graphs: made again, dropped, or ids that go on from an earlier build (P7, P10)."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from muster.activation.errors import RefusedError
from muster.activation.instants import iso
from muster.activation.model.history import Build
from muster.activation.model.log import logger
from muster.activation.state import state_paths
from muster.activation.state.ledger import builds_table, named_files
from muster.activation.system.disk import make_folder, sync
from muster.activation.upkeep.build_faults import DROP_VIEW, REBUILD, RENEW_IDS, essential, whole_before
from muster.activation.upkeep.faults import Health, Repair
from muster.activation.upkeep.repair_work import RepairWork

log = logger("muster.repair")


def least(repairs: Sequence[Repair]) -> Sequence[Repair]:
    """Return, of the repairs of a fault, only the one that makes a build again where that is possible, else others."""
    again = [each for each in repairs if each.option.startswith(REBUILD)]
    possible = [each for each in again if each.is_possible]
    return possible or [each for each in repairs if each not in again]


def carry_out(option: str, health: Health, work: RepairWork, *, or_instead: bool) -> None:
    """Carry out a repair such as ``--rebuild default``; an option that is no repair of builds does nothing.

    ``RefusedError`` for a build that cannot be made again; with ``or_instead`` the damaged files are dropped then.
    """
    name, _, policy = option.partition(" ")
    if name not in _REPAIRS:
        return
    prefix = f"{work.state.folder.name}/"
    damaged = {each.file.removeprefix(prefix) for each in health.faults if each.damage}
    try:
        _REPAIRS[name](policy, damaged, work)
    except RefusedError as error:
        if not or_instead:
            raise
        log.warning("%s", error)
        _drop_views(policy, damaged, work)
        _renew_ids(policy, damaged, work)


def _rebuild(policy: str, damaged: Collection[str], work: RepairWork) -> None:
    """Make the builds with damaged files again, and put these files in their places."""
    from muster.activation.upkeep.rebuild import rebuild  # noqa: PLC0415  # the whole engine

    for build in builds_table.list_all(work.ledger, policy):
        files = [each for each in build.files if each.path in damaged]
        if not files:
            continue
        with TemporaryDirectory(dir=work.state.folder / state_paths.TEMPORARY) as scratch:
            made = rebuild(work.workspace, work.state, work.ledger, build, files, scratch=Path(scratch))
            for each in files:
                work.put_aside(each)
                target = work.state.folder / each.path
                make_folder(target.parent, work.state.file_mode)
                made[each].replace(target)
                sync(target.parent)
        work.done.append(
            f"the profiles of merge policy {policy} as of {iso(build.at)} are made again: the same bytes as before"
        )


def _drop_views(policy: str, damaged: Collection[str], work: RepairWork) -> None:
    """Let the builds with damaged views have none."""
    for build in builds_table.list_all(work.ledger, policy):
        if not any(each.path in damaged for each in build.view or ()):
            continue
        for each in build.view or ():
            work.put_aside(each)
        with work.ledger.transaction():
            builds_table.put(work.ledger, replace(build, view=None))
        work.done.append(f"the view of merge policy {policy} as of {iso(build.at)} is dropped")


def _renew_ids(policy: str, damaged: Collection[str], work: RepairWork) -> None:
    """Let ids go on from the newest build whose ids are whole, or begin anew where there is none.

    The newest build loses what it read, so that the next one does not take its profiles for those of equal inputs.
    """
    newest = builds_table.newest(work.ledger, policy)
    if newest is None or not any(each.path in damaged for each in essential(newest)):
        return
    builds = builds_table.list_all(work.ledger, policy)
    before = whole_before([each for each in builds if each.number < newest.number], damaged)
    for each in (newest.graph or {}).values():
        work.put_aside(each)
    with work.ledger.transaction():
        builds_table.put(work.ledger, replace(newest, graph=before.graph if before else None, inputs=""))
    since = f"go on from those of {iso(before.at)}" if before else "are given anew"
    work.done.append(f"the ids of merge policy {policy} {since} in the next build")


def tidy(file: str, work: RepairWork) -> bool:
    """Let no build have a file of an identity graph, and return whether one had it.

    Of an earlier build whose ids are damaged the whole graph goes. Of the newest one no ids are tidied; a build that
    lost another file is made anew.
    """
    builds = [each for each in builds_table.list_all(work.ledger) if file in _paths(each)]
    for each in builds:
        others = {kind: stored for kind, stored in (each.graph or {}).items() if stored.path != file}
        lost_ids = any(stored.path == file for stored in essential(each))
        with work.ledger.transaction():
            builds_table.put(work.ledger, replace(each, graph=None if lost_ids else others, inputs=""))
        work.done.append(f"{work.state.folder.name}/{file}: moved aside")
    for path in sorted({path for each in builds for path in _paths(each)} - named_files.paths(work.ledger)):
        work.move_aside(path)
    return bool(builds)


def _paths(build: Build) -> set[str]:
    """The files of a build's identity graph."""
    return {each.path for each in (build.graph or {}).values()}


_REPAIRS: Mapping[str, Callable[[str, Collection[str], RepairWork], None]] = {
    REBUILD: _rebuild,
    DROP_VIEW: _drop_views,
    RENEW_IDS: _renew_ids,
}
