"""Stories of profiles from sources, each of a few small files: what was linked, what not, what became of it (P)."""

import shutil
from pathlib import Path

import polars as pl
import pytest
from support.shop import STATUS, Shop
from support.sourced import hold, id_of, sourced

FRIDAY, SATURDAY, SUNDAY = "2026-11-20", "2026-11-21", "2026-11-22"


def day(shop: Shop, date: str) -> list[str]:
    """`muster run` on a day, after an evaluation; what the CRM was sent."""
    shop.evaluate(f"{date}T02:00Z")
    shop.run(f"{date}T05:00Z")
    return shop.sent("crm/all")


def view(shop: Shop, policy: str = "default") -> dict[str, list[str]]:
    """The identity maps of the newest view by profile id: ``CRMID:C1``."""
    newest = max((shop.root / f".muster/profiles/{policy}").iterdir())
    return {
        row["profile_id"]: [f"{each['namespace']}:{each['id']}" for each in row["identity_map"]]
        for row in pl.read_parquet(newest / "*.parquet").iter_rows(named=True)
    }


# What links, and what does not


def test_the_address_of_a_till_links_nobody(tmp_path: Path) -> None:
    """P4: an address in the records of hundreds is in nobody's identity map and merges nobody; the column keeps it, and
    the other identities of these records stay linked.
    """
    shop = sourced(tmp_path, "crm", "cards")
    hold(shop, "crm", FRIDAY, *((f"C{number}", "till@acme.example") for number in range(300)), ("X", "x@x.com"))
    hold(shop, "cards", FRIDAY, ("K1", "x@x.com", "2026-11-19", False))
    shop.evaluate("2026-11-20T02:00Z")
    people = view(shop)
    assert len(people) == 301
    assert people[id_of("CRMID", "C7")] == ["CRMID:C7"]
    assert people[id_of("CRMID", "X")] == ["CRMID:X", "Card:K1", "Email:x@x.com"]
    shop.run("2026-11-20T05:00Z")
    assert shop.sent("crm/all").count(f"{id_of('CRMID', 'C7')},till@acme.example,realized") == 1


def test_an_address_becomes_shared_when_one_more_record_holds_it(tmp_path: Path) -> None:
    """P4: at `max_links` neighbours an identity links, with one more it links nothing: those it joined are split."""
    shop = sourced(tmp_path, "crm", "cards", identity_graph={"max_links": 2})
    hold(shop, "crm", FRIDAY, ("C1", "a@x.com"))
    hold(shop, "cards", FRIDAY, ("K1", "a@x.com", "2026-11-19", False))
    assert len(day(shop, FRIDAY)) == 1
    hold(shop, "cards", SATURDAY, ("K2", "a@x.com", "2026-11-20", False))
    sent = day(shop, SATURDAY)
    assert view(shop) == {id_of("CRMID", "C1"): ["CRMID:C1"]} | {
        id_of("Card", each): [f"Card:{each}"] for each in ("K1", "K2")
    }
    assert sorted(row.split(",")[0] for row in sent) == sorted(view(shop))  # who keeps the id is told, too


def test_a_tablet_of_two_customers_is_of_who_used_it_last(tmp_path: Path) -> None:
    """P5: a cookie seen with two CRM ids joins nobody: the newest link counts, the other is refused; the day on which
    the first customer takes the tablet back, it moves, and no id changes.
    """
    shop = sourced(tmp_path, "crm", "web")
    hold(shop, "crm", FRIDAY, ("C1", "ann@x.com"), ("C2", "bea@x.com"))
    hold(shop, "web", FRIDAY, ("tablet", "ann@x.com", "2026-11-18"), ("tablet", "bea@x.com", "2026-11-19"))
    day(shop, FRIDAY)
    ann, bea = id_of("CRMID", "C1"), id_of("CRMID", "C2")
    assert view(shop) == {
        ann: ["CRMID:C1", "Email:ann@x.com"],
        bea: ["CRMID:C2", "Cookie:tablet", "Email:bea@x.com"],
    }
    hold(shop, "web", SATURDAY, ("tablet", "ann@x.com", "2026-11-20"))
    sent = day(shop, SATURDAY)
    assert view(shop) == {
        ann: ["CRMID:C1", "Cookie:tablet", "Email:ann@x.com"],
        bea: ["CRMID:C2", "Email:bea@x.com"],
    }
    assert sorted(sent) == sorted([f"{ann},ann@x.com,realized", f"{bea},bea@x.com,realized"])  # X3c, no merge
    assert [(run["merged"], run["split"]) for run in shop.runs("crm/all")][-1] == (0, 0)


