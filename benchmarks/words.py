"""Names, cities, kinds of event: what the generator draws from.

Some hold commas, quotes and letters beyond ASCII, as real ones do.
"""

from collections.abc import Collection, Sequence
from itertools import product

import numpy as np
import polars as pl

_STARTS = tuple("AnBeCaDaElFaGiHaInJoKaLiMaNoOlPaReSaThUlViWaXeYoZéÅs"[at : at + 2] for at in range(0, 52, 2))
_MIDDLES = ("bi", "da", "fre", "ga", "la", "li", "mo", "na", "ni", "ra", "ri", "ro", "sa", "ta", "vi")
_ENDS = ("a", "an", "e", "el", "en", "in", "is", "na", "o", "ra")

FIRST_NAMES = ["".join(parts) for parts in product(_STARTS, _MIDDLES, _ENDS)]
LAST_NAMES = [prefix + name for prefix in ("", "O'", "Mc", "de ", "St. ") for name in FIRST_NAMES]
_TOWNS = ["".join(parts) for parts in product(_STARTS, _MIDDLES, ("burg", "ton", "ville"))]
CITIES = [f"{town}, North" if place % 19 == 0 else town for place, town in enumerate(_TOWNS)]
COUNTRIES = {"US": 0.38, "GB": 0.12, "DE": 0.10, "FR": 0.08, "CA": 0.07, "ES": 0.06}
COUNTRIES |= {"IT": 0.05, "NL": 0.04, "PL": 0.04, "SE": 0.03, "AT": 0.02, "LU": 0.01}
EVENTS = {"view": 0.8, "add_to_cart": 0.12, "purchase": 0.08}
CATEGORIES = ["books", "scifi", "home", "garden", "toys", "sports", "music", "food"]


def drawn(
    rng: np.random.Generator, among: Collection[str], count: int, chances: Sequence[float] | None = None
) -> pl.Series:
    """``count`` texts drawn at random, with equal chances unless ``chances`` says otherwise."""
    return pl.Series(list(among)).gather(pl.Series(rng.choice(len(among), count, p=chances)))
