"""How Polars reads one Parquet file: which columns, in which types, from the file itself or from a view of it (D6).

An ordinary file is scanned by Polars as it is. A file that Polars would refuse is read by row groups.
"""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import polars as pl
from polars.io.plugins import register_io_source

from muster.activation.frames import engine
from muster.activation.frames.columns import column as named
from muster.activation.inputs.arrow_pages import read_by_arrow
from muster.activation.inputs.conversions import converted, in_microseconds, leaf_count
from muster.activation.inputs.footer import Footer
from muster.activation.inputs.parquet_types import DATE, INT96, TEXT, UUID
from muster.activation.inputs.schema_tree import Column
from muster.activation.inputs.views import View
from muster.activation.system import interrupts
from muster.activation.wording import counted

_REFUSALS = (pl.exceptions.PolarsError, pl.exceptions.PanicException)
_CASTS = pl.ScanCastOptions(datetime_cast=("nanosecond-downcast", "millisecond-upcast"))
_CONVERTED = {DATE, INT96, TEXT, UUID}


@dataclass(frozen=True)
class Reading:
    """How a file is read. Files with equal readings can be read in one scan."""

    stored: pl.Schema  # the columns that can be used, in the types that Polars is asked for
    stated: pl.Schema  # ... in the types that the file says: maps that are read as lists are maps
    kinds: tuple[tuple[str, ...], ...]  # of the leaves of each column
    view: View | None = None  # None: Polars opens the file itself

    @property
    def names_of_int96(self) -> list[str]:
        """The columns that hold INT96 timestamps."""
        return [name for name, kinds in zip(self.stored, self.kinds, strict=True) if INT96 in kinds]

    @property
    def schema(self) -> pl.Schema:
        """The columns that can be used, in the types that ``scan`` gives."""
        return pl.Schema({name: dtype for name, _, _, dtype in self._values("")})

    def values(self, file: str) -> list[pl.Expr]:
        """The columns that differ from what Polars reads, as Parquet means them; ``file`` is its name in messages."""
        return [found.alias(name) for name, source, found, _ in self._values(file) if found is not source]

    def _values(self, file: str) -> Iterator[tuple[str, pl.Expr, pl.Expr, pl.DataType]]:
        """For each column its name, what Polars reads, what Parquet means, and the type of the latter."""
        for (name, dtype), kinds in zip(self.stored.items(), self.kinds, strict=True):
            source = named(name)
            yield name, source, *converted(source, dtype, kinds, self.stated[name], f"{file}: column {name!r}")


def usable_reading(path: Path, footer: Footer) -> tuple[Footer, Reading]:
    """How the file at ``path`` is read, and its footer with reasons against columns that Polars does not read.

    ``ValueError`` when Polars reads no column of a file in which muster sees nothing wrong.
    """
    view = View(footer, footer.usable, _maps_with_int96(footer), _is_zone)
    stored = _schema_of(path) if view.is_whole else None
    if stored is not None:
        return _checked(path, footer, stored, stored, None)
    for each in (view, view.by_parquet_alone()):
        stored = _schema_of(each.without_rows())
        stated = _schema_of(each.with_maps().without_rows()) if each.as_lists else stored
        if stored is not None and stated is not None:
            return _checked(path, footer, stored, stated, each)
    refused = _refused_of(view.by_parquet_alone())
    if not refused or len(refused) == len(footer.columns):
        raise ValueError("its footer is damaged")
    return usable_reading(path, footer.without({column.name: _refused(footer, column) for column in refused}))


def _maps_with_int96(footer: Footer) -> frozenset[str]:
    """The columns whose maps are read as lists: in maps Polars reads INT96 in nanoseconds, whatever it is asked for."""
    return frozenset(column.name for column in footer.usable if column.maps and INT96 in footer.kinds(column))


def _checked(
    path: Path, footer: Footer, stored: pl.Schema, stated: pl.Schema, view: View | None
) -> tuple[Footer, Reading]:
    """The reading with these types, if they are those of the footer's columns."""
    kinds = {column.name: footer.kinds(column) for column in footer.usable}
    if list(stored) != list(kinds):
        raise ValueError("its footer is damaged")
    others = {name for name, dtype in stored.items() if leaf_count(dtype) != len(kinds[name])}
    strange = {
        column.name for column in footer.usable if column.name in others and _CONVERTED & set(kinds[column.name])
    }
    if strange:  # nobody knows which values are to be converted
        reasons = {column.name: _refused(footer, column) for column in footer.usable if column.name in strange}
        return usable_reading(path, footer.without(reasons))
    kinds |= {name: ("",) * leaf_count(stored[name]) for name in others}
    return footer, Reading(_asked(stored, kinds), _asked(stated, kinds), tuple(kinds.values()), view)


def _asked(schema: pl.Schema, kinds: Mapping[str, Sequence[str]]) -> pl.Schema:
    """The types that Polars is asked for, so that INT96 timestamps are right."""
    return pl.Schema(
        {name: in_microseconds(dtype) if INT96 in kinds[name] else dtype for name, dtype in schema.items()}
    )


