"""Trees of declared requests: values, lists over profiles, placeholders of urls (V6)."""

import pytest

from muster.activation.model.request_tree import (
    Constant,
    Each,
    Elements,
    Members,
    Name,
    UrlPart,
    build_tree,
    names_in,
    names_in_url,
    read_tree,
    shape_of,
    tree_mistakes,
    url_parts,
    usage,
)


def test_what_a_tree_is_made_of() -> None:
    """V6: a text that begins with = is a value, == begins a text with =, each and as make a list over profiles."""
    tree = read_tree('{"a":"=EMAIL","b":["==x","x",1,null,true],"c":{"each":"profiles","as":{"id":"=profile_id"}}}')
    assert tree == Members(
        (
            ("a", Name("EMAIL")),
            ("b", Elements((Constant("=x"), Constant("x"), Constant(1), Constant(None), Constant(True)))),
            ("c", Each(Members((("id", Name("profile_id")),)))),
        )
    )
    assert [*names_in(tree)] == [("EMAIL", False), ("profile_id", True)]


def test_only_each_with_as_is_a_list() -> None:
    """V6: an object with other keys beside each, or without as, is an object."""
    assert isinstance(build_tree({"each": "x"}), Members)
    assert isinstance(build_tree({"each": "x", "as": 1, "more": 2}), Members)


@pytest.mark.parametrize(
    ("plain", "path", "message"),
    [
        ("=EMIAL", (), "'=EMIAL': there is no value 'EMIAL'; did you mean 'EMAIL'?"),
        ({"a": [1, "=x"]}, ("a", 1), "'=x': there is no value 'x'; expected the target of a column"),
        ({"=a": 1}, ("=a",), "the key '=a' begins with =; keys are never values"),
        ({"each": "profiles"}, (), "a list over profiles needs as"),
        ({"each": "people", "as": 1}, ("each",), "'people' is nothing to list; expected profiles"),
        ({"each": "profiles", "as": 1, "b": 2}, ("b",), "cannot stand beside each and as"),
        (
            {"each": "profiles", "as": [{"each": "profiles", "as": 1}]},
            ("as", 0),
            "a list over profiles cannot stand in",
        ),
    ],
)
def test_mistakes_in_a_tree(plain: object, path: tuple[str | int, ...], message: str) -> None:
    """V6: what is wrong is named with the way to it."""
    ((where, found),) = tree_mistakes(plain, ["EMAIL"])
    assert (where, found[: len(message)]) == (path, message)


def test_good_trees_have_no_mistake() -> None:
    """V6: reserved names and targets are known, and texts with = of their own are not looked up."""
    tree = {"a": ["=audience.alias", "=status", "==nothing"], "b": {"each": "profiles", "as": ["=EMAIL", "=run.id"]}}
    assert [*tree_mistakes(tree, ["EMAIL"])] == []


def test_the_pieces_of_a_url() -> None:
    """V6: placeholders of a url are names; all else is text as it is."""
    url = "https://x.example.com/{audience.alias}/users?id={profile_id}"
    assert url_parts(url) == (
        UrlPart("https://x.example.com/"),
        UrlPart("audience.alias", is_name=True),
        UrlPart("/users?id="),
        UrlPart("profile_id", is_name=True),
    )
    assert names_in_url(url) == ("audience.alias", "profile_id")
    assert url_parts("https://x.example.com") == (UrlPart("https://x.example.com"),)


def test_what_requests_use() -> None:
    """V6: what the url and the tree outside each use is of the key."""
    request = {"realized": '{"list":"=audience.id","of":{"each":"profiles","as":"=EMAIL"}}', "exited": '{"id":"=x"}'}
    used = usage("https://x.example.com/{run.id}", request, {"realized": "POST", "exited": "DELETE"})
    assert used.in_key == {"audience.id", "run.id", "x"}
    assert used.in_entries == {"EMAIL"}
    assert (used.method_by_change, used.shape_by_change) == (True, True)
    assert used.names == {"audience.id", "run.id", "x", "EMAIL"}


@pytest.mark.parametrize(
    ("request_", "kind", "shape"),
    [
        ({"": "a"}, "exited", "a"),
        ({"realized": "a", "exited": "b"}, "changed", "a"),
        ({"realized": "a", "exited": "b", "changed": "c"}, "changed", "c"),
        ({"": "a", "exited": "b"}, "changed", "a"),
        ({"": "a", "exited": "b"}, "exited", "b"),
    ],
)
def test_the_shape_of_a_kind_of_change(request_: dict[str, str], kind: str, shape: str) -> None:
    """V6: changed is as realized unless it has a shape; the shape of all kinds fills in."""
    assert shape_of(request_, kind) == shape
