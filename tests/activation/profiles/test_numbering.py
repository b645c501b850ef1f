"""The numbering gives each profile one number, for as long as the state lives."""

from contextlib import closing
from pathlib import Path

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from support.shop import SINCE, STATUS, Shop, person, quick_folder

from muster.activation.profiles.forgotten import Forgotten
from muster.activation.profiles.numbering import Numbering
from muster.activation.state.files import State
from muster.activation.state.ledger import numbering_table
from muster.activation.state.ledger.database import Ledger

COLUMNS = ["profile_id", STATUS, SINCE]
a_day = st.lists(st.text("abc0", min_size=1, max_size=3), max_size=12, unique=True)


def state_of(folder: Path) -> State:
    """An empty state folder, or the one that is there."""
    for name in ("tmp", "numbering"):
        (folder / name).mkdir(exist_ok=True)
    return State(folder, 0o600)


@settings(max_examples=40)
@given(st.lists(a_day, min_size=1, max_size=6), st.data())
def test_a_number_is_given_once(days: list[list[str]], data: st.DataObject) -> None:
    """E8: an id keeps its number over days; a blanked number stays without an id, and its id gets another number."""
    with quick_folder() as folder, closing(Ledger.empty()) as ledger:
        expected: list[str | None] = []
        for ids in days:
            numbering = Numbering.of(state_of(folder), ledger)
            numbers = numbering.numbers_of(pl.Series(ids, dtype=pl.String)).to_list()
            expected += sorted(set(ids) - set(expected))
            assert numbers == [expected.index(each) for each in ids]
            with numbering.kept_on() as files, ledger.transaction():
                numbering_table.put(ledger, files)
            if blanked := data.draw(st.sets(st.integers(0, len(expected) - 1))) if expected else set():
                files = numbering.with_blanked(pl.Series(sorted(blanked), dtype=pl.UInt32))
                with ledger.transaction():
                    numbering_table.put(ledger, files)
                expected = [None if number in blanked else each for number, each in enumerate(expected)]
            assert numbering.ids.to_list() == expected
            assert Numbering.of(state_of(folder), ledger).ids.to_list() == expected


def test_few_files_remain(tmp_path: Path) -> None:
    """A new file takes in those before it that are not longer: 100 days with new profiles leave at most seven."""
    with closing(Ledger.empty()) as ledger:
        for day in range(100):
            numbering = Numbering.of(state_of(tmp_path), ledger)
            numbering.numbers_of(pl.Series([f"{day:03}-{number}" for number in range(3)]))
            with numbering.kept_on() as files, ledger.transaction():
                numbering_table.put(ledger, files)
        assert len(numbering_table.list_all(ledger)) <= 7
        assert Numbering.of(state_of(tmp_path), ledger).length == 300


def test_numbers_of_a_block_that_raises_are_not_kept(tmp_path: Path) -> None:
    """S6: numbers whose transaction failed are given again by the next command, and none is lost meanwhile."""
    numbering = Numbering(state_of(tmp_path), [])
    numbers = numbering.numbers_of(pl.Series(["a", "b"]))
    block = numbering.kept_on()
    block.__enter__()
    assert numbering.kept == 2
    assert not block.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert (numbering.kept, numbering.length) == (0, 2)
    assert numbering.numbers_of(pl.Series(["a", "b"])).equals(numbers)


def test_a_damaged_numbering_costs_nobody_a_membership(tmp_path: Path) -> None:
    """E5, X2, SPEC 10: without its numbering the state is read by ids: members, delivered people and exits stay."""
    shop = Shop(tmp_path)
    shop.audience("all", where="vip")
    shop.crm(mapping=COLUMNS)
    shop.day("2026-11-20", [person(each, vip=True) for each in "bca"])
    for file in (tmp_path / ".muster/numbering").iterdir():
        file.write_bytes(b"PAR1")
    sent = shop.day("2026-11-21", [person(each, vip=each != "b") for each in "dbca"])
    assert sent == ["b,exited,2026-11-21T02:00:00Z", "d,realized,2026-11-21T02:00:00Z"]
    assert shop.memberships() == {
        "a": "realized 2026-11-20T02:00:00Z",
        "b": "exited 2026-11-21T02:00:00Z",
        "c": "realized 2026-11-20T02:00:00Z",
        "d": "realized 2026-11-21T02:00:00Z",
    }
    shop.ok("state", "check")
    assert shop.day("2026-11-22", [person(each, vip=True) for each in "ca"]) == ["d,exited,2026-11-22T02:00:00Z"]


def test_exits_of_whom_the_snapshot_lacks_outlast_a_numbering(tmp_path: Path) -> None:
    """E5: memberships that are read by ids, of a damaged numbering here, keep the exits of profiles that are gone, and
    whoever has gone since exits, though the snapshot numbers nobody of them.
    """
    shop = Shop(tmp_path)
    shop.audience("all", where="vip")
    shop.crm(mapping=COLUMNS)
    shop.day("2026-11-20", [person(each, vip=True) for each in ("a", "left")])
    shop.day("2026-11-21", [person(each, vip=True) for each in ("a", "leaves")])
    for file in (tmp_path / ".muster/numbering").iterdir():
        file.unlink()
    assert [each.split(",")[0] for each in shop.day("2026-11-22", [person("a", vip=True)])] == ["leaves"]
    assert shop.memberships() == {
        "a": "realized 2026-11-20T02:00:00Z",
        "leaves": "exited 2026-11-22T02:00:00Z",
        "left": "exited 2026-11-21T02:00:00Z",
    }
    [listed] = shop.ok("audiences", "list", "--json").json
    assert (listed["realized"], listed["exited"]) == (1, 1)


