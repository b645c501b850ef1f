"""A receiver of an activation's files: whom it holds after each run, and whom it should hold (X2, X3, M3, M5).

A receiver identifies a person by a *person key*: the mapped identity (M5), else the profile id; with `deduplicate` one
row holds each key (M3), and where no profile id is mapped those columns are all that it has. Three kinds of frames:

updates   key, who, realized, row: one for each row in the files of one run, in their order; ``row`` counts from 1
holdings  key, who, run, row: whom the receiver holds, and the run and the row that updated each last
expected  key, who, profile_id: whom it should hold, as the ledger knows them

``key`` and ``who`` (the profile id) are texts as they are in the file, null where the file does not have them; ``run``
and ``row`` are UInt32, ``realized`` is a Boolean.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from muster.activation.errors import RefusedError
from muster.activation.export.recipe import Recipe
from muster.activation.frames.columns import EXITED, PROFILE_ID, REALIZED
from muster.activation.frames.columns import column as user_column
from muster.activation.mapping.columns import Field
from muster.activation.mapping.kept import CARRIED, IDENTITIES
from muster.activation.model.workspace import IDENTITY_PREFIX, STATUS_SOURCE, Column
from muster.activation.values import transforms
from muster.activation.values.text import csv_text

PERSON_KEY, WHO, IS_REALIZED, RUN, ROW_NUMBER = "key", "who", "realized", "run", "row"
HOLDINGS = {PERSON_KEY: pl.String, WHO: pl.String, RUN: pl.UInt32, ROW_NUMBER: pl.UInt32}


@dataclass(frozen=True)
class Identification:
    """The columns of an activation's files by which the receiver identifies people, by the names of ``Column.name``."""

    sources: tuple[str, ...]  # the mapped sources that make up the person key
    keys: tuple[str, ...]  # the columns of those sources
    profile_id: str | None
    status: str | None
    id_steps: tuple[str, ...] = ()  # the transforms of profile ids
    realized: str = REALIZED  # both statuses as they are written
    exited: str = EXITED

    @property
    def is_identity(self) -> bool:
        """Whether a person has one row for each identity (M5)."""
        return self.sources[0].startswith(IDENTITY_PREFIX)

    @property
    def columns_of_people(self) -> tuple[object, ...]:
        """Equal for two runs whose files identify people by the same columns, whatever they are made of (X12)."""
        return self.keys, self.profile_id, self.is_identity

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that a receiver looks at."""
        more = [name for name in (self.profile_id, self.status) if name]
        return tuple(dict.fromkeys([*self.keys, *more]))

    @property
    def mark(self) -> str:
        """The column, ``who`` or ``key``, by which holdings and expected rows are compared."""
        return WHO if self.profile_id and not self.is_identity else PERSON_KEY

    @property
    def words(self) -> str:
        """The name of the person key in messages, such as ``profile id``."""
        if self.is_identity:
            return "identity"
        return "profile id" if self.profile_id else " and ".join(self.sources)


def identification(recipe: Recipe, key: str, id_column: str) -> Identification:
    """Return the columns by which an activation's rows identify people; ``RefusedError`` when there is none."""
    named = _columns(recipe)
    who = next((named[source] for source in (PROFILE_ID, id_column) if source in named), None)
    status = named.get(STATUS_SOURCE)
    identity = next((source for source in named if source.startswith(IDENTITY_PREFIX)), None)
    if identity:
        sources: tuple[str, ...] = (identity,)
    elif recipe.deduplicate and all(source in named for source in recipe.deduplicate):
        sources = recipe.deduplicate
    elif who:
        sources = (PROFILE_ID,)
    else:
        raise RefusedError(
            f"{key}: the files have no column that identifies a person. Map the profile id, an identity, or every "
            f"`deduplicate` column"
        )
    return Identification(
        sources,
        (who.name,) if who and sources == (PROFILE_ID,) else tuple(named[source].name for source in sources),
        who.name if who else None,
        status.name if status else None,
        who.transform if who else (),
        *_statuses(status),
    )


def _columns(recipe: Recipe) -> dict[str, Column]:
    """Return the column of each source: the one that holds its values unchanged, or else the first."""
    plain = (column for column in recipe.mapping if column.is_plain)
    return {column.source: column for column in reversed(recipe.mapping)} | {column.source: column for column in plain}


def _statuses(status: Column | None) -> tuple[str, str]:
    """Return the statuses realized and exited as they are written."""
    steps = status.transform if status else ()
    made = transforms.apply(steps, pl.lit(pl.Series([REALIZED, EXITED])), pl.String())[0]
    realized, exited = pl.select(made).to_series()
    return realized, exited


