"""Profiles are numbers inside: which numbers, how they outlive a day, and that nothing of it shows in a file."""

import contextlib
import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any
from unittest import mock

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.shop import SINCE, STATUS, Shop, identities, person, quick_folder

from muster.activation.errors import DataError
from muster.activation.evaluation import evaluate, measured
from muster.activation.frames import hashed_ids, spooled
from muster.activation.frames.columns import ID, ROW
from muster.activation.frames.spooled import Spooled
from muster.activation.inputs.parquet import read_part
from muster.activation.mapping import profile_values
from muster.activation.mapping.columns import Field
from muster.activation.mapping.profile_values import ProfileValues
from muster.activation.mapping.shared_text import SharedText
from muster.activation.model.workspace import Column, ProfilesSource, Workspace
from muster.activation.profiles.numbering import Numbering
from muster.activation.profiles.roster import Roster
from muster.activation.profiles.snapshots import Snapshot, snapshot_of
from muster.activation.session import Session
from muster.activation.state.files import State
from muster.activation.state.ledger import numbering_table
from muster.activation.state.ledger.database import Ledger
from muster.activation.system.memory import Budget
from muster.activation.system.threads import prefetch_one

DAYS = ("2026-11-20", "2026-11-21")
COLUMNS = ["profile_id", "note", STATUS, "amount", "seen", SINCE]


def snapshot(folder: Path, name: str, ids: list[Any]) -> Snapshot:
    """A snapshot of these profiles, in this order."""
    path = folder / f"{name}.parquet"
    people = [{"profile_id": each, "identity_map": identities(Email=[f"{each}@x.com"])} for each in ids]
    pl.DataFrame(people).write_parquet(path)
    workspace = mock.Mock(spec=Workspace, root=folder, profiles=ProfilesSource("x", "profile_id", "identity_map"))
    return snapshot_of(workspace, [read_part(path, path.name)])


def state_of(folder: Path) -> State:
    """An empty state folder."""
    for name in ("tmp", "rosters", "numbering"):
        (folder / "state" / name).mkdir(parents=True, exist_ok=True)
    return State(folder / "state", 0o600)


def unkept() -> Numbering:
    """A numbering of nobody, which keeps nothing."""
    return Numbering(mock.Mock(spec=State), [])


unique_ids = st.lists(st.text("abcü0", min_size=1, max_size=4), min_size=1, max_size=30, unique=True)


@settings(max_examples=60)
@given(unique_ids)
def test_rows_are_in_the_order_of_the_files(ids: list[str]) -> None:
    """M6: a roster's rows are the snapshot's profiles by UTF-8 bytes, whatever the order in the files."""
    with quick_folder() as folder:
        roster = Roster.of(snapshot(folder, "day", ids), unkept())
        assert roster.present_ids.to_list() == sorted(ids, key=str.encode)
        values = roster.in_order(pl.DataFrame({hashed_ids.ID_HASH: hashed_ids.hashes_of(pl.Series(ids)), "id": ids}))[
            "id"
        ]
        assert values.to_list() == roster.present_ids.to_list()


def test_whole_numbers_are_in_their_own_order(tmp_path: Path) -> None:
    """M6: integer ids are in the order of numbers; their texts are the ids."""
    roster = Roster.of(snapshot(tmp_path, "day", [10, 9, -1, 100]), unkept())
    assert roster.present_ids.to_list() == ["-1", "9", "10", "100"]
    others = ["x", "-2", "50", "a", "99"]
    rows = roster.rows_of(pl.Series([*others, "10", "-1"]))
    found = sorted(zip(roster.rank_of(rows), [*others, "10", "-1"], strict=True))
    assert [each for _, each in found] == ["a", "x", "-2", "-1", "10", "50", "99"]


