"""What looks after the state knows builds of profiles from sources: views, identity graphs, ids (P7, P10, S8)."""

import shutil
from pathlib import Path

import pytest
from support.builds import build, builds, deliver, files, ledger_of, use
from support.shop import Shop, evaluated_shop

from muster.activation.state.ledger import evaluations_table

AT = "2026-11-20T02:00Z"


@pytest.fixture(scope="module")
def four_days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four days with a build each, whose profiles the evaluation of the day judged."""
    shop = evaluated_shop(tmp_path_factory.mktemp("four") / "shop")
    for number, day in enumerate(("20", "21", "22", "23"), start=1):
        if number > 1:
            shop.evaluate(f"2026-11-{day}T02:00Z", "--no-exports")
        build(shop, number, f"2026-11-{day}T02:00:00+00:00")
        use(shop, "all", number)
    return shop.root


@pytest.fixture
def shop(tmp_path: Path, four_days: Path) -> Shop:
    """A copy of it."""
    shutil.copytree(four_days, tmp_path / "shop")
    return Shop.at(tmp_path / "shop")


def faults(shop: Shop) -> dict[str, dict[str, object]]:
    """What a check finds, by the name of the file; not what a repair put aside."""
    found = shop.muster("state", "check", "--json").json["faults"]
    return {each["file"].removeprefix(".muster/"): each for each in found if "/damaged-" not in each["file"]}


def options(fault: dict[str, object]) -> list[str]:
    """The options of the repairs of a fault."""
    return [each["option"] for each in fault["repairs"]]  # type: ignore[attr-defined]


def test_files_of_builds_are_in_order(shop: Shop) -> None:
    """SPEC 10: they are counted, backed up and restored; what no build names is left over."""
    assert faults(shop) == {}
    assert len(files(shop)) == 12
    shop.ok("state", "backup", str(shop.root.parent / "b.tar"))
    before = {name: content for name, content in shop.tree(".muster").items() if name in files(shop)}
    build(shop, 5, "2026-11-24T02:00:00+00:00")
    shop.ok("state", "restore", str(shop.root.parent / "b.tar"), "--force")
    restored = shop.tree(".muster")
    assert {name: restored[name] for name in files(shop)} == before
    assert list(builds(shop)) == [1, 2, 3, 4]


def test_what_no_build_wrote_is_left_over(shop: Shop) -> None:
    """SPEC 10: among views and graphs too; the user's own folder beside the policies is left alone."""
    graphs, views = shop.root / ".muster/graphs", shop.root / ".muster/profiles"
    for path in (graphs / "x.txt", views / "default/x.parquet", graphs / "default/20261120T020000Z/x.parquet"):
        path.write_text("x")
        path.chmod(0o600)
    (views / "2026-11-20").mkdir(mode=0o700)
    (views / "2026-11-20/part.parquet").touch(mode=0o600)
    assert {name: fault["problem"] for name, fault in faults(shop).items()} == {
        "graphs/x.txt": "was not made by muster",
        "profiles/default/x.parquet": "was not made by muster",
        "graphs/default/20261120T020000Z/x.parquet": "left over (the ledger does not refer to it)",
    }
    shop.ok("state", "repair", "--tidy")
    assert faults(shop) == {}
    assert (views / "2026-11-20/part.parquet").exists()
    assert len(files(shop)) == 13


def test_a_graph_without_a_ledger_is_no_first_build(shop: Shop) -> None:
    """SPEC 10, P7: ids without their ledger are damage, never taken for a workspace that gave none."""
    for name in ("ledger.sqlite", "ledger.checked"):
        (shop.root / ".muster" / name).unlink()
    for path in (shop.root / ".muster/memberships").glob("*"):
        path.unlink()
    said = shop.muster("evaluate", "--at", "2026-11-24T02:00Z")
    assert said.code == 2
    assert "the ledger is missing, but its files remain (graphs)" in said.err


def test_a_damaged_view_is_named_with_who_needs_it(shop: Shop) -> None:
    """SPEC 10, P10: the newest one stops whoever reads the profiles; an earlier one exports from its evaluation."""
    for name in ("20261123T020000Z", "20261122T020000Z"):
        (shop.root / f".muster/profiles/default/{name}/profiles.parquet").write_bytes(b"oops")
    found = faults(shop)
    older, newest = (
        found[f"profiles/default/{name}/profiles.parquet"] for name in ("20261122T020000Z", "20261123T020000Z")
    )
    assert newest["affects"] == [
        "every command that reads the profiles of merge policy default",
        "exports on demand from the evaluation of all at 2026-11-23T02:00:00Z",
    ]
    assert older["affects"] == ["exports on demand from the evaluation of all at 2026-11-22T02:00:00Z"]
    assert options(newest) == options(older) == ["--rebuild default", "--drop-view default"]
    assert "not the" in newest["problem"]  # type: ignore[operator]


