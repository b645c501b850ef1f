"""Where identities and profile ids lead, in the profiles of one merge policy (P9, P12).

Rows of events and feeds name a person by an identity, or by a profile id, which may have become an alias since.
"""

from collections.abc import Mapping
from functools import cached_property

import polars as pl

from muster.activation.frames import engine
from muster.activation.frames.columns import PROFILE_ID, ROW
from muster.activation.model.sources import Namespace
from muster.activation.profiles.roster import Roster
from muster.activation.sources.cleaning import cleaned, namespace_of
from muster.activation.views.view import IDENTITIES, View

NAMESPACE, IDENTITY = "namespace", "id"  # columns of an identity, both String
_PROFILE = "profile"  # of identities of a view: the profile's place in the view


class Leads:
    """The profiles of a view, by the identities that lead to them and by their ids, aliases among them."""

    def __init__(self, view: View, namespaces: Mapping[str, Namespace], roster: Roster) -> None:
        self.namespaces = namespaces
        self._view, self._roster = view, roster

    @property
    def ids(self) -> pl.Series:
        """The profile id (String) of each number."""
        return self._roster.numbering.ids

    @cached_property
    def _numbers(self) -> pl.Series:
        """The number (UInt32) of each profile of the view, in the order of the view."""
        return self._roster.numbering.known_numbers_of(self._view.ids).alias(ROW)

    @cached_property
    def everywhere(self) -> pl.LazyFrame:
        """All identities that lead to a profile: ``namespace`` and ``id`` (String), and ``muster:row``, its number."""
        number = pl.lit(self._numbers).gather(pl.col(_PROFILE)).alias(ROW)
        return self._view.graph_file(IDENTITIES).select(NAMESPACE, IDENTITY, number)

    def in_namespace(self, namespace: str) -> pl.LazyFrame:
        """The identities of a namespace that lead to a profile: ``id`` (String), and ``muster:row``, its number."""
        return self.everywhere.filter(pl.col(NAMESPACE) == namespace).select(IDENTITY, ROW)

    def of_identities(self, identities: pl.DataFrame) -> pl.Series:
        """The number (UInt32) of the profile that each cleaned ``namespace`` and ``id`` lead to; null for none."""
        by = [NAMESPACE, IDENTITY]
        named = identities.lazy().select(by)
        return engine.collect(named.join(self.everywhere, on=by, how="left", maintain_order="left"))[ROW]

    def of_ids(self, ids: pl.Series) -> pl.Series:
        """The number (UInt32) of the profile that each id (String), an alias or not, is of; null for none."""
        known = ids.alias(PROFILE_ID)
        if self._view.lineage.aliases.height:
            survivors = self._view.lineage.aliases.lazy().select(pl.col("alias").alias("named"), PROFILE_ID)
            joined = pl.LazyFrame({"named": ids}).join(survivors, on="named", how="left", maintain_order="left")
            known = engine.collect(joined.select(pl.coalesce(PROFILE_ID, "named").alias(PROFILE_ID)))[PROFILE_ID]
        numbers = self._roster.numbering.known_numbers_of(known).alias(ROW)
        is_present = self._roster.present_numbers.gather(numbers)
        return pl.DataFrame([numbers]).select(pl.when(is_present).then(ROW))[ROW]

    def cleaned(self, namespace: pl.Expr, ids: pl.Expr) -> pl.Expr:
        """Ids as they are compared, each by the rules of its own namespace; null for one that is dropped (P2)."""
        found = cleaned(ids, namespace_of({}, ""))
        for name, each in self.namespaces.items():
            found = pl.when(namespace == name).then(cleaned(ids, each)).otherwise(found)
        return found
