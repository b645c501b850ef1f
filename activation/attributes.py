"""The profile values that exports write: read from the snapshot once for all files of a command, or file by file (X4, X5). Edge module.

Values that are asked for again are collected once, in the order of the roster, and each file takes its rows by number; text that
depends on the profile alone is made once as well. What does not fit the memory budget is read for each file by a join. Which of
these happens shows in no byte.
"""

from collections.abc import Callable, Sequence
from threading import RLock

import polars as pl

from activation import engine
from activation.fields import Field
from activation.frames import ID, ROW
from activation.keys import KEY, keyed
from activation.memory import Budget
from activation.roster import Roster, gathered

_FEW = 50_000  # rows that are looked up in the snapshot instead of collecting it, the first time
_TEXT = 48  # bytes: about what punctuation and numbers add to the text of a profile
_COPIED = 512 << 20  # bytes up to which a column is copied into one piece, from which rows are taken faster
_LARGE = 0.5  # share of the profiles from which one file is worth the text of all


class Attributes:
    """The values of a roster's profiles."""

    def __init__(self, roster: Roster, budget: Budget) -> None:
        self.roster = roster
        self._budget = budget
        self._shared: dict[str, pl.Series] = {}
        self._texts: dict[object, pl.Series] = {}
        self._asked: set[object] = set()
        self._alone = RLock()  # values are collected by one thread at a time

    def of(self, rows: pl.DataFrame, fields: Sequence[Field]) -> pl.LazyFrame:
        """``rows`` (with ``__row``) with a column ``field.key`` for each field, in their order; null for a profile that is gone."""
        fields = list({field.key: field for field in fields}.values())
        with self._alone:
            absent = [field for field in fields if field.key not in self._shared]
            if absent and self._pays(rows, absent):
                self._share(absent)
                absent = []
        numbers, present = rows[ROW], self.roster.present
        held = {field.key: self._shared[field.key] for field in fields if field.key in self._shared}
        frame = rows.with_columns(gathered(values, numbers, present).alias(key) for key, values in held.items())
        return self._joined(frame, absent) if absent else frame.lazy()

    def _pays(self, rows: pl.DataFrame, fields: Sequence[Field]) -> bool:
        """Whether to collect these values for all profiles: many are asked for, or it is not the first time, and there is room."""
        asked = tuple(sorted(field.key for field in fields))
        again = asked in self._asked
        self._asked.add(asked)
        return (again or rows.height > _FEW) and self._budget.admits(self.roster.snapshot.bytes_of(field.expr for field in fields))

    def _share(self, fields: Sequence[Field]) -> None:
        wanted = {field.key: field.expr for field in fields}
        frame = keyed(self.roster.snapshot.frame()).select(KEY, *(expr.alias(key) for key, expr in wanted.items()))
        collected = self.roster.in_order(engine.collect(frame)).rechunk()
        self._budget.take(int(collected.estimated_size()))
        self._shared |= collected.to_dict()

    def _joined(self, rows: pl.DataFrame, fields: Sequence[Field]) -> pl.LazyFrame:
        """The values read for these rows alone."""
        ids = self.roster.ids_of(rows[ROW])
        newest = self.roster.snapshot.frame()
        if rows.height <= _FEW:
            newest = newest.filter(pl.col(ID).is_in(ids.implode()))
        newest = newest.select(ID, *(field.expr.alias(field.key) for field in fields))
        order = rows.columns
        frame = rows.drop(ID, strict=False).lazy().with_columns(ids.alias(ID)).join(newest, on=ID, how="left", maintain_order="left")
        return frame if ID in order else frame.drop(ID)

    def texts(self, key: object, fields: Sequence[Field], make: Callable[[], pl.Expr], rows: pl.Series) -> pl.Series | None:
        """For each of ``rows`` the text that ``make`` forms of the fields (columns ``field.key``, null if it is gone; and ``__id``).

        None when it is better made for this file alone: few rows and not asked for before, or no room.
        """
        with self._alone:
            again = key in self._asked
            self._asked.add(key)
            if key not in self._texts and not ((again or len(rows) > _LARGE * self.roster.present) and self._fits(fields)):
                return None
            if key not in self._texts:
                values = (field.expr.alias(field.key) for field in fields)
                frame = keyed(self.roster.snapshot.frame()).select(ID, KEY, *values)
                made = engine.collect(frame.select(KEY, make().alias("text")))
                text = self.roster.in_order(made)["text"]
                self._texts[key] = text.rechunk() if text.estimated_size() < _COPIED else text
                self._budget.take(int(self._texts[key].estimated_size()))
        found = gathered(self._texts[key], rows, self.roster.present)
        gone = rows >= self.roster.present
        return self._with_gone(found, gone, rows, fields, make()) if gone.any() else found

    def _fits(self, fields: Sequence[Field]) -> bool:
        return self._budget.admits(self.roster.snapshot.bytes_of(field.expr for field in fields) + _TEXT * self.roster.present)

    def _with_gone(self, found: pl.Series, gone: pl.Series, rows: pl.Series, fields: Sequence[Field], text: pl.Expr) -> pl.Series:
        """The texts of profiles that are gone filled in: of their ids, and of no values."""
        ids = self.roster.ids_of(rows.filter(gone))
        made = pl.LazyFrame({ID: ids}).with_columns(pl.lit(None, field.dtype).alias(field.key) for field in fields)
        texts = engine.collect(made.select(text.alias("text")))["text"]
        return found.scatter(gone.arg_true(), texts)
