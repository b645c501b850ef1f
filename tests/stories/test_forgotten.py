"""A forgotten person is in no file from then on, comes back by no way, and is not in the state any more (G8)."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.crash_shop import ledger_of
from support.erased import holding
from support.shop import STATUS, Shop, identities, person

INCREMENTAL = {"audience": "all", "export": "incremental", "schedule": {"at": "05:00"}}
MAPPING = ["profile_id", {"source": "email", "mandatory": True}]
HERS = ("anna-7", "phone-anna")


def someone(name: str, *phones: str, **more: Any) -> dict[str, Any]:
    """A person with one or more phone numbers as identities."""
    return person(name, **more) | {"identity_map": identities(Phone=phones or [f"phone-{name}"])}


PEOPLE = [someone("anna-7"), someone("bert-8"), someone("cora-9", vip=False)]
OTHERS = PEOPLE[1:]


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """One receiver that is told of exits, and one that gets everybody."""
    shop = Shop(tmp_path / "shop", evaluation={"schedule": {"at": "02:00"}})
    shop.audience("all", where="vip")
    shop.destination("crm", mapping=[*MAPPING, STATUS], activations=[INCREMENTAL])
    shop.destination("lake", mapping=["profile_id"], activations=[INCREMENTAL | {"export": "full"}])
    return shop


@pytest.fixture
def wide(shop: Shop) -> Shop:
    """A receiver that is not told of exits besides, one of whoever asks, and an audience of a feed."""
    shop.audience("listed", source="memberships")
    shop.feed([("listed", name, "realized", "2026-11-20T01:00Z") for name in ("anna-7", "bert-8")])
    shop.destination(
        "crm", mapping=[*MAPPING, STATUS], activations=[INCREMENTAL, {**INCREMENTAL, "audience": "listed"}]
    )
    shop.destination("mute", mapping=MAPPING, activations=[INCREMENTAL])
    shop.destination("adhoc", mapping=MAPPING, activations=[{"audience": "listed", "schedule": "on_demand"}])
    return shop


def night(shop: Shop, day: str, rows: list[dict[str, Any]] | pl.DataFrame | None = None) -> None:
    """A snapshot, and `muster run` at 05:00, which evaluates and exports."""
    if rows is not None:
        shop.profiles(day, rows)
    shop.run(f"{day}T05:00Z")


def sent(shop: Shop, key: str) -> list[str]:
    """The rows of the last file of an activation: ids, and whether they exited."""
    rows = [row for file in shop.runs(key)[-1]["files"] for row in shop.rows(file["path"].removeprefix("out/"))]
    return [f"{row['profile_id']} exited" if row.get("status") == "exited" else row["profile_id"] for row in rows]


def forget(shop: Shop, *who: str) -> dict[str, Any]:
    """`muster profiles forget --json`, and `state check` after it."""
    found: dict[str, Any] = shop.ok("profiles", "forget", *who, "--json").json
    assert shop.ok("state", "check").out == ""
    return found


def test_the_state_has_nothing_of_a_forgotten_person_once_the_exits_were_sent(wide: Shop) -> None:
    """G8: at once only the delivered sets have the person from which an exit is to be sent, and after it none; id and
    identity are in no file, no byte and no row; the source data having the person for ever, the state never has.
    """
    shop = wide
    night(shop, "2026-11-20", PEOPLE)
    shop.ok("export", "adhoc/listed", "--at", "2026-11-20T06:00Z")
    kinds = {name.partition("/")[0] for name in holding(shop, *HERS)}
    assert kinds == {"baselines", "decisions", "memberships", "numbering"}
    [roster] = (shop.root / ".muster/rosters").glob("*")
    digest = pl.read_parquet(roster)["identity_digest"][0]
    forget(shop, "anna-7")
    [roster] = (shop.root / ".muster/rosters").glob("*")
    assert digest not in pl.read_parquet(roster)["identity_digest"].to_list()
    waiting = [name.rpartition("/")[0] for name in holding(shop, *HERS)]
    assert waiting == ["baselines/crm/all", "baselines/crm/listed"]
    night(shop, "2026-11-21", PEOPLE)
    assert [sent(shop, key) for key in ("crm/all", "crm/listed")] == [["anna-7 exited"]] * 2
    assert [sent(shop, key) for key in ("mute/all", "lake/all")] == [[], ["bert-8"]]
    assert holding(shop, *HERS) == []
    night(shop, "2026-11-22", PEOPLE)
    assert [sent(shop, key) for key in ("crm/all", "crm/listed", "mute/all", "lake/all")] == [[], [], [], ["bert-8"]]
    assert holding(shop, *HERS) == []
    assert shop.ok("state", "check").out == ""
    shop.ok("verify", "--all")
    shop.ok("reconcile", "crm/all")


def test_what_the_command_says(wide: Shop) -> None:
    """G8: the receivers, each with how it comes to know, and the runs and delivered files that hold the person, with
    their rows; on a second call, that nothing is left.
    """
    shop = wide
    night(shop, "2026-11-20", PEOPLE)
    told = forget(shop, "anna-7")
    assert {each["activation"]: each["told_by"] for each in told["receivers"]} == {
        "crm/all": "exit",
        "crm/listed": "exit",
        "mute/all": "hand",
        "lake/all": "full",
    }
    files = {path: each["rows"] for each in told["runs"] for path in each["files"]}
    assert files == {f"{name}_20261120T050000Z.csv": 1 for name in ("crm_all", "crm_listed", "mute_all", "lake_all")}
    assert (told["profiles"], told["identities"], told["memberships"], told["already"]) == (1, 1, 2, False)
    again = forget(shop, "anna-7")
    assert [again[each] for each in ("already", "memberships", "runs")] == [True, 0, []]
    assert [each["told_by"] for each in again["receivers"]] == ["exit", "exit"]
    assert shop.ok("-q", "profiles", "forget", "anna-7").out == ""
    shown = shop.ok("profiles", "forget", "bert-8").out
    assert "by hand" in shown
    assert "out/mute/mute_all_20261120T050000Z.csv" in shown


def test_only_keyed_digests_stay(shop: Shop) -> None:
    """G8: the ledger has a random key, and under it a digest of the id and one of each identity; a night before
    anybody is forgotten leaves the table empty.
    """
    night(shop, "2026-11-20", PEOPLE)
    assert ledger_of(shop)["forgotten"] == []
    forget(shop, "anna-7")
    rows = "".join(ledger_of(shop)["forgotten"])
    assert [rows.count(f"'{kind}'") for kind in ("key", "profile", "identity")] == [1, 1, 1]
    first = ledger_of(shop)["forgotten"]
    forget(shop, "bert-8")
    assert set(first) < set(ledger_of(shop)["forgotten"])


def test_a_forgotten_person_does_not_come_back_under_another_id(shop: Shop) -> None:
    """G8: who has identities, all of them forgotten, is forgotten; who has one more, or none, is not."""
    night(shop, "2026-11-20", PEOPLE)
    forget(shop, "anna-7")
    rows = [
        *OTHERS,
        someone("anna-again", "phone-anna-7"),
        person("anna-at-last") | {"identity_map": identities(Phone=["", "phone-anna-7"])},
        someone("sister", "phone-anna-7", "phone-sister"),
        person("nobody") | {"identity_map": []},
    ]
    night(shop, "2026-11-21", rows)
    assert sent(shop, "lake/all") == ["bert-8", "nobody", "sister"]
    assert holding(shop, "anna-again", "anna-at-last") == []
    night(shop, "2026-11-22", [*OTHERS, someone("sister", "phone-anna-7")])
    assert sent(shop, "crm/all") == ["nobody exited", "sister exited"]
    night(shop, "2026-11-23", [*OTHERS, someone("sister", "phone-anna-7", "phone-sister")])
    assert sent(shop, "crm/all") == ["sister"]


def test_who_has_no_other_identity_is_forgotten_likewise(shop: Shop) -> None:
    """G8: a profile all of whose identities are those of the person is forgotten and erased with it, and counted."""
    night(shop, "2026-11-20", [*PEOPLE, someone("twin", "phone-anna-7"), someone("sister", "phone-anna-7", "other")])
    assert forget(shop, "anna-7")["likewise"] == 1
    night(shop, "2026-11-21")
    assert sent(shop, "lake/all") == ["bert-8", "sister"]
    assert holding(shop, "twin") == []


def test_the_reason_in_counts_and_rejects(wide: Shop) -> None:
    """G8, X2, X6: a forgotten person whom a feed names is left out as `forgotten`, or as `profile_missing` once the
    snapshot lacks the profile; the list of those left out has no id.
    """
    shop = wide
    shop.destination("crm", mapping=MAPPING, activations=[{**INCREMENTAL, "audience": "listed", "export": "full"}])
    night(shop, "2026-11-20", PEOPLE)
    forget(shop, "anna-7")
    night(shop, "2026-11-21", PEOPLE)
    assert shop.runs("crm/listed")[-1]["excluded_by"] == {"forgotten": 1}
    [left_out] = shop.ok("runs", "rejects", "crm/listed", "--json").json
    assert left_out["profile_id"] is None
    assert "(forgotten)" in shop.ok("runs", "rejects", "crm/listed").out
    night(shop, "2026-11-22", OTHERS)
    assert shop.runs("crm/listed")[-1]["excluded_by"] == {"profile_missing": 1}
    assert holding(shop, *HERS) == []


def test_who_had_been_left_out_is_erased_from_the_lists(shop: Shop) -> None:
    """G8, M2: a list of those left out loses the id, and keeps the reason."""
    night(shop, "2026-11-20", [person("anna-7") | {"email": None}, *OTHERS])
    forget(shop, "anna-7")
    assert shop.ok("runs", "rejects", "crm/all", "--json").json == [
        {"profile_id": None, "reason": "mandatory:email"},
    ]
    assert holding(shop, *HERS) == []


def test_somebody_is_forgotten_before_anything_else_happened(shop: Shop) -> None:
    """G8: a workspace in which nothing ran yet keeps the digests, and the first night knows them."""
    shop.profiles("2026-11-20", PEOPLE)
    forget(shop, "anna-7")
    night(shop, "2026-11-20")
    assert sent(shop, "crm/all") == ["bert-8"]
    assert holding(shop, *HERS) == []


def test_on_demand_goes_by_the_newest_snapshot_too(shop: Shop) -> None:
    """G8, X7: who was a member, and has only forgotten identities since, is in no file made on demand."""
    both = [someone("anna-7"), someone("sister", "phone-anna-7", "other")]
    night(shop, "2026-11-20", both)
    forget(shop, "anna-7")
    shop.destination("adhoc", mapping=MAPPING, activations=[{"audience": "all", "schedule": "on_demand"}])
    shop.ok("export", "adhoc/all", "--at", "2026-11-20T06:00Z")
    assert sent(shop, "adhoc/all") == ["sister"]
    shop.profiles("2026-11-21", [someone("sister", "phone-anna-7")])
    shop.ok("export", "adhoc/all", "--at", "2026-11-21T06:00Z")
    assert sent(shop, "adhoc/all") == []
    assert shop.runs("adhoc/all")[-1]["excluded_by"] == {"forgotten": 1}


def test_the_duplicate_of_a_forgotten_person_comes_in(shop: Shop) -> None:
    """G8, M3: who was a duplicate of the forgotten person is sent, and no exit takes the key away again; the list of
    those left out has no id.
    """
    shop.destination("crm", mapping=[*MAPPING, STATUS], deduplicate=["email"], activations=[INCREMENTAL])
    pair = [someone("anna-7", email="one@x.com"), someone("bert-8", email="one@x.com")]
    night(shop, "2026-11-20", pair)
    assert sent(shop, "crm/all") == ["anna-7"]
    forget(shop, "anna-7")
    night(shop, "2026-11-21", pair)
    assert sent(shop, "crm/all") == ["bert-8"]
    assert shop.runs("crm/all")[-1]["excluded_by"] == {"duplicate": 1}
    assert holding(shop, *HERS) == []


@pytest.mark.parametrize(
    ("who", "message"),
    [
        (["anna"], "nobody has the id 'anna'"),
        (["Phone:phone-nobody"], "holds the identity 'Phone:phone-nobody'"),
        (["Phone:shared"], "2 profiles in data/profiles/2026-11-20 hold the identity 'Phone:shared'"),
        (["--identity", "Phone"], "expected NAMESPACE:ID"),
        (["anna-7", "--id", "bert-8"], "expected one of"),
        ([":x"], "expected NAMESPACE:ID"),
    ],
)
def test_requests_that_are_refused(shop: Shop, who: list[str], message: str) -> None:
    """G8, SPEC 10: whom nobody knows, and whom several could be, is refused in one message, and nothing changes."""
    night(shop, "2026-11-20", [*PEOPLE, someone("one", "shared", "1"), someone("two", "shared", "2")])
    before = shop.tree(".muster")
    result = shop.muster("profiles", "forget", *who)
    assert (result.code, message in result.err) == (2, True), result.err
    assert ledger_of(shop)["forgotten"] == []
    assert shop.tree(".muster").keys() == before.keys()


def test_whom_the_command_finds(shop: Shop) -> None:
    """G8: an identity names who holds it, or everybody with --all; --id takes an id with a colon; an id that only the
    state knows is forgotten, one that nobody has only with --even-unknown, and then it never comes in.
    """
    more = [someone("urn:1"), someone("one", "shared", "1"), someone("two", "shared", "2"), someone("gone")]
    night(shop, "2026-11-20", [*PEOPLE, *more])
    shop.profiles("2026-11-21", [*PEOPLE, *more[:3]])
    assert forget(shop, "Phone:phone-anna-7")["profiles"] == 1
    assert forget(shop, "Phone:shared", "--all")["profiles"] == 2
    assert forget(shop, "--id", "urn:1")["profiles"] == 1
    assert forget(shop, "gone")["memberships"] == 1
    assert forget(shop, "new-one", "--even-unknown")["runs"] == []
    night(shop, "2026-11-22", [*PEOPLE, *more, someone("new-one")])
    assert sent(shop, "lake/all") == ["bert-8"]
    assert holding(shop, "anna-7", "urn:1", "phone-urn", "gone", "new-one") == []


def test_an_exit_is_sent_without_a_trace_of_whom_the_source_lacks_now(shop: Shop) -> None:
    """G8, X3d: the exit goes out although the newest snapshot lacks the person, and leaves nothing in the state."""
    night(shop, "2026-11-20", PEOPLE)
    forget(shop, "anna-7")
    night(shop, "2026-11-21", OTHERS)
    assert sent(shop, "crm/all") == ["anna-7 exited"]
    assert holding(shop, *HERS) == []


def test_runs_with_somebody_who_is_forgotten_by_now_are_not_made_again(shop: Shop) -> None:
    """G8: whose identities are all forgotten today is put nowhere again, though nobody erased the rows."""
    night(shop, "2026-11-20", [*PEOPLE, someone("sister", "phone-anna-7", "other")])
    forget(shop, "anna-7")
    night(shop, "2026-11-21", [*OTHERS, someone("sister", "phone-anna-7", "other"), someone("dora")])
    run = shop.runs("lake/all")[-1]["run_id"]
    shop.ok("replay", run, "--to", str(shop.root / "before"))
    shop.profiles("2026-11-22", [*OTHERS, someone("sister", "phone-anna-7")])
    assert "1 of their 3 rows" in shop.muster("replay", run, "--to", str(shop.root / "again")).err


def test_runs_whose_rows_were_erased_are_not_made_again(shop: Shop) -> None:
    """G8: `replay` and `redeliver` of a run that sent the person say so in one message; other runs are made again."""
    night(shop, "2026-11-20", PEOPLE)
    night(shop, "2026-11-21", [*PEOPLE, someone("dora-1")])
    first, second = (run["run_id"] for run in shop.runs("crm/all"))
    forget(shop, "anna-7")
    for key in ("crm/all", "lake/all"):  # rows of its own, and those of the evaluation
        run = shop.runs(key)[0]["run_id"]
        result = shop.muster("replay", run, "--to", str(shop.root / "again"))
        assert result.code == 2
        assert "without 1 of their 2 rows" in result.err
        assert len(result.err.splitlines()) == 1
    (shop.root / "out/crm/crm_all_20261120T050000Z.csv").unlink()
    assert "forgotten since" in shop.muster("redeliver", first).err
    shop.ok("replay", second, "--to", str(shop.root / "again"))


def test_exits_that_will_never_come_are_for_the_user_to_tell(wide: Shop) -> None:
    """G8: a receiver whose activation is gone, disabled or ended is named, and the delivered row goes at once."""
    shop = wide
    night(shop, "2026-11-20", PEOPLE)
    past = {"at": "05:00", "end": "2026-11-21"}
    shop.destination(
        "crm",
        mapping=[*MAPPING, STATUS],
        activations=[INCREMENTAL | {"enabled": False}, INCREMENTAL | {"audience": "listed", "schedule": past}],
    )
    (shop.root / "destinations/mute.yml").unlink()
    told = forget(shop, "anna-7")
    how = {each["activation"]: each["told_by"] for each in told["receivers"]}
    assert how == {"crm/all": "hand", "crm/listed": "hand", "mute/all": "hand", "lake/all": "full"}
    assert holding(shop, *HERS) == []


def test_the_counts_of_evaluations_follow(shop: Shop) -> None:
    """G8, E5: an evaluation counts those whom it still has; the next one goes on from there, and moves nobody."""
    night(shop, "2026-11-20", PEOPLE)
    forget(shop, "anna-7")
    [audience] = [each for each in shop.ok("audiences", "list", "--json").json if each["id"] == "all"]
    assert (audience["realized"], audience["entered"]) == (1, 1)
    night(shop, "2026-11-21", PEOPLE)
    [audience] = [each for each in shop.ok("audiences", "list", "--json").json if each["id"] == "all"]
    assert [audience[each] for each in ("realized", "entered", "exited")] == [1, 0, 0]


def test_forgotten_people_stay_so_when_profiles_are_numbered_anew(shop: Shop) -> None:
    """G8: a numbering that is lost loses nobody who was forgotten."""
    night(shop, "2026-11-20", PEOPLE)
    forget(shop, "anna-7")
    for path in (shop.root / ".muster/numbering").glob("*"):
        path.unlink()
    night(shop, "2026-11-21", PEOPLE)
    assert sent(shop, "lake/all") == ["bert-8"]
    night(shop, "2026-11-22", PEOPLE)
    assert holding(shop, *HERS) == []


def test_damaged_memberships_are_made_again_without_forgotten_people(shop: Shop) -> None:
    """G8: `state repair --reevaluate` after somebody was forgotten makes just what the state had."""
    (shop.root / "destinations/crm.yml").unlink()
    shop.audience("more", where="true")
    night(shop, "2026-11-20", PEOPLE)
    forget(shop, "anna-7")
    [block] = (shop.root / ".muster/memberships").glob("*.parquet")
    before = block.read_bytes()
    block.write_bytes(before[:60] + bytes([before[60] ^ 255]) + before[61:])
    assert shop.muster("state", "check").code == 2
    shop.ok("state", "repair", "--yes")
    assert holding(shop, *HERS) == []


def test_nobody_is_forgotten_while_a_run_is_unfinished_or_a_file_is_damaged(wide: Shop) -> None:
    """G8, S6, SPEC 10: the message says what to do first, and nothing changes."""
    shop = wide
    night(shop, "2026-11-20", PEOPLE)
    [decision] = (shop.root / ".muster/baselines/crm/listed").glob("*")
    decision.write_bytes(b"oops")
    result = shop.muster("profiles", "forget", "anna-7")
    assert (result.code, "damaged" in result.err) == (2, True)
    assert ledger_of(shop)["forgotten"] == []


def test_files_in_parts(shop: Shop) -> None:
    """G8, F2: of a delivery in several files those are named that hold the person."""
    shop.destination(
        "parts", mapping=["profile_id", "email"], deduplicate=["email"], max_rows_per_file=1, activations=[INCREMENTAL]
    )
    night(shop, "2026-11-20", PEOPLE)
    night(shop, "2026-11-21", [*PEOPLE, someone("xena"), someone("zoe")])
    told = forget(shop, "zoe")
    [run] = [each for each in told["runs"] if each["activation"] == "parts/all"]
    assert run["files"] == ["parts_all_20261121T050000Z_2.csv"]


@pytest.mark.parametrize("spelling", ["struct", "map"])
def test_each_spelling_of_identities(shop: Shop, spelling: str) -> None:
    """G8, D1: identities are known in each spelling of an identity map."""
    held = pl.Struct({"Phone": pl.List(pl.String), "Email": pl.List(pl.Struct({"id": pl.String}))})
    ids = [{"Phone": [f"phone-{name}"], "Email": [{"id": f"mail-{name}"}]} for name in ("anna-7", "bert-8")]
    frame = pl.DataFrame({"profile_id": ["anna-7", "bert-8"], "email": ["a", "b"], "vip": [True, True]})
    if spelling == "struct":
        column = pl.Series("identity_map", ids, dtype=held)
    else:
        phones = [{"Phone": each["Phone"]} for each in ids]
        column = pl.Series("identity_map", phones, dtype=pl.Map(pl.String, pl.List(pl.String)))
    night(shop, "2026-11-20", frame.with_columns(column))
    assert forget(shop, "Phone:phone-anna-7")["identities"] == (2 if spelling == "struct" else 1)
    anew = frame.with_columns(column, profile_id=pl.col("profile_id").replace("anna-7", "again"))
    night(shop, "2026-11-21", anew)
    assert sent(shop, "lake/all") == ["bert-8"]
