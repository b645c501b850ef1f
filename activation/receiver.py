"""A receiver of an activation's files, and what it should hold: the model behind `muster reconcile` (X2, X3, M3, M5). Pure.

A receiver knows a person by a *key*: the mapped identity (M5), else the profile id; with `deduplicate` one row holds each key (M3),
and where no profile id is mapped those columns are all that it knows. Frames:

told   key, who, realized, row: what the rows of one run say, in their order; ``row`` counts from 1 in all files of the run
held   key, who, run, row: whom the receiver has, and which run and row told so last
due    key, who, profile_id: whom it should have, as the ledger knows them

``key`` and ``who`` (the profile id) are texts as they stand in the file; null where the file does not tell.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from activation.compare import IDENTITIES, SENT
from activation.csv_text import written_text
from activation.errors import RefusedError
from activation.frames import EXITED, PROFILE_ID, REALIZED
from activation.recipe import Recipe
from activation.workspace import IDENTITY_PREFIX, STATUS_SOURCE, CsvOptions

KEY, WHO, TOLD, RUN, ROW_NUMBER = "key", "who", "realized", "run", "row"
HELD = {KEY: pl.String, WHO: pl.String, RUN: pl.UInt32, ROW_NUMBER: pl.UInt32}


@dataclass(frozen=True)
class Identification:
    """How the rows of a file tell people apart; columns are targets."""

    sources: tuple[str, ...]  # what the key is made of
    keys: tuple[str, ...]  # the columns that have it
    profile_id: str | None
    status: str | None

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
    target = {column.source: column.target for column in recipe.mapping}
    profile_id = next((target[source] for source in (PROFILE_ID, id_column) if source in target), None)
    status = target.get(STATUS_SOURCE)
    identity = next((source for source in target if source.startswith(IDENTITY_PREFIX)), None)
    if identity:
        return Identification((identity,), (target[identity],), profile_id, status)
    if recipe.deduplicate and all(source in target for source in recipe.deduplicate):
        return Identification(recipe.deduplicate, tuple(target[source] for source in recipe.deduplicate), profile_id, status)
    if profile_id:
        return Identification((PROFILE_ID,), (profile_id,), profile_id, status)
    raise RefusedError(
        f"{key}: its rows do not tell whose they are: map the profile id, an identity, or all columns of `deduplicate`; "
        "without one of them a receiver cannot follow them either"
    )


def told(rows: pl.DataFrame, by: Identification) -> pl.DataFrame:
    """What rows (``by.columns``, as text) say of whom."""
    return rows.with_row_index(ROW_NUMBER, offset=1).select(
        _joined([pl.col(name) for name in by.keys]).alias(KEY),
        (pl.col(by.profile_id) if by.profile_id else pl.lit(None, pl.String)).alias(WHO),
        (pl.col(by.status) == REALIZED if by.status else pl.lit(value=True)).alias(TOLD),
        pl.col(ROW_NUMBER).cast(pl.UInt32),
    )


def strange_status(rows: pl.DataFrame, by: Identification) -> int | None:
    """The first row whose status is none, from 1."""
    if by.status is None:
        return None
    strange = ~pl.col(by.status).is_in([REALIZED, EXITED]).fill_null(value=False)
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


def written_id(recipe: Recipe) -> pl.Expr:
    """``profile_id`` of the ledger as it stands in the file."""
    return written_text(pl.col(PROFILE_ID), pl.String(), _csv(recipe)).alias(WHO)


def _csv(recipe: Recipe) -> CsvOptions | None:
    return recipe.csv if recipe.format == "csv" else None


def due(people: pl.DataFrame, by: Identification, recipe: Recipe) -> pl.DataFrame:
    """Whom a delivered set (profile_id, ``sent:...``, ``identities:...``) puts at the receiver; ``RefusedError`` when it lacks the key."""
    csv, who = _csv(recipe), written_id(recipe)
    if by.is_identity:
        column = f"{IDENTITIES}:{by.sources[0].removeprefix(IDENTITY_PREFIX)}"
        _require(column, people, by)
        rows = people.select(who, PROFILE_ID, pl.col(column).alias(KEY)).explode(KEY).drop_nulls(KEY)
        return rows.with_columns(written_text(pl.col(KEY), pl.String(), csv).alias(KEY))
    if by.sources == (PROFILE_ID,):
        return people.select(who.alias(KEY), who, PROFILE_ID)
    columns = [f"{SENT}{source}" for source in by.sources]
    for column in columns:
        _require(column, people, by)
    texts = [written_text(pl.col(column), people.schema[column], csv) for column in columns]
    return people.select(_joined(texts).alias(KEY), who, PROFILE_ID)


def _require(column: str, people: pl.DataFrame, by: Identification) -> None:
    if column not in people.schema:
        raise RefusedError(
            f"the delivered set does not know what was sent as {' and '.join(by.sources)}: it is the key only since then; "
            "after the next export it does"
        )


def apart(one: pl.DataFrame, other: pl.DataFrame, by: Identification) -> pl.DataFrame:
    """The rows of ``one`` whose person is not in ``other``; those who have no key count for nothing."""
    return one.filter(pl.col(by.mark).is_not_null()).join(other.select(by.mark), on=by.mark, how="anti", maintain_order="left")
