"""A person whom sources have is forgotten: identities count as blocked, builds are cleaned, nobody comes back (G8)."""

import shutil
from pathlib import Path
from typing import Any

import polars as pl
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
    shop.audience("bert", where="email = 'bert@mail.example'")
    shop.destination("crm", mapping=["profile_id", STATUS], activations=[{"audience": "all", **DAILY}])
    shop.destination("mute", mapping=["profile_id"], activations=[{"audience": "listed", **DAILY}])
    shop.destination(
        "lake", mapping=["profile_id", EMAIL], activations=[{"audience": "each", **DAILY, "export": "full"}]
    )
    asked = [{"audience": each, "schedule": "on_demand"} for each in ("all", "bert")]
    shop.destination("ask", mapping=["profile_id", EMAIL], activations=asked)
    return shop


def feed(shop: Shop, day: str, *rows: tuple[str, str, str]) -> None:
    """Rows of the feed that name people by identities (P12): status, namespace, id."""
    named = [
        {"audience_id": "listed", "namespace": namespace, "id": each, "status": status}
        | {"profile_id": None, "last_qualification_time": f"{day}T01:00:00"}
        for status, namespace, each in rows
    ]
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


def members(shop: Shop, audience: str = "all") -> set[str]:
    """Who is realized in an audience."""
    return {each for each, status in shop.memberships(audience).items() if status.startswith("realized")}


def test_the_state_has_nothing_of_her_once_the_exits_were_sent(shop: Shop) -> None:
    """G8, P10: views, graphs, ids and aliases of every policy are cleaned at once, without a build; the delivered set
    has the id until the exit went out, and after it nothing has. Everybody else keeps the id.
    """
    before = members(shop)
    assert len(holding(shop, *HERS)) > 10
    told = forget(shop, "Email:ANN@mail.example")
    assert (told["profiles"], told["identities"], told["already"]) == (2, 4, False)
    assert [name.partition("/")[0] for name in holding(shop, *HERS)] == ["baselines"]
    assert holding(shop, *ANN.values()) == []
    builds = shop.root / ".muster/graphs/default"
    assert sorted(path.name for path in builds.iterdir()) == ["20261120T050000Z", "20261121T050000Z"]
    night(shop, "2026-11-22")
    assert len(list(builds.iterdir())) == 3
    assert sent(shop, "crm/all") == [f"{HER_ID} exited"]
    assert sent(shop, "lake/each") == [id_of("CRMID", BERT[0])]
    assert members(shop) == before - {HER_ID}
    assert holding(shop, *HERS) == []
    assert shop.ok("state", "check").out == ""


@pytest.mark.parametrize("who", [HER_ID, HER_ALIAS])
def test_whoever_is_named_by_an_id_or_an_alias_is_found(shop: Shop, who: str) -> None:
    """G8, P7: an id means all identities of the profile, in all policies; so does an alias of it."""
    told = forget(shop, who)
    assert (told["profiles"], told["identities"]) == (2, 4)
    assert [name.partition("/")[0] for name in holding(shop, *HERS)] == ["baselines"]
    assert shop.ok("profiles", "forget", who, "--json").json["already"] is True


def test_what_the_command_says(shop: Shop) -> None:
    """G8: who is told how, which files and which sources still hold her, with the number of records."""
    told = forget(shop, "Email:ann@mail.example")
    assert {each["activation"]: each["told_by"] for each in told["receivers"]} == {
        "crm/all": "exit",
        "lake/each": "full",
        "mute/listed": "hand",
    }
    assert {(each["activation"], each["scheduled_time"][:10]): each["rows"] for each in told["runs"]} == {
        ("crm/all", "2026-11-20"): 2,
        ("lake/each", "2026-11-20"): 1,
        ("mute/listed", "2026-11-20"): 1,
        ("crm/all", "2026-11-21"): 2,
        ("lake/each", "2026-11-21"): 2,
        ("mute/listed", "2026-11-21"): 1,
    }
    assert {each["source"]: each["records"] for each in told["sources"]} == {"cards": 2, "crm": 1, "web": 1}
    said = shop.ok("profiles", "forget", "Card:ann-card").out
    assert "(forgotten before)" in said
    assert "sources that hold them:\n  cards: data/cards: 2 records\n" in said


