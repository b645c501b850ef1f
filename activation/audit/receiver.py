"""A receiver of an activation's files, and what it should hold: the model behind `muster reconcile` (X2, X3, M3, M5). Pure.

A receiver knows a person by a *key*: the mapped identity (M5), else the profile id; with `deduplicate` one row holds
each key (M3), and where no profile id is mapped those columns are all that it knows. Frames:

told   key, who, realized, row: what the rows of one run say, in their order; ``row`` counts from 1 in all files of the run
held   key, who, run, row: whom the receiver has, and which run and row told so last
due    key, who, profile_id: whom it should have, as the ledger knows them

``key`` and ``who`` (the profile id) are texts as they stand in the file; null where the file does not tell.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from muster.activation.comparison.delivered_set import identities_column, last_sent
from muster.activation.errors import RefusedError
from muster.activation.export.recipe import Recipe
from muster.activation.files.csv_text import written_text
from muster.activation.frames.columns import EXITED, PROFILE_ID, REALIZED
from muster.activation.frames.columns import column as user_column
from muster.activation.mapping import sent_transforms
from muster.activation.mapping.columns import Field
from muster.activation.mapping.row_columns import IDENTITY
from muster.activation.model.workspace import IDENTITY_PREFIX, STATUS_SOURCE, Column, CsvOptions
from muster.activation.values import transforms

KEY, WHO, TOLD, RUN, ROW_NUMBER = "key", "who", "realized", "run", "row"
HELD = {KEY: pl.String, WHO: pl.String, RUN: pl.UInt32, ROW_NUMBER: pl.UInt32}


@dataclass(frozen=True)
class Identification:
    """How the rows of a file tell people apart; columns are targets."""

    sources: tuple[str, ...]  # what the key is made of
    keys: tuple[str, ...]  # the columns that have it
    profile_id: str | None
    status: str | None
    id_steps: tuple[str, ...] = ()  # what is done to profile ids before they are written
    realized: str = REALIZED  # the statuses as they are written
    exited: str = EXITED

    @property
    def is_identity(self) -> bool:
        """Whether a person has a row for each identity (M5)."""
        return self.sources[0].startswith(IDENTITY_PREFIX)

    @property
    def columns(self) -> tuple[str, ...]:
        """All the columns that a receiver looks at."""
        more = [name for name in (self.profile_id, self.status) if name]
        return tuple(dict.fromkeys([*self.keys, *more]))

    @property
    def mark(self) -> str:
        """The column by which two sets are compared."""
        return WHO if self.profile_id and not self.is_identity else KEY

    @property
    def words(self) -> str:
        """What a receiver knows people by."""
        if self.is_identity:
            return "identity"
        return "profile id" if self.profile_id else " and ".join(self.sources)


def identification(recipe: Recipe, key: str, id_column: str) -> Identification:
    """How an activation's rows tell people apart; ``RefusedError`` when they do not."""
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
            f"{key}: its rows do not tell whose they are: map the profile id, an identity, or all columns of "
            f"`deduplicate`; "
            "without one of them a receiver cannot follow them either"
        )
    return Identification(
        sources,
        (who.target,) if who and sources == (PROFILE_ID,) else tuple(named[source].target for source in sources),
        who.target if who else None,
        status.target if status else None,
        who.transform if who else (),
        *_statuses(status),
    )


def _columns(recipe: Recipe) -> dict[str, Column]:
    """The column of each source: the one that holds its values as they are, or else the first."""
    plain = (column for column in recipe.mapping if column.is_plain)
    return {column.source: column for column in reversed(recipe.mapping)} | {column.source: column for column in plain}


def _statuses(status: Column | None) -> tuple[str, str]:
    """The statuses as they are written."""
    steps = status.transform if status else ()
    made = transforms.apply(steps, pl.lit(pl.Series([REALIZED, EXITED])), pl.String())[0]
    realized, exited = pl.select(made).to_series()
    return realized, exited


def told(rows: pl.DataFrame, by: Identification) -> pl.DataFrame:
    """What rows (``by.columns``, as text) say of whom."""
    return rows.with_row_index(ROW_NUMBER, offset=1).select(
        _joined([user_column(name) for name in by.keys]).alias(KEY),
        (user_column(by.profile_id) if by.profile_id else pl.lit(None, pl.String)).alias(WHO),
        (user_column(by.status) == by.realized if by.status else pl.lit(value=True)).alias(TOLD),
        pl.col(ROW_NUMBER).cast(pl.UInt32),
    )


