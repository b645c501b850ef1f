"""Patterns of paths: whether a file name with placeholders can mean what a glob or a folder means (F1)."""

from fnmatch import fnmatchcase

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from muster.activation.model.name_patterns import can_be_equal, can_lie_in, literal, of_glob, of_name

LETTERS = st.sampled_from("ab1_")


@given(name=st.text(LETTERS, max_size=5), glob=st.text(st.sampled_from("ab1_*?"), max_size=5))
def test_a_name_meets_the_globs_that_match_it(name: str, glob: str) -> None:
    """F1: a fixed name can be equal to a glob exactly if the glob matches it; ``**`` alone means folders."""
    assume(glob != "**")
    assert can_be_equal(literal(name), of_glob(glob)) == fnmatchcase(name, glob)


@given(one=st.text(st.sampled_from("ab*?"), max_size=4), other=st.text(st.sampled_from("ab*?"), max_size=4))
def test_two_globs_meet_in_either_order(one: str, other: str) -> None:
    """F1: whether two patterns can mean one name does not depend on their order, and a pattern meets itself."""
    assert can_be_equal(of_glob(one), of_glob(other)) == can_be_equal(of_glob(other), of_glob(one))
    assert can_be_equal(of_glob(one), of_glob(one))


@pytest.mark.parametrize(
    ("name", "glob", "meets"),
    [
        ("\1" * 8 + ".csv", "2026*.csv", True),
        ("\1" * 8 + ".csv", "????????.csv", True),
        ("\1" * 8 + ".csv", "???????.csv", False),
        ("\1" * 8 + ".csv", "profiles.csv", False),
        ("x_" + "\1" * 8 + "T" + "\1" * 6 + "Z.csv", "*T*Z.csv", True),
        ("x_" + "\1" * 8 + "T" + "\1" * 6 + "Z.csv", "*t*z.csv", False),
        ("x\2.csv", "x+0900.csv", True),
        ("x\2.csv", "x0900.csv", False),
        ("\3", "1767225600", True),
        ("\3", "now", False),
        ("\4", "20261120T050000Z-*", True),
        ("\4", "20261120T050000Z", False),
        ("a_\x1f.csv", "a_[2-9].csv", True),
        ("a_\x1f.csv", "a_[!0-9].csv", False),
        ("\6.csv", "2026-11-20+0100.csv", True),
        ("a.csv", "A.csv", False),
    ],
)
def test_values_of_the_run_have_their_forms(name: str, glob: str, meets: bool) -> None:
    """F1: digits of a time, an offset, a number, a run id and a part number have forms of their own; case counts."""
    assert can_be_equal(of_name(name), of_glob(glob)) is meets


@pytest.mark.parametrize(
    ("path", "place", "lies"),
    [
        ("data/x", "data", True),
        ("data", "data/x", False),
        ("data/x/y", "data/x", True),
        ("data/x/y", "data/y", False),
        ("data/x/y.csv", "data/**/*.csv", True),
        ("data/y.csv", "data/**/*.csv", True),
        ("data/y.json", "data/**/*.csv", False),
        ("other/y.csv", "data/**/*.csv", False),
    ],
)
def test_a_path_lies_in_what_a_beginning_of_it_matches(path: str, place: str, lies: bool) -> None:
    """F1: a path lies in a folder or in a match of a glob if a beginning of it is that folder or match."""
    segments = [literal(part) for part in path.split("/")]
    assert can_lie_in(segments, [of_glob(part) for part in place.split("/")]) is lies
