"""P11 through the command: people of sources who merge and part, and what their receivers are told."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
from support.shop import SINCE, STATUS, Shop
from support.sourced import hold, id_of, sourced

FRIDAY, SATURDAY, SUNDAY, MONDAY = "2026-11-20", "2026-11-21", "2026-11-22", "2026-11-23"
MAIL = {"source": "identity_map.Email", "target": "mail"}
KEYS: Mapping[str, Mapping[str, Any]] = {
    "identity": {"mapping": [MAIL]},
    "deduplicated": {"mapping": ["profile_id", "email"], "deduplicate": ["email"]},
    "id": {"mapping": ["profile_id"]},
    "none": {"mapping": ["email"]},
}
NAMES = {id_of("CRMID", each): each for each in ("C1", "C2", "C3")} | {
    id_of("Card", each): each for each in ("K1", "K2", "K3")
}


def club(root: Path, *keys: str, **content: Any) -> Shop:
    """A CRM and a club's cards, and a destination for each key: incremental, and `full` with ids alone."""
    shop = sourced(root, "crm", "cards", **({"guards": content.pop("guards")} if "guards" in content else {}))
    (root / "destinations/crm.yml").unlink()
    for key in keys or (*KEYS, "full"):
        about = KEYS.get(key, KEYS["id"])
        export = "full" if key == "full" else "incremental"
        activations = [{"audience": "all", "export": export, "schedule": {"at": "05:00"}}]
        mapping = [*about["mapping"], STATUS, *([SINCE] if key == "id" else [])]
        shop.destination(key, **(about | {"mapping": mapping, "activations": activations} | content))
    return shop


def cards(shop: Shop, day: str, **mails: str | None) -> None:
    """Changes of cards on the day before: each card's new address."""
    changed = f"2026-11-{int(day[-2:]) - 1}"
    hold(shop, "cards", day, *((card, mail, changed, False) for card, mail in mails.items()))


def sent(shop: Shop, day: str) -> dict[str, list[str]]:
    """What an evaluation and a run sent: ids as the CRM id or card that they were made of, `+` realized, `-` exited."""
    shop.evaluate(f"{day}T02:00Z")
    shop.run(f"{day}T05:00Z")
    found = {}
    for key, run in newest(shop).items():
        rows = [row for file in run["files"] for row in shop.rows(file["path"].removeprefix("out/"))]
        found[key] = sorted(_told(row) for row in rows)
    return found


def _told(row: Mapping[str, str]) -> str:
    status = {"realized": "+", "exited": "-"}[row["status"]]
    named = [NAMES.get(value, value) for name, value in row.items() if name not in {"status", "since"}]
    since = [row["since"][8:13]] if "since" in row else []
    return status + " ".join([*named, *since])


def newest(shop: Shop) -> dict[str, dict[str, Any]]:
    return {run["destination"]: run for run in shop.runs()}


def counts(shop: Shop, *names: str) -> set[tuple[int, ...]]:
    """These counts of the newest runs, those of the full export aside."""
    return {tuple(run[name] for name in names) for key, run in newest(shop).items() if key != "full"}


def receivers_hold_the_members(shop: Shop, day: str) -> bool:
    """Whether a receiver of all files so far holds exactly the delivered set, where rows have a key."""
    found = [
        shop.ok("reconcile", f"{key}/all", "--at", f"{day}T06:00Z", "--json").json
        for key in newest(shop)
        if key != "none"
    ]
    return all(each["missing"] == each["extra"] == each["to_come"] == each["to_go"] == 0 for each in found)


def older(*names: str) -> tuple[str, str]:
    """Two ids of one age in the order of their text: the first one survives a merge (P7)."""
    ids = {name: profile_id for profile_id, name in NAMES.items()}
    first, second = sorted(names, key=ids.__getitem__)
    return first, second