@settings(max_examples=60)
@given(unique_ids, unique_ids, unique_ids)
def test_numbers_of_earlier_days_are_read(one: list[str], two: list[str], held: list[str]) -> None:
    """E5, X8: a file written by yesterday's numbers says today who was meant, also those who are gone, those whose
    number was not kept, and all of them when the numbering is lost and another one begins.
    """
    with quick_folder() as folder, closing(Ledger.empty()) as ledger:
        state = state_of(folder)
        first = Roster.of(snapshot(folder, "one", one), Numbering.of(state, ledger))
        with first.numbering.kept_on() as files, ledger.transaction():
            numbering_table.put(ledger, files)
        first.keep(state, digests=True)
        frame, about = first.marked(pl.DataFrame({ROW: first.rows_of(pl.Series(held, dtype=pl.String))}))
        stored = state.write(frame, "tmp/held.parquet", about)
        second = Roster.of(snapshot(folder, "two", two), Numbering.of(state, ledger))
        found = second.read(state, stored)[ROW]
        assert second.ids_of(found).to_list() == held
        assert second.is_present(found).to_list() == [each in two for each in held]
        order = [each for _, each in sorted(zip(second.rank_of(found), held, strict=True))]
        assert order == sorted(held, key=str.encode)
        with second.numbering.kept_on() as files, ledger.transaction():
            numbering_table.put(ledger, files)
        name, numbering = second.keep(state, digests=True), Numbering.of(state, ledger)
        again = Roster.kept(second.snapshot, state, name, numbering)
        assert again is not None
        found = again.read(state, stored)[ROW]
        assert again.ids_of(found).to_list() == held
        assert again.digests_of(found).to_list() == second.digests_of(found).to_list()
        shutil.rmtree(folder / "state/numbering")
        fresh = Numbering.of(state_of(folder), ledger)
        assert Roster.kept(second.snapshot, state_of(folder), name, fresh) is None
        third = Roster.of(second.snapshot, fresh)
        assert third.ids_of(third.read(state_of(folder), stored)[ROW]).to_list() == held


@pytest.mark.parametrize("piece", [1, 3, 1000])
def test_long_lists_are_looked_up_in_pieces(tmp_path: Path, piece: int) -> None:
    """However ids are looked up, each gets the number that it has."""
    state = state_of(tmp_path)
    numbering = Numbering(state, [])
    numbering.numbers_of(pl.Series([f"{number:03}" for number in range(0, 200, 2)]))
    with numbering.kept_on():
        pass
    asked = pl.Series([f"{number:03}" for number in range(200)])
    with mock.patch("muster.activation.profiles.numbering._PIECE", piece):
        numbers = numbering.numbers_of(asked)
    assert numbering.ids.gather(numbers).to_list() == asked.to_list()
    assert [number for number in numbers if number < 100] == list(range(100))


@pytest.mark.parametrize("parts", [2, 3, 7])
def test_ranges_part_all_profiles(parts: int) -> None:
    """E7: the ranges that a short memory makes of the profiles hold each profile once, and about the same
    number each.
    """
    people = hashed_ids.with_id_hash(pl.LazyFrame({ID: [str(number) for number in range(1000)]}))
    found = [people.filter(within).collect()[ID].to_list() for within in hashed_ids.ranges(parts)]
    assert sorted(chain.from_iterable(found)) == sorted(people.collect()[ID])
    assert min(map(len, found)) > 0.7 * 1000 / parts


REVERSED = [
    lambda roster: ProfileValues(roster, Budget(), Path())._share([field("profile_id")]),  # noqa: SLF001
    lambda roster: roster.digests_of(pl.Series([0], dtype=pl.UInt32)),
    lambda roster: text_of_all(roster, Budget()),
    lambda roster: text_of_all(roster, Budget(0)),
]


def text_of_all(roster: Roster, budget: Budget) -> SharedText | None:
    """The ids of all profiles as shared text: in memory, or on the disk where the budget is nothing."""
    values = ProfileValues(roster, budget, roster.snapshot.parts[0].path.parent)
    return values.shared_text("key", [field("profile_id")], lambda: pl.col(ID), roster.rows_of(roster.present_ids))


def test_values_of_some_are_read_without_those_of_all(tmp_path: Path) -> None:
    """X4: a file of a tenth of the profiles, whose values are not kept, holds no values of the others in memory."""
    day = snapshot(tmp_path, "day", [f"p{number}" for number in range(20)])
    values = ProfileValues(Roster.of(day, unkept()), Budget(0), tmp_path)
    rows = pl.DataFrame({ROW: pl.Series([3, 4], dtype=pl.UInt32)})
    with mock.patch.object(profile_values, "_FEW", 0):
        found = values.of(rows, [field("profile_id")])
    assert "SEMI JOIN" in found.explain()
    assert found.collect().height == 2


