"""The types of columns over several Parquet files, and why some columns have none (D5).

A file's column has no type to disagree with where it has no value. Footers mostly say what there is to know; a column
is read, alone and from one file, only where they do not and something depends on it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import polars as pl

from muster.activation.frames import engine
from muster.activation.frames.columns import INTERNAL, column
from muster.activation.inputs.parquet import Part, blamed, footer_of, scan_one
from muster.activation.values.dtypes import describe
from muster.activation.values.widening import (
    Path,
    Place,
    disagreement,
    is_kept,
    may_be_lost,
    places,
    places_in_doubt,
    range_is_kept,
    type_at,
    widen,
    without_categories,
    without_types,
)
from muster.activation.wording import counted

Ranges: TypeAlias = Sequence[tuple[int, int] | None] | None  # of row groups; None: of nulls alone, or not known

_REMEDY = "write the column with one type"


@dataclass(frozen=True)
class _Typed:
    """The column of one file, with its type as far as it has values."""

    part: Part
    name: str
    dtype: pl.DataType

    @property
    def declared(self) -> pl.DataType:
        """The type in the file."""
        return self.part.schema[self.name]

    def as_far_as_read(self) -> "_Typed":
        """The column with Null for the types of places that have no value, for which the column is read."""
        found = list(places(column(self.name), self.declared))
        counts = (place.values.count().alias(str(number)) for number, place in enumerate(found))
        empty = [place.path for place, count in zip(found, _read(self.part, counts), strict=True) if not count]
        return replace(self, dtype=without_types(self.dtype, empty))


@dataclass(frozen=True)
class _Doubt:
    """A place in a file's column whose wider type may not hold all its values."""

    typed: _Typed
    place: Place
    wide: pl.DataType

    def is_settled(self, ranges: Ranges) -> bool:
        """Whether all values are held, as the lowest and highest of each row group say."""
        if self.place.path or ranges is None:
            return False
        return all(each is None or range_is_kept(*each, self.place.dtype, self.wide) for each in ranges)

    @property
    def lost(self) -> pl.Expr:
        """How many values are not held."""
        return is_kept(self.place.values, self.place.dtype, self.wide).not_().sum()

    def sentence(self, lost: int, parts: Sequence[Part]) -> str:
        """Why the column cannot be used: both types, and how many values the wider type does not hold."""
        other = next(
            part
            for part in parts
            if self.typed.name in part.schema
            and (wide := widen(self.place.dtype, type_at(part.schema[self.typed.name], self.place.path)))
            and may_be_lost(self.place.dtype, wide)
        )
        values = f"{counted(lost, 'value')} {'has' if lost == 1 else 'have'} no exact counterpart in {self.wide}"
        return (
            f"{_disagreement(self.typed.part, other, self.typed.name, self.place.path)}, and {values}, the type of "
            f"both; {_REMEDY}"
        )


def settle(parts: Sequence[Part]) -> tuple[dict[str, pl.DataType], dict[str, str]]:
    """The types of the columns that can be used, and why the others cannot, as whole sentences.

    ``DataError`` when a file proves to be damaged.
    """
    types: dict[str, pl.DataType] = {}
    unusable: dict[str, str] = {}
    columns = _first_of_each_type(parts)
    for name, typed in columns.items():
        reason = _reason_in_files(name, parts)
        wide = None if reason else _widened(typed)
        if wide is None and not reason:
            wide, reason = _settled_by_values(_in_all(name, parts))
        if wide is None:
            unusable[name] = reason
        else:
            types[name] = wide
    in_doubt = {
        name: wide
        for name, wide in types.items()
        if any(places_in_doubt(column(name), each.declared, wide) for each in columns[name])
    }
    unusable |= _lost(in_doubt, parts) if in_doubt else {}
    return {name: wide for name, wide in types.items() if name not in unusable}, unusable


def _first_of_each_type(parts: Sequence[Part]) -> dict[str, list[_Typed]]:
    """For each column, in the order of the files, the first file with each of its types."""
    found: dict[str, list[_Typed]] = {}
    before: Part | None = None
    for part in parts:
        if before is None or not _says_the_same(part, before):
            for name in part.schema:
                typed, here = found.setdefault(name, []), _typed(part, name)
                if all((each.dtype, each.declared) != (here.dtype, here.declared) for each in typed):
                    typed.append(here)
            for name in part.unusable:
                found.setdefault(name, [])
        before = part
    return found


def _says_the_same(part: Part, other: Part) -> bool:
    """Whether the footers of two files say the same of types."""
    return (part.schema, part.without_values, part.unusable, part.rows > 0) == (
        other.schema,
        other.without_values,
        other.unusable,
        other.rows > 0,
    )


def _typed(part: Part, name: str) -> _Typed:
    dtype = without_categories(part.schema[name]) if _has_values(part, name) else pl.Null()
    return _Typed(part, name, dtype)


