"""Forgotten people: who they are in a snapshot, known by keyed digests alone (G8).

A profile of a path is forgotten that has a forgotten id, or has identities and all of them are forgotten. In sources
each forgotten identity counts as blocked (P2), so that none of them makes, links or leads to a profile; an id hides
nobody there, as it may be given again (P7). Digests are HMAC-SHA-256, of a profile id, or of a namespace, a zero byte
and an id.
"""

from dataclasses import dataclass, replace
from hashlib import sha256
from secrets import token_hex
from typing import Self

import polars as pl
from polars_hash import CryptographicHashingNameSpace

from muster.activation.frames import engine
from muster.activation.frames.columns import ID
from muster.activation.profiles.snapshots import Snapshot
from muster.activation.state.ledger import forgotten_table
from muster.activation.state.ledger.database import Ledger
from muster.activation.values.identities import first_pair, pairs

PAIRS = "pairs"  # List(String): of each identity the namespace, a zero byte, the id


@dataclass(frozen=True, eq=False)
class Forgotten:
    """The digests of all forgotten profile ids and identities, and their key."""

    key: str
    profiles: pl.Series  # String, in hex: ids of profiles of a path
    identities: pl.Series  # String, in hex
    former: pl.Series  # String, in hex: ids of profiles from sources, as they were then

    @classmethod
    def of(cls, ledger: Ledger) -> Self | None:
        """The forgotten people of a ledger; None when nobody is, which costs one look at an empty table."""
        key = forgotten_table.key(ledger)
        if key is None:
            return None
        found = (forgotten_table.digests(ledger, kind) for kind in forgotten_table.KINDS)
        return cls(key, *(pl.Series(each, dtype=pl.String) for each in found))

    @classmethod
    def nobody(cls) -> Self:
        """Nobody yet, with a new key."""
        return cls(token_hex(32), *(pl.Series([], dtype=pl.String) for _ in forgotten_table.KINDS))

    def digests_of(self, texts: pl.Series) -> pl.Series:
        """The digest (String) of each text."""
        return engine.collect_inside(pl.LazyFrame({ID: texts}).select(self._digest(pl.col(ID))))[ID]

    def has(self, ids: pl.Series, *, former: bool = False) -> pl.Series:
        """Whether each profile id is forgotten (Boolean): of a path, or with ``former`` of sources too."""
        digests = pl.concat([self.profiles, self.former.alias(self.profiles.name)]) if former else self.profiles
        return self.digests_of(ids).is_in(digests.implode()).fill_null(value=False)

    def has_identities(self, texts: pl.Series) -> pl.Series:
        """Whether each identity, as of ``identities.pairs``, is forgotten (Boolean)."""
        return self.digests_of(texts).is_in(self.identities.implode()).fill_null(value=False)

    def are_identities(self, identities: pl.DataFrame) -> pl.Series:
        """Whether each ``namespace`` and ``id`` (String) is an identity of somebody forgotten (Boolean)."""
        texts = identities.select(pl.concat_str("namespace", pl.lit("\0"), "id").alias(ID))[ID]
        return self.has_identities(texts)

    @property
    def identities_key(self) -> str:
        """Text that is equal while the same identities are forgotten; empty while none is."""
        return sha256("".join(self.identities.sort()).encode()).hexdigest() if len(self.identities) else ""

    def with_people(self, ids: pl.Series, identities: pl.Series, *, from_sources: bool = False) -> Self:
        """These forgotten people and others: profile ids, and identities as of ``identities.pairs`` (String)."""
        known = _united(self.identities, self.digests_of(identities))
        if from_sources:
            return replace(self, identities=known, former=_united(self.former, self.digests_of(ids)))
        return replace(self, identities=known, profiles=_united(self.profiles, self.digests_of(ids)))

    def ids_in(self, snapshot: Snapshot) -> pl.Series:
        """The ids (String), sorted, of the forgotten profiles of a snapshot.

        A profile whose first identity is not forgotten is not looked at any further.
        """
        texts = pairs(snapshot.source.identity_map, snapshot.identity_type)
        by_id = self._is_one_of(pl.col(ID), self.profiles)
        first = first_pair(snapshot.source.identity_map, snapshot.identity_type)
        by_first = self._is_one_of(first, self.identities) | (first == "").fill_null(value=False)
        possible = by_id if snapshot.identity_type is None else by_id | by_first
        found = engine.collect(snapshot.frame().filter(possible).select(ID, texts.alias(PAIRS), by_id.alias("by_id")))
        is_all = pl.col(PAIRS).list.eval(self._is_one_of(pl.element(), self.identities)).list.all()
        has_any = pl.col(PAIRS).list.len() > 0
        return found.filter(pl.col("by_id") | (has_any & is_all))[ID].sort()

    def _digest(self, text: pl.Expr) -> pl.Expr:
        return CryptographicHashingNameSpace(text).hmac_sha256(key=self.key)

    def _is_one_of(self, text: pl.Expr, digests: pl.Series) -> pl.Expr:
        return self._digest(text).is_in(digests.implode()).fill_null(value=False)


def without_forgotten(snapshot: Snapshot, forgotten: Forgotten, others: pl.Series | None = None) -> Snapshot:
    """A snapshot without its forgotten profiles, and without ``others``: further ids (String)."""
    ids = forgotten.ids_in(snapshot)
    if others is not None and len(others):
        ids = pl.concat([ids, others]).unique().sort()
    return snapshot.without_profiles(ids, ",".join(sorted(forgotten.digests_of(ids)))) if len(ids) else snapshot


def _united(known: pl.Series, more: pl.Series) -> pl.Series:
    return pl.concat([known, more.alias(known.name)]).unique()
