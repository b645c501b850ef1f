"""Make sources of profiles to measure with: ``python -m benchmarks.generate_sources FOLDER links|fragments N``.

``links``: N identities with 1.2 N links on the first day, of 0.2 N people; on the second day 0.012 N new links.

FOLDER/crm/2026-11-19.parquet, 2026-11-20.parquet    0.2 N customers: CRMID, Email, and of half of them Phone
FOLDER/shop/2026-11-19.parquet, 2026-11-20.parquet   0.15 N accounts, each with the Email of a customer
FOLDER/web/2026-11-18.parquet, 2026-11-19.parquet    0.65 N visits of 0.35 N cookies, then those of the second day

One account in 75 has the address of a till, and one cookie in 1,000 is a tablet where two people signed in.

``fragments``: N people in three sources, 12 columns each, of which a tenth is null.

FOLDER/first/2026-11-19.parquet, second/..., third/...

The same arguments give the same rows. Numbers are scattered by arithmetic, so no generator of random numbers is needed.
"""

import argparse
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from benchmarks.night_task import DAYS

SOURCES = ("first", "second", "third")
COLUMNS = 12  # of a fragment, with key and time
TILL = "till@acme.example"
_PRIMES = (2_654_435_761, 2_246_822_519, 3_266_489_917)
_START = datetime(2026, 1, 1, tzinfo=UTC)
_SECONDS = 320 * 86_400  # that times cover