def field(source: str) -> Field:
    """A mapped column."""
    return Field(Column(source, source), "attribute", pl.col(source), pl.String())


@pytest.mark.parametrize("ids", [["a", "b", "c"], ["b", "c", "a"]], ids=["sorted", "unsorted"])
@pytest.mark.parametrize("read", REVERSED, ids=["values", "digests", "texts", "spooled"])
def test_a_value_never_comes_to_another_person(tmp_path: Path, read: Callable[[Roster], Any], ids: list[str]) -> None:
    """D1: a snapshot that is written anew, in another order or with other people, while a command reads it, is
    refused.
    """
    for change in (pl.DataFrame.reverse, lambda frame: frame.head(2), lambda frame: pl.concat([frame, frame.head(1)])):
        day = snapshot(tmp_path, "day", ids)
        roster = Roster.of(day, unkept())
        read(Roster.of(day, unkept()))
        change(pl.read_parquet(day.parts[0].path)).write_parquet(day.parts[0].path)
        with pytest.raises(DataError, match="changed while it was read"):
            read(roster)


def test_an_evaluation_never_takes_one_person_for_another(tmp_path: Path) -> None:
    """D1, X1, E9: the same for who qualifies: the command is refused, and its failure alone is noted."""
    shop = Shop(tmp_path)
    shop.audience("all", where="vip")
    shop.crm()
    shop.profiles("2026-11-20", [person(each, vip=each in "ab") for each in "abcd"])
    [file] = (tmp_path / "data/profiles").rglob("*.parquet")
    decide = evaluate.decide_members

    def late(session: Session, *arguments: Any) -> Any:
        assert session.opened.snapshot.rows == 4
        pl.read_parquet(file).reverse().write_parquet(file)
        return decide(session, *arguments)

    with mock.patch.object(evaluate, "decide_members", late):
        result = shop.muster("evaluate", "--at", "2026-11-20T02:00Z")
    assert result.code == 2
    assert "data/profiles/2026-11-20: the snapshot changed while it was read; run the command again" in result.err
    assert shop.ok("evaluations", "list", "--json").json == []
    assert not list((tmp_path / ".muster").rglob("*.parquet"))


# What memory allows shows in no byte


MADE = [
    {"expression": "CAST(profile_id AS VARCHAR)", "target": "who", "transform": "sha256"},
    {"source": "email", "transform": ["upper", "md5"], "mandatory": True},
    {"source": "email", "transform": ["default(none)"], "target": "plain"},
    {"source": "note", "transform": ["default(n/a)"]},
    STATUS,
    {"expression": "note || ' ' || seen", "target": "said"},
    {"expression": "seen", "target": "seen_at", "transform": ["date(%d.%m.%Y)"]},
    {"source": "seen", "transform": ["date(%Y)"], "target": "year"},
    {"source": SINCE["source"], "target": "since", "transform": ["date(%j)"]},
]
KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "quoted": {"csv": {"quote_style": "always", "null_value": "NULL", "delimiter": ";"}},
    "safe": {"csv": {"sanitize_formulas": True, "quote_style": "non_numeric", "header": False}},
    "keyed": {"mapping": [*COLUMNS, {"source": "email", "mandatory": True}], "deduplicate": ["email"]},
    "identities": {"mapping": ["identity_map.Email", *COLUMNS]},
    "made": {"mapping": MADE, "deduplicate": ["email"]},
    "parquet": {"format": "parquet"},
    "json": {"format": "json"},
    "pressed": {"compression": "gzip"},
}


