"""Consent where several sources have an answer: one that refuses is enough (G4, G5)."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.shop import STATUS, Shop
from support.sourced import hold, id_of, sourced

FRIDAY, SATURDAY = "2026-11-20", "2026-11-21"
ANSWER = {"answer": pl.String}
OPT_IN = {"actions": ["email_targeting"], "consent": "answer = 'y'"}
ANN, BOB = id_of("CRMID", "C1"), id_of("CRMID", "C2")


def shop_of(root: Path, *names: str, export: str = "incremental", at: Any = None, **policy: Any) -> Shop:
    """A shop of sources whose CRM destination needs consent: ``policy`` has keys of the policy `opt-in`."""
    shop = sourced(root, *names)
    shop.write("policies/opt-in.yml", OPT_IN | policy)
    schedule = at or {"at": "05:00"}
    shop.crm(mapping=["profile_id", STATUS], marketing_actions=["email_targeting"], export=export, schedule=schedule)
    return shop


def answers(shop: Shop, crm: Any, card: Any, day: str = FRIDAY, dtype: Any = pl.String) -> None:
    """Ann, whose record in the CRM is newer than that of her card, with these answers, and Bob, who never answered."""
    hold(shop, "crm", day, ("C1", "a@x.com", crm), ("C2", "b@x.com", None), answer=dtype)
    hold(shop, "cards", day, ("K1", "a@x.com", "2026-11-19T12:00:00", False, card), answer=dtype)


def day(shop: Shop, date: str = FRIDAY) -> dict[str, str]:
    """The status of each profile that a morning sent."""
    shop.evaluate(f"{date}T02:00Z")
    shop.run(f"{date}T05:00Z")
    return dict(row.split(",") for row in shop.sent("crm/all"))


def on_demand(shop: Shop, moment: str) -> tuple[list[str], dict[str, int]]:
    """What `muster export` sent, and whom it left out by reason."""
    shop.ok("export", "crm/all", "--at", moment)
    (newest,) = [each for each in shop.runs("crm/all") if each["scheduled_time"].startswith(moment[:16])]
    sent = [row for file in newest["files"] for row in shop.lines(file["path"].removeprefix("out/"))]
    return sent, newest["excluded_by"]


def test_one_refusal_is_enough(tmp_path: Path) -> None:
    """G4: the merged person and each fragment with an answer must let through, whichever is newer; null is none."""
    said = [("y", "y"), ("n", "y"), ("y", "n"), ("y", None), (None, "y"), ("n", None), (None, None)]
    shop = shop_of(tmp_path, "crm", "cards")
    crm = [(f"C{number}", f"{number}@x.com", answer) for number, (answer, _) in enumerate(said)]
    hold(shop, "crm", FRIDAY, *crm, **ANSWER)
    cards = [
        (f"K{number}", f"{number}@x.com", "2026-11-19T12:00:00", False, answer)  # before the CRM's records
        for number, (_, answer) in enumerate(said)
    ]
    hold(shop, "cards", FRIDAY, *cards, **ANSWER)
    assert day(shop).keys() == {id_of("CRMID", each) for each in ("C0", "C3", "C4")}


@pytest.mark.parametrize(("source", "goes"), [("crm", True), ("cards", False)])
def test_the_sources_that_count(tmp_path: Path, source: str, goes: bool) -> None:
    """G4: with `consent_from`, the named sources count, and no other: neither its refusal nor its consent."""
    shop = shop_of(tmp_path, "crm", "cards", consent_from=[source])
    answers(shop, "y", "n")
    assert day(shop) == ({ANN: "realized"} if goes else {})


def test_the_merged_value_is_made_of_the_sources_that_count(tmp_path: Path) -> None:
    """G4: a condition over two columns is judged with both values of the named sources, not with newer ones."""
    shop = shop_of(tmp_path, "crm", "cards", consent="answer = 'y' AND region = 'EU'", consent_from=["crm"])
    types = {"answer": pl.String, "region": pl.String}
    hold(shop, "crm", FRIDAY, ("C1", "a@x.com", "y", "EU"), ("C2", "b@x.com", "y", None), **types)
    hold(
        shop,
        "cards",
        FRIDAY,
        *(
            (f"K{number}", f"{name}@x.com", "2026-11-19T12:00:00", False, "n", region)
            for number, name, region in ((1, "a", "US"), (2, "b", "EU"))
        ),
        **types,
    )
    assert day(shop) == {ANN: "realized"}


def test_values_of_a_fragment_stand_beside_merged_ones(tmp_path: Path) -> None:
    """G4: a fragment that has one of two columns is judged with the merged value of the other."""
    shop = shop_of(tmp_path, "crm", "cards", consent="answer = 'y' OR region = 'US'")
    types = {"answer": pl.String, "region": pl.String}
    hold(shop, "crm", FRIDAY, ("C1", "a@x.com", "n", None), ("C2", "b@x.com", "n", None), **types)
    hold(
        shop,
        "cards",
        FRIDAY,
        *(
            (f"K{number}", f"{name}@x.com", "2026-11-19T12:00:00", False, "y", region)
            for number, name, region in ((1, "a", "US"), (2, "b", None))
        ),
        **types,
    )
    assert day(shop) == {ANN: "realized"}


def test_fields_are_answers_of_their_own(tmp_path: Path) -> None:
    """G4, P8: fields of structs are leaves: who refuses one channel in one system has said nothing of the other."""
    shop = shop_of(tmp_path, "crm", "cards", consent="answer.email = 'y'")
    dtype = pl.Struct({"email": pl.String, "sms": pl.String})
    answers(shop, {"email": "y", "sms": None}, {"email": None, "sms": "n"}, dtype=dtype)
    assert day(shop) == {ANN: "realized"}
    answers(shop, {"email": "n", "sms": None}, {"email": "y", "sms": "n"}, SATURDAY, dtype=dtype)
    assert day(shop, SATURDAY) == {ANN: "exited"}


def test_a_withdrawal_in_one_source_is_an_exit(tmp_path: Path) -> None:
    """G4, X3d: who withdraws in one system leaves, although another one still has the consent, and is counted."""
    shop = shop_of(tmp_path, "crm", "cards")
    answers(shop, "y", "y")
    assert day(shop) == {ANN: "realized"}
    answers(shop, "n", "y", SATURDAY)
    assert day(shop, SATURDAY) == {ANN: "exited"}
    assert shop.runs("crm/all")[-1]["excluded_by"] == {"consent:opt-in": 1}  # Bob; Ann is an exit


def test_sources_of_another_policy_have_no_say(tmp_path: Path) -> None:
    """G4: only fragments of the activation's merge policy are asked; each policy has an answer of its own."""
    shop = shop_of(tmp_path, "crm", "cards")
    shop.set(merge_policies={"crm-only": {"sources": ["crm"]}})
    shop.audience("crm", where="true", merge_policy="crm-only")
    answers(shop, "y", "n")
    assert day(shop) == {}
    shop.crm(audience="crm", mapping=["profile_id", STATUS], marketing_actions=["email_targeting"])
    shop.evaluate(f"{FRIDAY}T06:00Z")
    shop.run(f"{SATURDAY}T05:00Z")
    assert shop.sent("crm/crm") == [f"{ANN},realized"]


