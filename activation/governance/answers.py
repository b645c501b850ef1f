"""What each source says where consent policies ask: the fragments of a merge policy beside its merged people (G4).

A fragment's values take the place of the merged ones, leaf by leaf; its nulls say nothing. With ``consent_from``, the
merged values are made of the named sources alone, in the order of P8.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TypeVar

import polars as pl

from muster.activation.frames import engine
from muster.activation.frames.columns import ROW, column
from muster.activation.frames.hashed_ids import ID_HASH, with_id_hash
from muster.activation.inputs.parquet import blamed
from muster.activation.model.sources import record_sources
from muster.activation.model.workspace import Workspace
from muster.activation.profiles.opened import Opened
from muster.activation.profiles.opened_policy import OpenedPolicy
from muster.activation.profiles.positions import nulls
from muster.activation.rules.expressions import Value
from muster.activation.sources.keyed import RECORD
from muster.activation.values.known_columns import Columns
from muster.activation.views.attributes import Attributes, attributes
from muster.activation.views.first_values import ROW_TYPE, Order, first_values
from muster.activation.views.view import FRAGMENTS

K = TypeVar("K")


class Answers:
    """The values of profiles and of their fragments in the columns that some consent policies read."""

    def __init__(self, workspace: Workspace, opened: OpenedPolicy) -> None:
        self._opened, self._roster = opened, opened.roster
        self._sources = record_sources(workspace.merge_policies[opened.policy], workspace.sources)

    def columns_of(self, consent_from: Sequence[str]) -> Columns:
        """The columns that a policy may name: those of the merged profiles, or what the named sources give of them.

        ``DataError`` when a source cannot be read.
        """
        known = self._roster.snapshot.columns
        if not consent_from:
            return known
        held = {name for each in self._chosen(consent_from) for name in self._attributes.tables[each].columns}
        kept = {name: dtype for name, dtype in known.types.items() if name in held}
        return Columns(kept, known.unusable)

    def judged(self, bound: Mapping[K, Value], consent_from: Sequence[str]) -> dict[K, pl.Series]:
        """Whether each expression is true of the profile of each present row, and of all of its fragments (Boolean).

        ``consent_from`` are the sources that count; none: all.
        """
        names = sorted({name for value in bound.values() for name in _read_by(value)})
        merged = self._merged(names, consent_from) if consent_from else self._of_profiles(names)
        found = _evaluated(merged, bound)
        for number in self._chosen(consent_from):
            said = self._said(number, names)
            if not said.width:
                continue
            rows = said.select(pl.any_horizontal(pl.all().is_not_null()).alias("speaks")).to_series().arg_true()
            if rows.is_empty():
                continue
            profiles = self._by_source[number]["profile"].gather(rows)
            whole = _overlaid(said[rows], merged[profiles])
            for key, lets_through in _evaluated(whole, bound).items():
                found[key] = found[key].scatter(profiles.filter(~lets_through).unique(), values=False)
        return found

    # Fragments

    def _chosen(self, consent_from: Sequence[str]) -> list[int]:
        """The positions of the sources that count."""
        return [place for place, each in enumerate(self._sources) if not consent_from or each.id in consent_from]

    @cached_property
    def _attributes(self) -> Attributes:
        return attributes([self._opened.source(each) for each in self._sources])

    @cached_property
    def _fragments(self) -> pl.DataFrame:
        """The fragments as the build kept them, of ``newest_first.FRAGMENTS``: profiles are rows of the roster."""
        return engine.collect(self._opened.view.graph_file(FRAGMENTS))

    @cached_property
    def _by_source(self) -> list[pl.DataFrame]:
        """The fragments of each source, by their records."""
        places = range(len(self._sources))
        return [self._fragments.filter(pl.col("source") == place).sort(RECORD) for place in places]

    def _said(self, number: int, names: Sequence[str]) -> pl.DataFrame:
        """The values of a source's fragments, in their order, in those of some columns that the source has."""
        table, types = self._attributes.tables[number], self._roster.snapshot.columns.types
        asked = [name for name in names if name in table.columns]
        if not asked:
            return pl.DataFrame()
        of_all = dict(zip(self._attributes.columns.types, self._attributes.of(number), strict=True))
        plan = table.table.frame().with_row_index(ROW)  # a column without values is one value, whatever the rows are
        with blamed(lambda: table.table.parts):
            read = engine.collect(plan.select(ROW, *(of_all[name].cast(types[name]) for name in asked)))
        return read.drop(ROW)[self._by_source[number][RECORD]]

    # Merged values

    def _of_profiles(self, names: Sequence[str]) -> pl.DataFrame:
        """The merged values of all profiles, by roster row."""
        frame = with_id_hash(self._roster.snapshot.frame())
        read = self._roster.in_order(engine.collect(frame.select(ID_HASH, *map(column, names))))
        return self._by_row(read.get_columns())

    def _by_row(self, values: Sequence[pl.Series]) -> pl.DataFrame:
        """Columns of all profiles, beside ``muster:row``: an expression may read none of them."""
        return pl.DataFrame([pl.int_range(self._roster.present, dtype=ROW_TYPE, eager=True).alias(ROW), *values])

    def _merged(self, names: Sequence[str], consent_from: Sequence[str]) -> pl.DataFrame:
        """The values that the named sources alone give to all profiles, by roster row (P8, G4)."""
        types = self._roster.snapshot.columns.types
        chosen = self._chosen(consent_from)
        said = [self._said(number, names) for number in chosen]
        whole = pl.concat([pl.DataFrame(schema={name: types[name] for name in names}), *said], how="diagonal")
        ordered = self._fragments.filter(pl.col("source").is_in(chosen))
        starts = (ordered["profile"] != ordered["profile"].shift(1)).fill_null(value=True)
        groups = (starts.cum_sum().cast(ROW_TYPE) - 1).cast(ROW_TYPE)
        profiles = ordered["profile"].filter(starts)
        order = Order(_positions(ordered, chosen), groups, len(profiles))
        by_profile = nulls(ROW_TYPE, self._roster.present).scatter(
            profiles, pl.int_range(len(profiles), dtype=ROW_TYPE, eager=True)
        )
        return self._by_row([first_values(whole[name], order).gather(by_profile) for name in names])


