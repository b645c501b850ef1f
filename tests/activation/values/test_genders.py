"""Genders as one letter (M1, docs/columns.md)."""

import polars as pl
import pytest

from muster.activation.values.transforms import apply, read


def written(step: str, *values: str | None) -> list[str | None]:
    """What the transform makes of the values."""
    expr, dtype = apply([step], pl.col("value"), pl.String())
    assert dtype == pl.String()
    return pl.DataFrame({"value": values}, schema={"value": pl.String}).select(expr)["value"].to_list()


def test_words_become_the_letters_that_are_asked_for() -> None:
    """M1: letters and a few English words are read, whatever their case; all else is null, and so is a gender whose
    letter is not asked for.
    """
    assert written("gender(m f)", "Female", " m ", "WOMAN", "other", "robot", "", None) == [
        *("f", "m", "f", None, None, None, None)
    ]
    assert written("gender(M F O N P)", "male", "non-binary", "Non_Binary", "x", "n/a", "Prefer  not to say") == [
        *("M", "O", "O", "O", "N", "P")
    ]
    assert written("gender(f m o=n)", "other", "n", "f") == ["n", None, "f"]


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ("gender", "gender needs an argument in brackets, such as gender(f m)"),
        ("gender( )", "'gender( )': is empty; expected some of f, m, o, n and p"),
        (
            "gender(m w)",
            "'gender(m w)': 'w' is not a gender; expected some of f, m, o, n and p, or o=x to write o as x",
        ),
        ("gender(m f F)", "'gender(m f F)': 'F' is there twice"),
        ("gender(o=)", "'o=' is not a gender"),
    ],
)
def test_letters_that_are_none_are_a_mistake(step: str, words: str) -> None:
    """SPEC 10: the message quotes the transform and says what was expected."""
    with pytest.raises(ValueError, match="gender") as caught:
        read(step)
    assert words in str(caught.value)
