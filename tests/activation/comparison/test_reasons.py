"""X2, X3d, X10: a reason that is added to the table reaches every kind of export."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import polars as pl
import pytest
from support.shop import STATUS, Shop, identities, person

from muster.activation.comparison import reasons
from muster.activation.comparison.columns import MEMBER
from muster.activation.comparison.reasons import REASONS, Entry, Reason
from muster.activation.comparison.sides import Sides
from muster.activation.frames.columns import ROW
from muster.activation.mapping.columns import Field
from muster.activation.mapping.layout import Layout
from muster.activation.model.workspace import Column

MAIL = {"source": "identity_map.Email", "target": "email"}
KEYS: dict[str, dict[str, Any]] = {
    "no keys": {"mapping": ["profile_id", "city"]},
    "mandatory": {"mapping": ["profile_id", {"source": "email", "mandatory": True}]},
    "deduplicated": {"mapping": ["profile_id", "email"], "deduplicate": ["email"]},
    "not mapped": {"mapping": ["profile_id"], "deduplicate": ["email"]},
    "transformed": {"mapping": ["profile_id", {"source": "email", "transform": ["upper"], "mandatory": True}]},
    "identities": {"mapping": ["profile_id", MAIL]},
    "hashed identities": {"mapping": ["profile_id", MAIL | {"transform": ["sha256"]}]},
}


def withdrawn(layout: Layout, _marks: Collection[str]) -> Iterator[Reason]:
    """Members whose `withdrew` is true, in snapshots that have the column."""
    if "withdrew" in layout.snapshot.schema:
        field = Field(Column("withdrew", "withdrew"), "attribute", pl.col("withdrew"), pl.Boolean())
        yield Reason("withdrawn", pl.col(field.value_column), (field,))


@pytest.fixture(autouse=True)
def _consent() -> Iterator[None]:
    """The reason in its place: behind `profile_missing`, before `mandatory` (X2)."""
    with table(REASONS[0], withdrawn, *REASONS[1:]):
        yield


def table(*entries: Entry) -> Any:
    """Other reasons in the table, which is all that knows of them."""
    return mock.patch.object(reasons, "REASONS", entries)


def people(withdrew: str, ids: str = "abc") -> list[dict[str, Any]]:
    """Members of whom some withdrew their consent; nothing else of them ever changes."""
    return [
        person(each, withdrew=each in withdrew, city="x", identity_map=identities(Email=[f"{each}@x.com"]))
        for each in ids
    ]


def shop_of(root: Path, *, status: bool, fed: bool = False, schedule: Any = None, **content: Any) -> Shop:
    """A shop that sends one audience in full and incrementally, with these keys and with or without the status."""
    shop = Shop(root)
    if fed:
        shop.audience("all", source="memberships")
        shop.feed([("all", each, "realized", "2026-11-01T00:00Z") for each in "abc"])
    else:
        shop.audience("all", where="true")
    mapping = [*content.pop("mapping"), *([STATUS] if status else [])]
    for export in ("full", "incremental"):
        activation = {"audience": "all", "export": export, "schedule": schedule or {"at": "05:00"}}
        shop.destination(export, mapping=mapping, activations=[activation], **content)
    return shop


def day(shop: Shop, date: str, withdrew: str) -> None:
    """A day on which `plan` says what `run` then does, count by count."""
    shop.profiles(date, people(withdrew))
    shop.evaluate(f"{date}T02:00Z")
    planned = [each for each in shop.ok("plan", "--at", f"{date}T05:00Z", "--json").json if each["action"] == "export"]
    shop.run(f"{date}T05:00Z")
    for plan in planned:
        assert counts(plan) == counts(newest(shop, plan["destination"]))


def newest(shop: Shop, export: str) -> dict[str, Any]:
    return shop.runs(f"{export}/all")[-1]


def counts(run: dict[str, Any]) -> tuple[int, int, int, dict[str, int]]:
    return run["received"], run["realized"], run["exited"], run["excluded_by"]


def sent(shop: Shop, export: str) -> list[str]:
    """Whom the newest run sent: ``a`` realized, ``-a`` exited."""
    rows = shop.delivered(f"{export}/all")[-1]
    return [("-" if row.get("status") == "exited" else "") + row["profile_id"] for row in rows]


def rejects(shop: Shop, export: str) -> dict[str, str]:
    found = shop.ok("runs", "rejects", newest(shop, export)["run_id"], "--json").json
    return {each["profile_id"]: each["reason"] for each in found}


def delivered(shop: Shop, export: str) -> int:
    """How many profiles the delivered set holds."""
    baselines = shop.ok("baseline", "show", "--json").json
    return next(each["profiles"] for each in baselines if each["destination"] == export)


@pytest.mark.parametrize("status", [True, False], ids=["status", "no status"])
@pytest.mark.parametrize(
    ("keys", "schedule"),
    [
        *((name, "daily") for name in KEYS),
        *((name, schedule) for name in ("no keys", "identities") for schedule in ("after_evaluation", "fed")),
    ],
)
def test_a_new_reason_reaches_every_export(tmp_path: Path, keys: str, schedule: str, *, status: bool) -> None:
    """X2, X3, X8, X10: who withdraws is in no export, first or later, full or incremental, whatever the keys. Somebody
    otherwise unchanged exits where the status is mapped, and leaves the delivered set either way; who consents again is
    sent again. Counts, rejects and `plan` name the reason.
    """
    when = schedule if schedule == "after_evaluation" else {"at": "05:00"}
    shop = shop_of(tmp_path, status=status, fed=schedule == "fed", schedule=when, **KEYS[keys])
    day(shop, "2026-11-20", withdrew="c")
    for export in ("full", "incremental"):
        assert sent(shop, export) == ["a", "b"]
        assert counts(newest(shop, export)) == (3, 2, 0, {"withdrawn": 1})
        assert rejects(shop, export) == {"c": "withdrawn"}
        assert delivered(shop, export) == 2

    day(shop, "2026-11-21", withdrew="bc")
    assert sent(shop, "full") == ["a"]
    assert counts(newest(shop, "full")) == (3, 1, 0, {"withdrawn": 2})
    assert rejects(shop, "full") == {"b": "withdrawn", "c": "withdrawn"}
    assert sent(shop, "incremental") == (["-b"] if status else [])
    assert counts(newest(shop, "incremental")) == (1 + status, 0, int(status), {"withdrawn": 1})
    assert rejects(shop, "incremental") == {"c": "withdrawn"}
    assert delivered(shop, "full") == delivered(shop, "incremental") == 1

    day(shop, "2026-11-22", withdrew="")
    assert sent(shop, "full") == ["a", "b", "c"]
    assert sent(shop, "incremental") == ["b", "c"]
    assert delivered(shop, "full") == delivered(shop, "incremental") == 3


@pytest.mark.parametrize("status", [True, False], ids=["status", "no status"])
@pytest.mark.parametrize("keys", ["no keys", "deduplicated", "identities"])
def test_a_new_reason_reaches_exports_on_demand(tmp_path: Path, keys: str, *, status: bool) -> None:
    """X7: an export on demand is without those who withdrew too, and moves no delivered set."""
    shop = shop_of(tmp_path, status=status, **KEYS[keys])
    day(shop, "2026-11-20", withdrew="c")
    shop.profiles("2026-11-21", people("bc"))
    shop.evaluate("2026-11-21T02:00Z")
    shop.ok("export", "incremental/all", "--at", "2026-11-21T03:00Z")
    run = newest(shop, "incremental")
    assert run["trigger"] == "on_demand"
    assert counts(run) == (3, 1, 0, {"withdrawn": 2})
    assert rejects(shop, "incremental") == {"b": "withdrawn", "c": "withdrawn"}
    assert [row["profile_id"] for row in shop.rows(run["files"][0]["path"].removeprefix("out/"))] == ["a"]
    assert delivered(shop, "incremental") == 2


@pytest.mark.parametrize("keys", ["no keys", "deduplicated"])
def test_guards_count_a_new_reason(tmp_path: Path, keys: str) -> None:
    """X11: who newly withdraws is no longer desired, so that a guard stops a mass withdrawal, status mapped or not."""
    shop = shop_of(tmp_path, status=False, guards={"max_exited": 1}, **KEYS[keys])
    day(shop, "2026-11-20", withdrew="")
    shop.profiles("2026-11-21", people("bc"))
    shop.evaluate("2026-11-21T02:00Z")
    result = shop.muster("run", "--at", "2026-11-21T05:00Z")
    assert result.code == 1
    assert "guard max_exited: 2 delivered profiles" in result.err
    assert delivered(shop, "incremental") == 3


def test_reasons_take_precedence_in_the_order_of_the_table(tmp_path: Path) -> None:
    """X2: `profile_missing`, then those of the table, then `mandatory`, then `duplicate`: who withdrew takes nobody's
    place.
    """
    shop = shop_of(tmp_path, status=True, mapping=["profile_id", "email", {"source": "name", "mandatory": True}])
    shop.destination(
        "full",
        mapping=["profile_id", {"source": "name", "mandatory": True}],
        deduplicate=["email"],
        activations=[{"audience": "all", "export": "full", "schedule": {"at": "05:00"}}],
    )
    shared = {"email": "one@x.com", "name": "N", "withdrew": False}
    named = [person("a", **shared | {"withdrew": True}), person("b", **shared), person("c", **shared)]
    nameless = [person("d", name=None, withdrew=True), person("e", name=None, withdrew=False)]
    gone = person("f", name=None, withdrew=True)
    shop.profiles("2026-11-20", [*named, *nameless, gone])
    shop.evaluate("2026-11-20T02:00Z")
    shop.profiles("2026-11-21", [*named, *nameless])
    shop.run("2026-11-21T05:00Z")
    assert sent(shop, "full") == ["b"]
    assert rejects(shop, "full") == {
        "a": "withdrawn",
        "c": "duplicate",
        "d": "withdrawn",
        "e": "mandatory:name",
        "f": "profile_missing",
    }


def test_a_reason_may_stand_behind_duplicates(tmp_path: Path) -> None:
    """The order is that of the table, also where a comparison of profiles with each other comes first."""
    with table(*REASONS, withdrawn):
        shop = shop_of(tmp_path, status=True, mapping=["profile_id"], deduplicate=["email"])
        shop.profiles("2026-11-20", [person(each, email="one@x.com", withdrew=True) for each in "ab"])
        shop.evaluate("2026-11-20T02:00Z")
        shop.run("2026-11-20T05:00Z")
        assert rejects(shop, "full") == {"a": "withdrawn", "b": "duplicate"}


def judged_of(root: Path, keys: str, entry: Entry) -> tuple[int, int]:
    """How many of three unchanged profiles a full and an incremental export look at, with this reason in the table."""
    shop = shop_of(root, status=True, **KEYS[keys])
    seen: list[int] = []
    original = Sides.parted

    def counting(sides: Sides, condition: pl.Expr) -> tuple[pl.Series, pl.Series]:
        settled, others = original(sides, condition)
        seen.append(int(others.sum()))
        return settled, others

    with table(*REASONS, entry), mock.patch.object(Sides, "parted", counting):
        for date in ("2026-11-20", "2026-11-21"):
            shop.profiles(date, people(""))
            shop.evaluate(f"{date}T02:00Z")
            shop.run(f"{date}T05:00Z")
    full, incremental = seen[-2:]
    return full, incremental


def never(*columns: Field, may_newly_apply: bool) -> Entry:
    """A reason that applies to nobody."""
    return lambda _layout, _marks: iter([Reason("never", ~pl.col(MEMBER), columns, may_newly_apply)])


def test_unchanged_profiles_are_passed_over_where_no_reason_can_newly_apply(tmp_path: Path) -> None:
    """The shortcut follows from the reasons in force: it is off where one that may apply needs values."""
    field = Field(Column("withdrew", "withdrew"), "attribute", pl.col("withdrew"), pl.Boolean())
    assert judged_of(tmp_path / "1", "no keys", never(may_newly_apply=True)) == (0, 0)
    assert judged_of(tmp_path / "2", "no keys", never(field, may_newly_apply=True)) == (3, 3)
    assert judged_of(tmp_path / "3", "no keys", never(field, may_newly_apply=False)) == (3, 0)
    assert judged_of(tmp_path / "4", "mandatory", never(may_newly_apply=True)) == (3, 3)


def test_a_reason_without_values_meets_unchanged_profiles_too(tmp_path: Path) -> None:
    """X3d: the shortcut passes over nobody to whom a reason applies that is decided without profile values."""
    shop = shop_of(tmp_path, status=True, **KEYS["no keys"])
    day(shop, "2026-11-20", withdrew="")

    def second(_layout: Layout, _marks: Collection[str]) -> Iterator[Reason]:
        yield Reason("second", pl.col(ROW) == 1)

    with table(*REASONS, second):
        day(shop, "2026-11-21", withdrew="")
    assert sent(shop, "incremental") == ["-b"]
    assert delivered(shop, "incremental") == 2