def test_three_days_of_merges_and_splits(tmp_path: Path) -> None:
    """Two delivered people become one, part next day while two others merge, and merge again while the others part: the
    survivor, and who keeps an id, are sent; a key that nobody has exits; who is new joins; one person is counted.
    """
    shop = club(tmp_path)
    hold(shop, "crm", FRIDAY, ("C1", "c1@x"), ("C2", "c2@x"), ("C3", "c3@x"))
    cards(shop, FRIDAY, K1="k1@x", K2="c2@x", K3="k3@x")
    assert sent(shop, FRIDAY)["id"] == ["+C1 20T02", "+C2 20T02", "+C3 20T02", "+K1 20T02", "+K3 20T02"]
    assert counts(shop, "merged", "split") == {(0, 0)}
    (ann, anna), (cy, cyd) = older("C1", "K1"), older("C3", "K3")

    cards(shop, SATURDAY, K1="c1@x")
    assert sent(shop, SATURDAY) == {
        "identity": ["+c1@x", "-k1@x"],
        "deduplicated": sorted([f"+{ann} c1@x", "-K1 k1@x"]),
        "id": [f"+{ann} 20T02", f"-{anna} 21T05"],
        "none": ["+c1@x"],
        "full": sorted([f"+{ann}", "+C2", "+C3", "+K3"]),
    }
    assert counts(shop, "received", "realized", "exited", "identity_changed", "merged", "split") == {(1, 1, 0, 0, 1, 0)}
    assert (newest(shop)["full"]["merged"], newest(shop)["full"]["realized"]) == (1, 4)
    assert receivers_hold_the_members(shop, SATURDAY)

    cards(shop, SUNDAY, K1="k1@x", K3="c3@x")
    assert sent(shop, SUNDAY) == {
        "identity": ["+c1@x", "+c3@x", "+k1@x", "-k3@x"],
        "deduplicated": sorted(["+C1 c1@x", "+K1 k1@x", f"+{cy} c3@x", "-K3 k3@x"]),
        "id": sorted([f"+{ann} 20T02", f"+{anna} 22T02", f"+{cy} 20T02", f"-{cyd} 22T05"]),
        "none": ["+c1@x", "+c3@x", "+k1@x"],
        "full": sorted(["+C1", "+K1", "+C2", f"+{cy}"]),
    }
    assert counts(shop, "received", "realized", "exited", "identity_changed", "merged", "split") == {(3, 3, 0, 0, 1, 1)}
    assert receivers_hold_the_members(shop, SUNDAY)

    cards(shop, MONDAY, K1="c1@x", K2="k2@x", K3="k3@x")
    assert sent(shop, MONDAY) == {
        "identity": ["+c1@x", "+c2@x", "+c3@x", "+k2@x", "+k3@x", "-k1@x"],
        "deduplicated": sorted([f"+{ann} c1@x", "+C2 c2@x", "+C3 c3@x", "+K2 k2@x", "+K3 k3@x", "-K1 k1@x"]),
        "id": sorted([f"+{ann} 20T02", "+C2 20T02", f"+{cy} 20T02", "+K2 23T02", f"+{cyd} 23T02", f"-{anna} 23T05"]),
        "none": ["+c1@x", "+c2@x", "+c3@x", "+k2@x", "+k3@x"],
        "full": sorted([f"+{ann}", "+C2", "+C3", "+K2", "+K3"]),
    }
    assert counts(shop, "received", "realized", "exited", "identity_changed", "merged", "split") == {(5, 5, 0, 0, 1, 2)}
    assert receivers_hold_the_members(shop, MONDAY)
    for key in ("id", "identity"):  # files of before the merges are made again as they were
        for run in shop.runs(f"{key}/all"):
            path = tmp_path / run["files"][0]["path"]
            delivered = path.read_bytes()
            path.unlink()
            shop.ok("redeliver", run["run_id"])
            assert path.read_bytes() == delivered


def test_a_merge_is_told_once(tmp_path: Path) -> None:
    """P11: once a merge was told, the survivor is sent no more for it, though others merge on a later day."""
    shop = club(tmp_path, "id", "identity")
    hold(shop, "crm", FRIDAY, ("C1", "c1@x"), ("C2", "c2@x"))
    cards(shop, FRIDAY, K1="k1@x", K2="k2@x")
    sent(shop, FRIDAY)
    cards(shop, SATURDAY, K1="c1@x")
    assert sent(shop, SATURDAY)["identity"] == ["+c1@x", "-k1@x"]
    cards(shop, SUNDAY, K2="c2@x")
    assert sent(shop, SUNDAY)["identity"] == ["+c2@x", "-k2@x"]
    assert counts(shop, "received", "realized", "merged") == {(1, 1, 1)}
    assert receivers_hold_the_members(shop, SUNDAY)