def _refused_of(view: View) -> list[Column]:
    """The columns of a view that Polars refuses, each for itself."""
    if _schema_of(view.without_rows()) is not None:
        return []
    if len(view.columns) == 1:
        return [*view.columns]
    half = len(view.columns) // 2
    return [column for part in (view.columns[:half], view.columns[half:]) for column in _refused_of(view.of(part))]


def _refused(footer: Footer, column: Column) -> str:
    types = ", ".join(dict.fromkeys(leaf.type.name for leaf in footer.leaves[column.leaves]))
    return f"its type (of {types}) cannot be read; write it as text, a number or a timestamp"


def _schema_of(source: Path | bytes) -> pl.Schema | None:
    """The schema of a file, as Polars sees it; None where it refuses the file."""
    try:
        return pl.Schema(pl.read_parquet_schema(io.BytesIO(source) if isinstance(source, bytes) else source))
    except _REFUSALS as error:
        if stop := interrupts.requested():
            raise stop from error
        return None


@cache
def _is_zone(name: str) -> bool:
    """Whether Polars knows a time zone."""
    try:
        pl.Series([0]).cast(pl.Datetime("us", name))
    except _REFUSALS:
        return False
    return True


def scan(files: Sequence[Path], names: Sequence[str], reading: Reading, paths: str | None = None) -> pl.LazyFrame:
    """Files that are read alike as one frame: all columns that can be used, as Parquet means them.

    A reading with a view is of one file. ``names`` are those of the files in messages. With ``paths`` there is a column
    of that name: the path of the row's file (String).
    """
    found = _scan(files, reading, paths) if reading.view is None else _scan_view(files[0], reading, reading.view, paths)
    others = f", or one of {counted(len(names) - 1, 'file')} beside it" if len(names) > 1 else ""
    changed = reading.values(f"{names[0]}{others}")
    return found.with_columns(changed) if changed else found


def _scan(files: Sequence[Path], reading: Reading, paths: str | None) -> pl.LazyFrame:
    if not reading.names_of_int96:
        return pl.scan_parquet(list(files), glob=False, hive_partitioning=False, include_file_paths=paths)
    return pl.scan_parquet(
        list(files),
        glob=False,
        hive_partitioning=False,
        schema=reading.stored,
        cast_options=_CASTS,
        use_statistics=False,  # of INT96, writers have disagreed on the order
        include_file_paths=paths,
    )


def _scan_view(path: Path, reading: Reading, view: View, paths: str | None) -> pl.LazyFrame:
    source = register_io_source(partial(_row_groups, path, reading, view), schema=reading.stored, is_pure=True)
    # Predicates stay above: Polars hands those that call Python over by ``cloudpickle``, which need not be installed.
    found = source.map_batches(
        _as_it_is, predicate_pushdown=False, projection_pushdown=True, slice_pushdown=True, streamable=True
    )
    return found.with_columns(pl.lit(str(path)).alias(paths)) if paths else found


def _as_it_is(frame: pl.DataFrame) -> pl.DataFrame:
    return frame


def _row_groups(
    path: Path,
    reading: Reading,
    view: View,
    with_columns: list[str] | None,
    _predicate: pl.Expr | None,
    n_rows: int | None,
    _batch_size: int | None,
) -> Iterator[pl.DataFrame]:
    """The rows of a file, one row group after another."""
    names = list(reading.stored) if with_columns is None else with_columns
    asked = pl.Schema({name: reading.stored[name] for name in names})
    by_arrow = view.footer.by_arrow & asked.keys()
    views = view.named(asked.keys() - by_arrow), view.by_parquet_alone().named(by_arrow)
    left = n_rows
    for number in range(len(view.footer.groups)):
        if left == 0:
            return
        try:
            found = _row_group(path, views, number, asked)
        except EOFError:
            raise engine.ReadError("the data could not be read: a file ended too early") from None
        found = found.head(found.height if left is None else left)
        left = None if left is None else left - found.height
        yield found
    if not view.footer.groups:
        yield pl.DataFrame(schema={name: asked[name] for name in names})


def _row_group(path: Path, views: tuple[View, View], number: int, asked: pl.Schema) -> pl.DataFrame:
    """The columns ``asked`` of one row group; its rows also where no column is asked for.

    The first view has the columns that Polars decodes, the second those that PyArrow does.
    """
    if not asked:
        return pl.DataFrame(height=views[0].footer.group_rows[number])
    by_polars, by_arrow = (pl.Schema({each.name: asked[each.name] for each in view.columns}) for view in views)
    frames = []
    if by_polars:
        content = io.BytesIO(views[0].row_group(path, number))
        frame = pl.scan_parquet(content, schema=by_polars, cast_options=_CASTS, use_statistics=False)
        frames.append(engine.collect_inside(frame))
    if by_arrow:
        frames.append(read_by_arrow(io.BytesIO(views[1].row_group(path, number)), by_arrow))
    return pl.concat(frames, how="horizontal").select(asked.keys())
