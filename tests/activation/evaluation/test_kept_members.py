"""Exports take from memory who is realized in the blocks that the evaluation of the command read and wrote (E8, X2)."""

from pathlib import Path
from unittest import mock

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from support.shop import Shop, identities, person, quick_folder
from support.state_damage import flip

from muster.activation.evaluation import block_memberships
from muster.activation.model.history import StoredFile
from muster.activation.state.block_layout import read_layout
from muster.activation.state.files import State
from muster.activation.system.memory import Budget

DAYS = {  # who is a member on each day; "e" is unknown before the third, and "a" is missing from then on
    "20": {"a": True, "b": True, "c": False, "d": True},
    "21": {"a": True, "b": False, "c": True, "d": True},
    "22": {"b": True, "c": False, "d": True, "e": True},
}


def shop_in(folder: Path) -> Shop:
    """A shop with a full and an incremental export of an audience after each evaluation."""
    shop = Shop(folder)
    shop.audience("all", where="vip")
    shop.crm(export="incremental", schedule="after_evaluation")
    return shop


def nights(shop: Shop) -> dict[str, bytes]:
    """Evaluate and export each day; the files that were delivered."""
    for day, people in DAYS.items():
        shop.profiles(
            f"2026-11-{day}",
            [person(name, vip=is_vip, identity_map=identities(CRM=[name])) for name, is_vip in people.items()],
        )
        shop.evaluate(f"2026-11-{day}T02:00Z")
    return {name: (shop.root / "out" / name).read_bytes() for name in shop.files()}


@pytest.mark.parametrize("many", [1, 1 << 30])
def test_what_is_kept_in_memory_is_what_the_file_has(monkeypatch: pytest.MonkeyPatch, many: int) -> None:
    """E8: memberships from memory are those in the file, the new ones and those of before, in blocks of any size."""
    monkeypatch.setattr(block_memberships, "MANY", many)
    kept, from_memory = set[tuple[State, StoredFile]](), set[tuple[State, StoredFile]]()
    read, keep = State.read_by_number, State.keep_realized

    def noted(state: State, stored: StoredFile, realized: pl.Series) -> None:
        kept.add((state, stored))
        keep(state, stored, realized)

    def compared(state: State, stored: StoredFile, remedy: str = "") -> pl.DataFrame:
        found = read(state, stored, remedy)
        if (state, stored) in kept:
            from_memory.add((state, stored))
            assert_frame_equal(found, read(State(state.folder, 0o600), stored))
        return found

    monkeypatch.setattr(State, "keep_realized", noted)
    monkeypatch.setattr(State, "read_by_number", compared)
    with quick_folder() as folder:
        files = nights(shop_in(folder / "shop"))
    assert len(files) == len(DAYS)
    assert from_memory == kept
    assert len(kept) == 5  # each day's, and from the second on also the delivered set, which is the block before


def test_nothing_is_kept_where_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """E1: without memory for them, memberships come from the files, and the delivered files have the same bytes."""
    with quick_folder() as folder:
        expected = nights(shop_in(folder / "one"))
        monkeypatch.setattr(Budget, "admits", lambda _budget, _size: False)
        monkeypatch.setattr(State, "keep_realized", mock.Mock(side_effect=AssertionError))
        assert nights(shop_in(folder / "two")) == expected


def test_damage_of_an_earlier_block_is_told_before_anything_is_kept() -> None:
    """F6, E9: a damaged part holds up its audience, whatever a command would have kept of it."""
    with quick_folder() as folder:
        shop = shop_in(folder / "shop")
        nights(shop)
        block = shop.root / ".muster/memberships/20261122T020000Z.parquet"
        ((start, _), *_) = read_layout(block).of_audiences["all"]
        flip(start)(block)
        result = shop.muster("evaluate", "--at", "2026-11-23T02:00Z")
        assert result.code != 0
        assert "the memberships of audience 'all' differ from what was written" in result.err
