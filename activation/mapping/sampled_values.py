"""Warnings about the values of a mapping that a sample of the snapshot shows, before anything is exported (M2).

The sample is the first ``SAMPLED`` profiles of the snapshot's files: few enough to parse telephone numbers, and no
chance.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from muster.activation.errors import ExportError
from muster.activation.frames import engine
from muster.activation.mapping.columns import Field, with_values
from muster.activation.mapping.layout import Layout
from muster.activation.mapping.lost_values import Count, Watched, flag_beside, lost_sentence
from muster.activation.values.hashes import HASHES
from muster.activation.values.transforms import ends_hashed, hash_of

SAMPLED = 1_000
_ID = "id"


@dataclass(frozen=True)
class _Checked:
    """One column that is looked at, because its transforms may lose values, or hash what is a hash already."""

    watched: Watched

    @property
    def hash_name(self) -> str | None:
        """The name of the hash that the transforms make; None where they make none."""
        return hash_of(self.watched.field.column.transform)

    @property
    def hashed(self) -> Field:
        """The field of Boolean values that says where the source holds a hash of that function already."""
        field, name = self.watched.field, self.hash_name
        is_hash = HASHES[name].is_hash(field.text) if name and field.text is not None else pl.lit(value=False)
        return flag_beside(field, "hashed", is_hash)

    @property
    def passes(self) -> str | None:
        """The name of the hash that transforms make of what is no such hash yet; None where they pass no hashes."""
        steps = self.watched.field.column.transform
        return ends_hashed(steps[-1:]) if not self.hash_name else None

    @property
    def otherwise(self) -> Field:
        """The field of Boolean values that says where the source holds a hash of another function, or in another form.

        A column that loses values has none: no hash is a telephone number, and a lost value is told already.
        """
        field, name = self.watched.field, self.passes
        is_other = pl.lit(value=False)
        if name and field.text is not None and not field.losses:
            is_other = HASHES[name].is_other_hash(field.text)
        return flag_beside(field, "otherwise", is_other)

    @property
    def fields(self) -> tuple[Field, ...]:
        """All that is read of the snapshot."""
        return self.watched.field, self.watched.marker, self.hashed, self.otherwise

    @property
    def flags(self) -> dict[str, pl.Expr]:
        """Boolean columns by name, over the value columns of ``fields``."""
        names = self.hashed.value_column, self.otherwise.value_column
        return self.watched.flags | {name: pl.col(name) for name in names}


@dataclass(frozen=True)
class _Found:
    """What the sample shows of one column."""

    count: Count
    hashed: int
    otherwise: int


class SampledValues:
    """What the sample shows of columns; a column that several mappings share is looked at once."""

    def __init__(self) -> None:
        self._found: dict[str, _Found | None] = {}  # by value column; None where a value of the column fails

    def warnings(self, layout: Layout) -> Iterator[str]:
        """A sentence for each column that loses values of the sample, or hashes values that are hashes already."""
        looked_at = f" in the first {SAMPLED:,} profiles" if layout.snapshot.rows > SAMPLED else ""
        frame = layout.snapshot.frame().head(SAMPLED)
        yield from self._told(frame, [field for field in layout.fields if field.is_of_profile], looked_at)
        if layout.raw_ids:
            identities = frame.select(layout.raw_ids.expr.alias(_ID)).explode(_ID)
            yield from self._told(identities, layout.identities_over(pl.col(_ID)), looked_at)

    def _told(self, frame: pl.LazyFrame, fields: Sequence[Field], looked_at: str) -> Iterator[str]:
        checked = [_Checked(Watched(field)) for field in fields]
        checked = [each for each in checked if each.watched.field.losses or each.hash_name or each.passes]
        self._look_at([each for each in checked if each.watched.field.value_column not in self._found], frame)
        for each in checked:
            found = self._found[each.watched.field.value_column]
            if found and each.watched.field.losses and found.count.lost:
                yield lost_sentence(each.watched, found.count, looked_at)
            if found and found.hashed:
                yield _hashed_again(each, f"{found.hashed:,} of {found.count.there:,} values{looked_at}")
            if found and found.otherwise:
                yield _hashed_otherwise(each, f"{found.otherwise:,} of {found.count.there:,} values{looked_at}")

    def _look_at(self, checked: Sequence[_Checked], frame: pl.LazyFrame) -> None:
        """Count all these columns at once; where a value of one fails, its export will tell, and it is left out."""
        if not checked:
            return
        values = with_values(frame, {field.value_column: field for each in checked for field in each.fields}.values())
        flags = {name: flag for each in checked for name, flag in each.flags.items()}
        try:
            found = engine.collect(values.select(flag.alias(name).sum() for name, flag in flags.items()))
        except ExportError:
            for each in checked if len(checked) > 1 else ():
                self._look_at([each], frame)
            self._found |= {checked[0].watched.field.value_column: None} if len(checked) == 1 else {}
            return
        for each in checked:
            hashed, otherwise = (int(found[field.value_column].sum()) for field in (each.hashed, each.otherwise))
            counts = _Found(each.watched.counted_in(found), hashed, otherwise)
            self._found[each.watched.field.value_column] = counts


def _hashed_again(checked: _Checked, numbers: str) -> str:
    """The warning that a hash is hashed, which no receiver can match."""
    name = checked.hash_name or ""
    instead = "hash_unless_hashed" if name == "sha256" else f"hash_unless_hashed({name})"
    return (
        f"column {checked.watched.target!r}: {numbers} look like {HASHES[name].words} hashes already, and {name} "
        f"hashes them again; {instead} writes them as they are"
    )


def _hashed_otherwise(checked: _Checked, numbers: str) -> str:
    """The warning that a hash of another kind is hashed, which no receiver can match."""
    form = HASHES[checked.passes or ""].form
    return (
        f"column {checked.watched.target!r}: {numbers} look like hashes, but not like {form}, and "
        f"{checked.watched.field.column.transform[-1]} hashes them again; map plain values, or {form}"
    )
