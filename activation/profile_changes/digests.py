"""Digests of what a message would say of a profile now: of the mapped values, and of the identities (V2, V3).

Each is a column as those of a mapping are, so that profile values read it once for all who ask. A digest is stable
across versions of Polars.
"""

import json
from collections.abc import Collection
from functools import reduce
from hashlib import sha256
from operator import add

import polars as pl

from muster.activation.mapping.columns import Field, bind
from muster.activation.mapping.layout import Layout
from muster.activation.model.messages import MessageActivation
from muster.activation.model.workspace import Column
from muster.activation.profiles.snapshots import Snapshot
from muster.activation.rules.expressions import Moment
from muster.activation.values import identities
from muster.activation.values.dtypes import unwrapped
from muster.activation.values.hashes import xxh3
from muster.activation.values.identities import DIGEST_MADE_BY, DIGEST_TYPE
from muster.activation.values.text import csv_text

_MADE_BY = f"{DIGEST_MADE_BY}, values/1"  # part of what a digest of values was made with


def fingerprint(activation: MessageActivation) -> int:
    """The digest of how the mapped values are made: two digests of values are compared if it is equal (V4)."""
    columns = {column.name: column.fingerprint for column in activation.mapping}
    return hashed([_MADE_BY, columns, activation.attributes_version])


def hashed(record: object) -> int:
    """A 64-bit digest of JSON."""
    return int.from_bytes(sha256(json.dumps(record, sort_keys=True).encode()).digest()[:8], "big")


def version_field(
    activation: MessageActivation, snapshot: Snapshot, moment: Moment, problems: list[str]
) -> Field | None:
    """The profile column that moves with every write, if the activation names one; else None (V3).

    A sentence is added to ``problems`` where the snapshot lacks the column.
    """
    source = activation.attributes_version
    if source is None:
        return None
    return bind(Column(source, "attributes_version", location=activation.location), snapshot, moment, problems)


def values_field(layout: Layout, version: Field | None) -> Field:
    """The digest (UInt64) of the mapped values of a profile; the order of columns does not count.

    Values are equal if their JSON is (M7); a null value, NaN or infinity adds nothing.
    """
    fields = [*(field for field in layout.fields if field.role == "attribute"), *([version] if version else [])]
    parts = [_part(field, is_version=field is version) for field in fields]
    digest = reduce(add, parts, pl.lit(0, DIGEST_TYPE))
    local = {name: expr for field in fields for name, expr in field.local.items()}
    variant = "\n".join(sorted(f"{field.column.name}\t{field.value_column}" for field in fields))
    column = Column("", "values_digest", expression="digest of values")
    return Field(column, "attribute", digest, DIGEST_TYPE(), local, f"\n{variant}")


def _part(field: Field, *, is_version: bool) -> pl.Expr:
    """What one column adds: the hash of the text, times an odd number of the target and the kind of JSON."""
    expr, dtype = unwrapped(field.expr, field.dtype)
    if dtype == pl.Null:
        return pl.lit(0, DIGEST_TYPE)
    kind = "nested" if dtype.is_nested() else "number" if dtype.is_numeric() else "text"
    kind = "truth" if dtype == pl.Boolean else kind
    factor = hashed([field.column.name, kind, is_version]) | 1
    return (xxh3(csv_text(expr, dtype).cast(pl.String)) * pl.lit(factor, DIGEST_TYPE)).fill_null(0)


def ids_field(snapshot: Snapshot, namespaces: Collection[str] | None) -> Field:
    """The identities of a profile: List(Struct(namespace, id)), sorted; those of some namespaces, or all (V5)."""
    source = snapshot.source.identity_map
    expr = identities.structs(source, snapshot.identity_type, namespaces)
    dtype = pl.List(pl.Struct({"namespace": pl.String(), "id": pl.String()}))
    return Field(_about_identities("ids"), "attribute", expr, dtype, variant=_variant(namespaces))


def ids_digest_field(snapshot: Snapshot, namespaces: Collection[str]) -> Field:
    """The digest (UInt64) of the identities of a profile in some namespaces; null without an identity map (X3c)."""
    expr = identities.digest_in(snapshot.source.identity_map, snapshot.identity_type, namespaces)
    return Field(_about_identities("ids_digest"), "attribute", expr, DIGEST_TYPE(), variant=_variant(namespaces))


def _about_identities(name: str) -> Column:
    return Column("", name, expression=f"{name} of the identity map")


def _variant(namespaces: Collection[str] | None) -> str:
    return "" if namespaces is None else f"\n{json.dumps(sorted(set(namespaces)))}"
