"""SPEC 10, row by row through the real command: one message that names the place and the remedy, and nothing
changed.
"""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.refusals import changed
from support.shop import Result, Shop, process

DAY_1, DAY_2 = "2026-11-20", "2026-11-21"
PEOPLE = [
    {"profile_id": "a", "email": "a@x.com", "birth_year": 1970},
    {"profile_id": "b", "email": "b@x.com", "birth_year": 2001},
]
Break = Callable[[Shop], Any]


def shop_at(root: Path) -> Shop:
    """Two audiences, two activations, and the second day's snapshot waiting."""
    shop = Shop(root)
    shop.profiles(DAY_1, PEOPLE)
    shop.profiles(DAY_2, PEOPLE)
    shop.audience("all", where="true")
    shop.audience("young", where="birth_year > 2000")
    each = [{"audience": name, "export": "incremental", "schedule": "after_evaluation"} for name in ("all", "young")]
    shop.destination("crm", mapping=["profile_id", "email"], activations=each)
    return shop


def check_refused(shop: Shop, result: Result, words: tuple[str, ...], before: dict[str, bytes]) -> None:
    """Exit 2 with one message; state and destination are as they were, but for the note of a failed evaluation (E9)."""
    assert result.code == 2, (result.code, result.out, result.err)
    assert result.out == ""
    assert "Traceback" not in result.err
    assert all(line.startswith("error: ") for line in result.err.splitlines()), result.err
    for word in words:
        assert word in result.err, (word, result.err)
    assert changed(before, kept(shop)) == []


def kept(shop: Shop) -> dict[str, bytes]:
    """State and destination, but for the lock."""
    return {name: content for name, content in shop.tree(".muster", "out").items() if not name.endswith("lock")}


def rewritten(name: str, change: Callable[[bytes], bytes]) -> Break:
    """Break a file of the workspace."""

    def apply(shop: Shop) -> None:
        path = shop.root / name
        path.write_bytes(change(path.read_bytes()))

    return apply


PART = f"data/profiles/{DAY_2}/part-0.parquet"


def repeated(shop: Shop) -> None:
    """One id twice in a part, and once more in another."""
    shop.profiles(DAY_2, [{"profile_id": "x"}, {"profile_id": "x"}, {"profile_id": "y"}])
    shop.profiles(DAY_2, [{"profile_id": "y"}], part="part-1")


