"""The attributes of profiles: which columns each source gives under which names, with types that hold all (P8, D5)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from muster.activation.errors import DataError
from muster.activation.inputs.joint_columns import NamedTable, Values, conformed, joint_columns, named_table
from muster.activation.model.sources import VIEW_COLUMNS
from muster.activation.sources.opened import OpenedSource
from muster.activation.sources.reserved_columns import refuse_reserved
from muster.activation.values.known_columns import Columns
from muster.activation.wording import first_names

_NAMED = 3  # sources that a message names


@dataclass(frozen=True, eq=False)
class Attributes:
    """The columns that the sources of a merge policy give to profiles."""

    tables: tuple[NamedTable, ...]  # of the sources, in their order
    columns: Columns  # of all sources: the types of those that can be used, and why the others cannot

    @property
    def schema(self) -> pl.Schema:
        """The attributes, in the order in which sources and files have them."""
        return pl.Schema(self.columns.types)

    def of(self, source: int) -> list[pl.Expr]:
        """The attributes over the frame of one source's table, null where the source lacks one."""
        return conformed(self.tables[source], self.columns)


def attributes(sources: Sequence[OpenedSource]) -> Attributes:
    """The attributes that these sources give, in the order in which ties count.

    A column that ``columns:`` renames as a whole is not there under its old name; a field that it renames is also left
    where it is. Columns called ``profile_id`` and ``identity_map`` are attributes only under another name.
    ``ConfigError`` for such a column that is neither renamed nor used under ``identities``. ``DataError`` for a renamed
    column that is in no file, and for columns of one name whose types do not go together, naming the sources.
    """
    tables = tuple(_as_far_as_known([_table(each) for each in sources]))
    columns = joint_columns(tables)
    for name, reason in columns.unusable.items():
        if not any(name in each.unusable for each in tables):
            raise DataError(_disagreement(name, reason, sources, tables))
    return Attributes(tables, columns)


def _table(opened: OpenedSource) -> NamedTable:
    """A source's table under the names of its attributes."""
    source = opened.source
    refuse_reserved(source, opened.table.columns.names)
    found = named_table(opened.table, source.columns, source.location.file)
    kept = set(source.columns)
    columns = {name: each for name, each in found.columns.items() if name not in VIEW_COLUMNS or name in kept}
    return NamedTable(found.table, columns, _without_reserved(found.unusable, kept), found.file)


def _as_far_as_known(tables: Sequence[NamedTable]) -> Iterator[NamedTable]:
    """The tables without the types of columns that have no value there, where another table has one (D5)."""
    holding = [{name for name, each in table.columns.items() if _may_have_values(table, each)} for table in tables]
    known = {name for names in holding for name in names}
    for table, names in zip(tables, holding, strict=True):
        columns = {
            name: Values(pl.lit(None), pl.Null()) if name in known - names else each
            for name, each in table.columns.items()
        }
        yield NamedTable(table.table, columns, table.unusable, table.file)


def _may_have_values(table: NamedTable, values: Values) -> bool:
    return any(table.table.may_have_values(name) for name in values.expr.meta.root_names())


def _without_reserved(unusable: Mapping[str, str], kept: set[str]) -> Mapping[str, str]:
    return {name: reason for name, reason in unusable.items() if name not in VIEW_COLUMNS or name in kept}


def _disagreement(name: str, reason: str, sources: Sequence[OpenedSource], tables: Sequence[NamedTable]) -> str:
    """The message about a column whose types in several sources do not go together."""
    giving = [repr(each.source.id) for each, table in zip(sources, tables, strict=True) if name in table.columns]
    return f"the sources {first_names(giving, _NAMED)} have no common type for the column {name!r}: {reason}"
