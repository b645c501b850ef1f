"""The profile values that exports write: read from the snapshot once for all files of a command, or file by file (X4, X5). Edge module.

Values that are asked for again are collected once, in the order of the roster, and each file takes its rows by number;
text that depends on the profile alone is made once as well. What does not fit the memory budget is read for each file:
streamed beside its rows where the snapshot has them in their order, or else joined by id. Which of these happens shows
in no byte, nor in what fails: an expression that fails on a value of somebody whom a file does not need is left to each
file, which makes those of its own (X1).
"""

from collections.abc import Callable, Sequence
from threading import RLock

import polars as pl

from muster.activation.errors import ExportError
from muster.activation.frames import engine
from muster.activation.frames.columns import ID, ROW
from muster.activation.frames.engine import ReadError
from muster.activation.frames.hashed_ids import ID_HASH, hashes_of, with_id_hash
from muster.activation.mapping.columns import Field, valued
from muster.activation.profiles.roster import Roster, gathered
from muster.activation.system.memory import Budget

_FEW = 50_000  # rows that are looked up in the snapshot instead of collecting it, the first time
_SAMPLE = 10_000  # profiles whose text tells how long it is
_VIEW = 16  # bytes that a text takes beside its own
_HASH = 64  # bytes that what is made of a value may take beside it: those of the longest hash
_MAKING = 1.2  # times its size that a text takes while it is made
_COPIED = 512 << 20  # bytes up to which a column is copied into one piece, from which rows are taken faster
_MINE = "__mine"  # the key of the profile that a row is of
_LARGE = 0.5  # share of the profiles from which one file is worth the text of all


