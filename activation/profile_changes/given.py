"""What is compared to decide whom a run of messages tells, and how the receiver knows people."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl

from muster.activation.comparison.reasons import Reason
from muster.activation.comparison.regrouped import Regrouped
from muster.activation.mapping.columns import Field
from muster.activation.mapping.layout import Layout
from muster.activation.mapping.profile_values import ProfileValues
from muster.activation.profile_changes import people as about
from muster.activation.profile_changes.decide import Situation
from muster.activation.profile_changes.people import ToldAudience
from muster.activation.profile_changes.sides import Sides
from muster.activation.profiles.roster import Roster


@dataclass(frozen=True, eq=False)
class Inputs:
    """What is compared, and how the receiver knows people."""

    sides: Sides
    situation: Situation
    told: Sequence[ToldAudience]
    layout: Layout
    values: ProfileValues
    reasons: tuple[Reason, ...]
    details: Callable[[pl.Series, Sequence[str]], pl.DataFrame]  # columns of rows for each muster:row; null without one
    ids: Field | None  # the identities that messages have; None for none
    values_digest: Field
    is_declared: bool  # payload: request
    tells_audiences: bool  # whether the receiver keeps the members of audiences apart
    has_key: bool  # whether the receiver is told of a merge (P11)
    config: int  # the digest of the request's config (V10)
    gives_up_after: int | None  # runs
    has_max_age: bool
    regroups: Regrouped | None = None

    @property
    def roster(self) -> Roster:
        """The rows of the profiles."""
        return self.values.roster

    @property
    def kept(self) -> tuple[str, ...]:
        """The kept targets."""
        return about.kept_names(self.layout)

    @property
    def keys(self) -> tuple[str, ...]:
        """The kept targets by which duplicates are told (M3)."""
        return tuple(about.name_of(self.layout.kept[i]) for i in self.layout.deduplicate)
