"""Where files may go (F1): never into inputs or the state, never into another destination's folder by a link."""

from pathlib import Path
from typing import Any

import pytest
from support.shop import Shop, person

CONSTANT = {"file_name": "members"}


def shop_with(root: Path, destinations: dict[str, dict[str, Any]], **settings: Any) -> Shop:
    """A shop with one snapshot, evaluated, and one daily activation in each destination."""
    shop = Shop(root, **settings)
    shop.audience("all", where="vip")
    for name, content in destinations.items():
        daily = {"audience": "all", "export": "full", "schedule": {"at": "05:00"}}
        shop.destination(name, **({"mapping": ["profile_id"], "activations": [daily]} | content))
    shop.profiles("2026-11-20", [person("a")])
    shop.evaluate("2026-11-20T02:00Z")
    return shop


def statuses(shop: Shop) -> dict[str, str]:
    """The status of each destination's run."""
    return {run["destination"]: run["status"] for run in shop.runs()}


def refused(shop: Shop, *words: str) -> None:
    """`validate` exits with 2 and says why; a run of the destination fails, writes nothing there, and `ok` goes on."""
    before = shop.tree("")
    found = shop.muster("validate", "--at", "2026-11-20T05:00Z")
    assert found.code == 2
    for word in ("destinations/bad.yml:", *words):
        assert word in found.err
    ran = shop.muster("run", "--at", "2026-11-20T05:00Z")
    assert (ran.code, statuses(shop)) == (1, {"bad": "failed", "ok": "succeeded"})
    for word in words:
        assert word in ran.err
    after = {name for name in shop.tree("") if not name.startswith((".muster", "out/ok"))}
    assert after == {name for name in before if not name.startswith(".muster")}
    asked = shop.muster("export", "bad/all", "--at", "2026-11-20T05:00Z")
    assert asked.code == 1


def allowed(shop: Shop) -> None:
    """`validate` finds nothing, and the runs of both destinations succeed."""
    shop.ok("validate", "--at", "2026-11-20T05:00Z")
    shop.run("2026-11-20T05:00Z")
    assert set(statuses(shop).values()) == {"succeeded"}


INPUTS: dict[str, Any] = {"events": {"path": "data/events"}, "memberships": {"path": "data/feeds/*.csv"}}


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ({"url": "data/profiles"}, "profiles.path"),
        ({"url": "data/profiles/"}, "profiles.path"),
        ({"url": "./data/../data/profiles"}, "profiles.path"),
        ({"url": "data/profiles/out"}, "profiles.path"),
        ({"url": "data/profiles/_hidden"}, "profiles.path"),
        ({"url": "data/events/2026"}, "events.path"),
        ({"url": "file://{root}/data/profiles"}, "profiles.path"),
        ({"url": "{root}/data/profiles/x"}, "profiles.path"),
        ({"url": "data", "file_name": "profiles/{datetime}"}, "profiles.path"),
        ({"url": ".", "file_name": "data/{audience_name}/x"}, "events.path"),
        ({"url": "data/feeds"}, "memberships.path"),
        ({"url": "data", "file_name": "feeds/{datetime}"}, "memberships.path"),
        ({"url": ".muster"}, "the state folder (.muster)"),
        ({"url": ".muster/tmp"}, "the state folder (.muster)"),
    ],
)
def test_no_file_goes_where_inputs_or_the_state_are(tmp_path: Path, content: dict[str, str], place: str) -> None:
    """F1: a url that is or lies in an input folder or the state, or whose files can lie there or match a glob, is
    refused: `validate` exits with 2, and the exports of that destination alone fail.
    """
    content = {key: value.replace("{root}", str(tmp_path)) for key, value in content.items()}
    shop = shop_with(tmp_path, {"bad": content, "ok": {}})
    shop.audience("all", name="events", where="vip")
    shop.set(**INPUTS)
    refused(shop, place, "bad/all" if "file_name" in content or content["url"] == "data/feeds" else "url")


