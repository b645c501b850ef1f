"""Builds that are looked after: damaged, made again, taken back, rewound, pruned (P7, P10, S8, SPEC 10)."""

import shutil
from pathlib import Path

import pytest
from support.erased import holding
from support.shop import Shop
from support.sourced import hold, id_of, sourced

ANN, CARD = id_of("CRMID", "ann"), id_of("Card", "card")
SURVIVOR = min(ANN, CARD)
EVALUATE = ("evaluate", "--at", "2026-11-23T02:00Z")


@pytest.fixture(scope="module")
def merged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three nights: a card comes to Ann on the second, so that her id says what was; on the third nothing changes."""
    shop = sourced(tmp_path_factory.mktemp("merged") / "shop", "crm", "cards")
    hold(shop, "cards", "2026-11-20", ("card", None, "2026-11-19T10:00", False))
    for day in ("20", "21", "22"):
        hold(shop, "crm", f"2026-11-{day}", ("ann", "ann@x"), (f"of {day}", None))
        if day == "21":
            hold(shop, "cards", "2026-11-21", ("card", "ann@x", "2026-11-20T10:00", False))
        shop.day(f"2026-11-{day}")
    return shop.root


@pytest.fixture
def shop(tmp_path: Path, merged: Path) -> Shop:
    """A copy of it, with new records for the next night."""
    shutil.copytree(merged, tmp_path / "shop")
    shop = Shop.at(tmp_path / "shop")
    hold(shop, "crm", "2026-11-23", ("ann", "ann@x"), ("of 23", None))
    return shop


def spoil(shop: Shop, pattern: str) -> dict[str, bytes]:
    """Damage files of the state; returns what they were."""
    found = sorted((shop.root / ".muster").glob(pattern))
    assert found
    before = {path.relative_to(shop.root).as_posix(): path.read_bytes() for path in found}
    for path in found:
        path.write_bytes(b"oops")
    return before


def members(shop: Shop) -> set[str]:
    """Who is realized."""
    return {each for each, status in shop.memberships().items() if status.startswith("realized")}


NEWEST = ["*/default/20261122*/*.parquet", "graphs/default/20261122*/aliases.parquet", "graphs/default/20261122*/fra*"]


@pytest.mark.parametrize("pattern", NEWEST)
def test_damage_is_never_taken_for_a_first_build(shop: Shop, pattern: str) -> None:
    """SPEC 10, P7: ids that cannot be read stop the build, exit 2, with the way out. What a check calls damage is
    made again with the same bytes, and the next night goes on as if nothing had been.
    """
    before = spoil(shop, pattern)
    if "fra" not in pattern:  # which no build goes on from
        said = shop.muster(*EVALUATE)
        assert said.code == 2
        assert "the state is damaged; restore the file from a backup, or run `muster state repair --rebuild" in said.err
    done = shop.ok("state", "repair", "--rebuild", "default", "--json").json
    assert {name: shop.tree(".muster")[name] for name in before} == before
    assert done["done"] == [
        "the profiles of merge policy default as of 2026-11-22T02:00:00Z are made again: the same bytes as before"
    ]
    shop.ok(*EVALUATE)
    assert members(shop) == {SURVIVOR, id_of("CRMID", "of 23")}


def test_what_cannot_be_made_again_is_refused(shop: Shop) -> None:
    """P10: where the sources have changed since, a check says so, and all stays as it is."""
    spoil(shop, "profiles/default/20261122*/*")
    hold(shop, "crm", "2026-11-22", ("ann", "other@x"))
    fault = shop.muster("state", "check", "--json").json["faults"][0]
    why = "the sources, their settings, or who is forgotten changed since 2026-11-22T02:00:00Z"
    assert fault["repairs"][0] == {"option": "--rebuild default", "cost": f"not possible: {why}"}
    said = shop.muster("state", "repair", "--rebuild", "default")
    assert (said.code, why in said.err) == (2, True)
    done = shop.ok("state", "repair", "--yes", "--json").json["done"]
    assert done == ["the view of merge policy default as of 2026-11-22T02:00:00Z is dropped"]
    said = shop.muster("export", "crm/all", "--at", "2026-11-22T03:00Z")
    assert (said.code, "of build 3 were pruned; run `muster evaluate` and export again" in said.err) == (2, True), said
    shop.ok(*EVALUATE)
    assert members(shop) == {SURVIVOR, id_of("CRMID", "of 23")}


def test_ids_go_on_from_an_earlier_build(shop: Shop) -> None:
    """P7: told so, muster goes on from the build before, in which the merge is known: nobody gets another id."""
    spoil(shop, "graphs/default/20261122*/ids.parquet")
    shop.ok("state", "repair", "--renew-ids", "default")
    shop.ok(*EVALUATE)
    assert members(shop) == {SURVIVOR, id_of("CRMID", "of 23")}


def test_ids_begin_anew(shop: Shop) -> None:
    """P7: where no build has whole ids, and only when told, ids are made of the smallest identities again."""
    spoil(shop, "graphs/default/*/ids.parquet")
    assert shop.muster(*EVALUATE).code == 2
    shop.ok("state", "repair", "--renew-ids", "default", "--tidy")
    shop.ok(*EVALUATE)
    assert members(shop) == {ANN, id_of("CRMID", "of 23")}
    shop.ok("state", "check")


def test_a_report_that_is_lost_is_made_by_the_next_build(shop: Shop) -> None:
    """P4, P5: shared and refused identities stop nobody's evaluation; moved aside, the next evaluation has them."""
    spoil(shop, "graphs/default/20261122*/shared.parquet")
    fault = shop.muster("state", "check", "--json").json["faults"][0]
    assert [each["option"] for each in fault["repairs"]] == ["--rebuild default", "--tidy"]
    shop.ok("state", "repair", "--tidy")
    shop.ok(*EVALUATE)
    assert (max((shop.root / ".muster/graphs/default").iterdir()) / "shared.parquet").exists()


