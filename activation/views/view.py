"""A merged view: the profiles of a merge policy in Parquet, and beside it where identities lead (P8, P9, P10)."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any
from weakref import finalize

import polars as pl

from muster.activation.errors import RefusedError
from muster.activation.frames import engine
from muster.activation.frames.columns import PROFILE_ID
from muster.activation.model.history import Build
from muster.activation.sources.opened import OpenedSource
from muster.activation.state.files import State
from muster.activation.views.aliases import Chains
from muster.activation.views.ids import KeptIds
from muster.activation.views.lineage import Lineage

IDS, IDENTITIES, FRAGMENTS = "ids", "identities", "fragments"  # files of the graph of a build
ALIASES, SPLITS = "aliases", "splits"
SHARED, REFUSED, CUT = "shared", "refused", "cut"  # what the rules of the graph took apart


@dataclass(frozen=True, eq=False)
class View:
    """The merged view of one build of a merge policy.

    A build that is not kept lies in a folder that goes with this object, at ``close`` at the latest.
    """

    build: Build
    is_kept: bool  # in the state and its ledger
    sources: tuple[OpenedSource, ...]  # the sources of records, in the order of the fragments; none of a recorded view
    _state: State = field(repr=False)

    @property
    def policy(self) -> str:
        """The merge policy."""
        return self.build.policy

    @property
    def at(self) -> datetime:
        """The instant of the build: earlier than that of the command, while the same rows count."""
        return self.build.at

    @property
    def number(self) -> int:
        """The number of the build; of one that is not kept the number that it would have."""
        return self.build.number

    @property
    def stats(self) -> Mapping[str, Any]:
        """Sizes, shared and refused identities, merges and splits."""
        return self.build.stats

    @property
    def unusable(self) -> Mapping[str, str]:
        """The columns of sources that are none of the view, each with the reason (D5)."""
        return dict(self.build.stats.get("unusable", {}))

    @property
    def name(self) -> str:
        """The view in messages."""
        return f"the profiles of the merge policy {self.policy!r}"

    @cached_property
    def paths(self) -> tuple[Path, ...]:
        """The Parquet files, checked, in the order of their profiles; ``StateError`` for one that is damaged."""
        stored = self.build.view or ()
        for each in stored:
            self._state.read(each)
        return tuple(self._state.path(each) for each in stored)

    @cached_property
    def ids(self) -> pl.Series:
        """All profile ids (String), sorted: the rows of the view."""
        return engine.collect(self.graph_file(IDS).select(PROFILE_ID))[PROFILE_ID]

    @property
    def identities(self) -> pl.LazyFrame:
        """The identities that lead to a profile: ``namespace``, ``id``, ``profile_id`` (String), each identity once."""
        profile_id = pl.lit(self.ids).gather(pl.col("profile")).alias(PROFILE_ID)
        return self.graph_file(IDENTITIES).select("namespace", "id", profile_id)

    def led_by(self, namespace: str, id_: str) -> str | None:
        """The profile id that a cleaned identity leads to, found without reading all of them; None for none."""
        is_it = (pl.col("namespace") == namespace) & (pl.col("id") == id_)
        found = engine.collect(self.graph_file(IDENTITIES).filter(is_it).select("profile"))
        return self._id_at(found.item()) if found.height else None

    def _id_at(self, position: int) -> str:
        found = engine.collect(self.graph_file(IDS).select(PROFILE_ID).slice(position, 1))
        return str(found.item())

    def position_of(self, profile_id: str) -> int | None:
        """The row of a profile in the view; None when no profile has the id."""
        rows = self.graph_file(IDS).select(PROFILE_ID).with_row_index("row").filter(pl.col(PROFILE_ID) == profile_id)
        found = engine.collect(rows.select("row"))
        return int(found.item()) if found.height else None

    @cached_property
    def lineage(self) -> Lineage:
        """What became of profile ids, as of this build (P7)."""
        return self.chains.resolved(self.policy, self.number)

    @property
    def chains(self) -> Chains:
        """The lineage as the build left it to the next one; of a view whose graph was pruned nobody asks for it."""
        if self.build.graph is None:
            return Chains.none()
        return Chains(*(engine.collect(self.graph_file(each)) for each in (ALIASES, SPLITS)))

    @property
    def kept_ids(self) -> KeptIds:
        """The ids as the build left them to the next one."""
        profiles, identities = (engine.collect(self.graph_file(each)) for each in (IDS, IDENTITIES))
        return KeptIds(profiles, identities)

    def graph_file(self, kind: str) -> pl.LazyFrame:
        """One of the files of the identity graph, checked; ``RefusedError`` when it was pruned, or lost."""
        if self.build.graph is None or kind not in self.build.graph:
            raise RefusedError(
                f"the identity graph of {self.name} of build {self.number} was pruned, and cannot be used any more; "
                "run `muster evaluate`, which builds them anew"
            )
        return self._state.read(self.build.graph[kind])

    def close(self) -> None:
        """Remove the files of a build that is not kept."""
        if not self.is_kept:
            shutil.rmtree(self._state.folder, ignore_errors=True)


def temporary_view(build: Build, sources: tuple[OpenedSource, ...], state: State) -> View:
    """The view of a build that is not kept, whose folder is removed once nobody holds the view any more."""
    view = View(build, False, sources, state)
    finalize(view, shutil.rmtree, state.folder, ignore_errors=True)
    return view
