"""Views are built once and kept, and not built again while the same rows count (P7, P10)."""

import gc
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.built_views import Views, frame, instant, people

from muster.activation.errors import DataError, RefusedError
from muster.activation.frames.columns import TIME_TYPE
from muster.activation.state.files import State
from muster.activation.state.ledger import builds_table
from muster.activation.views.build import kept_view
from muster.activation.views.new_ids import made_of
from muster.activation.views.view import View

ANN, BOB = made_of("CRMID", "1", ""), made_of("CRMID", "2", "")
OLD, NEW = min(ANN, BOB), max(ANN, BOB)  # of two that are equally old the smaller id survives


@pytest.fixture
def views(tmp_path: Path) -> Views:
    """Two people in a CRM, whom a card joins or parts."""
    found = Views(tmp_path / "shop")
    found.set(namespaces={"Card": {"priority": 3}, "CRMID": {"type": "person", "priority": 1}})
    found.source("crm", "crm_id CRMID", "card Card")
    return found


def hold(views: Views, day: str, one: str, other: str) -> None:
    """A snapshot in which the two people have these cards."""
    views.hold("crm", day, [{"crm_id": "1", "card": one}, {"crm_id": "2", "card": other}])


def ids(view: View) -> list[str]:
    return view.ids.to_list()


def aliases(view: View) -> dict[str, str]:
    return dict(view.lineage.aliases.select("alias", "profile_id").iter_rows())


def test_a_view_is_built_once(views: Views) -> None:
    """P10: it is kept under its policy and instant, alone, and not built again while the same rows count."""
    hold(views, "2026-11-20", "a", "b")
    first = views.build("2026-11-20T02:00")
    root = views.shop.root / ".muster" / "profiles" / "default" / "20261120T020000Z"
    assert [path.name for path in root.iterdir()] == ["profiles.parquet"]
    assert pl.read_parquet(root / "profiles.parquet")["profile_id"].to_list() == sorted([ANN, BOB])
    again = views.build("2026-11-21")
    assert (again.number, again.at, again.paths) == (1, first.at, first.paths)
    hold(views, "2026-11-22", "a", "b")  # other files, although with equal rows
    assert views.build("2026-11-21").number == 1
    assert views.build("2026-11-22").number == 2


def test_two_builds_of_one_instant_have_two_folders(views: Views) -> None:
    """P10: what was built before stays as it was recorded."""
    hold(views, "2026-11-20", "a", "b")
    first = views.build("2026-11-20T02:00")
    hold(views, "2026-11-20", "a", "a")
    second = views.build("2026-11-20T02:00")
    assert (second.number, second.paths[0].parent.name) == (2, "20261120T020000Z-2")
    assert [len(frame(each)) for each in (first, second)] == [2, 1]


@pytest.mark.parametrize("kind", ["changes", "events"])
def test_rows_that_are_later_than_the_instant_count_once_it_is_there(views: Views, kind: str) -> None:
    """P10: with the same files, another view is built when other rows of them count."""
    hold(views, "2026-11-20", "a", "b")
    more = {"mode": "changes", "updated_at": "at"} if kind == "changes" else {"kind": "events", "timestamp": "at"}
    views.source("cards", "card Card", "more Card", **more)
    rows = [{"card": "a", "more": "b", "at": instant("2026-11-22")}, {"card": "z", "at": instant("2026-11-19")}]
    views.hold("cards", "all", rows, at=TIME_TYPE)
    found = [views.build(day) for day in ("2026-11-20", "2026-11-21T23:59", "2026-11-22", "2026-11-23")]
    assert [each.number for each in found] == [1, 1, 2, 2]
    assert [len({ANN, BOB} & {*ids(each)}) for each in found] == [2, 2, 1, 1]


@pytest.mark.parametrize(
    "settings",
    [
        {"namespaces": {"Card": {"priority": 3, "blocked": ["a"]}}},
        {"identity_graph": {"max_identities": 9}},
        {"merge_policies": {"default": {"graph": "none"}}},
        {"merge_policies": {"default": {"attributes": {"precedence": ["crm"]}}}},
    ],
)
def test_other_rules_make_another_view(views: Views, settings: dict[str, Any]) -> None:
    """P10: the same rows count only by the same rules."""
    hold(views, "2026-11-20", "a", "b")
    views.build("2026-11-20")
    views.set(**settings)
    assert views.build("2026-11-20").number == 2


def test_what_does_not_decide_the_rows_makes_no_other_view(views: Views) -> None:
    """P10: a name, an age or a label of a source, or another key for new ids, changes no row."""
    hold(views, "2026-11-20", "a", "b")
    views.build("2026-11-20")
    views.source("crm", "crm_id CRMID", "card Card", name="The CRM", max_age="90d", labels={"card": ["I1"]})
    views.set(profiles={"from": "sources", "id_key": "another"})
    assert views.build("2026-11-20").number == 1


