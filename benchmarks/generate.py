"""Make the data to measure with: ``python -m benchmarks.generate FOLDER N``; the same arguments give the same rows.

FOLDER/profiles/2026-11-19/part-000.parquet ...   N profiles: 14 columns, three identities each
FOLDER/profiles/2026-11-20/part-000.parquet ...   the day after: 0.3 % deleted, 1 % new, 2 % changed,
                                                  0.5 % with one more identity
FOLDER/events/part-000.parquet ...                8 N events over the 90 days before; a file is a span of time,
                                                  as an event log is cut

A part holds about a million profiles or eight million events, and nothing else is in memory while it is written.
Profile ids are 16 hex digits. Each snapshot is sorted by them, within a part and from part to part, as the export of a
warehouse table that is clustered by its key is; ``--shuffled`` makes ids that follow no order, and rows of each part in
any order.
"""

import argparse
import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from math import gcd
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from benchmarks import words
from benchmarks.night_task import DAYS

END = datetime(2026, 11, 20, 2, tzinfo=UTC)  # the second evaluation: no event is later
PART = 1_000_000
EVENTS_EACH = 8
SPAN = 90 * 86_400  # seconds that the events cover
_MIX = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))  # splitmix64
_PRIME = 2_654_435_761


@dataclass(frozen=True)
class Changes:
    """Changes from the first day to the second, as shares of all profiles."""

    deleted: float = 0.003
    new: float = 0.01
    attributes: float = 0.02
    identity: float = 0.005

    @classmethod
    def of_count(cls, changes: int, profiles: int) -> "Changes":
        """About that many changes in all that an export tells of.

        Four in ten are new, three deleted, three have one more identity.
        """
        share = changes / profiles
        return cls(deleted=0.3 * share, new=0.4 * share, attributes=0.0, identity=0.3 * share)


