"""A person whom sources have is forgotten: identities count as blocked, builds are cleaned, nobody comes back (G8)."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.erased import holding
from support.shop import STATUS, Shop
from support.sourced import hold, id_of, sourced

DAILY = {"export": "incremental", "schedule": {"at": "05:00"}}
EMAIL = {"source": "email", "target": "email", "mandatory": True}
ANN = {"CRMID": "ann-crm", "Email": "ann@mail.example", "Card": "ann-card", "Cookie": "ann-cookie"}
HER_ID, HER_ALIAS = sorted([id_of("CRMID", ANN["CRMID"]), id_of("Card", ANN["Card"])])  # the smaller one survives
HERS = (*ANN.values(), HER_ID, HER_ALIAS, id_of("Cookie", ANN["Cookie"]))
BERT = ("bert-crm", "bert@mail.example")


@pytest.fixture(scope="module")
def merged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two nights: Ann's card comes to her on the second, by her e-mail address, so that one id became an alias."""
    shop = furnish(tmp_path_factory.mktemp("merged") / "shop")
    hold(shop, "crm", "2026-11-20", (ANN["CRMID"], "Ann@Mail.example"), BERT)
    hold(shop, "cards", "2026-11-20", (ANN["Card"], None, "2026-11-19T10:00", False))
    hold(shop, "web", "2026-11-20", (ANN["Cookie"], ANN["Email"], "2026-11-19T11:00"))
    feed(shop, "2026-11-20", ("realized", "Email", ANN["Email"]), ("realized", "CRMID", BERT[0]))
    night(shop, "2026-11-20")
    hold(shop, "crm", "2026-11-21", (ANN["CRMID"], "Ann@Mail.example"), BERT)
    hold(shop, "cards", "2026-11-21", (ANN["Card"], ANN["Email"], "2026-11-20T10:00", False))
    night(shop, "2026-11-21")
    return shop.root


@pytest.fixture
def shop(tmp_path: Path, merged: Path) -> Shop:
    """A copy of it."""
    shutil.copytree(merged, tmp_path / "shop")
    return furnish(tmp_path / "shop")


def furnish(root: Path) -> Shop:
    """Two merge policies; a receiver that is told of exits, one that is not, one of everybody, one of whoever asks."""
    policies = {"default": {}, "plain": {"graph": "none"}}
    shop = sourced(root, "crm", "cards", "web", merge_policies=policies, memberships={"path": "data/memberships"})
    shop.set(evaluation={"schedule": {"at": "02:00"}})
    shop.audience("each", where="true", merge_policy="plain")
    shop.audience("listed", source="memberships")
    shop.destination("crm", mapping=["profile_id", STATUS], activations=[{"audience": "all", **DAILY}])
    shop.destination("mute", mapping=["profile_id"], activations=[{"audience": "listed", **DAILY}])
    shop.destination(
        "lake", mapping=["profile_id", EMAIL], activations=[{"audience": "each", **DAILY, "export": "full"}]
    )
    shop.destination("ask", mapping=["profile_id", EMAIL], activations=[{"audience": "all", "schedule": "on_demand"}])
    return shop


def feed(shop: Shop, day: str, *rows: tuple[str, str, str]) -> None:
    """Rows of the feed that name people by identities (P12): status, namespace, id."""
    named = [
        {"audience_id": "listed", "namespace": namespace, "id": each, "status": status}
        | {"profile_id": None, "last_qualification_time": f"{day}T01:00:00"}
        for status, namespace, each in rows
    ]
    import polars as pl

    frame = pl.DataFrame(named, schema_overrides={"profile_id": pl.String})
    frame = frame.with_columns(pl.col("last_qualification_time").str.to_datetime(time_zone="UTC"))
    shop.parquet(f"data/memberships/{day}.parquet", frame)


def night(shop: Shop, day: str) -> None:
    """`muster run` at 05:00, which evaluates and exports."""
    shop.run(f"{day}T05:00Z")


def forget(shop: Shop, *who: str, at: str = "2026-11-21T06:00Z") -> dict[str, Any]:
    """`muster profiles forget --json`, and `state check` after it."""
    found: dict[str, Any] = shop.ok("profiles", "forget", *who, "--at", at, "--json").json
    assert shop.ok("state", "check").out == ""
    return found


def sent(shop: Shop, key: str) -> list[str]:
    """The rows of the last file of an activation: ids, and whether they exited."""
    rows = [row for file in shop.runs(key)[-1]["files"] for row in shop.rows(file["path"].removeprefix("out/"))]
    return [f"{row['profile_id']} exited" if row.get("status") == "exited" else row["profile_id"] for row in rows]


WAYS = ["Email:ANN@mail.example", HER_ID, HER_ALIAS]


@pytest.mark.parametrize("who", WAYS)
def test_the_state_has_nothing_of_her_once_the_exits_were_sent(shop: Shop, who: str) -> None:
    """G8: whichever way she is named, views, graphs, ids and aliases of every policy are cleaned at once; the delivered
    set has the id until the exit went out, and after it nothing has.
    """
    assert len(holding(shop, *HERS)) > 10
    told = forget(shop, who)
    print(told)
    assert [name.partition("/")[0] for name in holding(shop, *HERS)] == ["baselines"]
    assert holding(shop, *ANN.values()) == []
    night(shop, "2026-11-22")
    assert sent(shop, "crm/all") == [f"{HER_ID} exited"]
    assert sent(shop, "lake/each") == [id_of("CRMID", BERT[0])]
    assert holding(shop, *HERS) == []
    assert shop.ok("state", "check").out == ""
