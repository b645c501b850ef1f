"""Columns of identities as they count: cleaned, without those that are dropped, each with its key (P2)."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from muster.activation.frames import engine
from muster.activation.frames.columns import INTERNAL
from muster.activation.inputs.table import Table
from muster.activation.model.sources import Namespace
from muster.activation.sources.cleaning import BLOCKED, REASON_TYPE, namespace_of, normalized, why_dropped
from muster.activation.sources.identity_columns import IdentityColumn
from muster.activation.sources.identity_keys import CHECK, KEY, check, key

RECORD = "record"  # RECORD_TYPE: a row of the table, from 0
RECORD_TYPE = pl.UInt32()
_ROW = f"{INTERNAL}record"

Blocked = Callable[[pl.DataFrame], pl.Series]  # whether identities, ``namespace`` and ``id``, are forgotten (Boolean)


@dataclass(frozen=True, eq=False)
class Keyed:
    """The identities of one namespace in one column, over the rows of a table.

    ``frame`` has ``record`` (RECORD_TYPE), ``id`` (String), ``key`` and ``check`` (UInt64). Where a record has one at
    most (``once``), there is a row for each row of the table, null where no identity counts; else one for each identity
    that counts.
    """

    namespace: str
    frame: pl.DataFrame
    once: bool

    def only(self, kept: pl.Series) -> "Keyed":
        """The identities of the records for which ``kept``, a Boolean for each row of the table, is true."""
        if not self.once:
            return Keyed(self.namespace, self.frame.filter(kept.gather(self.frame[RECORD])), once=False)
        counting = (pl.when(kept).then(name).alias(name) for name in ("id", KEY, CHECK))
        return Keyed(self.namespace, self.frame.with_columns(*counting), once=True)


@dataclass(frozen=True, eq=False)
class Keying:
    """How the identities of one source are cleaned and numbered."""

    namespaces: Mapping[str, Namespace]
    is_blocked: Blocked | None
    seed: int  # of keys

    def plan(self, frame: pl.LazyFrame, namespace: str) -> pl.LazyFrame:
        """A frame with ``id`` (String) as written, with ids cleaned, and ``reason``, ``key`` and ``check``.

        The reason (REASON_TYPE) is null for an id that counts and for one that is null as written. Only ids that count
        have a key and a check; the others are null.
        """
        rules, ids = namespace_of(self.namespaces, namespace), pl.col("id")
        return (
            frame.with_columns(ids.is_null().alias("absent"), normalized(ids, rules).alias("id"))
            .with_columns(pl.when(~pl.col("absent")).then(why_dropped(ids, rules)).alias("reason"))
            .with_columns(pl.when(pl.col("reason").is_null()).then(ids).alias("id"))
            .with_columns(key(ids, namespace, self.seed).alias(KEY), check(ids, namespace, self.seed).alias(CHECK))
            .drop("absent")
        )

    def without_blocked(self, frame: pl.DataFrame, namespace: str) -> pl.DataFrame:
        """A frame of ``plan`` in which identities of forgotten people count as blocked (G8)."""
        if self.is_blocked is None:
            return frame
        found = (
            frame.filter(pl.col(KEY).is_not_null()).unique(KEY).select(pl.lit(namespace).alias("namespace"), "id", KEY)
        )
        blocked = found[KEY].filter(self.is_blocked(found.select("namespace", "id")))
        if blocked.is_empty():
            return frame
        is_blocked = pl.col(KEY).is_in(blocked.implode()).fill_null(value=False)
        counting = (pl.when(~is_blocked).then(name).alias(name) for name in ("id", KEY, CHECK))
        reason = pl.when(is_blocked).then(pl.lit(BLOCKED, dtype=REASON_TYPE)).otherwise("reason").alias("reason")
        return frame.with_columns(*counting, reason)

    def read(
        self, table: Table, columns: Sequence[IdentityColumn], kept: pl.Series
    ) -> tuple[list[Keyed], Counter[str]]:
        """The identities of columns that are not primary, and how many were dropped, by reason.

        Only rows of the table count for which ``kept`` (Boolean) is true.
        """
        plain = [(each, each.namespace or "") for each in columns if not each.is_list]
        lists = [each for each in columns if each.is_list]
        plans = [self.plan(table.frame().select(each.raw).select(each.texts), name) for each, name in plain]
        plans += [each.listed(table.frame().with_row_index(_ROW), _ROW) for each in lists]
        read = engine.collect_all(plans, table.rows)
        rows = [_Read(name, _with_records(frame), once=True) for (_, name), frame in zip(plain, read, strict=False)]
        for column, frame in zip(lists, read[len(plain) :], strict=True):
            rows += self._listed(frame.rename({_ROW: RECORD}), column.namespace)
        return self._counting(rows, kept)

    def _listed(self, frame: pl.DataFrame, namespace: str | None) -> "list[_Read]":
        """The identities of a list, or of identity maps: of each namespace that is in them."""
        if namespace is not None:
            return [_Read(namespace, self._cleaned(frame, namespace), once=False)]
        halves = pl.col("id").str.splitn("\0", 2).struct.rename_fields(["namespace", "id"]).struct.unnest()
        split = frame.select(RECORD, halves)
        names = split["namespace"].unique().sort().to_list()
        of_each = ((name, split.filter(pl.col("namespace") == name).drop("namespace")) for name in names)
        return [_Read(name, self._cleaned(each, name), once=False) for name, each in of_each]

    def _cleaned(self, frame: pl.DataFrame, namespace: str) -> pl.DataFrame:
        return engine.collect(self.plan(frame.lazy(), namespace), frame.height)

    def _counting(self, read: "Sequence[_Read]", kept: pl.Series) -> tuple[list[Keyed], Counter[str]]:
        """What counts of identities that were read, and how many do not, by reason."""
        found, dropped = list[Keyed](), Counter[str]()
        for each in read:
            frame = self.without_blocked(each.frame, each.namespace)
            dropped.update(dropped_by_reason(frame.filter(kept.gather(frame[RECORD]))))
            frame = frame if each.once else frame.filter(pl.col(KEY).is_not_null())
            found.append(Keyed(each.namespace, frame.drop("reason"), each.once).only(kept))
        return found, dropped


@dataclass(frozen=True, eq=False)
class _Read:
    """Identities as ``Keying.plan`` gives them, with ``record``."""

    namespace: str
    frame: pl.DataFrame
    once: bool


def _with_records(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.int_range(frame.height, dtype=RECORD_TYPE, eager=True).alias(RECORD))


def dropped_by_reason(frame: pl.DataFrame) -> dict[str, int]:
    """How many identities of a frame of ``Keying.plan`` are dropped, by reason, in the order of the reasons."""
    found = frame.group_by("reason").len().drop_nulls().sort("reason")
    return dict(found.select(pl.col("reason").cast(pl.String), "len").iter_rows())
