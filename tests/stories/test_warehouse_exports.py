"""docs/inputs.md: snapshots as Spark, Snowflake and BigQuery export them, with the page's names (D2, D5, D6)."""

import re
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from support.doc_pages import ROOT, blocks
from support.shop import Shop

PAGE = ROOT / "docs/inputs.md"
SEEN = datetime.fromisoformat("2026-11-19T07:30:00.120")  # what warehouses keep of 08:30 in Berlin


def shown(warehouse: str) -> list[str]:
    """The paths of the files that the page shows below the heading of a warehouse."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    start = lines.index(f"### {warehouse}") + 1
    return next(block.lines for block in blocks(PAGE, "text") if block.line > start)


def exported(tmp_path: Path, files: dict[str, pa.Table | None], mapping: Sequence[Any], **profiles: Any) -> list[str]:
    """Write a warehouse's files, with the options of its writer beside its table, and deliver everybody."""
    shop = Shop(tmp_path, profiles={"path": "data/profiles"} | profiles)
    for name, table in files.items():
        path = shop.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if table is None:
            path.touch()
        else:
            is_old = pa.types.is_timestamp(table.schema.types[-1]) and table.schema.types[-1].unit == "ns"
            pq.write_table(
                table, path, use_deprecated_int96_timestamps=is_old, store_schema=False, compression="snappy"
            )
    shop.audience("all", where=True)
    shop.crm(export="full", mapping=list(mapping))
    shop.evaluate("2026-11-20T02:00Z")
    assert shop.ok("validate", "--at", "2026-11-20T05:00Z").err == ""
    shop.run("2026-11-20T05:00Z")
    return shop.sent("crm/all")


def test_spark(tmp_path: Path) -> None:
    """D2, D6: Spark's INT96 are instants in UTC, its partition folders a text column, its marks not looked at."""
    mark, german, american, unknown = shown("Spark")

    def people(*ids: int) -> pa.Table:
        return pa.table(
            {
                "profile_id": pa.array(ids, pa.int64()),
                "balance": pa.array([Decimal("1.50")] * len(ids), pa.decimal128(12, 2)),
                "last_seen": pa.array([SEEN] * len(ids), pa.timestamp("ns")),
            }
        )

    files = {mark: None, german: people(1, 2), american: people(3), unknown: people(4)}
    assert exported(tmp_path, files, ["profile_id", "country", "balance", "last_seen"]) == [
        "1,DE,1.50,2026-11-19T07:30:00.120Z",
        "2,DE,1.50,2026-11-19T07:30:00.120Z",
        "3,US,1.50,2026-11-19T07:30:00.120Z",
        "4,,1.50,2026-11-19T07:30:00.120Z",
    ]


def snowflake(ids: Sequence[int], width: int, balance: str, scale: int) -> pa.Table:
    """A part of Snowflake's: the smallest decimals that hold its own values, names in capitals."""
    return pa.table(
        {
            "PROFILE_ID": pa.array([Decimal(each) for each in ids], pa.decimal128(width, 0)),
            "BALANCE": pa.array([Decimal(balance)] * len(ids), pa.decimal128(width, scale)),
            "PREFERENCES": pa.array(['{"news":true}'] * len(ids), pa.string()),
            "LAST_SEEN": pa.array([SEEN] * len(ids), pa.timestamp("ms")),
        }
    )


CAPITALS = ["PROFILE_ID", {"source": "BALANCE", "target": "balance"}, "PREFERENCES", "LAST_SEEN"]


def test_snowflake(tmp_path: Path) -> None:
    """D5, D6: Snowflake's decimals without a fraction are ids; parts with decimals of other widths are one column."""
    one, two = shown("Snowflake")
    files = {one: snowflake([7], 3, "1.5", 1), two: snowflake([2**62], 38, "0.25", 2)}
    assert exported(tmp_path, files, CAPITALS, id="PROFILE_ID") == [
        '7,1.50,{"news":true},2026-11-19T07:30:00.120Z',
        '4611686018427387904,0.25,{"news":true},2026-11-19T07:30:00.120Z',
    ]


@pytest.mark.parametrize("name", ["data", "data.parquet"])
def test_snowflakes_single_file_and_its_folder_of_nulls(tmp_path: Path, name: str) -> None:
    """D2: `SINGLE = TRUE` writes a file without an ending, which is read; `__NULL__` is not looked at."""
    folder = "data/profiles/2026-11-20"
    files = {
        f"{folder}/{name}": snowflake([7], 3, "1.5", 1),
        f"{folder}/__NULL__/data_0_0_0.snappy.parquet": snowflake([8], 3, "1.5", 1),
    }
    assert [line.partition(",")[0] for line in exported(tmp_path, files, CAPITALS, id="PROFILE_ID")] == ["7"]


@pytest.mark.parametrize("ending", [".parquet", ""])
def test_bigquery(tmp_path: Path, ending: str) -> None:
    """D2, D6: BigQuery's numbered files are read with and without an ending; NUMERIC is exact, and an id by value."""
    first, second = (name.replace(".parquet", ending) for name in shown("BigQuery"))

    def people(*ids: str) -> pa.Table:
        return pa.table(
            {
                "profile_id": pa.array([Decimal(each) for each in ids], pa.decimal128(38, 9)),
                "balance": pa.array([Decimal("1.5")] * len(ids), pa.decimal128(38, 9)),
                "last_seen": pa.array([SEEN] * len(ids), pa.timestamp("us")),
            }
        )

    files = {first: people("7", "10"), second: people("8")}
    [expression] = re.findall(r"\{expression: .* target: balance\}", PAGE.read_text(encoding="utf-8"))
    two_digits = yaml.safe_load(expression) | {"target": "short"}
    assert exported(tmp_path, files, ["profile_id", "balance", two_digits, "last_seen"]) == [
        f"{each},1.500000000,1.50,2026-11-19T07:30:00.120Z" for each in (7, 8, 10)
    ]
