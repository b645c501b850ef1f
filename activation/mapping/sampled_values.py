"""Warnings about the values of a mapping that a sample of the snapshot shows, before anything is exported (M2).

The sample is the first ``SAMPLED`` profiles of the snapshot's files: few enough to parse telephone numbers, and no
chance.
"""

from collections.abc import Iterator, Sequence

import polars as pl

from muster.activation.errors import ExportError
from muster.activation.frames import engine
from muster.activation.mapping.columns import Field, with_values
from muster.activation.mapping.layout import Layout
from muster.activation.mapping.lost_values import LostValues, Watched, flag_beside
from muster.activation.values.hashes import HASHES
from muster.activation.values.transforms import hash_of

SAMPLED = 1_000
_ID = "id"


def sampled_warnings(layout: Layout) -> Iterator[str]:
    """A sentence for each column that loses values of the sample, or hashes values that are hashes already."""
    looked_at = f" in the first {SAMPLED:,} profiles" if layout.snapshot.rows > SAMPLED else ""
    frame = layout.snapshot.frame().head(SAMPLED)
    yield from _warnings(frame, [field for field in layout.fields if field.is_of_profile], looked_at)
    if layout.raw_ids:
        identities = frame.select(layout.raw_ids.expr.alias(_ID)).explode(_ID)
        yield from _warnings(identities, layout.identities_over(pl.col(_ID)), looked_at)


def _warnings(frame: pl.LazyFrame, fields: Sequence[Field], looked_at: str) -> Iterator[str]:
    """The warnings about columns of one frame; a column of which a value fails has none: its export tells of that."""
    for field in fields:
        name = hash_of(field.column.transform)
        if field.losses or name:
            try:
                yield from _warnings_about(field, name, frame, looked_at)
            except ExportError:
                continue


def _warnings_about(field: Field, name: str | None, frame: pl.LazyFrame, looked_at: str) -> Iterator[str]:
    """The warnings about one column; ``name`` is of the hash that its transforms make."""
    watched = Watched(field)
    is_hash = HASHES[name].is_hash(field.text) if name and field.text is not None else pl.lit(value=False)
    hashed = flag_beside(field, "hashed", is_hash)
    values = with_values(frame, [field, watched.marker, hashed])
    flags = watched.flags | {"hashed": pl.col(hashed.value_column)}
    found = engine.collect(values.select(flag.alias(name).sum() for name, flag in flags.items()))
    lost = LostValues()
    lost.add([watched] if field.losses else [], found)
    yield from lost.told(looked_at)
    if name and (again := found["hashed"].item()):
        numbers = f"{again:,} of {watched.counted_in(found).there:,} values{looked_at}"
        yield _hashed_again(field, name, numbers)


def _hashed_again(field: Field, name: str, numbers: str) -> str:
    """The warning that a hash is hashed, which no receiver can match."""
    instead = "hash_unless_hashed" if name == "sha256" else f"hash_unless_hashed({name})"
    return (
        f"column {field.column.name!r}: {numbers} look like {HASHES[name].words} hashes already, and {name} hashes "
        f"them again; {instead} writes them as they are"
    )
