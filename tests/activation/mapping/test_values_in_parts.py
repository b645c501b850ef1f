"""V13: values of many profiles come in parts, in the order asked for, however the snapshot has them."""

from pathlib import Path
from unittest import mock

import polars as pl
import pytest
from support.told_people import Person, activation, told

from muster.activation.errors import DataError
from muster.activation.mapping import profile_values
from muster.activation.mapping.profile_values import ProfileValues
from muster.activation.model.messages import MappedAudience
from muster.activation.model.workspace import Column

COUNT = 1000


def snapshot(order: list[int]) -> pl.DataFrame:
    """Profiles in this order."""
    ids = [f"p{number:04}" for number in order]
    return pl.DataFrame({"profile_id": ids, "email": [f"{number}@x.com" for number in order]})


@pytest.mark.parametrize("few", [0, COUNT * 2], ids=["many", "few"])
@pytest.mark.parametrize("shuffled", [False, True], ids=["in order", "shuffled"])
@pytest.mark.parametrize("kept", [False, True], ids=["read", "kept"])
def test_values_stand_beside_their_rows(tmp_path: Path, few: int, shuffled: bool, kept: bool) -> None:
    """Each row has the value of its own profile, in each way through the snapshot."""
    order = [number * 7 % COUNT for number in range(COUNT)] if shuffled else list(range(COUNT))
    of = activation([Column("email", "email")], MappedAudience("a", "A"))
    wanted = [number for number in range(COUNT) if number % 3]
    changes = told(tmp_path, snapshot(order), of, [Person(f"p{number:04}", {0: True}) for number in wanted])
    rows, fields = changes.people.select("muster:row"), changes.layout.fields
    name = fields[0].value_column
    with mock.patch.object(profile_values, "_FEW", few):
        for _ in range(2 if kept else 0):  # what is asked for again is kept
            changes.values.of(rows, fields).collect()
        parts = list(changes.values.in_parts(rows, fields, 64))
    assert max(part.height for part in parts) <= COUNT // 2
    assert pl.concat(parts)[name].to_list() == [f"{number}@x.com" for number in wanted]


def test_a_snapshot_that_was_replaced_is_noticed(tmp_path: Path) -> None:
    """D1: no value comes to another profile."""
    order = [number * 7 % COUNT for number in range(COUNT)]
    of = activation([Column("email", "email")], MappedAudience("a", "A"))
    changes = told(tmp_path, snapshot(order), of, [Person(f"p{number:04}", {0: True}) for number in range(COUNT)])
    snapshot(list(range(COUNT))).write_parquet(tmp_path / "day.parquet")
    rows, fields = changes.people.select("muster:row"), changes.layout.fields
    with mock.patch.object(profile_values, "_FEW", 0), pytest.raises(DataError, match="changed while it was read"):
        list(ProfileValues.in_parts(changes.values, rows, fields, 64))
