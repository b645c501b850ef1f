"""The mapping with which an activation last delivered, and what each column of today continues of it (X12).

What was sent belongs to the column, by its target. A target that is new takes over what was sent under a target that is
gone, if source and transforms are unchanged.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from muster.activation.frames.columns import PROFILE_ID
from muster.activation.mapping.columns import Field
from muster.activation.model.workspace import IDENTITY_PREFIX, Column


@dataclass(frozen=True)
class LastMapping:
    """The mapping of the run that made a delivered set, as its recipe records it."""

    columns: tuple[Column, ...]
    deduplicate: tuple[str, ...]
    sanitizes: bool  # whether its files had ``sanitize_formulas`` (M8)
    id_column: str  # the snapshot's own name of ``profile_id``
    types: tuple[str | None, ...] = ()  # of the columns, in words (D7); empty where that run did not record them
    is_recorded: bool = True  # False: today's, as that run has no record; no column is taken for changed then

    @cached_property
    def _by_name(self) -> dict[str, Column]:
        return {column.name: column for column in self.columns}

    def is_id(self, column: Column) -> bool:
        """Whether a column held the profile id."""
        return column.expression is None and column.source in {PROFILE_ID, self.id_column}

    def is_key(self, column: Column) -> bool:
        """Whether a receiver of that run's files knew people by the column (M3, M5)."""
        if column.source.startswith(IDENTITY_PREFIX):
            return True
        return any(column == compared_column(self.columns, source) for source in self.deduplicate)

    def predecessor(self, column: Column, targets: Collection[str]) -> Column | None:
        """The column that ``column`` of today continues: of its target, or unchanged of a target that is gone.

        ``targets`` are the names of all columns of today.
        """
        if same := self._by_name.get(column.name):
            return same
        gone = (before for before in self.columns if before.name not in targets)
        return next((before for before in gone if self._made_of(before) == self._made_of(column)), None)

    def is_made_otherwise(self, before: Column, field: Field) -> bool:
        """Whether source, transforms or sanitizing of a column of today are not those of ``before``."""
        return self._made_of(before) != self._made_of(field.column) or self.sanitizes != field.sanitizes

    def _made_of(self, column: Column) -> str:
        return (replace(column, source=PROFILE_ID) if self.is_id(column) else column).fingerprint


def compared_column(columns: Sequence[Column], source: str) -> Column | None:
    """The column whose values are the keys of a deduplication source (M3): the plain one, else the first made of it."""
    made = [column for column in columns if column.source == source and column.expression is None]
    return next((column for column in made if column.is_plain), made[0] if made else None)