def strange_status(rows: pl.DataFrame, by: Identification) -> int | None:
    """The first row whose status is none, from 1."""
    if by.status is None:
        return None
    strange = ~user_column(by.status).is_in([by.realized, by.exited]).fill_null(value=False)
    found = rows.with_row_index(ROW_NUMBER, offset=1).filter(strange)
    return None if found.is_empty() else int(found[ROW_NUMBER][0])


def _joined(values: Sequence[pl.Expr]) -> pl.Expr:
    """One text of one or two values, null if any is."""
    return values[0] if len(values) == 1 else pl.concat_str(values[0].str.len_chars(), pl.lit(":"), *values)


def nobody() -> pl.DataFrame:
    """Whom a receiver has before the first file."""
    return pl.DataFrame(schema=HELD)


def receive(held: pl.DataFrame, said: pl.DataFrame, by: Identification, *, run: int, is_whole: bool) -> pl.DataFrame:
    """After one run: the realized are added or take the place of their key and profile, the exited go.

    ``is_whole``: the files are all that there is (a full export, or a first one).
    """
    came = said.filter(TOLD).select(KEY, WHO, pl.lit(run, pl.UInt32).alias(RUN), ROW_NUMBER)
    for column in _unique(by):
        came = came.filter(pl.col(column).is_null() | pl.col(column).is_last_distinct())
    if is_whole:
        return came
    for column in _unique(by):
        held = held.join(said.select(column).drop_nulls(), on=column, how="anti")
    return pl.concat([held, came])


def _unique(by: Identification) -> tuple[str, ...]:
    """The columns of which a receiver has each value once."""
    return (KEY, WHO) if by.profile_id and not by.is_identity else (KEY,)


def written_id(recipe: Recipe, by: Identification) -> pl.Expr:
    """``profile_id`` of the ledger as it stands in the file."""
    written, dtype = transforms.apply(by.id_steps, pl.col(PROFILE_ID), pl.String())
    return written_text(written, dtype, _csv(recipe)).alias(WHO)


def _csv(recipe: Recipe) -> CsvOptions | None:
    return recipe.csv if recipe.format == "csv" else None


def due(people: pl.DataFrame, by: Identification, recipe: Recipe) -> pl.DataFrame:
    """Whom a delivered set (profile_id, ``sent:...``, ``identities:...``) puts at the receiver; ``RefusedError`` when it lacks the key."""
    csv, who, named = _csv(recipe), written_id(recipe, by), _columns(recipe)
    if by.is_identity:
        column = identities_column(by.sources[0].removeprefix(IDENTITY_PREFIX))
        _require(column, people, by)
        rows = people.with_columns(pl.col(column).alias(IDENTITY)).explode(IDENTITY).drop_nulls(IDENTITY)
        records = sent_transforms.records_in(rows)
        identity = Field(named[by.sources[0]], "identity", pl.col(IDENTITY), pl.String()).with_steps_applied()
        return rows.select(
            written_text(sent_transforms.as_sent(identity, records), pl.String(), csv).alias(KEY), who, PROFILE_ID
        )
    if by.sources == (PROFILE_ID,):
        return people.select(who.alias(KEY), who, PROFILE_ID)
    columns = [last_sent(named[source], people.columns, {named[source].target}) or "" for source in by.sources]
    for column in columns:
        _require(column, people, by)
    texts = [written_text(pl.col(column), people.schema[column], csv) for column in columns]
    return people.select(_joined(texts).alias(KEY), who, PROFILE_ID)


def _require(column: str, people: pl.DataFrame, by: Identification) -> None:
    if column not in people.schema:
        raise RefusedError(
            f"the delivered set does not know what was sent as {' and '.join(by.sources)}: it is the key only "
            f"since then; "
            "after the next export it does"
        )


def apart(one: pl.DataFrame, other: pl.DataFrame, by: Identification) -> pl.DataFrame:
    """The rows of ``one`` whose person is not in ``other``; those who have no key count for nothing."""
    return one.filter(pl.col(by.mark).is_not_null()).join(
        other.select(by.mark), on=by.mark, how="anti", maintain_order="left"
    )
