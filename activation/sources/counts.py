"""What a source has, and what of it does not count and why (P1, P2)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

# Why a record makes no fragment and links nothing.
LATER, REPLACED, DELETED, NO_PRIMARY = "later", "replaced", "deleted", "no_primary"
# Why a record links nothing.
TOO_MANY = "too_many_identities"


@dataclass(frozen=True)
class SourceCounts:
    """The numbers of one source at an instant."""

    records: int = 0  # rows of the files that exist at the instant: without later ones
    fragments: int = 0  # none of events
    identities: int = 0  # distinct ones, after cleaning, of records that count
    # Records by reason: ``later`` and ``replaced`` rows of changes and events, ``deleted``, ``no_primary``.
    left_out: Mapping[str, int] = field(default_factory=dict)
    too_many: int = 0  # records with more identities than may link: they make fragments, and link nothing
    # Identities, each time that a record names one, by the reasons of ``cleaning.REASONS``. Primary identities are
    # looked at in all records that exist at the instant, others in records that are not left out.
    dropped: Mapping[str, int] = field(default_factory=dict)
