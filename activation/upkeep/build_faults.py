"""Damaged views and identity graphs of builds: what each affects, and what the repairs cost (P7, P10).

A view comes out of the sources and of the ids of the build before, so it may be made again. Lost ids do not come back:
whoever would get another one leaves under the old id and enters anew.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from muster.activation.instants import iso
from muster.activation.model.history import Build, StoredFile
from muster.activation.model.workspace import Workspace
from muster.activation.state import state_paths
from muster.activation.state.ledger import builds_table, evaluations_table
from muster.activation.state.ledger.database import Ledger
from muster.activation.upkeep.faults import Fault, Repair
from muster.activation.upkeep.rebuild import ESSENTIAL, why_impossible
from muster.activation.wording import several

REBUILD, DROP_VIEW, RENEW_IDS = "--rebuild", "--drop-view", "--renew-ids"


def explained(
    fault: Fault, stored: StoredFile, workspace: Workspace, ledger: Ledger, damaged: Collection[str]
) -> Fault:
    """Return the fault of a file of builds with what it affects and what its repairs cost.

    ``damaged`` are all damaged files of the state.
    """
    builds = [each for each in builds_table.list_all(ledger) if stored in each.files]
    if not builds:  # a command at work has taken them back
        return fault
    build = builds[-1]
    newest = builds_table.newest(ledger, build.policy)
    is_newest = newest is not None and build.number == newest.number
    again = _rebuild(build, why_impossible(build, workspace, ledger))
    if state_paths.kind_of(stored.path) == state_paths.VIEWS:
        return _view_fault(fault, build, ledger, again, is_newest=is_newest)
    if stored in essential(build):
        if not is_newest:
            return _older_ids_fault(fault, builds)
        return _ids_fault(fault, build, builds_table.list_all(ledger, build.policy), again, damaged)
    return _report_fault(fault, build, again, is_newest=is_newest)


def essential(build: Build) -> list[StoredFile]:
    """Return the files of a build's identity graph that the next build goes on from."""
    return [each for kind, each in (build.graph or {}).items() if kind in ESSENTIAL]


def whole_before(builds: Sequence[Build], damaged: Collection[str]) -> Build | None:
    """Return the newest of some builds of a policy whose ids are there, and not damaged."""
    whole = (each for each in reversed(builds) if each.changes_ids and essential(each))
    return next((each for each in whole if _is_whole(essential(each), damaged)), None)


def _is_whole(files: Iterable[StoredFile], damaged: Collection[str]) -> bool:
    return not any(each.path in damaged for each in files)


def _view_fault(fault: Fault, build: Build, ledger: Ledger, again: Repair, *, is_newest: bool) -> Fault:
    used = [
        f"{each.audience} at {iso(each.at)}"
        for each in evaluations_table.list_all(ledger)
        if each.inputs.get("build") == {"policy": build.policy, "number": build.number}
    ]
    affects = [f"every command that reads the profiles of merge policy {build.policy}"] if is_newest else []
    affects += [f"exports on demand from the evaluation of {several(used)}"] if used else []
    cost = "the next command that needs it merges the sources anew" if is_newest else "loses the profiles as of then"
    if used:
        cost += "; exports on demand from these evaluations are refused"
    repairs = (again, Repair(f"{DROP_VIEW} {build.policy}", cost))
    return replace(fault, affects=tuple(affects) or ("the history of profiles alone",), repairs=repairs)


def _report_fault(fault: Fault, build: Build, again: Repair, *, is_newest: bool) -> Fault:
    """Return the fault of a file of an identity graph from which no build goes on."""
    if not is_newest:
        tidy = Repair("--tidy", "moves it aside: loses the identity graph as of then")
        return replace(fault, affects=("the history of profiles alone",), repairs=(again, tidy))
    affects = (f"`muster graph`, `muster profiles show` and consent of merge policy {build.policy}",)
    tidy = Repair("--tidy", "moves it aside: the next evaluation merges the sources anew")
    return replace(fault, affects=affects, repairs=(again, tidy))


def _older_ids_fault(fault: Fault, builds: Sequence[Build]) -> Fault:
    return replace(
        fault,
        affects=tuple(f"`muster evaluations forget` back to the ids of {iso(each.at)} alone" for each in builds),
        repairs=(Repair("--tidy", f"moves it aside: nobody can go back to the ids of {iso(builds[-1].at)}"),),
    )


def _ids_fault(fault: Fault, build: Build, builds: Sequence[Build], again: Repair, damaged: Collection[str]) -> Fault:
    before = whole_before([each for each in builds if each.number < build.number], damaged)
    if before:
        since = f"ids go on from those of {iso(before.at)}: who came, merged or split since may get another one"
    else:
        since = "ids are given anew: who merged, split or lost an identity may get another one"
    renew = Repair(
        f"{RENEW_IDS} {build.policy}", f"{since}, and then leaves under the old id, enters anew, and is sent again"
    )
    affects = (f"every command that reads the profiles of merge policy {build.policy}: their ids are in it",)
    return replace(fault, affects=affects, repairs=(again, renew))


def _rebuild(build: Build, impossible: str) -> Repair:
    cost = f"merges the sources again as of {iso(build.at)}: they have not changed"
    return Repair(f"{REBUILD} {build.policy}", f"not possible: {impossible}" if impossible else cost, not impossible)
