"""SPEC 6: which rows and columns a file has. Each docstring is the rule; the rows that must come out are written by
hand.
"""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.shop import SINCE, STATUS, Shop, at, identities, person

EMAIL_IDS = {"source": "identity_map.Email", "target": "Email"}
DOE = "johndoe@example.com"


def vips(root: Path, **content: Any) -> Shop:
    """A shop whose one audience are the profiles with `vip`; they go to `crm` each day at 05:00."""
    shop = Shop(root)
    shop.audience("all", where="vip")
    shop.crm(**content)
    return shop


def qualified(root: Path, people: dict[str, tuple[str, dict[str, Any]]], **content: Any) -> list[str]:
    """What a first export holds of people, each with the time of their qualification and the values of their
    profile.
    """
    shop = Shop(root)
    shop.audience("all", source="memberships")
    shop.crm(**content)
    shop.feed([("all", profile, "realized", time) for profile, (time, _) in people.items()])
    return shop.day("2026-11-20", [{"profile_id": profile} | values for profile, (_, values) in people.items()])


# M1


def test_columns_are_the_mapping_in_its_order_and_nothing_else(tmp_path: Path) -> None:
    """M1: columns are the mapped fields in mapping order; the default target is the source with `.` and `[` as `_` and
    no `]`.
    """
    sources = [
        "segment_membership.status",
        "person.name.first",
        "tags[0]",
        {"source": "profile_id", "target": "Who?"},
        "email",
    ]
    shop = vips(tmp_path, mapping=sources)
    shop.day("2026-11-20", [person("a", person={"name": {"first": "Ann", "last": "Lee"}}, tags=["new", "old"])])
    assert shop.rows("crm/crm_all_20261120T050000Z.csv") == [
        {
            "segment_membership_status": "realized",
            "person_name_first": "Ann",
            "tags_0": "new",
            "Who?": "a",
            "email": "a@x.com",
        }
    ]
    header = (tmp_path / "out/crm/crm_all_20261120T050000Z.csv").read_text().splitlines()[0]
    assert header == "segment_membership_status,person_name_first,tags_0,Who?,email"


def test_one_source_may_be_mapped_twice(tmp_path: Path) -> None:
    """M1, X12: two columns of one source, one of them mandatory, hold the same value, on an exit too."""
    shop = vips(tmp_path, mapping=["email", {"source": "email", "target": "key", "mandatory": True}, STATUS])
    assert shop.day("2026-11-20", [person("a")]) == ["a@x.com,a@x.com,realized"]
    assert shop.day("2026-11-21", [person("b")]) == ["a@x.com,a@x.com,exited", "b@x.com,b@x.com,realized"]


def test_nested_sources_are_columns_like_others(tmp_path: Path) -> None:
    """M1, M2, M3: struct fields and list items may be mapped, mandatory and deduplicated; what is not there is null."""
    first = {"source": "person.emails[0]", "target": "email", "mandatory": True}
    shop = vips(
        tmp_path,
        mapping=["profile_id", first, "person.name.first", "person.emails[1]", STATUS],
        deduplicate=["person.emails[0]"],
    )
    day1 = [
        person("a", person={"emails": ["one@x.com", "two@x.com"], "name": {"first": "Ann"}}),
        person("b", person={"emails": ["one@x.com"], "name": {"first": "Bob"}}),
        person("c", person={"emails": [], "name": None}),
        person("d", person=None),
        person("e", person={"emails": ["e@x.com"], "name": None}),
    ]
    assert shop.day("2026-11-20", day1) == ["a,one@x.com,Ann,two@x.com,realized", "e,e@x.com,,,realized"]
    assert shop.runs()[-1]["excluded_by"] == {"duplicate": 1, "mandatory:email": 2}
    assert shop.day("2026-11-21", day1[1:4]) == ["b,one@x.com,Bob,,realized", "e,e@x.com,,,exited"]


# M2


def test_mandatory_excludes_null_and_the_empty_string(tmp_path: Path) -> None:
    """M2: null or an empty string in a mandatory column excludes the profile, by the first such column in mapping
    order.
    """
    shop = vips(
        tmp_path,
        mapping=[
            "profile_id",
            {"source": "email", "target": "mail", "mandatory": True},
            {"source": "n", "mandatory": True},
        ],
    )
    everybody = [
        person("a", n=0),
        person("b", n=None),
        person("c", n=1) | {"email": ""},
        person("d", n=None) | {"email": None},
        person("e", " ", n=2),
    ]
    assert shop.day("2026-11-20", everybody) == ["a,a@x.com,0", "e, ,2"]
    assert shop.runs()[-1]["excluded_by"] == {"mandatory:mail": 2, "mandatory:n": 1}


