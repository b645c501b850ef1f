"""Stories of commands on profiles from sources: several merge policies, events and feeds, ages, failing sources (P)."""

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.shop import FEED, STATUS, TIMES, Shop
from support.sourced import hold, id_of, sourced

FRIDAY, SATURDAY = "2026-11-20", "2026-11-21"
POLICIES = {"default": {}, "crm-only": {"sources": ["crm", "web"]}}
ANN, BOB, EVE = id_of("CRMID", "C1"), id_of("CRMID", "C2"), id_of("Card", "K2")
VISITED = {"events": {"visits": {"measure": "count"}}, "where": "visits >= 2"}


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A CRM, cards and visits of the web; everybody by two policies, each sent at 05:00, and who visited twice."""
    shop = sourced(tmp_path, "crm", "cards", "web", merge_policies=POLICIES)
    shop.audience("clients", where="true", merge_policy="crm-only")
    shop.audience("visitors", **VISITED)
    clients = {"audience": "clients", "export": "incremental", "schedule": {"at": "05:00"}}
    shop.destination("files", mapping=["profile_id", "email", STATUS], activations=[clients])
    hold(shop, "crm", FRIDAY, ("C1", "ann@x.com"), ("C2", "bob@x.com"))
    hold(shop, "cards", FRIDAY, ("K1", "ann@x.com", "2026-11-19", False), ("K2", "eve@x.com", "2026-11-18", False))
    visits = (("k9", "ann@x.com", "2026-11-17"), ("k9", None, "2026-11-18"), ("k8", None, "2026-11-18"))
    hold(shop, "web", FRIDAY, *visits, ("k8", "bob@x.com", "2026-12-18"))
    return shop


def members(shop: Shop, audience: str) -> set[str]:
    """The members of an audience."""
    return {name for name, status in shop.memberships(audience).items() if status.startswith("realized")}


# Several merge policies


def test_a_night_of_two_policies(shop: Shop) -> None:
    """P8, P9, P10: an audience is of the profiles of its policy; one evaluation decides all, and views are kept."""
    done = shop.evaluate(f"{FRIDAY}T02:00Z", "--json").json
    assert {each["audience"]: each["realized"] for each in done["evaluations"]} == {
        "all": 3,
        "clients": 2,
        "visitors": 1,
    }
    assert members(shop, "all") == {ANN, BOB, EVE}
    assert members(shop, "clients") == {ANN, BOB}
    assert members(shop, "visitors") == {ANN}  # also by a cookie alone; that k8 is Bob's nobody knows before December
    shop.run(f"{FRIDAY}T05:00Z")
    assert sorted(shop.sent("files/clients")) == sorted([f"{ANN},ann@x.com,realized", f"{BOB},bob@x.com,realized"])
    assert len(shop.sent("crm/all")) == 3
    kept = shop.root / ".muster/profiles"
    assert {each.name: len(list(each.iterdir())) for each in kept.iterdir()} == {"crm-only": 1, "default": 1}


def test_the_second_day_sends_what_changed_in_each_policy(shop: Shop) -> None:
    """X3, P10: a scheduled export takes the view as of its own instant; each policy has its own changes."""
    shop.evaluate(f"{FRIDAY}T02:00Z")
    shop.run(f"{FRIDAY}T05:00Z")
    hold(shop, "cards", SATURDAY, ("K3", "zoe@x.com", "2026-11-20", False))
    shop.evaluate(f"{SATURDAY}T02:00Z")
    hold(shop, "cards", f"{SATURDAY}T04", ("K3", "zoe@y.com", "2026-11-21", False))  # after the evaluation
    shop.run(f"{SATURDAY}T05:00Z")
    assert shop.sent("crm/all") == [f"{id_of('Card', 'K3')},zoe@y.com,realized"]
    assert shop.sent("files/clients") == []


def test_a_policy_that_fails_holds_its_own_exports_alone(shop: Shop) -> None:
    """P1, P10, E9: a source that cannot be used fails audiences and runs of the policies that read it; others go on."""
    shop.evaluate(f"{FRIDAY}T02:00Z")
    shop.run(f"{FRIDAY}T05:00Z")
    shutil.move(shop.root / "data/cards", shop.root / "data/away")
    failed = shop.muster("evaluate", "--at", f"{SATURDAY}T02:00Z", "--json")
    assert failed.code == 1
    assert [each["audience"] for each in failed.json["evaluations"]] == ["clients"]
    assert {each["audience"] for each in failed.json["errors"]} == {"all", "visitors"}
    assert shop.muster("run", "--at", f"{SATURDAY}T05:00Z").code == 1
    newest = {run["destination"]: run["status"] for run in shop.runs()}
    assert newest == {"crm": "failed", "files": "succeeded"}
    shutil.move(shop.root / "data/away", shop.root / "data/cards")
    shop.run(f"{SATURDAY}T06:00Z")
    assert shop.runs("crm/all")[-1]["status"] == "succeeded"


def test_when_the_only_policy_fails_nothing_is_evaluated(tmp_path: Path) -> None:
    """E9, P1, D2: as a snapshot that is refused, the sources of the only policy stop an evaluation and all runs."""
    shop = sourced(tmp_path, "crm")
    shop.write("sources/crm.yml", (shop.root / "sources/crm.yml").read_text() + "max_age: 30h\n")
    hold(shop, "crm", FRIDAY, ("C1", "ann@x.com"))
    shop.evaluate(f"{FRIDAY}T02:00Z")
    stale = shop.muster("evaluate", "--at", "2026-11-22T02:00Z")
    assert stale.code == 2
    assert "max_age in sources/crm.yml" in stale.err
    assert "max_age in sources/crm.yml allows 30 h" in shop.muster("status", "--at", "2026-11-22T02:00Z").out
    assert shop.muster("run", "--at", "2026-11-22T05:00Z").code == 2
    assert shop.runs() == []
    assert "crm" in shop.ok("validate", "--at", "2026-11-22T02:00Z").err  # a remark
    shop.ok("export", "crm/all", "--at", "2026-11-22T02:00Z")  # X7: an export on demand is not judged


# Commands that read


def test_reading_leaves_no_trace(shop: Shop) -> None:
    """P10, SPEC 9: plan, preview and validate build in memory what is not kept, and write nothing."""
    shop.evaluate(f"{FRIDAY}T02:00Z")
    hold(shop, "crm", SATURDAY, ("C1", "ann@x.com"), ("C3", "cid@x.com"))
    before = shop.tree()
    moment = f"{SATURDAY}T05:00Z"
    steps = shop.ok("plan", "--at", moment, "--json").json
    counts = {(each["destination"], each["exported"]) for each in steps if each["action"] == "export"}
    preview = shop.ok("preview", "files/clients", "--at", moment, "--json").json
    assert preview["rows"][0]["email"] in {"ann@x.com", "cid@x.com"}
    shop.ok("preview", "all", "--at", moment)
    shop.ok("validate", "--at", moment)
    assert shop.tree() == before
    shop.run(moment)
    assert counts <= {(run["destination"], run["exported"]) for run in shop.runs()}


def test_an_export_on_demand_takes_the_view_of_the_evaluation(shop: Shop) -> None:
    """X7, P10: whatever the sources hold since; a view that is gone is refused, and the way out is told."""
    shop.evaluate(f"{FRIDAY}T02:00Z")
    hold(shop, "crm", SATURDAY, ("C1", "new@x.com"))
    shop.ok("export", "files/clients", "--at", f"{SATURDAY}T03:00Z")
    [file] = shop.files("files")
    assert sorted(row["email"] for row in shop.rows(file)) == ["ann@x.com", "bob@x.com"]
    shop.evaluate(f"{SATURDAY}T04:00Z")
    shutil.rmtree(shop.root / ".muster/profiles/crm-only" / "20261120T020000Z")
    refused = shop.muster("export", "files/clients", "--at", f"{FRIDAY}T06:00Z")
    assert refused.code == 2
    assert "Traceback" not in refused.err


def test_each_source_has_an_age(shop: Shop) -> None:
    """D2: ages are of sources, in plan, validate, evaluations and runs."""
    hold(shop, "web", FRIDAY, ("k9", "ann@x.com", "2026-11-18"))
    done = shop.evaluate(f"{FRIDAY}T12:00Z", "--json").json
    ages = {each["audience"]: each["ages"] for each in done["evaluations"]}
    hour = 3600
    assert ages["clients"] == {"sources.crm": 12 * hour, "sources.web": 60 * hour}
    assert ages["all"] == {"sources.cards": 36 * hour, "sources.crm": 12 * hour, "sources.web": 60 * hour}
    shop.run(f"{SATURDAY}T05:00Z")
    assert shop.runs("files/clients")[-1]["ages"] == {"sources.crm": 29 * hour, "sources.web": 77 * hour}
    assert shop.ok("validate", "--at", f"{SATURDAY}T05:00Z", "--json").json["ages"]["sources.cards"] == 53 * hour


def test_validate_finds_what_does_not_fit_the_sources(shop: Shop) -> None:
    """P8, X1: columns of identities, rules and mappings are checked on the sources, and on the view of each policy."""
    cards = (shop.root / "sources/cards.yml").read_text()
    shop.write("sources/cards.yml", cards.replace("column: card", "column: kard"))
    shop.audience("clients", where="emial = 'x'", merge_policy="crm-only")
    checked = shop.muster("validate", "--at", f"{FRIDAY}T02:00Z", "--json")
    assert checked.code == 2
    messages = [each["message"] for each in checked.json["errors"]]
    assert any("'kard'" in each and "card" in each.replace("kard", "") for each in messages)
    assert any("'emial'" in each and "email" in each for each in messages)
    assert len(messages) == 2


def test_validate_says_that_a_limit_stops_more_than_mistakes(tmp_path: Path) -> None:
    """P4: more than one of a hundred identities beyond `max_links` is a warning."""
    shop = sourced(tmp_path, "crm", identity_graph={"max_links": 2})
    hold(shop, "crm", FRIDAY, *((f"C{number}", "till@x.com") for number in range(3)))
    assert "raise max_links" in shop.ok("validate", "--at", f"{FRIDAY}T02:00Z").err


# Events


def test_the_highest_identity_with_a_profile_leads(tmp_path: Path) -> None:
    """P9: primary or not; of one priority the smallest; in lists too; an identity of nobody leads nowhere."""
    shop = sourced(tmp_path, "crm", "web")
    more = {"column": "others", "namespace": "Email"}
    web = {"kind": "events", "path": "data/web", "timestamp": "timestamp"}
    cookie = {"column": "cookie", "namespace": "Cookie", "primary": True}
    shop.write("sources/web.yml", web | {"identities": [cookie, {"column": "email", "namespace": "Email"}, more]})
    shop.audience("visitors", **(VISITED | {"where": "visits >= 1"}))
    hold(shop, "crm", FRIDAY, ("C1", "ann@x.com"), ("C2", "bob@x.com"), ("C3", "cid@x.com"))
    others = {"others": pl.List(pl.String)}
    hold(shop, "web", "a", ("k1", "zoe@x.com", "2026-11-18", ["cid@x.com", "bob@x.com"]), **others)
    shop.evaluate(f"{FRIDAY}T02:00Z")
    assert members(shop, "visitors") == {BOB}  # of three in one component the newest two links are kept apart (P5)


def test_events_of_a_path_name_people_too(shop: Shop) -> None:
    """P9, P12: rows of `events.path` name a profile by id or by an identity; with all sources one table."""
    names = [(BOB, None, None, 1), (None, "Email", "BOB@X.com ", 2.5), ("nobody", "Email", "eve@x.com", 1)]
    types = {"profile_id": pl.String, "namespace": pl.String, "id": pl.String, "timestamp": TIMES}
    for number, (*name, x) in enumerate(names):
        row = dict(zip(types, (*name, datetime(2026, 11, 18, tzinfo=UTC)), strict=True)) | {"x": x}
        shop.events([row], f"part-{number}", **types)
    shop.audience("spent", events={"sum_x": {"measure": "sum(x)"}}, where="sum_x = 3.5")
    done = shop.evaluate(f"{FRIDAY}T02:00Z", "--json").json
    assert members(shop, "visitors") == {ANN, BOB}
    assert members(shop, "spent") == {BOB}
    ignored = {each["audience"]: each.get("ignored_rows") for each in done["evaluations"]}
    assert ignored == {"all": None, "clients": None, "visitors": {"events": 2}, "spent": {"events": 2}}


def test_event_columns_of_one_name_widen_across_sources(shop: Shop) -> None:
    """P9, D5, X1: under the names that `columns` gives; where types do not go together, who reads the column fails."""
    web = (shop.root / "sources/web.yml").read_text()
    shop.write("sources/app.yml", web.replace("data/web", "data/app") + "columns: {amount: price, kind: code}\n")
    hold(shop, "web", FRIDAY, ("k9", "ann@x.com", "2026-11-17", 2, "a"), amount=pl.Int64, kind=pl.String)
    seen = {"cookie": "k9", "email": None, "timestamp": datetime(2026, 11, 18, tzinfo=UTC), "price": 0.5, "code": 7}
    shop.parquet(f"data/app/{FRIDAY}.parquet", [seen], email=pl.String)
    shop.set(merge_policies=POLICIES | {"crm-only": {"sources": ["crm", "web", "app"]}})
    shop.audience("spent", events={"total": {"measure": "sum(amount)"}}, where="total = 2.5", merge_policy="crm-only")
    shop.audience("kinds", events={"kinds": {"measure": "count_distinct(kind)"}}, where="kinds = 2")
    failed = shop.muster("evaluate", "--at", f"{FRIDAY}T02:00Z", "--json")
    assert failed.code == 1
    assert members(shop, "spent") == {ANN}
    [error] = failed.json["errors"]
    assert error["audience"] == "kinds"
    assert "data/app" in error["message"]
    assert "data/web" in error["message"]


def test_a_source_without_events_fails_who_measures_unless_that_is_allowed(shop: Shop) -> None:
    """X11, P1: `--allow-empty-events` is enough for a source of events; a policy without one measures nothing."""
    (shop.root / f"data/web/{FRIDAY}.parquet").unlink()
    shop.audience("quiet", events={"visits": {"measure": "count"}}, where="visits = 0")
    shop.set(merge_policies=POLICIES | {"no-web": {"sources": ["crm"]}})
    shop.audience("blind", **VISITED, merge_policy="no-web")
    assert shop.muster("evaluate", "--at", f"{FRIDAY}T02:00Z").code == 2
    failed = shop.muster("evaluate", "--at", f"{FRIDAY}T03:00Z", "--allow-empty-events", "--json")
    assert failed.code == 1
    assert [each["audience"] for each in failed.json["errors"]] == ["blind"]
    assert members(shop, "quiet") == {ANN, BOB, EVE}


def test_without_a_graph_only_primary_identities_lead(shop: Shop) -> None:
    """P7, P9, P12: with `graph: none` an e-mail leads nowhere, in events and in feeds; a card does."""
    shop.set(merge_policies=POLICIES | {"alone": {"graph": "none"}})
    shop.audience("visitors", **VISITED, merge_policy="alone")
    named(shop, ("Email", "ann@x.com", "realized", "2026-11-15"), ("Card", "K1", "realized", "2026-11-16"))
    shop.audience("people", source="memberships", merge_policy="alone")
    shop.evaluate(f"{FRIDAY}T02:00Z")
    assert members(shop, "visitors") == set()
    assert members(shop, "people") == {id_of("Card", "K1")}


def test_a_source_of_events_that_is_stale_fails_who_uses_events(shop: Shop) -> None:
    """D2, E9: the graph goes on with it, and audiences without measures."""
    shop.write("sources/web.yml", (shop.root / "sources/web.yml").read_text() + "max_age: 1h\n")
    failed = shop.muster("evaluate", "--at", f"{FRIDAY}T02:00Z", "--json")
    assert failed.code == 1
    assert [each["audience"] for each in failed.json["evaluations"]] == ["all", "clients"]


# Feeds


def named(shop: Shop, *rows: tuple[Any, ...]) -> None:
    """A membership file of (namespace, id, status, time), of the audience `people`."""
    types = {name: FEED[name] for name in ("status", "last_qualification_time")}
    made = [(*row[:3], datetime.fromisoformat(row[3]).replace(tzinfo=UTC)) for row in rows]
    frame = pl.DataFrame(made, schema={"namespace": pl.String, "id": pl.String} | types, orient="row")
    shop.parquet("data/memberships/feed.parquet", frame.with_columns(audience_id=pl.lit("people")))
    shop.set(memberships={"path": "data/memberships"})


def test_a_feed_names_people_by_identities(shop: Shop) -> None:
    """P12, D4: each name has a membership of its own; a person is a member if one of the names is, since the first."""
    named(
        shop,
        ("Email", "ANN@x.com", "realized", "2026-11-15"),
        ("Email", "ANN@x.com", "exited", "2026-11-16"),
        ("Card", "K1", "realized", "2026-11-17"),
        ("CRMID", "C1", "realized", "2026-11-18"),
        ("Email", "bob@x.com", "exited", "2026-11-16"),
        ("CRMID", "C2", "exited", "2026-11-18"),
        ("Email", "nobody@x.com", "realized", "2026-11-18"),
        ("Email", "none", "realized", "2026-11-18"),
        ("Card", "K2", "realized", "2026-12-18"),
    )
    shop.audience("people", source="memberships")
    done = shop.evaluate(f"{FRIDAY}T02:00Z", "--json").json
    assert shop.memberships("people") == {
        ANN: "realized 2026-11-17T00:00:00Z",
        BOB: "exited 2026-11-18T00:00:00Z",
    }
    assert next(each["ignored_rows"] for each in done["evaluations"] if "ignored_rows" in each) == {"memberships": 2}


def test_an_id_that_became_an_alias_leads_to_who_survived(shop: Shop) -> None:
    """P9, P12: feeds and events that name a merged person by an id of before reach the survivor."""
    shop.evaluate(f"{FRIDAY}T02:00Z")
    hold(shop, "cards", SATURDAY, ("K2", "bob@x.com", "2026-11-20", False))
    feed = [("people", each, "realized", "2026-11-18T00:00Z") for each in (BOB, EVE)]
    shop.feed([*feed, ("people", "nobody", "realized", "2026-11-18T00:00Z")])
    shop.audience("people", source="memberships")
    at = datetime(2026, 11, 18, tzinfo=UTC)
    shop.events([{"profile_id": each, "timestamp": at} for each in (BOB, EVE, "nobody")], timestamp=TIMES)
    done = shop.evaluate(f"{SATURDAY}T02:00Z", "--json").json
    [survivor] = members(shop, "people")
    assert survivor in {BOB, EVE}
    assert members(shop, "visitors") == {ANN, survivor}
    ignored = {each["audience"]: each.get("ignored_rows") for each in done["evaluations"]}
    assert ignored["people"] == {"memberships": 1}
    assert ignored["visitors"] == {"events": 2}


def test_a_feed_overrides_a_rule_name_by_name(shop: Shop) -> None:
    """X6, P12: later rows of a name start from the person's membership; one name that stays keeps the person."""
    named(
        shop,
        ("Email", "ann@x.com", "exited", f"{FRIDAY}T03:00"),
        ("Card", "K1", "realized", f"{FRIDAY}T03:30"),
        ("CRMID", "C2", "exited", f"{FRIDAY}T03:00"),
    )
    shop.audience("people", source="memberships", where="true")
    people = {"audience": "people", "export": "full", "schedule": {"at": "05:00"}}
    shop.destination("feed", mapping=["profile_id"], activations=[people])
    shop.evaluate(f"{FRIDAY}T02:00Z")
    shop.run(f"{FRIDAY}T05:00Z")
    assert sorted(shop.sent("feed/people")) == sorted([ANN, EVE])


# Evaluations made again


def test_an_evaluation_is_made_again_from_its_own_view(shop: Shop) -> None:
    """E8, P9: lost memberships come back as they were, by the view and the events that the evaluation recorded."""
    shop.evaluate(f"{FRIDAY}T02:00Z")
    before = {name: shop.memberships(name) for name in ("all", "clients", "visitors")}
    hold(shop, "crm", SATURDAY, ("C9", "new@x.com"))
    hold(shop, "web", SATURDAY, ("k7", "bob@x.com", "2026-11-20"))
    for file in (shop.root / ".muster/memberships").rglob("*.parquet"):
        file.unlink()
    shop.ok("state", "repair", "--yes")
    assert {name: shop.memberships(name) for name in before} == before