def test_a_damaged_view_is_dropped_when_told(shop: Shop) -> None:
    """P10: the build has none then; everything else stays, and the damaged file is kept aside."""
    (shop.root / ".muster/profiles/default/20261122T020000Z/profiles.parquet").unlink()
    done = shop.ok("state", "repair", "--drop-view", "default", "--json").json
    assert done["done"] == ["the view of merge policy default as of 2026-11-22T02:00:00Z is dropped"]
    assert builds(shop)[3] == ("22 02", False, True)
    assert faults(shop) == {}


def test_damaged_ids_go_on_from_an_earlier_build(shop: Shop) -> None:
    """P7: never silently: a check names what it costs; told so, the next build goes on from the newest whole ids."""
    folder = shop.root / ".muster/graphs/default"
    (folder / "20261123T020000Z/ids.parquet").write_bytes(b"oops")
    (folder / "20261122T020000Z/aliases.parquet").unlink()
    found = faults(shop)
    newest, older = (
        found["graphs/default/20261123T020000Z/ids.parquet"],
        found["graphs/default/20261122T020000Z/aliases.parquet"],
    )
    assert newest["affects"] == ["every command that reads the profiles of merge policy default: their ids are in it"]
    assert options(newest) == ["--rebuild default", "--renew-ids default"]
    assert newest["repairs"][1]["cost"] == (  # type: ignore[index]
        "ids go on from those of 2026-11-21T02:00:00Z: who came, merged or split since may get another one, and then "
        "leaves under the old id, enters anew, and is sent again"
    )
    assert older["affects"] == ["`muster evaluations forget` back to the ids of 2026-11-22T02:00:00Z alone"]
    assert options(older) == ["--tidy"]
    done = shop.ok("state", "repair", "--renew-ids", "default", "--tidy", "--json").json
    assert (
        done["done"][0] == "the ids of merge policy default go on from those of 2026-11-21T02:00:00Z in the next build"
    )
    assert builds(shop) == {
        1: ("20 02", True, True),
        2: ("21 02", True, True),
        3: ("22 02", True, False),
        4: ("23 02", True, True),
    }
    assert "graphs/default/20261121T020000Z" in str(files(shop))
    assert faults(shop) == {}
    said = shop.muster("evaluations", "forget", "--after", "2026-11-22T06:00Z")
    assert (said.code, "the ids of merge policy 'default' as of 2026-11-22T02:00:00Z" in said.err) == (2, True), (
        said.err
    )
    shop.ok("evaluations", "forget", "--after", "2026-11-21T06:00Z")


def test_lost_ids_begin_anew_when_told(shop: Shop) -> None:
    """P7: where no ids are whole, that is said, and done only when told."""
    for path in (shop.root / ".muster/graphs/default").glob("*/ids.parquet"):
        path.unlink()
    fault = faults(shop)["graphs/default/20261123T020000Z/ids.parquet"]
    assert (
        str(fault["repairs"]).count("ids are given anew: who merged, split or lost an identity may get another one")
        == 1
    )
    shop.ok("state", "repair", "--renew-ids", "default", "--tidy")
    assert [graph for _, _, graph in builds(shop).values()] == [False] * 4
    assert faults(shop) == {}


def test_later_builds_are_taken_back_with_their_evaluations(shop: Shop) -> None:
    """E6, P7: ids are those of before again; a build without an evaluation goes too."""
    build(shop, 5, "2062-01-01T02:00:00+00:00")
    assert shop.ok("evaluations", "forget", "--after", "2026-11-22T02:00Z").out == (
        "1 evaluation of an audience and 2 builds of profiles forgotten\n"
    )
    assert list(builds(shop)) == [1, 2, 3]
    assert len(files(shop)) == 9
    assert (
        shop.ok("evaluations", "forget", "--after", "2026-11-22T02:00Z").out
        == "there is no evaluation after that time\n"
    )