@pytest.mark.parametrize(
    ("content", "settings"),
    [
        ({"url": "data"}, {}),
        ({"url": "."}, {}),
        ({"url": "data", "file_name": "{datetime}/profiles"}, {}),
        ({"url": "data", "file_name": "profiles_{date}/x"}, {}),
        ({"url": "data/profiles-out"}, {}),
        ({"url": "data", "file_name": "{date}"}, {"memberships": {"path": "data/feed*.csv"}}),
        ({"url": "data", "format": "csv"}, {"memberships": {"path": "data/*.parquet"}}),
        ({"url": "data", "file_name": "{date}/x"}, {"memberships": {"path": "data/year=*/*.csv"}}),
        ({"url": "state"}, {"state": "state2"}),
    ],
)
def test_a_destination_beside_inputs_is_allowed(
    tmp_path: Path, content: dict[str, Any], settings: dict[str, Any]
) -> None:
    """F1: a folder around inputs or the state is allowed when no name can lie in one of them or match a glob."""
    allowed(shop_with(tmp_path, {"bad": content, "ok": {}}, **settings))


@pytest.mark.parametrize(
    "content",
    [{"format": "parquet", "file_name": "{datetime}"}, {"format": "json", "file_name": "from_{date}"}],
)
def test_a_name_that_matches_the_glob_of_an_input_is_refused(tmp_path: Path, content: dict[str, Any]) -> None:
    """F1: files beside the inputs of a glob are refused if a name of theirs can match it."""
    glob = "data/[0-9]*.parquet" if content["format"] == "parquet" else "data/fr?m_*1*.json"
    shop = shop_with(tmp_path, {"bad": {"url": "data"} | content, "ok": {}})
    shop.set(memberships={"path": glob})
    refused(shop, "memberships.path", "bad/all")


def test_the_file_of_an_input_is_not_replaced(tmp_path: Path) -> None:
    """F1: an input that is one file is no name of a destination beside it."""
    shop = shop_with(tmp_path, {"bad": {"url": "data", "file_name": "all", "format": "parquet"}, "ok": {}})
    shop.set(profiles={"path": "data/all.parquet"})
    shop.parquet("data/all.parquet", [person("a")])
    shop.evaluate("2026-11-20T03:00Z")
    refused(shop, "profiles.path", "bad/all")


@pytest.mark.parametrize(
    ("link", "to", "url"),
    [
        ("out/bad", "data/profiles", "out/bad"),
        ("out/in", "data", "out/in/profiles"),
        ("out/bad", ".muster", "out/bad"),
        ("data/profiles/2026-11-19", "warehouse", "warehouse"),
    ],
)
def test_links_into_inputs_and_state_are_followed(tmp_path: Path, link: str, to: str, url: str) -> None:
    """F1: links are resolved, those of the destination and those that inputs are read through."""
    shop = shop_with(tmp_path, {"bad": {"url": url, "manifest": False}, "ok": {}})
    (tmp_path / to).mkdir(exist_ok=True)
    (tmp_path / link).parent.mkdir(exist_ok=True)
    (tmp_path / link).symlink_to(tmp_path / to)
    refused(shop, "by a link")


@pytest.mark.parametrize("to", ["data/profiles", "data/profiles/2026-11-20", ".muster"])
def test_links_in_the_folders_of_names_are_followed(tmp_path: Path, to: str) -> None:
    """F1: a folder of `file_name` that is a link to an input or the state is refused, wherever the url is."""
    shop = shop_with(tmp_path, {"bad": {"file_name": "sub/{date}", "manifest": False}, "ok": {}})
    (tmp_path / "out/bad").mkdir(parents=True)
    (tmp_path / "out/bad/sub").symlink_to(tmp_path / to)
    refused(shop, "bad/all", "by a link")


