"""What the commands about sources, identity graphs and people of sources say (P, SPEC 9)."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.receiver import Receiver
from support.shop import STATUS, Shop, identities
from support.sourced import CRM, SOURCES, hold, id_of, sourced

FRIDAY, SATURDAY = "2026-11-20", "2026-11-21"
AT, LATER = f"{FRIDAY}T05:00Z", f"{SATURDAY}T05:00Z"
POLICY_COMMANDS = (("graph", "show", "CRMID:C1"), ("graph", "stats"), ("profiles", "show", "CRMID:C1"))


def shown(shop: Shop, *words: str, at: str = AT) -> Any:
    """What a command prints as JSON."""
    return shop.ok(*words, "--at", at, "--json").json


def pairs(links: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    """The identities of links: ``("CRMID:C1", "Email:a@x.com")``."""
    return [tuple(f"{each['namespace']}:{each['id']}" for each in link["identities"]) for link in links]


def two_sources(root: Path, **settings: Any) -> Shop:
    """A CRM and cards: Ann is in both, Bob in one of them."""
    shop = sourced(root, "crm", "cards", **settings)
    hold(shop, "crm", FRIDAY, ("C1", " ANN@x.com"), ("C2", "bob@x.com"), (None, "eve@x.com"))
    hold(shop, "cards", FRIDAY, ("K1", "ann@x.com", "2026-11-19", False), ("K2", "n/a", "2026-11-18", True))
    return shop


# Where there are no sources


@pytest.mark.parametrize("command", [("sources", "list"), ("sources", "show", "crm"), *POLICY_COMMANDS])
def test_a_workspace_with_a_path_has_no_sources(tmp_path: Path, command: tuple[str, ...]) -> None:
    """SPEC 9: each command says that profiles have a path, and how they would be made of sources; exit 2."""
    result = Shop(tmp_path).muster(*command)
    assert (result.code, result.out) == (2, "")
    assert "profiles are read from 'data/profiles'" in result.err
    assert "`profiles: {from: sources}`" in result.err


@pytest.mark.parametrize("command", POLICY_COMMANDS)
def test_an_unknown_policy_is_refused(tmp_path: Path, command: tuple[str, ...]) -> None:
    """SPEC 10: the nearest name; exit 2."""
    shop = two_sources(tmp_path, merge_policies={"crm-view": {"attributes": {"precedence": ["crm"]}}})
    result = shop.muster(*command, "--policy", "crm-vew", "--at", AT)
    assert (result.code, result.err) == (2, "error: there is no merge policy 'crm-vew'; did you mean 'crm-view'?\n")


# sources


def test_sources_list_counts_what_each_gives(tmp_path: Path) -> None:
    """P1, P2: records, fragments, identities and links of each source, what was left out and why, and its age."""
    crm, cards = sorted(shown(two_sources(tmp_path), "sources", "list"), key=lambda each: each["id"], reverse=True)
    assert {key: crm[key] for key in ("records", "fragments", "identities", "links", "left_out", "age")} == {
        "records": 3,
        "fragments": 2,
        "identities": 4,
        "links": 2,
        "left_out": {"no_primary": 1},
        "age": 5 * 3600,
    }
    assert {key: cards[key] for key in ("records", "fragments", "identities", "links", "left_out", "newest")} == {
        "records": 2,
        "fragments": 1,
        "identities": 2,
        "links": 1,
        "left_out": {"deleted": 1},
        "newest": "2026-11-19T00:00:00Z",
    }
    assert (crm["policies"], cards["mode"], crm["error"]) == (["default"], "changes", None)


def test_identities_that_name_nobody_are_counted_by_reason(tmp_path: Path) -> None:
    """P2: empty, blocked, a word such as null; a record with more than 20 identities."""
    shop = sourced(tmp_path, "crm")
    shop.set(
        namespaces={"Email": {"type": "email", "priority": 2, "normalize": ["trim"], "blocked": ["none@none.com"]}}
    )
    many = identities(Email=[f"{number}@x.com" for number in range(21)])
    crm = {
        "path": "data/crm",
        "identities": [{"column": "crm_id", "namespace": "CRMID", "primary": True}, {"identity_map": "identity_map"}],
    }
    shop.write("sources/crm.yml", crm)
    maps = [identities(Email=["none@none.com"]), identities(Email=["NULL"]), many]
    shop.parquet(
        f"data/crm/{FRIDAY}.parquet",
        [{"crm_id": f"C{number}", "identity_map": each} for number, each in enumerate(maps)],
    )
    [found] = shown(shop, "sources", "list")
    assert found["left_out"] == {"too_many_identities": 1, "blocked": 1, "built_in": 1}
    text = shop.ok("sources", "show", "crm", "--at", AT).out
    assert "records with more than 20 identities, which link nothing" in text
    assert "identities that their namespace blocks" in text


def test_the_newest_event_is_told_beside_one_of_tomorrow(tmp_path: Path) -> None:
    """D2, D3: the newest time is that of the newest row up to the instant, also where a later row is in its file."""
    shop = sourced(tmp_path, "crm", "web")
    hold(shop, "crm", FRIDAY, ("C1", "ann@x.com"))
    hold(shop, "web", FRIDAY, ("k1", None, "2026-11-19"), ("k1", None, "2026-11-18"), ("k1", None, "2026-11-22"))
    web = shown(shop, "sources", "show", "web")
    assert (web["records"], web["newest"], web["age"]) == (2, "2026-11-19T00:00:00Z", 29 * 3600)


def test_a_stale_source_is_called_stale(tmp_path: Path) -> None:
    """D2: the age alone, 36 h of 36 h and a minute, does not tell somebody without colours that `max_age` is over."""
    shop = sourced(tmp_path, "crm")
    shop.write("sources/crm.yml", CRM | {"max_age": "36h"})
    hold(shop, "crm", FRIDAY, ("C1", "ann@x.com"))
    for command in (("list",), ("show", "crm")):
        assert "stale" not in shop.ok("sources", *command, "--at", "2026-11-21T12:00Z").out
        assert "stale" in shop.ok("sources", *command, "--at", "2026-11-21T12:01Z").out


def test_a_source_that_cannot_be_read_says_why_and_hides_no_other(tmp_path: Path) -> None:
    """P1: the list shows the others; numbers of the damaged one are null."""
    shop = two_sources(tmp_path)
    (tmp_path / f"data/cards/{FRIDAY}.parquet").write_bytes(b"PAR1")
    cards, crm = shown(shop, "sources", "list")
    assert crm["records"] == 3
    assert (cards["records"], cards["left_out"]) == (None, {})
    assert "data/cards/2026-11-20.parquet" in cards["error"]
    assert cards["error"] in " ".join(shop.ok("sources", "list", "--at", AT).out.split())


def test_an_unknown_source_is_refused(tmp_path: Path) -> None:
    """SPEC 10: the nearest name; exit 2."""
    result = two_sources(tmp_path).muster("sources", "show", "crn", "--at", AT)
    assert (result.code, result.err) == (2, "error: there is no source 'crn'; did you mean 'crm'?\n")


# graph


def test_graph_show_says_where_each_link_is_stated(tmp_path: Path) -> None:
    """P3: identities of one graph, each link once, with the newest record that states it."""
    shop = two_sources(tmp_path)
    hold(shop, "cards", "2026-11-18", ("K1", "old@x.com", "2026-11-01", False))
    found = shown(shop, "graph", "show", "Email:Ann@X.com ")
    assert found["profile_id"] == id_of("CRMID", "C1")
    assert [(each["namespace"], each["id"], each["primary"]) for each in found["identities"]] == [
        ("CRMID", "C1", True),
        ("Card", "K1", True),
        ("Email", "ann@x.com", False),
    ]
    assert pairs(found["links"]) == [("CRMID:C1", "Email:ann@x.com"), ("Card:K1", "Email:ann@x.com")]
    assert [(each["source"], each["file"], each["time"]) for each in found["links"]] == [
        ("crm", "data/crm/2026-11-20.parquet", "2026-11-20T00:00:00Z"),
        ("cards", "data/cards/2026-11-20.parquet", "2026-11-19T00:00:00Z"),
    ]
    assert (found["refused"], found["shared"]) == ([], [])


def test_graph_show_says_why_links_do_not_hold(tmp_path: Path) -> None:
    """P4, P5, P6: a shared identity, a second value of a unique namespace, a graph that is too large."""
    shop = sourced(tmp_path, "crm", "web", identity_graph={"max_links": 4, "max_identities": 3})
    hold(shop, "crm", FRIDAY, ("C1", "ann@x.com"), ("C2", "bea@x.com"), *((f"T{n}", "till@x.com") for n in range(5)))
    tablet = [("tablet", "ann@x.com", "2026-11-18"), ("tablet", "bea@x.com", "2026-11-19")]
    hold(shop, "web", FRIDAY, *tablet, ("k1", "ann@x.com", "2026-11-17"), ("k2", "ann@x.com", "2026-11-16"))
    ann = shown(shop, "graph", "show", "CRMID:C1")
    assert {pair: each["reason"] for pair, each in zip(pairs(ann["refused"]), ann["refused"], strict=True)} == {
        ("Cookie:tablet", "Email:ann@x.com"): "unique",
        ("Cookie:k2", "Email:ann@x.com"): "size",
    }
    assert [each["id"] for each in ann["identities"]] == ["C1", "k1", "ann@x.com"]
    apart = [[held["id"] for held in each["apart"]] for each in ann["refused"] if each["reason"] == "unique"]
    assert apart == [["C2", "C1"]]
    assert "two CRMID: C1, C2" in shop.ok("graph", "show", "CRMID:C1", "--at", AT).out
    till = shown(shop, "graph", "show", "Email:till@x.com")
    assert (till["profile_id"], till["links"], len(till["refused"])) == (None, [], 5)
    assert till["shared"] == [{"namespace": "Email", "id": "till@x.com", "neighbours": 5}]
    stats = shown(shop, "graph", "stats")
    assert stats["shared"] == till["shared"]
    assert pairs(stats["refused"]) == [("Cookie:tablet", "Email:ann@x.com")]
    assert stats["cut"] == [{"namespace": "Cookie", "id": "k2"}]
    assert stats["sizes"] == [{"identities": 1, "graphs": 5}, {"identities": 3, "graphs": 2}]
    assert (stats["graphs"], stats["identities"], stats["unknown"]) == (7, 11, 2)


@pytest.mark.parametrize(
    ("identity", "message"),
    [
        ("Email:zoe@x.com", "no record holds the identity 'Email:zoe@x.com' at 2026-11-20T05:00:00Z"),
        ("Email:n/a", "Email:n/a: such an identity names nobody"),
        ("Emil:ann@x.com", "there is no identity namespace 'Emil'; did you mean 'Email'?"),
        ("ann@x.com", "ann@x.com: expected NAMESPACE:ID, such as Email:ann@x.com"),
    ],
)
def test_graph_show_says_what_it_looked_for(tmp_path: Path, identity: str, message: str) -> None:
    """SPEC 10: an identity that nobody has, or that cannot be one; exit 2."""
    result = two_sources(tmp_path).muster("graph", "show", identity, "--at", AT)
    assert (result.code, result.out) == (2, "")
    assert message in result.err


def test_graph_stats_counts_merges_and_splits_since_the_build_before(tmp_path: Path) -> None:
    """P7: ids that became aliases, and profiles that came out of others, in the newest build."""
    shop = two_sources(tmp_path)
    shop.ok("profiles", "build", "--at", AT)
    assert shown(shop, "graph", "stats")["previous_at"] is None
    hold(shop, "crm", SATURDAY, ("C1", "ann@x.com"), ("C2", "bob@x.com"))
    hold(shop, "cards", SATURDAY, ("K1", "other@x.com", "2026-11-20", False), ("K3", "bob@x.com", "2026-11-20", False))
    [built] = shop.ok("profiles", "build", "--at", LATER, "--json").json
    stats = shown(shop, "graph", "stats", at=LATER)
    assert (stats["previous_at"], stats["merged"], stats["split"]) == ("2026-11-20T05:00:00Z", 0, 1)
    assert (built["built"], built["merged"], built["split"], built["profiles"]) == (True, 0, 1, 3)
    assert list((tmp_path / built["folder"]).glob("*.parquet"))
    [again] = shop.ok("profiles", "build", "--at", f"{SATURDAY}T06:00Z", "--json").json
    assert (again["built"], again["build"], again["at"]) == (False, built["build"], "2026-11-21T05:00:00Z")


def test_a_policy_that_cannot_be_built_fails_alone(tmp_path: Path) -> None:
    """X1: the others are built, and the command says why; exit 1, and 2 when none could be."""
    shop = two_sources(tmp_path, merge_policies={"crm-only": {"sources": ["crm"]}})
    (tmp_path / f"data/cards/{FRIDAY}.parquet").unlink()
    result = shop.muster("profiles", "build", "--at", AT, "--json")
    assert result.code == 1
    assert [(each["policy"], each["error"] is None) for each in result.json] == [("crm-only", True), ("default", False)]
    assert "error: merge policy 'default': " in result.err
    (tmp_path / f"data/crm/{FRIDAY}.parquet").unlink()
    assert shop.muster("profiles", "build", "--at", AT).code == 2


# profiles show


@pytest.fixture(scope="module")
def merged(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """Ann was two profiles on Friday, both were sent, and is one on Saturday; nobody changes this shop."""
    shop = sourced(tmp_path_factory.mktemp("merged"), "crm", "cards")
    hold(shop, "crm", FRIDAY, ("C1", "ann@x.com"))
    hold(shop, "cards", FRIDAY, ("K1", "anna@y.com", "2026-11-19", False))
    shop.crm(mapping=["profile_id", "email", STATUS], deduplicate=["email"])
    shop.evaluate(f"{FRIDAY}T02:00Z")
    shop.run(AT)
    hold(shop, "crm", SATURDAY, ("C1", "anna@y.com"))
    shop.evaluate(f"{SATURDAY}T02:00Z")
    return shop


def test_profiles_show_says_from_where_each_value_is(tmp_path: Path) -> None:
    """P1, P8: exactly these keys; each attribute with the source that gave it, fragments, identities."""
    shop = two_sources(tmp_path)
    found = shown(shop, "profiles", "show", "Email:ann@x.com")
    assert sorted(found) == sorted(
        ["profile_id", "attributes", "sources", "identities", "fragments", "audiences", "aliases"]
    )
    assert found["profile_id"] == id_of("CRMID", "C1")
    assert found["attributes"]["email"] == " ANN@x.com"  # of the newer record, as it is written
    assert found["sources"]["email"] == "crm"
    assert found["sources"]["changed"] == "cards"
    assert found["identities"] == identities(CRMID=["C1"], Card=["K1"], Email=["ann@x.com"])
    assert found["fragments"] == [
        {"source": "cards", "namespace": "Card", "id": "K1", "time": "2026-11-19T00:00:00Z"},
        {"source": "crm", "namespace": "CRMID", "id": "C1", "time": "2026-11-20T00:00:00Z"},
    ]
    assert (found["audiences"], found["aliases"]) == ([], [])


def test_precedence_says_the_source_that_comes_first(tmp_path: Path) -> None:
    """P8: by precedence the older record of the first source; columns that it lacks are of the next."""
    policies = {"cards-first": {"attributes": {"precedence": ["cards", "crm"]}}}
    found = shown(
        two_sources(tmp_path, merge_policies=policies), "profiles", "show", "Card:K1", "--policy", "cards-first"
    )
    assert (found["attributes"]["email"], found["sources"]["email"]) == ("ann@x.com", "cards")


def test_an_alias_leads_to_the_survivor_and_says_so(merged: Shop) -> None:
    """P7: who was merged is found by the old id; audiences since when, and what was sent under both ids."""
    shop = merged
    survivor, alias = sorted((id_of("CRMID", "C1"), id_of("Card", "K1")))
    found = shown(shop, "profiles", "show", alias, at=LATER)
    assert found == shown(shop, "profiles", "show", survivor, at=LATER)
    assert found == shown(shop, "profiles", "show", "CRMID:C1", at=LATER)
    assert (found["profile_id"], found["aliases"]) == (survivor, [alias])
    [audience] = found["audiences"]
    assert audience == {
        "id": "all",
        "status": "realized",
        "last_qualification_time": "2026-11-20T02:00:00Z",
        "evaluated_at": "2026-11-21T02:00:00Z",
    }
    text = shop.ok("profiles", "show", alias, "--at", LATER).out
    assert f"{alias} is an alias: it was merged into this profile" in " ".join(text.split())
    assert text.count("crm/all") == 2
    assert "ann@x.com" in text


def test_a_person_whom_a_receiver_was_told_of(tmp_path: Path, receiver: Receiver) -> None:
    """P7, V2, G8: messages that told of the person are shown with what was last sent in key columns; once the person is
    forgotten the exit has the same, and then nothing of it stays.
    """
    shop = two_sources(tmp_path)
    shop.audience("everybody", where="true")
    mail = {"source": "email", "target": "mail", "mandatory": True}
    activation = {"id": "a", "audiences": ["everybody"]}
    content = {"name": "API", "kind": "http", "url": receiver.url("/people"), "payload": "profile"}
    mapping = [{"source": "profile_id", "target": "id"}, mail]
    shop.write("destinations/api.yml", {**content, "mapping": mapping, "activations": [activation]})
    shop.evaluate(f"{FRIDAY}T02:00Z", "--no-exports")
    shop.run(AT)
    ann = id_of("CRMID", "C1")
    text = shop.ok("profiles", "show", "CRMID:C1", "--at", AT).out
    assert "api/a" in text
    assert "ANN@x.com" in text.partition("api/a")[2]
    told = shop.ok("profiles", "forget", "CRMID:C1", "--json").json
    assert ("api/a", "exit") in [(each["activation"], each["told_by"]) for each in told["receivers"]]
    receiver.reset()
    shop.run(LATER)
    [exit_] = [each for request in receiver.requests for each in request.json]
    assert (exit_["id"], exit_["mail"]) == (ann, " ANN@x.com")
    assert exit_["segmentMembership"]["ups"]["everybody"]["status"] == "exited"
    assert exit_["identityMap"]["Email"] == [{"id": "ann@x.com"}]
    rows = pl.concat([pl.read_parquet(each) for each in (shop.root / ".muster/baselines/api/a").iterdir()])
    assert ann not in set(rows["profile_id"])
    shop.ok("state", "check")


@pytest.mark.parametrize(
    ("person", "message"),
    [
        ("Email:zoe@x.com", "the identity 'Email:zoe@x.com' leads to no profile in merge policy 'default'"),
        ("0" * 32, f"there is no profile or alias '{'0' * 32}' in merge policy 'default'"),
    ],
)
def test_somebody_who_is_not_there(tmp_path: Path, person: str, message: str) -> None:
    """SPEC 10: exit 2, with what was looked for, where and when."""
    result = two_sources(tmp_path).muster("profiles", "show", person, "--at", AT)
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert "at 2026-11-20T05:00:00Z" in result.err


def test_looking_changes_nothing(tmp_path: Path) -> None:
    """P7, P10: what is looked at before the first build is computed in memory; nothing is recorded or left behind."""
    shop = two_sources(tmp_path)
    before = shop.tree()
    for command in (("sources", "list"), *POLICY_COMMANDS):
        shop.ok(*command, "--at", AT)
    assert shop.tree() == before


@pytest.mark.parametrize("columns", ["80", "140"])
def test_a_person_fits_one_screen(merged: Shop, monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    """SPEC 9: the answer to an agent fits a terminal of 80 columns, and nothing is cut off."""
    monkeypatch.setenv("COLUMNS", columns)
    text = merged.ok("profiles", "show", "CRMID:C1", "--at", LATER).out
    assert max(map(len, text.splitlines())) <= int(columns)
    assert len(text.splitlines()) <= 32
    assert "…" not in text
    for words in ("anna@y.com", "ann@x.com", "realized", "2026-11-20T02:00:00Z", id_of("CRMID", "C1"), "fragment of"):
        assert words in text


def test_logs_hold_no_person(merged: Shop) -> None:
    """SPEC 9: what a log says of these commands has no identity and no value in it."""
    for command in POLICY_COMMANDS:
        result = merged.ok("-v", *command, "--at", LATER, "--json")
        assert json.loads(result.out)
        assert not any(word in result.err for word in ("ann@x.com", "anna@y.com", "C1", "K1"))


def test_a_mistyped_namespace_beside_identity_maps(tmp_path: Path) -> None:
    """SPEC 10: an identity map may hold any namespace, so the identity is looked for; the message has near names."""
    shop = two_sources(tmp_path)
    maps = {
        "path": "data/web",
        "identities": [{"column": "id", "namespace": "Web", "primary": True}, {"identity_map": "ids"}],
    }
    shop.set(namespaces={"Card": {}, "Web": {}})
    shop.write("sources/web.yml", maps)
    shop.parquet(f"data/web/{FRIDAY}.parquet", pl.DataFrame({"id": ["W1"], "ids": [identities(Email="ann@x.com")]}))
    for command in (("graph", "show"), ("profiles", "show")):
        result = shop.muster(*command, "Emial:ann@x.com", "--at", AT)
        assert (result.code, result.out) == (2, "")
        assert "did you mean 'Email'?" in result.err


def test_profiles_show_names_the_merge_policies_of_other_audiences(tmp_path: Path) -> None:
    """P7: what is shown is of one merge policy; a line says where else audiences and receivers are."""
    shop = two_sources(tmp_path, merge_policies={"crm-view": {"attributes": {"precedence": ["crm"]}}})
    shop.audience("called", where="true", merge_policy="crm-view")
    text = shop.ok("profiles", "show", "CRMID:C1", "--at", AT).out
    assert "in no audience of merge policy default, now or before" in text
    assert "of other merge policies: --policy crm-view" in text
    assert (
        "of other merge policies: --policy default"
        in shop.ok("profiles", "show", "CRMID:C1", "--policy", "crm-view", "--at", AT).out
    )


def test_validate_counts_the_profiles_of_each_merge_policy(tmp_path: Path) -> None:
    """P8: one person is a profile of each policy, so the numbers are told apart."""
    shop = two_sources(tmp_path, merge_policies={"crm-view": {"attributes": {"precedence": ["crm"]}}})
    shop.audience("called", where="true", merge_policy="crm-view")
    text = shop.ok("validate", "--at", AT).out
    assert "fit merge policies crm-view (2 profiles), default (2 profiles)" in text


@pytest.mark.parametrize(("source", "key"), [("cards", "updated_at"), ("web", "timestamp")])
def test_a_missing_column_of_times_is_told_with_its_key(tmp_path: Path, source: str, key: str) -> None:
    """X1: the message says which key of which file names the column."""
    shop = sourced(tmp_path, "cards", "web")
    hold(shop, "cards", FRIDAY, ("K1", "ann@x.com", "2026-11-19", False))
    hold(shop, "web", FRIDAY, ("k9", "ann@x.com", "2026-11-19"))
    shop.write(f"sources/{source}.yml", SOURCES[source] | {key: "tim"})
    result = shop.muster("evaluate", "--at", AT)
    assert f"there is no column 'tim' ({key} in sources/{source}.yml)" in result.err
