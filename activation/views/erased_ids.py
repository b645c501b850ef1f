"""The ids that a build left to the next one, without some people (G8)."""

import polars as pl

from muster.activation.views.ids import LED, PROFILES, KeptIds
from muster.activation.views.order import text


def without(kept: KeptIds, ids: pl.Series, identities: pl.Series) -> KeptIds:
    """Kept ids without some profile ids (String) and identities (String: the namespace, a zero byte, the id).

    An id of somebody else that was made of such an identity stays, and is made of none that is known any more.
    """
    is_theirs = kept.profiles["profile_id"].is_in(ids.implode())
    is_made_of_theirs = text().is_in(identities.implode())
    made_of = (pl.when(~is_made_of_theirs).then(name).alias(name) for name in ("namespace", "id"))
    profiles = kept.profiles.filter(~is_theirs).with_columns(*made_of)
    places = pl.select(pl.when(~is_theirs).then((~is_theirs).cast(pl.UInt32).cum_sum() - 1)).to_series()
    led = kept.identities.filter(~text().is_in(identities.implode()))
    led = led.with_columns(places.gather(led["profile"]).cast(pl.UInt32).alias("profile"))
    led = led.filter(pl.col("profile").is_not_null())
    return KeptIds(profiles.select(PROFILES.names()), led.select(LED.names()))
