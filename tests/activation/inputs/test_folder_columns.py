"""Values in the names of folders (D2): against a plain model, and against what DuckDB and PyArrow write and read."""

import string
import tempfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from muster.activation.inputs.finding import walk
from muster.activation.inputs.folder_columns import columns_in, with_folders
from muster.activation.inputs.parquet import read_part
from muster.activation.inputs.table import table_of

NULL = "__HIVE_DEFAULT_PARTITION__"
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)  # PyArrow loses what follows a NUL
WRITTEN = st.text(st.one_of(st.sampled_from("%=+/ 0aFé\x00"), st.sampled_from(string.hexdigits)), max_size=12)


def decoded(text: str) -> str:
    """Text after percent-decoding, a plain model: as it stands where the bytes are no UTF-8."""
    raw, found, at = text.encode(), bytearray(), 0
    while at < len(raw):
        digits = raw[at + 1 : at + 3].decode("latin-1")
        is_code = raw[at : at + 1] == b"%" and len(digits) == 2 and set(digits) <= set(string.hexdigits)
        found += bytes([int(digits, 16)]) if is_code else raw[at : at + 1]
        at += 3 if is_code else 1
    try:
        return found.decode()
    except UnicodeDecodeError:
        return text


@given(TEXT.filter(bool), TEXT)
@example("country", NULL[1:])
def test_what_was_encoded_is_decoded(name: str, value: str) -> None:
    """D2: each name and value comes back, whatever its characters, empty values included."""
    assert columns_in([f"{quote(name, safe='')}={quote(value, safe='')}"]) == {name: value}


@given(WRITTEN.filter(lambda name: name and "=" not in name), WRITTEN)
@example("c", NULL)
@example("c", "a=b")
@example("c", "%ff")
def test_any_folder_is_read_as_the_model_reads_it(name: str, value: str) -> None:
    """D2: the value is all after the first `=`; what is no percent-encoding stays as it is."""
    assert columns_in([f"{name}={value}"]) == {decoded(name): None if value == NULL else decoded(value)}


@pytest.mark.parametrize("folder", ["", "=", "=x", "more", "2026-11-20", "%3D"])
def test_other_folders_have_no_column(folder: str) -> None:
    """D2: a folder without a name before `=` is a folder like any other."""
    assert columns_in([folder]) == {}


def test_nested_folders() -> None:
    """D2: of one name the innermost folder counts; names of the file system that are no UTF-8 do no harm."""
    assert columns_in(["a=1", "more", "b=2", "a=3"]) == {"a": "3", "b": "2"}
    assert columns_in(["a=\udcff"]) == {"a": "\ufffd"}


def by_duckdb(table: pa.Table, folder: Path) -> None:
    """Write a table as DuckDB does."""
    with duckdb.connect() as connection:
        connection.register("t", table)
        connection.execute(f"COPY t TO '{folder}' (FORMAT parquet, PARTITION_BY (v))")


def by_pyarrow(table: pa.Table, folder: Path) -> None:
    """Write a table as PyArrow does, and pandas with it."""
    pyarrow.parquet.write_to_dataset(table, folder, partition_cols=["v"])


def read_here(folder: Path) -> dict[int, str | None]:
    """The values by row, as muster reads them."""
    parts = [
        with_folders(read_part(file, str(file)), columns_in(file.relative_to(folder).parts[:-1]))
        for file in sorted(walk(folder))
        if isinstance(file, Path)
    ]
    return dict(table_of(parts).frame().select("n", pl.col("v").cast(pl.String)).collect().iter_rows())


def read_by_duckdb(folder: Path) -> dict[int, str | None]:
    """The values by row, as DuckDB reads them."""
    options = "hive_partitioning = true, hive_types_autocast = false"
    with duckdb.connect() as connection:
        return dict(connection.execute(f"SELECT n, v FROM read_parquet('{folder}/*/*', {options})").fetchall())


def read_by_pyarrow(folder: Path) -> dict[int, str | None]:
    """The values by row, as PyArrow reads them."""
    schema = pa.schema({"v": pa.string()})
    read = pyarrow.dataset.dataset(folder, partitioning=pyarrow.dataset.partitioning(schema, flavor="hive")).to_table()
    return dict(zip(read["n"].to_pylist(), read["v"].to_pylist(), strict=True))


@pytest.mark.parametrize("write", [by_duckdb, by_pyarrow])
@settings(max_examples=12)
@given(
    values=st.lists(st.none() | TEXT.filter(lambda text: text and text != NULL), min_size=1, max_size=8, unique=True)
)
@example(values=["a b", "a/b", "a=b", "50%", "%20", "é", "+", "'", '"', "\\", "\n", "🦊", ".", "..", None, "007"])
def test_others_folders_are_read_as_they_were_written(
    write: Callable[[pa.Table, Path], None], values: list[str | None]
) -> None:
    """D2: DuckDB's and PyArrow's folders have the values that were written, as both read them, too."""
    table = pa.table({"n": list(range(len(values))), "v": pa.array(values, pa.string())})
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / "t"
        write(table, folder)
        expected = dict(enumerate(values))
        assert read_here(folder) == expected
        assert read_by_duckdb(folder) == expected
        assert read_by_pyarrow(folder) == expected