# M3: Adobe's worked examples


def doe(first: str, last: str, *emails: str) -> dict[str, Any]:
    return {"personalEmail": DOE, "firstName": first, "lastName": last, "identity_map": identities(Email=emails)}


DOES = {
    "A": ("2021-03-10T10:03:08Z", doe("John", "Doe", DOE, "doejohn_1@example.com")),
    "B": ("2021-04-10T11:33:28Z", doe("John", "D", DOE, "doejohn_2@example.com")),
}


@pytest.mark.parametrize(
    ("mapping", "deduplicate", "rows"),
    [
        (["personalEmail", "firstName", "lastName"], [], [f"{DOE},John,Doe", f"{DOE},John,D"]),
        (["personalEmail", "firstName", "lastName"], ["personalEmail"], [f"{DOE},John,D"]),
        (
            ["personalEmail", "lastName", "firstName"],
            ["personalEmail", "lastName"],
            [f"{DOE},Doe,John", f"{DOE},D,John"],
        ),
        (
            [EMAIL_IDS, "personalEmail", "firstName", "lastName"],
            [],
            [f"doejohn_2@example.com,{DOE},John,D", f"{DOE},{DOE},John,D"],
        ),
    ],
    ids=["no key", "one attribute", "two attributes", "namespace"],
)
def test_the_newest_qualification_stays(
    tmp_path: Path, mapping: list[Any], deduplicate: list[str], rows: list[str]
) -> None:
    """M3, M5: of equal keys the newest last_qualification_time stays; by namespace the loser goes as a whole
    (doejohn_1).
    """
    assert qualified(tmp_path, DOES, mapping=mapping, deduplicate=deduplicate) == rows


@pytest.mark.parametrize("namespace", [False, True], ids=["attribute", "namespace"])
def test_a_tie_goes_to_the_smallest_other_values(tmp_path: Path, namespace: bool) -> None:
    """M3, M5: at one time the other mapped values decide in mapping order: John Doe before John Morris, whatever their
    ids.
    """
    names = {"1": ("test1", "John", "Morris"), "2": ("test1", "John", "Doe"), "3": ("test2", "Frank", "Smith")}
    people = {
        profile: (
            "2024-10-12T09:50Z",
            {
                "mail": f"{mail}@test.com",
                "first": first,
                "last": last,
                "identity_map": identities(Email=[f"{mail}@test.com"]),
            },
        )
        for profile, (mail, first, last) in names.items()
    }
    content = (
        {"mapping": [EMAIL_IDS, "first", "last"]}
        if namespace
        else {"mapping": ["mail", "first", "last"], "deduplicate": ["mail"]}
    )
    assert qualified(tmp_path, people, **content) == ["test1@test.com,John,Doe", "test2@test.com,Frank,Smith"]


@pytest.mark.parametrize(
    ("one", "other", "stays"),
    [
        ({"x": "b", "y": "a"}, {"x": "a", "y": "b"}, "2"),
        ({"x": "a"}, {"x": None}, "2"),
        ({"x": 9}, {"x": 10}, "2"),
        ({"x": "Z"}, {"x": "a"}, "1"),
        ({"x": "é"}, {"x": "z"}, "2"),
        ({"x": "a", "tags": ["b"]}, {"x": "a", "tags": ["a"]}, "1"),
        ({"x": "a", "unmapped": "b"}, {"x": "a", "unmapped": "a"}, "1"),
        ({"x": "a"}, {"x": "a"}, "1"),
    ],
    ids=[
        "mapping order",
        "null first",
        "as text",
        "capitals first",
        "UTF-8 bytes",
        "lists do not count",
        "mapped ones alone",
        "then the id",
    ],
)
def test_what_is_smallest(tmp_path: Path, one: dict[str, Any], other: dict[str, Any], stays: str) -> None:
    """M3: other scalar mapped values are compared in mapping order as CSV text by UTF-8 bytes, null first, then the
    profile ids.
    """
    people = {each: ("2026-11-19T00:00Z", {"k": "same"} | values) for each, values in (("1", one), ("2", other))}
    columns = [*(name for name in ("x", "y", "tags") if name in one), {"source": "k", "target": "k"}]
    rows = qualified(tmp_path, people, mapping=columns, deduplicate=["k"])
    shop = Shop(tmp_path, memberships={"path": "data/memberships"})
    (reject,) = shop.ok("runs", "rejects", shop.runs()[-1]["run_id"], "--json").json
    assert (len(rows), reject) == (1, {"profile_id": "2" if stays == "1" else "1", "reason": "duplicate"})


