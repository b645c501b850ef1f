"""Columns of sources with the names of those that every merged view has: mistakes, unless they are renamed (P8)."""

from collections.abc import Iterable

from muster.activation.errors import ConfigError, Problem
from muster.activation.model.sources import VIEW_COLUMNS, Source

_MEANING = {
    "profile_id": "the ids of the profiles that muster makes",
    "identity_map": "the identities of the profiles that muster makes",
}


def reserved_problems(source: Source, columns: Iterable[str]) -> list[Problem]:
    """A mistake in a source's file for each column ``profile_id`` or ``identity_map`` that its files have as data.

    ``columns`` are the names in the files. One that ``columns:`` renames, or ``identities:`` reads, is none.
    """
    free = {*source.columns.values(), *source.identity_columns}
    return [
        source.location.problem(
            f"the files have a column {name!r}, which is the name of {_MEANING[name]}; rename it, such as "
            f"columns: {{{source.id}_{name}: {name}}}, or read it under identities"
        )
        for name in VIEW_COLUMNS
        if name in columns and name not in free
    ]


def refuse_reserved(source: Source, columns: Iterable[str]) -> None:
    """``ConfigError`` when ``reserved_problems`` finds any."""
    if found := reserved_problems(source, columns):
        raise ConfigError(found)
