"""Warnings of values that many readers cannot take: a NUL in text, and numbers beyond 2^53 in JSON (M7)."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.shop import STATUS, Shop, person

DAY, NEXT = "2026-11-20", "2026-11-21"
LAST = 2**53
REFUSED = "a NUL character (U+0000), which PostgreSQL and others refuse"
ROUNDED = "beyond 2^53, where JavaScript and other readers of JSON round numbers"


def shop(root: Path, people: list[dict[str, Any]], mapping: list[Any], types: Any = None, **content: Any) -> Shop:
    """An evaluated workspace whose one activation sends everybody, two rows a file."""
    made = Shop(root / "shop")
    made.profiles(DAY, people, **(types or {}))
    made.audience("all", where="true")
    made.crm(**({"mapping": ["profile_id", *mapping, STATUS], "max_rows_per_file": 2} | content))
    made.evaluate(f"{DAY}T02:00Z")
    return made


def told(made: Shop, command: str) -> list[str]:
    """The warnings of a command's JSON."""
    words = {"run": ["run"], "export": ["export", "crm/all"], "preview": ["preview", "crm/all"]}[command]
    return list(made.ok(*words, "--at", f"{DAY}T05:00Z", "--json").json["warnings"])


NAMES = ["a\0b", "plain", r"back\u0000slash", "\0", "", None]


@pytest.mark.parametrize(
    ("command", "content"),
    [
        ("run", {}),
        ("export", {"compression": "gzip"}),
        ("run", {"csv": {"encoding": "utf-16", "escape": "\\"}, "compression": "zip"}),
        ("preview", {"csv": {"delimiter": "||"}}),
        ("run", {"format": "json"}),
        ("preview", {"format": "json", "compression": "zstd"}),
    ],
)
def test_a_nul_in_text_is_told(command: str, content: dict[str, Any], tmp_path: Path) -> None:
    """M7: one warning for the column, with the number of values and none of them, whatever the file is."""
    people = [person(str(number), name=name) for number, name in enumerate(NAMES)]
    made = shop(tmp_path, people, ["name", {"source": "email", "target": "mail"}], **content)
    assert told(made, command) == [f"crm/all: column 'name': 2 values have {REFUSED}"]


def test_nothing_is_told_of_other_text(tmp_path: Path) -> None:
    """M7: text that only looks like an escaped NUL is no NUL; nor are nested values in CSV, which has them escaped."""
    people = [person("a", name=r"\u0000", tags=["x\0"]), person("b", name="\x01", tags=[])]
    made = shop(tmp_path, people, ["name", "tags"])
    assert told(made, "run") == []
    made = shop(tmp_path / "json", people, ["name"], format="json")
    assert told(made, "run") == []
    made = shop(tmp_path / "nested", people, ["tags"], format="json")
    assert told(made, "run") == [f"crm/all: column 'tags': 1 value has {REFUSED}"]


BIG: dict[str, tuple[list[Any], Any]] = {
    "whole numbers": ([LAST, LAST + 1, -LAST - 1, None], pl.Int64),
    "unsigned": ([LAST, 2**64 - 1, LAST + 1, 0], pl.UInt64),
    "decimals": ([Decimal(LAST), Decimal(LAST + 1), Decimal(-LAST - 1), None], pl.Decimal(20, 0)),
    "lists": ([[1, LAST + 1], [LAST + 2], [LAST], []], pl.List(pl.Int64)),
    "structs": (
        [{"a": "x", "b": [LAST + 1]}, {"a": None, "b": [-LAST - 1]}, {"a": "y", "b": None}, None],
        pl.Struct({"a": pl.String, "b": pl.List(pl.Int64)}),
    ),
}


@pytest.mark.parametrize("case", BIG)
def test_numbers_beyond_2_53_in_json_are_told(case: str, tmp_path: Path) -> None:
    """M7: the last number that JavaScript holds is fine, the next is counted, also inside nested values."""
    values, dtype = BIG[case]
    people = [person(str(number), points=value) for number, value in enumerate(values)]
    mapping = [{"source": "points", "target": "score"}]
    made = shop(tmp_path, people, mapping, {"points": dtype}, format="json")
    [warning] = told(made, "preview" if case == "lists" else "run")
    assert warning.startswith(f"crm/all: column 'score': 2 values are {ROUNDED}; an `expression` with CAST(")
    assert str(LAST + 1) not in warning


def test_other_formats_and_text_hold_any_number(tmp_path: Path) -> None:
    """M7: CSV and Parquet keep every digit, and so does the expression that the warning advises."""
    people = [person("a", points=LAST + 1, name="\0")]
    for number, (content, source) in enumerate(
        [
            ({"format": "csv"}, {"source": "points"}),
            ({"format": "parquet"}, {"source": "points"}),
            ({"format": "parquet"}, {"source": "name"}),
            ({"format": "json"}, {"expression": "CAST(points AS VARCHAR)"}),
            ({"format": "json"}, {"expression": "CAST(points AS DOUBLE)"}),
        ]
    ):
        made = shop(tmp_path / str(number), people, [source | {"target": "t"}], **content)
        assert told(made, "run") == []