def links(folder: Path, identities: int) -> None:
    """Write the sources of the identity graph."""
    people, accounts, cookies = identities * 20 // 100, identities * 15 // 100, identities * 35 // 100
    for day, more in zip(DAYS, (0, people // 200), strict=True):
        _write(folder / "crm" / f"{day}.parquet", _customers(people + more, changed=bool(more)))
        _write(folder / "shop" / f"{day}.parquet", _accounts(accounts))
    _write(folder / "web" / "2026-11-18.parquet", _visits(cookies, identities * 30 // 100, accounts, people))
    _write(folder / "web" / "2026-11-19.parquet", _new_visits(cookies, identities * 12 // 1000, people))


def fragments(folder: Path, people: int) -> None:
    """Write three sources that know everybody: text, numbers, a date and a Boolean, each from null to new."""
    for place, source in enumerate(SOURCES):
        row = pl.int_range(people, dtype=pl.UInt64)
        frame = pl.select(row.alias("n")).lazy()
        values: dict[str, pl.Expr] = {
            "crm_id": _named("C", pl.col("n")),
            "updated_at": _time(pl.col("n"), place),
            "email": _named("user", pl.col("n") + place) + pl.lit("@example.com"),
            "first": _named("first", pl.col("n") % 5000),
            "last": _named("last", pl.col("n") % 70_001),
            "city": _named("city", _scattered(pl.col("n"), place) % 300),
            "country": _named("", _scattered(pl.col("n"), place + 1) % 40),
            "points": (_scattered(pl.col("n"), place) % 10_000).cast(pl.Int64),
            "spent": (_scattered(pl.col("n"), place) % 1_000_003).cast(pl.Float64) / 100,
            "born": pl.date(1950, 1, 1).dt.offset_by("1d") + pl.duration(days=pl.col("n") % 20_000),
            "newsletter": _scattered(pl.col("n"), place) % 3 == 0,
            "tier": _named("tier", _scattered(pl.col("n"), place) % 4),
        }
        kept = [
            each.alias(name) if name in {"crm_id", "updated_at"} else _sparse(each, number + place).alias(name)
            for number, (name, each) in enumerate(values.items())
        ]
        _write(folder / source / f"{DAYS[0]}.parquet", frame.select(kept))


def _customers(people: int, *, changed: bool) -> pl.LazyFrame:
    """Customers by number; on a later day one in a hundred has another city."""
    number = pl.col("n")
    city = _scattered(number, 1) % 300
    return _numbers(people).select(
        _named("C", number).alias("crm_id"),
        _address(number).alias("email"),
        pl.when(number % 2 == 0).then(_named("+4930", number)).alias("phone"),
        (pl.when(number % 100 == 7).then(city + 1).otherwise(city) if changed else city).cast(pl.String).alias("city"),
        _time(number, 0).alias("updated_at"),
    )


def _accounts(accounts: int) -> pl.LazyFrame:
    number = pl.col("n")
    return _numbers(accounts).select(
        _named("A", number).alias("account"),
        pl.when(number % 75 == 0).then(pl.lit(TILL)).otherwise(_address(number)).alias("email"),
        (_scattered(number, 2) % 10_000).cast(pl.Int64).alias("points"),
        _time(number, 1).alias("updated_at"),
    )


def _visits(cookies: int, with_account: int, accounts: int, people: int) -> pl.LazyFrame:
    """A visit of each cookie with an address, of most with an account of that person, of a few with another address."""
    number, person = pl.col("n"), pl.col("n") % accounts
    base = _numbers(cookies)
    signed_in = base.select(_cookie(number), _address(person).alias("email"), _account(None), _visit_time(number))
    bought = base.head(with_account).select(
        _cookie(number), _address(None).alias("email"), _account(person), _visit_time(number + 1)
    )
    other = _address(_scattered(number, 2) % people).alias("email")
    tablets = base.filter(number % 1000 == 999).select(_cookie(number), other, _account(None), _visit_time(number + 2))
    return pl.concat([signed_in, bought, tablets])


def _new_visits(cookies: int, links_: int, people: int) -> pl.LazyFrame:
    """Visits of new cookies, each with the address of somebody."""
    number = pl.col("n") + cookies
    when = pl.lit(datetime(2026, 11, 19, 12, tzinfo=UTC)).dt.cast_time_unit("us").alias("timestamp")
    address = _address(_scattered(number, 1) % people).alias("email")
    return _numbers(links_).select(_cookie(number), address, _account(None), when)


def _numbers(count: int) -> pl.LazyFrame:
    return pl.LazyFrame().select(pl.int_range(count, dtype=pl.UInt64).alias("n"))


def _named(prefix: str, number: pl.Expr) -> pl.Expr:
    return pl.lit(prefix) + number.cast(pl.String)


def _address(number: pl.Expr | None) -> pl.Expr:
    if number is None:
        return pl.lit(None, dtype=pl.String)
    return _named("customer", number) + pl.lit("@example.com")


def _account(number: pl.Expr | None) -> pl.Expr:
    return (pl.lit(None, dtype=pl.String) if number is None else _named("A", number)).alias("account")


def _cookie(number: pl.Expr) -> pl.Expr:
    """38 digits."""
    return number.cast(pl.String).str.zfill(38).alias("ecid")


def _visit_time(number: pl.Expr) -> pl.Expr:
    return _time(number, 2).alias("timestamp")


def _time(number: pl.Expr, place: int) -> pl.Expr:
    seconds = (_scattered(number, place) % _SECONDS).cast(pl.Int64)
    return pl.lit(_START).dt.cast_time_unit("us") + pl.duration(seconds=seconds)


def _scattered(number: pl.Expr, place: int) -> pl.Expr:
    """Numbers that follow no order: the lower half of a product, which fits 64 bits."""
    return ((number % (1 << 32)) * _PRIMES[place % 3]) % (1 << 32)


def _sparse(value: pl.Expr, place: int) -> pl.Expr:
    return pl.when((pl.col("n") + place * 3) % 10 != 0).then(value)


def _write(path: Path, frame: pl.LazyFrame) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.sink_parquet(path, compression="zstd")


KINDS: dict[str, Callable[[Path, int], None]] = {"links": links, "fragments": fragments}


def main() -> None:
    """Make what the command line asks for, unless it is there."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("number", type=int)
    given = parser.parse_args()
    done = given.folder / "done"
    if not done.exists():
        shutil.rmtree(given.folder, ignore_errors=True)
        KINDS[given.kind](given.folder, given.number)
        done.touch()


if __name__ == "__main__":
    main()
