"""Stories of commands on profiles from sources: several merge policies, events and feeds, ages, failing sources (P)."""

from pathlib import Path

import pytest
from support.shop import Shop
from support.sourced import hold, id_of, sourced

FRIDAY, SATURDAY = "2026-11-20", "2026-11-21"
POLICIES = {"default": {}, "crm-only": {"sources": ["crm", "web"]}}
ANN, BOB = id_of("CRMID", "C1"), id_of("CRMID", "C2")
CARD = id_of("Card", "K2")


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A CRM, cards and web visits; everybody by two policies, and who visited; each exported as a full file."""
    shop = sourced(tmp_path, "crm", "cards", "web", merge_policies=POLICIES)
    shop.audience("clients", where="true", merge_policy="crm-only")
    shop.audience("visitors", events={"visits": {"measure": "count"}}, where="visits >= 2")
    shop.destination(
        "files",
        mapping=["profile_id", "email", "identity_map.Card" if False else {"source": "email", "target": "mail"}],
        activations=[
            {"audience": name, "export": "full", "schedule": {"at": "05:00"}} for name in ("clients", "visitors")
        ],
    )
    hold(shop, "crm", FRIDAY, ("C1", "ann@x.com"), ("C2", "bob@x.com"))
    hold(shop, "cards", FRIDAY, ("K1", "ann@x.com", "2026-11-19", False), ("K2", "eve@x.com", "2026-11-18", False))
    hold(
        shop,
        "web",
        FRIDAY,
        ("k9", "ann@x.com", "2026-11-17"),
        ("k9", None, "2026-11-18"),
        ("k8", None, "2026-11-18"),
        ("k8", "bob@x.com", "2026-12-18"),
    )
    return shop


def members(shop: Shop, audience: str) -> set[str]:
    """The members of an audience."""
    return {name for name, status in shop.memberships(audience).items() if status.startswith("realized")}


def test_a_night_of_two_policies(shop: Shop) -> None:
    """P8, P9, P10: each audience is of the profiles of its own policy; one evaluation decides all, and views are kept."""
    shop.evaluate(f"{FRIDAY}T02:00Z")
    assert members(shop, "all") == {ANN, BOB, CARD}
    assert members(shop, "clients") == {ANN, BOB}
    assert members(shop, "visitors") == {ANN}  # by the cookie of an earlier address; k8 is nobody until later
    shop.run(f"{FRIDAY}T05:00Z")
    assert {row["profile_id"] for row in shop.rows("out/crm")} == {ANN, BOB, CARD}
    views = shop.root / ".muster/profiles"
    assert sorted(each.name for each in views.iterdir()) == ["crm-only", "default"]
    assert [len(list(each.iterdir())) for each in views.iterdir()] == [1, 1]