DATA: dict[str, tuple[Break, tuple[str, ...]]] = {
    "truncated": (rewritten(PART, lambda content: content[: len(content) // 2]), (PART, "truncated")),
    "empty file": (rewritten(PART, lambda _: b""), (PART, "empty")),
    "no parquet at all": (rewritten(PART, lambda _: b"profile_id,email\na,b\n" * 9), (PART, "Parquet")),
    "a folder with none": (lambda shop: (shop.root / PART).unlink(), (f"data/profiles/{DAY_2}", "no Parquet file")),
    "no such path": (
        lambda shop: shop.set(profiles={"path": "data/profile"}),
        ("data/profile", "profiles.path", "'profiles'"),
    ),
    "null ids": (
        lambda shop: shop.profiles(
            DAY_2, [{"profile_id": None, "email": "c"}, {"profile_id": "a"}], profile_id=pl.String
        ),
        (PART, "null", "profile_id"),
    ),
    "repeated ids": (repeated, (PART, "part-1.parquet", "2 profile ids", "more than once")),
    "no rows": (
        lambda shop: shop.profiles(DAY_2, pl.DataFrame(schema={"profile_id": pl.String})),
        ("no rows", "--allow-empty"),
    ),
    "float ids": (
        lambda shop: shop.profiles(DAY_2, [{"profile_id": 1.5}]),
        (PART, "profile_id", "text or whole numbers"),
    ),
    "types that do not fit": (
        lambda shop: shop.profiles(DAY_2, [{"profile_id": 7}], part="part-1"),
        ("part-1.parquet", "profile_id", "Int64", "String"),
    ),
}


@pytest.mark.parametrize("fresh", [True, False], ids=["no state yet", "with history"])
@pytest.mark.parametrize("case", DATA)
def test_unreadable_data_is_refused(case: str, *, fresh: bool, tmp_path: Path) -> None:
    """Unreadable, truncated or empty Parquet, a folder with none, null or repeated ids: exit 2, the file, the
    reason.
    """
    shop = shop_at(tmp_path)
    if not fresh:
        shop.evaluate(f"{DAY_1}T02:00Z")
    before = kept(shop)
    damage, words = DATA[case]
    damage(shop)
    for command in ("validate", "evaluate"):
        assert fresh != (tmp_path / ".muster").exists()
        check_refused(shop, shop.muster(command, "--at", f"{DAY_2}T02:00Z"), words, before)


def test_repeated_ids_are_named_with_v(tmp_path: Path) -> None:
    """The first three repeated ids with -v, and none without: ids are profile data."""
    shop = shop_at(tmp_path)
    shop.profiles(DAY_2, [{"profile_id": f"id-{n // 2}"} for n in range(10)])
    at = ("--at", f"{DAY_2}T02:00Z")
    assert "id-0" not in shop.muster("evaluate", *at).err
    verbose = shop.muster("evaluate", *at, "-v").err
    assert "id-0, id-1, id-2" in verbose
    assert "id-3" not in verbose


def test_a_run_that_meets_unreadable_data_later_fails(tmp_path: Path) -> None:
    """On demand reads the evaluated snapshot: one that changed since is refused, naming the file and `muster
    evaluate`.
    """
    shop = shop_at(tmp_path)
    shop.evaluate(f"{DAY_1}T02:00Z")
    before = kept(shop)
    rewritten(f"data/profiles/{DAY_1}/part-0.parquet", lambda content: content[:-9])(shop)
    check_refused(
        shop,
        shop.muster("export", "crm/all", "--at", f"{DAY_1}T03:00Z"),
        (f"{DAY_1}/part-0.parquet", "muster evaluate"),
        before,
    )


RULES: dict[str, tuple[str, tuple[str, ...]]] = {
    "unknown column": ("birth_yeer > 2000", ("audiences/young.yml:2", "birth_yeer", "'birth_year'")),
    "type mismatch": ("birth_year = 'x'", ("audiences/young.yml:2", "birth_year = 'x'", "whole number", "text")),
    "not boolean": ("birth_year + 1", ("audiences/young.yml:2", "birth_year + 1", "Int64")),
    "a cast that fails on a value": (
        "CAST(email AS BIGINT) > 1",
        ("audiences/young.yml:2", "CAST(email AS BIGINT)", "TRY_CAST"),
    ),
}


@pytest.mark.parametrize("case", RULES)
def test_a_mistake_in_a_rule_stops_its_audience_alone(case: str, tmp_path: Path) -> None:
    """X1: exit 1 with file, line, expression and suggestion; the other audience goes on. Alone in the workspace: exit
    2.
    """
    rule, words = RULES[case]
    shop = shop_at(tmp_path / "two")
    shop.audience("young", where=rule)
    result = shop.muster("evaluate", "--at", f"{DAY_1}T02:00Z")
    assert (result.code, "Traceback" in result.err) == (1, False)
    assert all(word in result.err for word in words), result.err
    assert shop.files() == ["crm/crm_all_20261120T020000Z.csv"]
    alone = shop_at(tmp_path / "one")
    (alone.root / "audiences/all.yml").unlink()
    alone.audience("young", where=rule)
    alone.destination(
        "crm", mapping=["profile_id"], activations=[{"audience": "young", "export": "full", "schedule": "on_demand"}]
    )
    check_refused(alone, alone.muster("evaluate", "--at", f"{DAY_1}T02:00Z"), words, {})


def test_unknown_functions_and_audiences_are_seen_in_the_yaml(tmp_path: Path) -> None:
    """An unknown function or audience needs no data: every command stops, with the nearest name."""
    shop = shop_at(tmp_path)
    shop.audience("young", where="LOWERR(email) = 'a' OR audience.\"al\"")
    check_refused(
        shop, shop.muster("run", "--at", f"{DAY_1}T02:00Z"), ("audiences/young.yml:2", "LOWERR", "'LOWER'"), {}
    )
    shop.audience("young", where='audience."al"')
    check_refused(shop, shop.muster("run", "--at", f"{DAY_1}T02:00Z"), ("audiences/young.yml:2", "'al'", "'all'"), {})


def test_an_unknown_source_stops_its_activation_alone(tmp_path: Path) -> None:
    """X1, M4: the activation fails before anything is written, with file, line and the nearest names; others go on,
    exit 1.
    """
    shop = shop_at(tmp_path)
    bad = {"audience": "young", "export": "full", "schedule": "after_evaluation", "mapping": ["profile_id", "emial"]}
    good = {"audience": "all", "export": "full", "schedule": "after_evaluation"}
    shop.destination("crm", mapping=["profile_id"], activations=[bad, good])
    result = shop.muster("evaluate", "--at", f"{DAY_1}T02:00Z")
    assert result.code == 1
    assert "destinations/crm.yml" in result.err
    assert "'emial'" in result.err
    assert "'email'" in result.err
    assert shop.files() == ["crm/crm_all_20261120T020000Z.csv"]
    assert shop.muster("validate", "--at", f"{DAY_1}T02:00Z").code == 2


YAML: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "syntax": ("audiences/all.yml", "name: [all\nwhere: true\n", ("audiences/all.yml:1", "bracket")),
    "unknown key": ("audiences/all.yml", "name: all\nwher: true\n", ("audiences/all.yml:2", "wher", "'where'")),
    "duplicate key": ("audiences/all.yml", "where: true\nname: all\nwhere: false\n", ("audiences/all.yml:3", "where")),
    "wrong type": ("muster.yml", "workspace: shop\nprofiles: data\n", ("muster.yml:2", "profiles")),
    "duplicate id": ("audiences/other.yml", "id: all\nwhere: true\n", ("audiences/other.yml:1", "all")),
    "impossible zone": (
        "muster.yml",
        "workspace: s\nprofiles: {path: data/profiles}\ntimezone: Europe/Berlyn\n",
        ("muster.yml:3", "Europe/Berlin"),
    ),
    "missing variable": (
        "muster.yml",
        "workspace: ${SHOP_NAME_X}\nprofiles: {path: data/profiles}\n",
        ("muster.yml:1", "SHOP_NAME_X"),
    ),
}


@pytest.mark.parametrize("case", YAML)
def test_mistakes_in_the_yaml_stop_every_command(case: str, tmp_path: Path) -> None:
    """YAML syntax, unknown or duplicate key, wrong type, duplicate id, impossible zone, missing variable: exit 2,
    file:line, key.
    """
    shop = shop_at(tmp_path)
    file, text, words = YAML[case]
    shop.write(file, text)
    for command in (
        ["validate"],
        ["evaluate"],
        ["run"],
        ["plan"],
        ["export", "crm/all"],
        ["runs", "list"],
        ["schedule", "list"],
    ):
        check_refused(shop, shop.muster(*command), words, {})


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        ({"at": "25:00"}, ("25:00",)),
        ({"every": "25h"}, ("25h", "24")),
        ({"cron": "61 * * * *"}, ("61 * * * *",)),
        ({"cron": "0 0 30 2 *"}, ("0 0 30 2 *", "never")),
        ({"at": "05:00", "start": "2026-12-01", "end": "2026-12-01"}, ("end", "after")),
        ({"at": "05:00", "timezone": "Mars/Olympus"}, ("Mars/Olympus",)),
    ],
)
def test_impossible_schedules_are_refused(schedule: dict[str, str], words: tuple[str, ...], tmp_path: Path) -> None:
    """Impossible time, zone, cron, interval; end not after start: exit 2."""
    shop = shop_at(tmp_path)
    shop.destination(
        "crm", mapping=["profile_id"], activations=[{"audience": "all", "export": "full", "schedule": schedule}]
    )
    check_refused(shop, shop.muster("run"), ("destinations/crm.yml", "schedule", *words), {})


