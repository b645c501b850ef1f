"""Make sources to measure identity graphs with: ``python -m benchmarks.graph_data FOLDER N``.

The same arguments give the same rows: about N identities and 1.2 N links between them, on two days.

FOLDER/crm/DAY/*.parquet   snapshots: an id, an e-mail address, for three in five people a phone number
FOLDER/app/*.parquet       changes: a device, an e-mail address, an id; a file for each day
FOLDER/web/*.parquet       events: a cookie, and an e-mail address or an id; a file for each day

One e-mail address, of a till, is linked with 20,000 cookies, or with a tenth of all in small worlds. The second day
adds one in a hundred links: devices and cookies of known people, and new people.
"""

import argparse
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.graph_task import DAYS

PART = 1_000_000  # rows of a file
TILL = "till-14@stores.acme.example"
_START = datetime(2026, 8, 20, tzinfo=UTC)
_SECONDS = 90 * 86_400


def write(folder: Path, size: int) -> None:
    """Write the files of both days."""
    people, later = size // 5, size // 500  # known on the first day, and new on the second
    for day, known in zip(DAYS, (people, people + later), strict=True):
        _write(folder / "crm" / day, _crm(known))
    devices, cookies = size // 10, size * 28 // 100
    _write(folder / "app", _app(0, devices, people), DAYS[0])
    _write(folder / "app", _app(devices, devices // 100, people), DAYS[1])
    _write(folder / "web", _web(0, cookies, people, shared=min(20_000, cookies // 10)), DAYS[0])
    _write(folder / "web", _web(cookies, cookies // 100, people, shared=0), DAYS[1])


def _crm(people: int) -> pl.DataFrame:
    number = np.arange(people)
    rng = np.random.default_rng([1, 1])
    moment = _times(rng.integers(0, _SECONDS, people))
    texts = pl.DataFrame({"n": number, "updated_at": moment})
    return texts.select(
        _crm_id(pl.col("n")).alias("crm_id"),
        _email(pl.col("n")).alias("email"),
        pl.when(pl.col("n") % 5 < 3)
        .then(pl.format("+4930{}", pl.col("n").cast(pl.String).str.zfill(8)))
        .alias("phone"),
        "updated_at",
        pl.format("First {}", pl.col("n") % 5000).alias("first"),
        (pl.col("n") % 977).alias("points"),
    )


def _app(first: int, devices: int, people: int) -> pl.DataFrame:
    """Changes of one day: a tenth of the devices twice, of which the newer row counts."""
    number = np.concatenate([np.arange(first, first + devices), np.arange(first, first + devices // 10)])
    rng = np.random.default_rng([2, first])
    times = _times(rng.integers(0, _SECONDS, len(number)))
    frame = pl.DataFrame({"n": number, "owner": number * 7 % people, "updated_at": times})
    return frame.select(
        pl.format("{}-4b1e-9c55-{}", _hex(pl.col("n")), pl.col("n").cast(pl.String).str.zfill(12)).alias("device"),
        _email(pl.col("owner")).alias("email"),
        _crm_id(pl.col("owner")).alias("crm_id"),
        "updated_at",
    )


def _web(first: int, cookies: int, people: int, shared: int) -> pl.DataFrame:
    """Events of one day, three of each cookie: with its owner's address, another address of the owner, the owner's id.

    Some have less. One cookie in 200 is of a tablet that two people share.
    """
    number, kind = np.tile(np.arange(first, first + cookies), 3), np.repeat([0, 1, 2], cookies)
    rng = np.random.default_rng([3, first])
    order = rng.permutation(len(number))
    frame = pl.DataFrame({"n": number[order], "kind": kind[order]}).with_columns(
        (
            (pl.col("n") * 3 + pl.when((pl.col("n") % 200 == 7) & (pl.col("kind") == 1)).then(1).otherwise(0)) % people
        ).alias("owner"),
        (pl.col("n") < first + shared).alias("till"),
        _times(rng.integers(0, _SECONDS, len(number))).alias("timestamp"),
    )
    n, owner, kind_of = pl.col("n"), pl.col("owner"), pl.col("kind")
    other = (kind_of == 1) & (n % 200 != 7) & (owner % 2 == 0)
    return frame.select(
        (n.cast(pl.String).str.zfill(19) + n.cast(pl.String).str.zfill(19)).alias("ecid"),
        pl.when(pl.col("till") & (kind_of == 2))
        .then(pl.lit(TILL))
        .when(kind_of == 2)
        .then(None)
        .when(other)
        .then(pl.format("{}.private@post.example.org", _hex(owner)))
        .when(n % 8 > 0)
        .then(_email(owner))
        .alias("email"),
        pl.when((kind_of == 2) & (n % 5 < 2)).then(_crm_id(owner)).alias("crm_id"),
        "timestamp",
    )


def _crm_id(number: pl.Expr) -> pl.Expr:
    return pl.format("C-{}", number.cast(pl.String).str.zfill(9))


def _email(number: pl.Expr) -> pl.Expr:
    return pl.format("{}.{}@mail.example.com", _hex(number), number)


def _hex(number: pl.Expr) -> pl.Expr:
    """Eight digits that follow no order."""
    return (number.cast(pl.UInt64) * 2_654_435_761 % 4_294_967_296 % 100_000_000).cast(pl.String).str.zfill(8)


def _times(seconds: np.ndarray) -> pl.Series:
    return pl.Series(seconds * 1_000_000 + int(_START.timestamp() * 1_000_000)).cast(pl.Datetime("us", "UTC"))


def _write(folder: Path, frame: pl.DataFrame, name: str = "part") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for part in range(0, frame.height, PART):
        frame.slice(part, PART).write_parquet(folder / f"{name}-{part // PART:03}.parquet")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("size", type=int)
    words = parser.parse_args()
    write(words.folder, words.size)
