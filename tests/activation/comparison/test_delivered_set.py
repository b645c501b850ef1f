"""X8, X12: the file of a delivered set, which later versions must go on reading."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.shop import STATUS, TIMES, Shop, identities, person

ALWAYS = {"profile_id": pl.String, "last_qualification_time": TIMES, "identity_digest": pl.UInt64}
ROW = {"profile_number": pl.UInt32}
UPPER = {"source": "email", "target": "mail", "transform": ["upper"], "mandatory": True}
MAPPINGS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"mapping": ["profile_id", {"source": "age", "mandatory": True}]}, {"value:age": pl.Int64}),
    ({"mapping": ["profile_id", UPPER]}, {"value:mail": pl.String}),
    ({"mapping": ["profile_id"], "deduplicate": ["email"]}, {"key:email": pl.String}),
    (
        {"mapping": ["profile_id", UPPER], "deduplicate": ["email", "age"]},
        {"value:mail": pl.String, "key:age": pl.Int64},
    ),
    (
        {"mapping": [{"source": "profile_id", "transform": ["upper"]}, "identity_map.Email"]},
        {"value:profile_id": pl.String, "values:identity_map_Email": pl.List(pl.String)},
    ),
    (
        {"mapping": ["profile_id", UPPER, "age"], "changes": ["membership", "attributes"]},
        {"value:profile_id": pl.String, "value:mail": pl.String, "attribute:age": pl.Int64},
    ),
]


def people(ids: Sequence[str]) -> list[dict[str, Any]]:
    return [person(each, age=7, identity_map=identities(Email=[f"{each}@x.com"])) for each in ids]


@pytest.mark.parametrize(("content", "columns"), MAPPINGS)
def test_the_columns_of_a_delivered_set(tmp_path: Path, content: dict[str, Any], columns: dict[str, Any]) -> None:
    """The file has one column for each kind of value last sent, named by what was sent, and in its type."""
    shop = Shop(tmp_path)
    shop.audience("all", where="true")
    shop.crm(**(content | {"mapping": [*content["mapping"], STATUS]}))
    shop.day("2026-11-20", people("ab"))
    [file] = (tmp_path / ".muster/baselines/crm/all").glob("*.parquet")
    assert dict(pl.read_parquet_schema(file)) == ALWAYS | columns | ROW
    assert list(pl.read_parquet_schema(file)) == [*ALWAYS, *columns, *ROW]


def test_a_delivered_set_of_everybody_is_the_evaluations_file(tmp_path: Path) -> None:
    """X8: where no value is kept and everybody realized was sent, no file is written beside the memberships."""
    shop = Shop(tmp_path)
    shop.audience("all", where="true")
    shop.crm(mapping=["profile_id", STATUS])
    shop.day("2026-11-20", people("ab"))
    assert not list((tmp_path / ".muster/baselines").rglob("*.parquet"))
    assert shop.day("2026-11-21", people("bc")) == ["a,exited", "c,realized"]


def test_a_feed_names_somebody_new_after_the_delivered_set_was_read(tmp_path: Path) -> None:
    """X6, X9, X12: a baseline that is an evaluation's file goes on under a feed's audience and a column that keeps
    values, though the feed, brought up to date, names a profile without a number.
    """
    shop = Shop(tmp_path)
    shop.audience("vips", where="vip")
    shop.audience("visitors", source="memberships")
    shop.feed([("visitors", "a", "realized", "2026-11-19T12:00Z")])
    daily = {"id": "x", "export": "incremental", "schedule": {"at": "05:00"}}
    shop.destination("crm", mapping=["profile_id"], activations=[{"audience": "vips"} | daily])
    shop.day("2026-11-20", people("ab"), key="crm/x")
    assert not list((tmp_path / ".muster/baselines").rglob("*.parquet"))
    mapping = ["profile_id", {"source": "email", "mandatory": True}, STATUS]
    shop.destination("crm", mapping=mapping, activations=[{"audience": "visitors"} | daily])
    shop.feed([("visitors", "new", "realized", "2026-11-20T12:00Z")], "later")
    shop.run("2026-11-21T05:00Z")
    assert shop.sent("crm/x") == ["a,a@x.com,realized", "b,,exited"]


def test_somebody_delivered_whom_no_evaluation_numbered(tmp_path: Path) -> None:
    """E5, X6: whom a feed brought between two evaluations, and who is gone at the second, keeps nobody's exit apart
    from their own, and exits.
    """
    shop = Shop(tmp_path, evaluation={"keep_exited": "1d"})
    shop.audience("visitors", source="memberships")
    shop.crm(audience="visitors", mapping=["profile_id", STATUS])
    ended = [("visitors", "b", "realized", "2026-11-18T11:00Z"), ("visitors", "b", "exited", "2026-11-18T12:00Z")]
    shop.feed([*ended, ("visitors", "a", "realized", "2026-11-18T12:00Z")])
    shop.profiles("2026-11-20", people("ab"))
    shop.evaluate("2026-11-20T02:00Z")
    shop.feed([("visitors", "ghost", "realized", "2026-11-20T03:00Z")], "later")
    shop.profiles("2026-11-20T04", people(["a", "ghost"]))
    shop.run("2026-11-20T05:00Z")
    assert shop.sent("crm/visitors") == ["a,realized", "ghost,realized"]
    (tmp_path / "data/memberships/later.parquet").unlink()
    assert shop.day("2026-11-21", people("ac"), key="crm/visitors") == ["ghost,exited"]
    assert shop.memberships("visitors") == {"a": "realized 2026-11-18T12:00:00Z"}