def test_forgotten_people_make_another_view(views: Views) -> None:
    """G8: their identities count as blocked."""
    hold(views, "2026-11-20", "a", "b")
    views.build("2026-11-20")

    def is_blocked(identities: pl.DataFrame) -> pl.Series:
        return identities["id"].is_in(["1", "a"])

    without = views.build("2026-11-20", is_blocked=is_blocked, blocked_key="somebody")
    assert (without.number, ids(without)) == (2, [BOB])


def test_readers_record_nothing(views: Views) -> None:
    """P7, P10: a reader uses a kept view of the same rows, else one in a folder that goes with the view."""
    hold(views, "2026-11-20", "a", "b")
    first = views.look("2026-11-20")
    [path] = first.paths
    assert path.exists()
    assert path.stat().st_mode & 0o077 == 0
    assert (first.is_kept, first.number) == (False, 1)
    assert not (views.shop.root / ".muster" / "profiles").exists()
    del first
    gc.collect()
    assert not path.exists()
    kept = views.build("2026-11-20")
    assert (views.look("2026-11-21").is_kept, views.look("2026-11-21").paths) == (True, kept.paths)
    hold(views, "2026-11-21", "a", "a")
    other = views.look("2026-11-21")
    assert (other.is_kept, ids(other), aliases(other)) == (False, [OLD], {NEW: OLD})
    other.close()
    assert not other.build.view or not other._state.folder.exists()  # noqa: SLF001
    with views.ledger() as ledger:
        assert len(builds_table.list_all(ledger)) == 1


def test_a_build_before_the_newest_one_changes_no_ids(views: Views) -> None:
    """P7: it goes on from the newest ids, and the next build goes on from those too."""
    hold(views, "2026-11-20", "a", "b")
    hold(views, "2026-11-22", "a", "a")
    views.build("2026-11-20")
    merged = views.build("2026-11-22")
    assert (ids(merged), aliases(merged)) == ([OLD], {NEW: OLD})
    hold(views, "2026-11-21", "c", "d")
    before = views.build("2026-11-21")
    assert (before.number, ids(before), before.build.changes_ids) == (3, [OLD, NEW], False)
    assert views.look("2026-11-22").number == 2
    hold(views, "2026-11-23", "e", "e")
    after = views.build("2026-11-23")
    assert (after.number, ids(after), aliases(after), after.stats["merged"]) == (4, [OLD], {NEW: OLD}, 0)
    assert [views.look(f"2026-11-{day}").number for day in (20, 21, 22, 23)] == [1, 3, 2, 4]


def test_aliases_lead_through_chains(views: Views) -> None:
    """P7: to the end of the chain; one that is given again is no alias, and those that led to it lead to it again."""
    for day, cards in (("20", "abc"), ("21", "aac"), ("22", "aaa"), ("23", "aad")):
        rows = [{"crm_id": str(number), "card": card} for number, card in enumerate(cards, 1)]
        views.hold("crm", f"2026-11-{day}", rows)
    people_ids = [made_of("CRMID", str(number), "") for number in (1, 2, 3)]
    first = views.build("2026-11-20")
    assert sorted(ids(first)) == sorted(people_ids)
    second, third, last = (views.build(f"2026-11-{day}") for day in (21, 22, 23))
    [survivor] = [each for each in ids(second) if each != people_ids[2]]
    [end] = ids(third)
    assert set(aliases(third)) == set(people_ids) - {end}
    assert set(aliases(third).values()) == {end}
    assert len(aliases(last)) == 1
    assert last.lineage.splits.select("profile_id", "new_id").rows() == [(end, *({*ids(last)} - {end}))]
    assert aliases(second) == {({*people_ids[:2]} - {survivor}).pop(): survivor}


def test_an_alias_stays_while_somebody_names_it(views: Views, monkeypatch: pytest.MonkeyPatch) -> None:
    """P7: it goes with the build in which all evaluations and delivered sets have a build that knows of it."""
    hold(views, "2026-11-20", "a", "b")
    views.build("2026-11-20")
    found = []
    for day, named in (("21", 1), ("22", 1), ("23", 2)):
        monkeypatch.setattr(
            "muster.activation.state.ledger.build_history.oldest_named", lambda *_, number=named: number
        )
        hold(views, f"2026-11-{day}", "a", "a")
        found.append(aliases(views.build(f"2026-11-{day}")))
    assert found == [{NEW: OLD}, {NEW: OLD}, {}]


def test_ids_go_on_through_changes_of_the_sources(views: Views) -> None:
    """P7: ids are kept per policy id, with an `id_key` that is set later, and with other sources."""
    hold(views, "2026-11-20", "a", "b")
    views.build("2026-11-20")
    views.source("shop", "card Card")
    views.hold("shop", "2026-11-20", [{"card": "a"}, {"card": "c"}])
    views.set(profiles={"from": "sources", "id_key": "key"}, merge_policies={"default": {"sources": ["shop"]}})
    view = views.build("2026-11-21")
    assert set(ids(view)) == {ANN, made_of("Card", "c", "key")}


