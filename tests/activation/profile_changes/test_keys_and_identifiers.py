"""Exits by what a receiver knows people by: identifiers and keys (M3, M5, V6, V9, X12)."""

from pathlib import Path

from support.tellings import Told
from support.told_shop import LIST, ToldShop, customer

AT = "2026-11-{}T{:02}:00Z"
KEYED = {
    **{name: each for name, each in LIST.items() if name != "identities"},
    "columns": [{"target": "EMAIL", "source": "email"}],
    "deduplicate": ["email"],
}


def told(run: Told) -> list[str]:
    """The entries: the audience's alias, ``-`` for an exit, what is told."""
    shown = (each["identifiers"] or [each["text"].strip('[]"')] for each in run.entries)
    pairs = zip(run.entries, shown, strict=True)
    return [f"{each['audience']}{'-' if each['is_exit'] else '+'}{ids[0]}" for each, ids in pairs]


def test_identifiers_go_when_nobody_has_them(tmp_path: Path) -> None:
    """M5, V9: of members who share an identity one is told; an identity that is gone from a member exits from each
    audience, unless another member has it, and stays known until that one was told.
    """
    shop = ToldShop(tmp_path, LIST)
    shop.day(20, customer("a", "a1@x", "A2@x", "a3@x"), customer("b", "a1@x"), customer("c", city="Rome"))
    first = shop.run(AT.format(20, 3))
    assert told(first) == ["v+a1@x", "v+a2@x", "v+a3@x", "v+c@x", "l+a1@x", "l+a2@x", "l+a3@x"]
    assert first.rejects == {"b": "duplicate"}
    shop.day(21, customer("a", "a1@x"), customer("b", "a2@x"), customer("c", vip=False, city="Rome"))
    second = shop.run(AT.format(21, 3), lambda entry: "unsent" if entry["profile_id"] == "b" else "accepted")
    assert told(second)[:3] == ["v-a3@x", "v-c@x", "l-a3@x"]
    assert told(second)[3:] == ["v+a1@x", "v+a2@x", "l+a1@x", "l+a2@x"]
    assert shop.rows()["a"]["held:0"] == ["a1@x", "a2@x"]
    shop.day(22, customer("a", "a1@x"))
    assert told(shop.run(AT.format(22, 3))) == ["v-a2@x", "l-a2@x", "v+a1@x", "l+a1@x"]
    assert shop.run(AT.format(22, 4)).after is None


def test_keys_exit_when_nobody_has_them(tmp_path: Path) -> None:
    """M3, X12, V2: who is sent under another key is told with an exit of the old one, and of all that may have been
    sent; none goes out for a key that a member of the audience has. Who leaves without an entry is a duplicate.
    """
    shop = ToldShop(tmp_path, KEYED)
    shop.day(20, customer("a", email="x"), customer("b", email="y"), customer("c", email="x", vip=False))
    first = shop.run(AT.format(20, 3))
    assert (told(first), first.rejects) == (["v+x", "v+y", "l+x", "l+y"], {"c": "duplicate"})
    shop.day(
        21,
        customer("a", email="z"),
        customer("b", email="y", vip=False, city="Rome"),
        customer("c", email="x", vip=False),
        customer("d", email="y"),
    )
    second = shop.run(AT.format(21, 3), lambda entry: "uncertain" if entry["text"] == '["z"]' else "accepted")
    assert (sorted(told(second)), second.rejects) == (["l+x", "l+y", "l+z", "v+y", "v+z", "v-x"], {"b": "duplicate"})
    shop.day(22, customer("a", email="w"), customer("c", email="x", vip=False), customer("d", email="y"))
    assert sorted(told(shop.run(AT.format(22, 3)))) == ["l+w", "l-z", "v+w", "v-x", "v-z"]
    assert [*shop.rows()] == ["a", "c", "d"]
    assert shop.run(AT.format(22, 4)).after is None


def test_a_receiver_that_knows_no_audiences(tmp_path: Path) -> None:
    """V9: where requests say nothing of the audience, who leaves one and is in another does not exit."""
    shop = ToldShop(
        tmp_path,
        LIST,
        url="https://ads.example.com/users",
        aggregation={"configurable": {"max_profiles": 9, "key": ["status"]}},
    )
    shop.day(20, customer("a", "a@x"), customer("b", "b@x"))
    shop.run(AT.format(20, 3))
    shop.day(21, customer("a", "a@x", vip=False), customer("b", "b@x", vip=False, city="Rome"))
    run = shop.run(AT.format(21, 3))
    assert [each["identifiers"] for each in run.entries if each["is_exit"]] in ([["b@x"]], [["b@x"], ["b@x"]])
    assert run.rejects == {"a": "duplicate"}
    assert shop.run(AT.format(21, 4)).after is None
