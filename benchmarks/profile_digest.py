"""Numbers about profiles: ``python -m benchmarks.profile_digest PATH`` prints those of a view, or of a Parquet file.

Two sets of profiles are equal when their numbers are: how many profiles and identities there are, and for each column a
sum of hashes of id and value, in any order of the rows. Runs in a process of its own, because a process is charged the
memory of the one that started it.
"""

import json
import sys
from pathlib import Path

import polars as pl

_MAP = "identity_map"


def digest(path: Path) -> dict[str, int]:
    """The numbers of the profiles in a file, or in all Parquet files of a folder."""
    frame = pl.scan_parquet(path / "*.parquet" if path.is_dir() else path)
    schema = frame.collect_schema()
    values = [
        pl.struct("profile_id", pl.col(name).alias("value")).hash(seed=1).sum().alias(name)
        for name in sorted(schema)
        if name not in {_MAP, "profile_id"}
    ]
    identities = pl.col(_MAP).list.len().sum().alias("identities")
    found = frame.select(pl.len().alias("profiles"), identities, *values).collect(engine="streaming")
    return {name: int(value) for name, value in found.row(0, named=True).items()}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(digest(Path(sys.argv[1]))))