def test_null_keys_are_never_equal(tmp_path: Path) -> None:
    """M3: a profile with a null in any key is no duplicate; an empty string is a value."""
    people = {
        "a": (None, 1),
        "b": (None, 1),
        "c": ("", 1),
        "d": ("", 1),
        "e": ("e@x.com", None),
        "f": ("e@x.com", None),
    }
    values = {profile: ("2026-11-19T00:00Z", {"email": email, "n": n}) for profile, (email, n) in people.items()}
    assert qualified(tmp_path, values, mapping=["profile_id"], deduplicate=["email", "n"]) == ["a", "b", "c", "e", "f"]


def test_a_key_may_be_unmapped(tmp_path: Path) -> None:
    """M3, X12: a deduplication column that is not in the file decides, and keeps its last sent value all the same."""
    shop = vips(tmp_path, mapping=["profile_id", STATUS], deduplicate=["email"])
    assert shop.day("2026-11-20", [person("a", "one@x.com"), person("b", "one@x.com"), person("c")]) == [
        "a,realized",
        "c,realized",
    ]
    assert shop.day("2026-11-21", [person("a", "one@x.com"), person("c", "one@x.com", vip=False)]) == ["c,exited"]


@pytest.mark.parametrize(
    ("first_to_leave", "row"),
    [("a", "one@x.com,Bob,exited"), ("b", "one@x.com,Al,exited"), ("ab", "one@x.com,Al,exited")],
)
def test_exits_with_one_key_are_one(tmp_path: Path, first_to_leave: str, row: str) -> None:
    """M3: of exits with equal keys one goes out: the newest, or else that with the smallest other values; the rest are
    duplicates.
    """
    shop = vips(tmp_path, mapping=["email", "name", STATUS], deduplicate=["email"])
    shop.day("2026-11-20", [person("a", "one@x.com", name="Al")])
    shop.day(
        "2026-11-21", [person("a", "two@x.com", name="Al"), person("b", "one@x.com", name="Bob")]
    )  # a was sent as one@x.com
    left = [
        person("a", "two@x.com", name="Al", vip="a" not in first_to_leave),
        person("b", name="Bob", vip="b" not in first_to_leave),
    ]
    shop.profiles("2026-11-22", left)
    shop.evaluate("2026-11-22T02:00Z")
    assert shop.day("2026-11-23", [each | {"vip": False} for each in left]) == [row]
    assert shop.runs()[-1]["excluded_by"] == {"duplicate": 1}


def test_an_exit_whose_key_a_new_member_holds_is_no_row(tmp_path: Path) -> None:
    """M3: a receiver that stores by key must not remove somebody who is a member under it now."""
    shop = vips(tmp_path, deduplicate=["email"])
    shop.day("2026-11-20", [person("a", "one@x.com"), person("b")])
    assert shop.day("2026-11-21", [person("b", "b@x.com"), person("c", "one@x.com")]) == ["c,one@x.com,realized"]


def test_an_exit_whose_key_a_member_was_last_sent_under_is_no_row(tmp_path: Path) -> None:
    """M3, X12: at the receiver a member holds the key that it was last sent under, also when its value has changed
    since.
    """
    shop = vips(tmp_path, deduplicate=["email"])
    shop.day("2026-11-20", [person("a", "one@x.com")])
    assert shop.day("2026-11-21", [person("a", "two@x.com"), person("b", "one@x.com")]) == ["b,one@x.com,realized"]
    assert shop.day("2026-11-22", [person("a", "two@x.com")]) == []
    assert shop.runs()[-1]["excluded_by"] == {"duplicate": 1}


# M4


def test_every_unknown_source_is_named_with_the_nearest(tmp_path: Path) -> None:
    """M4: sources that do not exist are an error of the activation with file, line and the nearest names; nothing is
    written.
    """
    shop = vips(tmp_path, mapping=["profile_id", "emial", "person.nam", {"source": "tags[x]", "target": "t"}])
    shop.profiles("2026-11-20", [person("a", person={"name": "Ann"}, tags=["x"])])
    shop.evaluate("2026-11-20T02:00Z")
    result = shop.muster("run", "--at", "2026-11-20T05:00Z")
    assert result.code == 1  # a run was tried (X1)
    assert not (tmp_path / "out").exists()
    for words in (
        "destinations/crm.yml:6: mapping[1]",
        "did you mean 'email'?",
        "'person' has no field 'nam'; did you mean 'name'?",
    ):
        assert words in result.err


