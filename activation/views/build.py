"""Views are built once and kept, and not built again while the same rows count (P10).

Files come first; then one transaction names them. A build that fails takes its files away, so that no tool reads a
view of it. What a killed command wrote before the transaction, the next command that writes removes.
"""

import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import mkdtemp

from muster.activation.errors import RefusedError
from muster.activation.model.history import Build
from muster.activation.model.sources import MergePolicy, record_sources
from muster.activation.model.workspace import Workspace
from muster.activation.sources.keyed import Blocked
from muster.activation.sources.opened import OpenedSource
from muster.activation.state import leftovers, state_paths
from muster.activation.state.files import State
from muster.activation.state.ledger import build_history, builds_table
from muster.activation.state.ledger.database import Ledger
from muster.activation.views.aliases import Chains
from muster.activation.views.ids import KeptIds
from muster.activation.views.inputs_key import inputs_key
from muster.activation.views.making import Before, Place, make
from muster.activation.views.view import View, temporary_view


def view_at(  # noqa: PLR0917  # what every command has, in order
    workspace: Workspace,
    policy_id: str,
    sources: Sequence[OpenedSource],
    at: datetime,
    state: State,
    ledger: Ledger,
    *,
    keeps: bool,
    is_blocked: Blocked | None = None,
    blocked_key: str = "",
) -> View:
    """The merged view of a policy at an instant: a kept one while the same rows count, else a new one (P10).

    ``sources`` are the policy's sources of records (``record_sources``), then its sources of events, opened at the
    instant. With ``keeps``, a new build is recorded, with the lock held; else it lies in a folder of its own. Forgotten
    people's identities are those of which ``is_blocked`` says so; ``blocked_key`` is equal while these are (G8).
    ``DataError`` when a source cannot be used. A view may have no profile: whoever reads it judges that.
    """
    policy = workspace.merge_policies[policy_id]
    of_records = tuple(sources[: len(record_sources(policy, workspace.sources))])
    key = inputs_key(workspace, policy, sources, blocked_key)
    if kept := _reusable(ledger, policy_id, key, at):
        return View(kept, True, of_records, state)
    work = _Work(workspace, policy, of_records, sources[len(of_records) :], at, key, state, ledger, is_blocked)
    return work.kept() if keeps else work.unkept()


def kept_view(policy: str, number: int, state: State, ledger: Ledger) -> View:
    """The view of a build, as an evaluation recorded it (X7); ``RefusedError`` when it was pruned."""
    build = builds_table.get(ledger, policy, number)
    if build is None or build.view is None:
        raise RefusedError(
            f"the profiles of the merge policy {policy!r} of build {number} were pruned; run `muster evaluate` and "
            "export again"
        )
    return View(build, True, (), state)


def _reusable(ledger: Ledger, policy: str, key: str, at: datetime) -> Build | None:
    """A kept build in which the same rows counted.

    At the instant of the newest build, or later, only that one: an older one has ids of before. Earlier, the last one
    up to the instant, else the first one after it.
    """
    newest = builds_table.newest(ledger, policy)
    if newest is None or at >= newest.at:
        return newest if newest and newest.inputs == key and newest.view and newest.graph else None
    alike = [each for each in builds_table.list_all(ledger, policy) if each.inputs == key and each.view and each.graph]
    before = [each for each in alike if each.at <= at]
    return max(before, key=_age) if before else min(alike, key=_age, default=None)


def _age(build: Build) -> tuple[datetime, int]:
    return build.at, build.number


@dataclass(frozen=True, eq=False)
class _Work:
    """A build that is to be made."""

    workspace: Workspace
    policy: MergePolicy
    of_records: tuple[OpenedSource, ...]
    of_events: Sequence[OpenedSource]
    at: datetime
    key: str
    state: State
    ledger: Ledger
    is_blocked: Blocked | None

    def kept(self) -> View:
        """A new build in the state and its ledger."""
        before = builds_table.list_all(self.ledger, self.policy.id)
        names = {state_paths.build_in(file.path)[1] for each in before for file in each.files}
        try:
            build = self._build(self.state, state_paths.build_name(self.at, names))
        except BaseException:
            with suppress(OSError):  # the error itself is told; what stays goes with the next command that writes
                leftovers.remove_unnamed_builds(self.state.folder, self.ledger)
            raise
        with self.ledger.transaction():
            builds_table.put(self.ledger, build)
        return View(build, True, self.of_records, self.state)

    def unkept(self) -> View:
        """A new build in a folder that is readable by its owner alone, and goes with the view."""
        folder = Path(mkdtemp(prefix="muster-view-"))
        try:
            (folder / state_paths.TEMPORARY).mkdir(mode=0o700)
            there = State(folder, 0o600)
            build = self._build(there, state_paths.build_name(self.at, ()))
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return temporary_view(build, self.of_records, there)

    def _build(self, target: State, name: str) -> Build:
        """The files of the build written below a state folder, and its record."""
        newest = builds_table.newest(self.ledger, self.policy.id)
        number = builds_table.next_number(self.ledger, self.policy.id)
        place = Place(target, self.policy.id, name, number)
        sources = (*self.of_records, *self.of_events)
        made = make(self.workspace, sources, self._before(newest), place, is_blocked=self.is_blocked)
        for each in sources:
            each.refuse_changed()
        stats = made.stats | {"changes_ids": newest is None or self.at >= newest.at}
        return Build(self.policy.id, number, self.at, self.key, made.view, made.graph, stats)

    def _before(self, newest: Build | None) -> Before:
        """What the newest build left; ids of a graph that was pruned or lost begin anew."""
        oldest = build_history.oldest_named(self.ledger, self.policy.id)
        if newest is None or newest.graph is None:
            return Before(KeptIds.none(), Chains.none(), oldest)
        view = View(newest, True, (), self.state)
        return Before(view.kept_ids, view.chains, oldest)
