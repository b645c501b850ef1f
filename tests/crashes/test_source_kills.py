"""Kills while a view is built, and two commands that would build at once (P10)."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from support.crash_checks import check_same, check_whole, memory, twin_of
from support.crash_points import left_by_kills
from support.kills import Moment, some, together
from support.random_histories import MORE
from support.shop import Shop, quick_folder
from support.sourced import hold, sourced

from muster.activation.state.folder import StateFolder

LATER = "2026-11-21T05:00Z"
BUILD = ("profiles", "build", "--at", LATER)


@pytest.fixture(scope="module")
def night() -> Iterator[Shop]:
    """One night, and the sources of the next: two people turn out to be one, one is split, one is new."""
    with quick_folder() as folder:
        shop = sourced(
            folder / "shop", "crm", "cards", "web", merge_policies={"default": {}, "apart": {"graph": "none"}}
        )
        shop.audience("clients", where="true", merge_policy="apart")
        hold(shop, "crm", "2026-11-20", ("C1", "a@x.com"), ("C2", None), ("C3", "c@x.com"))
        hold(shop, "cards", "2026-11-20", ("K1", "b@x.com", "2026-11-19", False), ("K3", "c@x.com", "2026-11-19", None))
        hold(shop, "web", "2026-11-20", ("k1", "a@x.com", "2026-11-19"))
        shop.evaluate("2026-11-20T02:00Z")
        shop.run("2026-11-20T05:00Z")
        hold(shop, "crm", "2026-11-21", ("C1", "a@x.com"), ("C2", None), ("C3", None), ("C4", "d@x.com"))
        hold(shop, "cards", "2026-11-21", ("K1", "a@x.com", "2026-11-20", False))
        yield shop


@pytest.fixture
def shop(night: Shop) -> Iterator[Shop]:
    """That, in a folder of a test's own."""
    with quick_folder() as folder:
        shutil.copytree(night.root, folder / "shop")
        yield Shop(folder / "shop", **night.settings)


def _some(moments: Sequence[Moment]) -> Sequence[Moment]:
    """Of what shows some; `make soak` takes all."""
    return some(moments)[:: 1 if MORE > 1 else 15]


def _views(shop: Shop) -> dict[str, bytes]:
    return shop.tree(".muster/profiles", ".muster/graphs")


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") for part in Path(name).parts[2:])


def test_a_kill_of_a_build_at_any_step(shop: Shop) -> None:
    """P10, F3: whenever `profiles build` is killed, a reader finds views whole, and the same command again leaves, byte
    by byte, what it would have left; nothing half stays.
    """
    before = _views(shop)
    whole = twin_of(shop, "whole")
    steps, states = left_by_kills(whole, shop.root.parent / "left", *BUILD, shown=_some)
    expected, after = memory(whole), _views(whole)
    assert len(steps) > 20
    assert after.keys() > before.keys()
    for number, left in enumerate(states):
        for name, content in _views(left.shop).items():
            assert _is_hidden(name) or content in (before.get(name), after.get(name)), f"{name} is half: {left}"
        if number % 3 == 1:
            left.shop.ok("profiles", "show", "CRMID:C1", "--at", LATER)
        left.shop.ok("-q", *BUILD)
        check_same(memory(left.shop), expected, left)
        left.remove()
    whole.ok("state", "check")


def test_a_kill_of_a_night_that_builds_at_any_step(shop: Shop) -> None:
    """P7, P10, P11, S6: whenever `run` is killed, with builds before its exports, the next one ends at the files and at
    the state that it would have left: each id is given once, each merge told once.
    """
    shop.set(evaluation={"schedule": {"at": "02:00"}})
    before = shop.tree("out")
    whole = twin_of(shop, "whole")
    _, states = left_by_kills(whole, shop.root.parent / "left", "run", "--at", LATER, shown=_some)
    expected = memory(whole)
    for left in states:
        check_whole(left.shop, before, expected["visible"], left)
        left.shop.ok("-q", "run", "--at", LATER)
        check_same(memory(left.shop), expected, left)
        left.remove()


def test_two_commands_do_not_build_at_once(shop: Shop) -> None:
    """P10, exit 3: who comes while another command holds the workspace builds nothing and says so; of several at once
    one builds, once.
    """
    before = _views(shop)
    with StateFolder(shop.root / ".muster", 0o600).writing(0):
        result = shop.muster(*BUILD)
    assert result.code == 3
    assert "another muster" in result.err
    assert _views(shop) == before
    alone = twin_of(shop, "alone")
    alone.ok(*BUILD)
    results = together(shop.root, [BUILD] * 3)
    assert {result.code for result in results} <= {0, 3}, [result.err for result in results]
    assert 0 in {result.code for result in results}
    assert _views(shop) == _views(alone)
    assert memory(shop)["builds"] == memory(alone)["builds"]
