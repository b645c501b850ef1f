"""Merged and split people of sources, as a receiver of messages is told of them (P11)."""

from pathlib import Path
from typing import Any

from support.sourced import hold, id_of, sourced
from support.tellings import Teller

DAYS = ("2026-11-20", "2026-11-21", "2026-11-22", "2026-11-23")
ACTIVATIONS = [{"id": "all", "audiences": ["all"], "schedule": "each_run"}]
PLACE: dict[str, Any] = {"kind": "http", "url": "https://x.example.com", "activations": ACTIVATIONS}
REQUEST = {
    "request": {"data": {"each": "profiles", "as": ["=mail", "=status"]}},
    "aggregation": {"configurable": {"max_profiles": 100, "key": ["status"]}},
}
KEYS: dict[str, dict[str, Any]] = {
    "identity": REQUEST | {"identities": ["Email"], "columns": [{"target": "mail", "source": "identity_map.Email"}]},
    "id": {"payload": "profile", "mapping": ["profile_id"]},
    "none": {"payload": "profile", "mapping": ["email"]},
}
NAMES = {id_of("CRMID", each): each for each in ("C1", "C2", "C3")} | {
    id_of("Card", each): each for each in ("K1", "K2", "K3")
}


def test_three_days_of_merges_and_splits(tmp_path: Path) -> None:
    """P11: the survivor of a merge is told, and who keeps the id in a split; what was last told under an id that became
    an alias exits unless a member has the key; without a key nothing exits. One person is counted.
    """
    shop = sourced(tmp_path, "crm", "cards")
    (tmp_path / "destinations/crm.yml").unlink()
    for key, content in KEYS.items():
        shop.write(f"destinations/{key}.yml", PLACE | content)
    tellers = {key: Teller(shop, f"{key}/all") for key in KEYS}
    hold(shop, "crm", DAYS[0], ("C1", "c1@x"), ("C2", "c2@x"), ("C3", "c3@x"))
    cards = ({"K1": "k1@x", "K2": "c2@x", "K3": "k3@x"}, {"K1": "c1@x"}, {"K1": "k1@x", "K3": "c3@x"})
    found = []
    for day, changed in zip(DAYS, cards, strict=False):
        before = f"2026-11-{int(day[-2:]) - 1}"
        hold(shop, "cards", day, *((card, mail, before, False) for card, mail in changed.items()))
        shop.evaluate(f"{day}T02:00Z", "--no-exports")
        runs = {key: teller.run(f"{day}T05:00Z") for key, teller in tellers.items()}
        found.append({key: sorted(_told(entry, key) for entry in run.entries) for key, run in runs.items()})
        assert {
            (run.counts.received, run.counts.realized, run.changes.merged, run.changes.split) for run in runs.values()
        } == {{DAYS[0]: (5, 5, 0, 0), DAYS[1]: (1, 1, 1, 0), DAYS[2]: (3, 3, 1, 1)}[day]}
    ann, anna = sorted(["C1", "K1"], key={name: each for each, name in NAMES.items()}.__getitem__)
    cy, cyd = sorted(["C3", "K3"], key={name: each for each, name in NAMES.items()}.__getitem__)
    assert found[1] == {
        "identity": ["+c1@x", "-k1@x"],
        "id": sorted([f"+{ann}", f"-{anna}"]),
        "none": ["+c1@x"],
    }
    assert found[2] == {
        "identity": ["+c1@x", "+c3@x", "+k1@x", "-k3@x"],
        "id": sorted(["+C1", "+K1", f"+{cy}", f"-{cyd}"]),
        "none": ["+c1@x", "+c3@x", "+k1@x"],
    }


def _told(entry: dict[str, Any], key: str) -> str:
    """An entry: an exit or not, and by what a receiver knows the person."""
    known = NAMES[entry["profile_id"]] if key == "id" else entry["text"].split('"')[{"none": 3}.get(key, 1)]
    return ("-" if entry["is_exit"] else "+") + known