def test_builds_whose_ids_were_delivered_stay(shop: Shop) -> None:
    """E6, P7: with the build that a delivered set or a run names all builds before it stay, and later ones go."""
    shop.run("2026-11-23T05:00Z")
    build(shop, 5, "2026-11-23T05:00:00+00:00")
    build(shop, 6, "2026-11-23T06:00:00+00:00")
    deliver(shop, "crm/all", 5)
    shop.ok("evaluations", "forget", "--after", "2026-11-23T02:00Z")
    assert list(builds(shop)) == [1, 2, 3, 4, 5]


def test_builds_are_pruned(shop: Shop) -> None:
    """P10: views that no kept evaluation used go, and ids that nobody can go back to; rows of the ledger stay."""
    build(shop, 1, "2026-11-20T02:00:00+00:00", "other")
    shop.set(retention={"evaluations": {"count": 1}})
    dry = shop.ok("prune", "--at", "2026-11-23T06:00Z", "--dry-run", "--json").json
    told = shop.ok("prune", "--at", "2026-11-23T06:00Z", "--json").json
    assert told["builds"] == dry["builds"] == {"removed": 2, "kept": 3}
    assert {each["folder"]: each["files"] for each in told["folders"]}["profiles"] == 2
    assert builds(shop) == {
        1: ("20 02", False, False),
        2: ("21 02", False, False),
        3: ("22 02", True, True),
        4: ("23 02", True, True),
    }
    assert builds(shop, "other") == {1: ("20 02", True, True)}
    assert len(files(shop)) == 9
    assert faults(shop) == {}
    shop.ok("evaluations", "forget", "--after", "2026-11-22T02:00Z")
    assert list(builds(shop)) == [1, 2, 3]


def test_ids_that_a_forget_could_need_are_not_pruned(shop: Shop) -> None:
    """P7: as long as no run used an evaluation, `evaluations forget` may go back to any of them."""
    shop.set(retention={"evaluations": {"count": 9}})
    shop.ok("prune", "--at", "2026-11-23T06:00Z")
    assert {graph for _, _, graph in builds(shop).values()} == {True}
    shop.run("2026-11-23T06:00Z")
    shop.ok("prune", "--at", "2026-11-23T06:00Z")
    assert [graph for _, _, graph in builds(shop).values()] == [False, False, False, True]
    assert [view for _, view, _ in builds(shop).values()] == [True] * 4


def test_builds_ahead_of_the_clock_are_warned_of_and_rewound(shop: Shop) -> None:
    """S8: later builds become ones of the instant, in folders of its name; those before the newest lose their ids.

    Builds and ids of before stay as they were.
    """
    build(shop, 5, "2061-01-01T02:00:00+00:00")
    build(shop, 6, "2062-01-01T02:00:00+00:00")
    assert "it has builds of profiles up to 2062-01-01T02:00:00Z" in shop.run("2026-11-23T03:00Z", "-q").err
    to = ("state", "rewind", "--to", "2026-11-23T02:30Z")
    assert shop.ok(*to, "--json").json["builds"] == 2
    assert builds(shop) == {
        1: ("20 02", True, True),
        2: ("21 02", True, True),
        3: ("22 02", True, True),
        4: ("23 02", True, True),
        5: ("23 02", True, False),
        6: ("23 02", True, True),
    }
    assert [name for name in files(shop) if "20261123T0230" in name and "206" not in name] == [
        ".muster/graphs/default/20261123T023000Z-2/aliases.parquet",
        ".muster/graphs/default/20261123T023000Z-2/ids.parquet",
        ".muster/profiles/default/20261123T023000Z-2/profiles.parquet",
        ".muster/profiles/default/20261123T023000Z/profiles.parquet",
    ]
    assert len(files(shop)) == 16
    assert faults(shop) == {}
    assert shop.ok(*to).out == "nothing is later than 2026-11-23T02:30:00Z: the state is as it was\n"


def test_a_rewound_evaluation_keeps_the_view_that_it_used(shop: Shop) -> None:
    """S8, X7: an evaluation that becomes one of the instant goes on naming the build, whose view is there."""
    shop.evaluate("2062-01-01T02:00Z", "--no-exports")
    build(shop, 5, "2062-01-01T02:00:00+00:00")
    use(shop, "all", 5)
    build(shop, 6, "2062-01-01T03:00:00+00:00")
    shop.ok("state", "rewind", "--to", "2026-11-24T02:00Z")
    with ledger_of(shop) as ledger:
        assert evaluations_table.newest(ledger, "all").inputs["build"]["number"] == 5
    assert [builds(shop)[number] for number in (5, 6)] == [("24 02", True, False), ("24 02", True, True)]
    assert faults(shop) == {}