def test_a_namespace_needs_an_identity_map(tmp_path: Path) -> None:
    """M4, M5: a namespace mapped on a snapshot without the identity map is a mistake of that activation."""
    shop = vips(tmp_path, mapping=["profile_id", EMAIL_IDS])
    shop.profiles("2026-11-20", [person("a")])
    shop.evaluate("2026-11-20T02:00Z")
    result = shop.muster("run", "--at", "2026-11-20T05:00Z")
    assert result.code == 1  # a run was tried (X1)
    assert "has no identity map 'identity_map'" in result.err


def test_validate_finds_unknown_sources_before_anything_runs(tmp_path: Path) -> None:
    """M4, X1: `validate` reports a mapped column that the snapshot lacks, and writes nothing."""
    shop = vips(tmp_path, mapping=["profile_id", "emial"])
    shop.profiles("2026-11-20", [person("a")])
    before = shop.tree()
    result = shop.muster("validate", "--at", "2026-11-20T02:00Z")
    assert (result.code, shop.tree()) == (2, before)
    assert "crm/all" in result.err
    assert "did you mean 'email'?" in result.err


@pytest.mark.parametrize("form", ["csv", "parquet", "json"])
def test_a_name_is_a_name_whatever_it_looks_like(tmp_path: Path, form: str) -> None:
    """M4, M7, E3, D5: a column, a struct's field, a namespace or an id called like a pattern is that one, and
    no other.
    """
    shop = Shop(tmp_path, profiles={"path": "data/profiles", "id": "^id$", "identity_map": "*"})
    shop.set(events={"path": "data/events", "profile_id": "^who$", "timestamp": "*"})
    seen = at("2026-11-01T10:00Z")
    row = {
        "^id$": "x",
        "id": "wrong",
        "^a$": "right",
        "a": "wrong",
        "*": {"^Email$": ["x@x.com"], "Email": ["wrong@x.com"], "*": ["star"]},
        "p": {"^a$": 1, "a": 2, "*": 3, "seen": seen},
    }
    shop.profiles("2026-11-20", [row], "part-0")
    shop.profiles("2026-11-20", [row | {"^id$": "y", "p": row["p"] | {"^a$": 1.5}}], "part-1")  # type: ignore[operator]
    paid = {"^n$": 5, "n": 1}
    shop.parquet("data/events/e.parquet", [{"^who$": "x", "who": "y", "*": seen, "paid": paid, "^n$": 7, "n": 1}])
    measures = {"fives": 'sum("paid.^n$")', "sevens": 'sum("^n$")'}
    shop.audience(
        "all",
        events={name: {"measure": measure} for name, measure in measures.items()},
        where=(
            "fives IN (0, 5) AND sevens IN (0, 7) AND fives * 7 = sevens * 5 AND p.a = 2 AND "
            "identity_map.Email[1] = 'wrong@x.com'"
        ),
    )
    shop.audience("payers", events={"fives": {"measure": 'sum("paid.^n$")'}}, where="fives = 5")
    expression = {"expression": "p.a + 1", "target": "three"}
    sources = [
        "profile_id",
        "^a$",
        "p.^a$",
        "p.*",
        {"source": "^a$", "target": "*"},
        expression,
        "identity_map.^Email$",
    ]
    activations = [
        {"audience": audience, "export": "full", "schedule": {"at": "05:00"}} for audience in ("all", "payers")
    ]
    shop.destination("d", format=form, mapping=sources, activations=activations)
    shop.ok("validate", "--at", "2026-11-20T05:00Z")
    shop.evaluate("2026-11-20T02:00Z")
    shop.run("2026-11-20T05:00Z")
    assert [list(shop.memberships(name)) for name in ("all", "payers")] == [["x", "y"], ["x"]]
    file = next(name for name in shop.files() if "all" in name)
    read = {"csv": pl.read_csv, "parquet": pl.read_parquet, "json": pl.read_ndjson}[form]
    found = read(tmp_path / "out" / file)
    assert found.columns == ["profile_id", "^a$", "p_^a$", "p_*", "*", "three", "identity_map_^Email$"]
    assert found.rows() == [("x", "right", 1.0, 3, "right", 3, "x@x.com")]


