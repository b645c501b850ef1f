"""Values in encodings that Polars does not decode, read by PyArrow (D6).

Writers of Parquet's "version 2" encode decimals and other bytes of fixed length as ``DELTA_BYTE_ARRAY``.
"""

from typing import IO, TYPE_CHECKING

import polars as pl

from muster.activation.frames import engine

if TYPE_CHECKING:
    import pyarrow as pa


def read_by_arrow(file: IO[bytes], schema: pl.Schema) -> pl.DataFrame:
    """The flat columns of a Parquet file, in these types; ``ReadError`` when they cannot be decoded."""
    import pyarrow as pa  # noqa: PLC0415  # a quarter of a second that few files need
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        table = pq.read_table(file, columns=list(schema))
    except (pa.ArrowException, OSError) as error:
        raise engine.ReadError("the data could not be read: a page is damaged") from error
    return pl.DataFrame([pl.Series(name, _stored(table[name])).cast(dtype) for name, dtype in schema.items()])


def _stored(values: "pa.ChunkedArray") -> "pa.ChunkedArray":
    """The values of an extension type, such as that of UUIDs, as they are stored."""
    import pyarrow as pa  # noqa: PLC0415

    if not isinstance(values.type, pa.BaseExtensionType):
        return values
    return pa.chunked_array([chunk.storage for chunk in values.chunks], values.type.storage_type)
