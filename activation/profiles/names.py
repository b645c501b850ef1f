"""How rows of events and feeds name a person: by ``profile_id``, or by ``namespace`` and ``id`` (P12).

A name is one text: an identity's namespace, a zero byte, and the id as it is compared (P2); of a profile id the
namespace is empty.
"""

import polars as pl

from muster.activation.errors import DataError
from muster.activation.frames.columns import ROW
from muster.activation.inputs.feeds import NAMED
from muster.activation.inputs.table import Table
from muster.activation.inputs.table_columns import like_named, optional_id_column
from muster.activation.profiles.leads import IDENTITY, NAMESPACE, Leads

_SEPARATOR = "\0"


def names_in(table: Table, profile_id: str, leads: Leads, setting: str = "") -> pl.Expr:
    """The name (String) of the person of each row; null where the row has none, or one that is dropped (P2).

    A row with a profile id is named by that. ``DataError`` when the table has neither a column of ids nor both
    ``namespace`` and ``id``; ``setting`` is the key of muster.yml that names the column of profile ids.
    """
    _refuse_nameless(table, profile_id, setting)
    ids, namespace, own = (optional_id_column(table, name) for name in (profile_id, NAMESPACE, IDENTITY))
    by_id = pl.when(ids != "").then(pl.concat_str(pl.lit(_SEPARATOR), ids))
    return pl.coalesce(by_id, pl.concat_str(namespace, pl.lit(_SEPARATOR), leads.cleaned(namespace, own))).alias(NAMED)


def _refuse_nameless(table: Table, profile_id: str, setting: str) -> None:
    """``DataError`` for a table whose rows cannot name anybody."""
    known = {*table.schema, *table.unusable}
    if table.rows and profile_id not in known and not {NAMESPACE, IDENTITY} <= known:
        where = f" ({setting} in muster.yml)" if setting else ""
        raise DataError(
            f"{table.name}: there is no column {profile_id!r}{where}, and not both of {NAMESPACE!r} and {IDENTITY!r}: "
            f"a row names a person by one of these{like_named(profile_id, table.columns.names, setting)}"
        )


def numbers_of_names(names: pl.Series, leads: Leads) -> pl.Series:
    """The number (UInt32) of the profile that each name (String) reaches; null for none."""
    fields = pl.col(NAMED).str.splitn(_SEPARATOR, 2).struct.rename_fields([NAMESPACE, IDENTITY])
    found = names.to_frame(NAMED).select(fields).unnest(NAMED)
    by_id, by_identity = leads.of_ids(found[IDENTITY]), leads.of_identities(found)
    chosen = found.select(NAMESPACE).with_columns(by_id.alias("by_id"), by_identity.alias("by_identity"))
    return chosen.select(pl.when(pl.col(NAMESPACE) == "").then("by_id").otherwise("by_identity").alias(ROW))[ROW]