def test_a_damaged_numbering_costs_nobody_the_time_of_an_exit(tmp_path: Path) -> None:
    """E5, X3: who leaves the snapshot beside a damaged numbering exits then, and has a number for good."""
    shop = Shop(tmp_path, evaluation={"keep_exited": "9d"})
    shop.feed([("fed", each, "realized", "2026-11-20T01:00Z") for each in "ax"])
    shop.audience("all", where="vip")
    shop.audience("fed", source="memberships")
    shop.crm(mapping=COLUMNS)
    shop.day("2026-11-20", [person(each, vip=True) for each in "abcd"])
    shop.day("2026-11-21", [person(each, vip=each != "d") for each in "abcd"])
    for file in (tmp_path / ".muster/numbering").iterdir():
        file.write_bytes(b"PAR1")
    shop.feed([("fed", "a", "realized", "2026-11-20T01:00Z")])
    assert shop.day("2026-11-22", [person("c", vip=True)]) == [
        "a,exited,2026-11-22T02:00:00Z",
        "b,exited,2026-11-22T02:00:00Z",
    ]
    expected = {
        "a": "exited 2026-11-22T02:00:00Z",
        "b": "exited 2026-11-22T02:00:00Z",
        "c": "realized 2026-11-20T02:00:00Z",
        "d": "exited 2026-11-21T02:00:00Z",
    }
    assert shop.memberships() == expected
    assert shop.memberships("fed") == {"a": "realized 2026-11-20T01:00:00Z", "x": "exited 2026-11-22T02:00:00Z"}
    new = dict.fromkeys("ef", "realized 2026-11-23T02:00:00Z")
    sent = shop.day("2026-11-23", [person(each, vip=True) for each in "cef"])
    assert sent == [f"{each},{since.replace(' ', ',')}" for each, since in new.items()]
    assert shop.memberships() == expected | new


def test_a_blanked_number_is_nobody(tmp_path: Path) -> None:
    """E5, X2: whoever has lost the number is neither a member nor delivered, and comes back as somebody new."""
    shop = Shop(tmp_path)
    shop.audience("all", where="vip")
    shop.crm(mapping=COLUMNS)
    shop.day("2026-11-20", [person(each, vip=True) for each in "abc"])
    state = State(tmp_path / ".muster", 0o600)
    with closing(Ledger.open(tmp_path / ".muster/ledger.sqlite", writing=True)) as ledger:
        files = Numbering.of(state, ledger).with_blanked(pl.Series([1], dtype=pl.UInt32))
        with ledger.transaction():
            numbering_table.put(ledger, files)
    assert shop.day("2026-11-21", [person(each, vip=True) for each in "ac"]) == []
    assert list(shop.memberships()) == ["a", "c"]
    assert shop.day("2026-11-22", [person(each, vip=True) for each in "abc"]) == ["b,realized,2026-11-22T02:00:00Z"]
    assert Numbering.of(state, Ledger.open(tmp_path / ".muster/ledger.sqlite")).ids.to_list() == ["a", None, "c", "b"]


def test_an_id_of_a_forgotten_person_may_be_somebody_elses(tmp_path: Path) -> None:
    """G8, P7: with sources an id that is given again is of whoever has it; of a delivered set it is the forgotten
    person's, whose id no file of the state gets.
    """
    gone = Forgotten.nobody().with_people(pl.Series(["a", "b"]), pl.Series(["Email\0x"]), from_sources=True)
    numbering = Numbering(state_of(tmp_path), [], forgotten=gone)
    numbering.numbers_of(pl.Series(["a", "c"]), of_profiles=True)
    numbering.numbers_of(pl.Series(["a", "b"]))
    assert numbering.of_forgotten.to_list() == [2]
    assert numbering.stored_ids.to_list() == ["a", "c", None]


def test_members_of_older_states_are_numbered_before_a_block_is_written(tmp_path: Path) -> None:
    """E5, E8: who left the snapshot before profiles were numbered keeps the membership, under a number that stays."""
    shop = Shop(tmp_path)
    shop.audience("all", where="vip")
    shop.crm(mapping=COLUMNS)
    shop.day("2026-11-20", [person(each, vip=True) for each in "abz"])
    shop.day("2026-11-21", [person(each, vip=True) for each in "ab"])
    for file in (tmp_path / ".muster/numbering").iterdir():
        file.unlink()
    assert shop.day("2026-11-22", [person(each, vip=True) for each in "ab"]) == []
    assert shop.memberships()["z"] == "exited 2026-11-21T02:00:00Z"
    assert shop.day("2026-11-23", [person(each, vip=True) for each in "abc"]) == ["c,realized,2026-11-23T02:00:00Z"]
    assert shop.memberships()["z"] == "exited 2026-11-21T02:00:00Z"
    assert shop.memberships()["c"] == "realized 2026-11-23T02:00:00Z"