def _has_values(part: Part, name: str) -> bool:
    """Whether a column may have a value in a file, for all that the footer says."""
    return part.rows > 0 and name not in part.without_values


def _in_all(name: str, parts: Sequence[Part]) -> list[_Typed]:
    return [_typed(part, name) for part in parts if name in part.schema]


def _reason_in_files(name: str, parts: Sequence[Part]) -> str:
    """Why a column cannot be used, whatever its types are; empty if it can.

    A file in which it has no value does not matter, unless no other file has the column.
    """
    if name.startswith(INTERNAL):
        file = next(part.name for part in parts if name in part.schema or name in part.unusable)
        return f"{file}: column {name!r} cannot be used: names that begin with {INTERNAL!r} are reserved; rename it"
    wrong = [part for part in parts if name in part.unusable]
    if any(name in part.schema for part in parts):
        wrong = [part for part in wrong if _has_values(part, name)]
    return f"{wrong[0].name}: column {name!r} cannot be used: {wrong[0].unusable[name]}" if wrong else ""


def _widened(typed: Sequence[_Typed]) -> pl.DataType | None:
    """The type that holds all these types, or None; the type in the files where no file has a value."""
    wide: pl.DataType | None = pl.Null()
    for each in typed:
        wide = None if wide is None else widen(wide, each.dtype)
    if wide == pl.Null():
        declared = [without_categories(each.declared) for each in typed]
        return declared[0] if all(each == declared[0] for each in declared) else wide
    return wide


def _settled_by_values(typed: list[_Typed]) -> tuple[pl.DataType | None, str]:
    """The type of a column whose types in the footers do not go together, if the types of its values do.

    Else None, and a sentence about two files whose types do not.
    """
    read = set[str]()
    while pair := _conflict(typed):
        unread = {each.part.name for each in pair} - read
        if not unread:
            before, here = pair
            place = disagreement(here.dtype, before.dtype)
            return None, f"{_disagreement(here.part, before.part, here.name, place)}; {_remedy(here, before)}"
        read |= unread
        typed = [each.as_far_as_read() if each.part.name in unread else each for each in typed]
    return _widened(typed), ""


def _conflict(typed: Sequence[_Typed]) -> tuple[_Typed, _Typed] | None:
    """The first file whose type of a column does not go with the files before it, behind one of those."""
    wide: pl.DataType = pl.Null()
    for number, each in enumerate(typed):
        wider = widen(wide, each.dtype)
        if wider is None:
            before = (one for one in typed[:number] if widen(one.dtype, each.dtype) is None)
            return next(before, typed[0]), each
        wide = wider
    return None


def _remedy(here: _Typed, before: _Typed) -> str:
    """What to do about two types that do not go together: for bytes beside text the cast to write (D6)."""
    if {here.dtype, before.dtype} != {pl.Binary(), pl.String()}:
        return _REMEDY
    return f"write the bytes as text: CAST({here.name} AS VARCHAR) in the query that makes the file"


def _disagreement(part: Part, other: Part, name: str, place: Path) -> str:
    """Which types two files have at a place in a column."""
    here, there = (describe(type_at(each.schema[name], place)) for each in (part, other))
    column_here = "".join((name, *(step if step.startswith("[") else f".{step}" for step in place)))
    return f"{part.name}: column {column_here!r} is {here} here but {there} in {other.name}"


def _lost(types: Mapping[str, pl.DataType], parts: Sequence[Part]) -> dict[str, str]:
    """For each of these columns with values that ``types`` do not hold, a sentence about the first such file."""
    lost: dict[str, str] = {}
    for part in parts:
        doubts = _open_doubts([doubt for doubt in _doubts(part, types) if doubt.typed.name not in lost])
        counts = _read(part, (doubt.lost.alias(str(number)) for number, doubt in enumerate(doubts))) if doubts else ()
        for doubt, count in zip(doubts, counts, strict=True):
            if count:
                lost.setdefault(doubt.typed.name, doubt.sentence(count, parts))
    return lost


def _open_doubts(doubts: Sequence[_Doubt]) -> list[_Doubt]:
    """The doubts about one file's columns that the statistics in its footer do not settle."""
    if not doubts:
        return []
    footer = footer_of(doubts[0].typed.part)
    return [doubt for doubt in doubts if not doubt.is_settled(footer.ranges(doubt.typed.name))]


def _doubts(part: Part, types: Mapping[str, pl.DataType]) -> Iterator[_Doubt]:
    for name, wide in types.items():
        if name in part.schema and _has_values(part, name):
            for place, wide_there in places_in_doubt(column(name), part.schema[name], wide):
                yield _Doubt(_typed(part, name), place, wide_there)


def _read(part: Part, aggregates: Iterator[pl.Expr]) -> tuple[int, ...]:
    """Aggregates of one file's columns; ``DataError`` when the file is damaged."""
    with blamed(lambda: [part]):
        return engine.collect(scan_one(part).select(aggregates)).row(0)