def test_inputs_that_are_a_link_to_a_destination_are_followed(tmp_path: Path) -> None:
    """F1: an input whose path is a link to the folder of a destination is that folder."""
    shop = shop_with(tmp_path, {"bad": {"url": "warehouse/feed"}, "ok": {}})
    (tmp_path / "data/feed").symlink_to(tmp_path / "warehouse/feed")
    shop.set(memberships={"path": "data/feed"})
    refused(shop, "memberships.path", "by a link")


def test_two_urls_that_a_link_joins_must_not_give_equal_names(tmp_path: Path) -> None:
    """F1: two urls that are one folder through a link, and whose names can be equal, are refused: the later stops."""
    shop = shop_with(tmp_path, {"a": CONSTANT, "bad": CONSTANT | {"url": "out/linked"}, "z": {"url": "out/other"}})
    (tmp_path / "out/a").mkdir(parents=True)
    (tmp_path / "out/linked").symlink_to(tmp_path / "out/a")
    found = shop.muster("validate", "--at", "2026-11-20T05:00Z")
    assert found.code == 2
    for word in ("destinations/bad.yml:2: url", "'out/linked'", "'out/a'", "bad/all", "a/all", "file_name"):
        assert word in found.err
    assert shop.muster("run", "--at", "2026-11-20T05:00Z").code == 1
    assert statuses(shop) == {"a": "succeeded", "bad": "failed", "z": "succeeded"}


def test_two_urls_that_a_link_joins_are_allowed_with_other_names(tmp_path: Path) -> None:
    """F1: one folder through a link is one folder: names that differ may be in it, a link above all changes nothing."""
    (tmp_path / "real").mkdir()
    (tmp_path / "seen").symlink_to(tmp_path / "real")
    shop = shop_with(tmp_path / "seen", {"a": {}, "ok": {"url": "out/linked"}})
    (tmp_path / "seen/out/a").mkdir(parents=True)
    (tmp_path / "seen/out/linked").symlink_to(tmp_path / "real/out/a")
    allowed(shop)


def test_names_that_a_link_below_a_url_joins_are_refused(tmp_path: Path) -> None:
    """F1: a link in a folder of `file_name` makes one file of two names as well: between urls, and below one."""
    own = [
        {"audience": "all", "id": name, "file_name": f"{name}/m", "export": "full", "schedule": {"at": "05:00"}}
        for name in ("x", "y")
    ]
    shop = shop_with(tmp_path, {"a": CONSTANT | {"url": "out/a/real"}, "bad": {"activations": own}, "c": {}})
    for name, link, to in (("c", "a/linked", "real"), ("bad", "bad/y", "x")):
        (tmp_path / "out" / link).parent.joinpath(to).mkdir(parents=True, exist_ok=True)
        (tmp_path / "out" / link).symlink_to(to)
        shop.destination(
            "c", url="out/a", mapping=["profile_id"], activations=[{**own[0], "file_name": "linked/members"}]
        )
        found = shop.muster("validate", "--at", "2026-11-20T05:00Z")
        assert found.code == 2
        assert f"destinations/{name}.yml:2: url: a link joins " in found.err
    assert shop.muster("run", "--at", "2026-11-20T05:00Z").code == 1
    assert statuses(shop) == {"a": "succeeded", "bad": "failed", "c": "failed"}


def test_a_circle_of_links_is_no_place(tmp_path: Path) -> None:
    """F1, SPEC 10: links that form a circle fail the run with a message, as a broken link does."""
    shop = shop_with(tmp_path, {"bad": {"url": "out/bad"}, "ok": {}})
    (tmp_path / "out").mkdir()
    (tmp_path / "out/bad").symlink_to(tmp_path / "out/bad")
    found = shop.muster("run", "--at", "2026-11-20T05:00Z")
    assert (found.code, statuses(shop)) == (1, {"bad": "failed", "ok": "succeeded"})
    assert "Traceback" not in found.err
