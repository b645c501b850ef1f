"""V6: pieces of JSON: keys that are left out take their commas along, and constants are text that UTF-8 can hold."""

import json
from itertools import product

import polars as pl
import pytest

from muster.activation.messages.json_parts import Json, constant, list_of, object_of


@pytest.mark.parametrize("kinds", [*product("nc", repeat=3)])
def test_commas_stand_between_the_keys_that_are_there(kinds: tuple[str, ...]) -> None:
    """Objects of nullable and constant values, in any order."""
    rows = pl.DataFrame(list(product([None, "1"], repeat=3)), schema=dict.fromkeys("abc", pl.String), orient="row")
    values = [
        Json((pl.col(name),), may_be_null=True) if kind == "n" else constant(2)
        for name, kind in zip("abc", kinds, strict=True)
    ]
    members = list(zip("abc", values, strict=True))
    texts = rows.with_columns(object_of(members).expr.alias("object"), list_of(values).expr.alias("list"))
    for row, text, listed in zip(rows.iter_rows(), texts["object"], texts["list"], strict=True):
        plain = [2 if kind == "c" else value and int(value) for value, kind in zip(row, kinds, strict=True)]
        there = {key: value for key, value in zip("abc", plain, strict=True) if value is not None}
        assert text == json.dumps(there, separators=(",", ":"))
        assert listed == json.dumps(plain, separators=(",", ":"))


def test_half_of_a_surrogate_pair_is_refused() -> None:
    """It is no character, and no body in UTF-8 can have it."""
    assert constant("\U0001f600").pieces == ('"\U0001f600"',)
    with pytest.raises(ValueError, match=r'"\\ud83d" has half of a surrogate pair'):
        constant("\ud83d")
    with pytest.raises(ValueError, match="half of a surrogate pair"):
        object_of([("\ude00", constant(1))])
