"""What becomes of delivered rows without a message: the mapping changed, people were merged, waiting was in vain."""

from collections.abc import Callable, Iterator

import polars as pl

from muster.activation.frames import engine
from muster.activation.frames.columns import PROFILE_ID, ROW
from muster.activation.profile_changes.columns import (
    HAS_ROW,
    HELD_DIFFERS,
    IDS_NOW,
    IS_DESIRED,
    IS_REGROUPED,
    KEPT_DIFFERS,
    VALUES_NOW,
)
from muster.activation.profile_changes.compare import Compared
from muster.activation.profile_changes.delivered_rows import MAPPING, NAMESPACES, OWED, TRIES
from muster.activation.profile_changes.given import Inputs
from muster.activation.profile_changes.people import IDS_DIGEST, PENDING_SINCE, TRIGGER, VALUES_DIGEST
from muster.activation.profile_changes.rows_before import RowsBefore
from muster.activation.values.identities import DIGEST_TYPE

_DROPS, _CLEARS, _VALUES, _IDS, _OWED = "drops", "clears", "values_then", "ids_then", "owed_then"


def moved(rows: RowsBefore, compared: Compared, inputs: Inputs) -> Callable[[], pl.LazyFrame] | None:
    """The rows with the moves that need no message; None where there are none.

    Values count as sent once the mapping changed, identities once other namespaces are sent (V4). Ids that became
    aliases, of which no receiver is told, have no row any more; whoever survives a merge or a split is owed a message
    (P11). A change that waits for others and was undone is forgotten (V7).
    """
    if rows.baseline is None or rows.slim is None:
        return None
    updates, slim = [*_updates(rows, rows.slim, compared, inputs)], rows.slim
    if not updates:
        return rows.frame if any(name != then for name, then in rows.former.items()) else None

    def make() -> pl.LazyFrame:
        whole = slim.select(ROW)
        for each in updates:
            whole = whole.join(each, on=ROW, how="left", maintain_order="left")
        named = whole.with_columns(rows.roster.ids_of(whole[ROW]).alias(PROFILE_ID)).drop(ROW)
        return _applied(rows.frame(), named, inputs)

    return make


def _updates(rows: RowsBefore, slim: pl.DataFrame, compared: Compared, inputs: Inputs) -> Iterator[pl.DataFrame]:
    """Frames by muster:row, each with a column that ``_applied`` knows; only those that change a row."""
    decided, roster = compared.decided, inputs.roster
    sends = decided.filter(pl.col(TRIGGER).is_not_null()).select(ROW)
    if inputs.regroups is not None and not inputs.has_key and inputs.regroups.absorbed.height:
        absorbed = roster.rows.gather(inputs.regroups.absorbed["absorbed"]).alias(ROW)
        yield pl.DataFrame([absorbed]).with_columns(pl.lit(value=True).alias(_DROPS))
    stays = pl.col(HAS_ROW).fill_null(value=False) & pl.col(IS_DESIRED)
    is_regrouped = pl.col(IS_REGROUPED).fill_null(value=False)
    is_other = (pl.col(MAPPING) != _digest(inputs)).fill_null(value=False)
    is_remade = is_other & pl.col(KEPT_DIFFERS).fill_null(value=False)
    is_known_otherwise = is_regrouped | (is_other & pl.col(HELD_DIFFERS).fill_null(value=False))
    name = pl.when(is_known_otherwise).then(pl.lit("identity")).when(is_remade).then(pl.lit("attributes"))
    owed = decided.filter(stays & (is_known_otherwise | is_remade)).select(ROW, name.alias(_OWED))
    if owed.height:
        yield owed
    waited = slim.filter(pl.col(PENDING_SINCE).is_not_null()).select(ROW).join(sends, on=ROW, how="anti")
    if waited.height:
        yield waited.with_columns(pl.lit(value=True).alias(_CLEARS))
    if not inputs.situation.resends_mapping and slim.select(is_other.any()).item():
        yield _values_now(slim.filter(is_other).select(ROW), inputs)
    if rows.baseline and rows.baseline.made[NAMESPACES] != rows.made[NAMESPACES]:
        yield slim.select(ROW).with_columns(_by_row(slim[ROW], IDS_NOW, inputs).alias(_IDS))


def _values_now(rows: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """The digests of today's values of all these rows, 0 for a profile that the snapshot lacks."""
    if VALUES_NOW in inputs.sides.columns:
        found = _by_row(rows[ROW], VALUES_NOW, inputs)
    else:
        name = inputs.values_digest.value_column
        found = engine.collect(inputs.values.of(rows, [inputs.values_digest]), rows.height)[name]
    return rows.with_columns(found.fill_null(0).alias(_VALUES))


def _by_row(rows: pl.Series, name: str, inputs: Inputs) -> pl.Series:
    if name not in inputs.sides.columns:
        return pl.Series(name, [None], DIGEST_TYPE()).new_from_index(0, len(rows))
    return inputs.sides.columns[name].gather(inputs.roster.numbers.gather(rows))


def _applied(frame: pl.LazyFrame, updates: pl.DataFrame, inputs: Inputs) -> pl.LazyFrame:
    """The rows with the updates that there are, in their order."""
    names, changes = updates.columns, []
    if _OWED in names:
        changes.append(pl.coalesce(_OWED, OWED).alias(OWED))
        tries = pl.when(pl.col(_OWED).is_null()).then(TRIES)  # who is owed a message for another reason is due
        changes.append(tries.alias(TRIES))
    if _CLEARS in names:
        changes.append(pl.when(pl.col(_CLEARS).is_null()).then(PENDING_SINCE).alias(PENDING_SINCE))
    if _VALUES in names:
        changes.append(pl.coalesce(_VALUES, VALUES_DIGEST).alias(VALUES_DIGEST))
        mapping = pl.when(pl.col(_VALUES).is_not_null()).then(_digest(inputs)).otherwise(MAPPING)
        changes.append(mapping.alias(MAPPING))
    if _IDS in names:
        changes.append(pl.col(_IDS).alias(IDS_DIGEST))
    beside = frame.join(updates.lazy(), on=PROFILE_ID, how="left", maintain_order="left")
    kept = beside.filter(pl.col(_DROPS).is_null()) if _DROPS in names else beside
    return kept.with_columns(changes).select(engine.schema_of(frame).names())


def _digest(inputs: Inputs) -> pl.Expr:
    return pl.lit(inputs.situation.fingerprint, DIGEST_TYPE)
