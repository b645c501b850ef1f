"""`muster preview`: an audience or an activation as of now, in memory (SPEC 9)."""

from pathlib import Path
from typing import Any

import pytest
from support.shop import SINCE, STATUS, Shop, at, person

from muster.runs import open_workspace
from muster.runs.sessions import lock

DAY_1 = [person("a"), person("b"), person("c", "C@x.com"), person("d") | {"email": ""}]
DAY_2 = [person("a"), person("b", vip=False), person("c", "C@x.com"), person("e"), person("f") | {"email": ""}]
MAPPING = [
    "profile_id",
    {"source": "email", "target": "mail", "transform": ["lower"], "mandatory": True},
    STATUS,
    SINCE,
]


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A workspace with two days of people, whose vips are sent each day at 05:00; nothing was done yet."""
    shop = Shop(tmp_path)
    shop.profiles("2026-11-20", DAY_1)
    shop.profiles("2026-11-21", DAY_2)
    shop.audience("vips", where="vip")
    activations = [
        {"audience": "vips", "export": "incremental", "schedule": {"at": "05:00"}},
        {"audience": "vips", "id": "adhoc", "schedule": "on_demand"},
        {"audience": "vips", "id": "follow", "export": "full", "schedule": "after_evaluation"},
    ]
    shop.destination("crm", mapping=MAPPING, activations=activations, file_name="{activation}_{datetime}")
    return shop


def preview(shop: Shop, target: str, *more: str, moment: str = "2026-11-21T05:00Z") -> dict[str, Any]:
    """The object that ``preview --json`` prints; nothing in the workspace may change."""
    before = shop.tree()
    found = shop.ok("preview", target, "--at", moment, "--json", *more).json
    assert shop.tree() == before
    return dict(found)


def test_an_audience_is_evaluated_though_nothing_is_due(shop: Shop) -> None:
    """SPEC 9: the size and what would change; works without a state, and makes none."""
    found = preview(shop, "vips")
    assert not (shop.root / ".muster").exists()
    assert (found["realized"], found["entered"], found["exited"], found["compared_with"]) == (4, 4, 0, None)
    assert (found["destination"], found["activation"], found["counts"]) == (None, None, None)
    assert found["columns"] == ["profile_id", "status", "last_qualification_time"]
    assert [row["profile_id"] for row in found["rows"]] == ["a", "c", "e", "f"]


def test_the_change_is_since_the_newest_evaluation(shop: Shop) -> None:
    """SPEC 9, E5: who entered and exited since; those who leave are among the rows, those who left before are not."""
    shop.evaluate("2026-11-20T02:00Z")
    found = preview(shop, "vips")
    assert (found["realized"], found["entered"], found["exited"]) == (4, 2, 2)
    assert found["compared_with"] == "2026-11-20T02:00:00Z"
    rows = {row["profile_id"]: (row["status"], row["last_qualification_time"]) for row in found["rows"]}
    stays, moved = "2026-11-20T02:00:00Z", "2026-11-21T05:00:00Z"
    assert rows == {
        "a": ("realized", stays),
        "b": ("exited", moved),
        "c": ("realized", stays),
        "d": ("exited", moved),
        "e": ("realized", moved),
        "f": ("realized", moved),
    }
    shop.evaluate("2026-11-21T05:00Z")
    assert [row["profile_id"] for row in preview(shop, "vips", moment="2026-11-21T06:00Z")["rows"]] == list("acef")
    again = preview(shop, "vips")  # at the instant of the newest evaluation: in its place
    assert (again["entered"], again["exited"], again["compared_with"]) == (2, 2, "2026-11-20T02:00:00Z")


def test_members_are_shown_in_the_order_of_their_ids(tmp_path: Path) -> None:
    """M6: whole numbers by their value, profiles that came later between earlier ones, those who left too."""
    shop = Shop(tmp_path)
    shop.audience("vips", where="vip")
    shop.profiles("2026-11-20", [person(20), person(100), person(3)])
    shop.evaluate("2026-11-20T02:00Z")
    shop.profiles("2026-11-21", [person(100), person(11), person(3), person(1)])
    assert [row["profile_id"] for row in preview(shop, "vips")["rows"]] == ["1", "3", "11", "20", "100"]
    assert [row["profile_id"] for row in preview(shop, "vips", "--rows", "2")["rows"]] == ["1", "3"]


def test_the_rows_are_those_that_run_then_writes(shop: Shop) -> None:
    """SPEC 9: the same columns, transforms and text, exits in the order of the file; the counts of `plan`."""
    shop.evaluate("2026-11-20T02:00Z")
    shop.run("2026-11-20T05:00Z")
    found = preview(shop, "crm/vips")
    shop.evaluate("2026-11-21T05:00Z", "--no-exports")
    steps = shop.ok("plan", "--at", "2026-11-21T05:00Z", "--json").json
    planned = next(step for step in steps if step["activation"] == "vips")
    assert found["counts"] == {name: planned[name] for name in found["counts"]}
    assert found["counts"]["excluded_by"] == {"mandatory:mail": 1}
    assert (found["export"], found["first_export"]) == ("incremental", False)
    assert found["baseline_evaluated_at"] == "2026-11-20T02:00:00Z"
    shop.run("2026-11-21T05:00Z")
    assert found["rows"] == shop.rows("crm/vips_20261121T050000Z.csv")
    assert [(row["profile_id"], row["status"]) for row in found["rows"]] == [("b", "exited"), ("e", "realized")]
    assert found["row_count"] == 2


def test_an_activation_on_demand_is_a_full_export(shop: Shop) -> None:
    """SPEC 9, X7: everybody, as `export` would send them after an evaluation."""
    found = preview(shop, "crm/adhoc", "--rows", "2")
    assert (found["export"], found["row_count"], len(found["rows"])) == ("full", 3, 2)
    shop.evaluate("2026-11-21T05:00Z", "--no-exports")
    shop.ok("export", "crm/adhoc", "--at", "2026-11-21T05:00Z")
    assert found["rows"] == shop.rows("crm/adhoc_20261121T050000Z_on_demand.csv")[:2]
    assert preview(shop, "crm/follow")["row_count"] == 3


def test_values_are_written_as_the_format_has_them(shop: Shop) -> None:
    """M7: real values of JSON and Parquet files, the text of CSV; a CSV field is shown with its quotes."""
    shop.profiles("2026-11-22", [person("a", 'say "hi"', points=7, tags=["x", "y"], gone=None)])
    mapping = ["email", "points", "tags", {"source": "gone", "target": "gone"}]
    activations = [{"audience": "vips", "schedule": "on_demand"}]
    for form in ("csv", "json", "parquet"):
        shop.destination(form, format=form, mapping=mapping, activations=activations)
    moment = "2026-11-22T05:00Z"
    [text] = preview(shop, "csv/vips", moment=moment)["rows"]
    assert text == {"email": 'say "hi"', "points": "7", "tags": '["x","y"]', "gone": None}
    for form in ("json", "parquet"):
        [values] = preview(shop, f"{form}/vips", moment=moment)["rows"]
        assert values == {"email": 'say "hi"', "points": 7, "tags": ["x", "y"], "gone": None}
    assert '"say ""hi"""' in shop.ok("preview", "csv/vips", "--at", moment).out


