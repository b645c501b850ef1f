"""Make a workspace with N profiles for measuring: ``python -m benchmarks.generate FOLDER N`` (seeded, one part a million rows).

14 columns and 3 identities a profile, 8 events a profile over 90 days if ``--events`` is given, 10 audiences with a full CSV export each.
"""

import argparse
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import yaml

DAY = datetime(2026, 11, 20, tzinfo=UTC)
PART = 1_000_000
COUNTRIES = ["US", "CA", "GB", "DE", "FR", "ES", "IT", "NL", "SE", "PL"]
RULES = {
    "north-america": "country IN ('US', 'CA')",
    "germany-gold": "country = 'DE' AND loyalty.tier = 'gold'",
    "newsletter": "newsletter",
    "high-value": "lifetime_value > 900",
    "young": "birth_year >= 2000",
    "points": "loyalty.points BETWEEN 1000 AND 5000",
    "recent": "signup_at > now() - INTERVAL '90 days'",
    "no-phone": "phone IS NULL",
    "gmail": "email LIKE '%@mail3.example.com'",
    "everyone": "true",
}
MAPPING = [
    "profile_id",
    {"source": "email", "target": "email_address"},
    "first_name",
    "country",
    "signup_at",
    "lifetime_value",
    {"source": "segment_membership.status", "target": "status"},
    {"source": "segment_membership.last_qualification_time", "target": "qualified_at"},
]


def profiles(first: int, n: int) -> pl.DataFrame:
    """One part of the snapshot: rows ``first`` to ``first + n``."""
    rng = np.random.default_rng(first)
    number = pl.Series("n", np.arange(first, first + n))
    frame = pl.DataFrame(
        {
            "n": number,
            "country": rng.choice(COUNTRIES, n),
            "birth_year": rng.integers(1940, 2010, n).astype(np.int16),
            "lifetime_value": np.round(rng.random(n) * 1000, 2),
            "score": rng.random(n),
            "newsletter": rng.random(n) < 0.4,
            "tier": rng.choice(["none", "silver", "gold"], n),
            "points": rng.integers(0, 10_000, n),
            "age_of_account": rng.integers(0, 2000, n),
            "has_phone": rng.random(n) < 0.7,
        }
    )
    text = pl.col("n").cast(pl.String).str.zfill(9)
    email = pl.format("user{}@mail{}.example.com", text, pl.col("n") % 7)
    phone = pl.format("+1555{}", text)
    identity = [("CRM", text), ("Email", email), ("Phone", phone)]
    pairs = pl.concat_list([pl.struct(namespace=pl.lit(name), id=value) for name, value in identity])
    return frame.select(
        text.alias("profile_id"),
        email.alias("email"),
        pl.when("has_phone").then(phone).alias("phone"),
        pl.format("First{}", pl.col("n") % 5003).alias("first_name"),
        pl.format("Last{}", pl.col("n") % 20011).alias("last_name"),
        "country",
        pl.format("City {}", pl.col("n") % 997).alias("city"),
        "birth_year",
        (pl.lit(DAY) - pl.duration(days="age_of_account", seconds=pl.col("n") % 86400)).alias("signup_at"),
        "lifetime_value",
        "score",
        "newsletter",
        pl.struct("tier", "points").alias("loyalty"),
        pairs.alias("identity_map"),
    )


def events(first: int, n: int) -> pl.DataFrame:
    """Events of one part's profiles, eight each on average."""
    rng = np.random.default_rng(first + 1)
    size = 8 * n
    kinds = rng.choice(["view", "add_to_cart", "purchase"], size, p=[0.8, 0.12, 0.08])
    return pl.DataFrame({"n": rng.integers(first, first + n, size), "s": rng.integers(0, 90 * 86400, size), "event_type": kinds}).select(
        pl.col("n").cast(pl.String).str.zfill(9).alias("profile_id"),
        (pl.lit(DAY) - pl.duration(seconds="s")).alias("timestamp"),
        "event_type",
        pl.Series("category", rng.choice(["books", "scifi", "home", "garden"], size)),
        pl.Series("amount", np.round(rng.random(size) * 100, 2)),
    )


def build(folder: Path, n: int, *, with_events: bool) -> None:
    """Write the workspace."""
    data = folder / "data"
    (data / "profiles" / "2026-11-20").mkdir(parents=True)
    (folder / "audiences").mkdir()
    (folder / "destinations").mkdir()
    settings = {"workspace": "bench", "profiles": {"path": "data/profiles"}}
    for part, first in enumerate(range(0, n, PART)):
        rows = min(PART, n - first)
        profiles(first, rows).write_parquet(data / "profiles" / "2026-11-20" / f"part-{part:03}.parquet")
        if with_events:
            (data / "events").mkdir(exist_ok=True)
            events(first, rows).write_parquet(data / "events" / f"part-{part:03}.parquet")
            settings["events"] = {"path": "data/events"}
    (folder / "muster.yml").write_text(yaml.safe_dump(settings))
    for name, where in RULES.items():
        (folder / "audiences" / f"{name}.yml").write_text(yaml.safe_dump({"name": name, "where": where}))
    activations = [{"audience": name, "export": "full", "schedule": "after_evaluation"} for name in RULES]
    destination = {"url": "exports", "format": "csv", "mapping": MAPPING, "activations": activations}
    (folder / "destinations" / "files.yml").write_text(yaml.safe_dump(destination))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("n", type=int)
    parser.add_argument("--events", action="store_true")
    arguments = parser.parse_args()
    build(arguments.folder, arguments.n, with_events=arguments.events)