def test_all_mistakes_are_reported_together(tmp_path: Path) -> None:
    """All mistakes in the YAML files are reported together, a line each."""
    shop = shop_at(tmp_path)
    shop.write("audiences/all.yml", "wher: true\n")
    shop.write("audiences/young.yml", "name: young\nwhere: 'SUM(birth_year) > 1'\nnmae: x\n")
    shop.write("destinations/crm.yml", "url: out\nformat: cvs\nmapping: [a, a]\nactivations: []\n")
    result = shop.muster("validate")
    assert result.code == 2
    for place in ("audiences/all.yml:1", "audiences/young.yml:3", "destinations/crm.yml:2", "destinations/crm.yml:3"):
        assert place in result.err, result.err


def test_a_destination_that_cannot_be_written_fails_alone(tmp_path: Path) -> None:
    """A destination that cannot be written: that run fails (exit 1), the others go on, nothing partial is left; later
    it heals.
    """
    shop = shop_at(tmp_path)
    shop.destination(
        "ads",
        url="out/ads",
        mapping=["profile_id"],
        activations=[{"audience": "all", "export": "full", "schedule": "after_evaluation"}],
    )
    blocked = shop.root / "out" / "ads"
    blocked.parent.mkdir()
    blocked.write_text("a file where a folder should be")
    result = shop.muster("evaluate", "--at", f"{DAY_1}T02:00Z")
    assert result.code == 1
    assert "ads/all" in result.err
    assert "Traceback" not in result.err
    assert [run["status"] for run in shop.runs()].count("failed") == 1
    assert shop.files("crm") == ["crm/crm_all_20261120T020000Z.csv", "crm/crm_young_20261120T020000Z.csv"]
    blocked.unlink()
    shop.run(f"{DAY_1}T03:00Z")
    assert shop.files("ads") == ["ads/ads_all_20261120T020000Z.csv"]


