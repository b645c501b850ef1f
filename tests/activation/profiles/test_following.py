"""P11: memberships follow aliases, by number and by id alike."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muster.activation.frames.columns import PROFILE_ID, REALIZED, STATUS, TIME, TIME_TYPE
from muster.activation.profiles.following import NumberedLineage, aliases_since, followed, followed_by_id
from muster.activation.profiles.members import Members
from muster.activation.profiles.numbering import Numbering
from muster.activation.state.files import State
from muster.activation.views.lineage import ALIASES, SPLITS, Lineage

IDS = "abcdefgh"
Kept = dict[str, tuple[bool, int]]  # by id: whether realized, and the day


def lineage_of(*aliases: tuple[str, str, int]) -> Lineage:
    return Lineage("default", 9, pl.DataFrame(aliases, ALIASES, orient="row"), SPLITS.to_frame())


def day(number: int) -> datetime:
    return datetime(2026, 11, 1, tzinfo=UTC) + timedelta(days=number)


def members(kept: Kept) -> Members:
    """Memberships by number, of which ``a`` has the first."""
    realized = [kept[each][0] if each in kept else None for each in IDS]
    times = [day(kept[each][1]) if each in kept else None for each in IDS]
    return Members(pl.Series(realized, dtype=pl.Boolean), pl.Series(times, dtype=TIME_TYPE))


def by_number(kept: Kept, lineage: Lineage, build: int, folder: Path) -> Kept:
    numbering = Numbering(State(folder, 0o600), [])
    numbering.numbers_of(pl.Series(list(IDS)))
    absorbed = NumberedLineage.of(lineage, numbering).absorbed_since("default", build)
    found = followed(members(kept), absorbed, numbering.length)
    rows = zip(numbering.ids.head(len(found.times)), found.realized, found.times, strict=True)
    return {each: (realized, time.day - 1) for each, realized, time in rows if realized is not None}


def by_id(kept: Kept, lineage: Lineage, build: int) -> Kept:
    rows = [(each, "realized" if is_in else "exited", day(at)) for each, (is_in, at) in kept.items()]
    frame = pl.LazyFrame(rows, {PROFILE_ID: pl.String, STATUS: pl.String, TIME: TIME_TYPE}, orient="row")
    found = followed_by_id(frame, aliases_since(lineage, "default", build)).collect()
    return {each: (status == REALIZED, time.day - 1) for each, status, time in found.iter_rows()}


@pytest.mark.parametrize(
    ("kept", "after"),
    [
        ({"a": (True, 5), "b": (True, 3)}, (True, 5)),  # since the survivor's time
        ({"a": (False, 5), "b": (True, 4), "c": (True, 3)}, (True, 3)),  # else the earliest
        ({"b": (True, 4), "c": (False, 6)}, (True, 4)),
        ({"a": (False, 5), "b": (False, 7)}, (False, 5)),  # nobody was a member: the survivor's exit
        ({"b": (False, 7), "c": (False, 2)}, (False, 7)),  # else the newest
    ],
)
def test_a_merged_person_is_a_member_if_any_of_the_ids_was(tmp_path: Path, kept: Kept, after: tuple[bool, int]) -> None:
    """P11: since the survivor's time if the survivor was realized, else the earliest; an absorbed id has none."""
    lineage, others = lineage_of(("b", "a", 2), ("c", "a", 3)), {"d": (True, 1), "e": (False, 1)}
    for found in (by_number(kept | others, lineage, 1, tmp_path), by_id(kept | others, lineage, 1)):
        assert found == {"a": after} | others


def test_aliases_of_before_say_nothing(tmp_path: Path) -> None:
    """An evaluation followed the aliases of its own build; those of another merge policy are of other profiles."""
    kept, lineage = {"b": (True, 3)}, lineage_of(("b", "a", 2))
    assert by_number(kept, lineage, 1, tmp_path) == {"a": (True, 3)}
    assert by_number(kept, lineage, 2, tmp_path) == by_id(kept, lineage, 2) == kept
    assert aliases_since(lineage, "other", 1) is None
    assert aliases_since(None, None, None) is None


@settings(max_examples=25, deadline=None)
@given(
    st.dictionaries(st.sampled_from(IDS), st.tuples(st.booleans(), st.integers(0, 20))),
    st.dictionaries(st.sampled_from("bcdefg"), st.tuples(st.sampled_from(["a", "h", "new"]), st.integers(1, 3))),
    st.integers(0, 3),
)
def test_memberships_by_number_and_by_id_are_the_same(
    tmp_path_factory: pytest.TempPathFactory, kept: Kept, aliases: dict[str, tuple[str, int]], build: int
) -> None:
    """Both follow the same aliases, also to a survivor whom nobody has numbered yet."""
    lineage = lineage_of(*((alias, *survivor) for alias, survivor in aliases.items()))
    assert by_number(kept, lineage, build, tmp_path_factory.getbasetemp()) == by_id(kept, lineage, build)