def test_a_mistyped_instant_leaves_no_trace_in_ids(shop: Shop, tmp_path: Path) -> None:
    """E6, P7: a build that took a profile apart is taken back with its evaluation; then all goes on as where it never
    was: ids, aliases, splits, to the byte.
    """
    shutil.copytree(shop.root, tmp_path / "twin")
    hold(shop, "cards", "2026-11-25", ("card", "other@x", "2026-11-25T00:00", False))
    shop.ok("evaluate", "--at", "2026-11-26T02:00Z", "--no-exports")
    assert len(members(shop)) == 3
    assert shop.ok("evaluations", "forget", "--after", "2026-11-22T12:00Z").out == (
        "1 evaluation of an audience and 1 build of profiles forgotten\n"
    )
    (shop.root / "data/cards/2026-11-25.parquet").unlink()
    twin = Shop.at(tmp_path / "twin")
    for each in (shop, twin):
        each.ok(*EVALUATE)
    assert {name: content for name, content in shop.tree(".muster").items() if _is_of_build(name)} == {
        name: content for name, content in twin.tree(".muster").items() if _is_of_build(name)
    }
    assert shop.memberships() == twin.memberships()


def _is_of_build(name: str) -> bool:
    return name.split("/")[1] in {"graphs", "profiles"}


def test_a_wrong_clock_is_rewound(shop: Shop) -> None:
    """S8, X7, P10: the build of the wrong year becomes one of the instant; exports on demand and the next night go on
    from it, files of its runs can be made again, and nobody gets another id or is sent again.
    """
    for command in ("evaluate", "run"):
        shop.ok(command, "--at", "2062-01-01T05:00Z")
    shop.ok("state", "rewind", "--to", "2026-11-23T02:00Z")
    assert shop.ok("state", "check").out == ""
    assert not [name for name in shop.tree(".muster") if _is_of_build(name) and "2062" in name]
    [wrong] = (run["run_id"] for run in shop.runs("crm/all") if run["rewound"] and run["status"] == "succeeded")
    shop.ok("replay", wrong, "--to", str(shop.root / "again"))
    shop.ok("export", "crm/all", "--at", "2026-11-23T03:00Z")
    shop.day("2026-11-24")
    sizes = {run["scheduled_time"]: run["exported"] for run in shop.runs("crm/all") if not run["rewound"]}
    assert (sizes["2026-11-23T03:00:00Z"], sizes["2026-11-24T05:00:00Z"]) == (2, 0)
    assert members(shop) == {SURVIVOR, id_of("CRMID", "of 23")}


def test_what_is_pruned_is_needed_by_nobody(shop: Shop) -> None:
    """P10, X7: the next night goes on as it would have, and an export of an evaluation that was pruned is refused."""
    shop.set(retention={"evaluations": {"count": 1}, "runs": {"count": 1}})
    shop.ok("prune", "--at", "2026-11-22T06:00Z")
    kept = {name.split("/")[3] for name in shop.tree(".muster") if _is_of_build(name)}
    assert kept == {"20261121T020000Z", "20261122T020000Z"}
    assert shop.ok("state", "check").out == ""
    assert shop.muster("export", "crm/all", "--at", "2026-11-20T12:00Z").code == 2
    shop.day("2026-11-23")
    assert members(shop) == {SURVIVOR, id_of("CRMID", "of 23")}
    assert shop.runs("crm/all")[-1]["merged"] == 0


def test_an_id_that_is_no_alias_any_more_is_erased(shop: Shop) -> None:
    """G8, P7: aliases go once no membership and no delivered set names them; rows of earlier runs have the id still. It
    is found by the identity that it was made of.
    """
    shop.set(retention={"evaluations": {"count": 1}})
    for day in ("2026-11-23", "2026-11-24"):
        hold(shop, "crm", day, ("ann", "ann@x"), (f"of {day}", None))
        shop.day(day)
        shop.ok("prune", "--at", f"{day}T06:00Z")
    assert shop.ok("profiles", "show", SURVIVOR, "--at", "2026-11-24T06:00Z", "--json").json["aliases"] == []
    assert [name for name in holding(shop, *({ANN, CARD} - {SURVIVOR})) if name.startswith("decisions")]
    assert shop.ok("profiles", "forget", "Email:ann@x", "--at", "2026-11-24T06:00Z", "--json").json["profiles"] == 1
    assert [name for name in holding(shop, ANN, CARD) if not name.startswith("baselines")] == []