def busy(root: Path, ids: Callable[[int], Any], *kinds: str, tidy: bool = False) -> Shop:
    """Two days of a workspace with values that are hard to write and measures: every export as plain files, one in
    increments (the first of which is of all) of each other kind.
    """
    shop = Shop(root, events={"path": "data/events"})
    moment = datetime(2026, 11, 1, 12, 30, 0, 500_000, tzinfo=UTC)
    values: list[Any] = ['say "hi"', "a,b", "", None, "line\nbreak", "plain", "=1+1", "ü"]
    for day, name in enumerate(DAYS):
        people = [
            person(
                ids(number),
                email=f"{number % 11}@x.com",
                vip=(number + day) % 4 > 0,
                note=values[(number + day) % len(values)],
                amount=None if number % 7 == 0 else number / 3,
                seen=moment,
                identity_map=identities(Email=[f"{number}@x.com", f"{(number + day) % 9}@y.com"]),
            )
            for number in range(40)
            if (number + day) % 9 > 0
        ]
        shop.profiles(name, people[::-1] if day and not tidy else people)
    shop.events([{"profile_id": ids(number % 40), "timestamp": moment, "amount": number / 7} for number in range(200)])
    shop.audience("vips", where="vip")
    shop.audience("spenders", events={"spent": {"measure": "sum(amount)"}}, where="spent > 60 OR amount > 8")
    shop.audience("both", where="audience.vips AND audience.spenders")
    activations = [
        {"audience": audience, "id": f"{audience}-{export}", "export": export, "schedule": "after_evaluation"}
        for audience in ("vips", "spenders", "both")
        for export in ("full", "incremental")
    ]
    for name in kinds or KINDS:
        mine = activations if name == "plain" else activations[3:4]
        shop.destination(name, **({"mapping": COLUMNS, "activations": mine} | KINDS[name]))
    return shop


def delivered(shop: Shop) -> dict[str, bytes]:
    """All that the shop wrote: exports, memberships and delivered sets."""
    for day in DAYS:
        shop.ok("evaluate", "--at", f"{day}T02:00Z")
    assert {run["status"] for run in shop.runs()} == {"succeeded"}
    return shop.tree("out", ".muster/memberships", ".muster/baselines")


def roomy() -> Any:
    """Everything is collected at once, and texts are made for all files."""
    return mock.patch.multiple(profile_values, _FEW=0, _LARGE=0.0)


@contextlib.contextmanager
def cramped() -> Iterator[None]:
    """Nothing is kept, not even on the disk, and measures are computed for a few profiles at a time."""
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with spooling(), mock.patch.object(spooled, "_nameless", side_effect=full):
        yield


def spooling() -> Any:
    """Texts alone are kept, on the disk, in parts of a few profiles."""
    return mock.patch.multiple(Budget, admits=lambda *_, **__: False, working=2_000)


@pytest.mark.parametrize(
    "ids", [lambda number: f"p{number * 7 % 100:02}", lambda number: number * 7 % 100], ids=["text", "numbers"]
)
def test_what_memory_allows_shows_in_no_byte(tmp_path: Path, ids: Callable[[int], Any]) -> None:
    """E1: values shared or read for each file, rows from finished text or field by field, one pass or several: the same
    bytes.
    """
    usual = delivered(busy(tmp_path / "usual", ids))
    with roomy(), mock.patch.object(ProfileValues, "_joined", side_effect=AssertionError("read for one file")):
        assert delivered(busy(tmp_path / "roomy", ids)) == usual
    joining = mock.patch.object(ProfileValues, "_joined", autospec=True, side_effect=ProfileValues._joined)  # noqa: SLF001
    with cramped(), joining as joined:
        assert delivered(busy(tmp_path / "cramped", ids)) == usual
    assert joined.call_count > 15
    parts = mock.patch.multiple(spooled, ROWS=7, _MAPPED=2), mock.patch.object(profile_values, "_LARGE", 0.0)
    taking = mock.patch.object(Spooled, "of", autospec=True, side_effect=Spooled.of)
    with spooling(), parts[0], parts[1], taking as taken:
        assert delivered(busy(tmp_path / "spooling", ids)) == usual
    assert taken.call_count > 15


