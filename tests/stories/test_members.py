"""`muster audiences members`: a plain table of who is, and who was, in an audience (E5, E8)."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from support import kept_memberships
from support.shop import FEED, Shop, person, quick_folder
from support.state_damage import flip

from muster.activation.state.block_layout import read_layout
from muster.runs import list_members, open_workspace
from muster.runs import members as members_module

FIRST, SECOND = "2026-11-20T02:00:00Z", "2026-11-21T02:00:00Z"
LONG = "a" + "x" * 126 + "."  # 128 characters


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    """Two evaluations: 9 and 10 are members from the first on, 11 of the first alone; a feed has an audience."""
    with quick_folder() as folder:
        shop = Shop(folder / "shop", memberships={"path": "data/feed.parquet"})
        shop.audience("select", where="vip")
        shop.audience(LONG, where="NOT vip")
        shop.audience("never", where="vip")
        shop.audience("fed", source="memberships")
        time = datetime(2026, 11, 19, 1, 2, 3, 456_000, tzinfo=UTC)
        row = dict(zip(FEED, ("fed", "9", "realized", time, None), strict=True))
        shop.parquet("data/feed.parquet", [row], **FEED)
        for day, vips in (("20", "9 10 11"), ("21", "9 10")):
            shop.profiles(
                f"2026-11-{day}", [person(name, vip=name in vips.split()) for name in ("9", "10", "11", 'a,"b')]
            )
            names = [word for name in ("select", LONG, "fed") for word in ("--audience", name)]
            shop.evaluate(f"2026-11-{day}T02:00Z", *names)
        yield shop


def test_members_are_listed_in_the_order_of_their_ids(shop: Shop) -> None:
    """E5: the newest evaluation's memberships, exited ones too; `--rows` shows some, and says how many there are."""
    said = shop.ok("audiences", "members", "select", "--rows", "2").out
    assert said == (
        f"select at {SECOND}: 2 realized, 1 exited\n"
        "profile_id  status    last_qualification_time\n"
        f"10          realized  {FIRST}\n"
        f"11          exited    {SECOND}\n"
        "the first 2 of 3: --rows N shows more, --out FILE writes all\n"
    )
    assert "the first" not in shop.ok("audiences", "members", "select").out
    assert "none shown: --rows" in shop.ok("audiences", "members", "select", "--rows", "0").out


def test_members_of_an_earlier_time(shop: Shop) -> None:
    """E8: `--at` shows what the newest evaluation at or before a time found."""
    shape = shop.ok("audiences", "members", "select", "--at", "2026-11-21T01:59Z", "--json").json
    everybody = [
        {"profile_id": each, "status": "realized", "last_qualification_time": FIRST} for each in ("10", "11", "9")
    ]
    assert shape == {
        "id": "select",
        "evaluated_at": FIRST,
        "realized": 3,
        "exited": 0,
        "failed_at": None,
        "error": None,
        "file": None,
        "memberships": everybody,
    }
    workspace = open_workspace(shop.root)
    found = list_members(workspace, "select", at=workspace.instant("2026-11-21T02:00Z"), limit=1)
    assert (found.total, [each.profile_id for each in found.memberships]) == (3, ["10"])