def test_a_build_that_is_stopped_leaves_nothing(views: Views, monkeypatch: pytest.MonkeyPatch) -> None:
    """P10: without its record its files are nobody's, and the next command that writes removes them."""
    hold(views, "2026-11-20", "a", "b")
    with monkeypatch.context() as stopped:
        stopped.setattr(builds_table, "put", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            views.build("2026-11-20")
    written = [*(views.shop.root / ".muster").rglob("*.parquet")]
    hold(views, "2026-11-21", "a", "b")
    view = views.build("2026-11-21")
    assert view.number == 1
    assert not any(path.exists() for path in written)
    assert not (views.shop.root / ".muster/profiles/default/20261120T000000Z").exists()


def test_files_that_change_while_they_are_read_are_refused(views: Views, monkeypatch: pytest.MonkeyPatch) -> None:
    """D2, P10: a view is of one version of each snapshot; of two nothing is recorded, and no tool finds a view."""
    views.hold("crm", "2026-11-20/a", [{"crm_id": "1", "card": "a"}])
    views.hold("crm", "2026-11-20/b", [{"crm_id": "2", "card": "b"}])
    real = State.write

    def write(self: State, *args: Any, **more: Any) -> Any:
        if args[1].startswith("profiles/"):
            views.hold("crm", "2026-11-20/b", [{"crm_id": "3", "card": "b"}])
        return real(self, *args, **more)

    monkeypatch.setattr(State, "write", write)
    with pytest.raises(DataError, match="was written to while muster read it"):
        views.build("2026-11-21")
    with views.ledger() as ledger:
        assert builds_table.list_all(ledger) == []
    assert [*(views.shop.root / ".muster").glob("*/default/*/*.parquet")] == []


def test_a_view_may_have_no_profile(views: Views) -> None:
    """P10: it has its columns, and whoever reads it judges whether that may be."""
    views.hold("crm", "2026-11-20", [{"crm_id": "1", "card": "a"}])
    views.hold("crm", "2026-11-21", [{"crm_id": " ", "card": "null"}])
    views.build("2026-11-20")
    view = views.build("2026-11-21")
    assert frame(view).height == 0
    assert frame(view).schema["identity_map"] == pl.List(pl.Struct({"namespace": pl.String, "id": pl.String}))
    assert frame(view).columns == ["profile_id", "identity_map", "crm_id", "card"]
    assert view.identities.collect().height == 0


def test_a_recorded_view_is_found_by_its_number(views: Views) -> None:
    """X7: as an evaluation recorded it, with its lineage; refused once it was pruned."""
    hold(views, "2026-11-20", "a", "b")
    hold(views, "2026-11-21", "a", "a")
    views.build("2026-11-20")
    views.build("2026-11-21")
    state = State(views.shop.root / ".muster", 0o600)
    with views.folder.writing(0) as ledger:
        view = kept_view("default", 1, state, ledger)
        assert people(view, "crm_id") == [("1",), ("2",)]
        assert (view.lineage.build, view.lineage.aliases.height) == (1, 0)
        with ledger.transaction():
            builds_table.put(ledger, replace(view.build, view=None, graph=None))
        with pytest.raises(RefusedError, match="build 1 were pruned"):
            kept_view("default", 1, state, ledger)


def test_a_pruned_graph_of_a_kept_view_is_missed_only_where_it_is_needed(views: Views) -> None:
    """X7: an on-demand export needs the view alone; where identities lead is refused."""
    hold(views, "2026-11-20", "a", "b")
    view = replace(views.build("2026-11-20"))
    pruned = replace(view, build=replace(view.build, graph=None))
    assert people(pruned, "crm_id") == [("1",), ("2",)]
    assert pruned.lineage.aliases.height == 0
    with pytest.raises(RefusedError, match="pruned"):
        _ = pruned.identities


def test_the_order_of_rows_changes_no_byte(views: Views, tmp_path: Path) -> None:
    """E1: equal inputs give equal files, whatever the order of rows and files is."""
    rows = [{"crm_id": str(n), "card": f"{n // 3}", "city": f"c{n}" if n % 2 else None} for n in range(12)]
    views.hold("crm", "2026-11-20", rows)
    other = Views(tmp_path / "other")
    other.set(namespaces={"Card": {"priority": 3}, "CRMID": {"type": "person", "priority": 1}})
    other.source("crm", "crm_id CRMID", "card Card")
    for name, part in (("1", rows[7::-1]), ("0", rows[:7:-1])):
        other.hold("crm", f"2026-11-20/{name}", part)
    one, two = (each.build("2026-11-21").build for each in (views, other))
    assert one.view == two.view
    assert {each: one.graph[each] for each in one.graph if each != "fragments"} == {
        each: two.graph[each] for each in two.graph if each != "fragments"
    }