def test_a_column_that_no_counting_source_has(tmp_path: Path) -> None:
    """G4: with `consent_from`, a column that these sources lack fails the export, as nobody's answer is known."""
    shop = shop_of(tmp_path, "crm", "cards", consent_from=["crm"])
    hold(shop, "crm", FRIDAY, ("C1", "a@x.com"))
    hold(shop, "cards", FRIDAY, ("K1", "a@x.com", "2026-11-19T12:00:00", False, "y"), **ANSWER)
    shop.evaluate(f"{FRIDAY}T02:00Z")
    result = shop.muster("run", "--at", f"{FRIDAY}T05:00Z")
    assert result.code == 1
    assert "unknown column 'answer'" in result.err
    assert shop.muster("validate", "--at", f"{FRIDAY}T05:00Z").code == 2


def test_on_demand_by_all_who_share_an_identity(tmp_path: Path) -> None:
    """G5: an export on demand has the people of its evaluation; all newest profiles that share an identity judge."""
    shop = shop_of(tmp_path, "crm", "cards", export="full", at="on_demand")
    answers(shop, "y", "y")
    shop.evaluate(f"{FRIDAY}T02:00Z")
    assert on_demand(shop, f"{FRIDAY}T06:00Z") == ([f"{ANN},realized"], {"consent:opt-in": 1})
    hold(shop, "crm", SATURDAY, ("C1", "new@x.com", "y"), ("C2", "b@x.com", None), **ANSWER)  # the card is another's
    assert on_demand(shop, f"{SATURDAY}T05:00Z") == ([f"{ANN},realized"], {"consent:opt-in": 1})
    hold(shop, "cards", SATURDAY, ("K1", "a@x.com", "2026-11-21T03:00:00", False, "n"), **ANSWER)
    assert on_demand(shop, f"{SATURDAY}T06:00Z") == ([], {"consent:opt-in": 2})