def updates(rows: pl.DataFrame, by: Identification) -> pl.DataFrame:
    """Return the updates of rows that hold ``by.columns`` as text."""
    return rows.with_row_index(ROW_NUMBER, offset=1).select(
        _joined([user_column(name) for name in by.keys]).alias(PERSON_KEY),
        (user_column(by.profile_id) if by.profile_id else pl.lit(None, pl.String)).alias(WHO),
        (user_column(by.status) == by.realized if by.status else pl.lit(value=True)).alias(IS_REALIZED),
        pl.col(ROW_NUMBER).cast(pl.UInt32),
    )


def first_unknown_status(rows: pl.DataFrame, by: Identification) -> int | None:
    """Return the number, from 1, of the first row whose status is neither realized nor exited."""
    if by.status is None:
        return None
    unknown = ~user_column(by.status).is_in([by.realized, by.exited]).fill_null(value=False)
    found = rows.with_row_index(ROW_NUMBER, offset=1).filter(unknown)
    return None if found.is_empty() else int(found[ROW_NUMBER][0])


def _joined(values: Sequence[pl.Expr]) -> pl.Expr:
    """Return one text made of one or two values, null if any of them is null."""
    return values[0] if len(values) == 1 else pl.concat_str(values[0].str.len_chars(), pl.lit(":"), *values)


def no_holdings() -> pl.DataFrame:
    """Return the holdings of a receiver before the first file: no rows."""
    return pl.DataFrame(schema=HOLDINGS)


def receive(holdings: pl.DataFrame, new: pl.DataFrame, by: Identification, *, run: int, is_whole: bool) -> pl.DataFrame:
    """Return the holdings after the updates ``new`` of one run.

    Realized people are added or replace those with their key or profile, exited people are removed. ``is_whole``: the
    files are a full export, or a first one, and replace all that the receiver holds.
    """
    added = new.filter(IS_REALIZED).select(PERSON_KEY, WHO, pl.lit(run, pl.UInt32).alias(RUN), ROW_NUMBER)
    for column in _unique(by):
        added = added.filter(pl.col(column).is_null() | pl.col(column).is_last_distinct())
    if is_whole:
        return added
    for column in _unique(by):
        holdings = holdings.join(new.select(column).drop_nulls(), on=column, how="anti")
    return pl.concat([holdings, added])


def _unique(by: Identification) -> tuple[str, ...]:
    """Return the columns of which a receiver holds each value once."""
    return (PERSON_KEY, WHO) if by.profile_id and not by.is_identity else (PERSON_KEY,)


def written_id(recipe: Recipe, by: Identification) -> pl.Expr:
    """Return an expression of the ledger's ``profile_id`` as it is written in the file, named ``who``."""
    sanitizes = recipe.format == "csv" and recipe.csv.sanitize_formulas
    column = Column(PROFILE_ID, PROFILE_ID, transform=by.id_steps)
    field = Field(column, "profile_id", pl.col(PROFILE_ID), pl.String(), sanitizes=sanitizes).with_steps_applied()
    return csv_text(field.expr, field.dtype).alias(WHO)


def expected(people: pl.DataFrame, by: Identification, recipe: Recipe) -> pl.DataFrame:
    """Return whom a delivered set (profile_id, ``value:...``, ``values:...``) puts at the receiver.

    ``RefusedError`` when the delivered set does not hold the person key.
    """
    kept_id = f"{CARRIED}{by.profile_id}"
    who = _text(kept_id, people).alias(WHO) if kept_id in people.columns else written_id(recipe, by)
    if by.sources == (PROFILE_ID,):
        return people.select(who.alias(PERSON_KEY), who, PROFILE_ID)
    lists = [f"{IDENTITIES}{name}" for name in by.keys if f"{IDENTITIES}{name}" in people.columns]
    columns = lists or [f"{CARRIED}{name}" for name in by.keys]
    for column in columns:
        _require(column, people, by)
    rows = people.explode(lists).drop_nulls(lists) if lists else people
    return rows.select(_joined([_text(column, rows) for column in columns]).alias(PERSON_KEY), who, PROFILE_ID)


def _text(column: str, people: pl.DataFrame) -> pl.Expr:
    return csv_text(pl.col(column), people.schema[column])


def _require(column: str, people: pl.DataFrame, by: Identification) -> None:
    if column not in people.schema:
        raise RefusedError(
            f"{' and '.join(by.sources)} came to identify people after the last delivery, so the sent values are not "
            f"recorded yet. Reconcile after the next export"
        )


def not_in(one: pl.DataFrame, other: pl.DataFrame, by: Identification) -> pl.DataFrame:
    """Return the rows of ``one`` whose person is not in ``other``; rows without a person key are left out."""
    return one.filter(pl.col(by.mark).is_not_null()).join(
        other.select(by.mark), on=by.mark, how="anti", maintain_order="left"
    )
