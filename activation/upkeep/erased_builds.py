"""Views and identity graphs of builds written anew without some people (G8): nothing refers to them before ``record``.

views    the rows go, and identities of theirs from the maps of others: these identities count for nobody any more
graphs   the rows go that name the people, or an identity of theirs; ids that others keep stay
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import polars as pl

from muster.activation.frames import engine
from muster.activation.frames.columns import PROFILE_ID
from muster.activation.inputs.paths import Inputs
from muster.activation.model.history import Build, StoredFile
from muster.activation.state import state_paths
from muster.activation.state.files import State
from muster.activation.state.ledger import builds_table, inputs_table, named_files
from muster.activation.state.ledger.database import Ledger
from muster.activation.upkeep.people import IDENTITY_MAP
from muster.activation.views.erased_ids import without
from muster.activation.views.ids import KeptIds
from muster.activation.views.view import FRAGMENTS, IDENTITIES, IDS

_IDS = (PROFILE_ID, "alias", "new_id")  # columns of identity graphs that have profile ids
_SEARCHED = (IDS, IDENTITIES, FRAGMENTS)


@dataclass
class ErasedBuilds:
    """Builds whose files were written anew without some people."""

    state: State
    builds: list[Build] = field(default_factory=list)  # as they are to be
    files: dict[str, StoredFile] = field(default_factory=dict)  # those of before, by path: what is in the place of each

    @classmethod
    def written(cls, state: State, ledger: Ledger, ids: pl.Series, identities: pl.Series) -> Self:
        """Write the files of all builds anew that name some people: profile ids, and identities (String).

        ``StateError`` for a file that is damaged.
        """
        writing, erased = _Writing(state, ids, identities, set(named_files.named(ledger))), cls(state)
        for build in builds_table.list_all(ledger):
            moved = writing.moved(build)
            if moved != build:
                erased.builds.append(moved)
        erased.files = {before.path: after for before, after in writing.written.items() if before != after}
        return erased

    def record(self, ledger: Ledger, inputs: Inputs) -> None:
        """Let the ledger refer to the new files, also where views were inputs. In a transaction."""
        for build in self.builds:
            builds_table.put(ledger, build)

        def replaced(record: dict[str, Any]) -> dict[str, Any]:
            after = next(each for file, each in self.files.items() if record["name"].endswith(f"/{file}"))
            return inputs.read_one(self.state.path(after)).record

        inputs_table.replace_files(ledger, self.files, replaced)


@dataclass
class _Writing:
    """What writes files of builds anew; a file that several builds have is written once."""

    state: State
    ids: pl.Series  # String
    identities: pl.Series  # String: the namespace, a zero byte, the id
    taken: set[str]  # names of files
    written: dict[StoredFile, StoredFile] = field(default_factory=dict)

    def moved(self, build: Build) -> Build:
        """A build with the files that it is to have."""
        view = build.view and tuple(
            self._changed(each, frame, self._view(frame), searched=True)
            for each in build.view
            for frame in [engine.collect(self.state.read(each))]
        )
        return replace(build, view=view, graph=build.graph and self._graph(build.graph))

    def _graph(self, graph: Mapping[str, StoredFile]) -> dict[str, StoredFile]:
        """The files of an identity graph without them."""
        before = {kind: engine.collect(self.state.read(each)) for kind, each in graph.items()}
        erased = without(KeptIds(before[IDS], before[IDENTITIES]), self.ids, self.identities)
        fragments = before[FRAGMENTS].with_columns(erased.moved(before[FRAGMENTS]["profile"]))
        after = {kind: self._rows(frame) for kind, frame in before.items() if kind not in _SEARCHED} | {
            IDS: erased.kept.profiles,
            IDENTITIES: erased.kept.identities,
            FRAGMENTS: fragments.filter(pl.col("profile").is_not_null()),
        }
        return {
            kind: self._changed(each, before[kind], after[kind], searched=kind in _SEARCHED)
            for kind, each in graph.items()
        }

    def _changed(self, stored: StoredFile, before: pl.DataFrame, after: pl.DataFrame, *, searched: bool) -> StoredFile:
        """A file, or what is written in the place of it where people were in it."""
        if stored not in self.written:
            self.written[stored] = stored
            if not after.equals(before):
                file = state_paths.rewritten_file(stored.path, self.taken)
                self.taken.add(file)
                self.written[stored] = self.state.write(after, file, searched=searched)
        return self.written[stored]

    def _view(self, frame: pl.DataFrame) -> pl.DataFrame:
        """A merged view without them."""
        entry = pl.element().struct
        is_others = ~(entry.field("namespace") + "\0" + entry.field("id")).is_in(self.identities.implode())
        others = frame.filter(~pl.col(PROFILE_ID).is_in(self.ids.implode()))
        return others.with_columns(pl.col(IDENTITY_MAP).list.eval(pl.element().filter(is_others)))

    def _rows(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Rows of an identity graph without those that name them, by ids or by identities."""
        theirs = [pl.col(name).is_in(self.ids.implode()) for name in _IDS if name in frame.columns]
        for prefix in ("", "a_", "b_"):
            if {f"{prefix}namespace", f"{prefix}id"} <= set(frame.columns):
                identity = pl.col(f"{prefix}namespace") + "\0" + pl.col(f"{prefix}id")
                theirs.append(identity.is_in(self.identities.implode()))
        is_theirs = pl.any_horizontal(each.fill_null(value=False) for each in theirs)
        return frame.filter(~is_theirs) if theirs else frame
