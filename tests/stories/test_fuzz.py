"""Spoiled input of every kind through the real command: refused or taken, never a traceback, a hang or a changed state
(SPEC 10).

The suite tries a share; `make soak` (MUSTER_SOAK=50) tries 2,000 workspaces and 1,000 Parquet files.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.fuzz import fuzz, parquet_mutant, yaml_mutant
from support.random_histories import MORE
from support.refusals import AT, used_shop
from support.shop import SINCE, STATUS, Shop, identities, quick_folder

YAMLS, PARQUETS = 20 * min(MORE, 50), 10 * min(MORE, 50)  # of each of SHARES
SHARES = 2
VALIDATE, RUN, PLAN = (("validate", "--at", AT), ("run", "--at", AT), ("plan", "--at", AT))


@pytest.fixture
def shop() -> Iterator[Shop]:
    """A workspace that uses every key and every kind of input, has a state, and has everything due again."""
    with quick_folder() as place:
        made = used_shop(place / "shop")
        _furnish(made)
        yield made


def _furnish(shop: Shop) -> None:
    people = [
        {
            "profile_id": name,
            "email": f"{name}@x.com",
            "country": "US",
            "year": 1980 + number,
            "person": {"name": {"first": name}, "tags": [name, "x"]},
            "identity_map": identities(Email=[f"{name}@x.com"], Phone=[str(number)]),
        }
        for number, name in enumerate("abcdefgh")
    ]
    shop.profiles("2026-11-21", people)
    events = [
        {"profile_id": name, "timestamp": f"2026-11-20T0{number}:00:00", "type": "view", "amount": 1.5}
        for number, name in enumerate("abcd")
    ]
    shop.events([{**event, "timestamp": _time(event["timestamp"])} for event in events])
    _as_others_write(shop)
    shop.feed([("visitors", name, "realized", "2026-11-20T01:00Z") for name in "abc"])
    shop.audience(
        "buyers",
        where="views >= 1 AND audience.us",
        events={"views": {"measure": "count", "where": "type = 'view'", "within": "30d"}},
    )
    shop.audience("visitors", source="memberships")
    shop.set(timezone="Europe/Berlin", file_mode="0600", memory_limit="2GiB", state=".muster")
    shop.destination(
        "full",
        format="json",
        compression="gzip",
        file_name="{destination}/{activation}_{datetime}",
        max_rows_per_file=3,
        manifest=True,
        skip_empty=False,
        guards={"max_shrink": "30%", "max_exited": 100},
        mapping=[
            "profile_id",
            {"source": "email", "target": "mail", "mandatory": True},
            "person.name.first",
            "identity_map.Phone",
            STATUS,
            SINCE,
        ],
        activations=[
            {
                "audience": "buyers",
                "export": "incremental",
                "schedule": {"at": ["05:00", "17:00"], "timezone": "America/New_York"},
            },
            {
                "audience": "visitors",
                "export": "full",
                "schedule": {"every": "3h", "start": "2026-11-01", "end": "2026-12-01"},
            },
            {"audience": "us", "id": "cron", "export": "full", "schedule": {"cron": "0 5 * * 1-6"}, "deduplicate": []},
        ],
    )
    shop.destination(
        "plain",
        csv={
            "delimiter": ";",
            "quote": "'",
            "quote_style": "always",
            "header": True,
            "null_value": "NULL",
            "line_terminator": "\r\n",
        },
        mapping=["profile_id", "email", "year"],
        deduplicate=["email"],
        activations=[{"audience": "all", "export": "full", "schedule": "after_evaluation"}],
    )


def _as_others_write(shop: Shop) -> None:
    """Parts with INT96 timestamps, an offset that Polars does not know, UUIDs, a repeated name, an interval (D6)."""
    moment = datetime(2026, 11, 19, tzinfo=UTC)
    odd = pa.table(
        {
            "profile_id": ["i", "j"],
            "seen": pa.array([moment] * 2, pa.timestamp("us", "+05:30")),
            "device": pa.array([bytes(range(16)), None], pa.uuid()),
            "visits": pa.array([[{"at": moment}], []], pa.list_(pa.struct({"at": pa.timestamp("us", "Z")}))),
        }
    )
    folder = shop.root / "data/profiles/2026-11-21"
    pq.write_table(odd, folder / "part-1.parquet")
    twice = pa.Table.from_arrays([pa.array(["k"]), pa.array([1]), pa.array([2])], names=["profile_id", "x", "x"])
    pq.write_table(twice, folder / "part-2.parquet")
    events = {"profile_id": ["i"], "timestamp": pa.array([moment.replace(tzinfo=None)], pa.timestamp("us"))}
    spark = {"use_deprecated_int96_timestamps": True, "store_schema": False}
    pq.write_table(pa.table(events | {"type": ["view"]}), shop.root / "data/events/spark.parquet", **spark)


def _time(text: str) -> object:
    return datetime.fromisoformat(text)


def _numbers(share: int, count: int) -> range:
    return range(share * 1_000_000, share * 1_000_000 + count)


@pytest.mark.parametrize("share", range(SHARES))
def test_spoiled_yaml(shop: Shop, share: int) -> None:
    """SPEC 10: bytes, lines, keys and values of YAML files changed at random."""
    commands = [VALIDATE, RUN, VALIDATE, PLAN]
    assert fuzz(shop.root, shop.root.parent / "mutants", yaml_mutant, commands, _numbers(share, YAMLS)) == []


@pytest.mark.parametrize("share", range(SHARES))
def test_spoiled_parquet(shop: Shop, share: int) -> None:
    """SPEC 10: Parquet inputs with bits flipped, cut, shifted, or with another footer."""
    commands = [VALIDATE, RUN, ("evaluate", "--at", AT), PLAN]
    assert fuzz(shop.root, shop.root.parent / "mutants", parquet_mutant, commands, _numbers(share, PARQUETS)) == []


def test_the_workspace_itself_is_in_order(shop: Shop) -> None:
    """What is spoiled works unspoiled, all of it: else the mutants would try nothing."""
    shop.ok(*VALIDATE)
    shop.ok(*RUN)