def test_nobody_comes_back(shop: Shop) -> None:
    """G8, P2, P9, P12: not by records of any source, not by events, not by the feed, not under a new id; and a source
    that cannot be read is named, as it may hold her.
    """
    shop.write("sources/old.yml", {"path": "data/old", "profile": False} | {"identities": sourced_identities()})
    (shop.root / "data/old").mkdir()
    (shop.root / "data/old/2026-11-20.parquet").write_bytes(b"PAR1")
    told = forget(shop, HER_ID)
    assert [each for each in told["sources"] if each["records"] is None] == [
        {"source": "old", "path": "data/old", "records": None}
    ]
    hold(shop, "crm", "2026-11-22", ("new-crm", None), BERT, (ANN["CRMID"], "other@mail.example"))
    hold(shop, "cards", "2026-11-22", ("new-card", ANN["Email"], "2026-11-22T01:00", False))
    hold(shop, "web", "2026-11-22", (ANN["Cookie"], "new@mail.example", "2026-11-22T01:00"))
    feed(shop, "2026-11-22", ("realized", "Card", ANN["Card"]), ("realized", "Card", "new-card"))
    shop.audience("seen", where="n > 0", events={"n": {"measure": "count"}})
    night(shop, "2026-11-22")
    others = {id_of("CRMID", "new-crm"), id_of("CRMID", BERT[0]), id_of("Card", "new-card")}
    assert members(shop) == others
    assert members(shop, "listed") == {id_of("CRMID", BERT[0]), id_of("Card", "new-card")}
    assert shop.memberships("seen") == {}
    assert holding(shop, ANN["CRMID"], ANN["Card"], ANN["Cookie"], HER_ID, HER_ALIAS) == []


def sourced_identities() -> list[dict[str, Any]]:
    """The identities of a source that nobody reads."""
    return [{"column": "crm_id", "namespace": "CRMID", "primary": True}]


def test_who_shares_an_identity_stays(shop: Shop) -> None:
    """G8, P5: who shares an address with her keeps the profile, and has the address no more: it counts for nobody."""
    hold(shop, "crm", "2026-11-22", (ANN["CRMID"], ANN["Email"]), ("carl-crm", ANN["Email"]))
    assert forget(shop, HER_ID, at="2026-11-22T02:00Z")["likewise"] == 0
    night(shop, "2026-11-22")
    assert members(shop) == {id_of("CRMID", "carl-crm")}
    assert pl.read_parquet(newest_view(shop))["identity_map"].to_list() == [[{"namespace": "CRMID", "id": "carl-crm"}]]


def test_a_person_of_one_policy_alone(shop: Shop) -> None:
    """G8, P7: without a graph an address may lead to several profiles, of which one is to be named."""
    shop.set(merge_policies={"default": {"graph": "none"}, "plain": {"graph": "none"}})
    said = shop.muster("profiles", "forget", "Email:ann@mail.example", "--at", "2026-11-22T02:00Z")
    assert (said.code, "2 profiles in the profiles of merge policy 'default' hold" in said.err) == (2, True), said.err
    told = forget(shop, id_of("Card", ANN["Card"]), at="2026-11-22T02:00Z")
    assert (told["profiles"], told["identities"]) == (1, 2)
    assert forget(shop, f"CRMID:{ANN['CRMID']}", at="2026-11-22T06:00Z")["profiles"] == 1


@pytest.mark.parametrize(
    ("who", "message"),
    [
        (["nobody", "--even-unknown"], "to keep somebody out who is to come, name an identity and pass --even-unknown"),
        (
            ["Email:nobody@x"],
            "nobody in the sources holds the identity 'Email:nobody@x'; name the profile by its id, or",
        ),
        (["Email:none"], "nobody in the sources holds the identity 'Email:none'"),
    ],
)
def test_requests_that_are_refused(shop: Shop, who: list[str], message: str) -> None:
    """G8, SPEC 10: whom nobody knows is refused in one message, and the state stays as it was."""
    before = shop.tree(".muster")
    said = shop.muster("profiles", "forget", *who, "--at", "2026-11-21T06:00Z")
    assert (said.code, message in said.err) == (2, True), said.err
    after = shop.tree(".muster")
    assert {name: after.get(name) for name in before if "/ro" not in name and "/ledger" not in name} == {
        name: content for name, content in before.items() if "/ro" not in name and "/ledger" not in name
    }