class Attributes:
    """The values of a roster's profiles."""

    def __init__(self, roster: Roster, budget: Budget) -> None:
        self.roster = roster
        self._budget = budget
        self._shared: dict[str, pl.Series] = {}
        self._texts: dict[object, pl.Series] = {}
        self._asked: set[object] = set()
        self._failing: set[object] = set()  # what cannot be made for all profiles
        self._alone = RLock()  # values are collected by one thread at a time

    def of(self, rows: pl.DataFrame, fields: Sequence[Field], *, counted: bool = False) -> pl.LazyFrame:
        """``rows`` (with ``__row``) with a column ``field.key`` for each field, in their order; null for a profile that is gone.

        ``counted``: whoever takes them fails when they are fewer than ``rows``, which tells that a snapshot changed
        meanwhile.
        """
        fields = list({field.key: field for field in fields}.values())
        with self._alone:
            wanted = [field for field in fields if field.key not in self._shared.keys() | self._failing]
            if wanted and self._pays(rows, wanted):
                self._share(wanted)
            absent = [field for field in fields if field.key not in self._shared]
        numbers, present = rows[ROW], self.roster.present
        held = {field.key: self._shared[field.key] for field in fields if field.key in self._shared}
        frame = rows.with_columns(gathered(values, numbers, present).alias(key) for key, values in held.items())
        if not absent:
            return frame.lazy()
        return self._beside(frame, absent) if counted and self._are_beside(numbers) else self._joined(frame, absent)

    def _are_beside(self, rows: pl.Series) -> bool:
        """Whether these rows, and many, lie in the files, in this order."""
        return (
            len(rows) > _FEW and self.roster.in_file_order and rows.is_sorted() and int(rows[-1]) < self.roster.present
        )

    def _pays(self, rows: pl.DataFrame, fields: Sequence[Field]) -> bool:
        """Whether to collect these values for all profiles: many are asked for, or it is not the first time, and there is room."""
        asked = tuple(sorted(field.key for field in fields))
        again = asked in self._asked
        self._asked.add(asked)
        return (again or rows.height > _FEW) and self._has_room(fields)

    def _has_room(self, fields: Sequence[Field]) -> bool:
        read = self.roster.snapshot.bytes_of(expr for field in fields for expr in field.reads)
        return self._budget.admits(
            read + _HASH * self.roster.present * sum(not field.column.is_plain for field in fields)
        )

    def _share(self, fields: Sequence[Field]) -> None:
        """Keep the values of all profiles, but for the fields of which one cannot be made."""
        try:
            self._keep(fields)
        except ReadError:
            raise
        except ExportError:
            if len(fields) == 1:
                self._failing.add(fields[0].key)
                return
            half = len(fields) // 2
            self._share(fields[:half])
            self._share(fields[half:])

    def _keep(self, fields: Sequence[Field]) -> None:
        frame = with_id_hash(self.roster.snapshot.frame()).pipe(valued, fields, ID_HASH)
        collected = self.roster.in_order(engine.collect(frame)).rechunk()
        self._budget.take(int(collected.estimated_size()))
        self._shared |= collected.to_dict()

    def _beside(self, rows: pl.DataFrame, fields: Sequence[Field]) -> pl.LazyFrame:
        """The values beside rows that are in the order of the files and all there: what is read passes by, and none of it stays.

        A row whose profile is another one in the files by now is left out (D1).
        """
        beside = {
            name: f"{_MINE}:{name}" for name in rows.columns if name != ROW
        }  # a column of the snapshot may be called so too
        mine = rows.rename(beside).with_columns(hashes_of(self.roster.ids_of(rows[ROW])).alias(_MINE)).lazy()
        held = with_id_hash(self.roster.snapshot.frame()).with_row_index(ROW)
        found = held.join(mine, on=ROW, how="inner", maintain_order="left_right").filter(
            pl.col(ID_HASH) == pl.col(_MINE)
        )
        names = {there: name for name, there in beside.items()}
        return (
            found.pipe(valued, fields, ROW, *names)
            .rename(names)
            .select(*rows.columns, *(field.key for field in fields))
        )

    def _joined(self, rows: pl.DataFrame, fields: Sequence[Field]) -> pl.LazyFrame:
        """The values read for these rows alone, wherever they lie, and null for those that are gone."""
        ids = self.roster.ids_of(rows[ROW])
        newest = self.roster.snapshot.frame()
        if rows.height <= _FEW:
            newest = newest.filter(pl.col(ID).is_in(ids.implode()))
        elif not all(field.column.is_plain for field in fields):
            newest = newest.join(pl.LazyFrame({ID: ids}), on=ID, how="semi")
        newest = newest.pipe(valued, fields, ID)
        order = rows.columns
        frame = (
            rows.drop(ID, strict=False)
            .lazy()
            .with_columns(ids.alias(ID))
            .join(newest, on=ID, how="left", maintain_order="left")
        )
        return frame if ID in order else frame.drop(ID)

    def texts(
        self, key: object, fields: Sequence[Field], make: Callable[[], pl.Expr], rows: pl.Series
    ) -> pl.Series | None:
        """For each of ``rows`` the text that ``make`` forms of the fields (columns ``field.key``, null if it is gone; and ``__id``).

        None when it is better made for this file alone: few rows and not asked for before, no room, or a value that
        fails.
        """
        with self._alone:
            if key in self._failing:
                return None
            again = key in self._asked
            self._asked.add(key)
            if key not in self._texts:
                text = self._text(key, fields, make) if again or len(rows) > _LARGE * self.roster.present else None
                if text is None:
                    return None
                self._texts[key] = text
        found = gathered(self._texts[key], rows, self.roster.present)
        gone = rows >= self.roster.present
        return self._with_gone(found, gone, rows, fields, make()) if gone.any() else found

    def _text(self, key: object, fields: Sequence[Field], make: Callable[[], pl.Expr]) -> pl.Series | None:
        """The text of all profiles, by row; None when a sample of it says that there is no room, or when one of them fails."""
        try:
            return self._made(fields, make)
        except ReadError:
            raise
        except ExportError:
            self._failing.add(key)
            return None

    def _made(self, fields: Sequence[Field], make: Callable[[], pl.Expr]) -> pl.Series | None:
        kept = self._kept(fields)
        frame = (
            with_id_hash(self.roster.snapshot.frame()).pipe(valued, fields, ID, ID_HASH)
            if kept is None
            else kept.lazy()
        )
        texts = frame.select(*([ID_HASH] if kept is None else []), make().alias("text"))
        length = engine.collect(texts.head(_SAMPLE).select(pl.col("text").str.len_bytes().mean())).item() or 0
        if not self._budget.admits(int((length + _VIEW) * self.roster.present), making=_MAKING):
            return None
        made = engine.collect(texts)
        text = (self.roster.in_order(made) if kept is None else made)["text"]
        text = text.rechunk() if text.estimated_size() < _COPIED else text
        self._budget.take(int(text.estimated_size()))
        return text

    def _kept(self, fields: Sequence[Field]) -> pl.DataFrame | None:
        """``__id`` and the fields' values of all profiles, by row, where some are held that took long to make; None without such."""
        if not any(field.key in self._shared and not field.column.is_plain for field in fields):
            return None
        absent = [field for field in fields if field.key not in self._shared]
        if any(field.key in self._failing for field in absent):
            return None
        if absent:
            if not self._has_room(absent):
                return None
            self._share(absent)
        if any(field.key not in self._shared for field in absent):
            return None
        return pl.DataFrame({ID: self.roster.present_ids} | {field.key: self._shared[field.key] for field in fields})

    def _with_gone(
        self, found: pl.Series, gone: pl.Series, rows: pl.Series, fields: Sequence[Field], text: pl.Expr
    ) -> pl.Series:
        """The texts of profiles that are gone filled in: of their ids, and of no values."""
        ids = self.roster.ids_of(rows.filter(gone))
        made = pl.LazyFrame({ID: ids}).with_columns(pl.lit(None, field.dtype).alias(field.key) for field in fields)
        texts = engine.collect(made.select(text.alias("text")))["text"]
        return found.scatter(gone.arg_true(), texts)