# M5


def test_a_profile_gives_one_row_for_each_identity(tmp_path: Path) -> None:
    """M5: one row per identity of the namespace, sorted; other namespaces do not count, and without one a profile is
    excluded.
    """
    shop = vips(tmp_path, mapping=["profile_id", "identity_map.Email", STATUS])
    everybody = [
        person("b", identity_map=identities(Email=["z@x.com", "a@x.com", "z@x.com"], Phone=["1"])),
        person("a", identity_map=identities(Email=["m@x.com", ""])),
        person("c", identity_map=identities(Phone=["2"])),
        person("d", identity_map=None),
    ]
    assert shop.day("2026-11-20", everybody) == ["a,m@x.com,realized", "b,a@x.com,realized", "b,z@x.com,realized"]
    run = shop.runs()[-1]
    assert (run["received"], run["exported"], run["excluded_by"]) == (4, 2, {"mandatory:identity_map_Email": 2})
    assert [file["rows"] for file in run["files"]] == [3]


def test_a_duplicate_by_identity_goes_as_a_whole(tmp_path: Path) -> None:
    """M5: profiles are taken in M3's order; one that shares an identity with one taken is left out, and frees those it
    shares.
    """

    def who(*emails: str) -> dict[str, Any]:
        return {"identity_map": identities(Email=emails)}

    people = {
        "a": ("2026-11-19T03:00Z", who("1", "2")),
        "b": ("2026-11-19T02:00Z", who("2", "3")),  # loses to a
        "c": ("2026-11-19T01:00Z", who("3", "4")),  # 3 is free, as b was not taken
    }
    assert qualified(tmp_path, people, mapping=["profile_id", EMAIL_IDS]) == ["a,1", "a,2", "c,3", "c,4"]


def test_an_exit_gives_one_row_for_each_identity_last_sent(tmp_path: Path) -> None:
    """M5, X12: a leaver exits under the identities that the receiver knows, not under those it has now or has
    no more.
    """
    shop = vips(tmp_path, mapping=["profile_id", EMAIL_IDS, STATUS])
    shop.day(
        "2026-11-20",
        [person("a", identity_map=identities(Email=["1", "2"])), person("b", identity_map=identities(Email=["3"]))],
    )
    today = [person("a", vip=False, identity_map=identities(Email=["2", "9"]))]
    assert shop.day("2026-11-21", today) == ["a,1,exited", "a,2,exited", "b,3,exited"]


def test_a_lost_identity_exits_when_its_owner_is_sent(tmp_path: Path) -> None:
    """M5: an identity last sent that a still desired profile no longer has goes out as `exited` beside the new ones."""
    shop = vips(tmp_path, mapping=["profile_id", EMAIL_IDS, STATUS, SINCE])
    shop.day("2026-11-20", [person("a", identity_map=identities(Email=["1", "2"]))])
    assert shop.day("2026-11-21", [person("a", identity_map=identities(Email=["2", "3"]))]) == [
        "a,1,exited,2026-11-21T05:00:00Z",
        "a,2,realized,2026-11-20T02:00:00Z",
        "a,3,realized,2026-11-20T02:00:00Z",
    ]
    run = shop.runs()[-1]
    assert (run["received"], run["realized"], run["exited"], run["identity_changed"], run["files"][0]["rows"]) == (
        1,
        1,
        0,
        1,
        3,
    )


def test_an_identity_that_another_member_holds_does_not_exit(tmp_path: Path) -> None:
    """M5: no exited row for an identity that a desired profile holds; a leaver with no row left is excluded as a
    duplicate.
    """
    shop = vips(tmp_path, mapping=["profile_id", EMAIL_IDS, STATUS])
    shop.day(
        "2026-11-20",
        [person("a", identity_map=identities(Email=["1"])), person("b", identity_map=identities(Email=["2", "3"]))],
    )
    today = [person("c", identity_map=identities(Email=["1"])), person("b", identity_map=identities(Email=["2"]))]
    assert shop.day("2026-11-21", today) == ["b,3,exited", "b,2,realized", "c,1,realized"]
    run = shop.runs()[-1]
    assert (run["received"], run["realized"], run["exited"], run["excluded_by"]) == (3, 2, 0, {"duplicate": 1})