def test_values_that_pass_by_show_in_no_byte(tmp_path: Path) -> None:
    """E1: of a sorted snapshot, values that are read beside the rows of a file give the same bytes as any others."""
    ids = "p{:02}".format
    usual = delivered(busy(tmp_path / "usual", ids, tidy=True))
    passing = mock.patch.object(ProfileValues, "_beside", autospec=True, side_effect=ProfileValues._beside)  # noqa: SLF001
    with cramped(), mock.patch.object(profile_values, "_FEW", 0), passing as beside:
        assert delivered(busy(tmp_path / "cramped", ids, tidy=True)) == usual
    assert beside.call_count > 15


@pytest.mark.parametrize("form", ["csv", "parquet", "json"])
def test_values_that_pass_by_never_come_to_another_person(tmp_path: Path, form: str) -> None:
    """D1, X10: a snapshot that changes just before a file is written from it fails that file, and nothing is
    delivered.
    """
    shop = Shop(tmp_path)
    shop.audience("all", where="true")
    shop.crm(export="full", schedule="after_evaluation", format=form)
    shop.profiles("2026-11-20", [person(each, email=f"{each}@x.com") for each in "abcd"])
    [file] = (tmp_path / "data/profiles").rglob("*.parquet")
    beside = ProfileValues._beside  # noqa: SLF001

    def late(*arguments: Any) -> Any:
        frame = pl.read_parquet(file)
        frame.with_columns(pl.col("profile_id").reverse()).write_parquet(file)
        return beside(*arguments)

    with cramped(), mock.patch.object(profile_values, "_FEW", 0), mock.patch.object(ProfileValues, "_beside", late):
        result = shop.muster("evaluate", "--at", "2026-11-20T02:00Z")
    assert result.code == 1
    assert "4 rows were counted but the file holds 0; nothing was delivered" in result.err
    assert shop.files() == []


NUMBER = pl.col(ID).cast(pl.UInt64)


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What such days come to where every profile has a key of its own."""
    return delivered(busy(tmp_path_factory.mktemp("usual"), str, "plain"))


@pytest.mark.parametrize("shared", [NUMBER % 5, NUMBER // 2, NUMBER * 0], ids=["many", "pairs", "all"])
def test_events_of_profiles_with_one_key_are_kept_apart(
    tmp_path: Path, usual: dict[str, bytes], shared: pl.Expr
) -> None:
    """E3: a measure counts a profile's own events, also where the numbers that stand for two ids are the same."""
    with mock.patch.object(hashed_ids, "_hash", return_value=shared), mock.patch.object(measured.log, "info") as told:
        assert delivered(busy(tmp_path / "clashing", str, "plain")) == usual
    assert told.call_args_list.count(
        mock.call("two profiles have one id hash: events are grouped by the text of ids")
    ) == len(DAYS)


def test_events_of_somebody_unknown_are_nobodys(tmp_path: Path) -> None:
    """E3: nor do those of an id that no profile has, when its key is a profile's."""
    shop = Shop(tmp_path)
    shop.audience("active", events={"seen": {"measure": "count"}}, where="seen >= 1")
    shop.crm(audience="active")
    shop.profiles("2026-11-20", [person("1"), person("2")])
    shop.events([{"profile_id": each, "timestamp": datetime(2026, 11, 19, tzinfo=UTC)} for each in ("2", "7")])
    with mock.patch.object(hashed_ids, "_hash", return_value=NUMBER % 5):
        shop.ok("evaluate", "--at", "2026-11-20T02:00Z")
    assert shop.memberships("active").keys() == {"2"}


# Threads


def test_the_next_one_is_begun_while_one_is_used() -> None:
    """Results come in order, each error where its item is asked for, and no more than one group ahead."""
    begun: list[int] = []

    def work(item: int) -> int:
        begun.append(item)
        if item == 2:
            raise ValueError(item)
        return item * 10

    seen: list[object] = []
    groups = [[0], [1, 2], [3], [4, 5]]
    for number, group in enumerate(prefetch_one(work, groups)):
        assert [item for item, _ in group] == groups[number]
        for _, result in group:
            try:
                seen.append(result())
            except ValueError as error:
                seen.append(str(error))
        assert max(begun) <= max(item for each in groups[: number + 2] for item in each)
    assert seen == [0, 10, "2", 30, 40, 50]
    assert list(prefetch_one(work, [])) == []
