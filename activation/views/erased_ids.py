"""The ids that a build left to the next one, without some people (G8)."""

from dataclasses import dataclass

import polars as pl

from muster.activation.views.ids import LED, PROFILES, KeptIds
from muster.activation.views.order import text


@dataclass(frozen=True, eq=False)
class ErasedIds:
    """Kept ids without some people, and where the others went."""

    kept: KeptIds
    places: pl.Series  # UInt32: for each profile of before the position now; null for one of the people

    def moved(self, profiles: pl.Series) -> pl.Series:
        """The positions now (UInt32) of positions of before; null for the people."""
        return self.places.gather(profiles).alias(profiles.name)


def without(kept: KeptIds, ids: pl.Series, identities: pl.Series) -> ErasedIds:
    """Kept ids without some profile ids (String) and identities (String: the namespace, a zero byte, the id).

    An id of somebody else that was made of such an identity stays, and is made of none that is known any more.
    """
    stays = ~kept.profiles["profile_id"].is_in(ids.implode())
    is_made_of_theirs = text().is_in(identities.implode())
    made_of = (pl.when(~is_made_of_theirs).then(name).alias(name) for name in ("namespace", "id"))
    profiles = kept.profiles.filter(stays).with_columns(*made_of).select(PROFILES.names())
    counted = pl.DataFrame({"stays": stays}).select(pl.when("stays").then(pl.col("stays").cum_sum() - 1))
    places = counted.to_series().cast(pl.UInt32)
    led = kept.identities.filter(~text().is_in(identities.implode()))
    led = led.with_columns(places.gather(led["profile"]).alias("profile"))
    return ErasedIds(KeptIds(profiles, led.filter(pl.col("profile").is_not_null()).select(LED.names())), places)
