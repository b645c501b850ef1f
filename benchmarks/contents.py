"""Compare the content of files: ``python -m benchmarks.contents FOLDER...`` prints a digest of each.

A digest is of the typed rows, in their order.

Bytes may differ (a time with or without ``Z``, quotes), content may not. A file whose rows are not in the order of
their ids is an error. Runs in a process of its own, because a process is charged the memory of the one that started it.
"""

import hashlib
import json
import sys
from pathlib import Path

import polars as pl

from benchmarks.audiences import COLUMNS, STATUS, TIME

_NAMES = (*COLUMNS, STATUS, TIME)
_TIMES = ("signup_at", TIME)


def digest(path: Path) -> list[int | str]:
    """The number of rows of a file, and a digest of the rows as typed values."""
    rows = (
        _read_csv(path)
        if path.suffix == ".csv"
        else pl.read_parquet(path).with_columns(pl.col(_TIMES).dt.replace_time_zone(None))
    )
    if tuple(rows.columns) != _NAMES:
        raise ValueError(f"{path.name}: the columns are {rows.columns}")
    if not rows["profile_id"].is_sorted():
        raise ValueError(f"{path.name}: the rows are not sorted by profile id")
    return [rows.height, hashlib.sha256(rows.hash_rows(seed=1).to_numpy().tobytes()).hexdigest()]


def _read_csv(path: Path) -> pl.DataFrame:
    text = pl.read_csv(path, infer_schema=False)
    typed = text.select(_typed(name) for name in text.columns)
    if typed.null_count().row(0) != text.null_count().row(0):
        raise ValueError(f"{path.name}: a value is no number or no time")
    return typed


def _typed(name: str) -> pl.Expr:
    if name == "lifetime_value":
        return pl.col(name).cast(pl.Float64, strict=False)
    if name not in _TIMES:
        return pl.col(name)
    utc = pl.col(name).str.replace(r"(Z|\+00(:?00)?)$", "").str.replace("T", " ", literal=True)
    return utc.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", strict=False)


def folder(root: Path) -> dict[str, list[int | str]]:
    """The digests of all data files below a folder."""
    paths = sorted(path for path in root.rglob("*") if path.suffix in {".csv", ".parquet"})
    return {path.relative_to(root).as_posix(): digest(path) for path in paths}


if __name__ == "__main__":
    sys.stdout.write(json.dumps([folder(Path(each)) for each in sys.argv[1:]]))