@dataclass(frozen=True)
class Population:
    """All profiles as numbers from 0 to ``slots``, of which some come on the second day only."""

    profiles: int
    changes: Changes
    shuffled: bool = False

    @property
    def new(self) -> int:
        """The number of profiles that come on the second day only."""
        return round(self.profiles * self.changes.new)

    @property
    def slots(self) -> int:
        """The number of profiles of both days together."""
        return self.profiles + self.new

    def comes_later(self, number: np.ndarray) -> np.ndarray:
        """Whether each number comes on the second day only: ``new`` of all do, spread evenly."""
        return (number + 1) * self.new // self.slots > number * self.new // self.slots

    def ids(self, number: np.ndarray) -> pl.Series:
        """Unique ids of 16 hex digits, one for each number; ids rise with the number unless they are shuffled."""
        mixed = _mixed(number.astype(np.uint64))
        gap = np.uint64(2**64 // self.slots - 1)
        return _hex(mixed if self.shuffled else number.astype(np.uint64) * gap + mixed % gap)

    def parts(self) -> Iterator[tuple[int, np.ndarray]]:
        """Yield each part with its numbers, about a million."""
        count = max(1, round(self.slots / PART))
        for part in range(count):
            yield part, np.arange(self.slots * part // count, self.slots * (part + 1) // count)


def _mixed(number: np.ndarray) -> np.ndarray:
    """A one-to-one scramble of 64 bits (splitmix64)."""
    with np.errstate(over="ignore"):
        mixed = number * _MIX[0] + _MIX[0]
        mixed = (mixed ^ (mixed >> np.uint64(30))) * _MIX[1]
        mixed = (mixed ^ (mixed >> np.uint64(27))) * _MIX[2]
    scrambled: np.ndarray = mixed ^ (mixed >> np.uint64(31))
    return scrambled


def _hex(number: np.ndarray) -> pl.Series:
    """64-bit numbers as 16 hex digits each."""
    pairs = np.array([f"{byte:02x}".encode() for byte in range(256)], dtype="S2")
    text = pairs[number.astype(">u8").view(np.uint8)].tobytes()
    offsets = np.arange(0, 16 * len(number) + 1, 16, dtype=np.int64)
    array = pa.Array.from_buffers(pa.large_string(), len(number), [None, pa.py_buffer(offsets), pa.py_buffer(text)])
    column = pl.from_arrow(array)
    if not isinstance(column, pl.Series):
        raise TypeError(column)
    return column


def snapshots(population: Population, part: int, number: np.ndarray) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Generate one part of both days' snapshots."""
    rng = np.random.default_rng([1, population.profiles, part])
    everyone = _attributes(rng, number, population.ids(number))
    new = population.comes_later(number)
    old = np.flatnonzero(~new)
    deleted, identity = (
        _chosen(rng, old, len(old) * share) for share in (population.changes.deleted, population.changes.identity)
    )
    moved = _chosen(rng, old, len(old) * population.changes.attributes)
    first = everyone.filter(pl.Series(~new))
    second = _with_identities(_moved(rng, everyone, moved), _flags(identity, len(number)))
    second = second.filter(pl.Series(~_flags(deleted, len(number))))
    if population.shuffled:
        first, second = (each[rng.permutation(each.height)] for each in (first, second))
    return first, second


def _chosen(rng: np.random.Generator, among: np.ndarray, count: float) -> np.ndarray:
    return rng.choice(among, min(round(count), len(among)), replace=False)


def _flags(chosen: np.ndarray, size: int) -> np.ndarray:
    flags = np.zeros(size, dtype=bool)
    flags[chosen] = True
    return flags


def _attributes(rng: np.random.Generator, number: np.ndarray, ids: pl.Series) -> pl.DataFrame:
    """The 14 columns for these profiles."""
    n = len(number)
    tier = rng.choice(["none", "silver", "gold"], n, p=[0.7, 0.22, 0.08])
    frame = pl.DataFrame(
        {
            "profile_id": ids,
            "first": words.drawn(rng, words.FIRST_NAMES, n),
            "last": words.drawn(rng, words.LAST_NAMES, n),
            "country": words.drawn(rng, words.COUNTRIES, n, list(words.COUNTRIES.values())),
            "city": words.drawn(rng, words.CITIES, n),
            "birth_year": np.clip(rng.normal(1980, 14, n), 1935, 2008).astype(np.int16),
            "signed_up": np.minimum(rng.exponential(900, n), 4000) * 86_400,
            "lifetime_value": np.round(rng.lognormal(4.5, 1.2, n), 2) * (rng.random(n) > 0.1),
            "score": rng.random(n),
            "newsletter": rng.random(n) < 0.4,
            "tier": tier,
            "points": np.where(tier == "none", 0, rng.exponential(1500, n)).astype(np.int64),
            "number": number,
            "order": rng.integers(0, 20, n),
        }
    ).with_columns(pl.Series(name, rng.random(n) < share) for name, share in _ABSENT.items())
    return frame.with_columns(address=_ADDRESS, telephone=_TELEPHONE).select(
        "profile_id",
        pl.when(~pl.col("no_email")).then("address").alias("email"),
        pl.when(~pl.col("no_phone")).then("telephone").alias("phone"),
        pl.col("first").alias("first_name"),
        pl.col("last").alias("last_name"),
        "country",
        "city",
        pl.when(~pl.col("no_birth_year")).then("birth_year").alias("birth_year"),
        (pl.lit(END) - pl.duration(seconds=pl.col("signed_up").cast(pl.Int64))).alias("signup_at"),
        "lifetime_value",
        "score",
        pl.when(~pl.col("no_answer")).then("newsletter").alias("newsletter"),
        pl.struct("tier", "points").alias("loyalty"),
        _identities().alias("identity_map"),
    )


_ABSENT = {"no_email": 0.04, "no_phone": 0.3, "no_birth_year": 0.03, "no_answer": 0.02}
_ADDRESS = pl.format("{}.{}@mail{}.example.com", pl.col("first").str.to_lowercase(), "number", pl.col("number") % 7)
_TELEPHONE = pl.format("+1555{}", pl.col("number").cast(pl.String).str.zfill(9))


def _identities() -> pl.Expr:
    """Three identities of each profile; one profile in twenty has another order, as lists from a warehouse may."""
    values = {"CRM": pl.format("C-{}", "number"), "Email": pl.col("address"), "ECID": pl.format("{}0000", "profile_id")}
    pairs = [pl.struct(namespace=pl.lit(name), id=value) for name, value in values.items()]
    return pl.when(pl.col("order") == 0).then(pl.concat_list(pairs[::-1])).otherwise(pl.concat_list(pairs))


def _moved(rng: np.random.Generator, everyone: pl.DataFrame, moved: np.ndarray) -> pl.DataFrame:
    """The profiles, of which some have changed attributes: purchases, points, consent, address."""
    n, flags = everyone.height, pl.Series("moved", _flags(moved, everyone.height))
    bought = pl.Series("bought", np.round(rng.lognormal(4, 1, n), 2))
    city = words.drawn(rng, words.CITIES, n).alias("other_city")
    kind = pl.Series("kind", rng.integers(0, 4, n))
    loyalty = pl.col("loyalty").struct
    return everyone.with_columns(flags, bought, city, kind).select(
        *("profile_id", "email", "phone", "first_name", "last_name", "country"),
        _if(2, "other_city", pl.col("city")).alias("city"),
        *("birth_year", "signup_at"),
        _if(0, (pl.col("lifetime_value") + pl.col("bought")).round(2), pl.col("lifetime_value")).alias(
            "lifetime_value"
        ),
        _if(3, 1 - pl.col("score"), pl.col("score")).alias("score"),
        _if(1, ~pl.col("newsletter"), pl.col("newsletter")).alias("newsletter"),
        pl.struct(
            _if(2, pl.lit("gold"), loyalty.field("tier")).alias("tier"),
            _if(0, loyalty.field("points") + 250, loyalty.field("points")).alias("points"),
        ).alias("loyalty"),
        "identity_map",
    )


def _if(kind: int, then: pl.Expr | str, otherwise: pl.Expr) -> pl.Expr:
    return pl.when(pl.col("moved") & (pl.col("kind") == kind)).then(then).otherwise(otherwise)


def _with_identities(everyone: pl.DataFrame, flags: np.ndarray) -> pl.DataFrame:
    """The profiles, of which some have one more identity."""
    device = pl.concat_list(pl.struct(namespace=pl.lit("ECID"), id=pl.format("{}0001", "profile_id")))
    more = pl.when(pl.Series(flags)).then(pl.col("identity_map").list.concat(device)).otherwise("identity_map")
    return everyone.with_columns(more.alias("identity_map"))


def events(population: Population, part: int, parts: int) -> pl.DataFrame:
    """Generate one span of the event log, in order of time; a few profiles are much more active than the others.

    Amounts are quarters, which binary fractions hold exactly: a sum is the same in whatever order it is added up.
    """
    rng = np.random.default_rng([2, population.profiles, part])
    size = EVENTS_EACH * population.profiles // parts
    number = (rng.random(size) ** 2 * population.slots).astype(np.int64) * _stride(population.slots) % population.slots
    kinds = words.drawn(rng, words.EVENTS, size, list(words.EVENTS.values()))
    seconds = np.sort(rng.integers(SPAN * part // parts, SPAN * (part + 1) // parts, size))
    return pl.DataFrame({"profile_id": population.ids(number), "s": seconds, "event_type": kinds}).select(
        "profile_id",
        (pl.lit(END) - pl.duration(seconds=SPAN - 1 - pl.col("s"))).alias("timestamp"),
        "event_type",
        words.drawn(rng, words.CATEGORIES, size).alias("category"),
        pl.when(pl.col("event_type") == "purchase")
        .then(pl.Series(np.round(rng.lognormal(5, 0.8, size)) / 4))
        .alias("amount"),
    )


def _stride(slots: int) -> int:
    """A step that visits every number below ``slots`` once."""
    return next(step for step in range(_PRIME % slots or 1, _PRIME % slots + slots + 2) if gcd(step, slots) == 1)


def build(folder: Path, population: Population, *, with_events: bool = True) -> None:
    """Write the data, unless ``made.json`` says that exactly this data exists."""
    stamp = folder / "made.json"
    made = json.dumps(asdict(population) | {"events": with_events})
    if stamp.exists() and stamp.read_text() == made:
        return
    shutil.rmtree(folder, ignore_errors=True)
    for each in (*(f"profiles/{day}" for day in DAYS), *(["events"] if with_events else [])):
        (folder / each).mkdir(parents=True)
    parts = list(population.parts())
    for part, number in parts:
        for day, frame in zip(DAYS, snapshots(population, part, number), strict=True):
            frame.write_parquet(folder / "profiles" / day / f"part-{part:03}.parquet")
        if with_events:
            events(population, part, len(parts)).write_parquet(folder / "events" / f"part-{part:03}.parquet")
    stamp.write_text(made)


def main() -> None:
    """Generate the data that the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.generate", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="where to write; what the same arguments made there stays")
    parser.add_argument("profiles", type=int, metavar="N", help="profiles on the first day")
    parser.add_argument("--shuffled", action="store_true", help="ids and rows in no order")
    parser.add_argument("--changes", type=int, metavar="K", help="the second day differs by about K profiles only")
    parser.add_argument("--no-events", action="store_true", help="profiles only")
    given = parser.parse_args()
    changes = Changes.of_count(given.changes, given.profiles) if given.changes else Changes()
    build(given.folder, Population(given.profiles, changes, given.shuffled), with_events=not given.no_events)


if __name__ == "__main__":
    main()