def test_who_has_no_identity_left_or_shares_one_exits_under_those_last_sent(tmp_path: Path) -> None:
    """M5, X3d: a member without an id in the namespace now, or one that lost to a newer member, exits; shared
    identities stay.
    """
    shop = vips(tmp_path, mapping=["profile_id", EMAIL_IDS, STATUS])
    shop.day(
        "2026-11-20",
        [person("a", identity_map=identities(Email=["1"])), person("b", identity_map=identities(Email=["2", "3"]))],
    )
    today = [
        person("a", identity_map=identities(Phone=["1"])),
        person("b", identity_map=identities(Email=["2", "3"])),
        person("c", identity_map=identities(Email=["2"])),  # joined later, so it stays
    ]
    assert shop.day("2026-11-21", today) == ["a,1,exited", "b,3,exited", "c,2,realized"]


def test_identities_exit_only_if_the_status_is_mapped(tmp_path: Path) -> None:
    """M5, X3d: without the status nobody is told of a lost identity."""
    shop = vips(tmp_path, mapping=["profile_id", EMAIL_IDS])
    shop.day(
        "2026-11-20",
        [person("a", identity_map=identities(Email=["1", "2"])), person("b", identity_map=identities(Email=["3"]))],
    )
    assert shop.day("2026-11-21", [person("a", identity_map=identities(Email=["2"]))]) == ["a,2"]


# M6


@pytest.mark.parametrize(("dtype", "order"), [(pl.Int64, "2,9,10"), (pl.String, "10,2,9")], ids=["numbers", "text"])
def test_rows_are_sorted_by_profile_id(tmp_path: Path, dtype: Any, order: str) -> None:
    """M6: numerically if the snapshot's id is an integer, else by UTF-8 bytes, exits among them."""
    shop = vips(tmp_path)
    for day, people in (("2026-11-20", (10, 2, 9)), ("2026-11-21", (9,))):
        rows = pl.DataFrame([person(each, vip=day < "2026-11-21" or each == 9, more=[day]) for each in people])
        rows = rows.with_columns(identity_map=pl.Series([identities(Phone=[day])] * rows.height)).cast(
            {"profile_id": dtype}
        )
        assert [row.split(",")[0] for row in shop.day(day, rows)] == order.split(",")


def test_text_ids_are_sorted_by_their_bytes(tmp_path: Path) -> None:
    """M6: capitals before small letters, ASCII before the rest, the beginning before the whole."""
    ids = ["a", "B", "é", "z", "Z", "aa", "ｚ", "😀", "1"]
    shop = vips(tmp_path, mapping=["profile_id"])
    assert shop.day("2026-11-20", [person(each) for each in ids]) == sorted(ids, key=str.encode)


# M7, through the whole pipeline


def test_values_of_every_kind_arrive_as_text(tmp_path: Path) -> None:
    """M7: null is nothing, an empty string is quoted, lists and structs are compact JSON, naive times are UTC."""
    row = person("a", nothing=None, empty="", tags=["x", 'y"'], place={"town": "Ulm"}, n=1.0, ok=True)
    shop = vips(tmp_path, mapping=["profile_id", "nothing", "empty", "tags", "place", "n", "ok"])
    shop.day("2026-11-20", [row])
    text = (tmp_path / "out/crm/crm_all_20261120T050000Z.csv").read_text()
    assert text.splitlines()[1] == 'a,,"","[""x"",""y\\""""]","{""town"":""Ulm""}",1.0,true'


def test_a_null_alone_in_a_row_is_an_error(tmp_path: Path) -> None:
    """M7: in a file of one column a null is an error unless `null_value` is not empty; nothing is written."""
    shop = vips(tmp_path, mapping=["points"])
    shop.profiles("2026-11-20", [person("a", points=1), person("b", points=None)])
    shop.evaluate("2026-11-20T02:00Z")
    assert shop.muster("run", "--at", "2026-11-20T05:00Z").code == 1
    assert shop.files() == []
    shop.crm(mapping=["points"], csv={"null_value": "-"})
    shop.run("2026-11-20T06:00Z")
    assert shop.sent("crm/all") == ["1", "-"]


def test_formulas_are_defused_on_request(tmp_path: Path) -> None:
    """M8: `sanitize_formulas` prefixes text that a spreadsheet would run; phone numbers and other columns stay as they
    are.
    """
    shop = vips(tmp_path, mapping=["profile_id", "email", "n"], csv={"sanitize_formulas": True})
    everybody = [person("a", "=1+1", n=-1), person("b", "+49 711 5555", n=2), person("c", "@x", n=3)]
    assert shop.day("2026-11-20", everybody) == ["a,'=1+1,-1", "b,+49 711 5555,2", "c,'@x,3"]