def _positions(ordered: pl.DataFrame, sources: Sequence[int]) -> pl.Series:
    """The position of each fragment (UInt32) in the frame of all values: source after source, by their records."""
    found, before = nulls(ROW_TYPE, ordered.height), 0
    for number in sources:
        mine = (ordered["source"] == number).arg_true()
        places = ordered[RECORD].gather(mine).rank("ordinal").cast(ROW_TYPE) - 1  # each record is one fragment
        found = found.scatter(mine, (places + before).cast(ROW_TYPE))
        before += len(mine)
    return found


def _overlaid(upper: pl.DataFrame, lower: pl.DataFrame) -> pl.DataFrame:
    """Two frames of as many rows as one: of each leaf the upper value, or where it is null the lower one."""
    rows = pl.int_range(lower.height, dtype=ROW_TYPE, eager=True)
    pairs = pl.DataFrame([rows.alias("upper"), (rows + lower.height).alias("lower")])
    both = pairs.select(pl.concat_list("upper", "lower").alias("row")).to_series().explode()
    order = Order(both, rows.repeat_by(2).explode(), lower.height)
    found = [
        first_values(pl.concat([upper[name], lower[name]]), order) if name in upper.columns else lower[name]
        for name in lower.columns
    ]
    return pl.DataFrame(found)


def _read_by(value: Value) -> Iterable[str]:
    """The columns of profiles that an expression reads."""
    inner = (name for expr in value.local.values() for name in expr.meta.root_names())
    return {*value.expr.meta.root_names(), *inner} - value.local.keys()


def _evaluated(frame: pl.DataFrame, bound: Mapping[K, Value]) -> dict[K, pl.Series]:
    """Whether each expression is true of each row; null is not (E2)."""
    local = {name: expr for value in bound.values() for name, expr in value.local.items()}
    whole = frame.lazy().with_columns(expr.alias(name) for name, expr in local.items())
    conditions = (value.expr.fill_null(value=False).alias(f"{place}") for place, value in enumerate(bound.values()))
    read = engine.collect(whole.select(ROW, *conditions), frame.height)
    return dict(zip(bound, read.drop(ROW).get_columns(), strict=True))


def answers_of(workspace: Workspace, opened: Opened) -> Answers:
    """What the sources say of the profiles of ``opened``, which are made of them."""
    if not isinstance(opened, OpenedPolicy):
        raise TypeError(f"{opened} has no sources")
    return Answers(workspace, opened)