@pytest.mark.parametrize("audience", ["select", LONG, "fed"])
def test_members_in_a_file(shop: Shop, tmp_path: Path, audience: str) -> None:
    """E8, F6: `--out` writes all memberships as CSV or Parquet, which only those of `file_mode` may read."""
    expected = kept_memberships.newest(shop.root / ".muster", audience).drop("audience_id")
    shop.ok("audiences", "members", audience, "--out", str(tmp_path / "m.parquet"))
    assert pl.read_parquet(tmp_path / "m.parquet").equals(expected)
    shape = shop.ok("audiences", "members", audience, "--out", str(tmp_path / "m.csv"), "--json").json
    assert (shape["file"], shape["memberships"]) == (str(tmp_path / "m.csv"), None)
    assert shape["realized"] + shape["exited"] == expected.height
    read = pl.read_csv(tmp_path / "m.csv", infer_schema=False).with_columns(
        pl.col("last_qualification_time").str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ", time_unit="us", time_zone="UTC")
    )
    assert read.equals(expected)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.csv", "m.parquet"]
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_an_existing_file_is_never_replaced(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """F1: a file of the name stays, also one that comes while the memberships are written, and on any file system."""
    path = tmp_path / "m.csv"
    command = ("audiences", "members", "select", "--out", str(path))
    path.write_text("mine")
    for _ in range(2):
        result = shop.muster(*command)
        assert (result.code, result.err) == (2, f"error: {path}: already exists; give the name of a new file\n")
        monkeypatch.setattr(members_module.os.path, "lexists", lambda each: each != path)
    assert (path.read_text(), list(tmp_path.iterdir())) == ("mine", [path])
    monkeypatch.undo()
    path.unlink()

    def no_links(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(members_module.os, "link", no_links)
    shop.ok(*command)
    assert path.read_text().startswith("profile_id,status,last_qualification_time\n")
    assert shop.muster(*command).code == 2


def test_what_cannot_be_shown_is_said(shop: Shop, tmp_path: Path) -> None:
    """SPEC 10: one sentence: unknown, never evaluated, not yet evaluated, no such format, no such folder."""
    place = tmp_path / "no" / "m.csv"
    for arguments, said in {
        ("selct",): "there is no audience 'selct'; did you mean 'select'?",
        ("never",): "audience 'never' was never evaluated; `muster evaluate` does that",
        ("select", "--at", "2026-11-20T01:00Z"): (
            "audience 'select' has no evaluation at or before 2026-11-20T01:00:00Z; see `muster audiences show select`"
        ),
        ("select", "--out", "m.json"): "m.json: expected a name that ends in .csv or .parquet",
        ("select", "--out", str(place)): f"{place}: cannot be written: no such file or directory",
    }.items():
        result = shop.muster("audiences", "members", *arguments)
        code = 1 if "cannot be written" in said else 2
        assert (result.code, result.out, result.err) == (code, "", f"error: {said}\n")


def test_pruned_and_damaged_memberships_are_said(tmp_path: Path) -> None:
    """SPEC 10: nobody takes what is left for what was asked for; other audiences of the block are shown."""
    shop = Shop(tmp_path, retention={"evaluations": {"count": 1}})
    shop.audience("select", where="vip")
    shop.audience("other", where="NOT vip")
    for day in ("20", "21", "22"):
        shop.profiles(f"2026-11-{day}", [person("a"), person("b", vip=False)])
        shop.evaluate(f"2026-11-{day}T02:00Z")
    shop.ok("prune", "--at", "2026-11-22T03:00Z")
    result = shop.muster("audiences", "members", "select", "--at", "2026-11-20T03:00Z")
    assert (result.code, result.err) == (2, f"error: audience 'select': evaluations up to {FIRST} were pruned\n")
    path = max((tmp_path / ".muster/memberships").glob("*.parquet"))
    flip(read_layout(path).of_audiences["select"][0][0] + 1)(path)
    result = shop.muster("audiences", "members", "select", "--out", str(tmp_path / "m.csv"))
    assert result.code == 2
    assert "the memberships of audience 'select' differ from what was written" in result.err
    assert not (tmp_path / "m.csv").exists()
    assert shop.ok("audiences", "members", "other", "--json").json["realized"] == 1


def test_a_failed_audience_is_said_beside_its_members(tmp_path: Path) -> None:
    """E9: what is shown is of the newest evaluation; a sentence says that no later one could decide the audience."""
    shop = Shop(tmp_path)
    shop.audience("select", where="points > 0")
    shop.profiles("2026-11-20", [person("a", points=1)])
    shop.evaluate("2026-11-20T02:00Z")
    shop.profiles("2026-11-21", [person("a")])
    assert shop.muster("evaluate", "--at", "2026-11-21T02:00Z").code != 0
    said = shop.ok("audiences", "members", "select").out
    assert f"audience 'select' could not be evaluated since {SECOND}" in said
    assert shop.ok("audiences", "members", "select", "--json").json["failed_at"] == SECOND