def test_a_failed_audience_is_told_as_evaluate_tells_it(shop: Shop) -> None:
    """SPEC 9: message and exit code are those of `evaluate`."""
    shop.audience("vips", where="vipp")
    evaluated = shop.muster("evaluate", "--audience", "vips", "--at", "2026-11-21T05:00Z")
    for target in ("vips", "crm/vips"):
        previewed = shop.muster("preview", target, "--at", "2026-11-21T05:00Z")
        assert (previewed.code, previewed.err) == (evaluated.code, evaluated.err) != (0, "")
        assert previewed.out == ""


def test_an_instant_before_the_newest_evaluation_is_refused(shop: Shop) -> None:
    """E6: as `evaluate` refuses it."""
    shop.evaluate("2026-11-21T05:00Z")
    evaluated = shop.muster("evaluate", "--at", "2026-11-20T05:00Z")
    previewed = shop.muster("preview", "vips", "--at", "2026-11-20T05:00Z")
    assert (previewed.code, previewed.err) == (evaluated.code, evaluated.err)
    assert previewed.code == 2


def test_an_export_that_a_guard_stops_is_shown(shop: Shop) -> None:
    """X11: what would be removed is what one wants to see then; exit 1 as for `plan`."""
    shop.evaluate("2026-11-20T02:00Z")
    shop.run("2026-11-20T05:00Z")
    shop.profiles("2026-11-22", [person("a")])
    shop.crm(audience="vips", guards={"max_exited": 1})
    result = shop.muster("preview", "crm/vips", "--at", "2026-11-22T05:00Z", "--json")
    assert result.code == 1
    assert "guard max_exited: 2 delivered profiles would leave" in result.err
    assert "guard max_exited" in result.json["error"]
    assert [row["profile_id"] for row in result.json["rows"]] == ["b", "c"]
    assert result.json["counts"]["exited"] == 2


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("vip", "there is no audience or activation 'vip'; did you mean 'vips'"),
        ("crm/vip", "there is no activation 'crm/vip'; did you mean 'crm/vips'"),
    ],
)
def test_an_unknown_name_gets_the_nearest(shop: Shop, target: str, expected: str) -> None:
    """SPEC 10: the nearest valid name."""
    result = shop.muster("preview", target, "--at", "2026-11-21T05:00Z")
    assert (result.code, result.out) == (2, "")
    assert expected in result.err


def test_it_takes_no_lock(shop: Shop) -> None:
    """SPEC 9: only commands that write take the lock."""
    shop.evaluate("2026-11-20T02:00Z")
    with lock(open_workspace(shop.root, clock=lambda: at("2026-11-21T05:00Z"))):
        assert shop.ok("preview", "vips", "--at", "2026-11-21T05:00Z").out


def test_rows_too_wide_for_the_terminal_are_blocks(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """SPEC 9: a table where it fits, else a line for each value; nothing is cut."""
    monkeypatch.setenv("COLUMNS", "80")
    shop.profiles("2026-11-22", [person("a", "a" * 60)])
    assert "profile_id  mail     status" in shop.ok("preview", "crm/vips", "--at", "2026-11-21T05:00Z").out
    wide = shop.ok("preview", "crm/vips", "--at", "2026-11-22T05:00Z").out
    assert f"mail        {'a' * 60}\nstatus      realized\n" in wide