def test_on_demand_without_anybody_of_today(tmp_path: Path) -> None:
    """G5: of whom no newest profile has an identity, nobody knows whether they consent: left out as missing."""
    shop = shop_of(tmp_path, "crm", "cards", export="full", at="on_demand")
    answers(shop, "y", "y")
    shop.evaluate(f"{FRIDAY}T02:00Z")
    hold(shop, "cards", SATURDAY, ("K1", "a@x.com", "2026-11-20T03:00:00", True, None), **ANSWER)
    hold(shop, "crm", SATURDAY, ("C9", "z@x.com", "y"), **ANSWER)
    assert on_demand(shop, f"{SATURDAY}T05:00Z") == ([], {"profile_missing": 2})


def test_without_a_graph_whoever_shares_an_identity_judges(tmp_path: Path) -> None:
    """G5: with `graph: none` one person may be two profiles, which share an address: both must let through."""
    shop = shop_of(tmp_path, "crm", "cards")
    shop.set(merge_policies={"default": {"graph": "none"}})
    answers(shop, "y", "n")
    assert day(shop) == {}
    answers(shop, "y", "y", SATURDAY)
    hold(shop, "cards", SATURDAY, ("K1", "a@x.com", "2026-11-20T12:00:00", False, "y"), name="b", **ANSWER)
    assert set(day(shop, SATURDAY)) == {ANN, id_of("Card", "K1")}


def test_check_counts_whom_sources_leave_out(tmp_path: Path) -> None:
    """G6: `policies check` counts who is left out by any source; `redeliver` refuses files of those who withdrew."""
    shop = shop_of(tmp_path, "crm", "cards")
    answers(shop, "y", "y")
    assert day(shop) == {ANN: "realized"}
    answers(shop, "n", "y", SATURDAY)
    shop.evaluate(f"{SATURDAY}T02:00Z")
    (checked,) = shop.ok("policies", "check", "--at", f"{SATURDAY}T05:00Z", "--json").json
    assert [each["left_out"] for each in checked["policies"] if each["id"] == "opt-in"] == [2]
    for path in (shop.root / "out/crm").glob("crm_all_*.csv"):
        path.unlink()
    result = shop.muster("redeliver", shop.runs("crm/all")[-1]["run_id"])
    assert (result.code, "that policy 'opt-in' leaves out today" in result.err) == (2, True)


def test_the_sources_that_counted_are_shown(tmp_path: Path) -> None:
    """G6, G7: `policies show` and the record of a run say which sources a consent policy counts."""
    shop = shop_of(tmp_path, "crm", "cards", consent_from=["crm"])
    answers(shop, "y", "n")
    day(shop)
    assert shop.ok("policies", "show", "opt-in", "--json").json["consent_from"] == ["crm"]
    assert "crm" in shop.ok("policies", "show", "opt-in").out
    run = shop.ok("runs", "show", shop.runs("crm/all")[-1]["run_id"], "--json").json
    assert [each["consent_from"] for each in run["governance"]["policies"]] == [["crm"]]
    assert "consent answer = 'y' from crm" in shop.ok("runs", "show", run["run_id"]).out