def test_an_identity_that_moves_merges_nobody(tmp_path: Path) -> None:
    """P7: an address that moves from one customer to another leaves both ids where they were; nobody is merged, nobody
    leaves.
    """
    shop = sourced(tmp_path, "crm", "cards")
    hold(shop, "crm", FRIDAY, ("C1", "a@x.com"), ("C2", None))
    hold(shop, "cards", FRIDAY, ("K1", "k@x.com", "2026-11-19", False))
    assert len(day(shop, FRIDAY)) == 3
    hold(shop, "crm", SATURDAY, ("C1", None), ("C2", "a@x.com"))
    sent = day(shop, SATURDAY)
    assert view(shop) == {
        id_of("CRMID", "C1"): ["CRMID:C1"],
        id_of("CRMID", "C2"): ["CRMID:C2", "Email:a@x.com"],
        id_of("Card", "K1"): ["Card:K1", "Email:k@x.com"],
    }
    assert sorted(sent) == sorted([f"{id_of('CRMID', 'C1')},,realized", f"{id_of('CRMID', 'C2')},a@x.com,realized"])
    assert [(run["merged"], run["split"]) for run in shop.runs("crm/all")][-1] == (0, 0)


# Same inputs, same graph


def test_the_order_of_files_and_rows_changes_nothing(tmp_path: Path) -> None:
    """E1, P3: the rows of sources in another order, in other parts, give the same views and files, byte by byte."""
    rows = [(f"C{number}", f"{number % 7}@x.com") for number in range(20)]
    cards = [(f"K{number}", f"{number % 5}@x.com", f"2026-11-{number + 1:02}", number % 9 == 8) for number in range(18)]
    trees = []
    for name, step in (("one", 1), ("other", -1)):
        shop = sourced(tmp_path / name, "crm", "cards", "web")
        shop.parquet(f"data/crm/{FRIDAY}/a.parquet", _table(rows[::step][:8]))
        shop.parquet(f"data/crm/{FRIDAY}/b.parquet", _table(rows[::step][8:]))
        hold(shop, "cards", "2026-11-19" if step > 0 else FRIDAY, *cards[::2])
        hold(shop, "cards", FRIDAY if step > 0 else "2026-11-19", *cards[1::2][::step])
        hold(shop, "web", FRIDAY, *[(f"k{each}", f"{each}@x.com", "2026-11-19") for each in range(4)][::step])
        day(shop, FRIDAY)
        trees.append(shop.tree("out", ".muster/profiles", ".muster/memberships"))
    assert trees[0] == trees[1]
    assert any(name.startswith(".muster/profiles/") for name in trees[0])


