"""How the lineage of a merge policy goes on from build to build: chains of aliases, and splits (P7)."""

from dataclasses import dataclass

import polars as pl

from muster.activation.frames.columns import PROFILE_ID
from muster.activation.views.ids import Ids
from muster.activation.views.lineage import ALIASES, SPLITS, Lineage


@dataclass(frozen=True, eq=False)
class Chains:
    """Aliases and splits as a build leaves them to the next one.

    ``aliases`` has the columns ``ALIASES``, but ``profile_id`` is the id that survived in ``build``, which may have
    become an alias since. So an alias leads to an id that is given again.
    """

    aliases: pl.DataFrame
    splits: pl.DataFrame  # of ``SPLITS``

    @classmethod
    def none(cls) -> "Chains":
        """What there is before the first build."""
        return cls(ALIASES.to_frame(), SPLITS.to_frame())

    def after(self, ids: Ids, build: int, oldest_named: int | None) -> "Chains":
        """What there is after a build.

        ``oldest_named`` is the oldest build that a kept evaluation or a delivered set names, None for none: what became
        of ids in that build, or before it, is asked by nobody any more. An alias whose id is given again is none.
        """
        number = pl.lit(build, dtype=pl.UInt32).alias("build")
        aliases = pl.concat([self.aliases, ids.merged.select("alias", PROFILE_ID, number)])
        splits = pl.concat([self.splits, ids.split.select(PROFILE_ID, "new_id", number)])
        if oldest_named is not None:
            aliases, splits = (each.filter(pl.col("build") > oldest_named) for each in (aliases, splits))
        if not aliases.is_empty():  # else all ids of the build would be hashed in vain
            aliases = aliases.filter(~pl.col("alias").is_in(ids.profiles[PROFILE_ID].implode()))
        return Chains(aliases.sort("alias"), splits.sort("build", PROFILE_ID, "new_id"))

    def resolved(self, policy: str, build: int) -> Lineage:
        """The lineage as of a build: each alias leads to the end of its chain."""
        aliases = self.aliases
        steps = aliases.select(pl.col("alias").alias(PROFILE_ID), pl.col(PROFILE_ID).alias("next"))
        while aliases[PROFILE_ID].is_in(steps[PROFILE_ID].implode()).any():
            further = aliases.join(steps, on=PROFILE_ID, how="left", maintain_order="left")
            aliases = further.select("alias", pl.coalesce("next", PROFILE_ID).alias(PROFILE_ID), "build")
        return Lineage(policy, build, aliases, self.splits)
