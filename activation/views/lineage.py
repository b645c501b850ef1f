"""What became of profile ids from build to build of one merge policy: aliases and splits (P7, P11)."""

from dataclasses import dataclass

import polars as pl

# Ids that were merged into others: ``alias`` (String) is resolved through chains to ``profile_id`` (String), the id
# that survives today, or that was the last to survive; ``build`` (UInt32) is that in which the alias arose.
ALIASES = pl.Schema({"alias": pl.String(), "profile_id": pl.String(), "build": pl.UInt32()})
# Profiles that came out of others: ``profile_id`` (String) kept the id in ``build`` (UInt32), ``new_id`` (String) is of
# a part of that graph, and was new then.
SPLITS = pl.Schema({"profile_id": pl.String(), "new_id": pl.String(), "build": pl.UInt32()})


@dataclass(frozen=True, eq=False)
class Lineage:
    """The aliases and splits of a merge policy, as of one build."""

    policy: str
    build: int  # the number of the build
    aliases: pl.DataFrame  # of ``ALIASES``, each alias once; no alias is the id of a profile of this build
    splits: pl.DataFrame  # of ``SPLITS``: of this build, and of builds since the oldest delivered set