def _table(rows: list[tuple[str, str]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["crm_id", "email"], orient="row")


# Sources that fail


def test_a_source_without_rows_fails_the_policies_that_read_it(tmp_path: Path) -> None:
    """P1, P10, X11: a source without a row fails its policies' audiences alone, unless `--allow-empty`."""
    shop = sourced(tmp_path, "crm", "cards", merge_policies={"default": {}, "crm-only": {"sources": ["crm"]}})
    shop.audience("clients", where="true", merge_policy="crm-only")
    hold(shop, "crm", FRIDAY, ("C1", "a@x.com"))
    hold(shop, "cards", FRIDAY)
    result = shop.muster("evaluate", "--at", "2026-11-20T02:00Z")
    assert result.code == 1
    assert "cards" in result.err
    assert "--allow-empty" in result.err
    assert shop.memberships("clients") == {id_of("CRMID", "C1"): "realized 2026-11-20T02:00:00Z"}
    shop.evaluate("2026-11-20T03:00Z", "--allow-empty")
    assert shop.memberships() == {id_of("CRMID", "C1"): "realized 2026-11-20T03:00:00Z"}


@pytest.mark.parametrize("harm", ["damaged", "missing", "later"])
def test_a_source_that_cannot_be_read_stops_an_evaluation(tmp_path: Path, harm: str) -> None:
    """P1, E9, section 10: a damaged source, and one without a snapshot at the instant, refuse the evaluation of what
    reads it: one message that names the source, nobody leaves, and nothing of a view is left.
    """
    shop = sourced(tmp_path, "crm", "cards")
    hold(shop, "crm", FRIDAY, ("C1", "a@x.com"))
    hold(shop, "cards", FRIDAY, ("K1", "b@x.com", "2026-11-19", False))
    day(shop, FRIDAY)
    before = shop.tree("out", ".muster/profiles", ".muster/graphs")
    file = shop.root / f"data/cards/{FRIDAY}.parquet"
    if harm == "damaged":
        file.write_bytes(file.read_bytes()[:-20])
    elif harm == "missing":
        file.unlink()
    else:
        file.rename(file.with_name("2026-11-29.parquet"))
    result = shop.muster("evaluate", "--at", "2026-11-21T02:00Z")
    assert result.code == 2
    assert "cards" in result.err
    assert "Traceback" not in result.err
    assert shop.tree("out", ".muster/profiles", ".muster/graphs") == before


def test_a_day_without_a_new_file_takes_the_newest_snapshot(tmp_path: Path) -> None:
    """P1, P10: on a day on which a source brings no file the newest one counts still: the same rows, so no new view, no
    new ids, and nobody is sent.
    """
    shop = sourced(tmp_path, "crm", "cards")
    hold(shop, "crm", FRIDAY, ("C1", "a@x.com"))
    hold(shop, "cards", FRIDAY, ("K1", "a@x.com", "2026-11-19", False))
    day(shop, FRIDAY)
    before = shop.tree(".muster/profiles", ".muster/graphs")
    assert day(shop, SATURDAY) == []
    assert shop.tree(".muster/profiles", ".muster/graphs") == before


def test_a_record_twice_in_a_snapshot_is_an_input_error(tmp_path: Path) -> None:
    """P1, P2, X1: a primary identity that occurs twice once it is cleaned fails what reads the source."""
    shop = sourced(tmp_path, "crm")
    hold(shop, "crm", FRIDAY, ("C1", "a@x.com"), (" C1", "b@x.com"))
    result = shop.muster("evaluate", "--at", "2026-11-20T02:00Z")
    assert result.code == 2
    assert "crm" in result.err
    assert not list((shop.root / ".muster").glob("profiles/*/*"))


# Changes


def test_changes_replace_delete_and_bring_back(tmp_path: Path) -> None:
    """P1: of each primary identity the newest row counts, whole; one that says `gone` takes the fragment away with its
    links, and a newer one brings it back; rows of later times do not exist yet.
    """
    shop = sourced(tmp_path, "crm", "cards")
    hold(shop, "crm", FRIDAY, ("C1", "a@x.com"))
    rows = [
        ("K1", "a@x.com", "2026-11-19", False),
        ("K2", None, "2026-11-19", None),
        ("K2", "a@x.com", "2026-11-21", None),
    ]
    hold(shop, "cards", FRIDAY, *rows)
    day(shop, FRIDAY)
    ann, card, other = id_of("CRMID", "C1"), id_of("Card", "K1"), id_of("Card", "K2")
    assert view(shop) == {ann: ["CRMID:C1", "Card:K1", "Email:a@x.com"], other: ["Card:K2"]}

    hold(shop, "cards", SATURDAY, ("K1", "a@x.com", "2026-11-20", True))
    sent = day(shop, SATURDAY)
    assert view(shop) == {ann: ["CRMID:C1", "Card:K2", "Email:a@x.com"]}  # one card deleted, the other merged
    assert sorted(sent) == sorted([f"{ann},a@x.com,realized", f"{other},,exited"])

    hold(shop, "cards", SUNDAY, ("K1", None, "2026-11-21T12:00", False))
    day(shop, SUNDAY)
    assert view(shop) == {ann: ["CRMID:C1", "Card:K2", "Email:a@x.com"], card: ["Card:K1"]}


def test_the_last_of_equal_times_counts(tmp_path: Path) -> None:
    """P1: of changes with one time the last counts, in file name and row order."""
    shop = sourced(tmp_path, "cards")
    shop.crm(mapping=["profile_id", "email", STATUS])
    hold(shop, "cards", "2026-11-19", ("K1", "z@x.com", "2026-11-19", False))
    hold(shop, "cards", FRIDAY, ("K1", "b@x.com", "2026-11-19", False), ("K1", "a@x.com", "2026-11-19", False))
    assert day(shop, FRIDAY) == [f"{id_of('Card', 'K1')},a@x.com,realized"]


def test_a_change_without_a_time_is_an_input_error(tmp_path: Path) -> None:
    """P1: in `changes` each row has its time."""
    shop = sourced(tmp_path, "cards")
    hold(shop, "cards", FRIDAY, ("K1", "a@x.com", "2026-11-19", False), ("K2", "b@x.com", None, False))
    result = shop.muster("evaluate", "--at", "2026-11-20T02:00Z")
    assert result.code == 2
    assert "cards" in result.err
    assert "changed" in result.err


# State


def test_lost_views_are_missed_and_a_new_state_starts_anew(tmp_path: Path) -> None:
    """P7, E1: the same days in a second workspace give the same ids; ids that an older build made are kept in the
    first, whatever the smallest identity is by now.
    """
    shop = sourced(tmp_path / "shop", "crm", "cards")
    hold(shop, "crm", FRIDAY, ("C0", None))
    hold(shop, "cards", FRIDAY, ("K1", "a@x.com", "2026-11-19", False))
    day(shop, FRIDAY)
    hold(shop, "crm", SATURDAY, ("C0", None), ("C1", "a@x.com"))
    day(shop, SATURDAY)
    assert view(shop)[id_of("Card", "K1")] == ["CRMID:C1", "Card:K1", "Email:a@x.com"]
    shutil.copytree(shop.root / "data", tmp_path / "fresh/data")
    fresh = sourced(tmp_path / "fresh", "crm", "cards")
    day(fresh, SATURDAY)
    assert view(fresh)[id_of("CRMID", "C1")] == ["CRMID:C1", "Card:K1", "Email:a@x.com"]