def test_who_is_new_and_who_was_not_delivered(tmp_path: Path) -> None:
    """A record that is new joins a delivered person without a merge: identities changed (X3c). A person who had an id,
    and was in no audience, merges: the delivered one is told, and nobody exits.
    """
    shop = club(tmp_path, "id", "identity")
    shop.audience("all", where="email < 'k'")
    hold(shop, "crm", FRIDAY, ("C1", "c1@x"), ("C2", "c2@x"))
    cards(shop, FRIDAY, K1="k1@x")
    assert sent(shop, FRIDAY)["id"] == ["+C1 20T02", "+C2 20T02"]
    cards(shop, SATURDAY, K1="c1@x", K2="c2@x")
    survivor, absorbed = older("C1", "K1")
    assert sent(shop, SATURDAY) == {
        "id": sorted(["+C2 20T02", f"+{survivor} 20T02", *(["-C1 21T05"] if absorbed == "C1" else [])]),
        "identity": ["+c1@x", "+c2@x"],
    }
    assert counts(shop, "received", "realized", "identity_changed", "merged") == {(2, 2, 1, int(absorbed == "C1"))}
    assert receivers_hold_the_members(shop, SATURDAY)


def test_two_people_who_share_a_key_and_merge(tmp_path: Path) -> None:
    """M3: of two people with one key, one was sent; when they turn out to be one person, the key stays, and nobody
    exits.
    """
    shop = club(tmp_path, "deduplicated", mapping=["profile_id", "home", STATUS], deduplicate=["home"])
    hold(shop, "crm", FRIDAY, ("C1", "c1@x", "h1"), ("C2", "c2@x", "h2"), home=pl.String)
    hold(shop, "cards", FRIDAY, ("K1", "k1@x", "2026-11-19", False, "h1"), home=pl.String)
    survivor, _ = older("C1", "K1")
    assert sent(shop, FRIDAY)["deduplicated"] == sorted([f"+{survivor} h1", "+C2 h2"])
    assert newest(shop)["deduplicated"]["excluded_by"] == {"duplicate": 1}
    hold(shop, "cards", SATURDAY, ("K1", "c1@x", "2026-11-20", False, "h1"), home=pl.String)
    assert sent(shop, SATURDAY)["deduplicated"] == [f"+{survivor} h1"]
    assert counts(shop, "received", "realized", "exited", "merged") == {(1, 1, 0, 0)}
    assert receivers_hold_the_members(shop, SATURDAY)


def test_an_address_that_moves(tmp_path: Path) -> None:
    """M5: an address that goes from one person to another merges nobody: the person who has it now is sent with it, and
    it exits only where nobody has it.
    """
    shop = club(tmp_path, "identity", "deduplicated")
    hold(shop, "crm", FRIDAY, ("C1", "c1@x"), ("C2", "c2@x"))
    cards(shop, FRIDAY, K1="k1@x")
    sent(shop, FRIDAY)
    hold(shop, "crm", SATURDAY, ("C1", "c3@x"), ("C2", "c1@x"))
    assert sent(shop, SATURDAY)["identity"] == ["+c1@x", "+c3@x", "-c2@x"]
    assert counts(shop, "realized", "exited", "merged", "split") == {(2, 0, 0, 0)}


def test_guards_see_ids_as_delivered(tmp_path: Path) -> None:
    """X11: three cards that become one person are a shrink, and ids that leave, whatever the receiver is told."""
    shop = club(tmp_path, "id", guards={"max_shrink": "30%", "max_exited": 1})
    hold(shop, "crm", FRIDAY, ("C1", "c1@x"))
    cards(shop, FRIDAY, K1="k1@x", K2="k2@x", K3="k3@x")
    sent(shop, FRIDAY)
    cards(shop, SATURDAY, K1="k@x", K2="k@x", K3="k@x")
    shop.evaluate(f"{SATURDAY}T02:00Z")
    stopped = shop.muster("run", "--at", f"{SATURDAY}T05:00Z")
    assert stopped.code == 1
    assert "would shrink from 4 to 2 profiles" in stopped.err
    assert "2 delivered profiles would leave" in stopped.err
    shop.run(f"{SATURDAY}T06:00Z", "--override-guards", "id/all")
    assert counts(shop, "realized", "exited", "merged") == {(1, 0, 2)}
    assert receivers_hold_the_members(shop, SATURDAY)
