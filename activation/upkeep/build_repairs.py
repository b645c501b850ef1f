"""Repairs of views and identity graphs: dropped, or ids that go on from an earlier build (P7, P10)."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from muster.activation.instants import iso
from muster.activation.model.history import Build
from muster.activation.model.log import logger
from muster.activation.state.ledger import builds_table, named_files
from muster.activation.upkeep.build_faults import DROP_VIEW, RENEW_IDS, whole_before
from muster.activation.upkeep.faults import Health
from muster.activation.upkeep.repair_work import RepairWork

log = logger("muster.repair")


def carry_out(option: str, health: Health, work: RepairWork) -> None:
    """Carry out a repair such as ``--drop-view default``; an option that is no repair of builds does nothing."""
    name, _, policy = option.partition(" ")
    if name not in _REPAIRS:
        return
    prefix = f"{work.state.folder.name}/"
    damaged = {each.file.removeprefix(prefix) for each in health.faults if each.damage}
    _REPAIRS[name](policy, damaged, work)


def _drop_views(policy: str, damaged: set[str], work: RepairWork) -> None:
    """Let the builds with damaged views have none."""
    for build in builds_table.list_all(work.ledger, policy):
        if damaged.isdisjoint(each.path for each in build.view or ()):
            continue
        for each in build.view or ():
            work.put_aside(each)
        with work.ledger.transaction():
            builds_table.put(work.ledger, replace(build, view=None))
        work.done.append(f"the view of merge policy {policy} as of {iso(build.at)} is dropped")


def _renew_ids(policy: str, damaged: set[str], work: RepairWork) -> None:
    """Let ids go on from the newest build whose graph is whole, or begin anew where there is none.

    The newest build loses what it read, so that the next one does not take its profiles for those of equal inputs.
    """
    builds = builds_table.list_all(work.ledger, policy)
    *others, newest = builds
    if damaged.isdisjoint(_paths(newest)):
        return
    before = whole_before(others, damaged)
    for each in (newest.graph or {}).values():
        work.put_aside(each)
    with work.ledger.transaction():
        builds_table.put(work.ledger, replace(newest, graph=before.graph if before else None, inputs=""))
    since = f"go on from those of {iso(before.at)}" if before else "are given anew"
    work.done.append(f"the ids of merge policy {policy} {since} in the next build")


def drop_graph(file: str, work: RepairWork) -> bool:
    """Let no build have the identity graph that a file is of, and return whether one had it."""
    builds = [each for each in builds_table.list_all(work.ledger) if file in _paths(each)]
    if not builds:
        return False
    with work.ledger.transaction():
        for each in builds:
            builds_table.put(work.ledger, replace(each, graph=None))
    for path in sorted({path for each in builds for path in _paths(each)} - named_files.paths(work.ledger)):
        work.move_aside(path)
    work.done += [f"the ids of merge policy {each.policy} of {iso(each.at)} are dropped" for each in builds]
    return True


def _paths(build: Build) -> set[str]:
    """The files of a build's identity graph."""
    return {each.path for each in (build.graph or {}).values()}


_REPAIRS: Mapping[str, Callable[[str, set[str], RepairWork], None]] = {
    DROP_VIEW: _drop_views,
    RENEW_IDS: _renew_ids,
}
