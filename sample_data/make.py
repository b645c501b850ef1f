"""Generate the data of the sample workspaces: ``python -m muster.sample_data.make`` writes it beside this file.

Everything is drawn from fixed seeds and written with fixed options, so one version of pyarrow always gives the same
bytes, and any version the same values.
"""

import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from muster.sample_data import DAYS, changes, club, feed, people, readers, shopping

ZONED = pa.timestamp("us", tz="UTC")
IDENTITY = pa.struct({"namespace": pa.string(), "id": pa.string()})
CHOICE = pa.struct({"val": pa.string()})  # named as in the consents data type of Adobe Experience Platform
PROFILES = pa.schema(
    {
        "profile_id": pa.string(),
        "person": pa.struct({"name": pa.struct({"first": pa.string(), "last": pa.string()})}),
        "email": pa.string(),
        "phone": pa.string(),
        "address": pa.string(),
        "city": pa.string(),
        "country": pa.string(),
        "birth_date": pa.date32(),
        "signup_at": ZONED,
        "loyalty": pa.struct({"tier": pa.string(), "points": pa.int64(), "since": pa.date32()}),
        "consents": pa.struct({"marketing": pa.struct({"email": CHOICE, "sms": CHOICE})}),
        "tags": pa.list_(pa.string()),
        "lifetime_value": pa.decimal128(12, 2),
        "churn_score": pa.float64(),
        "newsletter": pa.bool_(),
        "identity_map": pa.list_(IDENTITY),
    }
)
EVENTS = pa.schema(
    {
        "profile_id": pa.string(),
        "timestamp": pa.timestamp("ms", tz="UTC"),
        "event_type": pa.string(),
        "category": pa.string(),
        "sku": pa.string(),
        "quantity": pa.int32(),
        "amount": pa.float64(),
        "store": pa.string(),
    }
)
MEMBERSHIPS = pa.schema(
    {
        "audience_id": pa.string(),
        "profile_id": pa.string(),
        "status": pa.string(),
        "last_qualification_time": ZONED,
        "valid_until": ZONED,
    }
)
CUSTOMERS = pa.schema(
    {
        "crm_id": pa.string(),
        "email": pa.string(),
        "phone": pa.string(),
        "person": pa.struct({"name": pa.struct({"first": pa.string(), "last": pa.string()})}),
        "city": pa.string(),
        "country": pa.string(),
        "newsletter": pa.bool_(),
        "updated_at": ZONED,
    }
)
CARDS = pa.schema(
    {
        "card": pa.string(),
        "email": pa.string(),
        "phone": pa.string(),
        "tier": pa.string(),
        "points": pa.int64(),
        "newsletter": pa.bool_(),
        "updated_at": ZONED,
        "is_deleted": pa.bool_(),
    }
)
VISITS = pa.schema(
    {
        "ecid": pa.string(),
        "email": pa.string(),
        "timestamp": pa.timestamp("ms", tz="UTC"),
        "event_type": pa.string(),
        "category": pa.string(),
    }
)
READERS = pa.schema(
    {
        "profile_id": pa.string(),
        "first_name": pa.string(),
        "email": pa.string(),
        "city": pa.string(),
        "plan": pa.string(),
        "interests": pa.list_(pa.string()),
        "consents": pa.struct({"contact": pa.string()}),
        "identity_map": pa.list_(IDENTITY),
    }
)
LATE_COLUMN = "quantity"  # the shop recorded it from September on


def build(target: Path) -> None:
    """Write ``data/`` of the sample workspace into the folder ``target``, replacing an earlier ``data/``."""
    data = target / "data"
    shutil.rmtree(data, ignore_errors=True)
    first = people.first_day()
    rows = feed.memberships(first)
    second = changes.second_day(first, feed.registered_on_day_one(rows))
    _write_profiles(data / "profiles", first, second)
    _write_by(data / "events", shopping.events(first), EVENTS, "timestamp", "%Y-%m")
    _write_by(data / "memberships", rows, MEMBERSHIPS, "last_qualification_time", "%Y-%m-%d")


def build_club(target: Path) -> None:
    """Write ``data/`` of the loyalty club's workspace into the folder ``target``, replacing an earlier ``data/``."""
    data = target / "data"
    shutil.rmtree(data, ignore_errors=True)
    for day in DAYS:
        _write(data / "crm" / f"{day}.parquet", club.customers(day), CUSTOMERS)
    rows = club.cards()
    begun = sum(row["updated_at"].date() < DAYS[0] for row in rows)
    _write(data / "cards" / f"{DAYS[0] - timedelta(days=1)}.parquet", rows[:begun], CARDS)
    _write(data / "cards" / f"{DAYS[0]}.parquet", rows[begun:], CARDS)
    _write_by(data / "web", club.visits(), VISITS, "timestamp", "%Y-%m")


def build_magazine(target: Path) -> None:
    """Write ``data/`` of the magazine's workspace into the folder ``target``, replacing an earlier ``data/``."""
    data = target / "data"
    shutil.rmtree(data, ignore_errors=True)
    for day in DAYS:
        _write(data / "profiles" / f"{day}.parquet", readers.readers(day), READERS)


def _write_profiles(folder: Path, first: list[people.Profile], second: list[people.Profile]) -> None:
    """Write two dated snapshots.

    The second part of the first has its columns in another order, and no scores, as if their model had failed.
    """
    half = len(first) // 2
    turned = pa.schema([field for field in reversed(PROFILES) if field.name != "churn_score"])
    _write(folder / str(DAYS[0]) / "part-0.parquet", first[:half], PROFILES)
    _write(folder / str(DAYS[0]) / "part-1.parquet", first[half:], turned)
    _write(folder / str(DAYS[1]) / "part-0.parquet", second, PROFILES)


def _write_by(folder: Path, rows: list[dict[str, Any]], schema: pa.Schema, time: str, period: str) -> None:
    """Write one file per period; the oldest event file lacks ``LATE_COLUMN``."""
    for name in sorted({row[time].strftime(period) for row in rows}):
        part = [row for row in rows if row[time].strftime(period) == name]
        late = schema.get_field_index(LATE_COLUMN) if name == "2026-08" else -1
        _write(folder / f"{name}.parquet", part, schema.remove(late) if late >= 0 else schema)


def _write(path: Path, rows: list[dict[str, Any]], schema: pa.Schema) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(rows, schema=schema)
    pq.write_table(
        table,
        path,
        compression="zstd",
        compression_level=12,
        version="2.6",
        data_page_version="1.0",
        store_schema=False,
    )


if __name__ == "__main__":
    build(Path(__file__).parent / "workspace")
    build_club(Path(__file__).parent / "loyalty")
    build_magazine(Path(__file__).parent / "magazine")
