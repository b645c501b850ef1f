"""D5, D6: the types of columns over several files, and when a file is read for them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from muster.activation.frames import engine
from muster.activation.inputs import column_types
from muster.activation.inputs.parquet import Part, read_part
from muster.activation.inputs.table import table_of

BIG = 2**53 + 1
Files = Callable[..., list[Part]]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """Parquet files, one for each frame."""

    def write(*frames: pl.DataFrame, **options: Any) -> list[Part]:
        found = []
        for number, frame in enumerate(frames):
            path = tmp_path / f"part-{number}.parquet"
            frame.write_parquet(path, **options)
            found.append(read_part(path, path.name))
        return found

    return write


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> list[pl.LazyFrame]:
    """The plans that were run to find types."""
    run: list[pl.LazyFrame] = []

    def collect(frame: pl.LazyFrame) -> pl.DataFrame:
        run.append(frame)
        return pl.collect_all([frame])[0]

    monkeypatch.setattr(engine, "collect", collect)
    return run


def x(*values: Any, dtype: Any = None) -> pl.DataFrame:
    return pl.DataFrame({"x": pl.Series(values, dtype=dtype)})


def test_footers_say_what_there_is_to_know(files: Files, plans: list[pl.LazyFrame]) -> None:
    """D5: where statistics bound the integers, say that there is no value, or the types agree, no row is read."""
    assert table_of(files(x(1, 2**53), x(0.5))).schema == {"x": pl.Float64}
    assert table_of(files(x(BIG), x(None, dtype=pl.Float64))).schema == {"x": pl.Int64}
    assert table_of(files(x("a"), x(None, dtype=pl.Date), x(dtype=pl.Binary))).schema == {"x": pl.String}
    assert table_of(files(x(1, dtype=pl.Int8), x(BIG), x(2**63, dtype=pl.UInt64))).schema == {"x": pl.Int128}
    assert plans == []


def test_a_column_is_read_where_its_footer_leaves_it_open(files: Files, plans: list[pl.LazyFrame]) -> None:
    """D5: one column of one file, by one plan: to see whether integers are floats, or there is a value at all."""
    parts = files(x(1, 2**53).with_columns(y=pl.lit("u")), x(0.5).with_columns(y=pl.lit("v")), statistics=False)
    assert table_of(parts).schema == {"x": pl.Float64, "y": pl.String}
    assert len(plans) == 1
    assert table_of(files(x(None, dtype=pl.Float64), x("a"), statistics=False)).schema == {"x": pl.String}
    assert "PROJECT 1/2 COLUMNS" in plans[0].explain()
    assert len(plans) == 3


@pytest.mark.parametrize("statistics", [True, False])
def test_a_lost_digit_makes_a_column_unusable(files: Files, *, statistics: bool) -> None:
    """D5: in whichever file it is, and whatever the order of the files."""
    for parts in (x(1), x(BIG), x(0.5)), (x(0.5), x(BIG), x(1)):
        table = table_of(files(*parts, statistics=statistics))
        assert table.schema == {}
        assert "part-1.parquet: column 'x' is a whole number (Int64) here but a number (Float64)" in table.unusable["x"]


def test_types_of_files_in_any_order(files: Files) -> None:
    """D5: a third file's type counts as well as a second's, also behind files without a value."""
    parts = [x(None), x(1, dtype=pl.Int8), x(None, dtype=pl.Date), x(0.5), x(None, dtype=pl.Binary)]
    assert table_of(files(*parts)).frame().collect()["x"].to_list() == [None, 1.0, None, 0.5, None]
    assert table_of(files(*parts[::-1])).frame().collect()["x"].to_list() == [None, 0.5, None, 1.0, None]


def test_a_column_without_any_value_keeps_a_type_that_all_files_agree_on(files: Files) -> None:
    """D5: else it has none, and is null."""
    assert table_of(files(x(None, dtype=pl.Date), x(dtype=pl.Date))).schema == {"x": pl.Date}
    assert table_of(files(x(None, dtype=pl.Date), x(dtype=pl.String))).schema == {"x": pl.Null}


def test_a_column_that_one_file_cannot_give_is_unusable(files: Files) -> None:
    """D6: with the file and the reason, unless the file has no value in it."""
    one, other = files(pl.DataFrame({"x": [1], "y": [1]}), pl.DataFrame({"y": [1]}))
    without = replace(other, unusable={"x": "it is an interval"})
    table = table_of([one, without])
    assert (list(table.schema), dict(table.unusable)) == (
        ["y"],
        {"x": "part-1.parquet: column 'x' cannot be used: it is an interval"},
    )
    assert table_of([one, replace(without, without_values=frozenset({"x"}))]).schema == one.schema
    assert table_of([one, replace(without, rows=0)]).schema == one.schema
    assert list(table_of([replace(without, rows=0)]).unusable) == ["x"]


def test_a_file_without_rows_and_columns_gives_no_row(files: Files) -> None:
    """D5: nor does a table of such files alone."""
    one, other = files(x(1), pl.DataFrame({"muster:y": []}))
    assert table_of([one, other]).frame().collect()["x"].to_list() == [1]
    assert table_of([other]).frame().collect().height == 0


def test_nothing_reads_files_of_one_type(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """D5: ordinary files are not looked into, not even their statistics."""
    parts = files(x(1), x(BIG), x(3))
    monkeypatch.delattr(column_types, "footer_of")
    assert table_of(parts).schema == {"x": pl.Int64}