def test_a_folder_where_the_file_should_go_fails_the_run(tmp_path: Path) -> None:
    """A folder under the final name: the run fails, the folder stays, nothing partial is left."""
    shop = shop_at(tmp_path)
    taken = shop.root / "out/crm/crm_all_20261120T020000Z.csv"
    taken.mkdir(parents=True)
    result = shop.muster("evaluate", "--at", f"{DAY_1}T02:00Z")
    assert result.code == 1
    assert "crm_all_20261120T020000Z.csv" in result.err
    assert taken.is_dir()
    assert shop.files() == ["crm/crm_young_20261120T020000Z.csv"]


def newer(shop: Shop) -> None:
    """A ledger of a later muster."""
    with closing(sqlite3.connect(shop.root / ".muster/ledger.sqlite")) as ledger, ledger:
        ledger.execute("PRAGMA user_version = 99")
    ledger.close()


STATE: dict[str, tuple[Break, tuple[str, ...]]] = {
    "truncated ledger": (
        rewritten(".muster/ledger.sqlite", lambda content: content[:5000]),
        ("ledger.sqlite", "damaged", "backup"),
    ),
    "empty ledger": (rewritten(".muster/ledger.sqlite", lambda _: b""), ("ledger.sqlite", "empty", "backup")),
    "garbage": (
        rewritten(".muster/ledger.sqlite", lambda content: b"\x7f" * len(content)),
        ("ledger.sqlite", "damaged", "backup"),
    ),
    "missing ledger": (lambda shop: (shop.root / ".muster/ledger.sqlite").unlink(), ("ledger is missing", "backup")),
    "newer ledger": (newer, ("newer muster", "upgrade")),
}


@pytest.mark.parametrize("case", STATE)
def test_damaged_state_is_refused_and_left_alone(case: str, tmp_path: Path) -> None:
    """State made by a newer version, or damaged: exit 2, says how to recover; never overwritten, never taken for a
    first run.
    """
    shop = shop_at(tmp_path)
    shop.evaluate(f"{DAY_1}T02:00Z")
    damage, words = STATE[case]
    damage(shop)
    before = kept(shop)
    for command in (["evaluate"], ["run"], ["plan"], ["export", "crm/all"], ["runs", "list"], ["baseline", "show"]):
        check_refused(
            shop, shop.muster(*command, *(["--at", f"{DAY_2}T02:00Z"] if len(command) == 1 else [])), words, before
        )


def test_a_damaged_delivered_set_is_no_first_run(tmp_path: Path) -> None:
    """A damaged delivered set holds up its activation, which says how to recover; the file is never overwritten (exit
    1, others go on).
    """
    shop = shop_at(tmp_path)
    shop.evaluate(f"{DAY_1}T02:00Z")
    (stored,) = (shop.root / ".muster/baselines/crm/all").iterdir()
    stored.write_bytes(b"oops")
    result = shop.muster("evaluate", "--at", f"{DAY_2}T02:00Z")
    assert result.code == 1
    assert "damaged" in result.err
    assert "muster baseline reset crm/all" in result.err
    assert stored.read_bytes() == b"oops"
    assert "crm/crm_young_20261121T020000Z.csv" in shop.files()
    assert "crm/crm_all_20261121T020000Z.csv" not in shop.files()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("evaluate", "--at", "yesterday"), ("yesterday", "ISO 8601")),
        (("evaluate", "--audience", "yung"), ("'yung'", "'young'")),
        (("export", "crm/al"), ("'crm/al'", "'crm/all'")),
        (("run", "--override-guards", "crm/nobody"), ("'crm/nobody'",)),
        (("runs", "show", "nothing"), ("'nothing'",)),
        (("audiences", "show", "yung"), ("'yung'", "'young'")),
        (("baseline", "reset", "crm/none"), ("'crm/none'",)),
    ],
)
def test_wrong_requests_name_what_is_near(arguments: tuple[str, ...], words: tuple[str, ...], tmp_path: Path) -> None:
    """A request for what does not exist: exit 2, what is wrong, the nearest valid name."""
    shop = shop_at(tmp_path)
    check_refused(shop, shop.muster(*arguments), words, {})


def test_a_real_process_tells_one_message(tmp_path: Path) -> None:
    """Through a process of its own: exit code, one line on stderr, no traceback; an unknown command is Typer's usage
    message.
    """
    shop = shop_at(tmp_path)
    rewritten(PART, lambda content: content[:40])(shop)
    result = process("-C", str(tmp_path), "evaluate", "--at", f"{DAY_2}T02:00Z")
    assert (result.code, result.out) == (2, "")
    assert len(result.err.splitlines()) == 1
    assert PART in result.err
    unknown = process("-C", str(tmp_path), "evalute")
    assert unknown.code == 2
    assert "evaluate" in unknown.err
    assert "Traceback" not in unknown.err