def test_an_identity_is_kept_out_before_it_comes(shop: Shop) -> None:
    """G8: `--even-unknown` blocks an identity that nobody holds yet, cleaned as sources clean it; a second call says
    that it was forgotten before.
    """
    assert forget(shop, "Email: Dora@Mail.example ", "--even-unknown")["already"] is False
    assert forget(shop, "Email:dora@mail.example")["already"] is True
    hold(shop, "cards", "2026-11-22", ("dora-card", "dora@mail.example", "2026-11-22T01:00", False))
    shown = shop.ok("profiles", "show", "Card:dora-card", "--at", "2026-11-22T02:00Z", "--json").json
    assert [each["namespace"] for each in shown["identities"]] == ["Card"]


def newest_view(shop: Shop) -> Path:
    """The newest view of the default policy."""
    return max((shop.root / ".muster/profiles/default").glob("*/*.parquet"))


def test_somebody_whom_only_the_state_knows(shop: Shop) -> None:
    """G8: who left the sources is found in the newest view of the state, with all identities; who is in no view is
    erased by the id that is named.
    """
    for source in ("crm", "cards", "web"):
        for path in (shop.root / f"data/{source}").glob("*"):
            path.unlink()
    hold(shop, "crm", "2026-11-22", BERT)
    hold(shop, "cards", "2026-11-22", ("x-card", None, "2026-11-22T00:00", False))
    hold(shop, "web", "2026-11-22", ("x-cookie", None, "2026-11-22T00:00"))
    told = forget(shop, f"Cookie:{ANN['Cookie']}", at="2026-11-22T02:00Z")
    assert (told["profiles"], told["identities"], told["sources"]) == (2, 4, [])
    assert [name.partition("/")[0] for name in holding(shop, *HERS)] == ["baselines"]


def test_on_demand_and_replay_after_it(shop: Shop) -> None:
    """G8, X7: an export of an evaluation before is without her; what did not hold her is made again as it was, and what
    held her is refused.
    """
    shop.ok("export", "ask/bert", "--at", "2026-11-21T06:00Z")
    run, held = (shop.runs(key)[-1]["run_id"] for key in ("ask/bert", "lake/each"))
    forget(shop, HER_ID, at="2026-11-21T07:00Z")
    shop.ok("export", "ask/all", "--at", "2026-11-21T08:00Z")
    assert sent(shop, "ask/all") == [id_of("CRMID", BERT[0])]
    shop.ok("replay", run, "--to", str(shop.root / "again"))
    assert "without 2 of their 3 rows" in shop.muster("replay", held, "--to", str(shop.root / "held")).err


def test_damaged_memberships_are_made_again_without_her(shop: Shop) -> None:
    """G8, E8: `state repair --reevaluate` reads the view as it is now."""
    forget(shop, HER_ID)
    for path in (shop.root / ".muster/memberships").glob("20261121*.parquet"):
        path.write_bytes(b"oops")
    chosen = [f"--reevaluate={name}" for name in ("all", "bert", "each")]
    assert len(shop.ok("state", "repair", *chosen, "--json").json["done"]) == 3
    assert holding(shop, *ANN.values(), HER_ALIAS) == []


def test_a_source_that_cannot_be_read_stops_no_request(shop: Shop) -> None:
    """G8: who is meant is taken from the newest build then, and the source is named, as it may hold her."""
    (shop.root / "data/crm/2026-11-21.parquet").write_bytes(b"PAR1")
    said = shop.ok("profiles", "forget", HER_ALIAS, "--at", "2026-11-21T06:00Z")
    assert "who is meant is taken from the newest build" in said.err
    assert "forgotten: 2 profiles, 4 identities\n" in said.out
    assert "  crm: data/crm: cannot be read, and may hold them\n" in said.out
    assert holding(shop, *ANN.values()) == []
