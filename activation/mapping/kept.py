"""The columns of which a delivered set keeps what was sent: keys, and all columns where `changes` asks (X3e, X12).

Such columns are mandatory, deduplication and identity columns, those by which a preset's receiver knows people,
transformed profile ids, and columns that were such at an earlier run. ``Layout.kept`` has them in mapping order, then
deduplication sources that are not mapped.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from muster.activation.mapping.columns import Field
from muster.activation.mapping.last_mapping import compared_column
from muster.activation.model.messages import MessageActivation
from muster.activation.model.workspace import Activation, AnyActivation, Column
from muster.activation.presets import checks

UNMAPPED, CARRIED, IDENTITIES, COMPARED = "key:", "value:", "values:", "attribute:"  # prefixes of names
UNKNOWN, COMPARED_BY = "unknown:", "compared_by:"


@dataclass(frozen=True)
class Kept:
    """One column of which the delivered set keeps what was sent."""

    field: Field
    position: int | None  # in the mapping; None for a deduplication source that is not mapped
    is_key: bool = False  # mandatory, or tells duplicates or identities apart, today
    preset_identifies: bool = False  # the receiver of the preset knows people by it (X2)
    is_carried: bool = True  # exited rows have what was sent; else it is compared only (X3e)
    holds_lists: bool = False  # several values of one profile may have been sent, one in each of its rows (M5)
    as_text: bool = False  # today's type does not spell what was sent (``mapping.sent_types``)
    is_made_otherwise: bool = False  # since the last delivery (X12)
    has_key_texts: bool = (
        False  # its type has changed since: as keys, sent values are compared by texts of their own (D7)
    )
    was_identifying: bool = False  # the last delivery's receiver knew people by the column (M3, M5)

    @property
    def target(self) -> str:
        """The column's target, with its occurrence where a header is repeated (M1)."""
        return self.field.column.name

    @property
    def stored_name(self) -> str:
        """The name of the column with what was sent in a delivered set's file."""
        if self.position is None:
            return f"{UNMAPPED}{self.field.column.source}"
        prefix = IDENTITIES if self.holds_lists else CARRIED if self.is_carried else COMPARED
        return f"{prefix}{self.target}"

    @property
    def unknown_name(self) -> str:
        """The name of the Boolean column that marks profiles of which it is not known what was sent."""
        return f"{UNKNOWN}{self.target if self.position is not None else UNMAPPED + self.field.column.source}"

    @property
    def key_texts_name(self) -> str:
        """The name of the column with the ``key_text`` of what was sent, where the type of then is gone."""
        return f"{COMPARED_BY}{self.target}"


def is_key(column: Column, activation: AnyActivation) -> bool:
    """Whether the last sent values of a column are kept, and exits carry them (X12).

    They are for mandatory columns, for plain columns of a source that a mandatory plain column has, and for all columns
    of a deduplicated source.
    """
    mandatory = {each.source for each in activation.mapping if each.mandatory and each.is_plain}
    shares_mandatory_source = column.is_plain and column.source in mandatory
    return column.mandatory or column.source in activation.deduplicate or shares_mandatory_source


def identifying_groups(activation: Activation, fields: Sequence[Field]) -> tuple[tuple[str, ...], ...]:
    """The groups of targets by which the receiver of the activation's preset knows people (X2); none without a preset.

    A profile is known by a value in each column of one group.
    """
    preset = checks.of(activation)
    if preset is None:
        return ()
    targets = list(dict.fromkeys(field.column.target for field in fields))
    return preset.identifying(targets, {each.column.target for each in fields if _is_id(each, activation)})


def _is_id(field: Field, activation: Activation) -> bool:
    """Whether a column holds the profile id, an identity, or a key that tells people apart (M3)."""
    return field.role in {"profile_id", "identity"} or field.column.source in activation.deduplicate


def kept_of_mapping(
    activation: Activation, fields: Sequence[Field], unmapped: Sequence[Field], identifying: Collection[str]
) -> Iterator[Kept]:
    """The columns that an activation's own settings ask to keep.

    ``unmapped`` are deduplication sources, ``identifying`` the targets of ``identifying_groups``. A plain profile id
    needs no keeping.
    """
    asks_for_all = "attributes" in activation.changes
    for position, field in enumerate(fields):
        identifies = field.column.target in identifying
        if field.role == "identity":
            yield Kept(field, position, is_key=True, preset_identifies=identifies, holds_lists=True)
        elif field.is_of_profile:
            key, is_id = is_key(field.column, activation), field.role == "profile_id"
            identifies = identifies and not (is_id and field.column.is_plain)
            is_hidden_id = is_id and not field.column.is_plain
            if key or identifies or is_hidden_id or asks_for_all:
                carried = key or identifies or is_id
                yield Kept(field, position, is_key=key, preset_identifies=identifies, is_carried=carried)
    yield from (Kept(field, None, is_key=True) for field in unmapped)


def kept_of_messages(
    activation: MessageActivation, fields: Sequence[Field], unmapped: Sequence[Field]
) -> Iterator[Kept]:
    """The columns of which the rows of an activation that sends messages keep what was sent (V2, X12)."""
    for position, field in enumerate(fields):
        if field.role == "identity":
            yield Kept(field, position, is_key=True, holds_lists=True)
        elif field.is_of_profile and is_key(field.column, activation):
            yield Kept(field, position, is_key=True)
    yield from (Kept(field, None, is_key=True) for field in unmapped)


def compared_positions(activation: AnyActivation, kept: Sequence[Kept]) -> tuple[int, ...]:
    """The positions in ``kept`` of the columns whose values are the keys of ``deduplicate`` (M3)."""
    positions = []
    for source in activation.deduplicate:
        column = compared_column(activation.mapping, source)
        positions += [
            number
            for number, each in enumerate(kept)
            if (each.field.column == column if column else each.position is None and each.field.column.source == source)
        ][:1]
    return tuple(positions)
