"""Footers and Arrow's schemas in them, taken apart and changed: compared with PyArrow, and with bytes at random."""

import io
from base64 import b64decode, b64encode
from collections.abc import Sequence

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.activation.inputs.arrow_schema import changed_schema
from muster.activation.inputs.footer import read_footer
from muster.activation.inputs.thrift_pieces import put_together, taken_apart

ZONES = ("UTC", "Europe/Berlin", "+05:30", "Z", "a", "Etc/GMT+3", "-03:30")
KNOWN = {"UTC", "Europe/Berlin", "Etc/GMT+3"}
LEAVES = st.one_of(
    st.sampled_from(
        [pa.int8(), pa.uint64(), pa.string(), pa.large_binary(), pa.bool_(), pa.decimal128(9, 2), pa.null()]
    ),
    st.sampled_from([pa.duration("us"), pa.time64("ns"), pa.date32(), pa.dictionary(pa.int32(), pa.string())]),
    st.builds(pa.timestamp, st.sampled_from(["s", "ms", "us", "ns"]), st.one_of(st.none(), st.sampled_from(ZONES))),
)
TYPES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(pa.list_, inner),
        st.builds(pa.large_list, inner),
        st.builds(pa.map_, st.just(pa.string()), inner),
        st.lists(inner, min_size=1, max_size=3).map(
            lambda types: pa.struct([(f"f{n}", t) for n, t in enumerate(types)])
        ),
    ),
    max_leaves=6,
)
SCHEMAS = st.lists(TYPES, min_size=1, max_size=5)


def text(schema: pa.Schema) -> bytes:
    """A schema as Arrow's writers put it into footers."""
    return b64encode(schema.serialize().to_pybytes())


def schema_of(types: Sequence[pa.DataType]) -> pa.Schema:
    """Columns of these types."""
    return pa.schema([(f"c{number}", each) for number, each in enumerate(types)])


def as_known(dtype: pa.DataType) -> pa.DataType:
    """The type with unknown zones as UTC."""
    if pa.types.is_timestamp(dtype):
        return pa.timestamp(dtype.unit, dtype.tz if dtype.tz is None or dtype.tz in KNOWN else "UTC")
    if pa.types.is_map(dtype):
        return pa.map_(dtype.key_type, as_known(dtype.item_type))
    if pa.types.is_large_list(dtype):
        return pa.large_list(as_known(dtype.value_type))
    if pa.types.is_list(dtype):
        return pa.list_(as_known(dtype.value_type))
    if pa.types.is_struct(dtype):
        return pa.struct([(field.name, as_known(field.type)) for field in dtype])
    return dtype


@given(SCHEMAS, st.data())
def test_arrows_schema_is_changed_in_place(types: list[pa.DataType], data: st.DataObject) -> None:
    """D6: columns are left out, and zones that are not known are UTC; PyArrow reads the rest as it was."""
    schema = schema_of(types)
    kept = data.draw(st.lists(st.booleans(), min_size=len(types), max_size=len(types)))
    found = changed_schema(text(schema), schema.names, kept, [False] * len(types), KNOWN.__contains__)
    expected = [
        (name, as_known(schema.field(name).type)) for name, is_kept in zip(schema.names, kept, strict=True) if is_kept
    ]
    assert found
    assert pa.ipc.read_schema(pa.py_buffer(b64decode(found))) == pa.schema(expected)
    if all(kept) and schema == pa.schema(expected):
        assert found == text(schema)


def test_maps_become_lists_of_entries() -> None:
    """D6: in columns whose maps are read as lists, Arrow's schema speaks of lists, also of list views."""
    schema = schema_of([pa.map_(pa.string(), pa.int64()), pa.map_(pa.string(), pa.int8()), pa.list_view(pa.int64())])
    found = changed_schema(text(schema), schema.names, [True] * 3, [True, False, False], KNOWN.__contains__)
    assert found
    first, second, third = pa.ipc.read_schema(pa.py_buffer(b64decode(found))).types
    assert (pa.types.is_list(first), pa.types.is_map(second), third) == (True, True, pa.list_(pa.int64()))


def test_schemas_of_other_columns_are_not_believed() -> None:
    """D6: a schema that is not of the file's columns, or has a type that Polars does not read, counts as absent."""
    schema = schema_of([pa.int64()])
    for names in (["other"], ["c0", "c1"], []):
        assert (
            changed_schema(text(schema), names, [True] * len(names), [False] * len(names), KNOWN.__contains__) is None
        )
    interval = schema_of([pa.month_day_nano_interval()])
    assert changed_schema(text(interval), ["c0"], [True], [False], KNOWN.__contains__) is None
    assert changed_schema(b"no base64!", ["c0"], [True], [False], KNOWN.__contains__) is None


@given(SCHEMAS, st.data())
def test_spoiled_schemas_of_arrow(types: list[pa.DataType], data: st.DataObject) -> None:
    """SPEC 10: whatever the bytes are, a schema is changed or counts as absent, at once."""
    schema = schema_of(types)
    content = bytearray(b64decode(text(schema)))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.sampled_from([0, 1, 4, 127, 255]))
    changed_schema(b64encode(content), schema.names, [True] * len(types), [True] * len(types), lambda _: False)


def footer_of(content: bytes) -> bytes:
    """The bytes of a file's footer."""
    return content[len(content) - 8 - int.from_bytes(content[-8:-4], "little") : -8]


@pytest.mark.parametrize("columns", [1, 20])
def test_structs_are_put_together_as_they_were(columns: int) -> None:
    """A footer that is taken apart and put together is the footer, byte by byte, whoever wrote it."""
    frame = pl.DataFrame({f"c{number}": [number, None] for number in range(columns)})
    by_polars, by_arrow = io.BytesIO(), io.BytesIO()
    frame.write_parquet(by_polars)
    pq.write_table(frame.to_arrow(), by_arrow, write_page_index=True)
    for content in (by_polars.getvalue(), by_arrow.getvalue()):
        assert put_together(taken_apart(footer_of(content))) == footer_of(content)


@given(st.data())
def test_spoiled_footers(data: st.DataObject) -> None:
    """SPEC 10: whatever the bytes are, a footer is read, or said to be damaged."""
    file = io.BytesIO()
    pq.write_table(pa.table({"a": [1], "s": [{"x": [1], "y": "z"}]}), file)
    content = bytearray(footer_of(file.getvalue()))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    said = ""
    try:
        read_footer(bytes(content))
    except ValueError as error:
        said = str(error)
    assert said in {"", "its footer is damaged"}
